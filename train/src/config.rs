//! The recipe of a training run, a TOML file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::model_section::ModelSection;

/// Everything a run depends on besides the data. Unknown keys are errors: a typo must not pass as a default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Name of the run and of the exported model.
    pub name: String,
    /// What the model is for and what it cannot do, for its card.
    #[serde(default)]
    pub description: String,
    /// The dataset's TOML file, relative to this one.
    pub dataset: PathBuf,
    /// Seed of weights, order, crops and dropout.
    #[serde(default)]
    pub seed: u64,
    /// Network.
    pub model: ModelSection,
    /// Length and size of the steps.
    pub schedule: ScheduleSection,
    /// AdamW.
    #[serde(default)]
    pub optimizer: OptimizerSection,
    /// What is minimized.
    #[serde(default)]
    pub loss: LossSection,
    /// How crops are varied.
    #[serde(default)]
    pub augment: AugmentSection,
}

/// Epochs, batches, learning rate over time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSection {
    /// Passes over the training split.
    pub epochs: usize,
    /// Crops per step.
    pub batch_size: usize,
    /// Edge of a crop in pixels, a multiple of 32.
    pub crop_px: usize,
    /// Steps of linear warm-up.
    #[serde(default)]
    pub warmup_steps: usize,
    /// Power of the polynomial decay to zero.
    #[serde(default = "one")]
    pub power: f64,
    /// Epochs between evaluations on the validation split.
    #[serde(default = "five")]
    pub evaluate_every_epochs: usize,
    /// Decay of the exponential moving average of the weights, per step; 0 keeps no average.
    #[serde(default)]
    pub ema_decay: f64,
}

/// AdamW (arXiv:1711.05101); norms and biases are not decayed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerSection {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decay of the weights, times the learning rate.
    pub weight_decay: f32,
    /// Decay of the gradient's average.
    pub beta_1: f32,
    /// Decay of the squared gradient's average.
    pub beta_2: f32,
    /// Largest joint norm of the gradients; 0 leaves them as they are.
    pub clip_norm: f64,
}

impl Default for OptimizerSection {
    /// The paper's recipe for pretrained encoders (arXiv:2105.15203, section 4.1).
    fn default() -> Self {
        Self {
            learning_rate: 6e-5,
            weight_decay: 0.01,
            beta_1: 0.9,
            beta_2: 0.999,
            clip_norm: 0.0,
        }
    }
}

/// Class weights of the cross entropy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// All 1.
    None,
    /// Proportional to `f_c^-0.5`.
    InverseSqrt,
    /// Proportional to `1 / f_c`.
    Inverse,
}

/// Cross entropy of the main head plus binary cross entropy of the auxiliary head.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossSection {
    /// Weights by class frequency in the training split.
    pub class_weights: ClassWeights,
    /// Largest class weight over the smallest.
    pub class_weight_cap: f32,
    /// Weight of the auxiliary loss.
    pub auxiliary_weight: f64,
}

impl Default for LossSection {
    fn default() -> Self {
        Self {
            class_weights: ClassWeights::None,
            class_weight_cap: 10.0,
            auxiliary_weight: 1.0,
        }
    }
}

/// Variations of a crop, image and mask together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentSection {
    /// Horizontal flips and rotations by multiples of 90 degrees: the eight symmetries of the square.
    pub symmetries: bool,
    /// Brightness: all bands times `exp(u)`, u uniform in plus or minus this.
    pub gain: f32,
    /// Colour: each band times `exp(u)`, u uniform in plus or minus this.
    pub band_gain: f32,
    /// Haze: each band plus u times its standard deviation, u uniform in plus or minus this.
    pub band_offset: f32,
    /// Zoom: the crop is read from a window `exp(u)` times its size, u uniform in plus or minus this.
    pub zoom: f32,
}

const fn one() -> f64 {
    1.0
}
const fn five() -> usize {
    5
}

impl TrainConfig {
    /// Reads and checks a recipe; `dataset` becomes relative to the working folder.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut config: Self = toml::from_str(&text).with_context(|| format!("{} is not a recipe", path.display()))?;
        config
            .check()
            .with_context(|| format!("{} cannot be trained", path.display()))?;
        config.dataset = path.parent().unwrap_or(Path::new("")).join(&config.dataset);
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        self.model.check()?;
        let schedule = &self.schedule;
        ensure!(schedule.epochs > 0, "schedule.epochs must be positive");
        ensure!(schedule.batch_size > 0, "schedule.batch_size must be positive");
        ensure!(
            schedule.evaluate_every_epochs > 0,
            "schedule.evaluate_every_epochs must be positive"
        );
        ensure!(
            schedule.crop_px > 0 && schedule.crop_px.is_multiple_of(32),
            "schedule.crop_px must be a multiple of 32, it is {}",
            schedule.crop_px
        );
        ensure!(
            (0.0..1.0).contains(&schedule.ema_decay),
            "schedule.ema_decay must be from 0 to below 1"
        );
        ensure!(schedule.power > 0.0, "schedule.power must be positive");
        ensure!(
            self.optimizer.learning_rate > 0.0,
            "optimizer.learning_rate must be positive"
        );
        ensure!(
            self.optimizer.clip_norm >= 0.0,
            "optimizer.clip_norm must not be negative"
        );
        ensure!(
            self.loss.class_weight_cap >= 1.0,
            "loss.class_weight_cap must be at least 1"
        );
        ensure!(
            self.loss.auxiliary_weight >= 0.0,
            "loss.auxiliary_weight must not be negative"
        );
        let augment = &self.augment;
        for (name, value) in [
            ("gain", augment.gain),
            ("band_gain", augment.band_gain),
            ("band_offset", augment.band_offset),
            ("zoom", augment.zoom),
        ] {
            ensure!(
                (0.0..=2.0).contains(&value),
                "augment.{name} must be from 0 to 2, it is {value}"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raremap_model::{SegformerConfig, Variant};

    fn parse(text: &str) -> Result<TrainConfig> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("recipe.toml");
        std::fs::write(&path, text)?;
        TrainConfig::read(&path)
    }

    const SMALLEST: &str = "name = 'x'\ndataset = 'd.toml'\n[model]\nvariant = 'b0'\n[schedule]\nepochs = 1\nbatch_size = 2\ncrop_px = 64\n";

    #[test]
    fn the_smallest_recipe_has_the_papers_defaults() {
        let config = parse(SMALLEST).expect("valid");
        assert_eq!(config.optimizer.learning_rate, 6e-5);
        let papers = SegformerConfig::new(Variant::B0, 3, 7, 2);
        assert_eq!(config.model.architecture(3, 7, 2).expect("valid"), papers.into());
        assert!(config.dataset.is_absolute(), "relative to the recipe's folder");
    }

    #[test]
    fn a_typo_is_named() {
        let error = parse(&format!("{SMALLEST}epoch = 3\n")).expect_err("unknown key");
        assert!(format!("{error:#}").contains("epoch"), "{error:#}");
        let error = parse(&SMALLEST.replace("crop_px = 64", "crop_px = 65")).expect_err("odd crop");
        assert!(format!("{error:#}").contains("multiple of 32"), "{error:#}");
    }

    #[test]
    fn every_committed_recipe_can_be_read_and_its_network_built() {
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
        let mut recipes = 0;
        for folder in std::fs::read_dir(&configs).expect("a folder") {
            for file in std::fs::read_dir(folder.expect("an entry").path()).expect("a folder") {
                let path = file.expect("an entry").path();
                let text = std::fs::read_to_string(&path).expect("text");
                if path.extension().is_some_and(|end| end == "toml") && text.contains("[model]") {
                    let config = TrainConfig::read(&path).expect("valid");
                    config.model.architecture(4, 5, 1).expect("valid");
                    recipes += 1;
                }
            }
        }
        assert!(recipes >= 13, "{recipes} recipes");
    }
}
