//! A sample in memory, and what it is made of.

use std::path::PathBuf;

use raremap_infer::SceneTraits;

/// Class index of pixels that are not scored.
pub const IGNORE: u8 = u8::MAX;

/// An image, or a window of one, with its mask, in memory.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The image's file, or for an array the archive and the image's name.
    pub path: PathBuf,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Metres per pixel.
    pub ground_resolution_m: f64,
    /// `[scene_bands, h, w]`, raw.
    pub values: Vec<f32>,
    /// `[h, w]`
    pub valid: Vec<bool>,
    /// `[h, w]`, class indices; [`IGNORE`] where the mask says so or the image is invalid.
    pub labels: Vec<u8>,
}

impl Sample {
    /// What a network is told about it. Samples are reflectances; only augmentation makes pictures of them.
    pub fn traits(&self) -> SceneTraits {
        SceneTraits {
            is_picture: false,
            ground_resolution_m: Some(self.ground_resolution_m),
        }
    }
}

/// What was read from an image.
pub(super) struct Image {
    pub height: usize,
    pub width: usize,
    /// `[scene_bands, h, w]`
    pub values: Vec<f32>,
    /// `[h, w]`, as the file says; [`join`](super::join::join) then marks the dataset's own nodata and what is not finite.
    pub valid: Vec<bool>,
}

/// What was read from a mask.
pub(super) struct Mask {
    pub height: usize,
    pub width: usize,
    /// `[h, w]`, values of the file.
    pub codes: Vec<f32>,
    /// `[h, w]`, false where the file has no data.
    pub labelled: Vec<bool>,
}

/// Where an image and its mask come from, for errors.
pub(super) struct Names {
    pub image: PathBuf,
    pub mask: PathBuf,
}
