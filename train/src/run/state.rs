//! A run's progress, besides its tensors.

use serde::{Deserialize, Serialize};

use crate::optim::schedule::Plateau;
use crate::watch::StoppingState;

/// What a checkpoint says about the run's progress.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Steps that are done.
    pub(super) step: usize,
    /// Seconds spent on them, over all parts of the run.
    pub(super) secs: f64,
    /// Digest of the recipe and the data that the run was started with.
    pub(super) digest: String,
    /// Rank and mean IoU of the best weights so far.
    pub(super) best: Option<[f64; 2]>,
    pub(super) best_mean_iou: Option<f64>,
    /// What the learning rate has seen of its metric.
    pub(super) plateau: Plateau,
    /// What early stopping has seen of its metric.
    pub(super) stopping: StoppingState,
    /// The saliency maps were made before this step.
    pub(super) refreshed_at: Option<usize>,
    /// Sum and count of the losses since the last validation.
    pub(super) losses: (f64, usize),
}
