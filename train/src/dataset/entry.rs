//! An image's place and split, and what may be wrong with a list of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A line of the splits: an image, or a window of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// Name of the image, or for a window `IMAGE@ROW_COLUMN` with the pixel of its top left corner.
    pub image: String,
    /// The place that it shows: images of one place are never in two splits.
    pub place: String,
    /// Its split.
    pub split: String,
}

/// Keeps the entries of a share of the places, above 0 to 1, and of at least one. Their names alone decide which ones, and the places of a share are among
/// those of every larger one.
pub(super) fn keep_share(entries: &mut Vec<Entry>, share: f64) {
    if share >= 1.0 {
        return;
    }
    // The order of digests has nothing to do with what the places are called.
    let places: BTreeSet<_> = entries.iter().map(|entry| Sha256::digest(&entry.place)).collect();
    let kept = (share * places.len() as f64).ceil().max(1.0) as usize;
    let kept: BTreeSet<_> = places.into_iter().take(kept).collect();
    entries.retain(|entry| kept.contains(&Sha256::digest(&entry.place)));
}

/// What is wrong with a list of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryProblem {
    /// A place is in two splits.
    Leak {
        /// The place.
        place: String,
        /// Its splits.
        splits: [String; 2],
    },
    /// An image is listed twice.
    Duplicate {
        /// The image.
        image: String,
    },
    /// A file does not exist.
    Missing {
        /// The file.
        path: PathBuf,
    },
}

impl EntryProblem {
    /// The problem as a sentence, for a list in `file`.
    pub fn sentence(&self, file: &Path) -> String {
        let file = file.display();
        match self {
            Self::Leak { place, splits } => format!(
                "{file}: place {place} is in {} and in {}: its images would leak from one split into the other",
                splits[0], splits[1]
            ),
            Self::Duplicate { image } => format!("{file}: image {image} is listed twice"),
            Self::Missing { path } => format!("{} does not exist, but {file} lists it", path.display()),
        }
    }
}
