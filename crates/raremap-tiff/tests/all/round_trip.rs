//! Writing and reading back, over layouts that chance chooses: what is read is what was written.

use crate::tiny::{Codec, Stored, Tiny};
use pollster::block_on;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use raremap_io::BytesSource;
use raremap_tiff::TiffError;
use raremap_tiff::{GeoTiff, Limits, OutputImage, OutputSamples, Window, encode_geotiff};

/// The same cases on every run, so that a failure is one of the change at hand: `PROPTEST_RNG_SEED` chooses others,
/// `PROPTEST_CASES` how many.
fn config() -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    ProptestConfig {
        cases: number("PROPTEST_CASES").unwrap_or(256),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(number("PROPTEST_RNG_SEED").unwrap_or(4).into()),
        ..ProptestConfig::default()
    }
}

fn open(bytes: Vec<u8>) -> Result<GeoTiff<BytesSource>, TiffError> {
    block_on(GeoTiff::open(BytesSource::new(bytes), Limits::default()))
}

/// Any file that the tiny writer can write.
fn layout() -> impl Strategy<Value = Tiny> {
    let codec = prop_oneof![
        Just(Codec::None),
        Just(Codec::Lzw),
        Just(Codec::Deflate),
        Just(Codec::PackBits)
    ];
    let stored = prop_oneof![
        Just(Stored::Unsigned(8)),
        Just(Stored::Signed(8)),
        Just(Stored::Unsigned(16)),
        Just(Stored::Signed(16)),
        Just(Stored::Unsigned(32)),
        Just(Stored::Signed(32)),
        Just(Stored::Float(32)),
        Just(Stored::Float(64)),
    ];
    // Tiles need not be multiples of 16 to be read, and may be larger than the image.
    let tile = proptest::option::of((1usize..40, 1usize..40));
    let place = (any::<bool>(), any::<bool>(), any::<bool>(), tile, 1usize..70);
    let samples = (codec, any::<bool>(), stored);
    let size = (
        1usize..90,
        1usize..70,
        1usize..6,
        proptest::option::weighted(0.2, 1usize..5),
    );
    (place, samples, size).prop_map(|(place, samples, size)| {
        let (big_endian, big_tiff, planar, tile, rows_per_strip) = place;
        let (codec, has_predictor, stored) = samples;
        let (width, height, bands, sparse_every) = size;
        let predictor = match (codec, stored) {
            (Codec::Lzw | Codec::Deflate, Stored::Float(_)) if has_predictor => 3,
            (Codec::Lzw | Codec::Deflate, _) if has_predictor => 2,
            _ => 1,
        };
        Tiny {
            big_endian,
            big_tiff,
            planar,
            tile,
            rows_per_strip,
            codec,
            predictor,
            stored,
            width,
            height,
            bands,
            sparse_every,
        }
    })
}

/// A window inside an image, and some of its bands in any order.
fn part_of(tiny: &Tiny) -> impl Strategy<Value = (Window, Vec<usize>)> + use<> {
    let (width, height, bands) = (tiny.width as u32, tiny.height as u32, tiny.bands);
    let side = |size: u32| (0..size).prop_flat_map(move |start| (Just(start), 1..=size - start));
    let window = (side(width), side(height)).prop_map(|((x, width), (y, height))| Window { x, y, width, height });
    (window, proptest::collection::vec(0..bands, 1..=bands))
}

impl Tiny {
    /// The value that reading gives: 0 in a block that is left out.
    fn value_read(&self, band: usize, row: usize, column: usize) -> f64 {
        let (block_width, block_height) = self.tile.unwrap_or((self.width, self.rows_per_strip));
        let (across, down) = (self.width.div_ceil(block_width), self.height.div_ceil(block_height));
        let plane = if self.planar { band } else { 0 };
        let block = (plane * down + row / block_height) * across + column / block_width;
        if self.sparse_every.is_some_and(|every| block.is_multiple_of(every)) {
            0.0
        } else {
            self.value(band, row, column)
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_window_of_any_layout_reads_as_written(
        (tiny, parts) in layout().prop_flat_map(|tiny| {
            let parts = proptest::collection::vec(part_of(&tiny), 3);
            (Just(tiny), parts)
        })
    ) {
        let image = open(tiny.encode(&[])).map_err(|error| TestCaseError::fail(error.to_string()))?;
        for (window, bands) in parts {
            let samples = block_on(image.read_window_as::<f64>(window, &bands))
                .map_err(|error| TestCaseError::fail(format!("{window:?}: {error}")))?;
            prop_assert_eq!(samples.values.len(), bands.len() * (window.width * window.height) as usize);
            let mut values = samples.values.iter();
            for band in &bands {
                for row in window.y..window.y + window.height {
                    for column in window.x..window.x + window.width {
                        let wanted = tiny.value_read(*band, row as usize, column as usize);
                        prop_assert_eq!(values.next(), Some(&wanted), "band {} row {} column {}", band, row, column);
                    }
                }
            }
            prop_assert!(samples.valid.iter().all(|valid| *valid));
        }
    }

    #[test]
    fn any_preview_holds_every_nth_pixel(tiny in layout(), max_px in 1u32..100) {
        let image = open(tiny.encode(&[])).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let preview = block_on(image.read_preview(max_px, &[0])).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let (width, height) = (tiny.width as u32, tiny.height as u32);
        let step = width.max(height).div_ceil(max_px);
        prop_assert_eq!((preview.width as u32, preview.height as u32), (width.div_ceil(step), height.div_ceil(step)));
        prop_assert!(preview.width.max(preview.height) <= max_px as usize);
        // Each value is one of the pixels of its cell.
        for row in 0..preview.height {
            for column in 0..preview.width {
                let value = f64::from(preview.values[row * preview.width + column]);
                let cell = |index: usize, size: u32| index * step as usize..((index + 1) * step as usize).min(size as usize);
                let mut pixels = cell(row, height).flat_map(|y| cell(column, width).map(move |x| (y, x)));
                prop_assert!(
                    pixels.any(|(y, x)| f64::from(tiny.value_read(0, y, x) as f32) == value),
                    "row {} column {} holds {}", row, column, value
                );
            }
        }
    }

    #[test]
    fn what_the_crate_writes_it_reads(
        width in 1u32..300,
        height in 1u32..300,
        seeds in proptest::collection::vec(any::<u16>(), 1..3),
    ) {
        // A flat band where the seed is even, else one that compresses badly.
        let band = |seed: &u16| -> Vec<u16> {
            let step = if seed.is_multiple_of(2) { 0 } else { u32::from(*seed) };
            (0..width * height).map(|i| (i.wrapping_mul(step) >> 3) as u16 ^ seed).collect()
        };
        let values: Vec<Vec<u16>> = seeds.iter().map(band).collect();
        let image = OutputImage {
            width,
            height,
            samples: OutputSamples::U16 { bands: values.iter().map(Vec::as_slice).collect() },
            nodata: None,
            color_table: None,
            band_names: Vec::new(),
            metadata: Vec::new(),
        };
        let bytes = encode_geotiff(&image, None).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let read = open(bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let bands: Vec<usize> = (0..values.len()).collect();
        let window = Window { x: 0, y: 0, width, height };
        let samples = block_on(read.read_window(window, &bands)).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let written = values.iter().flatten().map(|value| f32::from(*value));
        prop_assert!(samples.values.iter().copied().eq(written));
    }
}
