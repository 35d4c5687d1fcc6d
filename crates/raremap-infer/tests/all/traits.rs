//! What a network is told about a scene reaches it, whichever way the scene is run.

use std::cell::RefCell;

use pollster::block_on;
use raremap_geo::{Affine, CrsKind, GeoReference};
use raremap_infer::{
    MatchMode, Matching, RunOptions, SceneInMemory, Tiling, match_statistics, run_in_memory, run_scene,
};
use raremap_io::BytesSource;
use raremap_model::{Band, BandSource, Card, SceneTrait, TileError, TileLogits, TileModel};
use raremap_scene::TiffScene;
use raremap_testing::card as testing;
use raremap_tiff::{Limits, OutputImage, OutputSamples, Samples, encode_geotiff};

const EDGE: usize = 64;

/// Two bands, the second one optional, and all that can be told. Trained on 5 to 40 m.
fn card() -> Card {
    let mut card = testing::card(&["green", "nir"], &[(1, "land"), (2, "water")], &["water"]);
    card.bands[1].optional = true;
    let told = |name: &str, source, mean| Band {
        name: name.into(),
        source,
        optional: false,
        mean,
        std: 1.0,
    };
    card.bands.extend([
        told("has_nir", BandSource::Presence { band: "nir".into() }, 0.0),
        told("picture", BandSource::Trait(SceneTrait::Picture), 0.0),
        told("resolution", BandSource::Trait(SceneTrait::GroundResolution), 0.0),
    ]);
    card.training.ground_resolution_range_m = Some([5.0, 40.0]);
    card
}

/// Keeps what it is told in the first pixel: presence, picture, metres.
#[derive(Default)]
struct Told(RefCell<Vec<[f32; 3]>>);

impl TileModel for Told {
    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        let first = |channel: usize| input[channel * height * width];
        self.0.borrow_mut().push([first(2), first(3), first(4).exp2()]);
        let cells = height / 4 * (width / 4);
        Ok(TileLogits {
            main: vec![0.0; 2 * cells],
            auxiliary: vec![0.0; cells],
        })
    }
}

impl Told {
    /// The same in all tiles, with metres to a tenth.
    fn once(self) -> [f32; 3] {
        let told = self.0.into_inner();
        let (first, others) = told.split_first().expect("a tile");
        assert!(others.iter().all(|other| other == first), "{told:?}");
        let [presence, picture, metres] = *first;
        [presence, picture, (metres * 10.0).round() / 10.0]
    }
}

/// A scene of two bands with pixels of so many metres.
fn scene(metres: Option<f64>) -> TiffScene<BytesSource> {
    let plane: Vec<f32> = (0..EDGE * EDGE).map(|pixel| (pixel % 7) as f32).collect();
    let image = OutputImage {
        width: EDGE as u32,
        height: EDGE as u32,
        samples: OutputSamples::F32 {
            bands: vec![&plane, &plane],
        },
        nodata: None,
        color_table: None,
        band_names: vec![],
        metadata: vec![],
    };
    let place = metres.and_then(|metres| {
        let affine = Affine {
            a: metres,
            b: 0.0,
            c: 500_000.0,
            d: 0.0,
            e: -metres,
            f: 5_000_000.0,
        };
        GeoReference::from_epsg(CrsKind::Projected, 32633, affine)
    });
    let bytes = encode_geotiff(&image, place.as_ref()).expect("a small image");
    block_on(TiffScene::open(BytesSource::new(bytes), Limits::default())).expect("a scene")
}

fn options(bands: &[usize]) -> RunOptions {
    RunOptions {
        tiling: Tiling {
            tile_px: 64,
            overlap_px: 32,
        },
        ..RunOptions::new(bands.to_vec())
    }
}

fn picture() -> Matching {
    let step = |pixel: usize| ((pixel * 37) % 256) as f32;
    let preview = Samples {
        bands: 2,
        height: 1,
        width: 256,
        values: (0..512).map(step).collect(),
        valid: vec![true; 256],
    };
    let mut reflectance = card();
    for band in &mut reflectance.bands[..2] {
        (band.mean, band.std) = (3000.0, 900.0);
    }
    match_statistics(&preview, &reflectance, MatchMode::Auto).expect("values up to 255")
}

#[test]
fn a_scene_tells_its_resolution_on_the_grid_that_is_run_and_within_the_trained_range() {
    let told = |metres: Option<f64>, change: &dyn Fn(&mut RunOptions)| {
        let mut options = options(&[0, 1]);
        change(&mut options);
        let model = Told::default();
        block_on(run_scene(&scene(metres), &model, &card(), &options, &mut ())).expect("a run");
        model.once()
    };
    assert_eq!(told(Some(20.0), &|_| {}), [1.0, 0.0, 20.0]);
    assert_eq!(
        told(Some(20.0), &|options| options.resample = Some([0.5, 0.5])),
        [1.0, 0.0, 10.0]
    );
    assert_eq!(
        told(Some(19.8), &|_| {}),
        [1.0, 0.0, 20.0],
        "two digits, as a projection's scale is nothing"
    );
    assert_eq!(told(Some(0.3), &|_| {}), [1.0, 0.0, 5.0]);
    assert_eq!(told(Some(500.0), &|_| {}), [1.0, 0.0, 40.0]);
    assert_eq!(
        told(Some(20.0), &|options| options.matching = Some(picture())),
        [1.0, 1.0, 20.0]
    );
    // 2 to the power of the mean, which is 0.
    assert_eq!(told(None, &|_| {}), [1.0, 0.0, 1.0]);
    assert_eq!(
        told(None, &|options| options.ground_resolution_m = Some(30.0)),
        [1.0, 0.0, 30.0]
    );
    for unusable in [f64::NAN, 0.0, -5.0, f64::INFINITY] {
        assert_eq!(
            told(None, &|options| options.ground_resolution_m = Some(unusable)),
            [1.0, 0.0, 1.0],
            "{unusable}"
        );
    }
}

#[test]
fn so_does_a_scene_in_memory_and_without_a_band() {
    let values = vec![7.0; 2 * EDGE * EDGE];
    let valid = vec![true; EDGE * EDGE];
    let scene = SceneInMemory {
        size: [EDGE; 2],
        values: &values,
        valid: &valid,
    };
    let told = |card: &Card, options: RunOptions| {
        let model = Told::default();
        block_on(run_in_memory(&scene, &model, card, &options, &mut ())).expect("a run");
        model
    };
    let known = RunOptions {
        ground_resolution_m: Some(20.0),
        matching: Some(picture()),
        ..options(&[0, 1])
    };
    assert_eq!(told(&card(), known).once(), [1.0, 1.0, 20.0]);
    // The missing band stays a channel.
    assert_eq!(told(&card().without(&["nir"]), options(&[0])).once(), [0.0, 0.0, 1.0]);
}
