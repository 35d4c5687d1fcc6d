//! Words of Python's arguments.

use pyo3::prelude::*;
use raremap_files::{PredictOptions, Resample};
use raremap_geo::{Affine, CrsKind, GeoReference};
use raremap_infer::{DecideOptions, MatchMode, Tiling};
use raremap_model::Card;
use raremap_output::{OutputOptions, PolygonsCrs, ProbabilitySamples};

use crate::error::misuse;

/// The options of a map that is written as files, as a dict of all of them.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct FileOptions {
    bands: Option<String>,
    threshold: f32,
    rare: Option<Vec<String>>,
    top_k: f32,
    tile: Option<usize>,
    overlap: Option<usize>,
    reflectance: String,
    empty_border: String,
    resample: String,
    #[pyo3(item("match"))]
    matching: String,
    probability: String,
    polygons_crs: String,
    min_area_ha: f64,
    review_limit: usize,
    datetime: Option<String>,
    created: Option<String>,
}

impl FileOptions {
    /// The same, checked against the model.
    pub(crate) fn predict(self, card: &Card) -> PyResult<PredictOptions> {
        let mut options = PredictOptions::new(card);
        options.bands = self.bands;
        options.decide = decide(card, self.threshold, self.rare, self.top_k)?;
        options.tile_px = self.tile;
        options.overlap_px = self.overlap;
        options.opening.to_reflectance = auto("reflectance", &self.reflectance)?;
        options.opening.empty_border = auto("empty_border", &self.empty_border)?;
        options.resample = resample(&self.resample)?;
        options.matching = match_mode(&self.matching)?;
        options.output = OutputOptions {
            probability: probability(&self.probability)?,
            polygons_crs: polygons_crs(&self.polygons_crs)?,
            min_area_ha: self.min_area_ha,
            review_limit: self.review_limit,
            datetime: self.datetime,
            created: self.created,
            ..OutputOptions::default()
        };
        Ok(options)
    }
}

/// One of some words, or an exception that lists them.
fn one_of<T: Copy>(option: &str, word: &str, words: &[(&str, T)]) -> PyResult<T> {
    let found = words.iter().find(|(known, _)| *known == word);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        misuse(&format!("{option} is {word:?}; it must be one of {}", words.join(", ")))
    })
}

pub(crate) fn match_mode(word: &str) -> PyResult<Option<MatchMode>> {
    let words = [
        ("auto", Some(MatchMode::Auto)),
        ("units", Some(MatchMode::Units)),
        ("percentiles", Some(MatchMode::Percentiles)),
        ("off", None),
    ];
    one_of("match", word, &words)
}

fn resample(word: &str) -> PyResult<Resample> {
    let words = [
        ("auto", Resample::Auto),
        ("on", Resample::Always),
        ("off", Resample::Never),
    ];
    one_of("resample", word, &words)
}

/// Whether something is done where it is known how.
fn auto(option: &str, word: &str) -> PyResult<bool> {
    one_of(option, word, &[("auto", true), ("off", false)])
}

fn probability(word: &str) -> PyResult<ProbabilitySamples> {
    let words = [("u8", ProbabilitySamples::U8), ("f32", ProbabilitySamples::F32)];
    one_of("probability", word, &words)
}

fn polygons_crs(word: &str) -> PyResult<PolygonsCrs> {
    let words = [("wgs84", PolygonsCrs::Wgs84), ("scene", PolygonsCrs::Scene)];
    one_of("polygons_crs", word, &words)
}

/// How a mask is drawn; checked against the model.
pub(crate) fn decide(card: &Card, threshold: f32, rare: Option<Vec<String>>, top_k: f32) -> PyResult<DecideOptions> {
    let rare = rare.unwrap_or_else(|| card.rare_classes.clone());
    if let Some((_, name)) = rare
        .iter()
        .enumerate()
        .find(|(index, name)| rare[..*index].contains(name))
    {
        return Err(misuse(&format!("rare has {name} twice")));
    }
    let options = DecideOptions {
        threshold,
        rare,
        top_k_percent: top_k,
    };
    options.check(card).map_err(crate::error::Failure::from)?;
    Ok(options)
}

/// The model's tiles, unless others are asked for.
pub(crate) fn tiling(card: &Card, tile: Option<usize>, overlap: Option<usize>) -> Tiling {
    let usual = Tiling::of_tile(tile.unwrap_or(card.tile_px));
    Tiling {
        overlap_px: overlap.unwrap_or(usual.overlap_px),
        ..usual
    }
}

/// Where an array is: an EPSG code, whether it is geographic, and the coefficients of the affine transform from pixels.
pub(crate) type Place = (u16, bool, [f64; 6]);

pub(crate) fn georeference((epsg, is_geographic, [a, b, c, d, e, f]): Place) -> Option<GeoReference> {
    let kind = if is_geographic {
        CrsKind::Geographic
    } else {
        CrsKind::Projected
    };
    GeoReference::from_epsg(kind, epsg, Affine { a, b, c, d, e, f })
}
