//! Turns scene numbers into network input: derived bands, mean and standard deviation.

use raremap_model::{Band, BandSource, Card, SceneTrait};

use crate::error::InferError;
use crate::fit::matching::Matching;

/// Turns the scene's bands into the network's channels, as the card says. Training and inference share it.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalizer {
    channels: Vec<Channel>,
    scene_bands: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Channel {
    source: Source,
    mean: f32,
    std: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    Scene(usize),
    NormalizedDifference(usize, usize),
    /// Of the scene's band, if the scene has it.
    Presence(Option<usize>),
    Trait(SceneTrait),
    Missing,
}

/// What is known about a scene as a whole, for networks that take it as input.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SceneTraits {
    /// Whether its values are those of an 8-bit picture.
    pub is_picture: bool,
    /// Metres per pixel of the grid that the network runs on, if known.
    pub ground_resolution_m: Option<f64>,
}

impl SceneTraits {
    /// The traits of a scene whose values are changed by `matching`. The resolution counts to two digits, so that a map projection's scale, which makes
    /// pixels of 10 m some millimetres larger, changes no map. One outside the range that `card`'s network was trained on becomes the nearest in it: of
    /// others it has learned nothing.
    pub fn of(card: &Card, matching: Option<&Matching>, ground_resolution_m: Option<f64>) -> Self {
        let [finest, coarsest] = card.ground_resolution_range_m();
        Self {
            is_picture: matching.is_some_and(|matching| matching.is_picture),
            ground_resolution_m: ground_resolution_m
                .filter(|metres| metres.is_finite() && *metres > 0.0)
                .map(|metres| to_two_digits(metres).max(finest).min(coarsest)),
        }
    }

    /// The trait as a number, if it is known.
    fn value(&self, scene_trait: SceneTrait) -> Option<f32> {
        match scene_trait {
            SceneTrait::Picture => Some(f32::from(u8::from(self.is_picture))),
            SceneTrait::GroundResolution => self.ground_resolution_m.map(|metres| libm::log2(metres) as f32),
        }
    }
}

/// A positive number, rounded to two significant digits.
fn to_two_digits(value: f64) -> f64 {
    let unit = 10f64.powi(libm::log10(value).floor() as i32 - 1);
    (value / unit).round() * unit
}

impl Normalizer {
    /// # Errors
    /// [`InferError::Malformed`] if a band's statistics are not finite, if its standard deviation is not positive, or if a derived band
    /// names a scene band that does not exist.
    pub fn new(bands: &[Band]) -> Result<Self, InferError> {
        let names = |source: &BandSource| -> Vec<&str> {
            let of = bands.iter().filter(|band| band.source == *source);
            of.map(|band| band.name.as_str()).collect()
        };
        let (scene, missing) = (names(&BandSource::Scene), names(&BandSource::Missing));
        let position = |name: &str, derived: &str| {
            scene.iter().position(|band| *band == name).ok_or_else(|| {
                InferError::Malformed(format!(
                    "its band {derived} is derived from {name}, which is not one of its scene bands"
                ))
            })
        };
        let mut channels = Vec::with_capacity(bands.len());
        let mut next = 0;
        for Band {
            name,
            source,
            mean,
            std,
            ..
        } in bands
        {
            if !(mean.is_finite() && std.is_finite() && *std > 0.0) {
                return Err(InferError::Malformed(format!(
                    "its band {name} has mean {mean} and deviation {std}"
                )));
            }
            let source = match source {
                BandSource::Scene => {
                    next += 1;
                    Source::Scene(next - 1)
                }
                BandSource::NormalizedDifference { first, second } => {
                    Source::NormalizedDifference(position(first, name)?, position(second, name)?)
                }
                BandSource::Presence { band } if missing.contains(&band.as_str()) => Source::Presence(None),
                BandSource::Presence { band } => Source::Presence(Some(position(band, name)?)),
                BandSource::Trait(scene_trait) => Source::Trait(*scene_trait),
                BandSource::Missing => Source::Missing,
            };
            channels.push(Channel {
                source,
                mean: *mean,
                std: *std,
            });
        }
        if next == 0 {
            return Err(InferError::Malformed("it has no scene bands".into()));
        }
        Ok(Self {
            channels,
            scene_bands: next,
        })
    }

    /// Channels of the network's input.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Bands that the scene has to provide.
    pub fn scene_bands(&self) -> usize {
        self.scene_bands
    }

    /// Normalizes a window: `(value - mean) / std`, and 0, the mean, where the pixel is invalid, a band is not finite, or the scene does not
    /// have the band. An unknown trait also becomes 0.
    ///
    /// # Shapes
    /// - `values`: `[scene_bands, h, w]`, in scene units, bands in the card's order
    /// - `valid`: `[h, w]`
    /// - output: `[channels, h, w]`
    ///
    /// # Errors
    /// [`InferError::Misuse`] if the lengths do not agree.
    pub fn normalize(&self, values: &[f32], valid: &[bool], traits: &SceneTraits) -> Result<Vec<f32>, InferError> {
        let pixels = valid.len();
        if values.len() != pixels * self.scene_bands {
            let expected = format!("{} bands of {pixels} pixels", self.scene_bands);
            return Err(InferError::Misuse(format!(
                "{} values were given for {expected}",
                values.len()
            )));
        }
        let bands: Vec<&[f32]> = values.chunks_exact(pixels.max(1)).collect();
        let plane = |band: usize| bands.get(band).copied().unwrap_or_default();
        let mut output = Vec::with_capacity(pixels * self.channels.len());
        for channel in &self.channels {
            let scaled = |value: f32, valid: bool| {
                let scaled = (value - channel.mean) / channel.std;
                if valid && scaled.is_finite() { scaled } else { 0.0 }
            };
            match channel.source {
                Source::Scene(band) => {
                    output.extend(
                        plane(band)
                            .iter()
                            .zip(valid)
                            .map(|(&value, &valid)| scaled(value, valid)),
                    );
                }
                Source::NormalizedDifference(first, second) => {
                    let pairs = plane(first).iter().zip(plane(second));
                    output.extend(
                        pairs
                            .zip(valid)
                            .map(|((&a, &b), &valid)| scaled(normalized_difference(a, b), valid)),
                    );
                }
                Source::Presence(None) => {
                    let absent = scaled(0.0, true);
                    output.extend(valid.iter().map(|&valid| if valid { absent } else { 0.0 }));
                }
                // Augmented crops lose bands, whose values are then no numbers.
                Source::Presence(Some(band)) => {
                    let present = plane(band).iter().map(|value| f32::from(u8::from(value.is_finite())));
                    output.extend(present.zip(valid).map(|(present, &valid)| scaled(present, valid)));
                }
                Source::Trait(scene_trait) => {
                    let value = scaled(traits.value(scene_trait).unwrap_or(channel.mean), true);
                    output.extend(valid.iter().map(|&valid| if valid { value } else { 0.0 }));
                }
                Source::Missing => output.resize(output.len() + pixels, 0.0),
            }
        }
        Ok(output)
    }
}

/// `(a - b) / (a + b)` in -1..1, and 0 if the sum is below 1 (see [`BandSource::NormalizedDifference`]).
pub fn normalized_difference(a: f32, b: f32) -> f32 {
    let sum = a + b;
    // This is written so that a NaN stays NaN, which marks the pixel as having no value.
    if sum < 1.0 {
        0.0
    } else {
        ((a - b) / sum).clamp(-1.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(name: &str, source: BandSource, mean: f32, std: f32) -> Band {
        Band {
            name: name.into(),
            source,
            optional: false,
            mean,
            std,
        }
    }

    fn ndwi() -> BandSource {
        BandSource::NormalizedDifference {
            first: "green".into(),
            second: "nir".into(),
        }
    }

    #[test]
    fn scene_bands_are_standardized_and_derived_ones_computed_from_raw_values() {
        let bands = [
            band("green", BandSource::Scene, 10.0, 2.0),
            band("ndwi", ndwi(), 0.5, 0.25),
            band("nir", BandSource::Scene, 0.0, 1.0),
        ];
        let normalizer = Normalizer::new(&bands).expect("a valid card");
        assert_eq!((normalizer.channels(), normalizer.scene_bands()), (3, 2));
        let output = normalizer
            .normalize(&[12.0, 30.0, 4.0, 10.0], &[true, true], &SceneTraits::default())
            .expect("lengths agree");
        assert_eq!(output, [1.0, 10.0, 0.0, 0.0, 4.0, 10.0]);
    }

    #[test]
    fn a_missing_band_and_what_is_derived_from_it_are_the_mean_everywhere() {
        let bands = [
            band("green", BandSource::Scene, 10.0, 2.0),
            band("swir1", BandSource::Missing, 5.0, 2.0),
            band("mndwi", BandSource::Missing, 0.5, 0.25),
        ];
        let normalizer = Normalizer::new(&bands).expect("a valid card");
        assert_eq!((normalizer.channels(), normalizer.scene_bands()), (3, 1));
        let output = normalizer
            .normalize(&[12.0, 14.0], &[true, false], &SceneTraits::default())
            .expect("lengths agree");
        assert_eq!(output, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn invalid_pixels_and_numbers_become_the_mean() {
        let normalizer = Normalizer::new(&[band("green", BandSource::Scene, 10.0, 2.0)]).expect("a valid card");
        let values = [14.0, 14.0, f32::NAN, f32::INFINITY];
        let output = normalizer
            .normalize(&values, &[true, false, true, true], &SceneTraits::default())
            .expect("lengths agree");
        assert_eq!(output, [2.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn traits_are_the_same_in_every_pixel_and_the_mean_where_they_are_not_known() {
        let bands = [
            band("green", BandSource::Scene, 10.0, 2.0),
            band("picture", BandSource::Trait(SceneTrait::Picture), 0.0, 0.5),
            band("resolution", BandSource::Trait(SceneTrait::GroundResolution), 3.0, 2.0),
        ];
        let normalizer = Normalizer::new(&bands).expect("a valid card");
        assert_eq!((normalizer.channels(), normalizer.scene_bands()), (3, 1));
        let of = |traits: SceneTraits| {
            normalizer
                .normalize(&[12.0, 14.0], &[true, false], &traits)
                .expect("lengths agree")
        };
        let picture = SceneTraits {
            is_picture: true,
            ground_resolution_m: Some(32.0),
        };
        assert_eq!(of(picture), [1.0, 0.0, 2.0, 0.0, 1.0, 0.0]);
        assert_eq!(of(SceneTraits::default()), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_band_is_present_where_it_has_a_value() {
        let presence = BandSource::Presence { band: "nir".into() };
        let bands = |nir| {
            [
                band("green", BandSource::Scene, 0.0, 1.0),
                band("nir", nir, 0.0, 1.0),
                band("has_nir", presence.clone(), 1.0, 0.5),
            ]
        };
        let normalize = |nir, values: &[f32]| {
            let normalizer = Normalizer::new(&bands(nir)).expect("a valid card");
            normalizer
                .normalize(values, &[true, true, false], &SceneTraits::default())
                .expect("lengths agree")
        };
        let with = normalize(BandSource::Scene, &[1.0, 2.0, 3.0, 4.0, f32::NAN, 6.0]);
        assert_eq!(with, [1.0, 2.0, 0.0, 4.0, 0.0, 0.0, 0.0, -2.0, 0.0]);
        let without = normalize(BandSource::Missing, &[1.0, 2.0, 3.0]);
        assert_eq!(without, [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, -2.0, -2.0, 0.0]);
    }

    #[test]
    fn a_normalized_difference_stays_in_its_range() {
        assert_eq!(normalized_difference(3.0, 1.0), 0.5);
        assert_eq!(normalized_difference(20.0, -15.0), 1.0);
        assert_eq!(normalized_difference(0.2, 0.1), 0.0);
        assert!(normalized_difference(f32::NAN, 1.0).is_nan());
    }

    #[test]
    fn contradictory_cards_and_wrong_lengths_are_refused() {
        let constant = Normalizer::new(&[band("green", BandSource::Scene, 1.0, 0.0)]);
        assert!(constant.unwrap_err().to_string().contains("green"));
        let orphan = Normalizer::new(&[
            band("green", BandSource::Scene, 1.0, 1.0),
            band("ndwi", ndwi(), 0.0, 1.0),
        ]);
        assert!(orphan.unwrap_err().to_string().contains("nir"));
        let normalizer = Normalizer::new(&[band("green", BandSource::Scene, 1.0, 1.0)]).expect("a valid card");
        assert!(
            normalizer
                .normalize(&[1.0], &[true, true], &SceneTraits::default())
                .is_err()
        );
    }
}
