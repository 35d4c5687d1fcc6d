//! Which images stay together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::check::ground::{Texture, cell_px, matches};
use crate::dataset::{DatasetConfig, Entry, Format};
use crate::error::{Context, Result, ensure, failure};

/// A place: its images and the pixels of each class.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Name of the place.
    pub place: String,
    /// Its images.
    pub images: Vec<String>,
    /// Pixels of each class, in the dataset's order.
    pub pixels: Vec<f64>,
}

/// Places that were joined because they show the same ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// Pairs of images that show the same ground.
    pub pairs: usize,
    /// Places before they were joined.
    pub places_before: usize,
    /// Places after.
    pub places_after: usize,
}

/// The images and places of the dataset's list, or without one those of its folders. Only `block` cuts scenes into windows.
pub(super) fn listed(config: &DatasetConfig) -> Result<Vec<Entry>> {
    if config.format == Format::Npz || config.root.join(&config.splits).is_file() {
        let mut entries = config.unchecked_entries()?;
        // Windows in a list that was made by block are joined to one scene again.
        let mut seen = BTreeSet::new();
        for entry in &mut entries {
            entry.image = config.scene_of(&entry.image).0.to_owned();
        }
        entries.retain(|entry| seen.insert(entry.image.clone()));
        return Ok(entries);
    }
    let folder = config.root.join(&config.images);
    let mut entries = Vec::new();
    collect(&folder, &folder, config.format, &mut entries)?;
    entries.sort();
    ensure!(Misuse, !entries.is_empty(), "{} contains no image", folder.display());
    Ok(entries)
}

fn collect(top: &Path, folder: &Path, format: Format, entries: &mut Vec<Entry>) -> Result<()> {
    let cannot = || format!("cannot read {}", folder.display());
    for file in std::fs::read_dir(folder).with_context(cannot)? {
        let path = file.with_context(cannot)?.path();
        if path.is_dir() {
            collect(top, &path, format, entries)?;
            continue;
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        let fits = format.has_extension(extension);
        let relative = path.strip_prefix(top).unwrap_or(&path).with_extension("");
        let name = relative.to_str().filter(|_| fits);
        if let Some(name) = name {
            let name = name.replace(std::path::MAIN_SEPARATOR, "/");
            let place = name.rsplit_once('/').map_or(name.as_str(), |(folder, _)| folder);
            entries.push(Entry {
                place: place.to_owned(),
                split: String::new(),
                image: name,
            });
        }
    }
    Ok(())
}

/// Gives every image, or window of a scene, the block of its middle as its place; images that overlap on the map share one.
pub(super) fn blocks(config: &DatasetConfig, entries: Vec<Entry>, block_px: u32) -> Result<Vec<Entry>> {
    ensure!(
        Misuse,
        config.format == Format::Geotiff,
        "--by block needs GeoTIFF files, because others do not say where they lie"
    );
    let mut placed = Vec::new();
    for entry in config.cut(entries)? {
        let footprint = config.footprint(&entry.image)?.ok_or_else(|| {
            failure!(
                Misuse,
                "{} is not georeferenced, and without window_px in the dataset it is one sample, so it cannot be divided into blocks",
                config.image_path(&entry.image).display()
            )
        })?;
        placed.push((entry, footprint));
    }
    // There is one grid for all files of a coordinate system, whatever their pixel sizes.
    let mut size_of: BTreeMap<String, f64> = BTreeMap::new();
    for (_, at) in &placed {
        let size = size_of.entry(at.space.clone()).or_insert(0.0);
        *size = size.max(at.pixel * f64::from(block_px));
    }
    for (entry, at) in &mut placed {
        let size = size_of.get(&at.space).copied().unwrap_or(1.0);
        let [x, y] = [0, 1].map(|axis| ((at.near[axis] + at.far[axis]) / 2.0 / size).floor());
        entry.place = format!("{}/{y}_{x}", at.space);
    }
    let mut pairs = Vec::new();
    for (index, (_, at)) in placed.iter().enumerate() {
        // Neighbours that share an edge only overlap by rounding.
        let overlapping = placed
            .iter()
            .enumerate()
            .take(index)
            .filter(|(_, (_, other))| at.overlap(other) > 1e-3);
        pairs.extend(overlapping.map(|(other, _)| (other, index)));
    }
    let mut entries: Vec<Entry> = placed.into_iter().map(|(entry, _)| entry).collect();
    join_places(&mut entries, &pairs);
    Ok(entries)
}

/// Finds images of different places that show the same ground, by their content, and joins these places.
pub(super) fn join_same_ground(config: &DatasetConfig, entries: &mut [Entry]) -> Result<Joined> {
    let mut loader = config.loader();
    let mut textures = Vec::new();
    let mut cell = None;
    // This is the entry of each texture: a scene that is cut has several.
    let mut owner = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        for part in config.cut(vec![entry.clone()])? {
            let sample = loader.load(&part.image)?;
            let cell = *cell.get_or_insert(cell_px(sample.height.max(sample.width)));
            textures.push(Texture::of(&sample, cell));
            owner.push(index);
        }
    }
    let mut pairs = Vec::new();
    for a in 0..textures.len() {
        pairs.extend(
            (0..a)
                .filter(|&b| entries[owner[a]].place != entries[owner[b]].place)
                .map(|b| (b, a)),
        );
    }
    let textures: Vec<&Texture> = textures.iter().collect();
    let found = matches(&textures, &pairs);
    let before = entries.iter().map(|entry| &entry.place).collect::<BTreeSet<_>>().len();
    let pairs: Vec<(usize, usize)> = found.iter().map(|(a, b, _)| (owner[*a], owner[*b])).collect();
    join_places(entries, &pairs);
    let after = entries.iter().map(|entry| &entry.place).collect::<BTreeSet<_>>().len();
    Ok(Joined {
        pairs: pairs.len(),
        places_before: before,
        places_after: after,
    })
}

/// Gives the places of each pair of entries one name, together with all places that they were joined with.
fn join_places(entries: &mut [Entry], pairs: &[(usize, usize)]) {
    let mut joined_to: BTreeMap<String, String> = BTreeMap::new();
    let root = |joined_to: &BTreeMap<String, String>, place: &str| {
        let mut place = place.to_owned();
        while let Some(next) = joined_to.get(&place) {
            place.clone_from(next);
        }
        place
    };
    for &(a, b) in pairs {
        let (a, b) = (root(&joined_to, &entries[a].place), root(&joined_to, &entries[b].place));
        if a != b {
            joined_to.insert(a.clone().max(b.clone()), a.min(b));
        }
    }
    for entry in entries {
        entry.place = root(&joined_to, &entry.place);
    }
}

/// Counts the pixels of each class, place by place.
pub(super) fn groups(config: &DatasetConfig, entries: &[Entry]) -> Result<Vec<Group>> {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    let mut loader = config.loader();
    for entry in entries {
        let group = groups.entry(&entry.place).or_insert_with(|| Group {
            place: entry.place.clone(),
            images: Vec::new(),
            pixels: vec![0.0; config.classes.len()],
        });
        group.images.push(entry.image.clone());
        // A scene that is cut is counted window by window, because it need not fit into memory.
        for part in config.cut(vec![entry.clone()])? {
            for &label in &loader.load(&part.image)?.labels {
                if let Some(pixels) = group.pixels.get_mut(usize::from(label)) {
                    *pixels += 1.0;
                }
            }
        }
    }
    Ok(groups.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_joined_through_others() {
        let entry = |place: &str| Entry {
            image: place.into(),
            place: place.into(),
            split: String::new(),
        };
        let mut entries = [entry("a"), entry("b"), entry("c"), entry("d")];
        join_places(&mut entries, &[(1, 2), (0, 1)]);
        let places: Vec<&str> = entries.iter().map(|entry| entry.place.as_str()).collect();
        assert_eq!(places, ["a", "a", "a", "d"]);
    }
}
