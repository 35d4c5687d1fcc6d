//! Finds out which band of the scene is which, from names and colours, or guesses it from the number of bands.

use raremap_scene::SceneInfo;
use raremap_tiff::{ColorInterpretation, RasterInfo};
use serde::Serialize;

use crate::error::InferError;
use crate::fit::band_names::{Reading, read_names};
use crate::fit::certainty::Certainty;

/// The scene's bands in the order that the model needs, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BandGuess {
    /// Scene band, from 0, of each band that the model needs.
    pub bands: Vec<usize>,
    /// How far to trust it.
    pub certainty: Certainty,
    /// One sentence for people.
    pub reason: String,
}

/// What a file says about its bands.
#[derive(Debug, Clone, Copy)]
pub struct BandClues<'a> {
    /// Name of each band, where the file gives one.
    pub names: &'a [Option<String>],
    /// Meaning of each band; bands beyond the end of the list have none.
    pub colors: &'a [ColorInterpretation],
}

impl<'a> From<&'a SceneInfo> for BandClues<'a> {
    fn from(info: &'a SceneInfo) -> Self {
        Self {
            names: &info.band_names,
            colors: &info.color_interpretations,
        }
    }
}

impl<'a> From<&'a RasterInfo> for BandClues<'a> {
    fn from(info: &'a RasterInfo) -> Self {
        Self {
            names: &info.band_names,
            colors: &info.color_interpretations,
        }
    }
}

/// Products by their number of bands: the order, in words and in common names.
const LAYOUTS: &[(&str, &str)] = &[
    (
        "the order of PlanetScope and most other four-band products",
        "blue green red nir",
    ),
    ("RapidEye's order", "blue green red rededge1 nir"),
    (
        "the order of Landsat's six reflective bands",
        "blue green red nir swir1 swir2",
    ),
    (
        "the order of Landsat 8's first seven bands",
        "coastal blue green red nir swir1 swir2",
    ),
    (
        "the order of PlanetScope's eight bands",
        "coastal blue green1 green yellow red rededge1 nir",
    ),
    (
        "the order of Sentinel-2's bands of 10 and 20 m",
        "blue green red rededge1 rededge2 rededge3 nir nir08 swir1 swir2",
    ),
    (
        "the order of Sentinel-2's level 2A",
        "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 swir1 swir2",
    ),
    (
        "the order of Sentinel-2's level 1C",
        "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 cirrus swir1 swir2",
    ),
];

/// Guesses which bands of a scene are the `needed` ones: by their names, otherwise by their colours, otherwise by their number.
///
/// A name counts for more than a colour, which writers fill in by default. A band of opacity only stands for another one if its name says
/// so, or if no other bands are left. If the file tells some bands but not all the needed ones, the guess is [`Certainty::Unknown`],
/// whatever the number of bands suggests.
///
/// # Errors
/// [`InferError::TooFewBands`].
pub fn guess_bands(clues: BandClues<'_>, needed: &[&str]) -> Result<BandGuess, InferError> {
    check_count(clues.names.len(), needed)?;
    let readings = read_names(clues.names, needed);
    let complete = readings
        .iter()
        .find_map(|reading| Some((reading, find_all(&reading.common, needed)?)));
    if let Some((reading, bands)) = complete {
        return Ok(BandGuess {
            bands,
            certainty: reading.certainty,
            reason: reading.reason.clone(),
        });
    }
    let told = Told::new(clues, &readings, needed);
    if let Some(bands) = find_all(&told.common, needed) {
        return Ok(BandGuess {
            bands,
            certainty: Certainty::Likely,
            reason: told.reason().to_owned(),
        });
    }
    let layout = LAYOUTS.iter().find_map(|(product, layout)| {
        let layout: Vec<_> = layout.split(' ').map(Some).collect();
        Some((product, told.pick(&find_all(&layout, needed)?, &layout)?))
    });
    let missing: Vec<&str> = needed
        .iter()
        .copied()
        .filter(|needed| told.position(needed).is_none())
        .collect();
    if told.tells_any() {
        let reason = format!(
            "The file names some of its bands, but does not say which is {}: please check.",
            missing.join(", ")
        );
        return Ok(BandGuess {
            bands: layout.map_or_else(|| told.fill(needed), |(_, bands)| bands),
            certainty: Certainty::Unknown,
            reason,
        });
    }
    if let Some((product, bands)) = layout {
        let reason = format!("The bands' names do not say which is which, so they are assumed to be in {product}.");
        return Ok(BandGuess {
            bands,
            certainty: Certainty::Likely,
            reason,
        });
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
    Ok(BandGuess {
        bands: told.fill(needed),
        certainty,
        reason,
    })
}

/// What names and colours tell together.
struct Told {
    /// The common name of each band.
    common: Vec<Option<String>>,
    /// Whether a name told any of them.
    by_name: bool,
    /// Bands that are not opacity.
    spectral: Vec<usize>,
    /// All bands, with those of opacity last.
    order: Vec<usize>,
}

impl Told {
    fn new(clues: BandClues<'_>, readings: &[Reading], needed: &[&str]) -> Self {
        let count_found = |reading: &&Reading| {
            let is_told = |needed: &&&str| reading.common.iter().flatten().any(|name| name == **needed);
            needed.iter().filter(is_told).count()
        };
        // Of equal counts, the last is taken, so the order is reversed to get the first.
        let best = readings.iter().rev().max_by_key(count_found);
        let count = clues.names.len();
        let mut common = best.map_or_else(|| vec![None; count], |reading| reading.common.clone());
        let color = |band: usize| clues.colors.get(band).copied();
        let is_spectral = |band: &usize| {
            let named = common.get(*band).is_some_and(Option::is_some);
            named || color(*band) != Some(ColorInterpretation::Alpha)
        };
        let (spectral, alpha): (Vec<usize>, Vec<usize>) = (0..count).partition(is_spectral);
        let has_colors = clues.colors.contains(&ColorInterpretation::Red);
        for (band, common) in common.iter_mut().enumerate() {
            let name = match color(band) {
                Some(ColorInterpretation::Red) => Some("red"),
                Some(ColorInterpretation::Green) => Some("green"),
                Some(ColorInterpretation::Blue) => Some("blue"),
                // Aerial images of four bands, such as NAIP's, have this order.
                Some(ColorInterpretation::Undefined) if has_colors && band == 3 && spectral.len() == 4 => Some("nir"),
                _ => None,
            };
            if common.is_none() {
                *common = name.map(str::to_owned);
            }
        }
        Self {
            common,
            by_name: best.is_some(),
            order: spectral.iter().copied().chain(alpha).collect(),
            spectral,
        }
    }

    fn tells_any(&self) -> bool {
        self.common.iter().any(Option::is_some)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.common.iter().position(|common| common.as_deref() == Some(name))
    }

    fn reason(&self) -> &'static str {
        match (self.by_name, self.common.len()) {
            (true, _) => "The file's band names and colours say so.",
            (false, 4) => {
                "The file's colours are red, green and blue, so the fourth band is assumed to be near infrared."
            }
            (false, _) => "The file's colours say so.",
        }
    }

    /// The bands at these places of a layout, if it has as many bands and contradicts none that is told.
    fn pick(&self, places: &[usize], layout: &[Option<&str>]) -> Option<Vec<usize>> {
        let agrees = |(band, name): (&usize, &Option<&str>)| {
            let told = self.common.get(*band).and_then(Option::as_deref);
            told.is_none() || told == *name
        };
        let fits = self.spectral.len() == layout.len() && self.spectral.iter().zip(layout).all(agrees);
        let bands = || {
            places
                .iter()
                .filter_map(|place| self.spectral.get(*place).copied())
                .collect()
        };
        fits.then(bands)
    }

    /// Bands that have these names, and the others in order, first those without a name. Colours alone, which most writers give to any
    /// three bands, move no band.
    fn fill(&self, needed: &[&str]) -> Vec<usize> {
        let position = |name: &&str| self.position(name).filter(|_| self.by_name);
        let found: Vec<Option<usize>> = needed.iter().map(position).collect();
        let is_named = |band: &usize| self.by_name && self.common.get(*band).is_some_and(Option::is_some);
        let unused = || self.order.iter().copied().filter(|band| !found.contains(&Some(*band)));
        let mut rest = unused().filter(|band| !is_named(band)).chain(unused().filter(is_named));
        found.iter().filter_map(|band| band.or_else(|| rest.next())).collect()
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

/// Positions of the needed names, if each is there.
fn find_all(common: &[Option<impl AsRef<str>>], needed: &[&str]) -> Option<Vec<usize>> {
    let position = |needed: &&str| {
        common
            .iter()
            .position(|name| name.as_ref().is_some_and(|name| name.as_ref() == *needed))
    };
    needed.iter().map(position).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [&str; 3] = ["green", "red", "nir"];

    fn guess(names: &[&str]) -> BandGuess {
        guess_with(names, &[])
    }

    fn guess_with(names: &[&str], colors: &[ColorInterpretation]) -> BandGuess {
        let names: Vec<Option<String>> = names
            .iter()
            .map(|name| (!name.is_empty()).then(|| (*name).to_owned()))
            .collect();
        guess_bands(BandClues { names: &names, colors }, &NEEDED).expect("enough bands")
    }

    #[test]
    fn names_decide_where_there_are_any() {
        let cases: [(&[&str], [usize; 3]); 19] = [
            (
                &[
                    "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12",
                ],
                [2, 3, 7],
            ),
            (&["B08", "B04", "B03", "B02"], [2, 1, 0]),
            (
                &[
                    "T31UCS_20200101_B03_10m",
                    "T31UCS_20200101_B04_10m",
                    "T31UCS_20200101_B08_10m",
                ],
                [0, 1, 2],
            ),
            (&["swir1", "nir", "red", "green"], [3, 2, 1]),
            (
                &[
                    "Blue (490 nm)",
                    "Green (560 nm)",
                    "Red (665 nm)",
                    "Red Edge 1",
                    "NIR (842 nm)",
                ],
                [1, 2, 4],
            ),
            (&["Near Infrared", "Red", "Green"], [2, 1, 0]),
            (&["BAND2", "BAND3", "BAND4"], [0, 1, 2]),
            (&["BAND4", "BAND3", "BAND2"], [2, 1, 0]),
            (&["SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"], [1, 2, 3]),
            (&["SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"], [1, 2, 3]),
            (&["LE07_SR_B7", "LE07_SR_B4", "LE07_SR_B3", "LE07_SR_B2"], [3, 2, 1]),
            (&["B2", "B3", "B4", "B5", "B6", "B7"], [1, 2, 3]),
            (
                &["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B09", "B10", "B11"],
                [2, 3, 4],
            ),
            (&["B2", "B3", "B4", "B5"], [0, 1, 2]),
            (&["B", "G", "R", "N"], [1, 2, 3]),
            (&["Band R", "Band G", "Band N"], [1, 0, 2]),
            (
                &[
                    "coastal_blue",
                    "blue",
                    "green_i",
                    "green",
                    "yellow",
                    "red",
                    "rededge",
                    "nir",
                ],
                [3, 5, 7],
            ),
            (&["b", "red", "nir", "green"], [3, 1, 2]),
            (&["red edge", "green", "red", "nir"], [1, 2, 3]),
        ];
        for (names, expected) in cases {
            let guess = guess(names);
            assert_eq!(
                (guess.certainty, guess.bands.as_slice()),
                (Certainty::Named, expected.as_slice()),
                "{names:?}"
            );
        }
    }

    #[test]
    fn without_names_the_number_of_bands_decides() {
        let cases: [(usize, [usize; 3], Certainty); 7] = [
            (3, [0, 1, 2], Certainty::Likely),
            (4, [1, 2, 3], Certainty::Likely),
            (7, [2, 3, 4], Certainty::Likely),
            (8, [3, 5, 7], Certainty::Likely),
            (12, [2, 3, 7], Certainty::Likely),
            (13, [2, 3, 7], Certainty::Likely),
            (9, [0, 1, 2], Certainty::Unknown),
        ];
        for (count, expected, certainty) in cases {
            for numbered in [false, true] {
                let names: Vec<String> = (1..=count)
                    .map(|band| {
                        if numbered {
                            format!("Band {band}")
                        } else {
                            String::new()
                        }
                    })
                    .collect();
                let guess = guess(&names.iter().map(String::as_str).collect::<Vec<_>>());
                assert_eq!(
                    (guess.bands.as_slice(), guess.certainty),
                    (expected.as_slice(), certainty),
                    "{count} {numbered}"
                );
                assert!(guess.reason.ends_with('.'));
            }
        }
    }

    #[test]
    fn names_that_several_products_use_are_likely_at_most() {
        let cases: [(&[&str], [usize; 3], &str); 4] = [
            (&["SR_B1", "SR_B2", "SR_B3", "SR_B4"], [1, 2, 3], "Landsat 4 to 7"),
            (&["SR_B2", "SR_B3", "SR_B4", "SR_B5"], [1, 2, 3], "Landsat 8 or 9"),
            (&["B1", "B2", "B3", "B4", "B5", "B7"], [1, 2, 3], "Landsat 4 to 7"),
            (&["B2", "B3", "B4", "B5", "B7"], [1, 2, 3], "Landsat 8 or 9"),
        ];
        for (names, expected, product) in cases {
            let guess = guess(names);
            assert_eq!(
                (guess.certainty, guess.bands.as_slice()),
                (Certainty::Likely, expected.as_slice()),
                "{names:?}"
            );
            assert!(
                guess.reason.contains(product) && guess.reason.contains("other products"),
                "{guess:?}"
            );
        }
    }

    #[test]
    fn bands_that_no_name_tells_are_said_and_never_likely() {
        let cases: [(&[&str], [usize; 3], &str); 6] = [
            (&["red", "green", "blue", ""], [1, 0, 3], "which is nir:"),
            (&["nir", "red", "swir1"], [2, 1, 0], "which is green:"),
            (&["blue", "", "", ""], [1, 2, 3], "which is green, red, nir:"),
            (
                &["coastal", "", "", "", "", "", ""],
                [2, 3, 4],
                "which is green, red, nir:",
            ),
            (&["B02", "B03", "B04"], [1, 2, 0], "which is nir:"),
            (&["SR_B2", "SR_B3", "SR_B4"], [0, 1, 2], ""),
        ];
        for (names, expected, part) in cases {
            let guess = guess(names);
            assert_ne!(guess.certainty, Certainty::Named, "{names:?}");
            assert_eq!(guess.bands, expected, "{names:?}");
            if !part.is_empty() {
                assert_eq!(guess.certainty, Certainty::Unknown, "{names:?}");
                assert!(guess.reason.contains(part), "{guess:?}");
            }
        }
    }

    #[test]
    fn opacity_is_no_band_to_assign_and_colours_say_which_are_red_and_green() {
        use ColorInterpretation::{Alpha, Blue, Gray, Green, Red, Undefined};
        let likely = Certainty::Likely;
        let unknown = Certainty::Unknown;
        type Case<'a> = (&'a [&'a str], &'a [ColorInterpretation], [usize; 3], Certainty);
        let cases: [Case<'_>; 8] = [
            // NAIP
            (&["", "", "", ""], &[Red, Green, Blue, Undefined], [1, 0, 3], likely),
            // Three bands and opacity, the latter never the infrared; GDAL calls any three bands red, green and blue.
            (&["", "", "", ""], &[Red, Green, Blue, Alpha], [0, 1, 2], unknown),
            (&["", "", ""], &[Red, Green, Blue], [0, 1, 2], unknown),
            (
                &["", "", "", ""],
                &[Alpha, Gray, Undefined, Undefined],
                [1, 2, 3],
                likely,
            ),
            (
                &["", "", "", "", ""],
                &[Gray, Undefined, Undefined, Undefined, Alpha],
                [1, 2, 3],
                likely,
            ),
            // A name counts for more than a colour that was filled in by default.
            (
                &["B2", "B3", "B4", "B8"],
                &[Red, Green, Blue, Alpha],
                [1, 2, 3],
                Certainty::Named,
            ),
            (&["", "", "", "nir"], &[Red, Green, Blue, Alpha], [1, 0, 3], likely),
            (
                &["", "", "", "", ""],
                &[Red, Green, Blue, Undefined, Undefined],
                [0, 1, 2],
                unknown,
            ),
        ];
        for (names, colors, expected, certainty) in cases {
            let guess = guess_with(names, colors);
            assert_eq!(
                (guess.bands.as_slice(), guess.certainty),
                (expected.as_slice(), certainty),
                "{names:?} {colors:?} {}",
                guess.reason
            );
        }
    }

    #[test]
    fn too_few_bands_are_refused() {
        let error = guess_bands(
            BandClues {
                names: &[None, None],
                colors: &[],
            },
            &NEEDED,
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the scene has 2 band(s), but the model needs 3: green, red, nir"
        );
    }
}
