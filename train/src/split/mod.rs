//! Divides a dataset into splits: no place is in two splits, and every class gets its share in each.

mod assignment;
mod places;

use crate::dataset::{DatasetConfig, Entry, check_fractions};
use crate::error::{Result, ensure, failure};

pub use places::{Group, Joined};

/// How a dataset is divided.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitOptions {
    /// Name of each split, and its share of the labelled pixels; the shares are positive and add up to 1.
    pub fractions: Vec<(String, f64)>,
    /// What to keep together.
    pub by: By,
    /// Edge of a block in pixels, for [`By::Block`]; at least 1.
    pub block_px: u32,
    /// Find places that show the same ground by their content, and keep them together.
    pub joins_same_ground: bool,
    /// Seed of the search.
    pub seed: u64,
}

impl Default for SplitOptions {
    /// 70 % for training, 15 % for validation and 15 % for testing, by site.
    fn default() -> Self {
        let fractions = [("train", 0.7), ("val", 0.15), ("test", 0.15)];
        Self {
            fractions: fractions.map(|(name, share)| (name.to_owned(), share)).to_vec(),
            by: By::Site,
            block_px: 1024,
            joins_same_ground: false,
            seed: 0,
        }
    }
}

/// What stays together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A place that the dataset's list names; without a list, the folder of an image, or else the image.
    Site,
    /// Squares of ground: in map coordinates if the files have them, otherwise in each scene.
    Block,
}

/// How much more a rare class counts than another.
const RARE_WEIGHT: f64 = 4.0;

/// A dataset that was divided.
#[derive(Debug, Clone, PartialEq)]
pub struct Division {
    /// The places.
    pub groups: Vec<Group>,
    /// Which split each of `groups` is in, as an index of `names`.
    pub split_of: Vec<usize>,
    /// Names of the splits.
    pub names: Vec<String>,
    /// Which places were joined, if that was asked for.
    pub joined: Option<Joined>,
}

impl Division {
    /// The groups of the split with the index `split`.
    pub fn groups_of(&self, split: usize) -> impl Iterator<Item = &Group> {
        let groups = self.groups.iter().zip(&self.split_of);
        groups.filter(move |(_, of)| **of == split).map(|(group, _)| group)
    }

    /// The lines of the dataset's list, sorted.
    pub fn entries(&self) -> Vec<Entry> {
        let lines = self.groups.iter().zip(&self.split_of).flat_map(|(group, &split)| {
            group.images.iter().map(move |image| Entry {
                image: image.clone(),
                place: group.place.clone(),
                split: self.names[split].clone(),
            })
        });
        let mut lines: Vec<Entry> = lines.collect();
        lines.sort();
        lines
    }

    /// The dataset's list as CSV text, as `splits` of its description names it.
    ///
    /// # Errors
    /// If a line cannot be written as CSV.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for line in self.entries() {
            writer.serialize(line)?;
        }
        writer
            .into_inner()
            .map_err(|error| failure!(Misuse, "cannot write the table: {error}"))
    }
}

/// Divides `dataset`; the same seed gives the same splits.
///
/// # Errors
/// If the dataset is a mix, if the options are out of range, if there are fewer places than splits, or if a file cannot be read.
pub fn divide(dataset: &DatasetConfig, options: &SplitOptions) -> Result<Division> {
    ensure!(
        Dataset,
        !dataset.is_mix(),
        "{} is a mix of other datasets: split each of them on its own",
        dataset.name
    );
    check_fractions(&options.fractions.iter().cloned().collect())?;
    ensure!(Misuse, options.block_px > 0, "the edge of a block must be positive");
    let mut entries = places::listed(dataset)?;
    if options.by == By::Block {
        entries = places::blocks(dataset, entries, options.block_px)?;
    }
    let joined = match options.joins_same_ground {
        true => Some(places::join_same_ground(dataset, &mut entries)?),
        false => None,
    };
    let groups = places::groups(dataset, &entries)?;
    let (names, shares): (Vec<String>, Vec<f64>) = options.fractions.iter().cloned().unzip();
    let weights: Vec<f64> = dataset
        .classes
        .iter()
        .map(|class| if class.rare { RARE_WEIGHT } else { 1.0 })
        .collect();
    ensure!(
        Dataset,
        !shares.is_empty() && groups.len() >= shares.len(),
        "{} place(s) cannot be divided into {} splits",
        groups.len(),
        shares.len()
    );
    Ok(Division {
        split_of: assignment::assign(&groups, &shares, &weights, options.seed),
        groups,
        names,
        joined,
    })
}
