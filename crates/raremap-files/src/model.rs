//! A weights file on a device.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use raremap_device::Backend;
use raremap_model::{BurnTileModel, Card, GOLDEN_TOLERANCE, ModelFile, check_golden};

use crate::error::{Context, FilesError};

/// A model: its weights file, and its network once it is needed.
#[derive(Debug)]
pub struct Model {
    path: PathBuf,
    file: ModelFile,
    backend: Backend,
    network: OnceLock<BurnTileModel>,
}

impl Model {
    /// Reads and verifies a weights file, to be run on the backend's default device.
    ///
    /// # Errors
    /// [`FilesError::CannotRead`] and [`FilesError::Weights`], with the file's name.
    pub fn read(path: &Path, backend: Backend) -> Result<Self, FilesError> {
        let bytes = std::fs::read(path).map_err(FilesError::cannot_read(path))?;
        Self::from_bytes(&bytes, path, backend)
    }

    /// Verifies the bytes of a weights file; messages call it `path`.
    ///
    /// # Errors
    /// [`FilesError::Weights`], with the file's name.
    pub fn from_bytes(bytes: &[u8], path: &Path, backend: Backend) -> Result<Self, FilesError> {
        let file = ModelFile::from_bytes(bytes).within(|| path.display().to_string())?;
        Ok(Self {
            path: path.to_owned(),
            file,
            backend,
            network: OnceLock::new(),
        })
    }

    /// What the network is and where it comes from.
    pub const fn card(&self) -> &Card {
        &self.file.card
    }

    /// Digest of the weights file, 64 hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.file.sha256
    }

    /// Where the weights file was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the network runs.
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// The network. The first call builds it and checks that the device computes its golden tile.
    ///
    /// # Errors
    /// Those of [`Backend::device`], [`ModelFile::build`] and [`check_golden`].
    pub async fn network(&self) -> Result<&BurnTileModel, FilesError> {
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        let device = self.backend.device()?;
        let network = self.file.build(&device).within(|| self.path.display().to_string())?;
        let network = BurnTileModel::new(network, self.file.card.architecture.in_channels());
        check_golden(&network, &self.file.golden, GOLDEN_TOLERANCE).await?;
        Ok(self.network.get_or_init(|| network))
    }
}
