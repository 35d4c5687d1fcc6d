//! Scenes that are already in memory, such as those of a training set.

use raremap_tiff::{Samples, Window};

use crate::error::InferError;

/// A scene in memory: what a file would give, without its place on the ground.
#[derive(Debug, Clone, Copy)]
pub struct SceneInMemory<'a> {
    /// `[height, width]`
    pub size: [usize; 2],
    /// `[bands, height, width]`, raw.
    pub values: &'a [f32],
    /// `[height, width]`: false where the pixel is invalid.
    pub valid: &'a [bool],
}

impl SceneInMemory<'_> {
    /// # Errors
    /// [`InferError::Misuse`] if the lengths do not agree with the size, [`InferError::TooFewBands`] if a band of `bands` does not exist.
    pub(crate) fn check(&self, bands: &[usize], names: &[&str]) -> Result<(), InferError> {
        let [height, width] = self.size;
        let pixels = self.valid.len();
        if height.checked_mul(width) != Some(pixels) || pixels == 0 || !self.values.len().is_multiple_of(pixels) {
            return Err(InferError::Misuse(format!(
                "a scene of {width} x {height} pixels came with {} values and with the validity of {pixels} pixels",
                self.values.len()
            )));
        }
        let have = self.values.len() / pixels;
        if bands.iter().any(|band| *band >= have) {
            return Err(InferError::TooFewBands {
                have,
                need: names.len(),
                names: names.join(", "),
            });
        }
        Ok(())
    }

    /// Reads a window that lies inside the scene; its `bands` must exist.
    pub(crate) fn read_window(&self, window: Window, bands: &[usize]) -> Samples {
        let columns = self.size[1];
        let pixels = self.valid.len();
        let (width, height) = (window.width as usize, window.height as usize);
        let row = |y: usize| (window.y as usize + y) * columns + window.x as usize;
        let mut values = Vec::with_capacity(bands.len() * width * height);
        let mut valid = Vec::with_capacity(width * height);
        for band in bands {
            let plane = &self.values[band * pixels..][..pixels];
            (0..height).for_each(|y| values.extend_from_slice(&plane[row(y)..][..width]));
        }
        (0..height).for_each(|y| valid.extend_from_slice(&self.valid[row(y)..][..width]));
        Samples {
            bands: bands.len(),
            height,
            width,
            values,
            valid,
        }
    }
}
