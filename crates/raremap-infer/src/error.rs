//! What can go wrong between a scene and its mask.

use raremap_model::TileError;
use raremap_scene::SceneError;
use thiserror::Error;

/// A scene that cannot be segmented as asked, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InferError {
    /// The scene's file cannot be read.
    #[error(transparent)]
    Scene(#[from] SceneError),
    /// The card contradicts itself, or the network does not give what the card says.
    #[error("the model cannot be used: {0}")]
    Malformed(String),
    /// The network gave no logits for a tile.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// The network gave NaN or infinity: the device is broken, or the file has absurd values.
    #[error("the network gave a value that is not a number")]
    NotFinite,
    /// The scene has fewer bands than the model needs.
    #[error("the scene has {have} band(s), but the model needs {need}: {names}")]
    TooFewBands {
        /// Bands of the scene.
        have: usize,
        /// Bands that the model needs.
        need: usize,
        /// Their names, in words.
        names: String,
    },
    /// The scene's bands are known, and some that the model needs are not among them.
    #[error("{reason} If that is wrong, say which band is which (--bands); otherwise add the missing band")]
    BandsMissing {
        /// The missing bands.
        missing: String,
        /// What is known about the scene's bands, as a sentence.
        reason: String,
    },
    /// The call asks for something that is not possible.
    #[error("{0}")]
    Misuse(String),
    /// The watcher of a pass over the scene's rows ended it: see [`crate::SceneLogits::watch`].
    #[error("stopped")]
    Stopped,
    /// The scene needs more memory than is allowed.
    #[error("the scene of {width} x {height} pixels needs {needed_bytes} bytes, but only {limit_bytes} are allowed")]
    Limit {
        /// Pixels per row.
        width: usize,
        /// Rows.
        height: usize,
        /// Bytes that the run would keep.
        needed_bytes: u64,
        /// Bytes that it may keep.
        limit_bytes: u64,
    },
}

macro_rules! through_scene {
    ($($inner:ty),*) => {$(
        impl From<$inner> for InferError {
            fn from(error: $inner) -> Self {
                InferError::Scene(error.into())
            }
        }
    )*};
}

through_scene!(raremap_tiff::TiffError, raremap_io::IoError, raremap_io::SourceError);

impl InferError {
    /// A stable identifier for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Scene(error) => error.code(),
            Self::Malformed(_) => "model_malformed",
            Self::Tile(error) => error.code(),
            Self::NotFinite => "network_not_finite",
            Self::TooFewBands { .. } => "too_few_bands",
            Self::BandsMissing { .. } => "band_missing",
            Self::Misuse(_) => "misuse",
            Self::Stopped => "stopped",
            Self::Limit { .. } => "scene_too_large",
        }
    }
}
