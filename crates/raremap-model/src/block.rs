//! The transformer block.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::attention::Attention;
use crate::config::SegformerConfig;
use crate::drop_path::DropPath;
use crate::layer_norm::LayerNorm;
use crate::mix_ffn::MixFfn;

/// Pre-norm block: `x + attention(norm(x))`, then `x + ffn(norm(x))` (arXiv:2105.15203, section 3.1).
#[derive(Module, Debug)]
pub struct Block {
    /// Checkpoint name `layer_norm_1`.
    pub layer_norm_1: LayerNorm,
    /// Checkpoint name `attention`.
    pub attention: Attention,
    /// Checkpoint name `layer_norm_2`.
    pub layer_norm_2: LayerNorm,
    /// Checkpoint name `mlp`.
    pub mlp: MixFfn,
    drop_path: DropPath,
}

impl Block {
    /// A block of `stage` with stochastic-depth rate `drop_path`.
    pub fn init(config: &SegformerConfig, stage: usize, drop_path: f64, device: &Device) -> Self {
        let norm = || LayerNorm::init(config.dims[stage], config.norm_eps, device);
        Self {
            layer_norm_1: norm(),
            attention: Attention::init(config, stage, device),
            layer_norm_2: norm(),
            mlp: MixFfn::init(config, stage, device),
            drop_path: DropPath::new(drop_path),
        }
    }

    /// # Shapes
    /// - `tokens`, output: `[batch, h * w, dim]`, `grid = [h, w]`
    pub fn forward(&self, tokens: Tensor<3>, grid: [usize; 2]) -> Tensor<3> {
        let branch = self.attention.forward(self.layer_norm_1.forward(tokens.clone()), grid);
        let tokens = tokens + self.drop_path.forward(branch);
        let branch = self.mlp.forward(self.layer_norm_2.forward(tokens.clone()), grid);
        tokens + self.drop_path.forward(branch)
    }
}
