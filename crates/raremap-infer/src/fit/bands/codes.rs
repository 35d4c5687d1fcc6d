//! Reads the codes in bands' names, such as `B08`, by the sensors that have such codes.

use raremap_scene::{Padding, SENSORS, Sensor};

/// Spellings that many sensors share.
const SHARED: &[&str] = &["b", "band", "bd"];
/// Sensors that numbers alone may point to. Other sensors have to be named, or all of their bands have to be there.
const USUAL: usize = 4;
/// Bands of another resolution, or that are not reflectances: they come with all of their sensor's bands or not at all.
const APART: &[&str] = &["pan", "thermal", "cirrus"];

/// Bands, read by the codes of one sensor.
#[derive(Debug, Clone)]
pub(super) struct Coded {
    pub(super) sensor: &'static Sensor,
    /// The common name of each band that has a code.
    pub(super) common: Vec<Option<String>>,
    /// Whether these are all bands that the sensor's products are delivered with.
    pub(super) is_whole: bool,
    /// Whether file names or metadata name the sensor.
    pub(super) is_named: bool,
    /// Whether the codes may be numbers that a writer filled in, from 0 or 1 on.
    pub(super) is_count: bool,
}

/// A word with digits: the text before them, and the code.
type Code = (String, String);

/// The parts of a name, in lower case, that could be a code: `b` and `03` of `t31ucs_20200101_b03_10m`, `srb` and `4` of `sr_b4`.
fn candidates(lowercase: &str) -> Vec<Code> {
    let words: Vec<&str> = lowercase
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mut found = Vec::new();
    for end in 0..words.len() {
        let letters = |word: &&&str| word.bytes().all(|byte| byte.is_ascii_alphabetic());
        let before = words[..end].iter().rev().take(3).take_while(letters).count();
        for start in end - before..=end {
            found.extend(split_code(&words[start..=end].concat()));
        }
    }
    found
}

fn split_code(word: &str) -> Option<Code> {
    let digits = word.find(|c: char| c.is_ascii_digit()).filter(|at| *at > 0)?;
    let (spelling, code) = word.split_at_checked(digits)?;
    let number = code.trim_end_matches(['a', 'b', 'n']);
    let is_code = (1..=3).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && code.len() <= number.len() + 1;
    is_code.then(|| (spelling.to_owned(), code.to_owned()))
}

/// Whether the codes only count the bands, from 0 or 1, as some writers do by default: that says nothing about the sensor.
fn are_counts(codes: &[Option<&Code>]) -> bool {
    let count_from = |first: usize| {
        let is_count = |(index, code): (usize, &Option<&Code>)| {
            let of = |(spelling, code): &Code| SHARED.contains(&spelling.as_str()) && code.parse() == Ok(index + first);
            code.is_some_and(of)
        };
        codes.iter().enumerate().all(is_count)
    };
    count_from(0) || count_from(1)
}

/// The sensors that all coded names fit, in the order of the table. `described` are the texts that may name the sensor, the most specific
/// first; `told` is what words already say about the bands.
pub(super) fn read_codes(lowercase: &[String], described: &[String], told: &[Option<String>]) -> Vec<Coded> {
    let found: Vec<Vec<Code>> = lowercase.iter().map(|name| candidates(name)).collect();
    let counted: Vec<Option<&Code>> = found
        .iter()
        .map(|codes| codes.iter().find(|(spelling, _)| SHARED.contains(&spelling.as_str())))
        .collect();
    let counts = are_counts(&counted);
    let named = named_sensors(described);
    let mut read = Vec::new();
    for sensor in SENSORS {
        let is_named = named.iter().any(|found| **found == *sensor);
        let Some((spellings, codes)) = fitting(sensor, &found) else {
            continue;
        };
        let is_shared = spellings.iter().any(|spelling| SHARED.contains(spelling));
        let present: Vec<&str> = codes.iter().flatten().copied().collect();
        let is_whole = sensor.has_set(&present);
        let common: Vec<Option<String>> = codes
            .iter()
            .map(|code| code.and_then(|code| sensor.common(code)).map(str::to_owned))
            .collect();
        let is_apart = |common: &Option<String>| common.as_deref().is_some_and(|name| APART.contains(&name));
        // The numbers only count, or they mix bands that are not delivered together.
        if is_shared && counts && !is_named {
            continue;
        }
        if !is_whole && common.iter().any(is_apart) && !is_named {
            continue;
        }
        let is_reflectance = spellings
            .iter()
            .any(|spelling| spelling.starts_with("sr") || spelling.starts_with("toa"));
        if is_reflectance && common.iter().any(is_apart) && !is_whole {
            continue;
        }
        let contradicts = |(told, coded): (&Option<String>, &Option<String>)| match (told, coded) {
            (Some(told), Some(coded)) => !is_like(told, coded),
            _ => false,
        };
        if told.iter().zip(&common).any(contradicts) {
            continue;
        }
        read.push(Coded {
            sensor,
            common,
            is_whole,
            is_named,
            is_count: is_shared && counts,
        });
    }
    // If a common sensor fits too, a rare one only counts when all of its bands are there.
    let has_usual = read
        .iter()
        .any(|coded| SENSORS.iter().take(USUAL).any(|usual| *usual == *coded.sensor));
    if has_usual {
        let is_usual = |coded: &Coded| SENSORS.iter().take(USUAL).any(|usual| *usual == *coded.sensor);
        read.retain(|coded| is_usual(coded) || coded.is_named || coded.is_whole);
    }
    // A sensor that files or metadata name takes precedence over those that numbers alone point to.
    if read.iter().any(|coded| coded.is_named) {
        read.retain(|coded| coded.is_named);
    }
    read
}

/// Whether a word and a code can describe the same band: both are near infrared, or both are a red edge.
fn is_like(told: &str, coded: &str) -> bool {
    let family = |name: &str| {
        let name = name.split(' ').next().unwrap_or_default();
        name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()
    };
    family(told) == family(coded) || (told == "nir09" && coded == "nir08")
}

/// The code of each band in a sensor's spelling; `None` if the sensor does not know the code of some name, or if no name has a code.
fn fitting<'a>(sensor: &Sensor, found: &'a [Vec<Code>]) -> Option<(Vec<&'a str>, Vec<Option<&'a str>>)> {
    let mut spellings = Vec::new();
    let mut codes = Vec::with_capacity(found.len());
    for candidates in found {
        let of_sensor = |(spelling, code): &&Code| {
            let is_padded = code.len() > 1 && code.starts_with('0');
            sensor.spellings.contains(&spelling.as_str())
                && sensor.common(code).is_some()
                && (sensor.padding == Padding::Either || !is_padded)
        };
        let known_spelling = |(spelling, _): &Code| {
            SENSORS
                .iter()
                .any(|sensor| sensor.spellings.contains(&spelling.as_str()))
        };
        // The longest spelling comes first: `srb` before `b`.
        match candidates.iter().find(of_sensor) {
            Some((spelling, code)) => {
                let longer = candidates
                    .iter()
                    .take_while(|found| found.1 != *code || found.0 != *spelling);
                if longer
                    .into_iter()
                    .any(|found| found.1 == *code && known_spelling(found))
                {
                    return None;
                }
                spellings.push(spelling.as_str());
                codes.push(Some(code.as_str()));
            }
            None if candidates.iter().any(known_spelling) => return None,
            None => codes.push(None),
        }
    }
    (!spellings.is_empty()).then_some((spellings, codes))
}

/// The sensors that the most specific text names, among the texts that name any.
pub(super) fn named_sensors(described: &[String]) -> Vec<&'static Sensor> {
    let of =
        |text: &String| -> Vec<&'static Sensor> { SENSORS.iter().filter(|sensor| sensor.is_named_in(text)).collect() };
    described
        .iter()
        .map(of)
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}
