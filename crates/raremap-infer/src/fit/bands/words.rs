//! Reads the name of one band: the words in it, or its wavelength.

/// Words in band names, with the common name of each. If a name contains several, the first in this list counts.
const WORDS: &[(&[&str], &str)] = &[
    (&["pan", "panchromatic"], "pan"),
    (&["cirrus"], "cirrus"),
    (
        &[
            "thermal",
            "tir",
            "tirs",
            "lwir",
            "lwir11",
            "lwir12",
            "lst",
            "temperature",
        ],
        "thermal",
    ),
    (
        &[
            "qa",
            "quality",
            "alpha",
            "opacity",
            "scl",
            "mask",
            "cloud",
            "clouds",
            "cloudmask",
            "cld",
            "fmask",
            "saturation",
        ],
        "quality",
    ),
    (
        &["ndvi", "ndwi", "mndwi", "evi", "savi", "nbr", "ndbi", "ndmi", "ndsi"],
        "index",
    ),
    (
        &["dem", "dsm", "dtm", "elevation", "slope", "aspect", "hillshade"],
        "elevation",
    ),
    (&["vv", "vh", "hh", "hv"], "radar"),
    (&["nir09"], "nir09"),
    (&["nir08", "nir2", "n2", "narrow"], "nir08"),
    (&["nir", "nir1", "pir", "n1"], "nir"),
    (&["swir2", "swir22"], "swir2"),
    (&["swir1", "swir16", "mir"], "swir1"),
    (&["coastal", "aerosol", "violet"], "coastal"),
    (&["green05"], "green1"),
    (&["green", "vert", "verde", "gruen", "gr\u{fc}n"], "green"),
    (&["yellow"], "yellow"),
    (&["blue", "bleu", "blau", "azul"], "blue"),
    (&["red", "rouge", "rojo", "roja", "vermelho"], "red"),
];

/// Names of one or two letters.
const LETTERS: &[(&str, &str)] = &[
    ("r", "red"),
    ("g", "green"),
    ("b", "blue"),
    ("n", "nir"),
    ("c", "coastal"),
    ("y", "yellow"),
    ("re", "rededge1"),
];

/// The common name that a band's name, in lower case, spells out in words.
pub(super) fn word_of(lowercase: &str) -> Option<String> {
    let words: Vec<&str> = lowercase
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let has = |wanted: &str| words.contains(&wanted);
    let infrared = lowercase.contains("infrared") || lowercase.contains("infra-red");
    if lowercase.contains("rededge") || has("edge") {
        return Some("rededge1".to_owned());
    }
    if (has("water") && has("vapour")) || (has("water") && has("vapor")) {
        return Some("nir09".to_owned());
    }
    let is_swir = words.iter().any(|word| word.starts_with("swir"));
    if is_swir || (infrared && (has("short") || has("shortwave"))) {
        let second = has("swir2") || has("swir22") || has("2");
        return Some(if second && !has("swir1") { "swir2" } else { "swir1" }.to_owned());
    }
    if infrared && (has("thermal") || has("long") || has("longwave")) {
        return Some("thermal".to_owned());
    }
    if infrared && has("narrow") {
        return Some("nir08".to_owned());
    }
    if infrared && (has("near") || lowercase.contains("near-infra") || has("nearinfrared")) {
        return Some("nir".to_owned());
    }
    // This is the first, narrower green band of PlanetScope.
    if has("green") && has("i") {
        return Some("green1".to_owned());
    }
    let known = WORDS
        .iter()
        .find(|(spellings, _)| words.iter().any(|word| spellings.contains(word)));
    known.map(|(_, common)| (*common).to_owned())
}

/// What names of one letter, such as `B`, `G`, `R` and `N`, mean: nothing unless red and green are among them.
pub(super) fn by_letters(lowercase: &[String]) -> Vec<Option<String>> {
    let letter = |name: &String| {
        let mut own = name
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !["", "band"].contains(word));
        let (word, None) = (own.next()?, own.next()) else {
            return None;
        };
        LETTERS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, color)| (*color).to_owned())
    };
    let found: Vec<Option<String>> = lowercase.iter().map(letter).collect();
    let has = |color: &str| found.iter().any(|found| found.as_deref() == Some(color));
    if has("red") && has("green") {
        found
    } else {
        vec![None; lowercase.len()]
    }
}

/// Ranges of wavelengths in nanometres, with the common name and the centre: of several bands in a range, the one nearest to the centre
/// gets the name.
const RANGES: &[(f64, f64, &str, f64)] = &[
    (400.0, 450.0, "coastal", 443.0),
    (450.0, 515.0, "blue", 485.0),
    (515.0, 595.0, "green", 560.0),
    (595.0, 615.0, "yellow", 605.0),
    (615.0, 690.0, "red", 660.0),
    (690.0, 770.0, "rededge1", 730.0),
    (770.0, 900.0, "nir", 840.0),
    (900.0, 1000.0, "nir09", 945.0),
    (1340.0, 1410.0, "cirrus", 1375.0),
    (1500.0, 1800.0, "swir1", 1610.0),
    (2000.0, 2400.0, "swir2", 2200.0),
    (3000.0, 15000.0, "thermal", 11000.0),
];

/// The common names of bands by their wavelengths; of several bands of one colour, the one nearest to its centre gets the name.
pub(super) fn by_wavelength(wavelengths_nm: &[Option<f64>]) -> Vec<Option<String>> {
    let range = |nm: f64| RANGES.iter().find(|(low, high, ..)| (*low..*high).contains(&nm));
    let distance = |nm: f64, middle: f64| (nm - middle).abs();
    let is_nearest = |nm: f64, common: &str, middle: f64| {
        let others = wavelengths_nm
            .iter()
            .flatten()
            .filter(|other| range(**other).is_some_and(|found| found.2 == common));
        others
            .into_iter()
            .all(|other| distance(nm, middle) <= distance(*other, middle))
    };
    let name = |nm: &Option<f64>| {
        let (_, _, common, middle) = range((*nm)?)?;
        let suffix = if is_nearest((*nm)?, common, *middle) {
            ""
        } else {
            " beside"
        };
        Some(format!("{common}{suffix}"))
    };
    wavelengths_nm.iter().map(name).collect()
}

/// The wavelength in nanometres that a name contains, such as `842 nm`, `0.842 \u{b5}m`, `842.0 Nanometers`.
pub(super) fn wavelength_in(lowercase: &str) -> Option<f64> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut rest = lowercase;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let from = rest.get(start..)?;
        let end = from.find(|c: char| !is_number(c)).unwrap_or(from.len());
        let (number, after) = from.split_at_checked(end)?;
        let unit = after.trim_start_matches([' ', '_']);
        let factor = if ["nm", "nanomet"].iter().any(|name| unit.starts_with(name)) {
            Some(1.0)
        } else if ["um", "\u{b5}m", "\u{3bc}m", "micromet", "micron"]
            .iter()
            .any(|name| unit.starts_with(name))
        {
            Some(1000.0)
        } else {
            None
        };
        if let (Some(factor), Ok(number)) = (factor, number.trim_end_matches('.').parse::<f64>()) {
            return Some(number * factor);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_wavelengths_tell_a_band() {
        let word = |name: &str| word_of(name).unwrap_or_default();
        for (name, common) in [
            ("near-infrared", "nir"),
            ("nir08", "nir08"),
            ("scene_green", "green"),
            ("red edge 1", "rededge1"),
            ("swir22", "swir2"),
            ("short wave infrared 2", "swir2"),
            ("band_n2", "nir08"),
            ("ndvi", "index"),
            ("tirs", "thermal"),
            ("water vapour", "nir09"),
            ("infrared", ""),
            ("band 4", ""),
            ("texture", ""),
        ] {
            assert_eq!(word(name), common, "{name}");
        }
        for (name, nm) in [
            ("band 4 (0.655000 micrometers)", Some(655.0)),
            ("842 nm", Some(842.0)),
            ("b8a_865nm", Some(865.0)),
            ("band 8", None),
            ("10m", None),
        ] {
            assert_eq!(wavelength_in(name), nm, "{name}");
        }
        let spectrum: Vec<Option<f64>> = (0..60).map(|i| Some(420.0 + 10.0 * f64::from(i))).collect();
        let names = by_wavelength(&spectrum);
        for (common, nm) in [("green", 560.0), ("red", 660.0), ("nir", 840.0)] {
            let found: Vec<usize> = (0..60).filter(|at| names[*at].as_deref() == Some(common)).collect();
            assert_eq!(found, [((nm - 420.0) / 10.0) as usize], "{common}");
        }
    }
}
