//! The Mix Transformer encoder.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::block::Block;
use crate::config::SegformerConfig;
use crate::embed::{PatchEmbed, map_from_tokens};
use crate::layer_norm::LayerNorm;

/// A stage's output, as tokens and the grid they lie on.
#[derive(Debug, Clone)]
pub struct StageTokens {
    /// `[batch, h * w, dim]`
    pub tokens: Tensor<3>,
    /// `[h, w]`
    pub grid: [usize; 2],
}

impl StageTokens {
    /// `[batch, dim, h, w]`
    pub fn into_map(self) -> Tensor<4> {
        map_from_tokens(self.tokens, self.grid)
    }
}

/// One resolution: patch embedding, blocks, norm.
#[derive(Module, Debug)]
pub struct Stage {
    /// Checkpoint name `patch_embeddings.{stage}`.
    pub patch_embed: PatchEmbed,
    /// Checkpoint name `block.{stage}`.
    pub blocks: Vec<Block>,
    /// Checkpoint name `layer_norm.{stage}`.
    pub layer_norm: LayerNorm,
}

impl Stage {
    fn forward(&self, map: Tensor<4>) -> StageTokens {
        let (tokens, grid) = self.patch_embed.forward(map);
        let tokens = self
            .blocks
            .iter()
            .fold(tokens, |tokens, block| block.forward(tokens, grid));
        StageTokens {
            tokens: self.layer_norm.forward(tokens),
            grid,
        }
    }
}

/// Four stages at 1/4, 1/8, 1/16 and 1/32 of the input's size (arXiv:2105.15203, section 3.1).
#[derive(Module, Debug)]
pub struct MixTransformer {
    /// From fine to coarse.
    pub stages: Vec<Stage>,
}

impl MixTransformer {
    /// An encoder with random weights.
    pub fn init(config: &SegformerConfig, device: &Device) -> Self {
        let last = config.depths.iter().sum::<usize>().saturating_sub(1).max(1) as f64;
        let mut index = 0;
        let stages = (0..4)
            .map(|stage| Stage {
                patch_embed: PatchEmbed::init(config, stage, device),
                blocks: (0..config.depths[stage])
                    .map(|_| {
                        let rate = config.drop_path * index as f64 / last;
                        index += 1;
                        Block::init(config, stage, rate, device)
                    })
                    .collect(),
                layer_norm: LayerNorm::init(config.dims[stage], config.norm_eps, device),
            })
            .collect();
        Self { stages }
    }

    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`, h and w multiples of 32
    /// - output: four stages, `[batch, dims[i], h / 2^(i+2), w / 2^(i+2)]`
    pub fn forward(&self, input: Tensor<4>) -> Vec<StageTokens> {
        let mut outputs: Vec<StageTokens> = Vec::with_capacity(self.stages.len());
        let mut map = input;
        for stage in &self.stages {
            let output = stage.forward(map);
            map = output.clone().into_map();
            outputs.push(output);
        }
        outputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variant;

    #[test]
    fn parameter_counts_are_the_published_ones() {
        let published = [
            (Variant::B0, 3_319_392),
            (Variant::B1, 13_151_424),
            (Variant::B2, 24_196_288),
            (Variant::B3, 44_072_128),
            (Variant::B4, 60_842_688),
            (Variant::B5, 81_443_008),
        ];
        for (variant, expected) in published {
            let config = SegformerConfig::new(variant, 3, 7, 2);
            // Parameters are made when they are first used, so even B5 costs nothing here.
            assert_eq!(
                MixTransformer::init(&config, &Device::flex()).num_params(),
                expected,
                "{variant:?}"
            );
        }
    }
}
