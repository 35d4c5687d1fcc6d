use std::cell::Cell;
use std::io::Write;

use pollster::block_on;

use super::*;
use crate::scratch::MemoryScratch;
use crate::source::BytesSource;

/// A file to be packed, and what is to be wrong with it.
#[derive(Clone)]
struct Packed {
    path: &'static str,
    bytes: Vec<u8>,
    method: u16,
    flags: u16,
    claimed_bytes: Option<u64>,
    crc_error: u32,
}

impl Packed {
    fn new(path: &'static str, bytes: Vec<u8>, method: u16) -> Self {
        Self {
            path,
            bytes,
            method,
            flags: 0,
            claimed_bytes: None,
            crc_error: 0,
        }
    }
}

fn le(fields: &[(u64, usize)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(value, bytes)| value.to_le_bytes()[..*bytes].to_vec())
        .collect()
}

/// An archive as the specification (APPNOTE 6.3) describes it; `zip64` puts the sizes and offsets into the 64-bit records.
fn archive(files: &[Packed], zip64: bool) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for file in files {
        let data = if file.method == 8 {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(&file.bytes).expect("packs");
            encoder.finish().expect("packs")
        } else {
            file.bytes.clone()
        };
        let mut crc = flate2::Crc::new();
        crc.update(&file.bytes);
        let crc = u64::from(crc.sum() ^ file.crc_error);
        let (packed, size) = (data.len() as u64, file.claimed_bytes.unwrap_or(file.bytes.len() as u64));
        let name = file.path.len() as u64;
        let (flags, method, offset) = (u64::from(file.flags), u64::from(file.method), out.len() as u64);
        let (short_packed, short_size, short_offset) = if zip64 {
            (u64::MAX, u64::MAX, u64::MAX)
        } else {
            (packed, size, offset)
        };
        let extra = if zip64 {
            le(&[(1, 2), (24, 2), (size, 8), (packed, 8), (offset, 8)])
        } else {
            Vec::new()
        };
        out.extend(le(&[
            (0x0403_4b50, 4),
            (20, 2),
            (flags, 2),
            (method, 2),
            (0, 4),
            (crc, 4),
            (packed, 4),
            (size, 4),
            (name, 2),
            (0, 2),
        ]));
        out.extend(file.path.as_bytes());
        out.extend(data);
        directory.extend(le(&[
            (0x0201_4b50, 4),
            (20, 2),
            (20, 2),
            (flags, 2),
            (method, 2),
            (0, 4),
            (crc, 4),
            (short_packed, 4),
            (short_size, 4),
        ]));
        directory.extend(le(&[
            (name, 2),
            (extra.len() as u64, 2),
            (0, 2),
            (0, 2),
            (0, 2),
            (0, 4),
            (short_offset, 4),
        ]));
        directory.extend(file.path.as_bytes());
        directory.extend(extra);
    }
    let (start, size, count) = (out.len() as u64, directory.len() as u64, files.len() as u64);
    out.extend(directory);
    if zip64 {
        let at = out.len() as u64;
        out.extend(le(&[
            (0x0606_4b50, 4),
            (44, 8),
            (45, 2),
            (45, 2),
            (0, 4),
            (0, 4),
            (count, 8),
            (count, 8),
            (size, 8),
            (start, 8),
        ]));
        out.extend(le(&[(0x0706_4b50, 4), (0, 4), (at, 8), (1, 4)]));
        out.extend(le(&[
            (0x0605_4b50, 4),
            (0, 2),
            (0, 2),
            (0xFFFF, 2),
            (0xFFFF, 2),
            (u64::MAX, 4),
            (u64::MAX, 4),
            (0, 2),
        ]));
    } else {
        out.extend(le(&[
            (0x0605_4b50, 4),
            (0, 2),
            (0, 2),
            (count, 2),
            (count, 2),
            (size, 4),
            (start, 4),
            (0, 2),
        ]));
    }
    out
}

fn open(bytes: Vec<u8>) -> Result<Zip<BytesSource>, IoError> {
    block_on(Zip::open(BytesSource::new(bytes)))
}

fn read(zip: &Zip<BytesSource>, index: usize) -> Result<Vec<u8>, IoError> {
    let source = block_on(zip.open_entry(index, 1 << 30, || Ok(MemoryScratch::default()), |_, _| {}))?;
    let size = source.size_bytes();
    Ok(block_on(source.fetch_range(0..size))?.to_vec())
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 12345u32;
    (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

#[test]
fn stored_files_are_read_in_place_and_packed_ones_unpacked_once() {
    let (small, large) = (b"key = value\n".to_vec(), noise(9 << 20));
    let files = [
        Packed::new("p/", vec![], 0),
        Packed::new("p/BAND2.tif", large.clone(), 8),
        Packed::new("p/BAND3.tif", large.clone(), 0),
        Packed::new("p/BAND_META.txt", small.clone(), 8),
    ];
    for zip64 in [false, true] {
        let zip = open(archive(&files, zip64)).expect("an archive");
        let paths: Vec<&str> = zip.entries().iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["p/BAND2.tif", "p/BAND3.tif", "p/BAND_META.txt"], "{zip64}");
        assert_eq!(zip.entries()[0].size_bytes, large.len() as u64);
        assert!(
            read(&zip, 0).expect("unpacks") == large && read(&zip, 2).expect("unpacks") == small,
            "{zip64}"
        );
        let asked = Cell::new(false);
        let scratch = || {
            asked.set(true);
            Ok(MemoryScratch::default())
        };
        let stored = block_on(zip.open_entry(1, 10, scratch, |_, _| {})).expect("is stored");
        assert!(!asked.get() && zip.entries()[1].is_stored());
        let part = block_on(stored.fetch_range(1_000_000..1_000_100)).expect("a part");
        assert_eq!(part, large[1_000_000..1_000_100]);
        assert!(block_on(stored.fetch_range(0..large.len() as u64 + 1)).is_err());
        let mut steps = Vec::new();
        block_on(zip.open_entry(
            0,
            1 << 30,
            || Ok(MemoryScratch::default()),
            |done, total| steps.push((done, total)),
        ))
        .expect("unpacks");
        assert_eq!(steps.len(), 3);
        assert!(
            steps.windows(2).all(|pair| pair[0].0 < pair[1].0) && steps[2].0 == steps[2].1,
            "{steps:?}"
        );
    }
}

#[test]
fn damage_is_named_with_the_file() {
    let file = Packed::new("a.tif", vec![7; 5000], 8);
    let cases: [(Packed, &str, &str); 6] = [
        (
            Packed {
                crc_error: 1,
                ..file.clone()
            },
            "bad_archive_entry",
            "checksum",
        ),
        (
            Packed {
                claimed_bytes: Some(4999),
                ..file.clone()
            },
            "bad_archive_entry",
            "more than the 4999 bytes",
        ),
        (
            Packed {
                claimed_bytes: Some(5001),
                ..file.clone()
            },
            "bad_archive_entry",
            "5000 of 5001",
        ),
        (
            Packed {
                flags: 1,
                ..file.clone()
            },
            "unsupported_encryption",
            "a.tif",
        ),
        (
            Packed {
                method: 14,
                ..file.clone()
            },
            "unsupported_archive_method",
            "a.tif",
        ),
        (
            Packed {
                method: 0,
                claimed_bytes: Some(5001),
                ..file.clone()
            },
            "bad_archive_entry",
            "two sizes",
        ),
    ];
    for (packed, code, part) in cases {
        let zip = open(archive(&[packed], false)).expect("an archive");
        let error = read(&zip, 0).expect_err(part);
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains(part), "{error}");
    }
    for bytes in [vec![], b"PK\x03\x04 and no more".to_vec(), vec![0; 100_000]] {
        assert_eq!(open(bytes).expect_err("no archive").code(), "bad_archive");
    }
}

#[test]
fn bombs_are_refused_before_they_are_unpacked() {
    let bomb = Packed {
        claimed_bytes: Some(4_000_000_000),
        ..Packed::new("a.tif", vec![0; 1000], 8)
    };
    let zip = open(archive(&[bomb], false)).expect("an archive");
    let asked = Cell::new(false);
    let scratch = || {
        asked.set(true);
        Ok(MemoryScratch::default())
    };
    let refused = block_on(zip.open_entry(0, u64::MAX, scratch, |_, _| {}))
        .map(|_| ())
        .expect_err("a bomb");
    assert_eq!((refused.code(), asked.get()), ("limit_exceeded", false));
    let large = open(archive(&[Packed::new("a.tif", vec![0; 100_000], 8)], false)).expect("an archive");
    let refused = block_on(large.open_entry(0, 99_999, || Ok(MemoryScratch::default()), |_, _| {}));
    assert_eq!(
        refused.map(|_| ()).expect_err("over the limit").code(),
        "limit_exceeded"
    );
}

#[test]
fn every_truncation_and_mutation_of_an_archive_is_a_result_or_a_typed_error() {
    let sound = archive(
        &[
            Packed::new("a.tif", noise(300), 8),
            Packed::new("b.txt", vec![1; 40], 0),
        ],
        true,
    );
    let try_all = |bytes: Vec<u8>| {
        if let Ok(zip) = open(bytes) {
            (0..zip.entries().len()).for_each(|index| drop(read(&zip, index)));
        }
    };
    (0..sound.len()).for_each(|length| try_all(sound[..length].to_vec()));
    for at in 0..sound.len() {
        for value in [0, 1, 0x7F, 0x80, 0xFF] {
            let mut bytes = sound.clone();
            bytes[at] = value;
            try_all(bytes);
        }
    }
}

#[test]
fn archives_are_told_by_their_first_bytes() {
    assert!(is_zip(&archive(&[Packed::new("a", vec![], 0)], false)) && is_zip(&archive(&[], false)));
    assert!(!is_zip(b"II*\0") && !is_zip(b"PK"));
}
