//! What can go wrong between a folder of labelled images and a trained model.

use std::error::Error;
use std::fmt::Display;
use std::path::PathBuf;

use raremap_device::DeviceError;
use raremap_infer::InferError;
use raremap_io::{IoError, SourceError, Unwritten};
use raremap_model::{TileError, WeightsError};
use raremap_output::OutputError;
use raremap_scene::SceneError;
use raremap_tiff::TiffError;

/// The result of a function of this crate.
pub type Result<T, E = TrainError> = std::result::Result<T, E>;

/// A training, evaluation or export that is not possible as asked, and why.
///
/// Programs should switch on [`TrainError::code`], which is stable; the text is for people, and holds the causes, too.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A scene cannot be read, or a model cannot be run over it.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// A weights file, or its card, cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A picture of a scene cannot be made.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The device is not available.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A file cannot be written.
    // No #[from]: the sentence holds the cause, and a chain of causes would say it twice.
    #[error("{}", with_causes(.0))]
    Unwritten(Unwritten),
    /// The operating system cannot read or write a file, or cannot start a program.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// A TOML file is not what it should be.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A value cannot be written as TOML.
    #[error(transparent)]
    ToToml(#[from] toml::ser::Error),
    /// A JSON file is damaged, or a value cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A PNG file is damaged, or of a kind that is not read.
    #[error(transparent)]
    Png(#[from] png::DecodingError),
    /// A picture cannot be written as PNG.
    #[error(transparent)]
    ToPng(#[from] png::EncodingError),
    /// A list of images has a line that cannot be read.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// A recipe contradicts itself, or does not fit its dataset.
    #[error("{0}")]
    Recipe(String),
    /// A dataset's description or list contradicts itself, its files, or what it is used for.
    #[error("{0}")]
    Dataset(String),
    /// A file of a dataset does not hold what the dataset says.
    #[error("{0}")]
    Sample(String),
    /// A mask does not lie where its image lies.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// A run cannot be continued from what its folder holds.
    #[error("{0}")]
    Checkpoint(String),
    /// The loss is not a number any more.
    #[error("{0}")]
    Diverged(String),
    /// A search for hyperparameters is not possible as described.
    #[error("{0}")]
    Search(String),
    /// A table of an ablation is not possible as described.
    #[error("{0}")]
    Ablation(String),
    /// A run that a search or an ablation started has failed.
    #[error("{0}")]
    Run(String),
    /// A chart or a picture cannot be drawn.
    #[error("{0}")]
    Drawing(String),
    /// The call asks for something that is not possible.
    #[error("{0}")]
    Misuse(String),
    /// Any of these errors, with where it happened: a file, a key, a row.
    #[error("{place}: {}", with_causes(error))]
    At {
        /// Where it happened.
        place: String,
        /// What happened.
        error: Box<TrainError>,
    },
}

/// A mask that does not lie where its image lies.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{} does not lie where its image {} lies: {difference}", mask.display(), image.display())]
pub struct Misplaced {
    /// The image's file.
    pub image: PathBuf,
    /// The mask's file.
    pub mask: PathBuf,
    /// How they differ, as the second half of a sentence.
    pub difference: String,
}

impl TrainError {
    /// A stable identifier for programs: for what the crates below report, their own code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Infer(error) => error.code(),
            Self::Weights(error) => error.code(),
            Self::Output(error) => error.code(),
            Self::Device(_) => "device_missing",
            Self::Unwritten(_) => "write_failed",
            Self::System(_) => "system_failed",
            Self::Toml(_) | Self::ToToml(_) => "toml_malformed",
            Self::Json(_) => "json_malformed",
            Self::Png(_) => "png_malformed",
            Self::Csv(_) => "list_malformed",
            Self::Recipe(_) => "recipe_invalid",
            Self::Dataset(_) => "dataset_invalid",
            Self::Sample(_) => "sample_invalid",
            Self::Misplaced(_) => "mask_misplaced",
            Self::Checkpoint(_) => "checkpoint_unusable",
            Self::Diverged(_) => "training_diverged",
            Self::Search(_) => "search_invalid",
            Self::Ablation(_) => "ablation_invalid",
            Self::Run(_) => "run_failed",
            Self::ToPng(_) | Self::Drawing(_) => "drawing_failed",
            Self::Misuse(_) => "misuse",
            Self::At { error, .. } => error.code(),
        }
    }

    /// The error itself, without where it happened.
    pub fn root(&self) -> &Self {
        match self {
            Self::At { error, .. } => error.root(),
            other => other,
        }
    }
}

macro_rules! through_infer {
    ($($inner:ty),*) => {$(
        impl From<$inner> for TrainError {
            fn from(error: $inner) -> Self {
                Self::Infer(error.into())
            }
        }
    )*};
}

through_infer!(SceneError, TiffError, IoError, SourceError, TileError);

impl From<Unwritten> for TrainError {
    fn from(error: Unwritten) -> Self {
        Self::Unwritten(error)
    }
}

/// The sentence of an error and those of its causes that it does not repeat.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let sentence = error.to_string();
        if !text.contains(&sentence) {
            text = format!("{text}: {sentence}");
        }
        cause = error.source();
    }
    text
}

/// Says where an error happened.
pub(crate) trait Context<T> {
    fn context(self, place: impl Display) -> Result<T>;
    fn with_context<P: Display>(self, place: impl FnOnce() -> P) -> Result<T>;
}

impl<T, E: Into<TrainError>> Context<T> for std::result::Result<T, E> {
    fn context(self, place: impl Display) -> Result<T> {
        self.with_context(|| place)
    }

    fn with_context<P: Display>(self, place: impl FnOnce() -> P) -> Result<T> {
        self.map_err(|error| TrainError::At {
            place: place().to_string(),
            error: Box::new(error.into()),
        })
    }
}

/// An error of a kind with a formatted sentence.
macro_rules! failure {
    ($kind:ident, $($sentence:tt)+) => {
        $crate::error::TrainError::$kind(format!($($sentence)+))
    };
}

/// Returns an error of a kind.
macro_rules! bail {
    ($kind:ident, $($sentence:tt)+) => {
        return Err($crate::error::failure!($kind, $($sentence)+))
    };
}

/// Returns an error of a kind unless a condition holds.
macro_rules! ensure {
    ($kind:ident, $condition:expr, $($sentence:tt)+) => {{
        let holds: bool = $condition;
        if !holds {
            $crate::error::bail!($kind, $($sentence)+)
        }
    }};
}

pub(crate) use {bail, ensure, failure};

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::NotFound, "no such file")
    }

    #[test]
    fn an_error_keeps_its_code_wherever_it_happens() {
        let refused = |share: f64| -> Result<()> {
            ensure!(Recipe, share <= 1.0, "share is {share}; it must be at most 1");
            Ok(())
        };
        let error = refused(2.0).context("loss").context("r.toml").expect_err("refused");
        assert_eq!(error.to_string(), "r.toml: loss: share is 2; it must be at most 1");
        assert_eq!(
            (error.code(), error.root().code()),
            ("recipe_invalid", "recipe_invalid")
        );
        assert!(matches!(error.root(), TrainError::Recipe(_)));
    }

    #[test]
    fn causes_are_told_once() {
        let read: std::result::Result<(), _> = Err(missing());
        let error = read.with_context(|| "cannot read a.tif").expect_err("missing");
        assert_eq!(error.to_string(), "cannot read a.tif: no such file");
        // The sentence of the crate below has the cause in it.
        let below: std::result::Result<(), _> = Err(SourceError::Io(missing()));
        let error = below.context("a.tif").expect_err("missing");
        assert_eq!(error.to_string(), "a.tif: reading failed: no such file");
        assert_eq!(error.code(), "source_failed");
    }
}
