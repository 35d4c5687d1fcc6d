// Small GeoTIFF scenes for the browser tests: green, red and near infrared as int16 reflectance x 10,000, in UTM zone 30N.

import { crc32 } from "node:zlib";

// Green, red, near infrared.
const SURFACES = { water: [620, 430, 210], forest: [420, 300, 2900], crop: [900, 1000, 3300], bare: [1500, 2000, 2700] };

const ASCII = 2, SHORT = 3, LONG = 4, DOUBLE = 12;
const SIZE = { [ASCII]: 1, [SHORT]: 2, [LONG]: 4, [DOUBLE]: 8 };

/** A river through forest, fields and bare ground; interleaved samples, row by row. */
function samples(width, height, bands) {
  const values = new Int16Array(width * height * bands);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bank = width * (0.5 + 0.25 * Math.sin((y / height) * 5));
      const distance = Math.abs(x - bank);
      const surface = distance < 10 ? SURFACES.water : x < bank ? SURFACES.forest : y % 48 < 30 ? SURFACES.crop : SURFACES.bare;
      // A fixed texture: the same scene on every run.
      const texture = 1 + 0.06 * Math.sin(x * 12.9898 + y * 78.233);
      for (let band = 0; band < bands; band++) values[(y * width + x) * bands + band] = Math.round(surface[band % 3] * texture);
    }
  }
  return values;
}

/** One of three interleaved bands alone. */
const single = (values, band) => values.filter((_, i) => i % 3 === band);

/** The bytes of a little-endian, uncompressed GeoTIFF in strips of 16 rows; with `band`, that one alone, from 0. */
export function scene({ width = 128, height = 128, bands = 3, metres = 10, origin = [500_000, 4_600_000], band } = {}) {
  if (band !== undefined) bands = 1;
  const values = band === undefined ? samples(width, height, bands) : single(samples(width, height, 3), band);
  const pixels = Buffer.from(values.buffer);
  const rows = 16;
  const stripBytes = rows * width * bands * 2;
  const strips = Math.ceil(height / rows);
  const each = (count, value) => Array.from({ length: count }, (_, i) => (typeof value === "function" ? value(i) : value));
  const entries = [
    [256, LONG, [width]],
    [257, LONG, [height]],
    [258, SHORT, each(bands, 16)],
    [259, SHORT, [1]],
    [262, SHORT, [1]],
    [273, LONG, each(strips, (i) => 8 + i * stripBytes)],
    [277, SHORT, [bands]],
    [278, LONG, [rows]],
    [279, LONG, each(strips, (i) => Math.min(stripBytes, pixels.length - i * stripBytes))],
    [284, SHORT, [1]],
    ...(bands > 1 ? [[338, SHORT, each(bands - 1, 0)]] : []),
    [339, SHORT, each(bands, 2)],
    [33550, DOUBLE, [metres, metres, 0]],
    [33922, DOUBLE, [0, 0, 0, ...origin, 0]],
    // Projected, pixel is area, EPSG:32630.
    [34735, SHORT, [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32630]],
    [42113, ASCII, [..."-32768\0"].map((c) => c.charCodeAt(0))],
  ];
  const directoryAt = 8 + pixels.length;
  const directory = Buffer.alloc(2 + entries.length * 12 + 4);
  directory.writeUInt16LE(entries.length, 0);
  const overflow = [];
  let overflowAt = directoryAt + directory.length;
  entries.forEach(([tag, type, values], i) => {
    const at = 2 + i * 12;
    const bytes = Buffer.alloc(Math.max(4, values.length * SIZE[type]));
    values.forEach((value, k) => {
      if (type === ASCII) bytes.writeUInt8(value, k);
      else if (type === SHORT) bytes.writeUInt16LE(value, k * 2);
      else if (type === LONG) bytes.writeUInt32LE(value, k * 4);
      else bytes.writeDoubleLE(value, k * 8);
    });
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(type, at + 2);
    directory.writeUInt32LE(values.length, at + 4);
    if (bytes.length === 4) return void bytes.copy(directory, at + 8);
    directory.writeUInt32LE(overflowAt, at + 8);
    overflow.push(bytes);
    overflowAt += bytes.length;
  });
  const header = Buffer.from([0x49, 0x49, 42, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(directoryAt, 4);
  return Buffer.concat([header, pixels, directory, ...overflow]);
}

/** A zip archive of `{path: bytes}` without compression. */
export function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [path, bytes] of Object.entries(files)) {
    const name = Buffer.from(path);
    // Version, flags, method, time, date, checksum, sizes, length of the name: the same in both headers.
    const shared = Buffer.alloc(24);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(0x0021, 8);
    shared.writeUInt32LE(crc32(bytes), 10);
    shared.writeUInt32LE(bytes.length, 14);
    shared.writeUInt32LE(bytes.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), shared, Buffer.alloc(2), name, bytes]);
    const tail = Buffer.alloc(16);
    tail.writeUInt32LE(offset, 12);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), shared, tail, name]));
    parts.push(local);
    offset += local.length;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, entries, end]);
}
