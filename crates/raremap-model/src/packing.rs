//! Packs a folded SegFormer as plain numbers, for kernels that are not burn's.
//!
//! Weights are rearranged where they are: on the CPU, nothing has to be compiled for that.

use burn::module::Param;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use raremap_tile::{
    PackedBlock, PackedDetail, PackedLayer, PackedModel, PackedNorm, PackedPixel, PackedSegformer, PackedStage,
    TileError,
};

use crate::attention::SequenceReduction;
use crate::block::Block;
use crate::detail::FoldedDetailPath;
use crate::encoder::Stage;
use crate::folded::FoldedSegformer;
use crate::golden::golden_numbers;
use crate::layer_norm::LayerNorm;
use crate::pixel::PixelPath;
use crate::segformer::Heads;
use crate::weights::GoldenTile;

/// Largest number of channels of a head of attention: a unit of a GPU's kernel holds three times as many numbers. Published networks have 32 or 64.
const MOST_HEAD_CHANNELS: usize = 128;
/// Stages whose maps have at most a 256th of the input's pixels, counted from the finest.
const FIRST_COARSE_STAGE: usize = 2;

/// `None` if the kernels cannot compute the network, because heads of attention have too many channels.
pub(crate) fn pack(
    network: &FoldedSegformer,
    channels: usize,
    golden: &GoldenTile,
) -> Result<Option<PackedModel<Vec<f32>>>, TileError> {
    let mut blocks = network.encoder.stages.iter().flat_map(|stage| &stage.blocks);
    let head_channels = |block: &Block| block.attention.query.weight.dims()[1] / block.attention.heads;
    if blocks.any(|block| head_channels(block) > MOST_HEAD_CHANNELS) {
        return Ok(None);
    }
    Ok(Some(PackedModel {
        channels,
        network: Packer { is_coarse: false }.network(network)?,
        golden: golden_numbers(golden)?,
    }))
}

/// The numbers of `tensor`, row by row.
#[allow(
    clippy::disallowed_methods,
    reason = "the page's networks are on the CPU, where a readback does not wait"
)]
fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TileError> {
    let values = tensor.into_data().try_to_vec::<f32>();
    values.map_err(|error| TileError::Malformed(error.to_string()))
}

/// Packs layers whose maps have few tokens, or many.
struct Packer {
    is_coarse: bool,
}

type Packed<T> = Result<T, TileError>;

impl Packer {
    /// For the layers of a stage.
    fn for_stage(stage: usize) -> Self {
        Self {
            is_coarse: stage >= FIRST_COARSE_STAGE,
        }
    }

    fn network(&self, network: &FoldedSegformer) -> Packed<PackedSegformer<Vec<f32>>> {
        let FoldedSegformer {
            encoder,
            decoder,
            heads: Heads { classifier, auxiliary },
            input_upsampling,
            pixel,
        } = network;
        let heads = || std::iter::once(classifier).chain(auxiliary);
        let weights = heads().map(|head| head.weight.val()).collect();
        let biases = heads().map(|head| {
            let [channels, ..] = head.weight.dims();
            value(head.bias.as_ref()).unwrap_or_else(|| Tensor::zeros([channels], &head.weight.val().device()))
        });
        let layers = decoder.weights.iter().enumerate().map(|(stage, weight)| {
            let bias = (stage == 0).then(|| decoder.bias.clone());
            Self::for_stage(stage).matrix(weight.clone(), bias)
        });
        let stages = encoder.stages.iter().enumerate();
        Ok(PackedSegformer {
            stages: stages
                .map(|(index, stage)| Self::for_stage(index).stage(stage))
                .collect::<Packed<_>>()?,
            decoder: layers.collect::<Packed<_>>()?,
            detail: decoder.detail.as_ref().map(|path| self.detail(path)).transpose()?,
            heads: self.filters(Tensor::cat(weights, 0), None, 1, 0)?,
            head_bias: numbers(Tensor::<1>::cat(biases.collect(), 0))?,
            rare: auxiliary.as_ref().map_or(0, |head| head.weight.dims()[0]),
            pixel: pixel.as_ref().map(|path| self.pixel(path)).transpose()?,
            input_upsampling: *input_upsampling,
        })
    }

    fn detail(&self, path: &FoldedDetailPath) -> Packed<PackedDetail<Vec<f32>>> {
        let convolutions = path
            .convolutions()
            .map(|(weight, bias, stride)| self.filters(weight, Some(bias), stride, 1));
        Ok(PackedDetail {
            convolutions: convolutions.collect::<Packed<_>>()?,
            project: self.filters(path.project.clone(), None, 1, 0)?,
        })
    }

    fn pixel(&self, path: &PixelPath) -> Packed<PackedPixel<Vec<f32>>> {
        let outputs = std::iter::once(&path.main).chain(&path.auxiliary);
        let outputs = outputs.map(|layer| layer.weight.val()).collect();
        Ok(PackedPixel {
            context: self.convolution(&path.context, 0)?,
            input: self.convolution(&path.input, 0)?,
            output: self.filters(Tensor::cat(outputs, 0), None, 1, 0)?,
        })
    }

    fn stage(&self, stage: &Stage) -> Packed<PackedStage<Vec<f32>>> {
        let embed = &stage.patch_embed;
        let [_, _, kernel, _] = embed.proj.weight.dims();
        Ok(PackedStage {
            embed: self.convolution(&embed.proj, kernel / 2)?,
            embed_norm: norm(&embed.layer_norm)?,
            blocks: stage
                .blocks
                .iter()
                .map(|block| self.block(block))
                .collect::<Packed<_>>()?,
            norm: norm(&stage.layer_norm)?,
        })
    }

    fn block(&self, block: &Block) -> Packed<PackedBlock<Vec<f32>>> {
        let Block { attention, mlp, .. } = block;
        let pair = [&attention.key, &attention.value];
        let weights = pair.map(|layer| layer.weight.val()).to_vec();
        let biases: Option<Vec<_>> = pair.iter().map(|layer| value(layer.bias.as_ref())).collect();
        let reduction = |reduction: &SequenceReduction| {
            let layer = self.convolution(&reduction.sr, 0)?;
            Ok((layer, norm(&reduction.layer_norm)?))
        };
        let depthwise = mlp.dwconv.weight.val();
        let [hidden, ..] = depthwise.dims();
        let depthwise_bias =
            value(mlp.dwconv.bias.as_ref()).unwrap_or_else(|| Tensor::zeros([hidden], &depthwise.device()));
        Ok(PackedBlock {
            norm_1: norm(&block.layer_norm_1)?,
            query: self.linear(&attention.query)?,
            reduction: attention.reduction.as_ref().map(reduction).transpose()?,
            context: self.matrix(Tensor::cat(weights, 1), biases.map(|biases| Tensor::cat(biases, 0)))?,
            output: self.linear(&attention.output)?,
            heads: attention.heads,
            window: attention.window,
            norm_2: norm(&block.layer_norm_2)?,
            dense_1: self.linear(&mlp.dense1)?,
            depthwise: numbers(depthwise.reshape([hidden, 9]).transpose())?,
            depthwise_bias: numbers(depthwise_bias)?,
            dense_2: self.linear(&mlp.dense2)?,
        })
    }

    fn linear(&self, layer: &Linear) -> Packed<PackedLayer<Vec<f32>>> {
        self.matrix(layer.weight.val(), value(layer.bias.as_ref()))
    }

    /// The linear layer of a matrix of `[in, out]`.
    fn matrix(&self, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Packed<PackedLayer<Vec<f32>>> {
        let [channels_in, channels_out] = weight.dims();
        let bias = bias.unwrap_or_else(|| Tensor::zeros([channels_out], &weight.device()));
        Ok(PackedLayer {
            weight: numbers(weight)?,
            bias: numbers(bias)?,
            kernel: 1,
            stride: 1,
            padding: 0,
            channels_in,
            channels_out,
            is_coarse: self.is_coarse,
        })
    }

    fn convolution(&self, layer: &Conv2d, padding: usize) -> Packed<PackedLayer<Vec<f32>>> {
        self.filters(layer.weight.val(), value(layer.bias.as_ref()), layer.stride[0], padding)
    }

    /// The convolution of filters of `[out, in, kernel, kernel]`.
    fn filters(
        &self,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        stride: usize,
        padding: usize,
    ) -> Packed<PackedLayer<Vec<f32>>> {
        let [channels_out, channels_in, kernel, _] = weight.dims();
        let rows = kernel * kernel * channels_in;
        let matrix = self.matrix(weight.permute([2, 3, 1, 0]).reshape([rows, channels_out]), bias)?;
        Ok(PackedLayer {
            kernel,
            stride,
            padding,
            channels_in,
            ..matrix
        })
    }
}

fn norm(norm: &LayerNorm) -> Packed<PackedNorm<Vec<f32>>> {
    Ok(PackedNorm {
        gamma: numbers(norm.gamma.val())?,
        beta: numbers(norm.beta.val())?,
        epsilon: norm.epsilon as f32,
    })
}

/// The values of a parameter that a layer may lack.
fn value<const D: usize>(parameter: Option<&Param<Tensor<D>>>) -> Option<Tensor<D>> {
    parameter.map(Param::val)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::architecture::Architecture;
    use crate::config::{SegformerConfig, Variant};
    use crate::network::InferenceNetwork;

    fn packed(dims: [usize; 4]) -> Option<PackedModel<Vec<f32>>> {
        let config = SegformerConfig {
            dims,
            decoder_dim: 16,
            detail_dim: 8,
            pixel_dim: 6,
            ..SegformerConfig::new(Variant::B0, 3, 4, 2)
        };
        let InferenceNetwork::Segformer(network) = Architecture::from(config).init(&Device::flex()).fold() else {
            panic!("the config is of a SegFormer");
        };
        let zeros = |channels: usize, size: usize| TensorData::zeros::<f32, _>([1, channels, size, size]);
        let golden = GoldenTile {
            input: zeros(3, 32),
            main: zeros(4, 32),
            auxiliary: zeros(2, 32),
        };
        pack(&network, 3, &golden).expect("floats")
    }

    #[test]
    fn every_layer_has_the_numbers_of_its_shape() {
        let PackedModel { network, golden, .. } = packed([8, 16, 20, 24]).expect("few channels");
        assert_eq!((network.stages.len(), network.rare, golden.shape), (4, 2, [3, 32, 32]));
        let blocks = || network.stages.iter().flat_map(|stage| &stage.blocks);
        let layers = blocks().flat_map(|block| {
            [
                &block.query,
                &block.context,
                &block.output,
                &block.dense_1,
                &block.dense_2,
            ]
        });
        let embeddings = network.stages.iter().map(|stage| &stage.embed);
        let reductions = blocks().filter_map(|block| block.reduction.as_ref().map(|(layer, _)| layer));
        let detail = network.detail.as_ref().expect("a detail path");
        let detail = detail.convolutions.iter().chain([&detail.project]);
        let pixel = network.pixel.as_ref().expect("a pixel path");
        let pixel = [&pixel.context, &pixel.input, &pixel.output];
        let others = network.decoder.iter().chain([&network.heads]).chain(pixel);
        for layer in layers.chain(embeddings).chain(reductions).chain(detail).chain(others) {
            let rows = layer.kernel * layer.kernel * layer.channels_in;
            assert_eq!(layer.weight.len(), rows * layer.channels_out);
            assert_eq!(layer.bias.len(), layer.channels_out);
        }
        for block in blocks() {
            let hidden = block.dense_1.channels_out;
            assert_eq!(
                (block.depthwise.len(), block.depthwise_bias.len()),
                (9 * hidden, hidden)
            );
            assert_eq!(block.norm_1.gamma.len(), block.query.channels_in);
        }
        assert_eq!(network.head_bias.len(), 6);
    }

    #[test]
    fn heads_of_too_many_channels_are_left_to_the_processor() {
        assert_eq!(packed([MOST_HEAD_CHANNELS + 2, 16, 20, 24]), None);
    }
}
