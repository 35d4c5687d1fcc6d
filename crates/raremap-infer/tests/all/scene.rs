//! Scenes from file to mask, with networks simple enough to know their answers.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::task::Poll;

use pollster::block_on;
use raremap_geo::{Affine, CrsKind, GeoReference};
use raremap_infer::{
    DecideOptions, InferError, Progress, RunHooks, RunOptions, SceneInMemory, SceneLogits, Tiling, View, run_in_memory,
    run_scene,
};
use raremap_io::BytesSource;
use raremap_model::{Card, TileError, TileLogits, TileModel};
use raremap_scene::TiffScene;
use raremap_testing::card as testing;
use raremap_tiff::{Limits, OutputImage, OutputSamples, encode_geotiff};

const NODATA: f32 = -1.0;

fn card() -> Card {
    let classes = [(10, "land"), (20, "water"), (30, "reed")];
    testing::card(&["main", "rare"], &classes, &["reed", "water"])
}

/// Main logits: land 0, water the first band, reed -100. Auxiliary logits: reed the second band, water its negative less one.
/// A cell only sees the mean of its own pixels.
struct Toy;

impl TileModel for Toy {
    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        let (rows, columns) = (height / 4, width / 4);
        let means = |band: usize| -> Vec<f32> {
            let pixel = |y: usize, x: usize| input[(band * height + y) * width + x];
            let cell =
                |row: usize, column: usize| (0..16).map(|i| pixel(row * 4 + i / 4, column * 4 + i % 4)).sum::<f32>();
            (0..rows * columns)
                .map(|i| cell(i / columns, i % columns) / 16.0)
                .collect()
        };
        let (first, second) = (means(0), means(1));
        let filled = |value: f32| vec![value; rows * columns];
        let main = [filled(0.0), first, filled(-100.0)].concat();
        let water = second.iter().map(|value| -value - 1.0).collect();
        Ok(TileLogits {
            main,
            auxiliary: [second, water].concat(),
        })
    }
}

fn scene(size: [usize; 2], georeference: Option<&GeoReference>, value: impl Fn(usize, usize) -> [f32; 2]) -> Vec<u8> {
    let [height, width] = size;
    let plane = |band: usize| -> Vec<f32> { (0..height * width).map(|i| value(i / width, i % width)[band]).collect() };
    let (first, second) = (plane(0), plane(1));
    let image = OutputImage {
        width: width as u32,
        height: height as u32,
        samples: OutputSamples::F32 {
            bands: vec![&first, &second],
        },
        nodata: Some(f64::from(NODATA)),
        color_table: None,
        band_names: vec![],
        metadata: vec![],
    };
    encode_geotiff(&image, georeference).expect("a small image")
}

fn run(file: Vec<u8>, tile_px: usize, overlap_px: usize, hooks: &mut impl RunHooks) -> Result<SceneLogits, InferError> {
    block_on(async {
        let scene = TiffScene::open(BytesSource::new(file), Limits::default()).await?;
        let options = RunOptions {
            tiling: Tiling { tile_px, overlap_px },
            ..RunOptions::new(vec![0, 1])
        };
        run_scene(&scene, &Toy, &card(), &options, hooks).await
    })
}

fn options(threshold: f32, rare: &[&str]) -> DecideOptions {
    DecideOptions {
        threshold,
        rare: rare.iter().map(|name| (*name).into()).collect(),
        top_k_percent: 20.0,
    }
}

#[test]
fn tile_size_changes_no_pixel_of_a_translation_invariant_network() {
    let size = [150, 203];
    let file = scene(size, None, |y, x| {
        [
            ((y * 13 + x * 7) % 41) as f32 - 20.0,
            ((y * 5 + x * 3) % 37) as f32 - 18.0,
        ]
    });
    let whole = run(file.clone(), 256, 64, &mut ()).expect("a run");
    let tiled = run(file, 64, 32, &mut ()).expect("a run");
    assert_eq!((whole.tiles(), tiled.tiles().0), ((1, 1), 4 * 6));
    let view = View::whole(size);
    for (a, b) in [
        (whole.saliency(&view), tiled.saliency(&view)),
        (whole.probability(1, &view), tiled.probability(1, &view)),
    ] {
        let pairs = a.expect("a view").into_iter().zip(b.expect("a view"));
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "largest difference {worst}");
    }
    let mask = |logits: &SceneLogits| logits.decide(&options(1.0, &[])).expect("a mask").mask;
    let differing = mask(&whole).iter().zip(mask(&tiled)).filter(|(a, b)| *a != b).count();
    assert!(differing < 5, "{differing} pixels on the verge of two classes differ");
}

/// [`Toy`] with several tiles at once, which are finished in another order than they were begun in.
#[derive(Default)]
struct Shuffled {
    begun: Cell<u32>,
    running: Cell<usize>,
    most_running: Cell<usize>,
}

impl TileModel for Shuffled {
    fn tiles_at_once(&self) -> usize {
        3
    }

    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        self.running.set(self.running.get() + 1);
        self.most_running.set(self.most_running.get().max(self.running.get()));
        self.begun.set(self.begun.get() + 1);
        let mut waits = self.begun.get() * 7 % 5;
        std::future::poll_fn(|context| match waits {
            0 => Poll::Ready(()),
            _ => {
                waits -= 1;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
        self.running.set(self.running.get() - 1);
        Toy.forward_tile(input, height, width).await
    }
}

#[test]
fn tiles_that_run_side_by_side_give_the_same_result_in_the_same_order() {
    let size = [150, 203];
    let values = |y: usize, x: usize| {
        [
            ((y * 13 + x * 7) % 41) as f32 - 20.0,
            ((y * 5 + x * 3) % 37) as f32 - 18.0,
        ]
    };
    // A part without data, whose tiles are not run.
    let file = scene(size, None, |y, x| if x < 70 { [NODATA; 2] } else { values(y, x) });
    let expected = run(file.clone(), 64, 32, &mut ()).expect("a run");
    let model = Shuffled::default();
    let mut order = Order::default();
    let logits = block_on(async {
        let scene = TiffScene::open(BytesSource::new(file), Limits::default())
            .await
            .expect("opens");
        let options = RunOptions {
            tiling: Tiling {
                tile_px: 64,
                overlap_px: 32,
            },
            ..RunOptions::new(vec![0, 1])
        };
        run_scene(&scene, &model, &card(), &options, &mut order)
            .await
            .expect("a run")
    });
    assert_eq!(model.most_running.get(), 3);
    assert!(
        order.0.is_sorted() && order.0.len() == logits.tiles().1,
        "{:?}",
        order.0
    );
    let view = View::whole(size);
    let saliency = |logits: &SceneLogits| -> Vec<u32> {
        let values = logits.saliency(&view).expect("a view");
        values.into_iter().map(f32::to_bits).collect()
    };
    assert!(saliency(&logits) == saliency(&expected));
    let options = options(0.5, &["reed"]);
    let [ours, theirs] = [&logits, &expected].map(|logits| logits.decide(&options).expect("a mask"));
    assert_eq!((ours.mask, ours.summary), (theirs.mask, theirs.summary));
}

/// The tiles that were reported.
#[derive(Default)]
struct Order(Vec<(usize, usize, usize)>);

impl RunHooks for Order {
    async fn after_tile(&mut self, progress: Progress, _: &SceneLogits) -> ControlFlow<()> {
        self.0.push((progress.done, progress.tile.y, progress.tile.x));
        ControlFlow::Continue(())
    }
}

#[test]
fn the_mask_is_the_argmax_with_selected_rare_classes_from_the_threshold_on() {
    // left: water by the main head; bottom: reed by the auxiliary head (probability 0.88), top: water by it (0.73)
    let file = scene([64, 64], None, |y, x| {
        [if x < 32 { 3.0 } else { -3.0 }, if y < 32 { -2.0 } else { 2.0 }]
    });
    let logits = run(file, 64, 32, &mut ()).expect("a run");
    let corners = |options: &DecideOptions| {
        let mask = logits.decide(options).expect("a mask").mask;
        [mask[0], mask[63], mask[63 * 64], mask[63 * 64 + 63]]
    };
    assert_eq!(corners(&options(0.5, &[])), [20, 10, 20, 10]);
    assert_eq!(corners(&options(0.5, &["reed"])), [20, 10, 30, 30]);
    assert_eq!(corners(&options(0.5, &["reed", "water"])), [20, 20, 30, 30]);
    assert_eq!(corners(&options(0.8, &["reed", "water"])), [20, 10, 30, 30]);
    assert_eq!(corners(&options(0.95, &["reed", "water"])), [20, 10, 20, 10]);
    assert_eq!(corners(&options(0.0, &["water"])), [20, 20, 20, 20]);
    assert_eq!(corners(&options(1.0, &["reed", "water"])), [20, 10, 20, 10]);
}

#[test]
fn the_highest_of_the_selected_rare_classes_wins() {
    // reed 0.6, water 0.2: both reach 0.1
    let file = scene([32, 32], None, |_, _| [3.0, 0.4]);
    let logits = run(file, 64, 32, &mut ()).expect("a run");
    for rare in [["reed", "water"], ["water", "reed"]] {
        assert!(
            logits
                .decide(&options(0.1, &rare))
                .expect("a mask")
                .mask
                .iter()
                .all(|value| *value == 30)
        );
    }
}

#[test]
fn nodata_pixels_never_vote() {
    let size = [70, 90];
    let hole = |y: usize, x: usize| y >= 40 && x < 50;
    let file = scene(size, None, |y, x| match (hole(y, x), y, x) {
        (true, ..) => [NODATA; 2],
        (_, 0, 0) => [f32::NAN, 1.0],
        _ => [5.0, 5.0],
    });
    let logits = run(file, 64, 32, &mut ()).expect("a run");
    let decision = logits.decide(&options(1.0, &[])).expect("a mask");
    let invalid = 30 * 50 + 1;
    let summary = &decision.summary;
    assert_eq!(
        (summary.nodata_pixels, summary.valid_pixels),
        (invalid, 70 * 90 - invalid)
    );
    assert_eq!(summary.classes[1].pixels, summary.valid_pixels);
    assert_eq!(summary.classes[1].percent, 100.0);
    assert_eq!(summary.valid_hectares, None);
    for (index, value) in decision.mask.iter().enumerate() {
        let (y, x) = (index / 90, index % 90);
        let expected = if hole(y, x) || index == 0 {
            Card::MASK_NODATA
        } else {
            20
        };
        assert_eq!(*value, expected, "{x}, {y}");
    }
    let saliency = logits.saliency(&View::whole(size)).expect("a view");
    assert_eq!(saliency.iter().filter(|value| value.is_nan()).count() as u64, invalid);
    let marks = logits.top_k(100.0, &View::whole(size)).expect("a view");
    assert_eq!(
        marks.iter().filter(|mark| **mark == 1).count() as u64,
        summary.valid_pixels
    );
}

#[test]
fn a_window_without_data_costs_no_run_of_the_network() {
    struct Counting(Cell<usize>);
    impl TileModel for Counting {
        async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
            self.0.set(self.0.get() + 1);
            Toy.forward_tile(input, height, width).await
        }
    }
    // A swath: data right of a line that runs down to the left, as in most scenes that were turned north up.
    let size = [640, 640];
    let has_data = |y: usize, x: usize| x + y > 640;
    let file = scene(size, None, |y, x| {
        if has_data(y, x) {
            [5.0, x as f32 / 640.0]
        } else {
            [NODATA; 2]
        }
    });
    let tiling = Tiling {
        tile_px: 64,
        overlap_px: 32,
    };
    let run_options = RunOptions {
        tiling,
        ..RunOptions::new(vec![0, 1])
    };
    let network = Counting(Cell::new(0));
    let logits = block_on(async {
        let scene = TiffScene::open(BytesSource::new(file), Limits::default()).await?;
        run_scene(&scene, &network, &card(), &run_options, &mut ()).await
    })
    .expect("a run");
    // Windows start at multiples of 32 px, from 0 to 576.
    let touches = |tile: &(usize, usize)| has_data(tile.0 * 32 + 63, tile.1 * 32 + 63);
    let windows: Vec<_> = (0..19 * 19).map(|i| (i / 19, i % 19)).collect();
    assert_eq!(network.0.get(), windows.iter().filter(|tile| touches(tile)).count());
    assert!(network.0.get() < 220 && logits.is_complete() && logits.tiles() == (361, 361));
    let decision = logits.decide(&options(1.0, &[])).expect("a mask");
    for (index, value) in decision.mask.iter().enumerate() {
        let expected = if has_data(index / 640, index % 640) {
            20
        } else {
            Card::MASK_NODATA
        };
        assert_eq!(*value, expected, "{index}");
    }
}

#[test]
fn top_k_marks_the_share_of_the_whole_scene_not_of_each_tile() {
    // Only the right end is salient, increasingly so.
    let size = [64, 640];
    let file = scene(size, None, |_, x| [0.0, x as f32 / 640.0 * 8.0]);
    let logits = run(file, 64, 32, &mut ()).expect("a run");
    let decision = logits.decide(&options(1.0, &[])).expect("a mask");
    let cut = decision.summary.top_k;
    let marks = logits.top_k(20.0, &View::whole(size)).expect("a view");
    assert_eq!(marks.iter().filter(|mark| **mark == 1).count() as u64, cut.pixels);
    assert!((cut.pixels as f32 / 40960.0 - 0.2).abs() < 0.01, "{cut:?}");
    assert!(
        marks
            .chunks(640)
            .all(|row| row[..100].iter().all(|mark| *mark == 0) && row[639] == 1)
    );
}

#[test]
fn areas_are_those_of_the_pixels_on_the_ground() {
    let affine = Affine {
        a: 10.0,
        b: 0.0,
        c: 5e5,
        d: 0.0,
        e: -10.0,
        f: 4e6,
    };
    let utm = GeoReference::from_epsg(CrsKind::Projected, 32630, affine).expect("a known system");
    let file = scene([40, 50], Some(&utm), |_, x| [if x < 25 { 3.0 } else { -3.0 }, 0.0]);
    let summary = run(file, 64, 32, &mut ())
        .expect("a run")
        .decide(&options(1.0, &[]))
        .expect("a mask")
        .summary;
    // On its central meridian a map in UTM is smaller than the ground.
    let ground = |map_ha: f64| map_ha / 0.9996f64.powi(2);
    let close = |found: Option<f64>, expected: f64| (found.expect("an area") / expected - 1.0).abs() < 1e-6;
    assert!(close(summary.valid_hectares, ground(20.0)), "{summary:?}");
    let per_class: f64 = summary.classes.iter().filter_map(|class| class.hectares).sum();
    assert!(close(Some(per_class), ground(20.0)));
    for class in summary.classes.iter().filter(|class| class.pixels > 0) {
        assert!(close(class.hectares, ground(class.pixels as f64 * 0.01)));
    }
}

struct StopAfter(usize, Vec<Progress>);

impl RunHooks for StopAfter {
    async fn after_tile(&mut self, progress: Progress, partial: &SceneLogits) -> ControlFlow<()> {
        assert_eq!(partial.tiles(), (progress.done, progress.total));
        self.1.push(progress);
        if progress.done == self.0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[test]
fn a_cancelled_run_keeps_what_is_finished_and_says_so() {
    let file = scene([64, 256], None, |_, _| [3.0, 3.0]);
    let mut hooks = StopAfter(2, vec![]);
    let logits = run(file, 64, 0, &mut hooks).expect("a run");
    assert_eq!(
        hooks.1.iter().map(|progress| progress.tile.x).collect::<Vec<_>>(),
        [0, 64]
    );
    let decision = logits.decide(&options(1.0, &[])).expect("a mask");
    assert!(!logits.is_complete() && !decision.summary.complete);
    assert_eq!(decision.summary.valid_pixels, 64 * 128);
    assert!(
        decision
            .mask
            .chunks(256)
            .all(|row| row[127] == 20 && row[128] == Card::MASK_NODATA)
    );
}

#[test]
fn views_show_the_pixels_of_the_whole_mask() {
    let size = [100, 130];
    let file = scene(size, None, |y, x| [((y * 13 + x * 7) % 41) as f32 - 20.0, 0.0]);
    let logits = run(file, 64, 32, &mut ()).expect("a run");
    let options = options(0.5, &["reed"]);
    let whole = logits.decide(&options).expect("a mask").mask;
    let view = View::overview(size, 40);
    let part = logits.mask(&options, &view).expect("a view");
    let expected: Vec<u8> = view
        .rows()
        .flat_map(|y| view.columns().map(move |x| (y, x)))
        .map(|(y, x)| whole[y * 130 + x])
        .collect();
    assert_eq!(part, expected);
    let outside = View {
        x: 120,
        y: 0,
        width: 20,
        height: 1,
        step: 1,
    };
    assert!(logits.mask(&options, &outside).is_err() && logits.saliency(&outside).is_err());
}

#[test]
fn wrong_run_optionsare_refused_by_name() {
    let logits = run(scene([32, 32], None, |_, _| [0.0; 2]), 64, 32, &mut ()).expect("a run");
    let refusal = |options: DecideOptions| logits.decide(&options).unwrap_err().to_string();
    assert!(
        refusal(options(0.5, &["land"]))
            .contains("land is not a rare class of this model; its rare classes are reed, water")
    );
    assert!(refusal(options(1.5, &[])).contains("1.5"));
    assert!(refusal(options(f32::NAN, &[])).contains("NaN"));
    assert!(
        refusal(DecideOptions {
            top_k_percent: 120.0,
            ..options(0.5, &[])
        })
        .contains("120")
    );
    assert!(options(0.5, &["water"]).check(&card()).is_ok());
    assert!(options(0.5, &["land"]).check(&card()).is_err() && options(-0.1, &[]).check(&card()).is_err());
    assert!(logits.probability(2, &View::whole([32, 32])).is_err());
}

#[test]
fn a_scene_over_the_memory_limit_or_with_missing_bands_is_refused_before_it_is_read() {
    block_on(async {
        let file = scene([64, 64], None, |_, _| [0.0; 2]);
        let scene = TiffScene::open(BytesSource::new(file), Limits::default())
            .await
            .expect("a scene");
        let small = RunOptions {
            max_logit_bytes_in_memory: 1000,
            ..RunOptions::new(vec![0, 1])
        };
        let refused = run_scene(&scene, &Toy, &card(), &small, &mut ()).await;
        assert!(matches!(refused, Err(InferError::Limit { .. })));
        for bands in [vec![0], vec![0, 7]] {
            assert!(
                run_scene(&scene, &Toy, &card(), &RunOptions::new(bands), &mut ())
                    .await
                    .is_err()
            );
        }
    });
}

/// The toy's two bands and a third that the file calls opacity, as 16-bit samples.
fn scene_with_opacity(nodata: Option<f64>, pixel: impl Fn(usize) -> [u16; 3]) -> Vec<u8> {
    let plane = |band: usize| -> Vec<u16> { (0..64 * 64).map(|index| pixel(index)[band]).collect() };
    let planes = [plane(0), plane(1), plane(2)];
    let image = OutputImage {
        width: 64,
        height: 64,
        samples: OutputSamples::U16 {
            bands: planes.iter().map(Vec::as_slice).collect(),
        },
        nodata,
        color_table: None,
        band_names: vec![],
        metadata: vec![],
    };
    let mut file = encode_geotiff(&image, None).expect("a small image");
    // ExtraSamples 0, 0 becomes 0, 2: unassociated alpha.
    let entry = [338u16, 3, 2, 0, 0, 0].map(u16::to_le_bytes).concat();
    let at = file
        .windows(12)
        .position(|bytes| bytes == entry)
        .expect("an ExtraSamples entry");
    file[at + 10] = 2;
    file
}

fn valid_pixels(file: Vec<u8>) -> u64 {
    let logits = run(file, 64, 32, &mut ()).expect("a run");
    logits.decide(&options(1.0, &[])).expect("a mask").summary.valid_pixels
}

#[test]
fn a_band_called_opacity_is_honoured_only_where_it_looks_like_it() {
    let half = 64 * 32;
    let opaque_in = |outside: u16| move |index: usize| [5, 5, if index < half { 0 } else { outside }];
    assert_eq!(valid_pixels(scene_with_opacity(None, opaque_in(65535))), half as u64);
    assert_eq!(valid_pixels(scene_with_opacity(None, opaque_in(255))), half as u64);
    // Resampling leaves a few samples in between.
    let blurred = |index: usize| {
        [
            5,
            5,
            if index == half {
                30000
            } else {
                opaque_in(65535)(index)[2]
            },
        ]
    };
    assert_eq!(valid_pixels(scene_with_opacity(None, blurred)), half as u64);
    // A fourth band of measurements that is 0 over water.
    let measured = |index: usize| [5, 5, if index < half { 0 } else { 100 + (index % 50) as u16 }];
    assert_eq!(valid_pixels(scene_with_opacity(None, measured)), 64 * 64);
}

#[test]
fn a_nodata_value_of_zero_is_judged_by_the_models_bands() {
    let pixel = |index: usize| match index {
        0 => [0, 0, 65535],
        1 => [5, 0, 65535],
        _ => [5, 5, 65535],
    };
    assert_eq!(valid_pixels(scene_with_opacity(Some(0.0), pixel)), 64 * 64 - 1);
}

#[test]
fn a_scene_in_memory_gives_the_logits_of_its_file() {
    let size = [70, 101];
    let value = |y: usize, x: usize| match (y * x) % 11 {
        3 => [NODATA; 2],
        _ => [
            ((y * 13 + x * 7) % 41) as f32 - 20.5,
            ((y * 5 + x * 3) % 37) as f32 - 18.5,
        ],
    };
    let from_file = run(scene(size, None, value), 64, 32, &mut ()).expect("a run");
    // The bands lie in memory in another order than the model's.
    let pixels = || (0..size[0] * size[1]).map(|i| value(i / size[1], i % size[1]));
    let values: Vec<f32> = pixels().map(|v| v[1]).chain(pixels().map(|v| v[0])).collect();
    let valid: Vec<bool> = pixels().map(|v| v[0] != NODATA).collect();
    let in_memory = SceneInMemory {
        size,
        values: &values,
        valid: &valid,
    };
    let options = |bands: &[usize]| RunOptions {
        tiling: Tiling {
            tile_px: 64,
            overlap_px: 32,
        },
        ..RunOptions::new(bands.to_vec())
    };
    let from_memory = block_on(run_in_memory(&in_memory, &Toy, &card(), &options(&[1, 0]), &mut ())).expect("a run");
    let view = View::whole(size);
    let (mut of_file, mut of_memory) = (from_file.rows(&view), from_memory.rows(&view));
    let (mut expected, mut row) = (vec![0.0; size[1]], vec![0.0; size[1]]);
    let channels = from_file.classes().len() + from_file.rare_classes().count();
    for channel in 0..channels {
        for y in 0..size[0] {
            of_file.read_row(channel, y, &mut expected).expect("a row");
            of_memory.read_row(channel, y, &mut row).expect("a row");
            assert_eq!(row, expected, "channel {channel}, row {y}");
        }
    }
    assert!((0..size[0] * size[1]).all(|i| from_memory.is_valid(i / size[1], i % size[1]) == valid[i]));

    let run =
        |scene: &SceneInMemory<'_>, bands| block_on(run_in_memory(scene, &Toy, &card(), &options(bands), &mut ()));
    assert_eq!(run(&in_memory, &[0, 2]).expect_err("two bands").code(), "too_few_bands");
    let short = SceneInMemory {
        valid: &valid[1..],
        ..in_memory
    };
    assert_eq!(run(&short, &[1, 0]).expect_err("a pixel is missing").code(), "misuse");
}
