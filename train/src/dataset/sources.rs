//! A mix of datasets, each with its own folder, bands, ground resolution and share of the crops.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Split;
use super::config::{BandConfig, DatasetConfig, SourceConfig};
use super::drop::Dropped;
use super::entry::Entry;
use super::store::SampleStore;
use super::vanished::SplitClasses;
use crate::error::{Context, Result, ensure, failure};

/// The samples of a split that come from one source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSamples {
    /// Indices of the samples in the split.
    pub samples: Range<usize>,
    /// Share of the training crops, relative to the others'.
    pub share: f64,
    /// Metres per pixel of the samples.
    pub ground_resolution_m: f64,
}

impl DatasetConfig {
    /// Whether the dataset is a mix of others.
    pub fn is_mix(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Reads the descriptions of the sources with `read`, and gives each source the bands of the mix.
    pub(super) fn read_sources(&mut self, path: &Path, read: impl Fn(&Path) -> Result<Self>) -> Result<()> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let (mix, bands) = (self.clone(), &mut self.bands);
        for (position, band) in bands.iter_mut().enumerate() {
            // The index of a band of the mix is its position in the list; each source knows its index in its own files.
            if mix.is_mix() && !band.is_derived() && band.index.is_none() {
                band.index = Some(position + 1);
            }
        }
        for source in &mut self.sources {
            let file = folder.join(&source.dataset);
            let mut config = read(&file)?;
            ensure!(Dataset, !config.is_mix(), "{} is a mix itself", file.display());
            config.bands = mix
                .bands
                .iter()
                .map(|band| config.band_of_mix(band))
                .collect::<Result<_>>()
                .with_context(|| file.display().to_string())?;
            let classes = |config: &Self| {
                config
                    .classes
                    .iter()
                    .map(|class| class.name.clone())
                    .collect::<Vec<_>>()
            };
            ensure!(
                Dataset,
                classes(&config) == classes(&mix),
                "the classes of {} are {}, but those of {} are {}",
                config.name,
                classes(&config).join(", "),
                mix.name,
                classes(&mix).join(", ")
            );
            source.config = Some(Box::new(config));
        }
        Ok(())
    }

    fn band_of_mix(&self, band: &BandConfig) -> Result<BandConfig> {
        if band.is_derived() {
            return Ok(band.clone());
        }
        let own = self
            .bands
            .iter()
            .find(|own| own.name == band.name && own.index.is_some());
        own.map(|own| BandConfig {
            optional: band.optional,
            ..own.clone()
        })
        .ok_or_else(|| failure!(Dataset, "{} has no band {}", self.name, band.name))
    }

    pub(super) fn check_sources(&self) -> Result<()> {
        ensure!(
            Dataset,
            self.images.is_empty()
                && self.masks.is_empty()
                && self.splits.is_empty()
                && self.npz.is_empty()
                && self.root == PathBuf::new()
                && self.window_px.is_none()
                && self.nodata.is_none()
                && self.shore.is_none()
                && self.upsample == 1,
            "a dataset with [[sources]] has no files of its own: root, images, masks, splits, npz, window_px, nodata, shore and upsample belong \
             to its sources"
        );
        for (index, source) in self.sources.iter().enumerate() {
            ensure!(
                Dataset,
                source.share > 0.0 && source.share.is_finite(),
                "sources: the share of {} is {}; it must be positive",
                source.dataset.display(),
                source.share
            );
            let same = |other: &SourceConfig| other.name() == source.name();
            ensure!(
                Dataset,
                !self.sources[..index].iter().any(same),
                "sources: {} is listed twice",
                source.name()
            );
        }
        Ok(())
    }

    /// The sources' own descriptions, in order.
    pub fn source_configs(&self) -> impl Iterator<Item = &Self> {
        self.sources.iter().filter_map(|source| source.config.as_deref())
    }

    /// The source that an image of the mix comes from, and its name there.
    pub(super) fn source_of<'a>(&self, image: &'a str) -> Option<(&Self, &'a str)> {
        self.source_configs().find_map(|source| {
            let image = image.strip_prefix(source.name.as_str())?.strip_prefix('/')?;
            Some((source, image))
        })
    }

    /// The entries of all sources; the names of images and places begin with the source's name and a slash.
    pub(super) fn entries_of_sources(&self, list: impl Fn(&Self) -> Result<Vec<Entry>>) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for source in self.source_configs() {
            entries.extend(list(source)?.into_iter().map(|entry| source.in_mix(entry)));
        }
        Ok(entries)
    }

    fn in_mix(&self, entry: Entry) -> Entry {
        Entry {
            image: format!("{}/{}", self.name, entry.image),
            place: format!("{}/{}", self.name, entry.place),
            split: entry.split,
        }
    }

    /// Reads `places_share` of the places of `split` from each source, one after the other, and reports which samples come from which source. At most
    /// `memory_bytes` of samples are kept in memory.
    ///
    /// # Errors
    /// As [`DatasetConfig::load_places`].
    pub fn load_sources(
        &self,
        split: &str,
        places_share: f64,
        memory_bytes: u64,
    ) -> Result<(Split, Vec<SourceSamples>)> {
        if !self.is_mix() {
            let loaded = self.load_places(split, places_share, memory_bytes)?;
            let all = SourceSamples {
                samples: 0..loaded.samples.len(),
                share: 1.0,
                ground_resolution_m: self.sample_resolution_m(),
            };
            return Ok((loaded, vec![all]));
        }
        let mut whole = Split {
            entries: Vec::new(),
            samples: SampleStore::within(memory_bytes),
            dropped: Dropped::default(),
            classes: SplitClasses::new(split, self),
        };
        let mut sources = Vec::new();
        for (SourceConfig { share, .. }, config) in self.sources.iter().zip(self.source_configs()) {
            let loaded = config.load_places(split, places_share, memory_bytes - whole.samples.memory_bytes())?;
            let first = whole.samples.len();
            whole
                .entries
                .extend(loaded.entries.into_iter().map(|entry| config.in_mix(entry)));
            whole.classes.merge(&loaded.classes);
            whole.samples.append(loaded.samples);
            whole.dropped.add(&loaded.dropped);
            sources.push(SourceSamples {
                samples: first..whole.samples.len(),
                share: *share,
                ground_resolution_m: config.sample_resolution_m(),
            });
        }
        Ok((whole, sources))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Sample;
    use crate::sample::{EpochOrder, TrainingSplit};
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    const CLASSES: &str =
        "classes = [{ value = 0, name = 'land', color = '000000' }, { value = 1, name = 'water', color = '0000FF' }]";

    /// A source of PNG pairs of `edge` pixels, RGB: value 10, 20, 30 in the three bands.
    fn write_source(folder: &Path, name: &str, bands: &str, images: usize, edge: u32) {
        let root = folder.join(name);
        for kind in ["i", "m"] {
            std::fs::create_dir_all(root.join(kind)).expect("a folder");
        }
        let mut splits = "image,place,split\n".to_owned();
        for index in 0..images {
            let pixels = (edge * edge) as usize;
            write_png(
                &root.join(format!("i/{index}.png")),
                edge,
                png::ColorType::Rgb,
                &[10, 20, 30].repeat(pixels),
            );
            write_png(
                &root.join(format!("m/{index}.png")),
                edge,
                png::ColorType::Grayscale,
                &vec![1; pixels],
            );
            splits += &format!("{index},p{index},train\n");
        }
        std::fs::write(root.join("splits.csv"), splits).expect("writes");
        let text = format!(
            "name = '{name}'\nprovenance = ''\nroot = '{}'\nformat = 'png'\nimages = 'i'\nmasks = 'm'\nsplits = 'splits.csv'\n\
             value_scaling = 'x'\nground_resolution_m = {edge}.0\nignore = 255\nbands = {bands}\n{CLASSES}\n",
            root.display()
        );
        std::fs::write(folder.join(format!("{name}.toml")), text).expect("writes");
    }

    fn write_png(path: &Path, edge: u32, color: png::ColorType, bytes: &[u8]) {
        let mut encoder = png::Encoder::new(std::fs::File::create(path).expect("creates"), edge, edge);
        encoder.set_color(color);
        let mut writer = encoder.write_header().expect("writes");
        writer.write_image_data(bytes).expect("writes");
    }

    fn mix(folder: &Path, rest: &str) -> Result<DatasetConfig> {
        let text = format!(
            "name = 'mix'\nprovenance = ''\nvalue_scaling = 'x'\nground_resolution_m = 10.0\nignore = 255\n{rest}\n{CLASSES}\n\
             sources = [{{ dataset = 'one.toml', share = 3.0 }}, {{ dataset = 'two.toml' }}]\n"
        );
        std::fs::write(folder.join("mix.toml"), text).expect("writes");
        DatasetConfig::read(&folder.join("mix.toml"), None)
    }

    fn two_sources() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let order = "[{ name = 'green', index = 1 }, { name = 'red', index = 2 }, { name = 'nir', index = 3 }]";
        write_source(folder.path(), "one", order, 8, 4);
        let order = "[{ name = 'nir', index = 1 }, { name = 'green', index = 2 }]";
        write_source(folder.path(), "two", order, 2, 6);
        folder
    }

    const BANDS: &str =
        "bands = [{ name = 'green' }, { name = 'nir' }, { name = 'ndwi', normalized_difference = ['green', 'nir'] }]";

    #[test]
    fn each_source_gives_the_bands_of_the_mix_from_its_own_places() {
        let folder = two_sources();
        let mix = mix(folder.path(), BANDS).expect("valid");
        let (split, sources) = mix.load_sources("train", 1.0, 600).expect("reads");
        assert_eq!(split.entries[8].image, "two/0");
        assert_eq!(split.entries[8].place, "two/p0");
        let corner = |index: usize| {
            let sample = split.samples.get(index).expect("a sample");
            [sample.values[0], sample.values[sample.valid.len()]]
        };
        assert_eq!((corner(0), corner(8)), ([10.0, 30.0], [20.0, 10.0]));
        let resolutions: Vec<_> = sources.iter().map(|source| source.ground_resolution_m).collect();
        assert_eq!(resolutions, [4.0, 6.0]);
        let of_samples = [0, 8].map(|index| split.samples.get(index).expect("a sample").ground_resolution_m);
        assert_eq!(of_samples, [4.0, 6.0]);
        let again = mix.load_sample("two/1").expect("reads by name");
        assert_eq!(again.height, 6);
        assert!(mix.image_path("one/3").ends_with("one/i/3.png"));
    }

    #[test]
    fn crops_are_shared_as_the_mix_says_and_all_samples_have_their_turn() {
        let folder = two_sources();
        let mix = mix(folder.path(), BANDS).expect("valid");
        let split = TrainingSplit::load(&mix, 1.0, u64::MAX).expect("reads");
        let order = EpochOrder::shuffled(&split, &mut StdRng::seed_from_u64(1));
        let drawn: Vec<usize> = (0..8).map(|position| order.sample(position)).collect();
        assert_eq!(
            drawn.iter().filter(|&&sample| sample >= 8).count(),
            2,
            "a quarter is of the second: {drawn:?}"
        );
        let distinct: std::collections::BTreeSet<_> = drawn.iter().collect();
        assert_eq!(distinct.len(), 8);
    }

    #[test]
    fn a_smaller_share_of_the_places_is_part_of_a_larger_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let order = "[{ name = 'green', index = 1 }, { name = 'nir', index = 2 }]";
        write_source(folder.path(), "one", order, 40, 1);
        write_source(folder.path(), "two", order, 6, 1);
        let mix = mix(folder.path(), BANDS).expect("valid");
        let images = |share: f64| {
            let (split, sources) = mix.load_sources("train", share, u64::MAX).expect("reads");
            assert_eq!(sources[1].samples.end, split.samples.len());
            let images = split.entries.into_iter().map(|entry| entry.image);
            (
                sources[0].samples.len(),
                images.collect::<std::collections::BTreeSet<_>>(),
            )
        };
        let [(tiny, _), (tenth, few), (half, many), (whole, all)] = [1e-9, 0.1, 0.5, 1.0].map(images);
        assert_eq!([tiny, tenth, half, whole], [1, 4, 20, 40]);
        assert_eq!([few.len(), many.len(), all.len()], [4 + 1, 20 + 3, 40 + 6]);
        assert!(few.is_subset(&many));
    }

    #[test]
    fn what_is_known_of_a_scene_is_a_channel_of_fixed_scale() {
        let folder = two_sources();
        let of = |last: &str| {
            let bands = format!("bands = [{{ name = 'green' }}, {{ name = 'nir', optional = true }}, {last}]");
            mix(folder.path(), &bands)
        };
        let mix = of(
            "{ name = 'has_nir', presence = 'nir' }, { name = 'picture', trait = 'picture' }, \
             { name = 'resolution', trait = 'ground_resolution' }",
        )
        .expect("valid");
        let (split, _) = mix.load_sources("train", 1.0, u64::MAX).expect("reads");
        let mut samples = split.samples;
        // Bands of the scene must vary.
        let mut last = Sample::clone(&samples.get(0).expect("a sample"));
        last.values.iter_mut().for_each(|value| *value += 1.0);
        samples.append([last].into_iter().collect());
        let bands = crate::dataset::measure_bands(&mix, &samples).expect("measures");
        let scaling: Vec<_> = bands[2..].iter().map(|band| (band.mean, band.std)).collect();
        assert_eq!(scaling, [(1.0, 0.5), (0.0, 0.5), (10.0f32.log2(), 1.0)]);
        for (band, part) in [
            (
                "{ name = 'has_swir', presence = 'swir' }",
                "band has_swir: swir is not an optional band",
            ),
            (
                "{ name = 'picture', trait = 'picture', optional = true }",
                "band picture: a derived band",
            ),
            (
                "{ name = 'two', trait = 'picture', presence = 'nir' }",
                "band two needs exactly one of index",
            ),
        ] {
            let error = format!("{:#}", of(band).expect_err("refused"));
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let folder = two_sources();
        let refused = |rest: &str| format!("{:#}", mix(folder.path(), rest).expect_err("refused"));
        let error = refused("bands = [{ name = 'red' }]");
        assert!(error.contains("two has no band red"), "{error}");
        let error = refused(&format!("{BANDS}\nimages = 'i'"));
        assert!(error.contains("belong to its sources"), "{error}");
    }
}
