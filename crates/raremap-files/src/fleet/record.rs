//! Which results are finished, and of what.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::item::FleetScene;
use crate::error::FilesError;
use crate::model::Model;
use crate::predict::PredictOptions;

/// The file in the folder of a finished scene.
pub(super) const NAME: &str = "scene.json";

/// What a finished scene was made from.
#[derive(Serialize, Deserialize)]
struct Record {
    id: String,
    inputs: Vec<PathBuf>,
    source: Option<String>,
    digest: String,
}

/// Whether the results in `folder` are those of the scene, the model and the options that `digest` stands for.
pub(super) fn is_finished(folder: &Path, digest: &str) -> bool {
    read_record(folder).is_some_and(|record| record.digest == digest)
}

/// Whether the folder is a finished scene, of whatever.
pub(super) fn has_record(folder: &Path) -> bool {
    read_record(folder).is_some()
}

fn read_record(folder: &Path) -> Option<Record> {
    serde_json::from_slice(&std::fs::read(folder.join(NAME)).ok()?).ok()
}

/// Says in `folder` what its results were made from.
pub(super) fn write_record(folder: &Path, scene: &FleetScene, digest: &str) -> Result<(), FilesError> {
    let record = Record {
        id: scene.id.clone(),
        inputs: scene.unsigned_inputs(),
        source: scene.source.clone(),
        digest: digest.to_owned(),
    };
    super::json::write_json(&folder.join(NAME), &record)
}

/// Stands for everything that a scene's results depend on, without reading the scene: the version of this library, the model, the device, the
/// options, and the names, sizes and times of the files. The signature of an address is no part of it: a later list may have another one.
pub(super) fn digest_of(scene: &FleetScene, model: &Model, options: &PredictOptions) -> Result<String, FilesError> {
    let files: Vec<_> = scene
        .unsigned_inputs()
        .iter()
        .flat_map(|path| below(path))
        .map(stamp)
        .collect();
    let content = serde_json::to_vec(&(
        env!("CARGO_PKG_VERSION"),
        model.sha256(),
        model.backend().to_string(),
        files,
        // Every option, those of a later version included.
        format!("{options:?}"),
    ))?;
    Ok(Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// The name of a file, its size and when it was changed, in nanoseconds; what cannot be known is `None`.
fn stamp(path: PathBuf) -> (PathBuf, Option<u64>, Option<u128>) {
    let status = std::fs::metadata(&path).ok();
    let changed = status.as_ref().and_then(|status| status.modified().ok());
    let since = changed.and_then(|changed| changed.duration_since(UNIX_EPOCH).ok());
    (
        path,
        status.map(|status| status.len()),
        since.map(|since| since.as_nanos()),
    )
}

/// The files of a folder and of those in it, in the order of their names; of a file, itself.
fn below(path: &Path) -> Vec<PathBuf> {
    let mut folders = vec![path.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            files.push(folder);
            continue;
        };
        for entry in entries.flatten() {
            // Not through links, which may lead in a circle.
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => folders.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files.sort();
    files
}
