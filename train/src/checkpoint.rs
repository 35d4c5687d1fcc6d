//! A run's state on disk, written completely or not at all.
//!
//! A checkpoint is a folder of files with a manifest of their digests. It is written under a temporary name; every file and the folder are
//! flushed to the disk; and a rename comes last. The checkpoint before it is kept. A crash at any moment therefore leaves a complete one,
//! and a damaged one is noticed.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::{BurnpackStore, ModuleSnapshot};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Context, Result, bail, ensure, failure};

/// Format that this code writes and reads.
const VERSION: u32 = 1;
const MANIFEST: &str = "manifest.json";

/// What a checkpoint holds: the digest of every other file in its folder.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    /// sha256 by file name.
    files: BTreeMap<String, String>,
}

/// The checkpoints of a run: the newest, and the one before.
#[derive(Debug)]
pub struct Checkpoints {
    newest: PathBuf,
    /// Where one is being written; a crash just before the rename leaves a complete one here.
    fresh: PathBuf,
    previous: PathBuf,
}

impl Checkpoints {
    /// The checkpoints of the run in `run`.
    pub fn of_run(run: &Path) -> Self {
        Self {
            newest: run.join("checkpoint"),
            fresh: run.join("checkpoint.new"),
            previous: run.join("checkpoint.previous"),
        }
    }

    /// Whether there is any.
    pub fn exist(&self) -> bool {
        let folders = [&self.newest, &self.fresh, &self.previous];
        folders.iter().any(|folder| folder.join(MANIFEST).is_file())
    }

    /// Writes a checkpoint: `fill` puts its files into the folder that it gets.
    ///
    /// # Errors
    /// Whatever `fill` returns, and failures of the disk. Existing checkpoints stay.
    pub fn save(&self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let fresh = &self.fresh;
        remove(fresh)?;
        std::fs::create_dir_all(fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
        fill(fresh)?;
        let manifest = Manifest {
            version: VERSION,
            files: digests(fresh)?,
        };
        std::fs::write(fresh.join(MANIFEST), serde_json::to_vec_pretty(&manifest)?)?;
        for name in manifest.files.keys().map(String::as_str).chain([MANIFEST]) {
            flush(&fresh.join(name))?;
        }
        flush(fresh)?;
        if self.newest.exists() {
            remove(&self.previous)?;
            std::fs::rename(&self.newest, &self.previous)?;
        }
        std::fs::rename(fresh, &self.newest).with_context(|| format!("cannot write {}", self.newest.display()))?;
        // Flush the renames themselves, too.
        self.newest.parent().map_or(Ok(()), flush)
    }

    /// The newest folder that is complete, with a sentence for the user if that is not the newest.
    ///
    /// # Errors
    /// If none is complete, says what is wrong with the newest.
    pub fn open(&self) -> Result<(PathBuf, Option<String>)> {
        let trouble = match verify(&self.newest) {
            Ok(()) => return Ok((self.newest.clone(), None)),
            Err(trouble) => trouble,
        };
        for folder in [&self.fresh, &self.previous] {
            if verify(folder).is_ok() {
                let warning = format!("{trouble:#}; continuing from {}", folder.display());
                return Ok((folder.clone(), Some(warning)));
            }
        }
        Err(trouble)
    }
}

/// Checks that every file of the checkpoint in `folder` is the one that was written.
fn verify(folder: &Path) -> Result<()> {
    let path = folder.join(MANIFEST);
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: Manifest = serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?;
    ensure!(
        Checkpoint,
        manifest.version == VERSION,
        "{} has version {}; this command reads version {VERSION}",
        path.display(),
        manifest.version
    );
    let found = digests(folder)?;
    for (name, digest) in &manifest.files {
        match found.get(name) {
            Some(other) if other == digest => {}
            Some(_) => bail!(
                Checkpoint,
                "{} is damaged: its digest differs",
                folder.join(name).display()
            ),
            None => bail!(Checkpoint, "{} is missing", folder.join(name).display()),
        }
    }
    Ok(())
}

/// sha256 of every file in `folder` except the manifest.
fn digests(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut digests = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == MANIFEST || !entry.file_type()?.is_file() {
            continue;
        }
        let mut hasher = Sha256::new();
        std::io::copy(&mut File::open(entry.path())?, &mut hasher)?;
        digests.insert(name, hex(&hasher.finalize()));
    }
    Ok(digests)
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a file or a folder's entries survive a power cut.
///
/// # Errors
/// If the file system cannot.
pub fn flush(path: &Path) -> Result<()> {
    let handle = File::open(path).and_then(|file| file.sync_all());
    handle.with_context(|| format!("cannot flush {}", path.display()))
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Writes all tensors of `model` with their identities, which the optimizer's state refers to.
///
/// # Errors
/// If the file cannot be written.
pub fn save_module<M: Module>(model: &M, path: &Path) -> Result<()> {
    let mut store = BurnpackStore::from_file(path).overwrite(true);
    // A running statistic hides its newest value from visitors until it is read; leaving autodiff reads it.
    model
        .valid()
        .save_into(&mut store)
        .map_err(|error| failure!(Checkpoint, "cannot write {}: {error}", path.display()))
}

/// Reads all tensors of `model`.
///
/// # Errors
/// If the file cannot be read, or does not have exactly the tensors of `model`.
pub fn load_module<M: Module>(model: &mut M, path: &Path) -> Result<()> {
    let mut store = BurnpackStore::from_file(path);
    let result = model
        .load_from(&mut store)
        .map_err(|error| failure!(Checkpoint, "{}: {error}", path.display()))?;
    match result.errors.first() {
        Some(error) => bail!(Checkpoint, "{}: {error}", path.display()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(checkpoints: &Checkpoints, text: &str) {
        let fill = |folder: &Path| Ok(std::fs::write(folder.join("state"), text)?);
        checkpoints.save(fill).expect("saves");
    }

    fn state(checkpoints: &Checkpoints) -> (String, bool) {
        let (folder, warning) = checkpoints.open().expect("a whole one");
        (
            std::fs::read_to_string(folder.join("state")).expect("reads"),
            warning.is_some(),
        )
    }

    #[test]
    fn a_damaged_checkpoint_gives_way_to_the_one_before() {
        let run = tempfile::tempdir().expect("a folder");
        let checkpoints = Checkpoints::of_run(run.path());
        assert!(!checkpoints.exist());
        assert!(checkpoints.open().is_err());
        save(&checkpoints, "one");
        assert_eq!(state(&checkpoints), ("one".into(), false));
        save(&checkpoints, "two");
        assert_eq!(state(&checkpoints), ("two".into(), false));
        std::fs::write(run.path().join("checkpoint/state"), "twO").expect("writes");
        assert_eq!(state(&checkpoints), ("one".into(), true));
        std::fs::write(run.path().join("checkpoint.previous/state"), "").expect("writes");
        let error = format!("{:#}", checkpoints.open().expect_err("both are damaged"));
        assert!(error.contains("digest differs"), "{error}");
    }

    #[test]
    fn a_save_that_fails_leaves_what_was_there() {
        let run = tempfile::tempdir().expect("a folder");
        let checkpoints = Checkpoints::of_run(run.path());
        save(&checkpoints, "one");
        let failing = |folder: &Path| {
            std::fs::write(folder.join("state"), "half")?;
            bail!(Checkpoint, "the disk is full")
        };
        assert!(checkpoints.save(failing).is_err());
        assert_eq!(state(&checkpoints), ("one".into(), false));
        save(&checkpoints, "two");
        assert_eq!(state(&checkpoints), ("two".into(), false));
    }

    #[test]
    fn a_crash_between_the_renames_loses_nothing() {
        let run = tempfile::tempdir().expect("a folder");
        let checkpoints = Checkpoints::of_run(run.path());
        save(&checkpoints, "one");
        save(&checkpoints, "two");
        std::fs::rename(run.path().join("checkpoint"), run.path().join("checkpoint.new")).expect("renames");
        assert!(checkpoints.exist());
        assert_eq!(state(&checkpoints), ("two".into(), true));
        save(&checkpoints, "three");
        assert_eq!(state(&checkpoints), ("three".into(), false));
    }
}
