//! The entry points of the reader: each takes any bytes and reports how reading them ended, or panics if a promise is broken.
//!
//! Fuzz targets, the tests of damaged files and the 32-bit check run the same functions. They use the crate as an application would, so
//! that a rename inside it needs no change here.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use raremap_io::BytesSource;
use raremap_tiff::TiffError;
use raremap_tiff::{GeoTiff, Limits, Samples, Window};

/// Reads bytes in one way; returns "read" or the code of the error.
pub type Entry = fn(&[u8]) -> &'static str;

/// All of them by name; each has a fuzz target and a folder of seeds.
pub const ENTRIES: [(&str, Entry); 4] = [
    ("header", header),
    ("directory", directory),
    ("codec", codec),
    ("windows", windows),
];

/// Columns and rows of the largest window that an entry asks for.
const WINDOW_PX: u32 = 300;
/// Largest number of bands.
const BANDS: usize = 4;
/// More than the results of any entry take together: values and validity of a few windows.
pub const MAX_OUTPUT_BYTES: usize = 4 * (WINDOW_PX * WINDOW_PX) as usize * (BANDS * 8 + 1);

/// The first 16 bytes decide how a sound rest is read.
pub fn header(data: &[u8]) -> &'static str {
    let is_big_tiff = data.get(2..4).is_some_and(|magic| magic.contains(&43));
    let plain = Plain {
        is_big_tiff,
        big_endian: data.first() == Some(&b'M'),
        ..Plain::default()
    };
    let mut file = plain.encode(&[7; 64]);
    let given = data.len().min(if is_big_tiff { 16 } else { 8 });
    file[..given].copy_from_slice(&data[..given]);
    // This includes a header that is cut short.
    if given < 8 {
        file.truncate(given);
    }
    outcome(open(&file).map(|_| ()))
}

/// The bytes are the file from its first directory on; the lowest bits of the first one choose the kind of file.
pub fn directory(data: &[u8]) -> &'static str {
    let Some((kind, rest)) = data.split_first() else {
        return "empty";
    };
    let (big_endian, is_big_tiff) = (kind & 1 != 0, kind & 2 != 0);
    let number = |value: u64, bytes: usize| number(value, bytes, big_endian);
    let mut file = if big_endian { b"MM".to_vec() } else { b"II".to_vec() };
    if is_big_tiff {
        file.extend([number(43, 2), number(8, 2), number(0, 2), number(16, 8)].concat());
    } else {
        file.extend([number(42, 2), number(8, 4)].concat());
    }
    file.extend_from_slice(rest);
    outcome(open(&file).and_then(|image| {
        // What people see is made from what the file says.
        let shown = format!("{:?}", image.info());
        assert!(!shown.is_empty());
        // This looks for overviews along the chain of directories.
        block_on(image.read_preview(8, &[0])).map(|_| ())
    }))
}

/// Values of the Compression tag, whether or not they are read, so that a new codec is covered as soon as it exists.
pub const COMPRESSIONS: [u16; 16] = [
    1, 5, 8, 32773, 50000, 34887, 50001, 7, 32946, 34925, 6, 2, 3, 4, 34712, 34676,
];
/// Bits and format of a sample.
const SAMPLES: [(u16, u16); 16] = [
    (8, 1),
    (16, 1),
    (32, 3),
    (64, 3),
    (1, 1),
    (4, 1),
    (12, 1),
    (16, 3),
    (8, 2),
    (16, 2),
    (32, 1),
    (32, 2),
    (2, 1),
    (24, 3),
    (64, 1),
    (11, 1),
];
/// PhotometricInterpretation: gray, RGB, palette, YCbCr.
const PHOTOMETRICS: [u16; 4] = [1, 2, 3, 6];

/// Bytes before the compressed ones in what [`codec`] takes.
pub const CODEC_HEADER_BYTES: usize = 6;

/// A strip or tile of compressed bytes, after six bytes that say how it is declared: compression; sample; bands
/// (2 bits), photometric (2), planar, tiled, byte order, fill order; predictor (2 bits) and the length of a JPEGTables
/// tag taken off the front (6 bits, in units of 16 bytes); width - 1; height - 1.
pub fn codec(data: &[u8]) -> &'static str {
    let Some(([compression, sample, layout, extra, width, height], payload)) = data.split_first_chunk() else {
        return "empty";
    };
    let (bits, format) = SAMPLES[usize::from(*sample) % SAMPLES.len()];
    let plain = Plain {
        is_big_tiff: false,
        big_endian: layout & 64 != 0,
        compression: COMPRESSIONS[usize::from(*compression) % COMPRESSIONS.len()],
        bits,
        format,
        bands: u16::from(layout & 3) + 1,
        photometric: PHOTOMETRICS[usize::from(layout >> 2) & 3],
        planar: layout & 16 != 0,
        tiled: layout & 32 != 0,
        fill_order: if layout & 128 != 0 { 2 } else { 1 },
        predictor: u16::from(extra & 3),
        jpeg_tables_bytes: usize::from(extra >> 2) * 16,
        width: u16::from(*width) + 1,
        height: u16::from(*height) + 1,
    };
    outcome(open(&plain.encode(payload)).and_then(|image| read_windows(&image)))
}

/// A whole file: opens it, reads a preview and several windows as an application would.
pub fn windows(data: &[u8]) -> &'static str {
    outcome(open(data).and_then(|image| read_windows(&image)))
}

fn outcome(result: Result<(), TiffError>) -> &'static str {
    match result {
        Ok(()) => "read",
        Err(error) => {
            // The sentence is made from what the file says, too.
            assert!(!error.to_string().is_empty());
            error.code()
        }
    }
}

fn open(file: &[u8]) -> Result<GeoTiff<BytesSource>, TiffError> {
    let source = BytesSource::new(bytes_of(file));
    block_on(GeoTiff::open(source, Limits::default()))
}

fn bytes_of(file: &[u8]) -> Vec<u8> {
    file.to_vec()
}

/// A preview, the upper left part, the lower right part, and one pixel of both; the parts must agree with each other.
fn read_windows(image: &GeoTiff<BytesSource>) -> Result<(), TiffError> {
    let (width, height) = (image.info().width, image.info().height);
    let bands: Vec<usize> = (0..image.info().band_count.min(BANDS)).collect();
    let preview = block_on(image.read_preview(50, &bands[..1]));
    if let Ok(preview) = &preview {
        assert!(preview.width.max(preview.height) <= 50);
        check_lengths(preview);
    }
    let first = Window {
        x: 0,
        y: 0,
        width: width.min(WINDOW_PX),
        height: height.min(WINDOW_PX),
    };
    let upper_left = block_on(image.read_window(first, &bands))?;
    check_lengths(&upper_left);
    let last = Window {
        x: width - width.min(40),
        y: height - height.min(40),
        width: width.min(40),
        height: height.min(40),
    };
    let lower_right = block_on(image.read_window_as::<f64>(last, &bands))?;
    check_lengths(&lower_right);
    // The same pixel through another window is the same, and so it is from the cache.
    let pixel = Window {
        x: first.width - 1,
        y: first.height - 1,
        width: 1,
        height: 1,
    };
    let alone = block_on(image.read_window(pixel, &bands))?;
    for band in 0..bands.len() {
        let in_window = upper_left.values[(band + 1) * upper_left.width * upper_left.height - 1];
        assert_eq!(
            in_window.to_bits(),
            alone.values[band].to_bits(),
            "band {band} of {pixel:?}"
        );
    }
    assert_eq!(upper_left.valid.last(), alone.valid.last());
    preview.map(|_| ())
}

fn check_lengths<T>(samples: &Samples<T>) {
    let pixels = samples.width * samples.height;
    assert!(pixels > 0 && samples.valid.len() == pixels && samples.values.len() == pixels * samples.bands);
}

/// Sources in memory are always ready, so nothing ever has to wait.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

fn number(value: u64, bytes: usize, big_endian: bool) -> Vec<u8> {
    if big_endian {
        value.to_be_bytes()[8 - bytes..].to_vec()
    } else {
        value.to_le_bytes()[..bytes].to_vec()
    }
}

/// A file of one block, with the tags that its fields say.
#[derive(Debug, Clone, Copy)]
struct Plain {
    is_big_tiff: bool,
    big_endian: bool,
    compression: u16,
    bits: u16,
    format: u16,
    bands: u16,
    photometric: u16,
    planar: bool,
    tiled: bool,
    fill_order: u16,
    predictor: u16,
    jpeg_tables_bytes: usize,
    width: u16,
    height: u16,
}

impl Default for Plain {
    fn default() -> Self {
        Self {
            is_big_tiff: false,
            big_endian: false,
            compression: 1,
            bits: 8,
            format: 1,
            bands: 1,
            photometric: 1,
            planar: false,
            tiled: false,
            fill_order: 1,
            predictor: 1,
            jpeg_tables_bytes: 0,
            width: 8,
            height: 8,
        }
    }
}

impl Plain {
    /// Header, directory, the values of its long tags, then the block, or all bands' blocks if the file is planar.
    fn encode(&self, payload: &[u8]) -> Vec<u8> {
        const SHORT: u64 = 3;
        const LONG: u64 = 4;
        const UNDEFINED: u64 = 7;
        let (word, count_bytes, header_bytes) = if self.is_big_tiff { (8, 8, 16) } else { (4, 2, 8) };
        let (tables, block) = payload.split_at(self.jpeg_tables_bytes.min(payload.len()));
        let number = |value: u64, bytes: usize| number(value, bytes, self.big_endian);
        let shorts = |tag: u64, values: &[u16]| {
            let bytes: Vec<u8> = values.iter().flat_map(|value| number(u64::from(*value), 2)).collect();
            (tag, SHORT, values.len(), bytes)
        };
        let planes = if self.planar { usize::from(self.bands) } else { 1 };
        let per_band = |value: u16| vec![value; usize::from(self.bands)];
        let (offsets_tag, counts_tag) = if self.tiled { (324, 325) } else { (273, 279) };
        // This is filled in below, once the position of the block is known.
        let longs = |tag: u64, value: usize| {
            (
                tag,
                LONG,
                planes,
                (0..planes).flat_map(|_| number(value as u64, 4)).collect::<Vec<u8>>(),
            )
        };
        let entries = |block_offset: usize| {
            let mut entries = vec![
                shorts(256, &[self.width]),
                shorts(257, &[self.height]),
                shorts(258, &per_band(self.bits)),
                shorts(259, &[self.compression]),
                shorts(262, &[self.photometric]),
                shorts(266, &[self.fill_order]),
                shorts(277, &[self.bands]),
                shorts(278, &[self.height]),
                shorts(284, &[if self.planar { 2 } else { 1 }]),
                shorts(317, &[self.predictor]),
                shorts(339, &per_band(self.format)),
                longs(offsets_tag, block_offset),
                longs(counts_tag, block.len()),
                (
                    50674,
                    LONG,
                    2,
                    [number(4, 4), number(u64::from(self.predictor), 4)].concat(),
                ),
            ];
            if self.tiled {
                entries.extend([shorts(322, &[self.width]), shorts(323, &[self.height])]);
            }
            if !tables.is_empty() {
                entries.push((347, UNDEFINED, tables.len(), tables.to_vec()));
            }
            entries
        };
        let sized = entries(0);
        let table_bytes = count_bytes + sized.len() * (4 + 2 * word) + word;
        let values_at = header_bytes + table_bytes;
        let long_bytes: usize = sized
            .iter()
            .map(|(.., value)| value.len())
            .filter(|length| *length > word)
            .sum();
        let block_offset = values_at + long_bytes;

        let mut file = if self.big_endian {
            b"MM".to_vec()
        } else {
            b"II".to_vec()
        };
        if self.is_big_tiff {
            file.extend([number(43, 2), number(8, 2), number(0, 2), number(16, 8)].concat());
        } else {
            file.extend([number(42, 2), number(8, 4)].concat());
        }
        file.extend(number(sized.len() as u64, count_bytes));
        let mut values = Vec::new();
        for (tag, field_type, count, value) in entries(block_offset) {
            file.extend([number(tag, 2), number(field_type, 2), number(count as u64, word)].concat());
            if value.len() > word {
                file.extend(number((values_at + values.len()) as u64, word));
                values.extend(value);
            } else {
                file.extend_from_slice(&value);
                file.extend(std::iter::repeat_n(0, word - value.len()));
            }
        }
        file.extend(number(0, word));
        file.extend(values);
        file.extend_from_slice(block);
        file
    }
}
