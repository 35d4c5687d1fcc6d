//! Which images there are, which place each shows and which split it is in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use raremap_io::is_address;

use super::config::{DatasetConfig, Format};
use super::entry::{Entry, EntryProblem};
use super::{list, npz, tiff};
use crate::error::{Result, bail, ensure};

impl DatasetConfig {
    /// Where the entries come from, for messages.
    pub fn entries_file(&self) -> PathBuf {
        match self.npz.first() {
            Some(arrays) if self.splits.is_empty() => self.root.join(&arrays.file),
            _ => self.root.join(&self.splits),
        }
    }

    /// All images with place and split; scenes are cut into windows if `window_px` says so.
    ///
    /// # Errors
    /// If the list cannot be read, lists an image twice or one that does not exist, or if a place is in two splits: its images would leak
    /// from one into the other.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        if self.is_mix() {
            return self.entries_of_sources(Self::entries);
        }
        let entries = self.unchecked_entries()?;
        if let Some(problem) = self.entry_problems(&entries).first() {
            bail!(Dataset, "{}", problem.sentence(&self.entries_file()));
        }
        self.cut(entries)
    }

    /// The entries as listed, without the places that the dataset leaves out, and unchecked; scenes are not cut.
    ///
    /// # Errors
    /// If the list cannot be read.
    pub fn unchecked_entries(&self) -> Result<Vec<Entry>> {
        if self.is_mix() {
            return self.entries_of_sources(Self::unchecked_entries);
        }
        let mut entries = self.listed_entries()?;
        list::unify_splits(&mut entries);
        let rules = &self.drop;
        for place in &rules.places {
            ensure!(
                Dataset,
                entries.iter().any(|entry| entry.place == *place),
                "drop.places names {place}, which {} does not list",
                self.entries_file().display()
            );
        }
        entries.retain(|entry| !(rules.apply_to(&entry.split) && rules.places.contains(&entry.place)));
        Ok(entries)
    }

    fn listed_entries(&self) -> Result<Vec<Entry>> {
        if self.splits.is_empty() {
            return npz::entries(self);
        }
        list::read(self, &self.root.join(&self.splits))
    }

    /// Finds out what is wrong with `entries`.
    pub fn entry_problems(&self, entries: &[Entry]) -> Vec<EntryProblem> {
        let mut problems = Vec::new();
        let mut split_of_place: BTreeMap<&str, &str> = BTreeMap::new();
        let mut leaking = BTreeSet::new();
        let mut names = BTreeSet::new();
        let mut looked_at = BTreeSet::new();
        for Entry { image, place, split } in entries {
            let first = split_of_place.entry(place).or_insert(split);
            if first != split && leaking.insert(place) {
                problems.push(EntryProblem::Leak {
                    place: place.clone(),
                    splits: [(*first).to_owned(), split.clone()],
                });
            }
            if !names.insert(image) {
                problems.push(EntryProblem::Duplicate { image: image.clone() });
            }
            if self.format != Format::Npz && looked_at.insert(self.scene_of(image).0) {
                for path in [self.image_path(image), self.mask_path(image)] {
                    // A server is asked when the image is read.
                    if !is_address(&path) && !path.is_file() {
                        problems.push(EntryProblem::Missing { path });
                    }
                }
            }
        }
        problems
    }

    /// Replaces scenes by their windows: a grid from the top left corner, with smaller windows at the right and the bottom.
    pub(crate) fn cut(&self, entries: Vec<Entry>) -> Result<Vec<Entry>> {
        let Some(edge) = self.window_px else {
            return Ok(entries);
        };
        let mut windows = Vec::new();
        for entry in entries {
            if self.scene_of(&entry.image).1.is_some() {
                windows.push(entry);
                continue;
            }
            let [height, width] = tiff::size_of(&self.image_path(&entry.image))?;
            for row in (0..height).step_by(edge as usize) {
                for column in (0..width).step_by(edge as usize) {
                    windows.push(Entry {
                        image: format!("{}@{row}_{column}", entry.image),
                        ..entry.clone()
                    });
                }
            }
        }
        Ok(windows)
    }

    /// The scene of an image's name, and the `[row, column]` of its window.
    pub(crate) fn scene_of<'a>(&self, image: &'a str) -> (&'a str, Option<[u32; 2]>) {
        let window = || {
            let (scene, corner) = image.rsplit_once('@')?;
            let (row, column) = corner.split_once('_')?;
            Some((scene, [row.parse().ok()?, column.parse().ok()?]))
        };
        match self.window_px.and_then(|_| window()) {
            Some((scene, corner)) => (scene, Some(corner)),
            None => (image, None),
        }
    }

    /// The entries of `split`.
    ///
    /// # Errors
    /// If the list cannot be read, contradicts itself or its files, or has no such split.
    pub fn entries_of(&self, split: &str) -> Result<Vec<Entry>> {
        let (chosen, others): (Vec<_>, Vec<_>) = self
            .entries()?
            .into_iter()
            .partition(|entry| entry.split.eq_ignore_ascii_case(split));
        let known: BTreeSet<&str> = others.iter().map(|entry| entry.split.as_str()).collect();
        ensure!(
            Dataset,
            !chosen.is_empty(),
            "{} has no split {split}; it has {}",
            self.entries_file().display(),
            known.into_iter().collect::<Vec<_>>().join(", ")
        );
        Ok(chosen)
    }

    /// The file of an image, or for a window the scene's file.
    pub fn image_path(&self, image: &str) -> PathBuf {
        if let Some((source, image)) = self.source_of(image) {
            return source.image_path(image);
        }
        self.file_in(&self.images, image)
    }

    /// The file of an image's mask.
    pub fn mask_path(&self, image: &str) -> PathBuf {
        if let Some((source, image)) = self.source_of(image) {
            return source.mask_path(image);
        }
        self.file_in(&self.masks, image)
    }

    /// A folder of the dataset, or of a server.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        match is_address(Path::new(name)) {
            true => PathBuf::from(name),
            false => self.root.join(name),
        }
    }

    fn file_in(&self, folder: &str, image: &str) -> PathBuf {
        let (scene, _) = self.scene_of(image);
        let with = |extension: &str| self.folder(folder).join(format!("{scene}.{extension}"));
        let Some((usual, _)) = self.format.extensions().split_first() else {
            return self.entries_file().join(image);
        };
        if is_address(Path::new(folder)) {
            return with(usual);
        }
        // Cameras and old systems write capitals.
        let spellings = self.format.extensions().iter().flat_map(|extension| {
            [
                (*extension).to_owned(),
                extension.to_uppercase(),
                capitalized(extension),
            ]
        });
        let mut files = spellings.map(|extension| with(&extension));
        files.find(|file| file.exists()).unwrap_or_else(|| with(usual))
    }
}

impl Format {
    /// Endings of its files' names, in lower case, the usual one first; empty for arrays.
    pub(crate) fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Geotiff => &["tif", "tiff"],
            Self::Png => &["png"],
            Self::Npz => &[],
        }
    }

    /// Whether a file whose name has this ending, in upper or lower case, is one of its files.
    pub(crate) fn has_extension(self, extension: &str) -> bool {
        self.extensions()
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    }
}

fn capitalized(extension: &str) -> String {
    let (first, rest) = extension.split_at(1);
    first.to_uppercase() + rest
}
