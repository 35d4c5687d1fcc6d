//! How crops are varied: the section `[augment]` of a recipe.

use serde::{Deserialize, Serialize};

use raremap_model::{Band, BandSource, SceneTrait};

use crate::error::{Result, ensure};

/// Mirrorings, each drawn with probability one half.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flip {
    /// None.
    #[default]
    None,
    /// Left and right change places and up stays up: for pictures taken from the ground.
    Horizontal,
    /// Top and bottom change places.
    Vertical,
    /// Both, drawn independently.
    Both,
}

/// Variations of a crop, image and mask together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentSection {
    /// Probability that a crop shows its sample as it is, at its own resolution: symmetries, flips, mosaic, CutMix and the loss of optional bands still
    /// apply. Robustness against everything else then costs the plain case less.
    ///
    /// Left out where it is 0, so that recipes from before there was such a key keep their digests.
    #[serde(skip_serializing_if = "is_zero")]
    pub untouched: f32,
    /// Horizontal flips and rotations by multiples of 90 degrees: the eight symmetries of the square.
    pub symmetries: bool,
    /// Flips without rotations, where `symmetries` go too far.
    pub flip: Flip,
    /// Brightness: multiplies all bands by `exp(u)`, u uniform in plus or minus this.
    pub gain: f32,
    /// Colour: multiplies each band by `exp(u)`, u uniform in plus or minus this.
    pub band_gain: f32,
    /// Haze: adds u times its standard deviation to each band, u uniform in plus or minus this.
    pub band_offset: f32,
    /// Contrast: multiplies each band's distance from its mean by `exp(u)`, u uniform in plus or minus this.
    pub band_contrast: f32,
    /// Probability that a band becomes its mean everywhere in the crop, or is missing if it is optional. One band is always kept.
    pub band_dropout: f32,
    /// Scenes without the dataset's optional bands.
    pub optional_bands: OptionalBandsSection,
    /// Standard deviation of the noise added to each value, in standard deviations of its band.
    pub noise: f32,
    /// Zoom: reads the crop from a window `exp(u)` times its size, u uniform in plus or minus this.
    pub zoom: f32,
    /// Instead of `zoom`: least and greatest metres per pixel of the crops, drawn evenly in the logarithm between those that the sample
    /// can give: no finer than a third of its own, and only so coarse that the sample still covers 32 pixels (without `mosaic`, 80% of the crop).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ground_resolution_m: Option<[f32; 2]>,
    /// Fills a crop that is larger than its sample with other samples of the same source, under the same light.
    pub mosaic: bool,
    /// The air between ground and sensor.
    pub atmosphere: AtmosphereSection,
    /// Pictures of 8 bits.
    pub eight_bit: EightBitSection,
    /// Pastes boxes from other crops of the batch.
    pub cutmix: CutMixSection,
    /// Pastes pieces that hold the rarest class.
    pub targeted_cutmix: TargetedCutMixSection,
}

/// How often a crop is made to look like a scene without the dataset's optional bands. The network then gets what it gets for such a scene: the
/// mean, in these bands and in what is derived from them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptionalBandsSection {
    /// Probability that the crop has none of them.
    pub none: f32,
    /// Otherwise, the probability that it lacks one of them, for each on its own.
    pub each_missing: f32,
}

/// Light that the air scatters into the sensor, which is the difference between surface and top-of-atmosphere reflectance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AtmosphereSection {
    /// Probability that a crop gets another path radiance than its sample has.
    pub probability: f32,
    /// Least and greatest value that is added to a band at 0.56 micrometres, in scene units. Values below 0 imitate too strong a correction.
    /// Other bands get it times `(wavelength / 0.56) ^ -k`, k uniform from 1 (aerosols) to 4 (molecules).
    pub path_radiance: [f32; 2],
}

impl Default for AtmosphereSection {
    /// Off; the range goes from a slightly too strong correction to a hazy sky, for reflectances times 10,000.
    fn default() -> Self {
        Self {
            probability: 0.0,
            path_radiance: [-100.0, 900.0],
        }
    }
}

/// Pictures of 8 bits, as [`raremap_infer::Matching`] scales them: each band stretched on its own, cut off at both ends, in 255 steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EightBitSection {
    /// Probability that a crop becomes such a picture.
    pub probability: f32,
    /// Brightness of the picture: all bands times `exp(u)`, u uniform in plus or minus this.
    pub gain: f32,
    /// Colour of the picture: each band times `exp(u)`, u uniform in plus or minus this.
    pub band_gain: f32,
}

impl Default for EightBitSection {
    /// Off; the stretches are those seen in aerial photographs and composites.
    fn default() -> Self {
        Self {
            probability: 0.0,
            gain: 0.5,
            band_gain: 0.3,
        }
    }
}

/// CutMix between the crops of a batch (arXiv:1905.04899).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CutMixSection {
    /// Probability that a crop gets a box of another.
    pub probability: f32,
    /// Both parameters of the Beta distribution of the box's share of the crop; 1 is uniform.
    pub alpha: f32,
}

impl Default for CutMixSection {
    /// Off, with the paper's alpha.
    fn default() -> Self {
        Self {
            probability: 0.0,
            alpha: 1.0,
        }
    }
}

/// What is pasted around a pixel of the rarest class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasteShape {
    /// A square, with whatever surrounds the class there.
    #[default]
    Box,
    /// The class's own pixels and a margin.
    Mask,
}

/// CutMix that pastes pieces of the training split around pixels of its rarest class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetedCutMixSection {
    /// Probability that a crop gets pieces.
    pub probability: f32,
    /// Pieces are pasted until the rarest class has this share of the crop's scored pixels.
    pub target_share: f32,
    /// `box` or `mask`.
    pub shape: PasteShape,
    /// With `mask`: how many pixels around the class are pasted with it.
    pub margin_px: usize,
}

impl Default for TargetedCutMixSection {
    /// Off; about 5% was the share with which Mars terrain was learned from 2,500 small pictures.
    fn default() -> Self {
        Self {
            probability: 0.0,
            target_share: 0.05,
            shape: PasteShape::Box,
            margin_px: 2,
        }
    }
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

impl AugmentSection {
    /// What is left of this for a crop that shows its sample as it is.
    pub(super) fn plain(&self) -> Self {
        Self {
            symmetries: self.symmetries,
            flip: self.flip,
            mosaic: self.mosaic,
            optional_bands: self.optional_bands.clone(),
            ..Self::default()
        }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// If a value means nothing; the message names its key.
    pub fn check(&self) -> Result<()> {
        for (name, value) in [
            ("gain", self.gain),
            ("band_gain", self.band_gain),
            ("band_offset", self.band_offset),
            ("band_contrast", self.band_contrast),
            ("noise", self.noise),
            ("zoom", self.zoom),
            ("eight_bit.gain", self.eight_bit.gain),
            ("eight_bit.band_gain", self.eight_bit.band_gain),
        ] {
            ensure!(
                Recipe,
                (0.0..=2.0).contains(&value),
                "augment.{name} is {value}; it must be from 0 to 2"
            );
        }
        for (name, value) in [
            ("untouched", self.untouched),
            ("band_dropout", self.band_dropout),
            ("optional_bands.none", self.optional_bands.none),
            ("optional_bands.each_missing", self.optional_bands.each_missing),
            ("atmosphere.probability", self.atmosphere.probability),
            ("eight_bit.probability", self.eight_bit.probability),
            ("cutmix.probability", self.cutmix.probability),
            ("targeted_cutmix.probability", self.targeted_cutmix.probability),
            ("targeted_cutmix.target_share", self.targeted_cutmix.target_share),
        ] {
            ensure!(
                Recipe,
                (0.0..=1.0).contains(&value),
                "augment.{name} is {value}; it must be from 0 to 1"
            );
        }
        let is_range = |[from, to]: [f32; 2]| from.is_finite() && to.is_finite() && from <= to;
        ensure!(
            Recipe,
            is_range(self.atmosphere.path_radiance),
            "augment.atmosphere.path_radiance is {:?}; it needs two numbers, the smaller first",
            self.atmosphere.path_radiance
        );
        if let Some(range) = self.ground_resolution_m {
            ensure!(
                Recipe,
                is_range(range) && range[0] > 0.0,
                "augment.ground_resolution_m is {range:?}; it needs two positive numbers, the finer first"
            );
            ensure!(
                Recipe,
                self.zoom == 0.0,
                "augment.ground_resolution_m says how far to zoom: leave out augment.zoom"
            );
        }
        ensure!(
            Recipe,
            self.cutmix.alpha > 0.0 && self.cutmix.alpha.is_finite(),
            "augment.cutmix.alpha is {}; it must be positive",
            self.cutmix.alpha
        );
        ensure!(
            Recipe,
            !self.symmetries || self.flip == Flip::None,
            "augment.symmetries already includes all flips: leave out augment.flip"
        );
        Ok(())
    }

    /// Refuses channels that would teach a network nothing, because training never varies them, or something wrong, because they do not hold for all of
    /// a crop. `is_mixed_m` says whether the samples differ in ground resolution.
    pub(crate) fn check_channels(&self, bands: &[Band], is_mixed_m: bool) -> Result<()> {
        for Band { name, source, .. } in bands {
            let (is_varied, by) = match source {
                BandSource::Presence { .. } => {
                    let OptionalBandsSection { none, each_missing } = self.optional_bands;
                    let is_lost = none > 0.0 || each_missing > 0.0 || self.band_dropout > 0.0;
                    (is_lost && none < 1.0 && each_missing < 1.0, "augment.optional_bands")
                }
                BandSource::Trait(SceneTrait::Picture) => {
                    let probability = self.eight_bit.probability * (1.0 - self.untouched);
                    (probability > 0.0 && probability < 1.0, "augment.eight_bit")
                }
                BandSource::Trait(SceneTrait::GroundResolution) => {
                    let is_range = self
                        .ground_resolution_m
                        .is_some_and(|[finest, coarsest]| finest < coarsest);
                    (
                        is_mixed_m || is_range && self.untouched < 1.0,
                        "augment.ground_resolution_m",
                    )
                }
                BandSource::Scene | BandSource::NormalizedDifference { .. } | BandSource::Missing => continue,
            };
            ensure!(
                Recipe,
                is_varied,
                "the network is told {name}, but training never varies it: set {by}, or leave the band out of the dataset"
            );
            if let BandSource::Trait(_) = source {
                ensure!(
                    Recipe,
                    self.cutmix.probability == 0.0,
                    "the network is told {name}, which does not hold for all of a crop with augment.cutmix"
                );
            }
            if *source == BandSource::Trait(SceneTrait::GroundResolution) && self.ground_resolution_m.is_none() {
                ensure!(
                    Recipe,
                    self.zoom == 0.0 && self.targeted_cutmix.probability == 0.0,
                    "the network is told {name}: with augment.zoom or augment.targeted_cutmix, set augment.ground_resolution_m, so that it is known for \
                     each crop and each piece"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_recipes_mean_what_they_meant() {
        let section: AugmentSection = toml::from_str("symmetries = true\ngain = 0.2\nzoom = 0.3").expect("parses");
        section.check().expect("valid");
        let only = AugmentSection {
            symmetries: true,
            gain: 0.2,
            zoom: 0.3,
            ..AugmentSection::default()
        };
        assert_eq!(section, only);
        let written = toml::to_string(&section).expect("serializes");
        assert_eq!(toml::from_str::<AugmentSection>(&written).expect("parses"), section);
    }

    #[test]
    fn meaningless_settings_are_named() {
        for (text, key) in [
            ("noise = -0.1", "augment.noise"),
            ("zoom = nan", "augment.zoom"),
            ("untouched = 1.1", "augment.untouched"),
            ("band_dropout = 1.1", "augment.band_dropout"),
            ("[cutmix]\nprobability = 2.0", "augment.cutmix.probability"),
            ("[cutmix]\nalpha = 0.0", "augment.cutmix.alpha"),
            (
                "[targeted_cutmix]\ntarget_share = -1.0",
                "augment.targeted_cutmix.target_share",
            ),
            ("symmetries = true\nflip = 'horizontal'", "augment.flip"),
            ("ground_resolution_m = [30.0, 5.0]", "augment.ground_resolution_m"),
            ("ground_resolution_m = [5.0, 30.0]\nzoom = 0.1", "augment.zoom"),
            ("[eight_bit]\nband_gain = -1.0", "augment.eight_bit.band_gain"),
            (
                "[atmosphere]\npath_radiance = [9.0, 0.0]",
                "augment.atmosphere.path_radiance",
            ),
        ] {
            let section: AugmentSection = toml::from_str(text).expect("parses");
            let error = section.check().expect_err(text).to_string();
            assert!(error.contains(key), "{error}");
        }
        let error = toml::from_str::<AugmentSection>("[cutmix]\nshare = 1.0").expect_err("a typo");
        assert!(error.to_string().contains("share"), "{error}");
    }

    #[test]
    fn what_a_network_is_told_must_vary_and_hold_for_all_of_a_crop() {
        let band = |source: BandSource| {
            [Band {
                name: "told".into(),
                source,
                optional: false,
                mean: 0.0,
                std: 1.0,
            }]
        };
        let presence = || band(BandSource::Presence { band: "nir".into() });
        let picture = || band(BandSource::Trait(SceneTrait::Picture));
        let resolution = || band(BandSource::Trait(SceneTrait::GroundResolution));
        let check = |text: &str, bands: &[Band]| {
            let section: AugmentSection = toml::from_str(text).expect("parses");
            section.check_channels(bands, false).map_err(|error| error.to_string())
        };
        for (bands, key, varies) in [
            (
                presence(),
                "augment.optional_bands",
                "[optional_bands]\neach_missing = 0.2",
            ),
            (picture(), "augment.eight_bit", "[eight_bit]\nprobability = 0.2"),
            (
                resolution(),
                "augment.ground_resolution_m",
                "ground_resolution_m = [5.0, 30.0]",
            ),
        ] {
            let error = check("", &bands).expect_err("never varied");
            assert!(error.contains("told") && error.contains(key), "{error}");
            check(varies, &bands).expect("varied");
        }
        AugmentSection::default()
            .check_channels(&resolution(), true)
            .expect("two resolutions");
        for (constant, bands) in [
            ("[optional_bands]\nnone = 1.0", presence()),
            ("untouched = 1.0\n[eight_bit]\nprobability = 0.2", picture()),
            ("ground_resolution_m = [10.0, 10.0]", resolution()),
        ] {
            check(constant, &bands).expect_err("the same in all crops");
        }
        check("band_dropout = 0.2", &presence()).expect("optional bands are lost");
        for unknown in ["zoom = 0.2", "[targeted_cutmix]\nprobability = 0.2"] {
            let section: AugmentSection = toml::from_str(unknown).expect("parses");
            let error = section
                .check_channels(&resolution(), true)
                .expect_err("not known for each crop");
            assert!(error.to_string().contains("augment.ground_resolution_m"), "{error}");
        }
        let error = check(
            "[eight_bit]\nprobability = 0.2\n[cutmix]\nprobability = 0.5",
            &picture(),
        );
        assert!(error.expect_err("mixed").contains("augment.cutmix"));
    }
}
