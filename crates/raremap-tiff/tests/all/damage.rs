//! Damaged files: whatever is cut off or altered, an error or an image comes back, soon. Of every kind of file, and within bounds
//! of memory: ../bounds/mutations.rs; files that mean it: ../bounds/bombs.rs.

use std::time::{Duration, Instant};

use crate::tiny::{Codec, Stored, Tiny};
use pollster::block_on;
use raremap_geo::{Affine, CrsKind, GeoReference};
use raremap_io::BytesSource;
use raremap_tiff::TiffError;
use raremap_tiff::{GeoTiff, Limits, OutputImage, OutputSamples, Window, encode_geotiff};

/// Even an unoptimized build on a busy machine reads a sound file of this size in a hundredth of it.
const MAX_TIME_PER_FILE: Duration = Duration::from_secs(5);

/// Small files of different kinds, one of them with every tag that the writer knows.
fn files() -> Vec<Vec<u8>> {
    let base = Tiny {
        width: 40,
        height: 30,
        ..Tiny::default()
    };
    let values: Vec<u8> = (0..1200u32).map(|i| (i % 7) as u8).collect();
    let mask = OutputImage {
        width: 40,
        height: 30,
        samples: OutputSamples::U8(&values),
        nodata: Some(255.0),
        color_table: Some(vec![(1, [9, 8, 7])]),
        band_names: vec!["class".into()],
        metadata: vec![("KEY".into(), "value".into())],
    };
    let rotated = Affine {
        a: 10.0,
        b: 1.0,
        c: 4e5,
        d: 2.0,
        e: -10.0,
        f: 3e6,
    };
    let georeference = GeoReference::from_epsg(CrsKind::Projected, 32643, rotated);
    vec![
        encode_geotiff(&mask, georeference.as_ref()).expect("encodes"),
        Tiny {
            codec: Codec::Lzw,
            predictor: 2,
            stored: Stored::Signed(16),
            ..base
        }
        .encode(&[]),
        Tiny {
            codec: Codec::Deflate,
            predictor: 3,
            stored: Stored::Float(32),
            big_tiff: true,
            ..base
        }
        .encode(&[]),
        Tiny {
            codec: Codec::PackBits,
            tile: Some((16, 16)),
            planar: true,
            big_endian: true,
            ..base
        }
        .encode(&[]),
        Tiny {
            rows_per_strip: 30,
            stored: Stored::Unsigned(16),
            ..base
        }
        .encode(&[]),
    ]
}

/// Opens and reads as an application would: a preview, then windows.
fn read(bytes: Vec<u8>) -> Result<(), TiffError> {
    block_on(async {
        let image = GeoTiff::open(BytesSource::new(bytes), Limits::default()).await?;
        let (width, height) = (image.info().width, image.info().height);
        image.read_preview(50, &[0]).await?;
        let window = Window {
            x: 0,
            y: 0,
            width: width.min(300),
            height: height.min(300),
        };
        let bands: Vec<usize> = (0..image.info().band_count.min(4)).collect();
        image.read_window(window, &bands).await?;
        let corner = Window {
            x: width - 1,
            y: height - 1,
            width: 1,
            height: 1,
        };
        image.read_window(corner, &[image.info().band_count - 1]).await?;
        Ok(())
    })
}

fn read_in_time(bytes: Vec<u8>, damage: &str) -> Result<(), TiffError> {
    let started = Instant::now();
    let result = read(bytes);
    assert!(
        started.elapsed() < MAX_TIME_PER_FILE,
        "{damage}: {:?}, {result:?}",
        started.elapsed()
    );
    result
}

#[test]
fn no_truncation_is_read_as_a_whole_image_or_panics() {
    for (index, file) in files().into_iter().enumerate() {
        read(file.clone()).expect("the undamaged file reads");
        for length in 0..file.len() {
            let result = read_in_time(file[..length].to_vec(), &format!("file {index} cut to {length}"));
            // Only the offset of the next directory, or padding, may be missing without loss.
            assert!(
                result.is_err() || length + 8 >= file.len(),
                "file {index} cut to {length} of {} read",
                file.len()
            );
        }
    }
}

#[test]
fn no_altered_byte_makes_reading_panic_or_hang() {
    let mut outcomes = std::collections::BTreeMap::<&str, usize>::new();
    for (index, file) in files().into_iter().enumerate() {
        for position in 0..file.len() {
            // Outside the directory every seventh byte is enough: compressed data is much alike.
            if position > 16 && position + 1000 < file.len() && position % 7 != 0 {
                continue;
            }
            for altered in [0x00, 0x01, 0x7F, 0x80, 0xFF, file[position] ^ 0x10] {
                let mut damaged = file.clone();
                damaged[position] = altered;
                let result = read_in_time(damaged, &format!("file {index}, byte {position} set to {altered}"));
                *outcomes
                    .entry(result.map_or_else(|error| error.code(), |()| "read"))
                    .or_default() += 1;
            }
        }
    }
    println!("{outcomes:?}");
    assert!(
        outcomes.len() > 5 && outcomes.values().sum::<usize>() > 5000,
        "{outcomes:?}"
    );
}

#[test]
fn no_pair_of_altered_words_makes_reading_panic_or_hang() {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut random = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    let words = [
        [0, 0, 0, 0],
        [0xFF; 4],
        [0, 0, 0, 0x80],
        [0x80, 0, 0, 0],
        [1, 0, 0, 0],
        [0, 0, 0, 1],
        [0, 0x10, 0, 0],
    ];
    for (index, file) in files().into_iter().enumerate() {
        for round in 0..1500 {
            let mut damaged = file.clone();
            for _ in 0..2 {
                // The directory is at the end of all these files.
                let at = damaged.len() - 4 - random(damaged.len().min(400) - 4);
                damaged[at..at + 4].copy_from_slice(&words[random(words.len())]);
            }
            let _ = read_in_time(damaged, &format!("file {index}, round {round}"));
        }
    }
}

#[test]
fn forged_sizes_are_refused_by_limits_not_by_memory() {
    let sizes: [(usize, usize); 3] = [(60_000, 60_000), (1 << 30, 1), (1, 1 << 30)];
    for (width, height) in sizes {
        let mut file = Tiny {
            rows_per_strip: 19,
            codec: Codec::Deflate,
            stored: Stored::Float(64),
            ..Tiny::default()
        }
        .encode(&[]);
        for (tag, value) in [(256u16, width), (257, height)] {
            let wanted = [&tag.to_le_bytes()[..], &[if tag == 256 { 3 } else { 4 }, 0]].concat();
            let at = file
                .windows(4)
                .rposition(|window| window == wanted)
                .expect("the tag is there");
            // As LONG, so that large sizes fit.
            file[at + 2] = 4;
            file[at + 8..at + 12].copy_from_slice(&(value as u32).to_le_bytes());
        }
        let error = read(file).expect_err("no data for such a size");
        assert!(
            matches!(error.code(), "limit_exceeded" | "bad_tag" | "bad_block"),
            "{error}"
        );
    }
}

#[test]
fn a_window_over_the_limit_is_refused() {
    let file = Tiny::default().encode(&[]);
    let limits = Limits {
        max_window_bytes: 1000,
        ..Limits::default()
    };
    let image = block_on(GeoTiff::open(BytesSource::new(file), limits)).expect("opens");
    let whole = Window {
        x: 0,
        y: 0,
        width: 21,
        height: 19,
    };
    let error = block_on(image.read_window(whole, &[0, 1, 2])).expect_err("over the limit");
    assert_eq!(error.code(), "limit_exceeded");
}

#[test]
fn blocks_that_all_hold_more_than_they_show_are_refused() {
    // 64 x 1 pixels, each in a tile of its own of 1 x 32768 pixels.
    let tiny = Tiny {
        width: 64,
        height: 1,
        bands: 1,
        tile: Some((1, 32_768)),
        codec: Codec::Deflate,
        ..Tiny::default()
    };
    let limits = Limits {
        max_extra_decoded_bytes: 1 << 20,
        ..Limits::default()
    };
    let image = block_on(GeoTiff::open(BytesSource::new(tiny.encode(&[])), limits)).expect("opens");
    let whole = Window {
        x: 0,
        y: 0,
        width: 64,
        height: 1,
    };
    assert_eq!(
        block_on(image.read_window(whole, &[0]))
            .expect_err("too much work")
            .code(),
        "limit_exceeded"
    );
    assert!(block_on(image.read_window(Window { width: 2, ..whole }, &[0])).is_ok());
}
