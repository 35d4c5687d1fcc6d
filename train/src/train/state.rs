//! Where a run stands, besides its tensors.

use serde::{Deserialize, Serialize};

/// What a checkpoint says about the run's progress.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Steps done.
    pub(super) step: usize,
    /// Seconds spent on them, over all parts of the run.
    pub(super) secs: f64,
    /// Digest of the recipe that the run was started with.
    pub(super) recipe: String,
}
