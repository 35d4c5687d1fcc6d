//! The training samples have a type of their own.

use std::sync::Arc;

use crate::dataset::{DatasetConfig, Sample, SampleStore, SourceSamples, SplitClasses};
use crate::error::Result;

/// Name of the split that a model learns from.
pub const TRAIN: &str = "train";

/// The samples of the split named [`TRAIN`], as they are in the files.
///
/// Two mistakes make a score look better than the model is, and both are type errors here: varying validation images, and splitting a set
/// after it was varied. Crops, CutMix and samplers take this type and nothing else. Its field is private, so the only way to get one is
/// [`Self::load`], which reads the files of that split. A [`SampleStore`], the type of every other loaded split, does not convert into it,
/// and neither does a crop.
///
/// A copy is cheap (the samples are shared), so worker threads can each hold one.
#[derive(Debug, Clone)]
pub struct TrainingSplit {
    samples: Arc<SampleStore>,
    sources: Arc<[SourceSamples]>,
    classes: Option<SplitClasses>,
}

impl TrainingSplit {
    /// Reads `places_share` of the places of the training split of `dataset`, of which at most `memory_bytes` are kept in memory.
    ///
    /// # Errors
    /// If the dataset has no such split, or a file cannot be read; the message names the file.
    pub fn load(dataset: &DatasetConfig, places_share: f64, memory_bytes: u64) -> Result<Self> {
        let (split, sources) = dataset.load_sources(TRAIN, places_share, memory_bytes)?;
        if places_share < 1.0 {
            let images = split.entries.len();
            tracing::info!("{images} images are used, of {places_share} of the places of split {TRAIN}");
        }
        if split.dropped.total() > 0 {
            tracing::info!("{}", split.dropped.sentence(TRAIN));
        }
        Ok(Self {
            samples: Arc::new(split.samples),
            classes: Some(split.classes),
            sources: sources.into(),
        })
    }

    /// Makes samples in memory.
    #[cfg(test)]
    pub fn of(samples: Vec<Sample>) -> Self {
        Self::of_store(samples.into_iter().collect())
    }

    /// Makes a split of samples wherever they are.
    #[cfg(test)]
    pub fn of_store(samples: SampleStore) -> Self {
        let all = SourceSamples {
            samples: 0..samples.len(),
            share: 1.0,
            ground_resolution_m: 10.0,
        };
        Self {
            samples: Arc::new(samples),
            sources: vec![all].into(),
            classes: None,
        }
    }

    /// The samples, to measure or to show them.
    pub fn samples(&self) -> &SampleStore {
        &self.samples
    }

    /// Which samples come from where.
    pub fn sources(&self) -> &[SourceSamples] {
        &self.sources
    }

    /// A sample.
    ///
    /// # Errors
    /// Those of [`SampleStore::get`].
    pub fn sample(&self, index: usize) -> Result<Arc<Sample>> {
        self.samples.get(index)
    }

    /// The source of a sample.
    ///
    /// # Panics
    /// If the split has no such sample.
    pub fn source_of(&self, sample: usize) -> &SourceSamples {
        let source = self.sources.partition_point(|source| source.samples.end <= sample);
        &self.sources[source]
    }

    /// What the files contain of each class; `None` for samples made in memory.
    pub fn classes(&self) -> Option<&SplitClasses> {
        self.classes.as_ref()
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::marker::PhantomData;

    struct Probe<T>(PhantomData<T>);

    /// Holds for every type; an inherent constant of the same name is preferred to it.
    trait NoConversion {
        const FROM_SAMPLES: bool = false;
    }
    impl<T> NoConversion for Probe<T> {}
    impl<T: From<SampleStore>> Probe<T> {
        const FROM_SAMPLES: bool = true;
    }

    /// This stands in for a `compile_fail` documentation test, because those of a binary crate do not run.
    #[test]
    fn samples_of_any_split_do_not_convert_into_a_training_split() {
        const {
            assert!(
                Probe::<Arc<SampleStore>>::FROM_SAMPLES,
                "the probe sees a conversion where there is one"
            )
        };
        const { assert!(!Probe::<TrainingSplit>::FROM_SAMPLES) };
    }

    #[test]
    fn only_the_split_named_train_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("writes");
        // Neither file can be read, and the error names the one that was tried: this shows which split is read.
        for folder_name in ["i", "m"] {
            std::fs::create_dir(folder.path().join(folder_name)).expect("a folder");
            ["a", "b"]
                .iter()
                .for_each(|name| write(&format!("{folder_name}/{name}.tif"), ""));
        }
        write("splits.csv", "image,place,split\na,north,val\nb,south,train\n");
        write(
            "set.toml",
            "name = 's'\nprovenance = ''\nroot = '.'\nimages = 'i'\nmasks = 'm'\nsplits = 'splits.csv'\n\
             value_scaling = ''\nground_resolution_m = 1.0\nignore = 255\n\
             bands = [{ name = 'red', index = 1 }]\nclasses = [{ value = 0, name = 'land', color = '000000' }]\n",
        );
        let dataset = DatasetConfig::read(&folder.path().join("set.toml"), Some(folder.path())).expect("valid");
        let error = format!(
            "{:#}",
            TrainingSplit::load(&dataset, 1.0, u64::MAX).expect_err("no such file")
        );
        assert!(error.contains("b.tif"), "{error}");
        write("splits.csv", "image,place,split\na,north,val\n");
        let error = format!(
            "{:#}",
            TrainingSplit::load(&dataset, 1.0, u64::MAX).expect_err("no such split")
        );
        assert!(error.contains("no split train"), "{error}");
    }
}
