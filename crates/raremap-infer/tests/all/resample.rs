//! A scene that is run on the model's grid, with results on its own.

use std::ops::ControlFlow;

use pollster::block_on;
use raremap_infer::{DecideOptions, InferError, Progress, RunHooks, RunOptions, SceneLogits, Tiling, View, run_scene};
use raremap_io::BytesSource;
use raremap_model::{Card, TileError, TileLogits, TileModel};
use raremap_scene::TiffScene;
use raremap_testing::card as testing;
use raremap_tiff::{Limits, OutputImage, OutputSamples, encode_geotiff};

const NODATA: f32 = -1000.0;
const LAND: u8 = 10;
const WATER: u8 = 20;

fn card() -> Card {
    testing::card(&["wet"], &[(LAND, "land"), (WATER, "water")], &["water"])
}

/// The logit of water, in both heads, is the mean of the band over the cell of 4 x 4 pixels.
struct Mean;

impl TileModel for Mean {
    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        let (rows, columns) = (height / 4, width / 4);
        let pixel = |row: usize, column: usize, i: usize| input[(row * 4 + i / 4) * width + column * 4 + i % 4];
        let mean = |row: usize, column: usize| (0..16).map(|i| pixel(row, column, i)).sum::<f32>() / 16.0;
        let water: Vec<f32> = (0..rows * columns).map(|i| mean(i / columns, i % columns)).collect();
        Ok(TileLogits {
            main: [vec![0.0; water.len()], water.clone()].concat(),
            auxiliary: water,
        })
    }
}

fn scene([height, width]: [usize; 2], value: impl Fn(usize, usize) -> f32) -> TiffScene<BytesSource> {
    let plane: Vec<f32> = (0..height * width).map(|i| value(i / width, i % width)).collect();
    let image = OutputImage {
        width: width as u32,
        height: height as u32,
        samples: OutputSamples::F32 { bands: vec![&plane] },
        nodata: Some(f64::from(NODATA)),
        color_table: None,
        band_names: vec![],
        metadata: vec![],
    };
    let bytes = encode_geotiff(&image, None).expect("a small image");
    block_on(TiffScene::open(BytesSource::new(bytes), Limits::default())).expect("a scene")
}

fn run(
    scene: &TiffScene<BytesSource>,
    ratios: Option<[f64; 2]>,
    hooks: &mut impl RunHooks,
) -> Result<SceneLogits, InferError> {
    let options = RunOptions {
        tiling: Tiling {
            tile_px: 64,
            overlap_px: 32,
        },
        resample: ratios,
        ..RunOptions::new(vec![0])
    };
    block_on(run_scene(scene, &Mean, &card(), &options, hooks))
}

fn mask(logits: &SceneLogits) -> Vec<u8> {
    let options = DecideOptions {
        threshold: 1.0,
        rare: vec![],
        top_k_percent: 10.0,
    };
    logits.decide(&options).expect("a mask").mask
}

/// Pixels, mean column and mean row of water.
fn centre(mask: &[u8], width: usize) -> [f64; 3] {
    let water: Vec<usize> = (0..mask.len()).filter(|index| mask[*index] == WATER).collect();
    let mean =
        |of: fn(usize, usize) -> usize| water.iter().map(|i| of(*i, width) as f64).sum::<f64>() / water.len() as f64;
    [
        water.len() as f64,
        mean(|i, width| i % width),
        mean(|i, width| i / width),
    ]
}

#[test]
fn masks_lie_where_the_scene_has_them_at_any_ratio() {
    let size = [310, 370];
    let disc = |y: usize, x: usize| {
        let (dy, dx) = (y as f32 - 148.5, x as f32 - 201.0);
        (95.0 - dy.hypot(dx)).clamp(-20.0, 20.0)
    };
    let scene = scene(size, disc);
    let truth: Vec<u8> = (0..size[0] * size[1])
        .map(|i| {
            if disc(i / size[1], i % size[1]) > 0.0 {
                WATER
            } else {
                LAND
            }
        })
        .collect();
    let [pixels, x, y] = centre(&truth, size[1]);
    for ratios in [
        None,
        Some([2.5, 2.5]),
        Some([0.6, 0.6]),
        Some([1.3, 2.2]),
        Some([1.0, 1.0]),
    ] {
        let logits = run(&scene, ratios, &mut ()).expect("a run");
        assert_eq!(logits.size(), size);
        let found = mask(&logits);
        assert_eq!(found.len(), truth.len());
        let [found_pixels, found_x, found_y] = centre(&found, size[1]);
        assert!(
            (found_x - x).abs() < 0.15 && (found_y - y).abs() < 0.15,
            "{ratios:?}: {found_x}, {found_y} for {x}, {y}"
        );
        assert!(
            (found_pixels / pixels - 1.0).abs() < 0.02,
            "{ratios:?}: {found_pixels} for {pixels}"
        );
        let wrong = found.iter().zip(&truth).filter(|(a, b)| a != b).count();
        assert!(wrong < 700, "{ratios:?}: {wrong} pixels differ");
    }
}

#[test]
fn a_ratio_of_one_changes_nothing() {
    let size = [100, 131];
    let value = |y: usize, x: usize| {
        if (y / 9 + x / 7).is_multiple_of(5) {
            NODATA
        } else {
            ((y * 13 + x * 7) % 41) as f32 - 20.0
        }
    };
    let scene = scene(size, value);
    let (own, resampled) = (run(&scene, None, &mut ()), run(&scene, Some([1.0; 2]), &mut ()));
    let (own, resampled) = (own.expect("a run"), resampled.expect("a run"));
    assert_eq!(mask(&own), mask(&resampled));
    let view = View::whole(size);
    let bits = |logits: &SceneLogits| -> Vec<u32> {
        let saliency = logits.saliency(&view).expect("a view");
        saliency.iter().map(|value| value.to_bits()).collect()
    };
    assert_eq!(bits(&own), bits(&resampled));
}

#[test]
fn a_pixel_has_a_result_where_the_scene_has_data_whatever_the_grid() {
    let size = [150, 260];
    let is_hole = |y: usize, x: usize| (y * y + 3 * x).is_multiple_of(11) || (40..90).contains(&y) && x > 200;
    let scene = scene(size, |y, x| if is_hole(y, x) { NODATA } else { 3.0 });
    for ratio in [0.7, 3.4] {
        let found = mask(&run(&scene, Some([ratio; 2]), &mut ()).expect("a run"));
        for (index, value) in found.iter().enumerate() {
            let (y, x) = (index / size[1], index % size[1]);
            assert_eq!(*value == Card::MASK_NODATA, is_hole(y, x), "ratio {ratio} at {x}, {y}");
        }
    }
}

struct StopAfter(usize);

impl RunHooks for StopAfter {
    async fn after_tile(&mut self, progress: Progress, partial: &SceneLogits) -> ControlFlow<()> {
        let summary = partial
            .decide(&DecideOptions::new(&card()))
            .expect("a partial result")
            .summary;
        assert!(summary.valid_pixels > 0 && (summary.complete || progress.done < progress.total));
        if progress.done == self.0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[test]
fn a_cancelled_run_keeps_the_pixels_below_its_tiles() {
    let scene = scene([600, 400], |_, _| 3.0);
    let logits = run(&scene, Some([4.0; 2]), &mut StopAfter(3)).expect("a run");
    assert!(!logits.is_complete());
    let found = mask(&logits);
    // Of 150 x 100 pixels the tiles begin at 0, 32, 64 and at 0, 32, 64: the first row of tiles is there.
    let rows: Vec<bool> = (0..600).map(|y| found[y * 400] == WATER).collect();
    assert!(rows[..250].iter().all(|done| *done) && rows[256..].iter().all(|done| !done));
}

#[test]
fn grids_beyond_reason_are_refused() {
    let scene = scene([40, 40], |_, _| 3.0);
    for ratio in [0.0, -1.0, f64::NAN, 1e-3, 1e9] {
        let refused = run(&scene, Some([1.0, ratio]), &mut ())
            .map(|_| ())
            .expect_err("no grid");
        assert_eq!(refused.code(), "misuse", "{ratio}");
    }
    // A scene that becomes one pixel.
    let tiny = run(&scene, Some([50.0; 2]), &mut ()).expect("a run");
    assert!(mask(&tiny).iter().all(|value| *value == WATER));
}
