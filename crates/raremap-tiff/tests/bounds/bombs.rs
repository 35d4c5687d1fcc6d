//! Files made to exhaust whoever reads them: a result or a typed error, in time and memory.

use std::io::Write;
use std::ops::Range;

use crate::entries;
use crate::measure::{Tally, measuring_alone};
use crate::tiny::{Codec, Stored, Tiny};
use bytes::Bytes;
use pollster::block_on;
use raremap_io::{BytesSource, FileSource, RangeSource, SourceError};
use raremap_tiff::TiffError;
use raremap_tiff::{GeoTiff, Limits, Window};

const ALL: Window = Window {
    x: 0,
    y: 0,
    width: 21,
    height: 19,
};

/// Reads as the fuzz target does, within the bounds.
fn read(tally: &mut Tally, file: &[u8], what: &str) -> &'static str {
    tally.measure(|| entries::windows(file), entries::MAX_OUTPUT_BYTES, &|| {
        what.to_string()
    })
}

/// An entry of the first directory: where its type, its count and its value are.
#[derive(Debug, Clone, Copy)]
struct Field {
    tag: u16,
    at: usize,
}

/// The fields of the first directory of a little-endian file of the tiny writer, and where its `next` offset is.
fn fields(file: &[u8], big_tiff: bool) -> (Vec<Field>, usize) {
    let number = |at: usize, bytes: usize| {
        file[at..at + bytes]
            .iter()
            .rev()
            .fold(0, |n, b| n << 8 | usize::from(*b))
    };
    let (at, count_bytes, entry_bytes) = if big_tiff {
        (number(8, 8), 8, 20)
    } else {
        (number(4, 4), 2, 12)
    };
    let count = number(at, count_bytes);
    let entry = |index: usize| at + count_bytes + index * entry_bytes;
    let field = |index: usize| Field {
        tag: number(entry(index), 2) as u16,
        at: entry(index),
    };
    ((0..count).map(field).collect(), entry(count))
}

/// Sets the count and the value of a tag, as LONG (LONG8 in a BigTIFF).
fn set(file: &mut [u8], big_tiff: bool, tag: u16, count: u64, value: u64) {
    let (fields, _) = fields(file, big_tiff);
    let at = fields
        .iter()
        .find(|field| field.tag == tag)
        .expect("the tag is there")
        .at;
    let (field_type, word) = if big_tiff { (16, 8) } else { (4, 4) };
    file[at + 2] = field_type;
    file[at + 4..at + 4 + word].copy_from_slice(&count.to_le_bytes()[..word]);
    file[at + 4 + word..at + 4 + 2 * word].copy_from_slice(&value.to_le_bytes()[..word]);
}

fn ascii(tag: u16, text: Vec<u8>) -> (u16, u16, u64, Vec<u8>) {
    (tag, 2, text.len() as u64, text)
}

fn doubles(tag: u16, values: &[f64]) -> (u16, u16, u64, Vec<u8>) {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    (tag, 12, values.len() as u64, bytes)
}

#[test]
fn blocks_that_decode_to_far_more_than_declared_stop_there() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    for codec in [Codec::Deflate, Codec::Lzw, Codec::PackBits] {
        // 4 MiB, for 21 x 19 pixels.
        let mut huge = Tiny {
            codec,
            bands: 1,
            width: 2048,
            height: 2048,
            rows_per_strip: 2048,
            ..Tiny::default()
        }
        .encode(&[]);
        for (tag, value) in [(256, 21), (257, 19), (278, 19)] {
            set(&mut huge, false, tag, 1, value);
        }
        assert_eq!(read(&mut tally, &huge, &format!("{codec:?}")), "read");
    }
    println!("{tally:?}");
}

#[test]
fn blocks_declared_far_larger_than_their_data_are_refused_without_their_memory() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    for codec in [Codec::None, Codec::Deflate, Codec::Lzw, Codec::PackBits] {
        let base = Tiny {
            codec,
            bands: 1,
            tile: Some((64, 64)),
            stored: Stored::Unsigned(16),
            ..Tiny::default()
        };
        for (width, height) in [
            (11_000, 11_000),
            (1 << 20, 64),
            (64, 1 << 20),
            (0xFFFF_FFFF, 1),
            (0x7FFF_FFFF, 0x7FFF_FFFF),
        ] {
            let mut file = base.encode(&[]);
            set(&mut file, false, 322, 1, width);
            set(&mut file, false, 323, 1, height);
            let what = format!("{codec:?}, tiles of {width} x {height}");
            assert_ne!(read(&mut tally, &file, &what), "read", "{what}");
        }
        let strips = Tiny {
            tile: None,
            rows_per_strip: 19,
            ..base
        };
        for height in [1 << 20, 100 << 20, 0x7FFF_FFFF] {
            let mut file = strips.encode(&[]);
            set(&mut file, false, 257, 1, height);
            set(&mut file, false, 278, 1, 0xFFFF_FFFF);
            let what = format!("{codec:?}, one strip of {height} rows");
            assert_ne!(read(&mut tally, &file, &what), "read", "{what}");
        }
    }
    println!("{tally:?}");
}

#[test]
fn a_forged_size_whose_blocks_all_share_their_bytes_is_refused_soon() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    for codec in [Codec::Deflate, Codec::Lzw] {
        let block = Tiny {
            codec,
            bands: 1,
            width: 1024,
            height: 1024,
            tile: Some((1024, 1024)),
            ..Tiny::default()
        };
        let mut file = block.encode(&[]);
        // 50 x 50 blocks of a MiB, all of them the one that is there.
        let (list, _) = fields(&file, false);
        let value = |tag: u16| {
            let at = list.iter().find(|field| field.tag == tag).expect("the tag is there").at;
            file[at + 8..at + 12].to_vec()
        };
        let (offset, length) = (value(324), value(325));
        let tables = file.len() as u64;
        file.extend((0..2500).flat_map(|_| offset.clone()));
        file.extend((0..2500).flat_map(|_| length.clone()));
        for (tag, value) in [(256, 50 * 1024), (257, 50 * 1024)] {
            set(&mut file, false, tag, 1, value);
        }
        set(&mut file, false, 324, 2500, tables);
        set(&mut file, false, 325, 2500, tables + 10_000);
        let image = block_on(GeoTiff::open(BytesSource::new(file), Limits::default())).expect("opens");
        let preview = || match block_on(image.read_preview(50, &[0])) {
            Ok(_) => "read",
            Err(error) => error.code(),
        };
        // The cache may hold 64 MiB, and one block more.
        let outcome = tally.measure(preview, 8 << 20, &|| format!("{codec:?}"));
        assert_eq!(outcome, "limit_exceeded");
    }
    println!("{tally:?}");
}

#[test]
fn strips_of_a_few_bytes_do_not_fill_the_memory() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    for codec in [Codec::Deflate, Codec::PackBits] {
        let file = Tiny {
            codec,
            bands: 1,
            width: 600,
            height: 200_000,
            rows_per_strip: 1,
            ..Tiny::default()
        }
        .encode(&[]);
        let all_rows = || {
            let image = block_on(GeoTiff::open(BytesSource::new(file.clone()), Limits::default())).expect("opens");
            for y in (0..200_000).step_by(1000) {
                let window = Window {
                    x: 0,
                    y,
                    width: 600,
                    height: 1000,
                };
                block_on(image.read_window(window, &[0])).expect("reads");
            }
            "read"
        };
        // The file itself, its tables, and a window.
        let own = file.len() + 200_000 * 16 + 600 * 1000 * 5;
        tally.measure(all_rows, own + (8 << 20), &|| format!("{codec:?}"));
    }
    println!("{tally:?}");
}

#[test]
fn blocks_that_share_their_bytes_are_read_where_they_are_few() {
    let mut file = Tiny {
        bands: 1,
        tile: Some((16, 16)),
        ..Tiny::default()
    }
    .encode(&[]);
    let (list, _) = fields(&file, false);
    let table = list.iter().find(|field| field.tag == 324).expect("the tag is there").at + 8;
    let at = u32::from_le_bytes(file[table..table + 4].try_into().expect("four bytes")) as usize;
    let first: [u8; 4] = file[at..at + 4].try_into().expect("four bytes");
    for block in 1..4 {
        file[at + 4 * block..at + 4 * block + 4].copy_from_slice(&first);
    }
    let image = block_on(GeoTiff::open(BytesSource::new(file), Limits::default())).expect("opens");
    let samples = block_on(image.read_window(ALL, &[0])).expect("reads");
    assert_eq!(samples.values[16..21], samples.values[..5]);
}

#[test]
fn every_field_set_to_an_extreme_ends_in_time_and_memory() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    let extremes = [
        0u64,
        1,
        2,
        0x7FFF,
        0xFFFF,
        0x1_0000,
        0x3FFF_FFFF,
        0x4000_0001,
        0x7FFF_FFFF,
        0x8000_0000,
        0xFFFF_FFF0,
        0xFFFF_FFFE,
        0xFFFF_FFFF,
        0x1_0000_0000,
        0x1_0000_0001,
        0x1FFF_FFFF_FFFF_FFFF,
        0x2000_0000_0000_0000,
        0x7FFF_FFFF_FFFF_FFFF,
        0x8000_0000_0000_0000,
        0xFFFF_FFFF_FFFF_FF00,
        0xFFFF_FFFF_FFFF_FFFE,
        0xFFFF_FFFF_FFFF_FFFF,
    ];
    for (big_tiff, tile) in [
        (false, None),
        (false, Some((16, 16))),
        (true, None),
        (true, Some((16, 16))),
    ] {
        let tiny = Tiny {
            big_tiff,
            tile,
            codec: Codec::Deflate,
            planar: true,
            ..Tiny::default()
        };
        let file = tiny.encode(&georeferenced());
        let word = if big_tiff { 8 } else { 4 };
        let (list, next) = fields(&file, big_tiff);
        let first_directory = if big_tiff { 8 } else { 4 };
        let mut places: Vec<usize> = list
            .iter()
            .flat_map(|field| [field.at + 4, field.at + 4 + word])
            .collect();
        places.extend([next, first_directory]);
        for place in places {
            for value in extremes {
                let mut damaged = file.clone();
                damaged[place..place + word].copy_from_slice(&value.to_le_bytes()[..word]);
                read(
                    &mut tally,
                    &damaged,
                    &format!("{tiny:?}: byte {place} on set to {value:#x}"),
                );
            }
        }
        // And the number of entries itself.
        let directory = list[0].at - if big_tiff { 8 } else { 2 };
        for value in extremes {
            let bytes = if big_tiff { 8 } else { 2 };
            let mut damaged = file.clone();
            damaged[directory..directory + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
            read(&mut tally, &damaged, &format!("{tiny:?}: {value:#x} entries"));
        }
        // Every type, the unknown ones too.
        for field in &list {
            for field_type in 0..=20u16 {
                let mut damaged = file.clone();
                damaged[field.at + 2..field.at + 4].copy_from_slice(&field_type.to_le_bytes());
                read(
                    &mut tally,
                    &damaged,
                    &format!("{tiny:?}: tag {} of type {field_type}", field.tag),
                );
            }
        }
    }
    println!("{tally:?}");
    assert!(tally.reads() > 3000 && tally.outcomes.len() > 6, "{tally:?}");
}

fn georeferenced() -> Vec<(u16, u16, u64, Vec<u8>)> {
    vec![
        (330, 4, 1, vec![8, 0, 0, 0]),
        doubles(33550, &[30.0, 30.0, 0.0]),
        doubles(33922, &[0.0, 0.0, 0.0, 5e5, 4e6, 0.0]),
        (
            34735,
            3,
            8,
            [1u16, 1, 0, 1, 1024, 0, 1, 1].map(u16::to_le_bytes).concat(),
        ),
        doubles(34736, &[1.0, 2.0]),
        ascii(34737, b"nothing|\0".to_vec()),
        ascii(
            42112,
            b"<GDALMetadata><Item name=\"a\">b</Item></GDALMetadata>\0".to_vec(),
        ),
        ascii(42113, b"0\0".to_vec()),
    ]
}

#[test]
fn georeferences_that_are_no_numbers_are_none() {
    let _alone = measuring_alone();
    let strange = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        -0.0,
        0.0,
        1e308,
    ];
    for value in strange {
        for at in 0..6 {
            let mut tie = [0.0, 0.0, 0.0, 5e5, 4e6, 0.0];
            tie[at] = value;
            for scale in [
                [value, 30.0, 0.0],
                [30.0, value, 0.0],
                [value, value, value],
                [30.0, 30.0, 0.0],
            ] {
                let file = Tiny::default().encode(&[doubles(33550, &scale), doubles(33922, &tie)]);
                check_georeference(file, &format!("scale {scale:?}, tie point {tie:?}"));
            }
        }
        for at in 0..16 {
            let mut matrix = [
                30.0, 1.0, 0.0, 5e5, 1.0, -30.0, 0.0, 4e6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0,
            ];
            matrix[at] = value;
            check_georeference(
                Tiny::default().encode(&[doubles(34264, &matrix)]),
                &format!("{matrix:?}"),
            );
        }
        // User-defined units and ellipsoids out of the double parameters.
        for key in [2055u16, 2057, 2058, 2059, 3077] {
            let keys = [
                1u16, 1, 0, 4, 1024, 0, 1, 1, 2054, 0, 1, 32767, 3076, 0, 1, 32767, key, 34736, 1, 0,
            ];
            let file = Tiny::default().encode(&[
                doubles(33550, &[30.0, 30.0, 0.0]),
                doubles(33922, &[0.0; 6]),
                (34735, 3, 20, keys.map(u16::to_le_bytes).concat()),
                doubles(34736, &[value]),
            ]);
            check_georeference(file, &format!("key {key} is {value}"));
        }
    }
}

fn check_georeference(file: Vec<u8>, what: &str) {
    let image = block_on(GeoTiff::open(BytesSource::new(file), Limits::default())).expect("opens");
    let Some(reference) = &image.info().georeference else {
        return;
    };
    let (x, y) = reference.model_from_pixel.apply(0.0, 0.0);
    assert!(x.is_finite() && y.is_finite(), "{what}: {reference:?}");
    let crs = &reference.crs;
    let sizes = [
        crs.linear_unit_m,
        crs.angular_unit_rad,
        Some(crs.semi_major_axis_m),
        Some(crs.inverse_flattening),
    ];
    assert!(sizes.into_iter().flatten().all(f64::is_finite), "{what}: {crs:?}");
}

#[test]
fn metadata_bombs_end_in_time_and_memory() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    let laughs = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let item = |text: &str| {
        format!(
            "<GDALMetadata><Item name=\"DESCRIPTION\" sample=\"0\" role=\"description\">{text}</Item></GDALMetadata>"
        )
    };
    let bombs = [
        item(&"&".repeat(3 << 20)),
        item(&"&amp;".repeat(700_000)),
        item(&"&#".repeat(1 << 20)),
        item(&"&amp".repeat(900_000)),
        item(&format!("{laughs}{}", "&b;".repeat(1 << 20))),
        item(&"<Item".repeat(500_000)),
        "<Item sample=\"0\" role=\"description\">x</Item>".repeat(80_000),
        "<Item ".repeat(600_000),
        "<Item name=\"".repeat(300_000),
        "<GDALMetadata>".repeat(250_000),
        "\u{0}".repeat(3 << 20),
        format!("<Item {}>x</Item>", " role=\"".repeat(500_000)),
        format!("<Item {}>x</Item>", " role".repeat(600_000)),
        "\u{fffd}".repeat(1 << 20),
        item(&"x".repeat(5 << 20)),
    ];
    for bomb in bombs {
        let start: String = bomb.chars().take(60).collect();
        let file = Tiny::default().encode(&[ascii(42112, bomb.into_bytes())]);
        assert_eq!(read(&mut tally, &file, &start), "read", "{start}");
    }
    // Bytes that are no UTF-8 take three times their room as text.
    let file = Tiny::default().encode(&[ascii(42112, vec![0xFF; 4 << 20])]);
    assert_eq!(read(&mut tally, &file, "no text"), "read");
    for (tag, byte) in [(42113, b'9'), (42113, 0xFF), (34737, b'|'), (42113, b',')] {
        let file = Tiny::default().encode(&[ascii(tag, vec![byte; 4 << 20])]);
        assert_eq!(read(&mut tally, &file, &format!("tag {tag} of {byte}")), "read");
    }
    println!("{tally:?}");
}

#[test]
fn tags_as_large_as_the_file_end_in_time_and_memory() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    let plain = Tiny::default().encode(&georeferenced());
    let (list, _) = fields(&plain, false);
    for filler in [0u8, 1, 0xFF] {
        for field in &list {
            // BYTE takes most memory for its length: each becomes a number of eight bytes.
            for (field_type, size) in [(1u8, 1u32), (3, 2), (4, 4), (2, 1), (12, 8)] {
                let mut file = plain.clone();
                let at = file.len() as u32;
                let length = 12 << 20;
                file.extend(std::iter::repeat_n(filler, length));
                file[field.at + 2] = field_type;
                file[field.at + 4..field.at + 8].copy_from_slice(&(length as u32 / size).to_le_bytes());
                file[field.at + 8..field.at + 12].copy_from_slice(&at.to_le_bytes());
                let bytes = Bytes::from(file);
                let open = || match block_on(GeoTiff::open(BytesSource::new(bytes.clone()), Limits::default())) {
                    Ok(_) => "read",
                    Err(error) => error.code(),
                };
                let what = || format!("tag {} of type {field_type} in 12 MiB of {filler}", field.tag);
                tally.measure(open, 0, &what);
            }
        }
    }
    println!("{tally:?}");
}

#[test]
fn directories_in_a_circle_end() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    for big_tiff in [false, true] {
        let tiny = Tiny {
            big_tiff,
            ..Tiny::default()
        };
        // NewSubfileType 1: what the search for overviews stops at. The sub-directories are a circle of their own.
        let subfile = (254, 4, 1, vec![1, 0, 0, 0]);
        let children = (330, 4, 2, vec![0; 8]);
        let file = tiny.encode(&[subfile, children]);
        let (list, next) = fields(&file, big_tiff);
        let (word, count_bytes) = if big_tiff { (8, 8) } else { (4, 2) };
        let first = list[0].at - count_bytes;
        let place = |file: &mut [u8], at: usize, value: usize| {
            file[at..at + word].copy_from_slice(&(value as u64).to_le_bytes()[..word]);
        };
        let mut own_tail = file.clone();
        place(&mut own_tail, next, first);
        assert_eq!(read(&mut tally, &own_tail, "a directory that follows itself"), "read");

        // A second directory, a copy, whose next one is the first; and whose children are both of them.
        let mut circle = file.clone();
        let second = circle.len();
        circle.extend_from_slice(&file[first..]);
        place(&mut circle, next, second);
        place(&mut circle, second + (next - first), first);
        for directory in [first, second] {
            let shift = directory - first;
            let at = list.iter().find(|field| field.tag == 330).expect("the tag is there").at + shift;
            let both = circle.len();
            let number = |value: usize| (value as u32).to_le_bytes();
            circle.extend([number(first), number(second)].concat());
            place(&mut circle, at + 4 + word, both);
        }
        assert_eq!(read(&mut tally, &circle, "two directories in a circle"), "read");
    }
    // A chain without end: each directory is the one before, shifted by one entry.
    let mut long = Tiny::default().encode(&[]);
    let (list, next) = fields(&long, false);
    let first = list[0].at - 2;
    let directory = long[first..next].to_vec();
    let mut at = next;
    for _ in 0..3000 {
        let here = long.len();
        long[at..at + 4].copy_from_slice(&(here as u32).to_le_bytes());
        long.extend_from_slice(&directory);
        at = long.len();
        long.extend([0; 4]);
    }
    assert_eq!(read(&mut tally, &long, "a chain of 3000 directories"), "read");

    // As many entries as a directory may have, in as many overlapping directories as are looked at.
    let mut dense = Tiny::default().encode(&[]);
    let (_, next) = fields(&dense, false);
    let start = dense.len();
    dense[next..next + 4].copy_from_slice(&(start as u32).to_le_bytes());
    for index in 0..4096u32 + 70 {
        // Each entry's first bytes are also the count 0x0FFF of a directory that begins there.
        dense.extend([
            0xFF,
            0x0F,
            3,
            0,
            (index & 0xFF) as u8,
            (index >> 8) as u8,
            0,
            0,
            0,
            0,
            0,
            0,
        ]);
    }
    for step in 0..65 {
        let end = start + step * 12 + 2 + 0x0FFF * 12;
        dense[end..end + 4].copy_from_slice(&((start + (step + 1) * 12) as u32).to_le_bytes());
    }
    assert_eq!(read(&mut tally, &dense, "dense directories"), "read");
    println!("{tally:?}");
}

#[test]
fn nothing_of_nothing_is_an_error() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    assert_eq!(read(&mut tally, b"", "no bytes"), "empty");
    for big_tiff in [false, true] {
        let tiny = Tiny {
            big_tiff,
            tile: Some((16, 16)),
            ..Tiny::default()
        };
        let file = tiny.encode(&georeferenced());
        let (list, _) = fields(&file, big_tiff);
        for field in &list {
            for (count, value) in [(0, 0), (1, 0), (0, 1)] {
                let mut damaged = file.clone();
                set(&mut damaged, big_tiff, field.tag, count, value);
                read(&mut tally, &damaged, &format!("tag {}: {count} of {value}", field.tag));
            }
        }
        let mut all = file.clone();
        for field in &list {
            set(&mut all, big_tiff, field.tag, 0, 0);
        }
        assert_ne!(read(&mut tally, &all, "every count is 0"), "read");
    }
    println!("{tally:?}");
}

/// A source that says one size and holds another.
struct Shrinking {
    bytes: Bytes,
    /// What is there of it after so many fetches.
    left: usize,
    fetches: std::cell::Cell<usize>,
    after: usize,
}

impl RangeSource for Shrinking {
    fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        self.fetches.set(self.fetches.get() + 1);
        let end = if self.fetches.get() > self.after {
            self.left
        } else {
            self.bytes.len()
        };
        Ok(self
            .bytes
            .slice((range.start as usize).min(end)..(range.end as usize).min(end)))
    }
}

#[test]
fn a_source_that_shrinks_while_it_is_read_is_said_to_have_changed() {
    let _alone = measuring_alone();
    let tiny = Tiny {
        codec: Codec::Deflate,
        tile: Some((16, 16)),
        width: 200,
        height: 160,
        ..Tiny::default()
    };
    let bytes = Bytes::from(tiny.encode(&[]));
    let whole = Window {
        x: 0,
        y: 0,
        width: 200,
        height: 160,
    };
    let (mut changed, mut read) = (0, 0);
    for after in 0..6 {
        for left in (0..bytes.len()).step_by(97) {
            let source = Shrinking {
                bytes: bytes.clone(),
                left,
                fetches: 0.into(),
                after,
            };
            let result = block_on(async {
                let image = GeoTiff::open(source, Limits::default()).await?;
                image.read_preview(10, &[0]).await?;
                image.read_window(whole, &[0, 1, 2]).await
            });
            match result {
                Ok(_) => read += 1,
                Err(TiffError::Io(raremap_io::IoError::Source(SourceError::Changed { expected, received }))) => {
                    assert!(received < expected);
                    changed += 1;
                }
                Err(error) => panic!("cut to {left} after {after} fetches: {error}"),
            }
        }
    }
    println!("{changed} changed, {read} read");
    assert!(changed > 100 && read > 0);
}

#[test]
fn a_file_that_shrinks_while_it_is_open_is_said_to_have_changed() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let bytes = Tiny {
        width: 400,
        height: 300,
        ..Tiny::default()
    }
    .encode(&[]);
    file.write_all(&bytes).expect("writes");
    file.flush().expect("writes");
    let image = block_on(GeoTiff::open(
        FileSource::open(file.path()).expect("opens"),
        Limits::default(),
    ))
    .expect("opens");
    file.as_file().set_len(10_000).expect("shrinks");
    let whole = Window {
        x: 0,
        y: 0,
        width: 400,
        height: 300,
    };
    let error = block_on(image.read_window(whole, &[0])).expect_err("the end is gone");
    assert_eq!(error.code(), "source_changed");
    // What is still there is read.
    assert!(
        block_on(image.read_window(
            Window {
                width: 1,
                height: 1,
                ..whole
            },
            &[0]
        ))
        .is_ok()
    );
}

/// Blocks that decode to as much as one may, of data that is next to nothing, and headers that promise as much.
#[test]
fn bombs_of_every_codec_stay_inside_the_limit_of_one_block() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bombs");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .filter_map(Result::ok)
        .collect();
    files.sort_by_key(std::fs::DirEntry::path);
    for file in &files {
        let bytes = std::fs::read(file.path()).expect("a file");
        let name = file.file_name().display().to_string();
        let started = std::time::Instant::now();
        let block_bytes = Limits::default().max_block_bytes as usize;
        let outcome = tally.measure(
            || entries::windows(&bytes),
            block_bytes + entries::MAX_OUTPUT_BYTES,
            &|| name.clone(),
        );
        println!(
            "{name}: {outcome}, {:?}, at most {} MiB so far",
            started.elapsed(),
            tally.most_bytes >> 20
        );
    }
    assert!(files.len() >= 10 && tally.outcomes.len() >= 2, "{tally:?}");
}
