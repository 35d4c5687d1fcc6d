//! What the names of a scene's bands say, as words or as the codes of a product.

use crate::fit::certainty::Certainty;

/// One way to read the bands' names.
pub(crate) struct Reading {
    /// The common name of each band, if it is known.
    pub(crate) common: Vec<Option<String>>,
    pub(crate) certainty: Certainty,
    /// One sentence for people.
    pub(crate) reason: String,
}

/// A product whose bands are named by codes.
struct Scheme {
    product: &'static str,
    /// What comes before the code in a band's name, in lower case.
    prefixes: &'static [&'static str],
    /// `code:common name`, separated by spaces.
    bands: &'static str,
    /// How surely names with these codes belong to this product; `None` if they do not.
    fit: fn(&Codes<'_>) -> Option<Certainty>,
}

const PREFIXED: &[&str] = &["sr_b", "toa_b"];
const PLAIN: &[&str] = &["b", "band"];
const LANDSAT_8: &str = "1:coastal 2:blue 3:green 4:red 5:nir 6:swir1 7:swir2";
const LANDSAT_4: &str = "1:blue 2:green 3:red 4:nir 5:swir1 7:swir2";

/// In order of preference among those that fit equally well.
const SCHEMES: &[Scheme] = &[
    Scheme {
        product: "Landsat 8 or 9",
        prefixes: PREFIXED,
        bands: LANDSAT_8,
        // Band 6 of Landsat 4 to 7 is thermal: no reflectance has that code.
        fit: |codes| match (codes.have("6"), codes.have("7")) {
            (true, _) => Some(Certainty::Named),
            (false, true) => None,
            (false, false) => Some(Certainty::Likely),
        },
    },
    Scheme {
        product: "Landsat 4 to 7",
        prefixes: PREFIXED,
        bands: LANDSAT_4,
        fit: |codes| match (codes.have("6"), codes.have("7")) {
            (true, _) => None,
            (false, true) => Some(Certainty::Named),
            (false, false) => Some(Certainty::Likely),
        },
    },
    Scheme {
        product: "Sentinel-2",
        prefixes: PLAIN,
        bands: "1:coastal 2:blue 3:green 4:red 5:rededge1 6:rededge2 7:rededge3 8:nir 8a:nir08 9:nir09 10:cirrus \
                11:swir1 12:swir2",
        fit: |codes| {
            let certain = codes.have("8") || codes.have("8a") || codes.have("12");
            Some(if certain { Certainty::Named } else { Certainty::Likely })
        },
    },
    Scheme {
        product: "Landsat 8 or 9",
        prefixes: PLAIN,
        bands: LANDSAT_8,
        fit: |codes| match (codes.have("6"), codes.have("7") && !codes.have("1")) {
            _ if codes.have("8") || codes.have("8a") => None,
            (true, _) => Some(Certainty::Named),
            (false, true) => Some(Certainty::Likely),
            (false, false) => None,
        },
    },
    Scheme {
        product: "Landsat 4 to 7",
        prefixes: PLAIN,
        bands: LANDSAT_4,
        fit: |codes| {
            let other = codes.have("6") || codes.have("8") || codes.have("8a");
            (codes.have("1") && codes.have("7") && !other).then_some(Certainty::Likely)
        },
    },
    Scheme {
        product: "LISS",
        prefixes: PLAIN,
        bands: "2:green 3:red 4:nir 5:swir1",
        // Its codes have no leading zeros: B02, B03 and B04 are Sentinel-2's.
        fit: |codes| {
            let own = |code: &&str| ["2", "3", "4", "5"].contains(code);
            codes.0.iter().flatten().all(own).then_some(Certainty::Named)
        },
    },
];

/// Words for bands. A name in other words says nothing about a band, unless a model asks for it.
const KNOWN: &[&str] = &[
    "coastal", "blue", "green1", "green", "yellow", "red", "nir", "nir08", "swir1", "swir2",
];

/// The code of each band, as it is written.
struct Codes<'a>(Vec<Option<&'a str>>);

impl Codes<'_> {
    fn have(&self, code: &str) -> bool {
        let mut found = self.0.iter().flatten();
        found.any(|found| found.trim_start_matches('0') == code)
    }

    /// Whether they only count the bands, from 0 or 1, as some writers fill them in. That says nothing about the sensor.
    fn are_counts(&self) -> bool {
        let count_from = |first: usize| {
            let mut codes = self.0.iter().enumerate();
            codes.all(|(index, code)| code.is_some_and(|code| code.parse() == Ok(index + first)))
        };
        count_from(0) || count_from(1)
    }
}

/// All readings of the names that tell at least one band, the best first.
pub(crate) fn read_names(names: &[Option<String>], needed: &[&str]) -> Vec<Reading> {
    let lower: Vec<String> = names
        .iter()
        .map(|name| name.as_deref().unwrap_or_default().trim().to_lowercase())
        .collect();
    let is_needed = |name: &String| needed.contains(&name.as_str());
    let words = lower.iter().map(|name| match is_needed(name) {
        true => Some(name.clone()),
        false => word_of(name).filter(|word| KNOWN.contains(&word.as_str()) || is_needed(word)),
    });
    let words = Reading {
        common: words.collect(),
        certainty: Certainty::Named,
        reason: "The file names its bands.".to_owned(),
    };
    let is_prefixed = |name: &String| PREFIXED.iter().any(|prefix| name.contains(prefix));
    let prefixes = if lower.iter().any(is_prefixed) { PREFIXED } else { PLAIN };
    let schemes = SCHEMES.iter().filter(|scheme| scheme.prefixes == prefixes);
    let mut readings: Vec<Reading> = std::iter::once(words)
        .chain(schemes.filter_map(|scheme| read_codes(&lower, scheme)))
        .filter(|reading| reading.common.iter().any(Option::is_some))
        .collect();
    // The sort is stable, so that the order of preference stays among equal certainties.
    readings.sort_by_key(|reading| reading.certainty != Certainty::Named);
    readings
}

fn read_codes(lower: &[String], scheme: &Scheme) -> Option<Reading> {
    let codes = Codes(lower.iter().map(|name| code_of(name, scheme)).collect());
    if scheme.prefixes == PLAIN && codes.are_counts() {
        return None;
    }
    let certainty = (scheme.fit)(&codes)?;
    let product = scheme.product;
    let reason = match certainty {
        Certainty::Named => format!("The file's band names are those of {product}."),
        _ => format!("The file's band names look like those of {product}, but other products use some of them too."),
    };
    let common = codes.0.iter().map(|code| name_in(scheme, (*code)?).map(str::to_owned));
    Some(Reading {
        common: common.collect(),
        certainty,
        reason,
    })
}

fn name_in(scheme: &Scheme, code: &str) -> Option<&'static str> {
    let code = code.trim_start_matches('0');
    let mut bands = scheme.bands.split(' ').filter_map(|band| band.split_once(':'));
    bands.find(|(known, _)| *known == code).map(|(_, name)| name)
}

/// The band's code in a name such as `b03`, `band 3`, `sr_b3` or `t31ucs_20200101_b8a_10m`.
fn code_of<'a>(name: &'a str, scheme: &Scheme) -> Option<&'a str> {
    let part_code = |part: &'a str| {
        scheme.prefixes.iter().find_map(|prefix| {
            let code = part.strip_prefix(prefix)?.trim_start_matches([' ', '_', '-']);
            let digits = code.trim_end_matches('a');
            let is_code = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_code.then_some(code)
        })
    };
    let from_prefix = |prefix: &&str| part_code(name.get(name.find(prefix)?..)?);
    part_code(name)
        .or_else(|| name.split(['_', ' ', '-', '.', ',', '(', ')', ':']).find_map(part_code))
        .or_else(|| {
            scheme
                .prefixes
                .iter()
                .filter(|prefix| prefix.contains('_'))
                .find_map(from_prefix)
        })
}

/// Names of one letter.
const LETTERS: &[(&str, &str)] = &[("r", "red"), ("g", "green"), ("b", "blue"), ("n", "nir")];

/// The common name that a band's description, in lower case, spells out in words.
fn word_of(lower: &str) -> Option<String> {
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
    // This is PlanetScope's first, narrower green.
    if has("green") && has("i") {
        return Some("green1".to_owned());
    }
    let mut own = words.iter().filter(|word| **word != "band");
    if let (Some(letter), None) = (own.next(), own.next())
        && let Some((_, color)) = LETTERS.iter().find(|(known, _)| known == letter)
    {
        return Some((*color).to_owned());
    }
    let plain = words
        .iter()
        .find(|word| ["coastal", "blue", "green", "red", "yellow"].contains(word));
    // Other models name their bands as they like, so a name that is one word stands for itself.
    plain
        .map(|word| (*word).to_owned())
        .or_else(|| (words.len() == 1).then(|| lower.to_owned()))
}
