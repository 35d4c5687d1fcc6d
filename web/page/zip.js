// @ts-check
// Writes zip archives: for the folders that the page is asked for. Archives that are read go through rawzip, in wasm.

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** The checksum of zip and PNG. @param {Uint8Array} bytes */
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff];
  return (crc ^ 0xffffffff) >>> 0;
}

/** Little-endian numbers. @param {[2 | 4, number][]} fields width in bytes, and value */
function numbers(fields) {
  const bytes = new DataView(new ArrayBuffer(fields.reduce((sum, [width]) => sum + width, 0)));
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 2) bytes.setUint16(at, value, true);
    else bytes.setUint32(at, value, true);
    at += width;
  }
  return bytes.buffer;
}

const VERSION = 20;
const UTF8_NAMES = 0x0800;
const DEFLATE = 8;
/** The first day that the format knows: the same archive whenever it is made. */
const DATE = 0x0021;

/**
 * @param {AsyncIterable<{path: string, bytes: Uint8Array<ArrayBuffer>}>} files below 4 GB in all
 * @returns {Promise<Blob>}
 */
export async function zip(files) {
  /** @type {BlobPart[]} */
  const parts = [];
  /** @type {BlobPart[]} */
  const directory = [];
  let size = 0;
  let directorySize = 0;
  let count = 0;
  const add = (/** @type {BlobPart[]} */ ...added) => {
    parts.push(...added);
    size += new Blob(added).size;
  };
  for await (const { path, bytes } of files) {
    const name = new TextEncoder().encode(path);
    const packed = await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate-raw"))).blob();
    /** @type {[2 | 4, number][]} the same in both headers */
    const entry = [
      [2, VERSION], [2, UTF8_NAMES], [2, DEFLATE], [2, 0], [2, DATE],
      [4, crc32(bytes)], [4, packed.size], [4, bytes.length], [2, name.length], [2, 0],
    ];
    const central = numbers([[4, 0x02014b50], [2, VERSION], ...entry, [2, 0], [2, 0], [2, 0], [4, 0], [4, size]]);
    directory.push(central, name);
    directorySize += central.byteLength + name.length;
    add(numbers([[4, 0x04034b50], ...entry]), name, packed);
    count += 1;
  }
  const end = numbers([[4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, directorySize], [4, size], [2, 0]]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
