//! A labelled set of images, described by a TOML file: GeoTIFF pairs, PNG pairs or NumPy arrays.

mod arrays;
mod classes;
mod config;
mod drop;
mod entries;
mod entry;
mod footprint;
mod join;
mod list;
mod npz;
mod npz_section;
mod place;
mod png;
mod sample;
mod shore;
mod shore_section;
mod sources;
mod store;
mod tiff;
mod upsample;
mod vanished;

use std::path::PathBuf;

use raremap_model::{Band, BandSource, SceneTrait};

pub use classes::ClassConfig;
pub use config::{BandConfig, DatasetConfig, DropSection, Format, SourceConfig};
pub use drop::Dropped;
pub use entry::{Entry, EntryProblem};
pub use footprint::Footprint;
pub use npz_section::{Layout, NpzConfig, check_fractions};
pub use sample::{IGNORE, Sample};
pub use shore_section::ShoreSection;
pub use sources::SourceSamples;
pub use store::SampleStore;
pub use vanished::{Hidden, SplitClasses, Vanished, vanished};

use crate::error::{Result, ensure};

/// A split, without what the dataset's rules leave out.
#[derive(Debug, Clone)]
pub struct Split {
    /// What each sample is, in the order of `samples`.
    pub entries: Vec<Entry>,
    /// The samples.
    pub samples: SampleStore,
    /// What was left out, and why.
    pub dropped: Dropped,
    /// What it contains of each class.
    pub classes: SplitClasses,
}

/// Reads samples one after the other; the windows of a scene are read from one open file.
pub struct Loader<'a> {
    config: &'a DatasetConfig,
    open: tiff::OpenPair,
    hidden: Hidden,
}

impl Loader<'_> {
    /// Reads an image and its mask.
    ///
    /// # Errors
    /// Names the file that cannot be read or has too few bands, whose mask has another size or holds an unknown class, or which has no
    /// valid pixel as a whole image (a window may have none).
    pub fn load(&mut self, image: &str) -> Result<Sample> {
        if let Some((source, image)) = self.config.source_of(image) {
            return source.loader().load(image);
        }
        let (scene, corner) = self.config.scene_of(image);
        let (names, pixels, mask) = match self.config.format {
            Format::Npz => npz::read(self.config, image)?,
            format => {
                let names = sample::Names {
                    image: self.config.image_path(scene),
                    mask: self.config.mask_path(scene),
                };
                let (pixels, mask) = if format == Format::Png {
                    let pixels = png::read_image(self.config, &names.image)?;
                    (pixels, png::read_mask(self.config, &names.mask)?)
                } else {
                    self.open.read(self.config, &names.image, &names.mask, corner)?
                };
                (names, pixels, mask)
            }
        };
        let sample = join::join(self.config, &names, pixels, &mask, &mut self.hidden)?;
        ensure!(
            Dataset,
            corner.is_some() || sample.valid.contains(&true),
            "{} has no valid pixel: all are nodata or NaN",
            sample.path.display()
        );
        Ok(sample)
    }

    /// Unlabelled pixels of classes in the masks, since the last call.
    pub fn take_hidden(&mut self) -> Hidden {
        std::mem::take(&mut self.hidden)
    }
}

impl DatasetConfig {
    /// Makes a reader of many samples.
    pub fn loader(&self) -> Loader<'_> {
        Loader {
            config: self,
            open: tiff::OpenPair::default(),
            hidden: Hidden::default(),
        }
    }

    /// Reads all of `split`, with the name and place of each sample, except those that the dataset's rules leave out. At most `memory_bytes` of
    /// samples are kept in memory.
    ///
    /// # Errors
    /// Those of [`Loader::load`] and [`SampleStore::push`], and if nothing is left.
    pub fn load_split(&self, split: &str, memory_bytes: u64) -> Result<Split> {
        self.load_places(split, 1.0, memory_bytes)
    }

    /// Reads `places_share` of the places of `split`, above 0 to 1, rounded up, and otherwise does what [`DatasetConfig::load_split`] does. Names alone decide
    /// which places are read, and those of a smaller share are among those of a larger one.
    ///
    /// # Errors
    /// Those of [`DatasetConfig::load_split`].
    pub fn load_places(&self, split: &str, places_share: f64, memory_bytes: u64) -> Result<Split> {
        if self.is_mix() {
            return Ok(self.load_sources(split, places_share, memory_bytes)?.0);
        }
        let mut loader = self.loader();
        let mut entries = self.entries_of(split)?;
        entry::keep_share(&mut entries, places_share);
        let mut samples = SampleStore::within(memory_bytes);
        let mut facts = Vec::with_capacity(entries.len());
        let section = self
            .shore
            .as_ref()
            .filter(|section| section.splits.iter().any(|name| name == split));
        let shore = section.map(|section| self.shore(section)).transpose()?;
        for entry in &entries {
            let mut sample = loader.load(&entry.image)?;
            if let Some(shore) = &shore {
                shore.apply(&mut sample);
            }
            facts.push(drop::Facts::of(self, split, &sample));
            samples.push(sample)?;
        }
        let (keep, dropped) = drop::apply(self, split, &facts);
        samples.retain(&keep);
        let mut keep = keep.into_iter();
        entries.retain(|_| keep.next().unwrap_or(true));
        ensure!(
            Dataset,
            !samples.is_empty(),
            "nothing is left of split {split} of {}: {}",
            self.name,
            dropped.sentence(split)
        );
        let mut classes = SplitClasses {
            dropped: dropped.total(),
            hidden: loader.take_hidden(),
            ..SplitClasses::new(split, self)
        };
        for sample in samples.iter() {
            classes.add(sample?.as_ref());
        }
        Ok(Split {
            entries,
            samples,
            dropped,
            classes,
        })
    }

    /// Reads an image and its mask.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub fn load_sample(&self, image: &str) -> Result<Sample> {
        self.loader().load(image)
    }

    /// The files of an image and its mask, for messages; a window or an image of an array is given by name.
    pub fn display_path(&self, image: &str) -> PathBuf {
        if let Some((source, image)) = self.source_of(image) {
            return source.display_path(image);
        }
        match self.scene_of(image) {
            (_, Some([row, column])) => PathBuf::from(format!(
                "{} at row {row}, column {column}",
                self.image_path(image).display()
            )),
            _ => self.image_path(image),
        }
    }
}
/// Pixels per class over `samples`.
///
/// # Errors
/// Those of [`SampleStore::get`].
pub fn class_pixels(samples: &SampleStore, classes: usize) -> Result<Vec<u64>> {
    let mut counts = vec![0u64; classes];
    for sample in samples.iter() {
        for &label in &sample?.labels {
            if let Some(count) = counts.get_mut(usize::from(label)) {
                *count += 1;
            }
        }
    }
    Ok(counts)
}

fn source_of_band(band: &BandConfig) -> BandSource {
    if let Some([first, second]) = &band.normalized_difference {
        BandSource::NormalizedDifference {
            first: first.clone(),
            second: second.clone(),
        }
    } else if let Some(band) = &band.presence {
        BandSource::Presence { band: band.clone() }
    } else {
        band.scene_trait.map_or(BandSource::Scene, BandSource::Trait)
    }
}

/// Mean and deviation of a channel that does not hold values of the scene. A scene of reflectances with all bands at the dataset's resolution is 0 in
/// all of them; others are one or two deviations away, as a band's values are from their mean.
fn fixed_scaling(source: &BandSource, config: &DatasetConfig) -> Option<(f32, f32)> {
    match source {
        BandSource::Presence { .. } => Some((1.0, 0.5)),
        BandSource::Trait(SceneTrait::Picture) => Some((0.0, 0.5)),
        BandSource::Trait(SceneTrait::GroundResolution) => Some((config.sample_resolution_m().log2() as f32, 1.0)),
        BandSource::Scene | BandSource::NormalizedDifference { .. } | BandSource::Missing => None,
    }
}

/// The card's bands with mean and standard deviation over the valid pixels of `samples`. Only the training split may be used here.
///
/// # Errors
/// If no pixel is valid, or if a band is constant; and those of [`SampleStore::get`].
pub fn measure_bands(config: &DatasetConfig, samples: &SampleStore) -> Result<Vec<Band>> {
    let identity = config.bands.iter().map(|band| Band {
        name: band.name.clone(),
        source: source_of_band(band),
        optional: band.optional,
        mean: 0.0,
        std: 1.0,
    });
    let mut bands: Vec<Band> = identity.collect();
    // With mean 0 and deviation 1 the normalizer passes values through, so derived bands are measured as they are made.
    let raw = raremap_infer::Normalizer::new(&bands)?;
    let mut sums = vec![(0.0f64, 0.0f64); bands.len()];
    let mut count = 0u64;
    for sample in samples.iter() {
        let sample = sample?;
        let channels = raw.normalize(&sample.values, &sample.valid, &sample.traits())?;
        count += sample.valid.iter().filter(|&&valid| valid).count() as u64;
        for (channel, (sum, squares)) in channels.chunks(sample.valid.len()).zip(&mut sums) {
            for (&value, _) in channel.iter().zip(&sample.valid).filter(|(_, valid)| **valid) {
                *sum += f64::from(value);
                *squares += f64::from(value) * f64::from(value);
            }
        }
    }
    ensure!(Dataset, count > 1, "the training split has no valid pixel");
    for (band, (sum, squares)) in bands.iter_mut().zip(sums) {
        if let Some((mean, std)) = fixed_scaling(&band.source, config) {
            (band.mean, band.std) = (mean, std);
            continue;
        }
        let mean = sum / count as f64;
        band.mean = mean as f32;
        band.std = (squares / count as f64 - mean * mean).max(0.0).sqrt() as f32;
        ensure!(
            Dataset,
            band.std > 0.0,
            "band {} is constant over the training split",
            band.name
        );
    }
    Ok(bands)
}
