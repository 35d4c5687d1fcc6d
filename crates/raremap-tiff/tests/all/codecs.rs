//! Every codec and sample layout on a small file: the checksums of GDAL, whole and from windows, and no surprise when
//! the file is cut or changed.

use std::path::{Path, PathBuf};

use pollster::block_on;
use raremap_io::BytesSource;
use raremap_tiff::TiffError;
use raremap_tiff::{GdalChecksum, GeoTiff, Limits, SampleType, Samples, Window};

/// The committed files, or those of the folder that `RAREMAP_CODEC_FILES` names, with a manifest of the same two columns.
fn folder() -> PathBuf {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/codecs");
    std::env::var_os("RAREMAP_CODEC_FILES").map_or(committed, PathBuf::from)
}

/// Names and GDAL's checksums.
fn manifest() -> Vec<(String, Vec<u16>)> {
    let text = std::fs::read_to_string(folder().join("manifest.csv")).expect("the manifest is there");
    let record = |line: &str| {
        let (name, sums) = line.split_once(',').expect("two columns");
        let sums = sums.split(' ').map(|sum| sum.parse().expect("a number")).collect();
        (name.to_string(), sums)
    };
    text.lines().skip(1).map(record).collect()
}

async fn read(bytes: Vec<u8>, window: Option<Window>) -> Result<(Samples<f64>, SampleType), TiffError> {
    let image = GeoTiff::open(BytesSource::new(bytes), Limits::default()).await?;
    let info = image.info();
    let whole = Window {
        x: 0,
        y: 0,
        width: info.width,
        height: info.height,
    };
    let bands: Vec<usize> = (0..info.band_count).collect();
    let samples = image.read_window_as(window.unwrap_or(whole), &bands).await?;
    Ok((samples, info.sample_type))
}

#[test]
fn every_codec_gives_the_pixels_of_gdal() {
    let mut differing = Vec::new();
    for (name, expected) in manifest() {
        let bytes = std::fs::read(folder().join(&name)).expect("the file is there");
        let (samples, sample_type) = block_on(read(bytes, None)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let planes = samples.values.chunks_exact(samples.width * samples.height);
        let sums: Vec<u16> = planes
            .map(|values| {
                let (width, height) = (samples.width as u32, samples.height as u32);
                let mut checksum = GdalChecksum::new(sample_type, width);
                let whole = Window {
                    x: 0,
                    y: 0,
                    width,
                    height,
                };
                checksum.update(whole, values);
                checksum.value()
            })
            .collect();
        if sums != expected {
            differing.push(format!("{name}: {sums:?} instead of {expected:?}"));
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
}

#[test]
fn a_window_holds_what_the_whole_image_has_there() {
    let window = Window {
        x: 11,
        y: 5,
        width: 19,
        height: 14,
    };
    for (name, _) in manifest() {
        let bytes = std::fs::read(folder().join(&name)).expect("the file is there");
        let (whole, _) = block_on(read(bytes.clone(), None)).expect("readable");
        let (part, _) = block_on(read(bytes, Some(window))).expect("readable");
        for band in 0..whole.bands {
            for row in 0..part.height {
                let part_start = (band * part.height + row) * part.width;
                let whole_start = (band * whole.height + row + 5) * whole.width + 11;
                let (is, should) = (
                    &part.values[part_start..part_start + part.width],
                    &whole.values[whole_start..whole_start + part.width],
                );
                assert!(
                    is.iter().zip(should).all(|(a, b)| a.to_bits() == b.to_bits()),
                    "{name}, band {band}, row {row}: {is:?} instead of {should:?}"
                );
            }
        }
    }
}

/// Damaged data may still decode to something; it must not panic, nor take long.
#[test]
fn cut_and_changed_files_give_a_result_or_a_typed_error() {
    let mut state = 1u32;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % bound
    };
    let (mut results, mut errors) = (0, 0);
    for (name, _) in manifest() {
        let bytes = std::fs::read(folder().join(&name)).expect("the file is there");
        for round in 0..rounds() {
            let mut damaged = bytes.clone();
            if round % 4 == 0 {
                damaged.truncate(next(bytes.len()));
            } else {
                for _ in 0..=round % 3 {
                    let at = next(damaged.len());
                    damaged[at] = next(256) as u8;
                }
            }
            match block_on(read(damaged, None)) {
                Ok(_) => results += 1,
                Err(error) if !error.code().is_empty() => errors += 1,
                Err(error) => panic!("{name}: an error without a code: {error}"),
            }
        }
    }
    assert!(results > 0 && errors > 0, "{results} results, {errors} errors");
}

/// How often each file is damaged: `RAREMAP_CODEC_ROUNDS`, or a number that takes a second or two.
fn rounds() -> usize {
    let asked = std::env::var("RAREMAP_CODEC_ROUNDS").ok();
    asked.and_then(|rounds| rounds.parse().ok()).unwrap_or(60)
}
