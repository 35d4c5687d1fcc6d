//! Writes files so that a reader never sees half of one.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What could not be written, as the context of the cause.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", _0.display())]
pub struct Unwritten(pub PathBuf);

/// Writes `bytes` into a temporary file beside `path` and renames it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| Ok(file.write_all(bytes)?))
}

/// As [`write_whole`], for whatever `fill` writes.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut std::fs::File) -> Result<()>) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let write = || -> Result<()> {
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
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| Unwritten(path.to_owned()))
}
