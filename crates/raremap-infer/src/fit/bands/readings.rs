//! The ways to read bands that have codes, and the choice among them.

use raremap_tiff::ColorInterpretation;

use super::codes::Coded;
use super::{BandChoice, BandGuess, certain, find_all};
use crate::fit::certainty::Certainty;

/// One way to read bands that have codes.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) product: &'static str,
    pub(super) common: Vec<Option<String>>,
    /// The needed bands, if all are present.
    pub(super) bands: Option<Vec<usize>>,
    is_whole: bool,
    is_named: bool,
    pub(super) is_count: bool,
}

impl Reading {
    /// Whether the file calls exactly those bands red, green and blue.
    pub(super) fn has_colors(&self, colors: &[ColorInterpretation]) -> bool {
        let of = |(color, name)| {
            let color = colors.iter().position(|found| *found == color);
            color.is_some_and(|band| self.common.get(band).and_then(Option::as_deref) == Some(name))
        };
        use ColorInterpretation::{Blue, Green, Red};
        [(Red, "red"), (Green, "green"), (Blue, "blue")].into_iter().all(of)
    }

    pub(super) fn of_codes(coded: &Coded, words: &[Option<String>], needed: &[&str]) -> Self {
        let of_band = |(word, code): (&Option<String>, &Option<String>)| code.clone().or_else(|| word.clone());
        let common: Vec<Option<String>> = words.iter().zip(&coded.common).map(of_band).collect();
        Self {
            product: coded.sensor.name,
            bands: find_all(&common, needed),
            common,
            is_whole: coded.is_whole,
            is_named: coded.is_named,
            is_count: coded.is_count,
        }
    }
}

/// Chooses among readings of which at least one has all bands.
pub(super) fn choose_reading(mut readings: Vec<Reading>, names: &[&str]) -> BandGuess {
    // LISS delivers its bands as BAND2, BAND3 and BAND4, in this spelling; no stack of another sensor does.
    let is_delivered = names.len() == 3 && ["BAND2", "BAND3", "BAND4"].iter().all(|name| names.contains(name));
    if is_delivered {
        readings.retain(|reading| reading.product == raremap_scene::LISS.name);
    }
    // The sort is stable, so of equal readings the more common sensor comes first.
    readings.sort_by_key(|reading| (reading.bands.is_none(), !reading.is_whole));
    let has_rival = readings
        .iter()
        .any(|reading| reading.bands.is_none() && reading.is_whole);
    let is_only = readings.len() == 1;
    let mut choices: Vec<BandChoice> = Vec::new();
    // If the numbers are exactly those of one sensor, sensors that have only some of them are not offered as choices.
    let whole = readings
        .iter()
        .filter(|reading| reading.is_whole && reading.bands.is_some())
        .count();
    let counts = |reading: &&Reading| whole == 0 || reading.is_whole;
    for reading in readings.iter().filter(counts) {
        let Some(bands) = &reading.bands else { continue };
        match choices.iter_mut().find(|choice| choice.bands == *bands) {
            Some(choice) if choice.product != reading.product => {
                choice.product = format!("{} or {}", choice.product, reading.product);
            }
            Some(_) => {}
            None => choices.push(BandChoice {
                product: reading.product.to_owned(),
                bands: bands.clone(),
            }),
        }
    }
    let Some(first) = choices.first().cloned() else {
        return BandGuess {
            bands: Vec::new(),
            certainty: Certainty::Unknown,
            reason: String::new(),
            choices,
        };
    };
    let product = &first.product;
    if choices.len() > 1 {
        let products: Vec<&str> = choices.iter().map(|choice| choice.product.as_str()).collect();
        return BandGuess {
            bands: first.bands.iter().copied().map(Some).collect(),
            certainty: Certainty::Unknown,
            reason: format!("The bands' numbers could be those of {}.", products.join(", or of ")),
            choices,
        };
    }
    if has_rival {
        let other = readings
            .iter()
            .find(|reading| reading.bands.is_none() && reading.is_whole);
        let other = other.map_or("another sensor", |reading| reading.product);
        return BandGuess {
            bands: first.bands.iter().copied().map(Some).collect(),
            certainty: Certainty::Unknown,
            reason: format!(
                "The bands' numbers could be those of {product}; read as those of {other}, they would lack a band that the model needs."
            ),
            choices: Vec::new(),
        };
    }
    let is_named = readings.first().is_some_and(|reading| reading.is_named);
    if is_named || whole > 0 || is_only {
        return certain(first.bands, format!("The file's band names are those of {product}."));
    }
    BandGuess {
        bands: first.bands.into_iter().map(Some).collect(),
        certainty: Certainty::Likely,
        reason: format!("The file's band names look like those of {product}, but other products use some of them too."),
        choices: Vec::new(),
    }
}
