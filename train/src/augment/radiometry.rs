//! Changes a crop's values: brightness, colour, haze, contrast, dropped bands.

use rand::Rng;
use rand::rngs::StdRng;
use raremap_model::{BandSource, Card};

use super::random::{happens, symmetric};
use super::section::{AugmentSection, OptionalBandsSection};

/// Mean and standard deviation of the scene's own bands over the training split, in scene units.
#[derive(Debug, Clone, PartialEq)]
pub struct BandStatistics {
    /// Per scene band.
    pub mean: Vec<f32>,
    /// Per scene band.
    pub std: Vec<f32>,
    /// Per scene band, in micrometres; `None` if the band has no common name.
    pub wavelength_um: Vec<Option<f32>>,
    /// Per scene band: whether scenes may lack it.
    pub optional: Vec<bool>,
}

/// Centre wavelengths of the bands of Sentinel-2 and Landsat by their common names, in micrometres.
const WAVELENGTHS_UM: [(&str, f32); 10] = [
    ("coastal", 0.443),
    ("blue", 0.49),
    ("green", 0.56),
    ("red", 0.66),
    ("rededge1", 0.705),
    ("rededge2", 0.74),
    ("rededge3", 0.783),
    ("nir", 0.84),
    ("swir1", 1.61),
    ("swir2", 2.2),
];
/// Wavelength that the path radiance of the recipe refers to.
const STATED_AT_UM: f32 = 0.56;

impl BandStatistics {
    /// Statistics of the bands that `card`'s model reads from the scene; derived bands are computed from those after augmentation.
    pub fn of(card: &Card) -> Self {
        let scene = || card.bands.iter().filter(|band| band.source == BandSource::Scene);
        Self {
            mean: scene().map(|band| band.mean).collect(),
            std: scene().map(|band| band.std).collect(),
            wavelength_um: scene()
                .map(|band| WAVELENGTHS_UM.iter().find(|(name, _)| *name == band.name))
                .map(|found| found.map(|(_, wavelength)| *wavelength))
                .collect(),
            optional: scene().map(|band| band.optional).collect(),
        }
    }

    /// One step of 8 bits in scene units: 255 steps are the brightest band's mean plus one deviation, as in
    /// [`raremap_infer::match_statistics`].
    pub fn eight_bit_step(&self) -> f32 {
        raremap_infer::eight_bit_step(self.mean.iter().copied().zip(self.std.iter().copied()))
    }
}

/// What happens to a band's values: `value * gain + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Radiometry {
    /// Factor.
    pub gain: f32,
    /// Summand, in scene units.
    pub offset: f32,
}

impl Radiometry {
    /// A band that the scene does not have. Its values are no numbers, which the normalizer turns into the mean, as it does for
    /// [`BandSource::Missing`].
    const MISSING: Self = Self {
        gain: 0.0,
        offset: f32::NAN,
    };
}

/// Draws the change of each band: brightness and haze first, as the sensor sees them, then contrast about the band's mean, then the loss of
/// bands. Together they are one multiplication and one addition.
pub fn draw(augment: &AugmentSection, statistics: &BandStatistics, rng: &mut StdRng) -> Vec<Radiometry> {
    let brightness = symmetric(rng, augment.gain);
    let bands = || statistics.mean.iter().zip(&statistics.std);
    let mut drawn: Vec<Radiometry> = bands()
        .map(|(_, std)| Radiometry {
            gain: (brightness + symmetric(rng, augment.band_gain)).exp(),
            offset: symmetric(rng, augment.band_offset) * std,
        })
        .collect();
    if augment.band_contrast > 0.0 {
        for (band, mean) in drawn.iter_mut().zip(&statistics.mean) {
            let contrast = symmetric(rng, augment.band_contrast).exp();
            band.gain *= contrast;
            band.offset = (band.offset - mean) * contrast + mean;
        }
    }
    if happens(rng, augment.atmosphere.probability) {
        let [least, greatest] = augment.atmosphere.path_radiance;
        let stated = least + rng.random::<f32>() * (greatest - least);
        let exponent = rng.random_range(1.0..=4.0f32);
        for (band, wavelength) in drawn.iter_mut().zip(&statistics.wavelength_um) {
            let wavelength = wavelength.unwrap_or(STATED_AT_UM);
            band.offset += stated * (wavelength / STATED_AT_UM).powf(-exponent);
        }
    }
    if augment.band_dropout > 0.0 && !drawn.is_empty() {
        // This is drawn before the bands, so that each band is kept as often as the others.
        let kept = rng.random_range(0..drawn.len());
        let bands = drawn.iter_mut().zip(&statistics.mean).zip(&statistics.optional);
        for (index, ((band, mean), is_optional)) in bands.enumerate() {
            if happens(rng, augment.band_dropout) && index != kept {
                *band = match is_optional {
                    true => Radiometry::MISSING,
                    false => Radiometry {
                        gain: 0.0,
                        offset: *mean,
                    },
                };
            }
        }
    }
    if statistics.optional.contains(&true) {
        lose_optional(&mut drawn, &augment.optional_bands, statistics, rng);
    }
    drawn
}

fn lose_optional(
    drawn: &mut [Radiometry],
    section: &OptionalBandsSection,
    statistics: &BandStatistics,
    rng: &mut StdRng,
) {
    let has_none = happens(rng, section.none);
    let optional = drawn
        .iter_mut()
        .zip(&statistics.optional)
        .filter(|(_, optional)| **optional);
    for (band, _) in optional {
        // Drawn for each band in any case, so that one seed gives the same crops whatever the first draw says.
        let is_missing = happens(rng, section.each_missing);
        if has_none || is_missing {
            *band = Radiometry::MISSING;
        }
    }
}

/// Turns what [`draw`] drew into a picture of 8 bits: brightness and colour change once more, after the air. The caller then cuts values
/// off at 255 steps and rounds them to steps.
pub fn stretch(drawn: &mut [Radiometry], augment: &AugmentSection, rng: &mut StdRng) {
    let brightness = symmetric(rng, augment.eight_bit.gain);
    for band in drawn.iter_mut().filter(|band| band.gain != 0.0) {
        let gain = (brightness + symmetric(rng, augment.eight_bit.band_gain)).exp();
        band.gain *= gain;
        band.offset *= gain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::section::{AtmosphereSection, EightBitSection};
    use rand::SeedableRng;

    fn statistics() -> BandStatistics {
        BandStatistics {
            mean: vec![100.0, 200.0, 300.0],
            std: vec![10.0, 20.0, 30.0],
            wavelength_um: vec![Some(0.56), Some(0.66), Some(0.84)],
            optional: vec![false; 3],
        }
    }

    fn draws(augment: &AugmentSection) -> Vec<Vec<Radiometry>> {
        let rng = &mut StdRng::seed_from_u64(1);
        (0..2000).map(|_| draw(augment, &statistics(), rng)).collect()
    }

    #[test]
    fn contrast_leaves_a_bands_mean_where_it_is() {
        let augment = AugmentSection {
            band_contrast: 0.5,
            ..AugmentSection::default()
        };
        let (mut least, mut most) = (f32::MAX, f32::MIN);
        for drawn in draws(&augment) {
            for (band, mean) in drawn.iter().zip(&statistics().mean) {
                assert!((mean * band.gain + band.offset - mean).abs() < 1e-3);
                least = least.min(band.gain);
                most = most.max(band.gain);
            }
            assert_ne!(drawn[0].gain, drawn[1].gain, "each band has its own");
        }
        assert!(
            (least.ln() + 0.5).abs() < 0.01 && (most.ln() - 0.5).abs() < 0.01,
            "{least} to {most}"
        );
    }

    #[test]
    fn a_lost_band_is_its_mean_and_one_band_is_always_kept() {
        for (probability, expected) in [(0.3f32, 0.2), (1.0, 2.0 / 3.0)] {
            let augment = AugmentSection {
                band_dropout: probability,
                ..AugmentSection::default()
            };
            let mut lost = [0; 3];
            for drawn in draws(&augment) {
                for ((band, mean), lost) in drawn.iter().zip(&statistics().mean).zip(&mut lost) {
                    if band.gain == 0.0 {
                        assert_eq!(band.offset, *mean);
                        *lost += 1;
                    }
                }
                assert!(drawn.iter().any(|band| band.gain == 1.0 && band.offset == 0.0));
            }
            for lost in lost {
                let share = f64::from(lost) / 2000.0;
                assert!((share - expected).abs() < 0.04, "{share} at {probability}");
            }
        }
    }

    #[test]
    fn an_optional_band_that_is_dropped_is_missing() {
        let augment = AugmentSection {
            band_dropout: 0.5,
            ..AugmentSection::default()
        };
        let statistics = BandStatistics {
            optional: vec![false, false, true],
            ..statistics()
        };
        let rng = &mut StdRng::seed_from_u64(3);
        let mut lost = 0;
        for _ in 0..100 {
            let drawn = draw(&augment, &statistics, rng);
            let [first, .., optional] = &drawn[..] else {
                panic!("three bands");
            };
            assert!(first.offset.is_finite());
            assert_eq!(optional.gain == 0.0, optional.offset.is_nan());
            lost += usize::from(optional.gain == 0.0);
        }
        assert!((20..60).contains(&lost), "{lost} of 100");
    }

    #[test]
    fn optional_bands_are_lost_together_or_each_on_its_own_and_others_never() {
        let augment = AugmentSection {
            optional_bands: OptionalBandsSection {
                none: 0.4,
                each_missing: 0.25,
            },
            ..AugmentSection::default()
        };
        let statistics = BandStatistics {
            optional: vec![false, true, true],
            ..statistics()
        };
        let rng = &mut StdRng::seed_from_u64(2);
        let mut lost = [0; 4];
        for _ in 0..4000 {
            let drawn = draw(&augment, &statistics, rng);
            let missing = [0, 1, 2].map(|band| drawn[band].offset.is_nan());
            assert!(!missing[0]);
            lost[usize::from(missing[1]) + 2 * usize::from(missing[2])] += 1;
        }
        let both = 0.4 + 0.6 * 0.25 * 0.25;
        for (count, expected) in lost
            .into_iter()
            .zip([0.6 * 0.75 * 0.75, 0.6 * 0.25 * 0.75, 0.6 * 0.25 * 0.75, both])
        {
            let share = f64::from(count) / 4000.0;
            assert!((share - expected).abs() < 0.03, "{share} instead of {expected}");
        }
    }

    #[test]
    fn nothing_set_changes_nothing_and_draws_nothing() {
        let rng = &mut StdRng::seed_from_u64(7);
        let drawn = draw(&AugmentSection::default(), &statistics(), rng);
        assert!(drawn.iter().all(|band| *band == Radiometry { gain: 1.0, offset: 0.0 }));
        assert_eq!(rng.random::<u64>(), StdRng::seed_from_u64(7).random::<u64>());
    }

    #[test]
    fn the_air_adds_most_to_the_shortest_wavelengths() {
        let augment = AugmentSection {
            atmosphere: AtmosphereSection {
                probability: 0.5,
                path_radiance: [100.0, 900.0],
            },
            ..AugmentSection::default()
        };
        let drawn = draws(&augment);
        let (hazy, clear): (Vec<_>, Vec<_>) = drawn.iter().partition(|bands| bands[0].offset != 0.0);
        assert!((900..1100).contains(&hazy.len()), "{} of 2000", hazy.len());
        assert!(clear.iter().all(|bands| bands.iter().all(|band| band.offset == 0.0)));
        for bands in hazy {
            let [green, red, nir] = [0, 1, 2].map(|band| bands[band].offset);
            assert!((100.0..=900.0).contains(&green), "{green}");
            // A ratio of wavelengths to a power of 1 to 4.
            let power = (green / nir).ln() / (0.84f32 / 0.56).ln();
            assert!((0.99..=4.01).contains(&power), "{power}");
            assert!(((green / red).ln() / (0.66f32 / 0.56).ln() - power).abs() < 0.01);
        }
    }

    #[test]
    fn a_picture_is_stretched_after_the_air() {
        let augment = AugmentSection {
            eight_bit: EightBitSection {
                probability: 1.0,
                gain: 0.5,
                band_gain: 0.3,
            },
            ..AugmentSection::default()
        };
        let rng = &mut StdRng::seed_from_u64(4);
        let mut bands = [Radiometry {
            gain: 2.0,
            offset: 30.0,
        }; 3];
        stretch(&mut bands, &augment, rng);
        for band in bands {
            assert!((band.offset / band.gain - 15.0).abs() < 1e-4, "the same line, steeper");
            assert!((band.gain / 2.0).ln().abs() <= 0.8);
        }
        assert_ne!(bands[0].gain, bands[1].gain);
    }

    #[test]
    fn haze_is_in_units_of_the_bands_deviation() {
        let augment = AugmentSection {
            band_offset: 0.5,
            ..AugmentSection::default()
        };
        let mut most = [0.0f32; 3];
        for drawn in draws(&augment) {
            for (band, most) in drawn.iter().zip(&mut most) {
                *most = most.max(band.offset.abs());
            }
        }
        for (most, limit) in most.into_iter().zip([5.0, 10.0, 15.0]) {
            assert!(most <= limit && most > 0.97 * limit, "{most} of {limit}");
        }
    }
}
