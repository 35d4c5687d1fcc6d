//! Writes JSON files whole or not at all.

use std::path::Path;

use serde::Serialize;

use crate::error::FilesError;

/// Writes a file beside its place and renames it.
pub(super) fn write_json(path: &Path, content: &impl Serialize) -> Result<(), FilesError> {
    let text = serde_json::to_string_pretty(content)? + "\n";
    Ok(raremap_io::write_whole(path, text.as_bytes())?)
}
