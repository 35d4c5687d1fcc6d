//! Blocks of a scene that are run by themselves, compared with the whole scene bit for bit.

use pollster::block_on;
use raremap_infer::{
    DecideOptions, InferError, PlanPart, RunOptions, SceneLogits, TilePlan, Tiling, View, run_plan, run_scene,
};
use raremap_io::BytesSource;
use raremap_model::{Card, SegformerConfig, TileError, TileLogits, TileModel, Variant};
use raremap_scene::TiffScene;
use raremap_testing::card as testing;
use raremap_tiff::{Limits, OutputImage, OutputSamples, encode_geotiff};

const SIZE: [usize; 2] = [167, 230];
const TILING: Tiling = Tiling {
    tile_px: 96,
    overlap_px: 32,
};

/// A card with a pixel path has a cell per pixel, and one without has one per 4 x 4 pixels.
fn card(pixel_dim: usize) -> Card {
    let shape = SegformerConfig {
        pixel_dim,
        ..SegformerConfig::new(Variant::B0, 2, 3, 1)
    };
    Card {
        architecture: shape.into(),
        ..testing::card(
            &["main", "rare"],
            &[(10, "land"), (20, "water"), (30, "reed")],
            &["reed"],
        )
    }
}

/// A network whose logits depend on where in its window a cell lies, so that it matters which windows are blended.
struct Slanted {
    cell_px: usize,
}

impl TileModel for Slanted {
    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        let cell_px = self.cell_px;
        let (rows, columns) = (height / cell_px, width / cell_px);
        let logits = |band: usize, slope: f32| -> Vec<f32> {
            let pixel = |row: usize, column: usize| input[(band * height + row * cell_px) * width + column * cell_px];
            let cell = |i: usize| {
                let (row, column) = (i / columns, i % columns);
                pixel(row, column) + slope * (row as f32 / 7.0 - column as f32 / 3.0)
            };
            (0..rows * columns).map(cell).collect()
        };
        Ok(TileLogits {
            main: [logits(0, 1.0), logits(1, -0.5), logits(0, -1.5)].concat(),
            auxiliary: logits(1, 0.7),
        })
    }
}

/// The pixels of a part of the scene, as a file. A part of it has no data.
fn scene(part: &PlanPart) -> TiffScene<BytesSource> {
    let [rows, columns] = part.pixels.clone();
    let value = |y: usize, x: usize, band: usize| {
        if y < 100 && (60..160).contains(&x) {
            -1.0
        } else {
            ((y * 31 + x * 17 + band * 5) % 97) as f32 / 9.0 - 5.0
        }
    };
    let plane = |band: usize| -> Vec<f32> {
        let row = |y: usize| columns.clone().map(move |x| value(y, x, band));
        rows.clone().flat_map(row).collect()
    };
    let (first, second) = (plane(0), plane(1));
    let image = OutputImage {
        width: columns.len() as u32,
        height: rows.len() as u32,
        samples: OutputSamples::F32 {
            bands: vec![&first, &second],
        },
        nodata: Some(-1.0),
        color_table: None,
        band_names: vec![],
        metadata: vec![],
    };
    let bytes = encode_geotiff(&image, None).expect("a small image");
    block_on(TiffScene::open(BytesSource::new(bytes), Limits::default())).expect("a GeoTIFF")
}

fn options() -> RunOptions {
    RunOptions {
        tiling: TILING,
        ..RunOptions::new(vec![0, 1])
    }
}

/// Bits of all that a view shows.
fn shown(logits: &SceneLogits, card: &Card, view: &View) -> (Vec<u8>, Vec<u32>) {
    let decide = DecideOptions::new(card);
    let saliency = logits.saliency(view).expect("a view");
    let saliency = saliency.iter().map(|value| value.to_bits()).collect();
    (logits.mask(&decide, view).expect("a view"), saliency)
}

#[test]
fn every_block_comes_out_as_in_the_whole_scene() {
    for pixel_dim in [0, 8] {
        check_blocks(&card(pixel_dim));
    }
}

fn check_blocks(card: &Card) {
    let cell_px = card.architecture.cell_px();
    let network = Slanted { cell_px };
    let plan = TilePlan::new(SIZE, TILING, cell_px).expect("a valid plan");
    let whole = plan.part([0..SIZE[0], 0..SIZE[1]]).expect("a block");
    let logits = block_on(run_scene(&scene(&whole), &network, card, &options(), &mut ())).expect("a run");
    for [high, wide] in [[64, 64], [50, 77], [167, 13], [1, 230], [101, 3]] {
        for y in (0..SIZE[0]).step_by(high) {
            for x in (0..SIZE[1]).step_by(wide) {
                let (height, width) = (high.min(SIZE[0] - y), wide.min(SIZE[1] - x));
                let part = plan.part([y..y + height, x..x + width]).expect("a block");
                let found = block_on(run_plan(&scene(&part), &part.plan, &network, card, &options(), &mut ()));
                let found = found.expect("a run");
                let view = |y: usize, x: usize| View {
                    x,
                    y,
                    width,
                    height,
                    step: 1,
                };
                let [rows, columns] = &part.pixels;
                let within = view(y - rows.start, x - columns.start);
                assert!(
                    shown(&found, card, &within) == shown(&logits, card, &view(y, x)),
                    "the block of {width} x {height} at {x}, {y} differs"
                );
            }
        }
    }
}

#[test]
fn a_plan_of_another_size_is_refused() {
    let plan = TilePlan::new(SIZE, TILING, 4).expect("a valid plan");
    let part = plan.part([0..10, 0..10]).expect("a block");
    let error = block_on(run_plan(
        &scene(&part),
        &plan,
        &Slanted { cell_px: 4 },
        &card(0),
        &options(),
        &mut (),
    ));
    assert!(matches!(error, Err(InferError::Misuse(_))));
}
