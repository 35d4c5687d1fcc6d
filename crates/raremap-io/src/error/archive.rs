//! Why an archive, or a file in it, cannot be read.

/// An archive that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The directory of the archive is damaged, or there is none.
    #[error("the zip archive is damaged: {reason}")]
    Damaged {
        /// What is wrong, in words.
        reason: String,
    },
    /// A file of the archive is damaged.
    #[error("{entry} in the zip archive is damaged: {reason}")]
    DamagedEntry {
        /// The file.
        entry: String,
        /// What is wrong, in words.
        reason: String,
    },
    /// A file is packed with another method than deflate.
    #[error(
        "{entry} in the zip archive is compressed with {method}, which is not supported: compress it again with deflate, or store it"
    )]
    Method {
        /// The file.
        entry: String,
        /// The method's name, or its number.
        method: String,
    },
    /// A file is encrypted.
    #[error("{entry} in the zip archive is encrypted")]
    Encrypted {
        /// The file.
        entry: String,
    },
}

impl ArchiveError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            ArchiveError::Damaged { .. } => "bad_archive",
            ArchiveError::DamagedEntry { .. } => "bad_archive_entry",
            ArchiveError::Method { .. } => "unsupported_archive_method",
            ArchiveError::Encrypted { .. } => "unsupported_encryption",
        }
    }
}
