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
    /// Probability that a band becomes its mean everywhere in the crop. One band is always kept.
    pub band_dropout: f32,
    /// Standard deviation of the noise added to each value, in standard deviations of its band.
    pub noise: f32,
    /// Zoom: reads the crop from a window `exp(u)` times its size, u uniform in plus or minus this.
    pub zoom: f32,
    /// Pastes boxes from other crops of the batch.
    pub cutmix: CutMixSection,
    /// Pastes pieces that hold the rarest class.
    pub targeted_cutmix: TargetedCutMixSection,
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

impl AugmentSection {
    /// Refuses values that mean nothing, and names their key.
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
                "augment.{name} is {value}; it must be from 0 to 2"
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
                "augment.{name} is {value}; it must be from 0 to 1"
            );
        }
        ensure!(
            self.cutmix.alpha > 0.0 && self.cutmix.alpha.is_finite(),
            "augment.cutmix.alpha is {}; it must be positive",
            self.cutmix.alpha
        );
        ensure!(
            !self.symmetries || self.flip == Flip::None,
            "augment.symmetries already includes all flips: leave out augment.flip"
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
