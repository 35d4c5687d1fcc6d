//! Arrays of images and masks in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Arrays by their file and name; they are read once and shared by all copies of a dataset's description.
#[derive(Debug, Clone, Default)]
pub(super) struct NpzCache(pub(super) Arc<Mutex<BTreeMap<String, Arc<Arrays>>>>);

/// Images and masks of one `[[npz]]`.
#[derive(Debug)]
pub(super) struct Arrays {
    pub(super) images: Array,
    pub(super) masks: Option<Array>,
    pub(super) mask_band: Option<usize>,
    pub(super) places: Option<Vec<String>>,
}

/// Numbers with the steps along image, band, row and column, so that any order of axes is read without moving the numbers.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) numbers: Vec<f32>,
    /// `[n, bands, h, w]`
    pub(super) shape: [usize; 4],
    pub(super) strides: [usize; 4],
}

impl Array {
    pub(super) fn plane(&self, image: usize, band: usize) -> impl Iterator<Item = f32> {
        let [n, c, y, x] = self.strides;
        let [_, _, height, width] = self.shape;
        let first = image * n + band * c;
        let at = move |row: usize, column: usize| first + row * y + column * x;
        (0..height).flat_map(move |row| (0..width).map(move |column| self.numbers[at(row, column)]))
    }
}
