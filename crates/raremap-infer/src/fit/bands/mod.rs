//! Which band of the scene is which: read from names, wavelengths and colours, or guessed from numbers and from the number of bands.
//!
//! Every way to read the bands is a [`Reading`]. Where several are complete and disagree, the guess lists them as choices, and
//! [`guess_scene_bands`] compares the values: plants and water set near infrared apart from the visible bands.

mod codes;
mod layouts;
mod readings;
mod values;
mod words;

use raremap_scene::SceneInfo;
use raremap_tiff::{ColorInterpretation, RasterInfo};
use serde::Serialize;

use crate::error::InferError;
use crate::fit::certainty::Certainty;
use codes::read_codes;
use layouts::{LAYOUTS, Layout};
use readings::{Reading, choose_reading};
pub(crate) use values::clues_of;
pub use values::guess_scene_bands;

/// The scene's bands in the order that the model needs, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BandGuess {
    /// Scene band, from 0, of each band that the model needs; `None` where no band fits.
    pub bands: Vec<Option<usize>>,
    /// How far to trust it.
    pub certainty: Certainty,
    /// One sentence for people.
    pub reason: String,
    /// Everything that the bands could be, the guess first; empty if there is no alternative.
    pub choices: Vec<BandChoice>,
}

/// One way to read the bands of a scene.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BandChoice {
    /// The product or sensor whose bands are numbered or ordered like this, for people.
    pub product: String,
    /// Scene band, from 0, of each band that the model needs.
    pub bands: Vec<usize>,
}

impl BandGuess {
    /// The guess, if there is a band for everything that the model needs.
    ///
    /// # Errors
    /// [`InferError::BandsMissing`].
    pub fn complete(&self, needed: &[&str]) -> Result<Vec<usize>, InferError> {
        let missing: Vec<&str> = needed
            .iter()
            .zip(&self.bands)
            .filter(|(_, band)| band.is_none())
            .map(|(name, _)| *name)
            .collect();
        if missing.is_empty() {
            return Ok(self.bands.iter().flatten().copied().collect());
        }
        Err(InferError::BandsMissing {
            missing: missing.join(", "),
            reason: self.reason.clone(),
        })
    }

    /// Whether this guess, of the needed bands and one more, or one of its choices, has that one and the others where `alone` has them.
    pub fn extends(&self, alone: &Self) -> bool {
        let is_told = |guess: &Self| guess.certainty != Certainty::Unknown;
        let of_choices = self
            .choices
            .iter()
            .map(|choice| choice.bands.iter().copied().map(Some).collect());
        let fits = |bands: Vec<Option<usize>>| bands.iter().all(Option::is_some) && bands.starts_with(&alone.bands);
        is_told(alone) && is_told(self) && of_choices.chain([self.bands.clone()]).any(fits)
    }

    /// An assignment that a person made.
    pub fn assigned(bands: Vec<usize>, reason: &str) -> Self {
        Self {
            bands: bands.into_iter().map(Some).collect(),
            certainty: Certainty::Named,
            reason: reason.to_owned(),
            choices: Vec::new(),
        }
    }
}

/// What a file says about its bands.
#[derive(Debug, Clone, Copy)]
pub struct BandClues<'a> {
    /// Name of each band, where the file gives one.
    pub names: &'a [Option<String>],
    /// Meaning of each band; bands beyond the end of the list have none.
    pub colors: &'a [ColorInterpretation],
    /// Centre wavelength of each band, in nanometres; bands beyond the end of the list have none.
    pub wavelengths_nm: &'a [Option<f64>],
    /// Texts that may name the sensor, such as file names and metadata, the most specific first.
    pub described: &'a [String],
    /// Whether a band that is called opacity holds something else.
    pub alpha_is_data: bool,
}

impl<'a> From<&'a SceneInfo> for BandClues<'a> {
    fn from(info: &'a SceneInfo) -> Self {
        Self {
            names: &info.band_names,
            colors: &info.color_interpretations,
            wavelengths_nm: &info.wavelengths_nm,
            described: &info.described,
            alpha_is_data: false,
        }
    }
}

impl<'a> From<&'a RasterInfo> for BandClues<'a> {
    fn from(info: &'a RasterInfo) -> Self {
        Self {
            names: &info.band_names,
            colors: &info.color_interpretations,
            wavelengths_nm: &info.wavelengths_nm,
            described: &[],
            alpha_is_data: false,
        }
    }
}

/// Names that can stand in for another one that is missing.
const SUBSTITUTES: &[(&str, &str)] = &[("nir", "nir08"), ("nir08", "nir")];

/// Guesses which bands of a scene are the `needed` ones: by their names and wavelengths, else by their codes, else by their colours, else by
/// their number.
///
/// A name counts for more than a colour, which writers fill in by default. A band of opacity only stands for another one if its name says
/// so, if it holds something else, or if there are no other bands left. A band that is known to be one colour never stands for
/// another: if no band is left for a role, the guess has none.
///
/// # Errors
/// [`InferError::TooFewBands`].
pub fn guess_bands(clues: BandClues<'_>, needed: &[&str]) -> Result<BandGuess, InferError> {
    check_count(clues.names.len(), needed)?;
    let told = Told::new(clues, needed);
    if let Some(bands) = find_all(&told.words, needed) {
        return Ok(certain(bands, "The file names its bands.".to_owned()));
    }
    // The bands' own names may name the sensor.
    let described: Vec<String> = told.lowercase.iter().chain(clues.described).cloned().collect();
    let coded = read_codes(&told.lowercase, &described, &told.words);
    let mut readings: Vec<Reading> = coded
        .iter()
        .map(|coded| Reading::of_codes(coded, &told.words, needed))
        .collect();
    readings.retain(|reading| reading.bands.is_some() || !reading.is_count);
    // If the colours agree with a sensor's numbers, no writer filled them in by default.
    if readings.iter().any(|reading| reading.has_colors(clues.colors)) {
        readings.retain(|reading| reading.has_colors(clues.colors));
    }
    if readings.iter().any(|reading| reading.bands.is_some()) {
        return Ok(choose_reading(readings, &told.names()));
    }
    // Of equal readings, the more common sensor wins, because it comes first.
    let found = |reading: &&Reading| {
        needed
            .iter()
            .filter(|name| find(&reading.common, name).is_some())
            .count()
    };
    let best = readings.iter().rev().max_by_key(found);
    let known = told.with(best, clues);
    if let Some(bands) = find_all(&known, needed) {
        return Ok(told.by_colors(bands, clues, needed));
    }
    let is_told = known.iter().any(Option::is_some);
    if is_told {
        return Ok(fill(&known, &told, best, needed));
    }
    Ok(by_count(&told, &described, needed))
}

/// The names of bands that pictures of a scene are made of.
const SHOWN: [&str; 6] = ["blue", "green", "red", "nir", "swir1", "swir2"];

/// What each band is, as far as the file says so: blue, green, red, nir, swir1 or swir2. Nothing is assumed.
pub fn common_names(clues: BandClues<'_>) -> Vec<Option<&'static str>> {
    let mut names = vec![None; clues.names.len()];
    for name in SHOWN {
        let guess = guess_bands(clues, &[name]).ok();
        let told = guess.filter(|guess| guess.certainty == Certainty::Named);
        let band = told.and_then(|guess| guess.bands.first().copied().flatten());
        if let Some(place) = band.and_then(|band| names.get_mut(band)) {
            *place = Some(name);
        }
    }
    names
}

fn certain(bands: Vec<usize>, reason: String) -> BandGuess {
    BandGuess::assigned(bands, &reason)
}

/// What the bands' names in words, wavelengths and colours say.
struct Told {
    names: Vec<Option<String>>,
    lowercase: Vec<String>,
    /// The common name of each band by words or wavelength.
    words: Vec<Option<String>>,
    /// Bands that are not opacity.
    spectral: Vec<usize>,
    /// All bands, with those of opacity last.
    order: Vec<usize>,
}

impl Told {
    fn new(clues: BandClues<'_>, needed: &[&str]) -> Self {
        let lowercase: Vec<String> = clues
            .names
            .iter()
            .map(|name| name.as_deref().unwrap_or_default().trim().to_lowercase())
            .collect();
        let wavelengths: Vec<Option<f64>> = (0..lowercase.len())
            .map(|band| {
                let of_name = || lowercase.get(band).and_then(|name| words::wavelength_in(name));
                clues.wavelengths_nm.get(band).copied().flatten().or_else(of_name)
            })
            .collect();
        let by_wavelength = words::by_wavelength(&wavelengths);
        let letters = words::by_letters(&lowercase);
        // A model may name its bands freely: a band with exactly that name is the one it needs.
        let word = |name: &String| match needed.contains(&name.as_str()) {
            true => Some(name.clone()),
            false => words::word_of(name),
        };
        let words: Vec<Option<String>> = lowercase
            .iter()
            .zip(letters)
            .zip(by_wavelength)
            .map(|((name, letter), wavelength)| word(name).or(letter).or(wavelength))
            .collect();
        let is_spectral = |band: &usize| {
            let is_opacity = clues.colors.get(*band) == Some(&ColorInterpretation::Alpha) && !clues.alpha_is_data;
            let is_named = words.get(*band).is_some_and(Option::is_some);
            is_named || !is_opacity
        };
        let (spectral, alpha): (Vec<usize>, Vec<usize>) = (0..lowercase.len()).partition(is_spectral);
        Self {
            names: clues.names.to_vec(),
            lowercase,
            words,
            order: spectral.iter().copied().chain(alpha).collect(),
            spectral,
        }
    }

    fn names(&self) -> Vec<&str> {
        self.names
            .iter()
            .map(|name| name.as_deref().unwrap_or_default())
            .collect()
    }

    /// The common name of each band by everything that names one: words, codes, colours.
    fn with(&self, reading: Option<&Reading>, clues: BandClues<'_>) -> Vec<Option<String>> {
        let color = |band: usize| match clues.colors.get(band).copied() {
            Some(ColorInterpretation::Red) => Some("red"),
            Some(ColorInterpretation::Green) => Some("green"),
            Some(ColorInterpretation::Blue) => Some("blue"),
            _ => None,
        };
        let known = reading.map_or(&self.words, |reading| &reading.common);
        let mut common = known.clone();
        for (band, common) in common.iter_mut().enumerate() {
            if common.is_none() {
                *common = color(band).map(str::to_owned);
            }
        }
        // Aerial photographs of four bands look like this.
        let is_photograph = self.spectral.len() == 4
            && common.iter().take(3).all(Option::is_some)
            && clues.colors.contains(&ColorInterpretation::Red);
        if is_photograph && common.get(3).is_some_and(Option::is_none) && self.spectral.contains(&3) {
            common[3] = Some("nir".to_owned());
        }
        common
    }

    fn by_colors(&self, bands: Vec<usize>, clues: BandClues<'_>, needed: &[&str]) -> BandGuess {
        let is_by_name = self.words.iter().any(Option::is_some);
        let has_opacity = clues.alpha_is_data && clues.colors.contains(&ColorInterpretation::Alpha);
        let reason = match (is_by_name, self.lowercase.len()) {
            (true, _) => "The file's band names and colours say so.",
            (false, 4) if has_opacity => {
                "The file's colours are red, green and blue; the fourth band is called opacity but has other values, so it is assumed to be near infrared."
            }
            (false, 4) => {
                "The file's colours are red, green and blue, so the fourth band is assumed to be near infrared."
            }
            (false, _) => "The file's colours say so.",
        };
        let colors = BandChoice {
            product: "red, green, blue, near infrared, as the file's colours say".to_owned(),
            bands: bands.clone(),
        };
        // Writers give these colours to the first three of four 8-bit bands, whatever they are.
        let usual = LAYOUTS.iter().find(|layout| layout.common().len() == 4);
        let other = usual
            .filter(|_| !is_by_name && self.lowercase.len() == 4)
            .and_then(|layout| layout.choice(&self.spectral, needed));
        let other: Vec<BandChoice> = other.into_iter().filter(|other| other.bands != bands).collect();
        BandGuess {
            bands: bands.into_iter().map(Some).collect(),
            certainty: Certainty::Likely,
            reason: reason.to_owned(),
            choices: if other.is_empty() {
                Vec::new()
            } else {
                [vec![colors], other].concat()
            },
        }
    }
}

/// Guesses where the file names some of its bands: these keep their roles, and the remaining roles go to the bands that nothing is known of.
fn fill(known: &[Option<String>], told: &Told, reading: Option<&Reading>, needed: &[&str]) -> BandGuess {
    let layout = LAYOUTS
        .iter()
        .find_map(|layout| layout.agreeing(&told.spectral, known, needed));
    let found: Vec<Option<usize>> = needed.iter().map(|name| find(known, name)).collect();
    let mut rest = told
        .spectral
        .iter()
        .copied()
        .filter(|band| known.get(*band).is_some_and(Option::is_none));
    let bands: Vec<Option<usize>> = match layout {
        Some(bands) => bands.into_iter().map(Some).collect(),
        None => found.iter().map(|band| band.or_else(|| rest.next())).collect(),
    };
    let missing: Vec<&str> = needed
        .iter()
        .zip(&found)
        .filter(|(_, band)| band.is_none())
        .map(|(name, _)| *name)
        .collect();
    let missing = missing.join(", ");
    let names: Vec<&str> = known.iter().flatten().map(String::as_str).collect();
    let names = names.join(", ");
    let of = reading.map_or(String::new(), |reading| format!(" of {}", reading.product));
    let reason = if bands.contains(&None) {
        format!("The scene's bands{of} are {names}: none of them is {missing}.")
    } else {
        format!("The file names some of its bands, but does not say which is {missing}: please check.")
    };
    BandGuess {
        bands,
        certainty: Certainty::Unknown,
        reason,
        choices: Vec::new(),
    }
}

/// Guesses where only the number of bands is known.
fn by_count(told: &Told, described: &[String], needed: &[&str]) -> BandGuess {
    let mut fitting: Vec<&Layout> = LAYOUTS
        .iter()
        .filter(|layout| layout.choice(&told.spectral, needed).is_some())
        .collect();
    let named = codes::named_sensors(described);
    let is_named = |layout: &Layout| named.iter().any(|sensor| layout.sensors.contains(&sensor.name));
    // Layouts that file names or metadata suggest come first; the sort is stable.
    fitting.sort_by_key(|layout| !is_named(layout));
    let mut choices: Vec<BandChoice> = Vec::new();
    for choice in fitting
        .iter()
        .filter_map(|layout| layout.choice(&told.spectral, needed))
    {
        if choices.iter().all(|known| known.bands != choice.bands) {
            choices.push(choice);
        }
    }
    if let (Some(layout), Some(first)) = (fitting.first(), choices.first().cloned()) {
        let is_sure = is_named(layout);
        if is_sure {
            choices.clear();
        }
        let why = if is_sure {
            "because file names or metadata name the sensor"
        } else {
            "because the number of bands fits"
        };
        return BandGuess {
            bands: first.bands.into_iter().map(Some).collect(),
            certainty: Certainty::Likely,
            reason: format!(
                "The bands' names do not say which is which, so they are assumed to be in {}, {why}.",
                layout.product
            ),
            choices: if choices.len() > 1 { choices } else { Vec::new() },
        };
    }
    let order = needed.join(", ");
    let (certainty, reason) = if told.spectral.len() == needed.len() {
        let reason = format!(
            "The bands' names do not say which is which, so they are assumed to be in the model's order: {order}."
        );
        (Certainty::Likely, reason)
    } else {
        let count = needed.len();
        let reason = format!("Nothing says which band is which, so the first {count} are assumed to be {order}.");
        (Certainty::Unknown, reason)
    };
    BandGuess {
        bands: told.order.iter().copied().map(Some).take(needed.len()).collect(),
        certainty,
        reason,
        choices: Vec::new(),
    }
}

pub(crate) fn check_count(have: usize, needed: &[&str]) -> Result<(), InferError> {
    let need = needed.len();
    if have < need {
        Err(InferError::TooFewBands {
            have,
            need,
            names: needed.join(", "),
        })
    } else {
        Ok(())
    }
}

/// The band of a name, or of a name that can stand in for it.
fn find(common: &[Option<String>], needed: &str) -> Option<usize> {
    let position = |name: &str| common.iter().position(|common| common.as_deref() == Some(name));
    let substitute = || {
        SUBSTITUTES
            .iter()
            .find(|(name, _)| *name == needed)
            .and_then(|(_, other)| position(other))
    };
    position(needed).or_else(substitute)
}

/// Positions of the needed names, if each is present and none is used twice.
fn find_all(common: &[Option<String>], needed: &[&str]) -> Option<Vec<usize>> {
    let found: Vec<usize> = needed.iter().map(|name| find(common, name)).collect::<Option<_>>()?;
    let is_twice = |(at, band): (usize, &usize)| found.iter().take(at).any(|other| other == band);
    (!found.iter().enumerate().any(is_twice)).then_some(found)
}

#[cfg(test)]
mod tests;
