//! Files of every kind, as they are, with bytes altered, and cut short: a result or a typed error, in time and memory.
//!
//! The whole schedule runs on every build. `RAREMAP_EXHAUSTIVE=1` runs every value of every byte of the small files:
//!
//! ```text
//! RAREMAP_EXHAUSTIVE=1 cargo test --release -p raremap-tiff --test bounds mutations -- --nocapture
//! ```

use std::path::{Path, PathBuf};

use crate::entries;
use crate::measure::{Tally, measuring_alone};
use crate::support;

fn measure(tally: &mut Tally, entry: entries::Entry, bytes: &[u8], what: &dyn Fn() -> String) {
    tally.measure(|| entry(bytes), entries::MAX_OUTPUT_BYTES, what);
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files below a folder, in the order of their names.
fn files_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
            }
        }
    }
    files.sort();
    files
}

/// Small files whose layouts, codecs and tags differ, written by GDAL (fuzz/seeds.py).
fn small_files() -> Vec<(String, Vec<u8>)> {
    const NAMES: [&str; 22] = [
        "none-u16-3",
        "lzw-predictor2",
        "deflate-predictor3",
        "packbits",
        "zstd-predictor2",
        "lerc",
        "lerc_zstd-u16-3",
        "webp",
        "jpeg-ycbcr",
        "jpeg-gray",
        "1-bits",
        "12-bits",
        "big-endian",
        "bigtiff",
        "planar",
        "sparse",
        "lzma",
        "alpha",
        "overviews",
        "mask",
        "palette",
        "rotated",
    ];
    let seeds = folder("../../fuzz/seeds/windows");
    NAMES
        .iter()
        .map(|name| {
            let path = seeds.join(format!("{name}.tif"));
            (
                name.to_string(),
                std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            )
        })
        .collect()
}

/// All values of all bytes, where that is asked for; else a few, and in the data of a file a few of its bytes.
fn mutations(file: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let exhaustive = std::env::var_os("RAREMAP_EXHAUSTIVE").is_some();
    file.iter().enumerate().flat_map(move |(position, byte)| {
        let values: Vec<u8> = if exhaustive {
            (0..=255).collect()
        } else if position < 1024 {
            vec![0, 0xFF, byte.wrapping_add(1), byte ^ 0x80]
        } else if position % 5 == 0 {
            vec![byte ^ (1 << (position % 8))]
        } else {
            Vec::new()
        };
        let byte = *byte;
        values
            .into_iter()
            .filter(move |value| *value != byte)
            .map(move |value| (position, value))
    })
}

#[test]
fn every_altered_byte_of_small_files_ends_in_time_and_memory() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    for (name, file) in small_files() {
        let mut damaged = file.clone();
        for (position, value) in mutations(&file) {
            damaged[position] = value;
            let what = || format!("{name}, byte {position} set to {value}");
            measure(&mut tally, entries::windows, &damaged, &what);
            damaged[position] = file[position];
        }
    }
    println!("{} damaged copies: {tally:?}", tally.reads());
    assert!(tally.reads() > 50_000 && tally.outcomes.len() > 8, "{tally:?}");
}

#[test]
fn every_truncation_of_small_files_ends_in_time_and_memory() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    for (name, file) in small_files() {
        for length in 0..file.len() {
            measure(&mut tally, entries::windows, &file[..length], &|| {
                format!("{name} cut to {length}")
            });
        }
    }
    println!("{} truncated copies: {tally:?}", tally.reads());
    assert!(tally.reads() > 10_000);
    // Overviews, masks and metadata may be missing from a file that reads; most cuts go through the data.
    let read = tally.outcomes.get("read").copied().unwrap_or_default();
    assert!(read * 4 < tally.reads(), "{tally:?}");
}

#[test]
fn real_files_and_their_damaged_copies_end_in_time_and_memory() {
    let Some(folder) = support::data_folder("tiff") else {
        return;
    };
    let _alone = measuring_alone();
    let (mut whole, mut damaged) = (Tally::default(), Tally::default());
    for (name, file) in files_in(&folder) {
        measure(&mut whole, entries::windows, &file, &|| name.clone());
        if file.len() > 30_000 {
            continue;
        }
        for step in 1..60 {
            let length = file.len() * step / 60;
            let what = || format!("{name} cut to {length}");
            measure(&mut damaged, entries::windows, &file[..length], &what);
            let position = (step * 7919 + file.len() * 31) % file.len();
            let mut copy = file.clone();
            copy[position] ^= 1 << (step % 8);
            let what = || format!("{name}, bit {} of byte {position} altered", step % 8);
            measure(&mut damaged, entries::windows, &copy, &what);
        }
    }
    println!(
        "{} files: {whole:?}\n{} damaged copies: {damaged:?}",
        whole.reads(),
        damaged.reads()
    );
    assert!(whole.reads() >= 300 && damaged.reads() >= 10_000);
}

#[test]
fn every_seed_passes_its_own_entry() {
    let _alone = measuring_alone();
    for (name, entry) in entries::ENTRIES {
        let mut tally = Tally::default();
        for (path, bytes) in files_in(&folder("../../fuzz/seeds").join(name)) {
            measure(&mut tally, entry, &bytes, &|| path.clone());
        }
        println!("{name}: {:?}", tally.outcomes);
        // A seed that is refused at the door explores nothing behind it.
        let read = tally.outcomes.get("read").copied().unwrap_or_default();
        assert!(read * 10 >= tally.reads() * MIN_READ_TENTHS, "{name}: {tally:?}");
    }
}

/// Of ten seeds so many are of a kind that is read.
const MIN_READ_TENTHS: usize = 4;

#[test]
fn what_once_crashed_or_hung_ends_in_every_entry() {
    let _alone = measuring_alone();
    let mut tally = Tally::default();
    let files = files_in(&folder("tests/regressions"));
    for (path, bytes) in &files {
        for (name, entry) in entries::ENTRIES {
            measure(&mut tally, entry, bytes, &|| format!("{path} through {name}"));
        }
    }
    println!("{} files: {tally:?}", files.len());
    assert!(!files.is_empty());
}
