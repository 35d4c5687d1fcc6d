//! Which band of the scene is which: read from names, or guessed from the number of bands.

use serde::Serialize;

use crate::error::InferError;

/// How much a guess of the band order can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The bands' names say so.
    Named,
    /// The number of bands is that of a known product.
    Likely,
    /// Nothing says so: to be confirmed by a person.
    Unknown,
}

/// The scene's bands in the order that the model wants them, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BandGuess {
    /// Scene band, from 0, of each band that the model needs.
    pub bands: Vec<usize>,
    /// How far to trust it.
    pub certainty: Certainty,
    /// One sentence for people.
    pub reason: String,
}

/// A product whose bands are named by codes.
struct Scheme {
    product: &'static str,
    /// What stands before the code in a band's name, in lower case.
    prefixes: &'static [&'static str],
    /// `code:common name`, separated by spaces.
    bands: &'static str,
}

/// In order of preference: a scheme is taken when it has a band for everything that the model needs.
const SCHEMES: &[Scheme] = &[
    Scheme {
        product: "Landsat 8 or 9",
        prefixes: &["sr_b", "toa_b"],
        bands: "1:coastal 2:blue 3:green 4:red 5:nir 6:swir1 7:swir2",
    },
    Scheme {
        product: "Landsat 4 to 7",
        prefixes: &["sr_b", "toa_b"],
        bands: "1:blue 2:green 3:red 4:nir 5:swir1 7:swir2",
    },
    Scheme {
        product: "Sentinel-2",
        prefixes: &["b", "band"],
        bands: "1:coastal 2:blue 3:green 4:red 5:rededge1 6:rededge2 7:rededge3 8:nir 8a:nir08 9:nir09 10:cirrus \
                11:swir1 12:swir2",
    },
    Scheme {
        product: "LISS",
        prefixes: &["b", "band"],
        bands: "2:green 3:red 4:nir 5:swir1",
    },
];

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

/// Guesses which bands of a scene are the `needed` ones, by the bands' names (one per band, where the file gives any), else by their
/// number.
///
/// # Errors
/// [`InferError::TooFewBands`].
pub fn guess_bands(names: &[Option<String>], needed: &[&str]) -> Result<BandGuess, InferError> {
    check_count(names.len(), needed)?;
    let words: Vec<_> = names.iter().map(|name| word_of(name.as_deref()?)).collect();
    if let Some(bands) = find_all(&words, needed) {
        let reason = "The file names its bands.".to_owned();
        return Ok(BandGuess {
            bands,
            certainty: Certainty::Named,
            reason,
        });
    }
    let lower: Vec<String> = names
        .iter()
        .map(|name| name.as_deref().unwrap_or_default().trim().to_lowercase())
        .collect();
    for scheme in SCHEMES {
        let codes: Vec<Option<&str>> = lower.iter().map(|name| code_of(name, scheme)).collect();
        // Numbers that only count the bands, as some writers fill them in, say nothing about the sensor.
        let is_count = |(index, code): (usize, &Option<&str>)| *code == Some((index + 1).to_string().as_str());
        if scheme.prefixes.contains(&"b") && codes.iter().enumerate().all(is_count) {
            continue;
        }
        let common: Vec<_> = codes.iter().map(|code| name_in(scheme, (*code)?)).collect();
        if let Some(bands) = find_all(&common, needed) {
            let reason = format!("The file's band names are those of {}.", scheme.product);
            return Ok(BandGuess {
                bands,
                certainty: Certainty::Named,
                reason,
            });
        }
    }
    for (product, layout) in LAYOUTS {
        let common: Vec<_> = layout.split(' ').map(Some).collect();
        if let (true, Some(bands)) = (common.len() == names.len(), find_all(&common, needed)) {
            let reason = format!("The bands have no telling names; they are taken to be in {product}.");
            return Ok(BandGuess {
                bands,
                certainty: Certainty::Likely,
                reason,
            });
        }
    }
    let order = needed.join(", ");
    let reason = match names.len() == needed.len() {
        true => format!("The bands have no telling names; they are taken in the model's order: {order}."),
        false => format!(
            "Nothing says which band is which; the first {} are taken as {order}.",
            needed.len()
        ),
    };
    let certainty = if names.len() == needed.len() {
        Certainty::Likely
    } else {
        Certainty::Unknown
    };
    Ok(BandGuess {
        bands: (0..needed.len()).collect(),
        certainty,
        reason,
    })
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

fn name_in(scheme: &Scheme, code: &str) -> Option<&'static str> {
    let mut bands = scheme.bands.split(' ').filter_map(|band| band.split_once(':'));
    bands.find(|(known, _)| *known == code).map(|(_, name)| name)
}

/// The band's code in a name such as `b03`, `band 3`, `sr_b3` or `t31ucs_20200101_b8a_10m`, without leading zeros.
fn code_of<'a>(name: &'a str, scheme: &Scheme) -> Option<&'a str> {
    let part_code = |part: &'a str| {
        scheme.prefixes.iter().find_map(|prefix| {
            let code = part
                .strip_prefix(prefix)?
                .trim_start_matches([' ', '_', '-'])
                .trim_start_matches('0');
            let digits = code.trim_end_matches('a');
            let is_code = !digits.is_empty() && digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_code.then_some(code)
        })
    };
    part_code(name).or_else(|| name.split(['_', ' ', '-', '.', ',', '(', ')', ':']).find_map(part_code))
}

/// The common name that a band's description spells out in words.
fn word_of(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let has = |wanted: &str| words.contains(&wanted);
    let infrared = lower.contains("infrared") || lower.contains("infra-red");
    if lower.contains("edge") || has("pan") || has("panchromatic") {
        return None;
    }
    if lower.contains("swir") || (infrared && (has("short") || has("shortwave"))) {
        let second = lower.contains("swir2") || lower.contains("swir22") || has("2");
        return Some(
            if second && !lower.contains("swir1") {
                "swir2"
            } else {
                "swir1"
            }
            .to_owned(),
        );
    }
    if has("nir08") || has("nir2") || has("narrow") {
        return Some("nir08".to_owned());
    }
    if has("nir") || has("nir1") || (infrared && (has("near") || lower.contains("near-infra"))) {
        return Some("nir".to_owned());
    }
    let plain = words
        .iter()
        .find(|word| ["coastal", "blue", "green", "red", "yellow"].contains(word));
    // Other models name their bands as they like: a name that is one word stands for itself.
    plain
        .map(|word| (*word).to_owned())
        .or_else(|| (words.len() == 1).then(|| lower.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [&str; 3] = ["green", "red", "nir"];

    fn guess(names: &[&str]) -> BandGuess {
        let names: Vec<Option<String>> = names
            .iter()
            .map(|name| (!name.is_empty()).then(|| (*name).to_owned()))
            .collect();
        guess_bands(&names, &NEEDED).expect("enough bands")
    }

    #[test]
    fn names_decide_where_there_are_any() {
        let cases: [(&[&str], [usize; 3]); 11] = [
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
            (&["SR_B1", "SR_B2", "SR_B3", "SR_B4"], [1, 2, 3]),
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
    fn too_few_bands_are_refused() {
        let error = guess_bands(&[None, None], &NEEDED).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the scene has 2 band(s), the model needs 3: green, red, nir"
        );
    }
}
