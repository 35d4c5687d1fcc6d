//! The folder of the results: each scene's own appears when it is complete.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::item::{FleetFailure, FleetScene};
use super::json::write_json;
use super::{collection, record};
use crate::error::{Context, FilesError};
use crate::model::Model;
use crate::predict::{Observer, PredictOptions, predict_repeatably};

/// Folders whose names begin so hold scenes that are being made.
const PARTIAL: &str = ".partial-";
/// The file in such a folder that is locked as long as a process is at work there.
const LOCK: &str = "lock";
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

/// Removes what jobs that were killed have left of the scenes `own`, and returns the ids of these. Others may be at work in the folder, even on the same
/// scenes.
pub(super) fn remove_left_overs(out: &Path, own: &BTreeSet<&str>) -> Result<BTreeSet<String>, FilesError> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(out).map_err(FilesError::cannot_read(out))?.flatten() {
        let name = entry.file_name();
        let scene = name
            .to_str()
            .and_then(|name| name.strip_prefix(PARTIAL)?.rsplit_once('-'));
        let Some((id, _)) = scene.filter(|(id, _)| own.contains(id)) else {
            continue;
        };
        let lock = File::options().write(true).open(entry.path().join(LOCK));
        // Held while the folder is removed.
        let is_left = match &lock {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(error) => error.kind() == ErrorKind::NotFound,
        };
        if is_left {
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
/// Those of [`predict`](crate::predict); [`FilesError::Overwrites`] and [`FilesError::Occupied`] if something else than an earlier result is at
/// `out/ID`. What was there then still is.
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
    refuse_others(scene, model, &place)?;
    let partial = Partial::new(out, &scene.id)?;
    let made = partial.folder.path().join("new");
    let names = predict_repeatably(model, &scene.inputs, &made, &options, observer)?;
    record::write_record(&made, scene, &digest)?;
    check_whole(&made, &names)?;
    partial.take_place(&made, &place)
}

/// Refuses to replace anything but an earlier result, which nothing is read from.
fn refuse_others(scene: &FleetScene, model: &Model, place: &Path) -> Result<(), FilesError> {
    let real = match place.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        real => real.map_err(FilesError::cannot_read(place))?,
    };
    let is_inside = |path: &Path| {
        // Of a link, neither it nor what it leads to may be lost.
        let beside = path.parent().and_then(|parent| parent.canonicalize().ok());
        let link = beside.zip(path.file_name()).map(|(parent, name)| parent.join(name));
        [path.canonicalize().ok(), link]
            .into_iter()
            .flatten()
            .any(|path| path.starts_with(&real))
    };
    let item = scene.source_path();
    let read = scene.inputs.iter().map(PathBuf::as_path).chain([model.path()]);
    if let Some(input) = read.chain(item.as_deref()).find(|path| is_inside(path)) {
        return Err(FilesError::Overwrites {
            input: input.to_owned(),
            out: place.to_owned(),
        });
    }
    if !record::has_record(place) {
        return Err(FilesError::Occupied {
            folder: place.to_owned(),
        });
    }
    Ok(())
}

/// Refuses a result of which somebody has removed files while it was made.
pub(super) fn check_whole(folder: &Path, names: &[PathBuf]) -> Result<(), FilesError> {
    for name in names.iter().map(PathBuf::as_path).chain([Path::new(record::NAME)]) {
        let path = folder.join(name);
        path.metadata().cannot_write(|| path)?;
    }
    Ok(())
}

/// A folder for what becomes of a scene, and for what it replaces; it is removed when the job drops it.
pub(super) struct Partial {
    /// Before the folder, so that it is closed when that is removed.
    _lock: File,
    folder: TempDir,
}

impl Partial {
    pub(super) fn new(out: &Path, id: &str) -> Result<Self, FilesError> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PARTIAL}{id}-"))
            .tempdir_in(out);
        let folder = folder.cannot_write(|| out.to_owned())?;
        let path = folder.path().join(LOCK);
        let lock = File::create(&path).cannot_write(|| path.clone())?;
        match lock.try_lock() {
            // Another process has just taken the folder for one that was left.
            Err(TryLockError::WouldBlock) => Err(std::io::Error::from(ErrorKind::WouldBlock)).cannot_write(|| path),
            // Some file systems have no locks. Others then may remove the folder, which is noticed.
            _ => Ok(Self { _lock: lock, folder }),
        }
    }

    /// Moves the folder `made` to its place. An older result is out of date: it goes with this folder.
    pub(super) fn take_place(self, made: &Path, place: &Path) -> Result<(), FilesError> {
        let old = self.folder.path().join("old");
        let is_replaced = match std::fs::rename(place, &old) {
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            moved => moved.cannot_write(|| place.to_owned()).map(|()| true)?,
        };
        let placed = std::fs::rename(made, place);
        if placed.is_err() && is_replaced && std::fs::rename(&old, place).is_err() {
            // Nobody but the caller can bring it back.
            let _ = self.folder.keep();
            return placed
                .within(|| format!("the earlier result is now {}", old.display()))
                .cannot_write(|| place.to_owned());
        }
        placed.cannot_write(|| place.to_owned())
    }
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
///
/// # Errors
/// [`FilesError`] that names the file.
pub fn write_failures(out: &Path, failures: &[FleetFailure]) -> Result<(), FilesError> {
    let mut sorted: Vec<&FleetFailure> = failures.iter().collect();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    write_json(&out.join(FAILURES), &sorted)
}
