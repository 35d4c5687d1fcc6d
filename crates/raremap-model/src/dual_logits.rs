//! Logits of both heads.

use burn::tensor::Tensor;

/// What the network returns, before softmax and sigmoid.
#[derive(Debug, Clone)]
pub struct DualLogits {
    /// `[batch, num_classes, h / cell_px, w / cell_px]`
    pub main: Tensor<4>,
    /// `[batch, num_rare, h / cell_px, w / cell_px]`; absent without rare classes.
    pub auxiliary: Option<Tensor<4>>,
    /// Main logits of coarser stages, `[batch, num_classes, h / n, w / n]` from fine to coarse, for deep supervision (arXiv:1409.5185).
    /// Empty in inference and for families without it.
    pub deep: Vec<Tensor<4>>,
}
