//! The recipe of a training run, a TOML file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::augment::AugmentSection;
use crate::error::{Context, Result, ensure};
use crate::loss::LossSection;
use crate::model_section::ModelSection;
use crate::optim::OptimizerSection;
use crate::optim::precision::PrecisionSection;
use crate::optim::schedule::LearningRateSection;
use crate::overrides::set;
use crate::sample::SamplingSection;
use crate::watch::{BestSection, StoppingSection, WatchSection};

/// Everything that a run depends on besides the data. Unknown keys are errors, because a typo must not pass as a default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Name of the run and of the exported model.
    pub name: String,
    /// What the model is for and what it cannot do; goes into its card.
    #[serde(default)]
    pub description: String,
    /// The dataset's TOML file, relative to this one.
    pub dataset: PathBuf,
    /// Seed of weights, order, crops and dropout.
    #[serde(default)]
    pub seed: u64,
    /// Share of the training split's places that is used, above 0 to 1: for curves of what more data would bring.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub places_share: f64,
    /// Network.
    pub model: ModelSection,
    /// Length and size of the steps.
    pub schedule: ScheduleSection,
    /// Learning rate over time.
    #[serde(default)]
    pub learning_rate: LearningRateSection,
    /// How weights follow their gradients.
    #[serde(default)]
    pub optimizer: OptimizerSection,
    /// Precision of the arithmetic; absent for f32.
    #[serde(default, skip_serializing_if = "PrecisionSection::is_default")]
    pub precision: PrecisionSection,
    /// What is minimized.
    #[serde(default)]
    pub loss: LossSection,
    /// Where crops are taken from.
    #[serde(default)]
    pub sampling: SamplingSection,
    /// How crops are varied.
    #[serde(default)]
    pub augment: AugmentSection,
    /// When the run ends early.
    #[serde(default)]
    pub stopping: StoppingSection,
    /// Which weights are saved as the best.
    #[serde(default)]
    pub best: BestSection,
    /// What is shown while the run lasts.
    #[serde(default)]
    pub watch: WatchSection,
}

/// Epochs and batches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSection {
    /// Passes over the training split.
    pub epochs: usize,
    /// Crops per batch.
    pub batch_size: usize,
    /// Edge of a crop in pixels, a multiple of 32.
    pub crop_px: usize,
    /// Edges of larger crops, multiples of `crop_px`. A batch of them holds fewer crops, so that it has as many pixels.
    #[serde(default)]
    pub larger_crops_px: Vec<usize>,
    /// Share of the batches that consist of larger crops; all of their edges are equally frequent.
    #[serde(default)]
    pub larger_share: f64,
    /// Epochs between evaluations on the validation split.
    #[serde(default = "five")]
    pub evaluate_every_epochs: usize,
    /// Steps between checkpoints, in addition to those after evaluations; 0 for none.
    #[serde(default = "hundred")]
    pub checkpoint_every_steps: usize,
    /// Decay of the exponential moving average of the weights, per step; 0 keeps no average.
    #[serde(default)]
    pub ema_decay: f64,
    /// Threads that prepare batches.
    #[serde(default = "one")]
    pub workers: usize,
}

impl ScheduleSection {
    /// Edge of the largest crops, in pixels: the tile size that the model runs with.
    pub fn largest_crop_px(&self) -> usize {
        self.larger_crops_px.iter().copied().fold(self.crop_px, usize::max)
    }

    /// Crops in a batch of crops of `edge_px`.
    pub fn crops_of(&self, edge_px: usize) -> usize {
        let ratio = edge_px / self.crop_px;
        self.batch_size / (ratio * ratio)
    }

    fn check_larger_crops(&self) -> Result<()> {
        for &edge in &self.larger_crops_px {
            let ratio = edge / self.crop_px;
            ensure!(
                Recipe,
                edge > self.crop_px && edge.is_multiple_of(self.crop_px) && edge <= 4096,
                "schedule.larger_crops_px contains {edge}, which is not a larger multiple of crop_px, {}",
                self.crop_px
            );
            ensure!(
                Recipe,
                self.batch_size.is_multiple_of(ratio * ratio),
                "schedule.batch_size is {}, which does not fill whole crops of {edge} pixels: each takes the place of {} crops of {}",
                self.batch_size,
                ratio * ratio,
                self.crop_px
            );
        }
        ensure!(
            Recipe,
            (0.0..=1.0).contains(&self.larger_share),
            "schedule.larger_share is {}; it must be from 0 to 1",
            self.larger_share
        );
        ensure!(
            Recipe,
            self.larger_share == 0.0 || !self.larger_crops_px.is_empty(),
            "schedule.larger_share needs schedule.larger_crops_px"
        );
        Ok(())
    }
}

const fn whole() -> f64 {
    1.0
}
fn is_whole(share: &f64) -> bool {
    *share == 1.0
}
const fn one() -> usize {
    1
}
const fn five() -> usize {
    5
}
const fn hundred() -> usize {
    100
}

impl TrainConfig {
    /// Reads and checks a recipe with the changes of `assignments` (`KEY=VALUE`); `dataset` becomes relative to the working
    /// folder.
    ///
    /// # Errors
    /// Names the file, and the key that is unknown or whose value makes no sense.
    pub fn read(path: &Path, assignments: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let not_one = || format!("{} is not a recipe", path.display());
        let mut config: Self = if assignments.is_empty() {
            // The text is parsed directly, because errors then point at the line.
            toml::from_str(&text).with_context(not_one)?
        } else {
            let mut recipe: toml::Table = toml::from_str(&text).with_context(not_one)?;
            for assignment in assignments {
                set(&mut recipe, assignment)?;
            }
            recipe.try_into().with_context(not_one)?
        };
        config
            .check()
            .with_context(|| format!("{} cannot be trained", path.display()))?;
        config.dataset = path.parent().unwrap_or(Path::new("")).join(&config.dataset);
        Ok(config)
    }

    /// Number of crops that one step takes.
    pub fn crops_per_step(&self) -> usize {
        self.schedule.batch_size * self.optimizer.accumulate_steps
    }

    fn check(&self) -> Result<()> {
        ensure!(
            Recipe,
            self.places_share > 0.0 && self.places_share <= 1.0,
            "places_share is {}; it must be above 0 and at most 1",
            self.places_share
        );
        self.model.check()?;
        let schedule = &self.schedule;
        for (name, value) in [
            ("epochs", schedule.epochs),
            ("batch_size", schedule.batch_size),
            ("evaluate_every_epochs", schedule.evaluate_every_epochs),
            ("workers", schedule.workers),
        ] {
            ensure!(Recipe, value > 0, "schedule.{name} must be positive");
        }
        // This is far more than any machine has room for, and few enough that products of them do not overflow.
        for (name, value, most) in [
            ("schedule.epochs", schedule.epochs, 1 << 24),
            ("schedule.batch_size", schedule.batch_size, 4096),
            ("schedule.crop_px", schedule.crop_px, 4096),
            ("schedule.workers", schedule.workers, 64),
            ("optimizer.accumulate_steps", self.optimizer.accumulate_steps, 4096),
        ] {
            ensure!(Recipe, value <= most, "{name} is {value}; it must be at most {most}");
        }
        ensure!(
            Recipe,
            schedule.crop_px > 0 && schedule.crop_px.is_multiple_of(32),
            "schedule.crop_px is {}; it must be a multiple of 32",
            schedule.crop_px
        );
        schedule.check_larger_crops()?;
        ensure!(
            Recipe,
            (0.0..1.0).contains(&schedule.ema_decay),
            "schedule.ema_decay must be at least 0 and below 1"
        );
        self.learning_rate.check()?;
        self.optimizer.check()?;
        self.precision.check()?;
        self.loss.check()?;
        if let Some(consistency) = &self.loss.consistency {
            consistency.check(schedule.crop_px)?;
            ensure!(
                Recipe,
                schedule.ema_decay > 0.0,
                "loss.consistency compares with the averaged network: set schedule.ema_decay, such as 0.998"
            );
        }
        self.sampling.check()?;
        self.augment.check()?;
        self.watch.check()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::dataset::DatasetConfig;
    use crate::loss::Objective;
    use crate::watch::{BestMetric, EarlyStopping, Metric};

    fn parse(text: &str, assignments: &[&str]) -> Result<TrainConfig> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("recipe.toml");
        std::fs::write(&path, text)?;
        let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
        TrainConfig::read(&path, &assignments)
    }

    const SMALLEST: &str = "name = 'x'\ndataset = 'd.toml'\n[model]\nvariant = 'b0'\n[schedule]\nepochs = 1\nbatch_size = 2\ncrop_px = 64\n";

    #[test]
    fn the_smallest_recipe_has_the_papers_defaults() {
        let config = parse(SMALLEST, &[]).expect("valid");
        assert_eq!(config.optimizer.learning_rate, 6e-5);
        assert!(config.dataset.is_absolute(), "relative to the recipe's folder");
    }

    #[test]
    fn a_typo_is_named() {
        let error = parse(&format!("{SMALLEST}epoch = 3\n"), &[]).expect_err("unknown key");
        assert!(format!("{error:#}").contains("epoch"), "{error:#}");
        let error = parse(SMALLEST, &["optimizer.learning_rat=1"]).expect_err("unknown key");
        assert!(format!("{error:#}").contains("learning_rat"), "{error:#}");
        let error = parse(&SMALLEST.replace("crop_px = 64", "crop_px = 65"), &[]).expect_err("odd crop");
        assert!(format!("{error:#}").contains("multiple of 32"), "{error:#}");
        for share in ["0.0", "-1.0", "1.5", "nan"] {
            let assignment = format!("places_share={share}");
            let error = parse(SMALLEST, &[assignment.as_str()]).expect_err("not a share");
            assert!(format!("{error:#}").contains("places_share is "), "{error:#}");
        }
    }

    #[test]
    fn batches_of_larger_crops_hold_as_many_pixels() {
        let larger = |edges: &str, share: f64| {
            let keys = [
                "schedule.batch_size=8".to_owned(),
                format!("schedule.larger_crops_px={edges}"),
                format!("schedule.larger_share={share}"),
            ];
            parse(SMALLEST, &keys.each_ref().map(String::as_str))
        };
        let schedule = larger("[128]", 0.5).expect("valid").schedule;
        assert_eq!(
            (
                schedule.crops_of(64),
                schedule.crops_of(128),
                schedule.largest_crop_px()
            ),
            (8, 2, 128)
        );
        for (edges, share) in [
            ("[96]", 0.5),
            ("[256]", 0.5),
            ("[64]", 0.5),
            ("[128]", 1.5),
            ("[]", 0.5),
        ] {
            assert!(larger(edges, share).is_err(), "{edges} {share}");
        }
    }

    #[test]
    fn a_changed_recipe_is_the_recipe_with_the_change_in_it() {
        let changed = parse(SMALLEST, &["schedule.batch_size=8", "seed=5"]).expect("valid");
        assert_eq!((changed.schedule.batch_size, changed.seed), (8, 5));
        assert_eq!(changed.optimizer.learning_rate, 6e-5);
    }

    #[test]
    fn the_resolved_recipe_is_read_back() {
        let config = parse(SMALLEST, &["sampling.kind=label_frequency"]).expect("valid");
        let text = toml::to_string(&config).expect("serializes");
        let again = parse(&text, &[]).expect("valid");
        assert_eq!(toml::to_string(&again).expect("serializes"), text);
        // The digest of runs that were begun before there was the key is the same.
        assert!(!text.contains("places_share"), "{text}");
        let share = parse(SMALLEST, &["places_share=0.5"]).expect("valid");
        assert!(
            toml::to_string(&share)
                .expect("serializes")
                .contains("places_share = 0.5")
        );
    }

    /// The TOML files in `folder` and below that have the key `key`.
    fn committed(folder: &Path, key: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path());
        let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
        let has_key = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).expect("text");
            let table: toml::Table =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            table.contains_key(key)
        };
        let below = folders.iter().flat_map(|folder| committed(folder, key));
        files.into_iter().filter(has_key).chain(below).collect()
    }

    /// Checks the recipe at `path` against its dataset, as far as that goes without the data.
    fn fits_its_dataset(path: &Path) -> Result<()> {
        let config = TrainConfig::read(path, &[])?;
        let dataset = DatasetConfig::parse(&config.dataset)?;
        let classes: Vec<String> = dataset.classes.iter().map(|class| class.name.clone()).collect();
        let rare_names = dataset.rare_classes();
        let rare: Vec<usize> = (0..classes.len())
            .filter(|&class| config.model.auxiliary_head && dataset.classes[class].rare)
            .collect();
        config
            .model
            .architecture(dataset.bands.len(), classes.len(), rare.len())?;
        let pixels = vec![1; classes.len()];
        Objective::new(&config.loss, &pixels, &classes, &rare, &Device::flex())?;
        config.optimizer.check_rare_classes(rare.len())?;
        EarlyStopping::new(&config.stopping, &classes, &rare_names)?;
        BestMetric::new(&config.best, &classes, &rare_names)?;
        if let Some(metric) = config.learning_rate.plateau_metric() {
            Metric::parse("learning_rate.decay.metric", metric, &classes, &rare_names)?;
        }
        Ok(())
    }

    #[test]
    fn every_committed_recipe_fits_its_dataset() {
        let recipes = committed(Path::new("configs"), "model");
        assert!(recipes.len() >= 12, "{recipes:?}");
        for path in recipes {
            fits_its_dataset(&path).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        }
    }

    #[test]
    fn every_committed_dataset_reads_without_its_data() {
        let datasets = committed(Path::new("configs"), "bands");
        assert!(datasets.len() >= 3, "{datasets:?}");
        for path in datasets {
            DatasetConfig::parse(&path).unwrap_or_else(|error| panic!("{error:#}"));
        }
    }

    #[test]
    fn the_documented_recipe_states_the_defaults() {
        let page = include_str!("../../docs/training.md");
        let mut blocks = page
            .split("```toml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next());
        let block = blocks
            .find(|block| block.contains("[sampling]"))
            .expect("the whole recipe");
        let whole = format!("name = 'x'\ndataset = 'd.toml'\n{block}");
        // The page has an example of consistency, which needs an average, and the default of the average, which is none.
        parse(&whole, &["schedule.ema_decay=0.998"]).expect("every key there is");

        let mut stated: toml::Table = toml::from_str(&whole).expect("TOML");
        for (section, key) in [
            ("model", "family"),
            ("model", "start_from"),
            ("model", "start_without"),
            ("augment", "ground_resolution_m"),
            ("loss", "consistency"),
            ("optimizer", "sharpness"),
            ("stopping", "mode"),
        ] {
            let section = stated
                .get_mut(section)
                .and_then(toml::Value::as_table_mut)
                .expect("a section");
            section.remove(key).expect("a key that the page calls absent");
        }
        let stated = parse(&stated.to_string(), &[]).expect("valid");
        let needed = ["schedule.epochs=40", "schedule.batch_size=8", "schedule.crop_px=128"];
        let mut defaults = parse(SMALLEST, &needed).expect("valid");
        defaults.dataset = stated.dataset.clone();
        let text = |config: &TrainConfig| toml::to_string(config).expect("serializes");
        assert_eq!(text(&stated), text(&defaults));
    }
}
