//! What can be wrong with an architecture and with a weights file.

use thiserror::Error;

/// An architecture that cannot be built, and why. The messages start with the key that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArchitectureError {
    /// No family has this name, or this build leaves it out.
    #[error("family {family} is not one of {}", known.join(", "))]
    UnknownFamily {
        /// The name.
        family: String,
        /// The families of this build.
        known: &'static [&'static str],
    },
    /// The family's config has no such key.
    #[error("{key} is not a key of family {family}; its keys are {}", known.join(", "))]
    UnknownKey {
        /// The family.
        family: &'static str,
        /// The key.
        key: String,
        /// The keys of the family's config.
        known: Vec<String>,
    },
    /// The key's value has the wrong type.
    #[error("{key}: {reason}")]
    WrongType {
        /// The key.
        key: String,
        /// What its value must be.
        reason: String,
    },
    /// A network cannot be built with this number: which one it is, and what it must be.
    #[error("{0}")]
    OutOfRange(String),
}

/// A weights file that cannot be used, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
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
