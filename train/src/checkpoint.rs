//! A run's state on disk: written whole or not at all.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::optim::ModuleOptimizer;
use burn::store::{BurnpackStore, ModuleSnapshot};
use raremap_model::Network;
use serde::{Deserialize, Serialize};

/// Where a run stands, besides its tensors.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Mean IoU on the validation split, of the best weights so far.
    pub best_mean_iou: Option<f64>,
    /// Digest of the recipe that the run was started with.
    pub recipe: String,
}

/// A checkpoint folder: `model.bpk`, `average.bpk`, `optimizer.bpk`, `progress.json`.
pub struct Checkpoint {
    folder: PathBuf,
}

impl Checkpoint {
    /// The checkpoint of the run in `run`.
    pub fn of_run(run: &Path) -> Self {
        Self {
            folder: run.join("checkpoint"),
        }
    }

    /// Whether there is one.
    pub fn exists(&self) -> bool {
        self.folder.join("progress.json").is_file()
    }

    /// Replaces the checkpoint: into a temporary folder, then by renaming. A crash leaves the old one.
    pub fn save(
        &self,
        model: &Network,
        average: Option<&Network>,
        optimizer: &ModuleOptimizer,
        progress: &Progress,
    ) -> Result<()> {
        let fresh = self.folder.with_extension("new");
        let old = self.folder.with_extension("old");
        remove(&fresh)?;
        std::fs::create_dir_all(&fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
        save_module(model, &fresh.join("model.bpk"))?;
        if let Some(average) = average {
            save_module(average, &fresh.join("average.bpk"))?;
        }
        optimizer
            .save(fresh.join("optimizer.bpk"))
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        std::fs::write(fresh.join("progress.json"), serde_json::to_vec_pretty(progress)?)?;
        remove(&old)?;
        if self.folder.exists() {
            std::fs::rename(&self.folder, &old)?;
        }
        std::fs::rename(&fresh, &self.folder)?;
        remove(&old)
    }

    /// Loads everything back into a freshly made model, average and optimizer.
    pub fn load(
        &self,
        model: &mut Network,
        average: Option<&mut Network>,
        optimizer: ModuleOptimizer,
    ) -> Result<(ModuleOptimizer, Progress)> {
        let path = self.folder.join("progress.json");
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let progress = serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?;
        load_module(model, &self.folder.join("model.bpk"))?;
        if let Some(average) = average {
            load_module(average, &self.folder.join("average.bpk"))?;
        }
        let path = self.folder.join("optimizer.bpk");
        let optimizer = optimizer
            .load(&path)
            .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        Ok((optimizer, progress))
    }
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Writes all tensors of `model`, with their identities, which the optimizer's state refers to.
pub fn save_module(model: &Network, path: &Path) -> Result<()> {
    let mut store = BurnpackStore::from_file(path).overwrite(true);
    model
        .save_into(&mut store)
        .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))
}

/// Reads all tensors of `model`.
pub fn load_module(model: &mut Network, path: &Path) -> Result<()> {
    let mut store = BurnpackStore::from_file(path);
    let result = model
        .load_from(&mut store)
        .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    match result.errors.first() {
        Some(error) => bail!("{}: {error}", path.display()),
        None => Ok(()),
    }
}
