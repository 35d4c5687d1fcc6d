//! What can be wrong with a weights file.

use thiserror::Error;

/// A weights file that cannot be used, and why.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The bytes are not a weights file, or part of one.
    #[error("this is not a raremap weights file: {0}")]
    Malformed(String),
    /// The file is shorter than its header says.
    #[error("the weights file is truncated: {0}")]
    Truncated(String),
    /// The file's digest is not the one that it states.
    #[error("the weights file was altered or damaged: its sha256 is {found}, but it states {stated}")]
    Altered {
        /// Digest in the header.
        stated: String,
        /// Digest of the bytes.
        found: String,
    },
    /// A well-formed file of another format or version.
    #[error("the weights file is not supported: {0}")]
    Unsupported(String),
    /// The tensors do not fit the architecture in the card.
    #[error("the weights do not fit the card's architecture: {0}")]
    Mismatch(String),
    /// The call asks for something that is not possible.
    #[error("{0}")]
    Misuse(String),
}

impl WeightsError {
    /// A stable identifier for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "model_malformed",
            Self::Truncated(_) => "model_truncated",
            Self::Altered { .. } => "model_altered",
            Self::Unsupported(_) => "model_unsupported",
            Self::Mismatch(_) => "model_mismatch",
            Self::Misuse(_) => "model_misuse",
        }
    }
}
