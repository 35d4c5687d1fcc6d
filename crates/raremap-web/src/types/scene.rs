//! A scene before the run, as JavaScript sees it.

use js_sys::Uint8ClampedArray;
use raremap_geo::{Affine, GeoReference};
use raremap_model::Card;
use raremap_tiff::Window;
use serde::{Deserialize, Serialize};
use tsify::Tsify;

use super::Notice;

/// What is known about a scene before the run.
#[derive(Debug, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct OpenedScene {
    /// Facts of its files.
    pub scene: SceneFacts,
    /// Names of the model's bands, in order.
    pub model_bands: Vec<String>,
    /// Names of those that a scene may lack.
    pub optional_bands: Vec<String>,
    /// Which of the scene's bands the model's are.
    pub assignment: BandAssignment,
    /// What does not fit the model.
    pub warnings: Vec<Notice>,
    /// What was done with the files.
    pub notices: Vec<Notice>,
    /// Whether it can be run at the model's resolution instead of its own.
    pub can_resample: bool,
    /// Metres per pixel of the model's training data.
    pub model_resolution_m: f64,
    /// Whether areas can be measured on the ground.
    pub has_areas: bool,
    /// Whether zeros along its edge are treated as an empty border without data.
    pub has_empty_border: bool,
}

/// How a scene is shown before the run.
#[derive(Debug, Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct PreviewOptions {
    /// The scene's band, from 0, for each of the model's; null for an optional one that the scene does not have. None at all, as long as some are
    /// not assigned, shows the scene in its own colours and compares it with nothing.
    pub bands: Vec<Option<usize>>,
    /// Longest side of the picture.
    pub max_px: u32,
}

/// A guess of which band is which.
#[derive(Debug, Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct BandAssignment {
    /// The scene's band, from 0, for each of the model's; null if no band fits, or if the scene does not have an optional one.
    pub bands: Vec<Option<usize>>,
    /// How far to trust it.
    pub certainty: Certainty,
    /// Why, in one sentence.
    pub reason: String,
    /// Everything that the bands could be, the guess first; empty if there is no alternative.
    pub choices: Vec<BandChoice>,
}

/// One way to read the bands of a scene.
#[derive(Debug, Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct BandChoice {
    /// The product or sensor whose bands are numbered or ordered like this, for people.
    pub product: String,
    /// The scene's band, from 0, for each of the model's; null if the scene does not have an optional one.
    pub bands: Vec<Option<usize>>,
}

impl BandAssignment {
    /// `guess` is of the bands that `fitted` reads, the card as it serves the scene; what is said here is of all bands of `card`.
    pub fn of(guess: &raremap_infer::BandGuess, fitted: &Card, card: &Card) -> Self {
        let found = fitted.scene_bands();
        let places: Vec<Option<usize>> = card
            .scene_bands()
            .iter()
            .map(|name| found.iter().position(|found| found == name))
            .collect();
        let choice = |choice: &raremap_infer::BandChoice| BandChoice {
            product: choice.product.clone(),
            bands: places
                .iter()
                .map(|place| place.and_then(|place| choice.bands.get(place).copied()))
                .collect(),
        };
        Self {
            bands: places
                .iter()
                .map(|place| place.and_then(|place| guess.bands.get(place).copied().flatten()))
                .collect(),
            certainty: match guess.certainty {
                raremap_infer::Certainty::Named => Certainty::Named,
                raremap_infer::Certainty::Likely => Certainty::Likely,
                raremap_infer::Certainty::Unknown => Certainty::Unknown,
            },
            reason: guess.reason.clone(),
            choices: guess.choices.iter().map(choice).collect(),
        }
    }
}

/// How far a guess can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The bands' names say so.
    Named,
    /// It fits a known product.
    Likely,
    /// The file does not say; a person must confirm it.
    Unknown,
}

/// Facts of a scene's files.
#[derive(Debug, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct SceneFacts {
    /// Name of its file, folder or archive.
    pub name: String,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Its bands, in order.
    pub bands: Vec<SceneBand>,
    /// How a sample is stored, in words.
    pub sample_type: &'static str,
    /// The coordinate reference system, in words.
    pub crs: Option<String>,
    /// Size of a pixel, in words.
    pub resolution: Option<String>,
    /// Where its pixels are; null without georeferencing.
    pub grid: Option<Grid>,
}

/// Where the pixels of a scene are on the map.
#[derive(Debug, Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct Grid {
    /// Six numbers a to f from a pixel's column and row, corner based, to map coordinates: `x = a * column + b * row + c`,
    /// `y = d * column + e * row + f`.
    pub transform: [f64; 6],
    /// EPSG code of the coordinate reference system; null if the file defines the system itself.
    pub epsg: Option<u16>,
}

impl From<&GeoReference> for Grid {
    fn from(place: &GeoReference) -> Self {
        let Affine { a, b, c, d, e, f } = place.model_from_pixel;
        Self {
            transform: [a, b, c, d, e, f],
            epsg: place.crs.epsg,
        }
    }
}

/// A band of a scene.
#[derive(Debug, Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct SceneBand {
    /// Its position, from 0.
    pub index: usize,
    /// Its name, if the file gives one.
    pub name: Option<String>,
    /// What it is, if the file says so: `blue`, `green`, `red`, `nir`, `swir1` or `swir2`.
    pub common: Option<&'static str>,
}

/// A picture as a canvas takes it, and which part of the scene it shows.
#[derive(Debug, Serialize, Tsify)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue and opacity, row by row.
    #[serde(with = "tsify::serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint8ClampedArray<ArrayBuffer>")]
    pub rgba: Uint8ClampedArray,
    /// Left, top, width and height in pixels of the scene; it may reach over the scene's edge by a part of the picture's last pixel.
    pub extent: [f64; 4],
}

impl From<&raremap_scene::Picture> for Picture {
    fn from(picture: &raremap_scene::Picture) -> Self {
        Self {
            width: picture.width(),
            height: picture.height(),
            rgba: picture.rgba().into(),
            extent: picture.extent(),
        }
    }
}

/// The scene before the run.
#[derive(Debug, Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct ScenePreview {
    /// All of it.
    pub picture: Picture,
    /// How its colours came about, in words.
    pub note: String,
    /// How the values could be made like those of training, in words; null if they need not be.
    pub matching: Option<String>,
    /// What does not fit the model's training data.
    pub warnings: Vec<Notice>,
}

/// How a picture of the scene is made: bands that are shown as red, green and blue, and which of their percentiles are black and full.
#[derive(Debug, Clone, Copy, Deserialize, Tsify)]
pub struct Composition {
    /// From 0.
    pub bands: [usize; 3],
    /// Such as `[2, 98]`.
    pub stretch: [f64; 2],
}

/// Another picture of the scene.
#[derive(Debug, Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct ComposeOptions {
    /// Null goes back to the colours of the preview.
    pub composition: Option<Composition>,
    /// Longest side of the picture.
    pub max_px: u32,
}

/// What the values of a scene say before the run.
#[derive(Debug, Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct SceneLook {
    /// How the values could be made like those of training, in words; null if they need not be.
    pub matching: Option<String>,
    /// What does not fit the model's training data.
    pub warnings: Vec<Notice>,
    /// How the values are distributed.
    pub statistics: SceneStatistics,
}

/// How the values of bands are distributed, from a sample of the scene: every n-th pixel, or those of an overview, which may be averages.
#[derive(Debug, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct SceneStatistics {
    /// Pixels in the sample.
    pub pixels: usize,
    /// Share of them, from 0 to 1, at which one of the bands has no data. They count in none.
    pub nodata_share: f64,
    /// Each band.
    pub bands: Vec<BandStatistics>,
}

/// How the values of a band are distributed; null where the sample has no data.
#[derive(Debug, Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct BandStatistics {
    /// The scene's band, from 0.
    pub band: usize,
    /// Lowest value.
    pub min: Option<f64>,
    /// Highest value.
    pub max: Option<f64>,
    /// Mean.
    pub mean: Option<f64>,
    /// Standard deviation.
    pub std: Option<f64>,
    /// Values below which a share of the pixels lies.
    pub percentiles: Option<Percentiles>,
}

/// Values below which a share of the pixels lies, by percent.
#[derive(Debug, Serialize, Tsify)]
pub struct Percentiles {
    /// 1%.
    pub p1: f32,
    /// 2%.
    pub p2: f32,
    /// 5%.
    pub p5: f32,
    /// 25%.
    pub p25: f32,
    /// The median.
    pub p50: f32,
    /// 75%.
    pub p75: f32,
    /// 95%.
    pub p95: f32,
    /// 98%.
    pub p98: f32,
    /// 99%.
    pub p99: f32,
}

impl From<&raremap_infer::SampledStatistics> for SceneStatistics {
    fn from(found: &raremap_infer::SampledStatistics) -> Self {
        let band = |band: &raremap_infer::SampledBand| BandStatistics {
            band: band.band,
            min: band.statistics.map(|found| found.min),
            max: band.statistics.map(|found| found.max),
            mean: band.statistics.map(|found| found.mean),
            std: band.statistics.map(|found| found.std),
            percentiles: band
                .percentiles
                .map(|[p1, p2, p5, p25, p50, p75, p95, p98, p99]| Percentiles {
                    p1,
                    p2,
                    p5,
                    p25,
                    p50,
                    p75,
                    p95,
                    p98,
                    p99,
                }),
        };
        Self {
            pixels: found.pixels,
            nodata_share: found.nodata_share,
            bands: found.bands.iter().map(band).collect(),
        }
    }
}

/// A rectangle of a scene, in pixels.
#[derive(Debug, Clone, Copy, Deserialize, Tsify)]
pub struct SceneWindow {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl From<SceneWindow> for Window {
    fn from(window: SceneWindow) -> Self {
        let SceneWindow { x, y, width, height } = window;
        Self { x, y, width, height }
    }
}
