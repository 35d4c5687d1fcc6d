//! The folder of the results: each scene's own appears when it is complete.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::item::{FleetFailure, FleetScene};
use super::json::write_json;
use super::{collection, record};
use crate::error::{Context, FilesError};
use crate::model::Model;
use crate::predict::{Observer, PredictOptions, predict_repeatably};

/// Folders whose names begin so hold scenes that are being made.
const PARTIAL: &str = ".partial-";
/// The list of the scenes that could not be mapped.
const FAILURES: &str = "failures.json";

/// Makes the folder.
pub(super) fn make_folder(out: &Path) -> Result<(), FilesError> {
    std::fs::create_dir_all(out).cannot_write(|| out.to_owned())
}

/// Whether the scene was mapped from the same files, with the same model and options.
pub(super) fn is_done(
    scene: &FleetScene,
    model: &Model,
    out: &Path,
    asked: &PredictOptions,
) -> Result<bool, FilesError> {
    let digest = record::digest_of(scene, model, &scene.options(asked))?;
    Ok(record::is_finished(&out.join(&scene.id), &digest))
}

/// Removes what jobs that were killed have left of `scenes`, and returns the ids of these. Others may be at work in the folder, on other scenes.
pub(super) fn remove_left_overs(out: &Path, scenes: &[FleetScene]) -> Result<BTreeSet<String>, FilesError> {
    let own: BTreeSet<&str> = scenes.iter().map(|scene| scene.id.as_str()).collect();
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(out).map_err(FilesError::cannot_read(out))?.flatten() {
        let name = entry.file_name();
        let scene = name
            .to_str()
            .and_then(|name| name.strip_prefix(PARTIAL)?.rsplit_once('-'));
        if let Some((id, _)) = scene.filter(|(id, _)| own.contains(id)) {
            found.insert(id.to_owned());
            // What cannot be removed is in nobody's way.
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
    Ok(found)
}

/// Maps a scene into the folder `out/ID`, which appears when all of its files are complete: those of [`predict`](crate::predict), whose Item then
/// is one of the collection, and `scene.json`. Nothing in them depends on who made them, or when. Does nothing if the scene is finished.
///
/// # Errors
/// Those of [`predict`](crate::predict). What was at `out/ID` is then still there.
pub fn map_scene(
    model: &Model,
    scene: &FleetScene,
    out: &Path,
    options: &PredictOptions,
    observer: &mut dyn Observer,
) -> Result<(), FilesError> {
    let options = scene.options(options);
    let digest = record::digest_of(scene, model, &options)?;
    let place = out.join(&scene.id);
    // A job that was killed may have finished it before it could say so.
    if record::is_finished(&place, &digest) {
        return Ok(());
    }
    let partial = partial_folder(out, &scene.id)?;
    predict_repeatably(model, &scene.inputs, partial.path(), &options, observer)?;
    record::write_record(partial.path(), scene, &digest)?;
    // An older result is out of date; it goes with the folder that it is moved to.
    let old = partial_folder(out, &scene.id)?;
    match std::fs::rename(&place, old.path().join("old")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).cannot_write(|| place.clone()),
        _ => {}
    }
    std::fs::rename(partial.path(), &place).cannot_write(|| place.clone())
}

/// A folder for what becomes of a scene, which is removed when the job drops it.
fn partial_folder(out: &Path, id: &str) -> Result<tempfile::TempDir, FilesError> {
    let prefix = format!("{PARTIAL}{id}-");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    // The results are for everybody, as in a folder that `predict` makes.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder.tempdir_in(out).cannot_write(|| out.to_owned())
}

/// Writes the STAC collection of the finished scenes `ids` and the list of the failed ones. Returns the collection's path.
///
/// # Errors
/// [`FilesError`] that names the file.
pub fn finish_fleet(out: &Path, ids: &[String], failures: &[FleetFailure], title: &str) -> Result<PathBuf, FilesError> {
    let collection = collection::write_collection(out, ids, title)?;
    write_failures(out, failures)?;
    Ok(collection)
}

/// Lists the scenes that could not be mapped, in the order of their ids.
pub(super) fn write_failures(out: &Path, failures: &[FleetFailure]) -> Result<(), FilesError> {
    let mut sorted: Vec<&FleetFailure> = failures.iter().collect();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    write_json(&out.join(FAILURES), &sorted)
}
