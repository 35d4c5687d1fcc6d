//! Makes a scene's values like those of the population that a model was trained on, if they differ for a known reason.

use raremap_model::Card;
use raremap_tiff::Samples;
use serde::Serialize;

use crate::fit::statistics::{
    PreviewStatistics, StoredUnits, Warning, all_statistics, is_far, trained_bands, units_of,
};

/// How values may be matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatchMode {
    /// By a factor between common units, if one explains the difference; an 8-bit picture by a factor of its own.
    Units,
    /// Each band by its own median and middle two thirds.
    Percentiles,
    /// By units if that explains the difference, otherwise not at all.
    Auto,
}

/// A change of each band: `scale * value + offset`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Matching {
    /// `units` or `percentiles`.
    pub method: &'static str,
    /// Whether the values are those of a picture whose stretch is unknown, rather than reflectances in another unit.
    pub is_picture: bool,
    /// Scale and offset of each of the card's scene bands, in its order.
    pub bands: Vec<[f32; 2]>,
    /// One or two sentences for people.
    pub message: String,
}

/// What one unit is in another: reflectance from 0 to 1, in percent, times 10,000.
const UNITS: [(f64, &str); 4] = [
    (1e4, "0 to 1"),
    (1e2, "percent"),
    (1e-2, "a hundred times those of training"),
    (1e-4, "ten thousand times those of training"),
];

/// The size of one of the 255 steps of an 8-bit picture in the units of the training data: white is the brightest band's mean and one deviation,
/// of `bands` given as mean and deviation.
pub fn eight_bit_step(bands: impl Iterator<Item = (f32, f32)>) -> f32 {
    bands.map(|(mean, std)| mean + std).fold(0.0, f32::max) / 255.0
}

/// Finds how to change a scene's values, from a preview whose bands are in the card's order. `None` if they need not change, or if nothing
/// explains why they are as they are.
pub fn match_statistics(samples: &Samples, card: &Card, mode: MatchMode) -> Option<Matching> {
    let scene = all_statistics(samples)?;
    let bands = trained_bands(card);
    if bands.len() != scene.len() {
        return None;
    }
    let is_any_far = scene.iter().zip(&bands).any(|(scene, band)| is_far(scene, band));
    let is_display = units_of(&scene, &bands) == StoredUnits::EightBit
        && samples
            .values
            .iter()
            .all(|value| value.fract() == 0.0 || value.is_nan());
    match mode {
        MatchMode::Percentiles => by_percentiles(samples, card),
        MatchMode::Units | MatchMode::Auto if is_any_far && is_display => Some(of_eight_bits(card)),
        MatchMode::Units | MatchMode::Auto if is_any_far => by_units(&scene, card),
        MatchMode::Units | MatchMode::Auto => None,
    }
}

/// Why values stay as they are although they were to be matched, when [`match_statistics`] returns nothing. `None` if they need not be
/// matched, or if there is nothing to compare.
pub(crate) fn not_matched(samples: &Samples, card: &Card, mode: MatchMode) -> Option<Warning> {
    let scene = all_statistics(samples)?;
    let is_any_far = || {
        scene
            .iter()
            .zip(trained_bands(card))
            .any(|(scene, band)| is_far(scene, band))
    };
    let reason = match mode {
        MatchMode::Percentiles => "a band has the same value in the middle two thirds of its pixels",
        MatchMode::Units if is_any_far() => "no factor between common units makes all bands like those of training",
        MatchMode::Auto if is_any_far() => {
            "no factor between common units makes all bands like those of training, and the values are not whole numbers up to 255"
        }
        MatchMode::Units | MatchMode::Auto => return None,
    };
    Some(Warning {
        code: "not_matched",
        message: format!("The values were not matched and are used as they are: {reason}."),
    })
}

/// The factor that makes all bands near, if there is one.
fn by_units(scene: &[PreviewStatistics], card: &Card) -> Option<Matching> {
    let bands = trained_bands(card);
    let scaled = |band: &PreviewStatistics, factor: f64| PreviewStatistics {
        mean: band.mean * factor,
        std: band.std * factor,
        min: band.min * factor,
        max: band.max * factor,
    };
    let pairs = || scene.iter().zip(&bands);
    let distance = |factor: f64| -> f64 {
        let of = |(scene, band): (&PreviewStatistics, &&raremap_model::Band)| {
            let scene = scaled(scene, factor);
            let off = (scene.mean - f64::from(band.mean)).abs() / f64::from(band.std);
            off + (scene.std / f64::from(band.std)).ln().abs()
        };
        pairs().map(of).sum()
    };
    let explains = |factor: f64| pairs().all(|(scene, band)| !is_far(&scaled(scene, factor), band));
    let found = UNITS.iter().filter(|(factor, _)| explains(*factor));
    let (factor, unit) = found.min_by(|(one, _), (other, _)| distance(*one).total_cmp(&distance(*other)))?;
    Some(Matching {
        method: "units",
        is_picture: false,
        bands: vec![[*factor as f32, 0.0]; bands.len()],
        message: format!(
            "The values are assumed to be {unit}, and are multiplied by {factor} to be like those that the model was trained on ({}).",
            card.value_scaling
        ),
    })
}

/// Scales all bands of an 8-bit picture by one factor, which keeps their differences. How each band was stretched is not known, and
/// percentiles would treat a scene of water as if it were as mixed as the training data.
fn of_eight_bits(card: &Card) -> Matching {
    let bands = trained_bands(card);
    let step = eight_bit_step(bands.iter().map(|band| (band.mean, band.std)));
    Matching {
        method: "units",
        is_picture: true,
        bands: vec![[step, 0.0]; bands.len()],
        message: format!(
            "The values look like those of an 8-bit picture, and are multiplied by {step:.2} to be as large as those that the model was \
             trained on ({}).",
            card.value_scaling
        ),
    }
}

/// The median becomes the mean of training, and half of the middle 68 % becomes its deviation.
fn by_percentiles(samples: &Samples, card: &Card) -> Option<Matching> {
    let planes = samples.values.chunks_exact(samples.valid.len().max(1));
    let bands = planes.zip(trained_bands(card)).map(|(plane, band)| {
        let valid = plane.iter().zip(&samples.valid).filter(|(_, valid)| **valid);
        let mut values: Vec<f32> = valid.map(|(value, _)| *value).collect();
        values.sort_unstable_by(f32::total_cmp);
        let at = |share: f64| {
            values
                .get(((values.len().max(1) - 1) as f64 * share).round() as usize)
                .copied()
        };
        let (low, median, high) = (at(0.16)?, at(0.5)?, at(0.84)?);
        let scale = band.std / (0.5 * (high - low));
        let offset = band.mean - scale * median;
        (scale.is_finite() && offset.is_finite()).then_some([scale, offset])
    });
    Some(Matching {
        method: "percentiles",
        is_picture: true,
        bands: bands.collect::<Option<_>>()?,
        message: "Each band is stretched so that its median and its middle two thirds match the training data. This assumes that the \
                  scene is as mixed as the training data, and the result is no better than that assumption."
            .to_owned(),
    })
}

impl Matching {
    /// Changes samples whose first bands are the card's scene bands, in its order.
    pub fn apply(&self, samples: &mut Samples) {
        let pixels = samples.valid.len().max(1);
        for (plane, [scale, offset]) in samples.values.chunks_exact_mut(pixels).zip(&self.bands) {
            plane.iter_mut().for_each(|value| *value = *value * scale + offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::statistics::compare_statistics;
    use crate::fit::statistics::tests::card;

    /// Values like those of training, times a factor and plus an offset.
    fn scene(change: impl Fn(usize, f32) -> f32) -> Samples {
        let spread = [-1.4f32, -0.9, -0.6, -0.3, 0.0, 0.2, 0.4, 0.7, 1.0, 1.6];
        let like = [(700.0, 300.0), (650.0, 400.0), (2600.0, 900.0)];
        let values = like.iter().enumerate().flat_map(|(band, (mean, std))| {
            let change = &change;
            spread.iter().map(move |z| change(band, mean + std * z))
        });
        Samples {
            bands: 3,
            height: 1,
            width: 10,
            values: values.collect(),
            valid: vec![true; 10],
        }
    }

    #[test]
    fn units_are_recognized_and_undone() {
        for (factor, expected) in [(1e-4f32, 1e4f32), (1e-2, 1e2), (1e4, 1e-4)] {
            let mut samples = scene(|_, value| value * factor);
            for mode in [MatchMode::Units, MatchMode::Auto] {
                let found = match_statistics(&samples, &card(), mode).expect("units");
                assert_eq!(
                    (found.method, found.bands.as_slice(), found.is_picture),
                    ("units", [[expected, 0.0]; 3].as_slice(), false)
                );
            }
            let found = match_statistics(&samples, &card(), MatchMode::Units).expect("units");
            found.apply(&mut samples);
            assert_eq!(compare_statistics(&samples, &card()), []);
        }
    }

    #[test]
    fn a_picture_of_8_bits_is_multiplied_as_a_whole() {
        let mut samples = scene(|_, value| (value * 0.05).clamp(0.0, 255.0).round());
        for mode in [MatchMode::Units, MatchMode::Auto] {
            let found = match_statistics(&samples, &card(), mode).expect("8 bits");
            let step = (2600.0 + 900.0) / 255.0;
            assert_eq!(
                (found.method, found.bands.as_slice(), found.is_picture),
                ("units", [[step, 0.0]; 3].as_slice(), true)
            );
        }
        let found = match_statistics(&samples, &card(), MatchMode::Auto).expect("8 bits");
        let index =
            |samples: &Samples| (samples.values[0] - samples.values[20]) / (samples.values[0] + samples.values[20]);
        let before = index(&samples);
        found.apply(&mut samples);
        assert!(
            (index(&samples) - before).abs() < 1e-6,
            "normalized differences are what they were"
        );
        assert_eq!(compare_statistics(&samples, &card()), []);
    }

    #[test]
    fn a_display_stretch_is_matched_by_percentiles() {
        let stretch = |band: usize, value: f32| (value * [0.09, 0.08, 0.04][band] + 20.0).clamp(0.0, 255.0).round();
        let mut samples = scene(stretch);
        assert_eq!(compare_statistics(&samples, &card())[0].code, "values_8_bit");
        let found = match_statistics(&samples, &card(), MatchMode::Percentiles).expect("a stretch");
        assert_eq!((found.method, found.is_picture), ("percentiles", true));
        found.apply(&mut samples);
        assert_eq!(compare_statistics(&samples, &card()), []);
        let median = samples.values[..10][4];
        assert!((median - 700.0).abs() < 60.0, "{median}");
    }

    #[test]
    fn values_that_fit_or_that_nothing_explains_stay() {
        assert_eq!(
            match_statistics(&scene(|_, value| value), &card(), MatchMode::Auto),
            None
        );
        assert_eq!(
            match_statistics(&scene(|_, value| value), &card(), MatchMode::Units),
            None
        );
        assert_eq!(
            match_statistics(&scene(|_, value| value + 30_000.0), &card(), MatchMode::Auto),
            None
        );
        let reason = |samples: &Samples, mode| not_matched(samples, &card(), mode).map(|warning| warning.code);
        assert_eq!(reason(&scene(|_, value| value), MatchMode::Auto), None);
        assert_eq!(
            reason(&scene(|_, value| value + 30_000.0), MatchMode::Auto),
            Some("not_matched")
        );
        assert_eq!(reason(&scene(|_, _| 7.0), MatchMode::Percentiles), Some("not_matched"));
        let flat = scene(|_, _| 7.0);
        assert_eq!(match_statistics(&flat, &card(), MatchMode::Percentiles), None);
        let mut empty = scene(|_, value| value);
        empty.valid.fill(false);
        assert_eq!(match_statistics(&empty, &card(), MatchMode::Percentiles), None);
    }
}
