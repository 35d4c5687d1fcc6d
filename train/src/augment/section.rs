//! How crops are varied: the section `[augment]` of a recipe.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Mirrorings, each drawn with probability one half.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flip {
    /// None.
    #[default]
    None,
    /// Left and right change places, up stays up: pictures taken from the ground.
    Horizontal,
    /// Top and bottom change places.
    Vertical,
    /// Both, each on its own.
    Both,
}

/// Variations of a crop, image and mask together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentSection {
    /// Horizontal flips and rotations by multiples of 90 degrees: the eight symmetries of the square.
    pub symmetries: bool,
    /// Flips without rotations, where `symmetries` are too much.
    pub flip: Flip,
    /// Brightness: all bands times `exp(u)`, u uniform in plus or minus this.
    pub gain: f32,
    /// Colour: each band times `exp(u)`, u uniform in plus or minus this.
    pub band_gain: f32,
    /// Haze: each band plus u times its standard deviation, u uniform in plus or minus this.
    pub band_offset: f32,
    /// Contrast: each band's distance from its mean times `exp(u)`, u uniform in plus or minus this.
    pub band_contrast: f32,
    /// Probability of each band to be its mean everywhere in the crop. One band is always kept.
    pub band_dropout: f32,
    /// Standard deviation of the noise that each value gets, in standard deviations of its band.
    pub noise: f32,
    /// Zoom: the crop is read from a window `exp(u)` times its size, u uniform in plus or minus this.
    pub zoom: f32,
    /// Boxes of other crops of the batch.
    pub cutmix: CutMixSection,
    /// Pieces that hold the rarest class.
    pub targeted_cutmix: TargetedCutMixSection,
}

/// CutMix between the crops of a batch (arXiv:1905.04899).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CutMixSection {
    /// Probability of a crop to get a box of another.
    pub probability: f32,
    /// Both parameters of the Beta distribution that the box's share of the crop has; 1 is uniform.
    pub alpha: f32,
}

impl Default for CutMixSection {
    /// Off; the paper's alpha.
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
    /// A square, with what surrounds the class there.
    #[default]
    Box,
    /// The class's own pixels and a margin.
    Mask,
}

/// CutMix that pastes pieces of the training split around pixels of its rarest class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetedCutMixSection {
    /// Probability of a crop to get pieces.
    pub probability: f32,
    /// Share of the crop's scored pixels that the rarest class is brought to.
    pub target_share: f32,
    /// `box` or `mask`.
    pub shape: PasteShape,
    /// With `mask`: pixels around the class that come along.
    pub margin_px: usize,
}

impl Default for TargetedCutMixSection {
    /// Off; 5%, with a share of about which Mars terrain was learned from 2,500 small pictures.
    fn default() -> Self {
        Self {
            probability: 0.0,
            target_share: 0.05,
            shape: PasteShape::Box,
            margin_px: 2,
        }
    }
}

impl AugmentSection {
    /// Refuses values that mean nothing, by their key.
    pub fn check(&self) -> Result<()> {
        for (name, value) in [
            ("gain", self.gain),
            ("band_gain", self.band_gain),
            ("band_offset", self.band_offset),
            ("band_contrast", self.band_contrast),
            ("noise", self.noise),
            ("zoom", self.zoom),
        ] {
            ensure!(
                (0.0..=2.0).contains(&value),
                "augment.{name} must be from 0 to 2, it is {value}"
            );
        }
        for (name, value) in [
            ("band_dropout", self.band_dropout),
            ("cutmix.probability", self.cutmix.probability),
            ("targeted_cutmix.probability", self.targeted_cutmix.probability),
            ("targeted_cutmix.target_share", self.targeted_cutmix.target_share),
        ] {
            ensure!(
                (0.0..=1.0).contains(&value),
                "augment.{name} must be from 0 to 1, it is {value}"
            );
        }
        ensure!(
            self.cutmix.alpha > 0.0 && self.cutmix.alpha.is_finite(),
            "augment.cutmix.alpha must be positive, it is {}",
            self.cutmix.alpha
        );
        ensure!(
            !self.symmetries || self.flip == Flip::None,
            "augment.symmetries holds all flips already: leave out augment.flip"
        );
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
            ("band_dropout = 1.1", "augment.band_dropout"),
            ("[cutmix]\nprobability = 2.0", "augment.cutmix.probability"),
            ("[cutmix]\nalpha = 0.0", "augment.cutmix.alpha"),
            (
                "[targeted_cutmix]\ntarget_share = -1.0",
                "augment.targeted_cutmix.target_share",
            ),
            ("symmetries = true\nflip = 'horizontal'", "augment.flip"),
        ] {
            let section: AugmentSection = toml::from_str(text).expect("parses");
            let error = section.check().expect_err(text).to_string();
            assert!(error.contains(key), "{error}");
        }
        let error = toml::from_str::<AugmentSection>("[cutmix]\nshare = 1.0").expect_err("a typo");
        assert!(error.to_string().contains("share"), "{error}");
    }
}
