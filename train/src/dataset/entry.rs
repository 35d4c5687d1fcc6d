//! An image's place and split, and what may be wrong with a list of them.

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

impl Entry {
    /// Whether the entry's place is one of a share, 0 to 1, of all places. A place that is in one share is in every larger one.
    pub(super) fn is_in_share(&self, share: f64) -> bool {
        let digest = Sha256::digest(&self.place);
        let first = digest
            .iter()
            .take(8)
            .fold(0u64, |number, &byte| number << 8 | u64::from(byte));
        // Rounding may take the last places for 1; a whole share has them, too.
        share >= 1.0 || (first as f64) < share * 2f64.powi(64)
    }
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
