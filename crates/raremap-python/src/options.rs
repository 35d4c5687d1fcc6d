//! Words of Python's arguments.

use pyo3::prelude::*;
use raremap_files::Resample;
use raremap_geo::{Affine, CrsKind, GeoReference};
use raremap_infer::{DecideOptions, MatchMode, Tiling};
use raremap_model::Card;
use raremap_output::{PolygonsCrs, ProbabilitySamples};

use crate::error::misuse;

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

pub(crate) fn resample(word: &str) -> PyResult<Resample> {
    let words = [
        ("auto", Resample::Auto),
        ("on", Resample::Always),
        ("off", Resample::Never),
    ];
    one_of("resample", word, &words)
}

/// Whether something is done where it is known how.
pub(crate) fn auto(option: &str, word: &str) -> PyResult<bool> {
    one_of(option, word, &[("auto", true), ("off", false)])
}

pub(crate) fn probability(word: &str) -> PyResult<ProbabilitySamples> {
    let words = [("u8", ProbabilitySamples::U8), ("f32", ProbabilitySamples::F32)];
    one_of("probability", word, &words)
}

pub(crate) fn polygons_crs(word: &str) -> PyResult<PolygonsCrs> {
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
