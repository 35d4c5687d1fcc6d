//! Every layout that the reader claims, on files made here, and what is fetched of them.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use crate::tiny::{Codec, Stored, Tiny};
use bytes::Bytes;
use pollster::block_on;
use raremap_io::{BytesSource, RangeSource, SourceError};
use raremap_tiff::TiffError;
use raremap_tiff::{ColorInterpretation, GeoTiff, Limits, Window};

fn open(bytes: Vec<u8>) -> Result<GeoTiff<BytesSource>, TiffError> {
    block_on(GeoTiff::open(BytesSource::new(bytes), Limits::default()))
}

fn code_of<T>(result: Result<T, TiffError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "no error")
}

/// Compares a window with what was written.
fn assert_window_matches<S: RangeSource>(image: &GeoTiff<S>, tiny: &Tiny, window: Window, bands: &[usize]) {
    let samples = block_on(image.read_window_as::<f64>(window, bands)).unwrap_or_else(|e| panic!("{tiny:?}: {e}"));
    assert_eq!((samples.bands, samples.height), (bands.len(), window.height as usize));
    let mut values = samples.values.iter();
    for band in bands {
        for row in 0..window.height as usize {
            for column in 0..window.width as usize {
                let wanted = tiny.value(*band, row + window.y as usize, column + window.x as usize);
                assert_eq!(
                    values.next(),
                    Some(&wanted),
                    "band {band} row {row} column {column} of {tiny:?}"
                );
            }
        }
    }
    assert!(samples.valid.iter().all(|valid| *valid));
}

#[test]
fn every_combination_of_layout_codec_and_type_reads_back() {
    let types = [
        (Stored::Unsigned(8), [1, 2]),
        (Stored::Signed(8), [1, 2]),
        (Stored::Unsigned(16), [1, 2]),
        (Stored::Signed(16), [1, 2]),
        (Stored::Unsigned(32), [1, 2]),
        (Stored::Signed(32), [1, 2]),
        (Stored::Float(32), [1, 3]),
        (Stored::Float(64), [1, 3]),
    ];
    let mut files = 0;
    for combination in 0..64u32 {
        let bit = |index: u32| combination >> index & 1 == 1;
        let codec = [Codec::None, Codec::Lzw, Codec::Deflate, Codec::PackBits][(combination >> 4) as usize];
        for (stored, predictors) in types {
            for predictor in predictors {
                if predictor != 1 && matches!(codec, Codec::None | Codec::PackBits) {
                    continue;
                }
                let tile = bit(3).then_some((16, 16));
                let (big_endian, big_tiff, planar) = (bit(0), bit(1), bit(2));
                let tiny = Tiny {
                    big_endian,
                    big_tiff,
                    planar,
                    tile,
                    codec,
                    predictor,
                    stored,
                    ..Tiny::default()
                };
                let image = open(tiny.encode(&[])).unwrap_or_else(|error| panic!("{tiny:?}: {error}"));
                let whole = Window {
                    x: 0,
                    y: 0,
                    width: 21,
                    height: 19,
                };
                assert_window_matches(&image, &tiny, whole, &[0, 1, 2]);
                assert_window_matches(
                    &image,
                    &tiny,
                    Window {
                        x: 9,
                        y: 7,
                        width: 11,
                        height: 10,
                    },
                    &[2, 0],
                );
                files += 1;
            }
        }
    }
    assert_eq!(files, 64 * 8 + 32 * 8);
}

#[test]
fn sparse_blocks_hold_nodata_or_zero() {
    let tiny = Tiny {
        sparse_every: Some(2),
        tile: Some((16, 16)),
        bands: 1,
        ..Tiny::default()
    };
    let whole = Window {
        x: 0,
        y: 0,
        width: 21,
        height: 19,
    };
    let without = block_on(open(tiny.encode(&[])).expect("opens").read_window(whole, &[0])).expect("reads");
    assert_eq!((without.values[0], without.valid[0]), (0.0, true));
    let nodata = (42113, 2, 3, b"99\0".to_vec());
    let with = block_on(open(tiny.encode(&[nodata])).expect("opens").read_window(whole, &[0])).expect("reads");
    assert_eq!((with.values[0], with.valid[0]), (99.0, false));
    assert_eq!((with.values[16], with.valid[16]), (tiny.value(0, 0, 16) as f32, true));
}

#[test]
fn a_nodata_value_of_zero_takes_all_requested_bands() {
    let tiny = Tiny {
        sparse_every: Some(2),
        tile: Some((16, 16)),
        ..Tiny::default()
    };
    let image = open(tiny.encode(&[(42113, 2, 2, b"0\0".to_vec())])).expect("opens");
    let whole = Window {
        x: 0,
        y: 0,
        width: 21,
        height: 19,
    };
    let bands: Vec<usize> = (0..tiny.bands).collect();
    let samples = block_on(image.read_window(whole, &bands)).expect("reads");
    let zeros_at = |pixel: usize| {
        samples
            .values
            .iter()
            .skip(pixel)
            .step_by(21 * 19)
            .filter(|value| **value == 0.0)
    };
    for (pixel, valid) in samples.valid.iter().enumerate() {
        assert_eq!(*valid, zeros_at(pixel).count() < tiny.bands, "{pixel}");
    }
    assert!(samples.valid.contains(&true) && samples.valid.contains(&false));
}

#[test]
fn nodata_in_any_requested_band_is_invalid() {
    let tiny = Tiny::default();
    let value = tiny.value(1, 3, 4) as u8;
    let text = format!("{value}.0\0");
    let image = open(tiny.encode(&[(42113, 2, text.len() as u64, text.into_bytes())])).expect("opens");
    let pixel = Window {
        x: 4,
        y: 3,
        width: 1,
        height: 1,
    };
    assert_eq!(
        block_on(image.read_window(pixel, &[0, 1])).expect("reads").valid,
        [false]
    );
    assert_eq!(
        block_on(image.read_window(pixel, &[0, 2])).expect("reads").valid,
        [true]
    );
}

#[test]
fn a_preview_is_every_nth_pixel() {
    let tiny = Tiny {
        tile: Some((16, 16)),
        width: 100,
        height: 61,
        ..Tiny::default()
    };
    let image = open(tiny.encode(&[])).expect("opens");
    let preview = block_on(image.read_preview(25, &[1])).expect("reads");
    assert_eq!((preview.width, preview.height), (25, 16));
    // The last cell is one row high, so the sampled row of all cells is their first.
    assert_eq!(preview.values[0], tiny.value(1, 0, 2) as f32);
    assert_eq!(preview.values[3 * 25 + 24], tiny.value(1, 12, 98) as f32);
    let whole = block_on(image.read_preview(1000, &[1])).expect("reads");
    assert_eq!((whole.width, whole.height), (100, 61));
}

/// Appends a second directory: an image of 20 x 10 pixels that all hold `value`.
fn with_second_image(mut file: Vec<u8>, subfile_type: u32, value: u8) -> Vec<u8> {
    let data = file.len() as u32;
    file.extend([value; 200]);
    let directory = file.len() as u32;
    // The link to the next directory ends the file that the tiny writer made.
    let link = data as usize - 4;
    file[link..link + 4].copy_from_slice(&directory.to_le_bytes());
    let entries: [(u16, u32); 8] = [
        (254, subfile_type),
        (256, 20),
        (257, 10),
        (258, 8),
        (259, 1),
        (273, data),
        (278, 10),
        (279, 200),
    ];
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, value) in entries {
        file.extend(
            [
                &tag.to_le_bytes()[..],
                &4u16.to_le_bytes(),
                &1u32.to_le_bytes(),
                &value.to_le_bytes(),
            ]
            .concat(),
        );
    }
    file.extend([0; 4]);
    file
}

#[test]
fn a_preview_comes_from_an_overview_that_is_large_enough() {
    let tiny = Tiny {
        width: 40,
        height: 20,
        bands: 1,
        ..Tiny::default()
    };
    let preview = |subfile_type, max_px| {
        let image = open(with_second_image(tiny.encode(&[]), subfile_type, 77)).expect("opens");
        block_on(image.read_preview(max_px, &[0])).expect("reads")
    };
    let from_overview = preview(1, 20);
    assert_eq!((from_overview.width, from_overview.height), (20, 10));
    assert!(from_overview.values.iter().all(|value| *value == 77.0));
    assert_eq!(preview(1, 10).values, [77.0; 50]);
    // Too small, or no reduced image, or a mask: the pixels of the image itself.
    for (subfile_type, max_px, step) in [(1, 40, 1), (0, 20, 2), (5, 20, 2)] {
        let samples = preview(subfile_type, max_px);
        let wanted = tiny.value(0, step / 2, step / 2 + step) as f32;
        assert_eq!(
            (samples.width, samples.values[1]),
            (40 / step, wanted),
            "subfile type {subfile_type}"
        );
    }
}

#[test]
fn a_mask_of_the_images_size_decides_instead_of_nodata() {
    let tiny = Tiny {
        width: 20,
        height: 10,
        bands: 1,
        ..Tiny::default()
    };
    let whole = Window {
        x: 0,
        y: 0,
        width: 20,
        height: 10,
    };
    let nodata = (42113, 2, 3, format!("{}\0", tiny.value(0, 0, 1)).into_bytes());
    let valid = |subfile_type, value| {
        let file = with_second_image(tiny.encode(std::slice::from_ref(&nodata)), subfile_type, value);
        let image = open(file).expect("opens");
        let samples = block_on(image.read_window(whole, &[0])).expect("reads");
        let preview = block_on(image.read_preview(20, &[0])).expect("reads");
        assert_eq!(samples.valid, preview.valid);
        assert_eq!(image.info().masked, subfile_type == 4);
        assert_eq!(image.info().page_count, if subfile_type == 0 { 2 } else { 1 });
        (samples.valid[0], samples.valid[1])
    };
    assert_eq!(valid(4, 0), (false, false));
    assert_eq!(valid(4, 255), (true, true));
    // A page, an overview and a mask of an overview decide nothing.
    for subfile_type in [0, 1, 5] {
        assert_eq!(valid(subfile_type, 0), (true, false), "subfile type {subfile_type}");
    }
}

#[test]
fn byte_counts_of_uncompressed_strips_need_not_be_right() {
    let tiny = Tiny {
        bands: 1,
        ..Tiny::default()
    };
    let whole = Window {
        x: 0,
        y: 0,
        width: 21,
        height: 19,
    };
    for count in [1, 1 << 30] {
        let mut file = tiny.encode(&[]);
        let tag = file
            .windows(4)
            .rposition(|bytes| bytes == [23, 1, 4, 0])
            .expect("the tag");
        let offset = file.len() as u32;
        file.extend([count; 5].map(u32::to_le_bytes).concat());
        file[tag + 8..tag + 12].copy_from_slice(&offset.to_le_bytes());
        assert_window_matches(&open(file).expect("opens"), &tiny, whole, &[0]);
    }
}

/// Counts what is fetched.
struct Counting {
    bytes: Vec<u8>,
    fetches: RefCell<Vec<Range<u64>>>,
}

impl RangeSource for &Counting {
    fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        self.fetches.borrow_mut().push(range.clone());
        Ok(Bytes::copy_from_slice(
            &self.bytes[range.start as usize..range.end as usize],
        ))
    }
}

#[test]
fn only_touched_blocks_are_fetched_and_neighbours_are_kept() {
    let tiny = Tiny {
        width: 1000,
        height: 1000,
        rows_per_strip: 10,
        codec: Codec::Deflate,
        ..Tiny::default()
    };
    let source = Counting {
        bytes: tiny.encode(&[]),
        fetches: RefCell::default(),
    };
    let image = block_on(GeoTiff::open(&source, Limits::default())).expect("opens");
    let opening: u64 = source.fetches.take().iter().map(|range| range.end - range.start).sum();
    assert!(opening < 100_000, "opening fetched {opening} bytes");
    assert_window_matches(
        &image,
        &tiny,
        Window {
            x: 0,
            y: 500,
            width: 50,
            height: 20,
        },
        &[0, 1, 2],
    );
    let fetched = source.fetches.take();
    assert_eq!(fetched.len(), 1, "two neighbouring strips are one fetch: {fetched:?}");
    assert!(fetched[0].end - fetched[0].start < source.bytes.len() as u64 / 40);
    assert_window_matches(
        &image,
        &tiny,
        Window {
            x: 400,
            y: 505,
            width: 50,
            height: 10,
        },
        &[0, 1, 2],
    );
    assert!(source.fetches.take().is_empty(), "the strips are still there");
}

#[test]
fn an_uncompressed_image_in_one_strip_is_read_in_pieces() {
    let tiny = Tiny {
        width: 1000,
        height: 1000,
        rows_per_strip: 1000,
        ..Tiny::default()
    };
    let source = Counting {
        bytes: tiny.encode(&[]),
        fetches: RefCell::default(),
    };
    let image = block_on(GeoTiff::open(&source, Limits::default())).expect("opens");
    source.fetches.take();
    assert_window_matches(
        &image,
        &tiny,
        Window {
            x: 3,
            y: 990,
            width: 50,
            height: 10,
        },
        &[0, 2],
    );
    let fetched: u64 = source.fetches.take().iter().map(|range| range.end - range.start).sum();
    assert!(fetched < 600_000, "{fetched} bytes for ten rows");
}

#[test]
fn large_uncompressed_strips_are_read_in_pieces() {
    for (planar, rows_per_strip, height, sparse_every) in [
        (false, 100, 1000, None),
        (false, 100, 950, None),
        (true, 300, 1000, None),
        (true, 1009, 1009, None),
        // A prime number of short rows is not divided.
        (false, 101, 500, None),
    ] {
        let tiny = Tiny {
            width: 1000,
            height,
            rows_per_strip,
            planar,
            sparse_every,
            ..Tiny::default()
        };
        let source = Counting {
            bytes: tiny.encode(&[]),
            fetches: RefCell::default(),
        };
        let image = block_on(GeoTiff::open(&source, Limits::default())).expect("opens");
        assert_eq!(image.info().block_height as usize, rows_per_strip.min(height));
        let window = |y: usize, height: usize| Window {
            x: 3,
            y: y as u32,
            width: 50,
            height: height as u32,
        };
        source.fetches.take();
        assert_window_matches(&image, &tiny, window(95, 10), &[0, 2]);
        let fetched: u64 = source.fetches.take().iter().map(|range| range.end - range.start).sum();
        assert!(
            rows_per_strip == 101 || fetched < 700_000,
            "{fetched} bytes for ten rows of {tiny:?}"
        );
        assert_window_matches(&image, &tiny, window(0, height), &[0, 1, 2]);
    }
}

#[test]
fn no_read_is_longer_than_four_mebibytes() {
    // PackBits leaves these values about as long as they are.
    for codec in [Codec::None, Codec::PackBits] {
        for tile in [None, Some((704, 608))] {
            let tiny = Tiny {
                width: 700,
                height: 601,
                rows_per_strip: 601,
                tile,
                codec,
                stored: Stored::Float(64),
                ..Tiny::default()
            };
            let source = Counting {
                bytes: tiny.encode(&[]),
                fetches: RefCell::default(),
            };
            let image = block_on(GeoTiff::open(&source, Limits::default())).expect("opens");
            let window = Window {
                x: 300,
                y: 2,
                width: 3,
                height: 590,
            };
            assert_window_matches(&image, &tiny, window, &[0, 1, 2]);
            let longest = source.fetches.take().iter().map(|range| range.end - range.start).max();
            assert!(longest <= Some(4 << 20), "{longest:?} bytes at once of {tiny:?}");
        }
    }
}

#[test]
fn a_preview_of_uncompressed_strips_reads_the_rows_it_shows() {
    let tiny = Tiny {
        width: 2000,
        height: 1500,
        rows_per_strip: 100,
        ..Tiny::default()
    };
    let source = Counting {
        bytes: tiny.encode(&[]),
        fetches: RefCell::default(),
    };
    let image = block_on(GeoTiff::open(&source, Limits::default())).expect("opens");
    source.fetches.take();
    let preview = block_on(image.read_preview(25, &[0])).expect("a preview");
    assert_eq!((preview.width, preview.height), (25, 19));
    let fetched: u64 = source.fetches.take().iter().map(|range| range.end - range.start).sum();
    // A piece is 20 rows, and every 80th row is shown.
    assert!(
        fetched < source.bytes.len() as u64 / 3,
        "{fetched} of {} bytes",
        source.bytes.len()
    );
}

#[test]
fn a_source_that_shrinks_is_told_from_a_damaged_file() {
    struct Shrinking(Vec<u8>, Cell<bool>);
    impl RangeSource for &Shrinking {
        fn size_bytes(&self) -> u64 {
            self.0.len() as u64
        }
        async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
            let end = if self.1.get() { range.start } else { range.end };
            Ok(Bytes::copy_from_slice(&self.0[range.start as usize..end as usize]))
        }
    }
    let source = Shrinking(Tiny::default().encode(&[]), Cell::new(false));
    let image = block_on(GeoTiff::open(&source, Limits::default())).expect("opens");
    source.1.set(true);
    let whole = Window {
        x: 0,
        y: 0,
        width: 21,
        height: 19,
    };
    assert_eq!(code_of(block_on(image.read_window(whole, &[0]))), "source_changed");
}

#[test]
fn wrong_calls_are_told_apart() {
    let image = open(Tiny::default().encode(&[])).expect("opens");
    let read = |window, bands: &[usize]| code_of(block_on(image.read_window(window, bands)));
    let pixel = Window {
        x: 0,
        y: 0,
        width: 1,
        height: 1,
    };
    assert_eq!(
        read(
            Window {
                x: 20,
                width: 2,
                ..pixel
            },
            &[0]
        ),
        "window_outside_image"
    );
    assert_eq!(read(Window { y: u32::MAX, ..pixel }, &[0]), "window_outside_image");
    assert_eq!(read(Window { width: 0, ..pixel }, &[0]), "window_outside_image");
    assert_eq!(read(pixel, &[3]), "no_such_band");
    assert_eq!(read(pixel, &[]), "no_bands");
    assert_eq!(read(pixel, &[0]), "no error");
}

#[test]
fn what_is_no_sound_tiff_is_told_apart() {
    assert_eq!(code_of(open(Vec::new())), "empty");
    assert_eq!(code_of(open(b"\x89PNG\r\n\x1a\n0000".to_vec())), "not_a_tiff");
    assert_eq!(code_of(open(b"I".to_vec())), "not_a_tiff");
    let tar = [[0; 257].as_slice(), b"ustar\0", &[0; 249]].concat();
    for (start, name) in [
        (b"\x89PNG\r\n\x1a\n0000".to_vec(), "it is a PNG image"),
        (tar, "it is a tar archive: unpack it first"),
        (b"PK\x03\x04".to_vec(), "it is a zip archive"),
        (b"none".to_vec(), "it starts with 6e 6f 6e 65"),
        (
            b"404: Not Found\n".to_vec(),
            "it is text that begins with \"404: Not Found\"",
        ),
        (b"GIF89a\x01\0\x01\0".to_vec(), "it is a GIF image"),
        (b"BM\x36\0\0\0".to_vec(), "it is a BMP image"),
        (b"RIFF\x24\0\0\0WEBPVP8 ".to_vec(), "it is a WebP image"),
        (b"{\"type\": 1}".to_vec(), "it is a JSON document"),
        (b"<?xml version=\"1.0\"?><Error>".to_vec(), "it is an XML document"),
    ] {
        let error = open(start).map(|_| ()).expect_err("no TIFF");
        assert_eq!(error.to_string(), format!("this is not a TIFF file: {name}"));
    }
    for (start, name) in [
        (
            &b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"[..],
            "Git LFS pointer",
        ),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html><head>", "web page (HTML)"),
        (b"<HTML><BODY>Sign in</BODY></HTML>", "web page (HTML)"),
        (
            b"<VRTDataset rasterXSize=\"20\" rasterYSize=\"20\">",
            "virtual raster (VRT)",
        ),
        (
            b"<?xml version=\"1.0\"?>\n<VRTDataset rasterXSize=\"20\">",
            "virtual raster (VRT)",
        ),
    ] {
        let error = open(start.to_vec()).map(|_| ()).expect_err("no TIFF");
        assert_eq!(error.code(), "not_a_tiff");
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(code_of(open(b"II*\0".to_vec())), "truncated");
    assert_eq!(code_of(open(b"II*\0\0\0\0\0".to_vec())), "no_image");
    let file = Tiny {
        height: 200,
        ..Tiny::default()
    }
    .encode(&[]);
    assert_eq!(code_of(open(file[..file.len() / 2].to_vec())), "truncated");
}

#[test]
fn unsupported_features_are_named() {
    let with_tag = |tag: u16, value: u16| {
        let mut file = Tiny {
            planar: tag == 262,
            ..Tiny::default()
        }
        .encode(&[]);
        let at = file
            .windows(4)
            .rposition(|w| w == [tag as u8, (tag >> 8) as u8, 3, 0])
            .expect("the tag is there");
        file[at + 8..at + 10].copy_from_slice(&value.to_le_bytes());
        open(file)
            .map(|_| ())
            .map_err(|error| (error.code(), error.to_string()))
    };
    for (compression, name) in [
        (32809, "ThunderScan"),
        (34661, "JBIG"),
        (34712, "JPEG 2000"),
        (50002, "JPEG XL"),
    ] {
        let (code, message) = with_tag(259, compression).expect_err("not decoded here");
        assert_eq!(code, "unsupported_compression");
        assert!(message.contains(name), "{message}");
    }
    assert_eq!(
        with_tag(262, 8).expect_err("L*a*b* in planes").0,
        "unsupported_photometric"
    );
    assert_eq!(with_tag(284, 9).expect_err("an unknown value").0, "bad_tag");
}

/// The place of a tag's count in a little-endian file.
fn count_of(file: &[u8], tag: u16) -> usize {
    let is_it = |bytes: &[u8]| bytes == [tag as u8, (tag >> 8) as u8, 3, 0];
    file.windows(4).rposition(is_it).expect("the tag is there") + 4
}

#[test]
fn sizes_of_samples_are_given_once_or_for_each_band() {
    let file = Tiny {
        bands: 5,
        ..Tiny::default()
    }
    .encode(&[]);
    let with_counts = |sizes: u8, bands: u8| {
        let mut file = file.clone();
        let at = count_of(&file, 258);
        file[at] = sizes;
        if sizes == 1 {
            file[at + 4..at + 6].copy_from_slice(&8u16.to_le_bytes());
        }
        let at = count_of(&file, 277) + 4;
        file[at] = bands;
        open(file).map(|image| image.info().band_count)
    };
    assert_eq!(with_counts(1, 5).expect("one for all"), 5);
    assert_eq!(with_counts(5, 4).expect("more than bands"), 4);
    let few = with_counts(4, 5).expect_err("too few");
    assert_eq!(
        (few.code(), few.to_string().contains("4 values for 5 bands")),
        ("bad_tag", true),
        "{few}"
    );
    assert_eq!(code_of(with_counts(5, 250)), "bad_tag");
}

#[test]
fn inks_are_not_the_meaning_of_the_colours_they_become() {
    let inks = ["Cyan", "Magenta", "Yellow", "Black"].iter().enumerate();
    let item = |(band, ink)| format!("<Item name=\"COLORINTERP\" sample=\"{band}\" role=\"colorinterp\">{ink}</Item>");
    let metadata = format!("<GDALMetadata>{}</GDALMetadata>\0", inks.map(item).collect::<String>()).into_bytes();
    let mut file = Tiny {
        bands: 4,
        ..Tiny::default()
    }
    .encode(&[(42112, 2, metadata.len() as u64, metadata)]);
    let at = count_of(&file, 262) + 4;
    file[at] = 5;
    let image = open(file).expect("CMYK");
    use ColorInterpretation::{Alpha, Blue, Green, Red};
    assert_eq!(image.info().color_interpretations, [Red, Green, Blue, Alpha]);
    assert_eq!(image.info().alpha_band, Some(3));
}
