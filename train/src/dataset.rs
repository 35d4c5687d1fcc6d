//! A labelled set of scenes, described by a TOML file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use raremap_model::{Band, BandSource, Class};
use raremap_raster::{FileSource, GeoTiff, Limits, Window};
use serde::{Deserialize, Serialize};

/// The TOML file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetConfig {
    /// Name, for the card.
    pub name: String,
    /// Source and terms, for the card.
    pub provenance: String,
    /// Folder of the data, relative to the repository.
    pub root: PathBuf,
    /// Folder of the images under `root`.
    pub images: String,
    /// Folder of the masks under `root`.
    pub masks: String,
    /// CSV file under `root` with the columns `image`, `place` and `split`.
    pub splits: String,
    /// What the numbers are, in words.
    pub value_scaling: String,
    /// Metres per pixel.
    pub ground_resolution_m: f64,
    /// Bands of the network's input, in order.
    pub bands: Vec<BandConfig>,
    /// Classes, in the order of the network's channels.
    pub classes: Vec<ClassConfig>,
    /// Mask value that is not scored.
    pub ignore: u8,
}

/// A band of the scenes, or one derived from two of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandConfig {
    /// Common name, lower case.
    pub name: String,
    /// Position in the files, from 1.
    pub index: Option<usize>,
    /// Instead of an index: two bands whose normalized difference this is.
    pub normalized_difference: Option<[String; 2]>,
}

/// A class.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassConfig {
    /// Value in the masks.
    pub value: u8,
    /// Name.
    pub name: String,
    /// `RRGGBB`.
    pub color: String,
    /// Whether the auxiliary head looks for it.
    #[serde(default)]
    pub rare: bool,
}

/// A line of the splits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// Name of the image.
    pub image: String,
    /// The place that it shows: images of one place are never in two splits.
    pub place: String,
    /// Its split.
    pub split: String,
}

/// An image with its mask, in memory.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The image's file.
    pub path: PathBuf,
    /// Pixels.
    pub height: usize,
    /// Pixels.
    pub width: usize,
    /// `[scene_bands, h, w]`, raw.
    pub values: Vec<f32>,
    /// `[h, w]`
    pub valid: Vec<bool>,
    /// `[h, w]`, class indices; [`IGNORE`] where the mask says so or the image is invalid.
    pub labels: Vec<u8>,
}

/// Class index of pixels that are not scored.
pub const IGNORE: u8 = u8::MAX;

impl DatasetConfig {
    /// Reads and checks a dataset's description; `root` overrides the one in the file.
    pub fn read(path: &Path, root: Option<&Path>) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut config: Self = toml::from_str(&text).with_context(|| format!("{} is not a dataset", path.display()))?;
        config
            .check()
            .with_context(|| format!("{} is not usable", path.display()))?;
        if let Some(root) = root {
            config.root = root.to_owned();
        } else if config.root.is_relative() && !config.root.exists() {
            config.root = repository_of(path).join(&config.root);
        }
        ensure!(
            config.root.is_dir(),
            "the data folder {} of {} is not there (--root names another)",
            config.root.display(),
            path.display()
        );
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        ensure!(
            !self.classes.is_empty() && self.classes.len() < usize::from(IGNORE),
            "from 1 to 254 classes are needed"
        );
        ensure!(
            self.classes.iter().all(|c| c.value != self.ignore),
            "a class has the ignore value {}",
            self.ignore
        );
        let scene = self.scene_bands();
        ensure!(!scene.is_empty(), "no band has an index");
        for band in &self.bands {
            match (&band.index, &band.normalized_difference) {
                (Some(0), None) => bail!("band {}: indices count from 1", band.name),
                (Some(_), None) => {}
                (None, Some(pair)) => {
                    for name in pair {
                        ensure!(
                            scene.iter().any(|(n, _)| n == name),
                            "band {}: {name} has no index",
                            band.name
                        );
                    }
                }
                _ => bail!("band {} needs either index or normalized_difference", band.name),
            }
        }
        for class in &self.classes {
            color_of(class)?;
            ensure!(
                self.classes.iter().filter(|c| c.name == class.name).count() == 1,
                "{} stands twice",
                class.name
            );
            ensure!(
                self.classes.iter().filter(|c| c.value == class.value).count() == 1,
                "{} stands twice",
                class.value
            );
        }
        Ok(())
    }

    /// Names and 0-based positions of the bands read from the files, in order.
    pub fn scene_bands(&self) -> Vec<(&str, usize)> {
        self.bands
            .iter()
            .filter_map(|b| b.index.map(|i| (b.name.as_str(), i.saturating_sub(1))))
            .collect()
    }

    /// The classes as the card has them.
    pub fn card_classes(&self) -> Result<Vec<Class>> {
        let class = |c: &ClassConfig| {
            Ok(Class {
                value: c.value,
                name: c.name.clone(),
                color: color_of(c)?,
            })
        };
        self.classes.iter().map(class).collect()
    }

    /// Names of the rare classes, in order.
    pub fn rare_classes(&self) -> Vec<String> {
        self.classes.iter().filter(|c| c.rare).map(|c| c.name.clone()).collect()
    }

    /// Names of the images of `split`, as [`DatasetConfig::entries_of`].
    pub fn images_of(&self, split: &str) -> Result<Vec<String>> {
        Ok(self.entries_of(split)?.into_iter().map(|entry| entry.image).collect())
    }

    /// The entries of `split`. A place in two splits is an error: its images would leak from one into the other.
    pub fn entries_of(&self, split: &str) -> Result<Vec<Entry>> {
        let path = self.root.join(&self.splits);
        let mut reader = csv::Reader::from_path(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut split_of_place = BTreeMap::new();
        let mut images = Vec::new();
        for row in reader.deserialize() {
            let row: Entry = row.with_context(|| format!("{} has a bad line", path.display()))?;
            let first = split_of_place
                .entry(row.place.clone())
                .or_insert_with(|| row.split.clone());
            ensure!(
                *first == row.split,
                "{}: place {} is in {first} and in {}: its images would leak from one split into the other",
                path.display(),
                row.place,
                row.split
            );
            if row.split == split {
                images.push(row);
            }
        }
        let mut known: Vec<_> = split_of_place.into_values().collect();
        known.sort();
        known.dedup();
        ensure!(
            !images.is_empty(),
            "{} has no split {split}; it has {}",
            path.display(),
            known.join(", ")
        );
        Ok(images)
    }

    /// The file of an image.
    pub fn image_path(&self, image: &str) -> PathBuf {
        self.root.join(&self.images).join(format!("{image}.tif"))
    }

    /// Reads all of `split` into memory.
    pub fn load(&self, split: &str) -> Result<Vec<Sample>> {
        let images = self.images_of(split)?;
        images.iter().map(|image| self.load_sample(image)).collect()
    }

    /// Reads an image and its mask.
    pub fn load_sample(&self, image: &str) -> Result<Sample> {
        let path = self.image_path(image);
        let bands: Vec<usize> = self.scene_bands().iter().map(|(_, index)| *index).collect();
        let pixels = read_whole(&path, &bands)?;
        let mask_path = self.root.join(&self.masks).join(format!("{image}.tif"));
        let mask = read_whole(&mask_path, &[0])?;
        ensure!(
            (mask.height, mask.width) == (pixels.height, pixels.width),
            "{} has {} x {} pixels, its image {} x {}",
            mask_path.display(),
            mask.width,
            mask.height,
            pixels.width,
            pixels.height
        );
        let mut class_of = [IGNORE; 256];
        let mut known = [false; 256];
        known[usize::from(self.ignore)] = true;
        for (index, class) in self.classes.iter().enumerate() {
            class_of[usize::from(class.value)] = index as u8;
            known[usize::from(class.value)] = true;
        }
        let mut labels = Vec::with_capacity(mask.values.len());
        for ((&value, &labelled), &valid) in mask.values.iter().zip(&mask.valid).zip(&pixels.valid) {
            let code = value as u8;
            if labelled && (f32::from(code) != value || !known[usize::from(code)]) {
                bail!(
                    "{} holds {value}, which is no class and not the ignore value",
                    mask_path.display()
                );
            }
            labels.push(if labelled && valid {
                class_of[usize::from(code)]
            } else {
                IGNORE
            });
        }
        Ok(Sample {
            path,
            height: pixels.height,
            width: pixels.width,
            values: pixels.values,
            valid: pixels.valid,
            labels,
        })
    }
}

/// The folder that holds `Cargo.lock`, up from `path`; else the working folder.
fn repository_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let root = absolute.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.map_or_else(PathBuf::new, Path::to_path_buf)
}

fn color_of(class: &ClassConfig) -> Result<[u8; 3]> {
    let digits = u32::from_str_radix(&class.color, 16)
        .ok()
        .filter(|_| class.color.len() == 6);
    let [_, r, g, b] = digits
        .with_context(|| format!("{}: color must be RRGGBB", class.name))?
        .to_be_bytes();
    Ok([r, g, b])
}

fn read_whole(path: &Path, bands: &[usize]) -> Result<raremap_raster::Samples> {
    let read = async {
        let scene = GeoTiff::open(FileSource::open(path)?, Limits::default()).await?;
        let (width, height) = (scene.info().width, scene.info().height);
        scene
            .read_window(
                Window {
                    x: 0,
                    y: 0,
                    width,
                    height,
                },
                bands,
            )
            .await
    };
    pollster::block_on(read).with_context(|| format!("cannot read {}", path.display()))
}

/// Pixels per class over `samples`.
pub fn class_pixels(samples: &[Sample], classes: usize) -> Vec<u64> {
    let mut counts = vec![0u64; classes];
    for &label in samples.iter().flat_map(|sample| &sample.labels) {
        if let Some(count) = counts.get_mut(usize::from(label)) {
            *count += 1;
        }
    }
    counts
}

/// The card's bands with mean and standard deviation over the valid pixels of `samples`: the training split's, nothing
/// else's.
pub fn measure_bands(config: &DatasetConfig, samples: &[Sample]) -> Result<Vec<Band>> {
    let identity = config.bands.iter().map(|band| Band {
        name: band.name.clone(),
        source: match &band.normalized_difference {
            None => BandSource::Scene,
            Some([first, second]) => BandSource::NormalizedDifference {
                first: first.clone(),
                second: second.clone(),
            },
        },
        mean: 0.0,
        std: 1.0,
    });
    let mut bands: Vec<Band> = identity.collect();
    // With mean 0 and deviation 1 the normalizer passes values through: derived bands are measured as they are made.
    let raw = raremap_infer::Normalizer::new(&bands)?;
    let mut sums = vec![(0.0f64, 0.0f64); bands.len()];
    let mut count = 0u64;
    for sample in samples {
        let channels = raw.normalize(&sample.values, &sample.valid)?;
        count += sample.valid.iter().filter(|&&valid| valid).count() as u64;
        for (channel, (sum, squares)) in channels.chunks(sample.valid.len()).zip(&mut sums) {
            for (&value, _) in channel.iter().zip(&sample.valid).filter(|(_, valid)| **valid) {
                *sum += f64::from(value);
                *squares += f64::from(value) * f64::from(value);
            }
        }
    }
    ensure!(count > 1, "the training split has no valid pixel");
    for (band, (sum, squares)) in bands.iter_mut().zip(sums) {
        let mean = sum / count as f64;
        band.mean = mean as f32;
        band.std = (squares / count as f64 - mean * mean).max(0.0).sqrt() as f32;
        ensure!(band.std > 0.0, "band {} is constant over the training split", band.name);
    }
    Ok(bands)
}
