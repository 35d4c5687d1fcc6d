//! The scenes of a split, and whether a model fits them.

use std::sync::Arc;

use raremap_infer::{
    MatchMode, Matching, RunOptions, SceneInMemory, SceneLogits, Tiling, match_statistics, run_in_memory,
};
use raremap_model::{Card, TileModel};
use raremap_tiff::Samples;

use crate::dataset::{DatasetConfig, Entry, Sample, SampleStore};
use crate::error::{Context, Result, ensure, failure};
use crate::metrics::Roles;

/// How many scenes, spread over the split, and how many pixels of each are read to find their units.
const LOOKED_AT: usize = 64;
const PIXELS_OF_EACH: usize = 4096;

/// The scenes of a split, read one at a time or already loaded.
#[derive(Debug, Clone)]
pub struct Scenes<'a> {
    dataset: &'a DatasetConfig,
    split: String,
    entries: Vec<Entry>,
    loaded: Option<&'a SampleStore>,
}

impl<'a> Scenes<'a> {
    /// Makes scenes that are read from their files as they are scored.
    ///
    /// # Errors
    /// If the dataset has no such split, or a place is in two splits.
    pub fn of(dataset: &'a DatasetConfig, split: &str) -> Result<Self> {
        Ok(Self {
            entries: dataset.entries_of(split)?,
            split: split.to_owned(),
            dataset,
            loaded: None,
        })
    }

    /// Makes scenes from what [`DatasetConfig::load_split`] has read; `entries` say what the `samples` are.
    ///
    /// # Errors
    /// If there are not as many samples as entries.
    pub fn loaded(
        dataset: &'a DatasetConfig,
        split: &str,
        entries: &[Entry],
        samples: &'a SampleStore,
    ) -> Result<Self> {
        ensure!(
            Misuse,
            samples.len() == entries.len(),
            "there are {} samples for the split {split} of {}, which has {}",
            samples.len(),
            dataset.name,
            entries.len()
        );
        Ok(Self {
            dataset,
            split: split.to_owned(),
            entries: entries.to_vec(),
            loaded: Some(samples),
        })
    }

    /// The dataset.
    pub fn dataset(&self) -> &'a DatasetConfig {
        self.dataset
    }

    /// Name of the split.
    pub fn split(&self) -> &str {
        &self.split
    }

    /// How many scenes there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no scene.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the scenes show.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How the values of all scenes are converted to those of training, as `raremap predict` does it for one scene: by units, if these explain
    /// the difference.
    ///
    /// # Errors
    /// As [`Self::sample`].
    pub fn matching(&self, layout: &Layout) -> Result<Option<Matching>> {
        let mut pixels = Samples {
            bands: layout.run.bands.len(),
            height: 1,
            width: 0,
            values: Vec::new(),
            valid: Vec::new(),
        };
        let mut planes = vec![Vec::new(); layout.run.bands.len()];
        for index in (0..self.len()).step_by(self.len().div_ceil(LOOKED_AT).max(1)) {
            let sample = self.sample(index)?;
            let area = sample.valid.len();
            let step = area.div_ceil(PIXELS_OF_EACH).max(1);
            pixels.valid.extend(sample.valid.iter().step_by(step));
            for (plane, &band) in planes.iter_mut().zip(&layout.run.bands) {
                plane.extend(sample.values[band * area..(band + 1) * area].iter().step_by(step));
            }
        }
        pixels.width = pixels.valid.len();
        pixels.values = planes.concat();
        Ok(match_statistics(&pixels, &layout.card, MatchMode::Auto))
    }

    /// A scene.
    ///
    /// # Errors
    /// If its file cannot be read, or if there is no scene of that index.
    pub fn sample(&self, index: usize) -> Result<Arc<Sample>> {
        let entry = self
            .entries
            .get(index)
            .ok_or_else(|| failure!(Misuse, "there is no such scene"))?;
        match self.loaded {
            Some(samples) => samples.get(index),
            None => self.dataset.load_sample(&entry.image).map(Arc::new),
        }
    }
}

/// How a model fits a dataset: which band goes where, and what its classes are.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The card without the optional bands that the dataset does not have.
    pub card: Card,
    /// Bands and tiles of a run, and how its values are matched.
    pub run: RunOptions,
    /// Class names, in the order of the main head.
    pub names: Vec<String>,
    /// Rare classes of the dataset, whether or not the model has an auxiliary head, and the background.
    pub roles: Roles,
    /// Class of each channel of the auxiliary head.
    pub auxiliary: Vec<usize>,
}

impl Layout {
    /// The options of a run over `sample`.
    pub fn run_of(&self, sample: &Sample) -> RunOptions {
        RunOptions {
            ground_resolution_m: Some(sample.ground_resolution_m),
            ..self.run.clone()
        }
    }

    /// Runs `model` over a sample, through the pipeline that predicts.
    ///
    /// # Errors
    /// Those of the pipeline, with the name of the sample's file.
    pub fn logits(&self, sample: &Sample, model: &impl TileModel) -> Result<SceneLogits> {
        let scene = SceneInMemory {
            size: [sample.height, sample.width],
            values: &sample.values,
            valid: &sample.valid,
        };
        let logits = pollster::block_on(run_in_memory(&scene, model, &self.card, &self.run_of(sample), &mut ()));
        logits.with_context(|| sample.path.display().to_string())
    }

    /// # Errors
    /// If the dataset's bands or classes are not the card's, or if the background is not a class.
    pub fn new(card: &Card, dataset: &DatasetConfig, background: Option<&str>) -> Result<Self> {
        let scene = dataset.scene_bands();
        let lacks = |name: &&str| !scene.iter().any(|(band, _)| band == name);
        let missing: Vec<&str> = card.optional_bands().into_iter().filter(lacks).collect();
        let card = card.without(&missing);
        // Positions within a sample, which only holds the scene bands, in the dataset's order.
        let band = |name: &str| {
            let found = scene.iter().position(|(band, _)| *band == name);
            found.ok_or_else(|| {
                failure!(
                    Misuse,
                    "the model needs the band {name}, which {} does not have",
                    dataset.name
                )
            })
        };
        let bands = card.scene_bands().into_iter().map(band).collect::<Result<_>>()?;
        let names: Vec<String> = card.classes.iter().map(|class| class.name.clone()).collect();
        let theirs: Vec<&str> = dataset.classes.iter().map(|class| class.name.as_str()).collect();
        ensure!(
            Misuse,
            names == theirs,
            "the model's classes are {}, the dataset's {}",
            names.join(", "),
            theirs.join(", ")
        );
        let background = background.map(|name| {
            let found = names.iter().position(|class| class == name);
            found.ok_or_else(|| {
                failure!(
                    Misuse,
                    "the background {name} is not a class; the classes are {}",
                    names.join(", ")
                )
            })
        });
        let rare = dataset.classes.iter().enumerate().filter(|(_, class)| class.rare);
        Ok(Self {
            run: RunOptions {
                tiling: Tiling::of_tile(card.tile_px),
                ..RunOptions::new(bands)
            },
            roles: Roles {
                rare: rare.map(|(index, _)| index).collect(),
                background: background.transpose()?,
            },
            auxiliary: card.rare_class_indices(),
            names,
            card,
        })
    }
}
