//! The TOML file that describes a dataset.

use std::path::{Path, PathBuf};

use raremap_io::is_address;
use raremap_model::{Class, SceneTrait};
use serde::{Deserialize, Serialize};

use super::arrays::NpzCache;
use super::classes::{ClassConfig, check_classes, color_of, mask_value};
use super::npz_section::NpzConfig;
use super::shore::Shore;
use super::shore_section::ShoreSection;
use crate::error::{Context, Result, ensure};

/// The TOML file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetConfig {
    /// Name, which goes into the card.
    pub name: String,
    /// Source and terms, which go into the card.
    pub provenance: String,
    /// Folder of the data, relative to this file.
    #[serde(default)]
    pub root: PathBuf,
    /// The datasets that this one mixes, instead of files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceConfig>,
    /// Format of the files.
    #[serde(default)]
    pub format: Format,
    /// Folder of the images under `root`, or its address on a server; not used for `npz`.
    #[serde(default)]
    pub images: String,
    /// Folder of the masks, in the same way.
    #[serde(default)]
    pub masks: String,
    /// CSV file under `root` with the columns `image`, `place` and `split`, separated by commas, semicolons or tabs. It is optional for
    /// `npz`: see `NpzConfig`.
    #[serde(default)]
    pub splits: String,
    /// Cuts each scene into windows of this edge, in pixels of the file; every window is a sample. For GeoTIFF only.
    pub window_px: Option<u32>,
    /// Value of the images that marks pixels without data, used instead of what the files say. A value of 0 must be in all bands, as in
    /// files that declare it, because one band can measure 0.
    pub nodata: Option<f64>,
    /// How far masks may be shifted against their images, in pixels; a twentieth of a pixel if absent. GeoTIFF only.
    pub allow_shift_px: Option<f64>,
    /// Factor by which samples are upsampled when they are read, 1 to 4: cubic for the image, nearest for the mask.
    #[serde(default = "unscaled")]
    pub upsample: usize,
    /// Class that the mean IoU leaves out, such as unlabelled ground.
    pub background: Option<String>,
    /// Which samples are left out.
    #[serde(default)]
    pub drop: DropSection,
    /// Labels along the edge of a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shore: Option<ShoreSection>,
    /// Arrays, if `format` is `npz`.
    #[serde(default)]
    pub npz: Vec<NpzConfig>,
    /// What the numbers are, in words.
    pub value_scaling: String,
    /// Metres per pixel of the files.
    pub ground_resolution_m: f64,
    /// Bands of the network's input, in order.
    pub bands: Vec<BandConfig>,
    /// Classes, in the order of the network's channels.
    pub classes: Vec<ClassConfig>,
    /// Mask value that is not scored.
    #[serde(deserialize_with = "mask_value")]
    pub ignore: u8,
    /// Arrays that were already read: one archive holds all samples.
    #[serde(skip)]
    pub(super) npz_cache: NpzCache,
}

/// Format of a dataset's files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `NAME.tif` in both folders.
    #[default]
    Geotiff,
    /// `NAME.png` in both folders: images of 8 or 16 bits, gray or RGB, with or without opacity. A mask's gray value or palette index is
    /// the class value, or its colour is the class colour.
    Png,
    /// Arrays of images and masks in NumPy's `.npz`.
    Npz,
}

/// A band of the scenes, or one derived from two of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandConfig {
    /// Common name, lower case.
    pub name: String,
    /// Position in the files, from 1.
    pub index: Option<usize>,
    /// Used instead of an index: two bands whose normalized difference this is.
    pub normalized_difference: Option<[String; 2]>,
    /// Used instead of an index: the optional band of which this tells whether the scene has it.
    pub presence: Option<String>,
    /// Used instead of an index: what the network is told about the scene as a whole.
    #[serde(rename = "trait")]
    pub scene_trait: Option<SceneTrait>,
    /// Whether the model is to work on scenes without this band, too: see `augment.optional_bands`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

impl BandConfig {
    /// Whether it is not read from the files.
    pub(super) fn is_derived(&self) -> bool {
        self.normalized_difference.is_some() || self.presence.is_some() || self.scene_trait.is_some()
    }
}

/// Which samples are left out when a split is loaded as a whole. What was left out is reported.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DropSection {
    /// Leave out samples whose mask shows only background and ignored pixels.
    pub blank_masks: bool,
    /// Leave out samples with a larger share of background among the labelled pixels, 0 to 1.
    pub background_above: Option<f64>,
    /// Leave out samples whose mask is shared, pixel for pixel, by at least this many samples and shows more than one class: such labels
    /// were pasted, not drawn.
    pub identical_masks_from: Option<usize>,
    /// Places that are left out completely, such as those whose ground other splits show (`raremap check` finds them).
    pub places: Vec<String>,
    /// Splits where these rules apply.
    pub splits: Vec<String>,
}

impl Default for DropSection {
    /// Leaves nothing out; rules that are set apply to the training split.
    fn default() -> Self {
        Self {
            blank_masks: false,
            background_above: None,
            identical_masks_from: None,
            places: Vec::new(),
            splits: vec!["train".into()],
        }
    }
}

/// Largest `upsample`.
const MAX_UPSAMPLE: usize = 4;

const fn unscaled() -> usize {
    1
}

impl DatasetConfig {
    /// Reads and checks a dataset's description; `root`, the folder of its files, overrides the one in the file.
    ///
    /// # Errors
    /// If the description cannot be read or contradicts itself, or if a folder or file that it names does not exist; the message names the file
    /// and the key.
    pub fn read(path: &Path, root: Option<&Path>) -> Result<Self> {
        // Errors name files by their whole paths.
        let path = &std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut config = Self::parse(path)?;
        if config.is_mix() {
            ensure!(
                Dataset,
                root.is_none(),
                "{} is a mix of datasets, each with its own folder, so --root does not apply",
                path.display()
            );
            config.read_sources(path, |source| Self::read(source, None))?;
            return Ok(config);
        }
        config.root = match root {
            Some(root) => root.to_owned(),
            None => root_of(path, &config.root),
        };
        config.root = std::path::absolute(&config.root).unwrap_or(config.root);
        ensure!(
            Dataset,
            config.root.is_dir(),
            "the data folder {} of {} does not exist (use --root to name another)",
            config.root.display(),
            path.display()
        );
        if config.format != Format::Npz {
            for (key, folder) in [("images", &config.images), ("masks", &config.masks)] {
                let folder = config.folder(folder);
                ensure!(
                    Dataset,
                    is_address(&folder) || folder.is_dir(),
                    "the folder {} does not exist; {} names it as `{key}`",
                    folder.display(),
                    path.display()
                );
            }
        }
        for arrays in &config.npz {
            let file = config.root.join(&arrays.file);
            ensure!(
                Dataset,
                file.is_file(),
                "the file {} does not exist; {} names it in [[npz]]",
                file.display(),
                path.display()
            );
        }
        Ok(config)
    }

    /// Reads the description alone, whether or not its data is there.
    pub(crate) fn parse(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut config: Self = toml::from_str(&text).with_context(|| format!("{} is not a dataset", path.display()))?;
        config
            .read_sources(path, Self::parse)
            .and_then(|()| config.check())
            .with_context(|| format!("{} cannot be used", path.display()))?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        check_classes(&self.classes, self.ignore)?;
        self.check_bands()?;
        ensure!(
            Dataset,
            self.ground_resolution_m > 0.0 && self.ground_resolution_m.is_finite(),
            "ground_resolution_m is {}; it must be positive",
            self.ground_resolution_m
        );
        ensure!(
            Dataset,
            (1..=MAX_UPSAMPLE).contains(&self.upsample),
            "upsample is {}; it must be from 1 to {MAX_UPSAMPLE}",
            self.upsample
        );
        if let Some(edge) = self.window_px {
            ensure!(Dataset, edge >= 32, "window_px is {edge}; it must be at least 32");
            ensure!(
                Dataset,
                self.format == Format::Geotiff,
                "window_px only works with format = \"geotiff\""
            );
        }
        for (key, folder) in [("images", &self.images), ("masks", &self.masks)] {
            ensure!(
                Dataset,
                !is_address(Path::new(folder)) || self.format == Format::Geotiff,
                "{key} is an address, which only works with format = \"geotiff\""
            );
        }
        if let Some(shift) = self.allow_shift_px {
            ensure!(
                Dataset,
                shift >= 0.0 && shift.is_finite(),
                "allow_shift_px is {shift}; it must be 0 or more"
            );
            ensure!(
                Dataset,
                self.format == Format::Geotiff,
                "allow_shift_px only works with format = \"geotiff\": other files do not say where they lie"
            );
        }
        if let Some(name) = &self.background {
            ensure!(
                Dataset,
                self.background_class().is_some(),
                "background is {name}, which is not a class of this dataset"
            );
        }
        if let Some(share) = self.drop.background_above {
            ensure!(
                Dataset,
                (0.0..=1.0).contains(&share),
                "drop.background_above must be from 0 to 1"
            );
            ensure!(
                Dataset,
                self.background.is_some(),
                "drop.background_above needs `background` to name a class"
            );
        }
        ensure!(
            Dataset,
            self.drop.identical_masks_from.is_none_or(|count| count >= 2),
            "drop.identical_masks_from must be at least 2"
        );
        if self.is_mix() {
            return self.check_sources();
        }
        if let Some(section) = &self.shore {
            self.shore(section)?;
        }
        match self.format {
            Format::Geotiff | Format::Png => {
                ensure!(Dataset, self.npz.is_empty(), "[[npz]] needs format = \"npz\"");
                for (key, value) in [
                    ("images", &self.images),
                    ("masks", &self.masks),
                    ("splits", &self.splits),
                ] {
                    ensure!(Dataset, !value.is_empty(), "{key} is missing");
                }
            }
            Format::Npz => {
                ensure!(Dataset, !self.npz.is_empty(), "format = \"npz\" needs [[npz]]");
                for (index, arrays) in self.npz.iter().enumerate() {
                    arrays
                        .check(self.splits.is_empty())
                        .with_context(|| format!("[[npz]] number {}", index + 1))?;
                    ensure!(
                        Dataset,
                        self.npz.iter().filter(|a| a.images == arrays.images).count() == 1,
                        "[[npz]]: two arrays are called {}: their images would have the same names",
                        arrays.images
                    );
                }
            }
        }
        Ok(())
    }

    fn check_bands(&self) -> Result<()> {
        let scene = self.scene_bands();
        ensure!(
            Dataset,
            !scene.is_empty(),
            "bands: no band has an index; at least one must be read from the files"
        );
        ensure!(
            Dataset,
            self.bands.iter().any(|band| band.index.is_some() && !band.optional),
            "bands: all bands of the files are optional; at least one must be in every scene"
        );
        for (index, band) in self.bands.iter().enumerate() {
            let is_known = self.bands.iter().take(index).any(|other| other.name == band.name);
            ensure!(Dataset, !is_known, "bands: the name {} is used twice", band.name);
        }
        for band in &self.bands {
            let sources = [
                band.index.is_some(),
                band.normalized_difference.is_some(),
                band.presence.is_some(),
                band.scene_trait.is_some(),
            ];
            ensure!(
                Dataset,
                sources.into_iter().filter(|is_given| *is_given).count() == 1,
                "band {} needs exactly one of index, normalized_difference, presence or trait",
                band.name
            );
            ensure!(
                Dataset,
                band.index != Some(0),
                "band {}: index counts from 1",
                band.name
            );
            ensure!(
                Dataset,
                !(band.optional && band.is_derived()),
                "band {}: a derived band is optional where one of its bands is; mark that one",
                band.name
            );
            for name in band.normalized_difference.iter().flatten() {
                ensure!(
                    Dataset,
                    scene.iter().any(|(n, _)| n == name),
                    "band {}: {name} has no index",
                    band.name
                );
            }
            if let Some(name) = &band.presence {
                ensure!(
                    Dataset,
                    self.bands.iter().any(|other| &other.name == name && other.optional),
                    "band {}: {name} is not an optional band",
                    band.name
                );
            }
        }
        Ok(())
    }

    /// What a `[shore]` section means for this dataset.
    pub(super) fn shore(&self, section: &ShoreSection) -> Result<Shore> {
        let bands = self.scene_bands();
        let names: Vec<&str> = bands.iter().map(|(name, _)| name.as_ref()).collect();
        Shore::new(&self.classes, &names, section)
    }

    /// Names and 0-based positions of the bands read from the files, in order.
    pub fn scene_bands(&self) -> Vec<(&str, usize)> {
        self.bands
            .iter()
            .filter_map(|b| b.index.map(|i| (b.name.as_str(), i.saturating_sub(1))))
            .collect()
    }

    /// Refuses files with fewer bands than the dataset names; `what` names the file.
    pub(super) fn check_band_count(&self, band_count: usize, what: &dyn std::fmt::Display) -> Result<()> {
        for (name, index) in self.scene_bands() {
            ensure!(
                Dataset,
                index < band_count,
                "{what} has {band_count} band(s), but the dataset says that {name} is band {}",
                index + 1
            );
        }
        Ok(())
    }

    /// The classes in the form that the card has.
    ///
    /// # Errors
    /// If a class's colour is not `RRGGBB`.
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

    /// Index of the class that the mean IoU leaves out.
    pub fn background_class(&self) -> Option<usize> {
        let name = self.background.as_ref()?;
        self.classes.iter().position(|class| class.name == *name)
    }

    /// Metres per pixel of the samples; upsampling makes these smaller than the files' pixels.
    pub fn sample_resolution_m(&self) -> f64 {
        self.ground_resolution_m / self.upsample as f64
    }
}

/// Resolves a relative root, which is relative to the dataset's file, like all other paths. Older datasets, whose root is relative to the
/// working folder or to the folder that holds `Cargo.lock`, still work.
fn root_of(path: &Path, root: &Path) -> PathBuf {
    let beside = path.parent().unwrap_or(Path::new("")).join(root);
    if root.is_absolute() || beside.exists() {
        return beside;
    }
    let repository = path.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    let before = [Some(root.to_owned()), repository.map(|folder| folder.join(root))];
    let Some(found) = before.into_iter().flatten().find(|folder| folder.exists()) else {
        return beside;
    };
    tracing::warn!(
        "{} does not exist, so the data is read from {}. `root` is relative to the dataset's file",
        beside.display(),
        found.display()
    );
    found
}

/// One of the datasets in a mix.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Its TOML file, relative to the file that names it.
    pub dataset: PathBuf,
    /// Its share of the training crops, relative to the shares of the others.
    #[serde(default = "whole")]
    pub share: f64,
    /// Its description, with the bands of the mix.
    #[serde(skip)]
    pub(super) config: Option<Box<DatasetConfig>>,
}

const fn whole() -> f64 {
    1.0
}

impl SourceConfig {
    pub(super) fn name(&self) -> String {
        match &self.config {
            Some(config) => config.name.clone(),
            None => self.dataset.display().to_string(),
        }
    }
}
