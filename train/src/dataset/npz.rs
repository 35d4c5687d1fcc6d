//! NumPy archives: arrays of images and masks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use npyz::npz::NpzArchive;
use npyz::{DType, NpyFile, TypeChar};
use sha2::{Digest, Sha256};

use super::arrays::{Array, Arrays};
use super::config::DatasetConfig;
use super::entry::Entry;
use super::npz_section::{Layout, NpzConfig};
use super::sample::{Image, Mask, Names};
use crate::error::{Context, Result, bail, ensure, failure};

/// An array has at most this many numbers, so that a forged header cannot exhaust memory.
const MAX_NUMBERS: u64 = 1 << 31;
/// An axis of up to this size may be bands, if the order of the axes is not given.
const MAX_BANDS: usize = 16;

/// The arrays of `[[npz]]` number `index`, from the cache or the file.
fn arrays_of(config: &DatasetConfig, index: usize) -> Result<Arc<Arrays>> {
    let settings = config
        .npz
        .get(index)
        .ok_or_else(|| failure!(Dataset, "there is no such [[npz]]"))?;
    let path = config.root.join(&settings.file);
    let key = format!("{}\0{}", path.display(), settings.images);
    let mut cache = config.npz_cache.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(arrays) = cache.get(&key) {
        return Ok(Arc::clone(arrays));
    }
    let arrays = Arrays::read(config, settings, &path).with_context(|| format!("cannot read {}", path.display()))?;
    let arrays = Arc::new(arrays);
    cache.insert(key, Arc::clone(&arrays));
    Ok(arrays)
}

impl Arrays {
    fn read(config: &DatasetConfig, settings: &NpzConfig, path: &Path) -> Result<Self> {
        let mut archive = NpzArchive::open(path)?;
        let images = read_array(&mut archive, &settings.images, settings.layout)?;
        let [count, bands, height, width] = images.shape;
        let what = format!("the array {}", settings.images);
        config.check_band_count(bands, &what)?;
        if let Some(band) = settings.mask_band {
            ensure!(
                Sample,
                band <= bands,
                "{what} has {bands} band(s), but mask_band is {band}"
            );
        }
        let masks = match &settings.masks {
            Some(name) => {
                let masks = read_array(&mut archive, name, None)?;
                ensure!(
                    Sample,
                    masks.shape == [count, 1, height, width],
                    "the array {name} has the sizes {:?} [n, bands, h, w], but its images have {:?}",
                    masks.shape,
                    images.shape
                );
                Some(masks)
            }
            None => None,
        };
        let places = match &settings.places {
            Some(name) => {
                let places =
                    read_places(open_array(&mut archive, name)?).with_context(|| format!("the array {name}"))?;
                ensure!(
                    Sample,
                    places.len() == count,
                    "the array {name} has {} places for {count} images",
                    places.len()
                );
                Some(places)
            }
            None => None,
        };
        Ok(Self {
            images,
            masks,
            mask_band: settings.mask_band,
            places,
        })
    }

    /// The place of each image, as the array of places says. Without one, every image is a place, and equal images are one place.
    fn places(&self, settings: &NpzConfig) -> Vec<String> {
        if let Some(places) = &self.places {
            return places.clone();
        }
        let mut first_of = BTreeMap::new();
        let [count, bands, ..] = self.images.shape;
        let image_bands = || (0..bands).filter(|band| self.mask_band != Some(band + 1));
        (0..count)
            .map(|image| {
                let mut hash = Sha256::new();
                for number in image_bands().flat_map(|band| self.images.plane(image, band)) {
                    hash.update(number.to_le_bytes());
                }
                let digest: [u8; 32] = hash.finalize().into();
                first_of
                    .entry(digest)
                    .or_insert_with(|| format!("{}/{image}", settings.images))
                    .clone()
            })
            .collect()
    }
}

type Archive = NpzArchive<std::io::BufReader<std::fs::File>>;

fn open_array<'a>(archive: &'a mut Archive, name: &str) -> Result<NpyFile<impl std::io::Read + use<'a>>> {
    let mut known: Vec<&str> = archive.array_names().collect();
    known.sort_unstable();
    let known = known.join(", ");
    let array = archive.by_name(name).with_context(|| format!("the array {name}"))?;
    array.ok_or_else(|| failure!(Sample, "there is no array {name}; there is {known}"))
}

fn read_array(archive: &mut Archive, name: &str, layout: Option<Layout>) -> Result<Array> {
    let file = open_array(archive, name)?;
    let refused = || format!("the array {name}");
    // The header states these sizes; their product may be more than fits into a number.
    let count = file
        .shape()
        .iter()
        .try_fold(1u64, |count, &size| count.checked_mul(size));
    ensure!(
        Sample,
        count.is_some_and(|count| count <= MAX_NUMBERS),
        "the array {name} has the sizes {:?}, which are too many numbers",
        file.shape()
    );
    let sizes = |sizes: &[u64]| sizes.iter().map(|&size| size as usize).collect::<Vec<_>>();
    let (shape, strides) = (sizes(file.shape()), sizes(file.strides()));
    let axes = match (shape.as_slice(), layout) {
        (&[_, _, _], _) => None,
        (&[_, _, _, _], Some(layout)) => Some(layout),
        (&[_, second, _, last], None) if last <= MAX_BANDS && second > MAX_BANDS => Some(Layout::Nhwc),
        (&[_, second, _, last], None) if second <= MAX_BANDS && last > MAX_BANDS => Some(Layout::Nchw),
        (&[_, _, _, 1], None) => Some(Layout::Nhwc),
        (&[_, 1, _, _], None) => Some(Layout::Nchw),
        (&[_, _, _, _], None) => bail!(
            Sample,
            "the array {name} has the sizes {shape:?}: set layout to nhwc or nchw"
        ),
        _ => bail!(
            Sample,
            "the array {name} has the sizes {shape:?}; it needs [n, h, w] or four axes"
        ),
    };
    let order = |of: &[usize], band: usize| match (axes, of) {
        (Some(Layout::Nhwc), &[n, h, w, c]) => [n, c, h, w],
        (_, &[n, c, h, w]) => [n, c, h, w],
        (_, &[n, h, w]) => [n, band, h, w],
        _ => [0; 4],
    };
    let (shape, strides) = (order(&shape, 1), order(&strides, 0));
    ensure!(Sample, shape.iter().all(|size| *size > 0), "the array {name} is empty");
    let numbers = read_numbers(file).with_context(refused)?;
    ensure!(
        Sample,
        numbers.len() == shape.iter().product::<usize>(),
        "the array {name} is cut short"
    );
    Ok(Array {
        numbers,
        shape,
        strides,
    })
}

fn read_numbers(file: NpyFile<impl std::io::Read>) -> Result<Vec<f32>> {
    let DType::Plain(kind) = file.dtype() else {
        bail!(Sample, "it contains records, not numbers");
    };
    macro_rules! numbers {
        ($type:ty) => {
            file.into_vec::<$type>()?
                .into_iter()
                .map(|number| number as f32)
                .collect()
        };
    }
    Ok(match (kind.type_char(), kind.size_field()) {
        (TypeChar::Bool, _) => file.into_vec::<bool>()?.into_iter().map(f32::from).collect(),
        (TypeChar::Uint, 1) => numbers!(u8),
        (TypeChar::Uint, 2) => numbers!(u16),
        (TypeChar::Uint, 4) => numbers!(u32),
        (TypeChar::Uint, 8) => numbers!(u64),
        (TypeChar::Int, 1) => numbers!(i8),
        (TypeChar::Int, 2) => numbers!(i16),
        (TypeChar::Int, 4) => numbers!(i32),
        (TypeChar::Int, 8) => numbers!(i64),
        (TypeChar::Float, 4) => numbers!(f32),
        (TypeChar::Float, 8) => numbers!(f64),
        _ => bail!(
            Sample,
            "numbers of type {kind} cannot be read; use integers, or floats of 32 or 64 bits"
        ),
    })
}

fn read_places(file: NpyFile<impl std::io::Read>) -> Result<Vec<String>> {
    ensure!(Sample, file.len() <= MAX_NUMBERS, "it has too many entries");
    let DType::Plain(kind) = file.dtype() else {
        bail!(Sample, "it contains records, not places");
    };
    let text = |number: f32| number.to_string();
    Ok(match kind.type_char() {
        TypeChar::UnicodeStr => file.into_vec::<String>()?,
        TypeChar::ByteStr => {
            let places = file.into_vec::<Vec<u8>>()?.into_iter();
            places
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .collect()
        }
        TypeChar::Int | TypeChar::Uint => read_numbers(file)?.into_iter().map(text).collect(),
        _ => bail!(Sample, "places must be integers or text, not {kind}"),
    })
}

/// The images of all arrays, and without a CSV file also their splits.
pub(super) fn entries(config: &DatasetConfig) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (index, settings) in config.npz.iter().enumerate() {
        let arrays = arrays_of(config, index)?;
        let places = arrays.places(settings);
        let splits = splits_of(settings, &places).with_context(|| {
            format!(
                "{}, array {}",
                config.root.join(&settings.file).display(),
                settings.images
            )
        })?;
        for (image, (place, split)) in places.into_iter().zip(splits).enumerate() {
            // An image that no range names is not used.
            if let Some(split) = split {
                let image = format!("{}/{image}", settings.images);
                entries.push(Entry { image, place, split });
            }
        }
    }
    Ok(entries)
}

fn splits_of(settings: &NpzConfig, places: &[String]) -> Result<Vec<Option<String>>> {
    let count = places.len();
    if let Some(split) = &settings.split {
        return Ok(vec![Some(split.clone()); count]);
    }
    if settings.fractions.is_empty() {
        // With a CSV file there are no ranges either, and only the names matter.
        let mut splits = vec![settings.ranges.is_empty().then(String::new); count];
        for (split, [first, end]) in &settings.ranges {
            let range = splits.get_mut(*first..*end);
            let range =
                range.ok_or_else(|| failure!(Dataset, "ranges.{split} ends at {end}, but there are {count} images"))?;
            range.fill(Some(split.clone()));
        }
        return Ok(splits);
    }
    // Places are put in an order that only the seed decides, and cut where the shares are reached.
    let mut images_of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (image, place) in places.iter().enumerate() {
        images_of.entry(place).or_default().push(image);
    }
    let mut order: Vec<([u8; 32], Vec<usize>)> = images_of
        .into_iter()
        .map(|(place, images)| (Sha256::digest(format!("{}\0{place}", settings.seed)).into(), images))
        .collect();
    order.sort();
    let mut splits = vec![None; count];
    let mut bounds = Vec::new();
    let mut reached = 0.0;
    for (split, share) in &settings.fractions {
        reached += share;
        bounds.push((split, reached * count as f64));
    }
    let mut done = 0;
    for (_, images) in order {
        let middle = done as f64 + images.len() as f64 / 2.0;
        let split = bounds.iter().find(|(_, bound)| middle < *bound).or(bounds.last());
        let (split, _) = split.ok_or_else(|| failure!(Dataset, "there are no fractions"))?;
        done += images.len();
        images
            .into_iter()
            .for_each(|image| splits[image] = Some((*split).clone()));
    }
    for split in settings.fractions.keys() {
        ensure!(
            Sample,
            splits.iter().flatten().any(|name| name == split),
            "fractions.{split} gets none of the {count} images, because there are too few places"
        );
    }
    Ok(splits)
}

/// Reads image `NAME/INDEX`.
pub(super) fn read(config: &DatasetConfig, image: &str) -> Result<(Names, Image, Mask)> {
    let unknown = || {
        failure!(
            Dataset,
            "{image} is not an image of {}: names are ARRAY/INDEX",
            config.name
        )
    };
    let (array, position) = image.rsplit_once('/').ok_or_else(unknown)?;
    let position: usize = position.parse().ok().ok_or_else(unknown)?;
    let index = config.npz.iter().position(|settings| settings.images == array);
    let index = index.ok_or_else(unknown)?;
    let arrays = arrays_of(config, index)?;
    let [count, _, height, width] = arrays.images.shape;
    ensure!(Sample, position < count, "{image}: the array has {count} images");
    let values = config.scene_bands().into_iter();
    let values = values
        .flat_map(|(_, band)| arrays.images.plane(position, band))
        .collect();
    let codes: Vec<f32> = match (&arrays.masks, arrays.mask_band) {
        (Some(masks), _) => masks.plane(position, 0).collect(),
        (None, band) => arrays.images.plane(position, band.unwrap_or(1) - 1).collect(),
    };
    let file = path_of(config, index);
    let names = Names {
        image: file.join(image),
        mask: file.join(format!("{image} (mask)")),
    };
    let valid = vec![true; height * width];
    let labelled = vec![true; height * width];
    let image = Image {
        height,
        width,
        values,
        valid,
    };
    let mask = Mask {
        height,
        width,
        codes,
        labelled,
    };
    Ok((names, image, mask))
}

fn path_of(config: &DatasetConfig, index: usize) -> PathBuf {
    let file = config.npz.get(index).map(|settings| settings.file.as_str());
    config.root.join(file.unwrap_or_default())
}
