//! Writes files so that a reader never sees half of one.

use std::io::Write;
use std::path::{Path, PathBuf};

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct Unwritten {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: std::io::Error,
}

/// Writes `bytes` into a temporary file beside `path` and renames it.
///
/// # Errors
/// [`Unwritten`] where the folder or the file cannot be made, or the disk is full. What was at `path` is then still there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Unwritten> {
    write_with(path, |file| file.write_all(bytes)).map_err(|source| Unwritten {
        path: path.to_owned(),
        source,
    })
}

/// Writes what `fill` writes into a temporary file beside `path` and renames it.
///
/// # Errors
/// Those of `fill` and of the file system; what was at `path` is then still there.
pub fn write_with<E: From<std::io::Error>>(
    path: &Path,
    fill: impl FnOnce(&mut std::fs::File) -> Result<(), E>,
) -> Result<(), E> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all()?;
    // A temporary file is private, but the published file is for everybody, as after a plain write.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
