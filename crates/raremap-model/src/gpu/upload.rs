//! A network's weights on their way to a GPU, in the order in which the kernels read them.
//!
//! They are rearranged where they are: on the CPU, nothing has to be compiled for that.

use burn::module::Param;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};

use super::network::{GpuBlock, GpuDetail, GpuSegformer, GpuStage};
use super::tensors::{Buffer, Layer, Norm, is_gpu};
use crate::attention::SequenceReduction;
use crate::block::Block;
use crate::detail::FoldedDetailPath;
use crate::encoder::Stage;
use crate::folded::FoldedSegformer;
use crate::layer_norm::LayerNorm;
use crate::segformer::Heads;

/// Largest number of channels of a head of attention: a unit holds three times as many numbers. Published networks have 32 or 64.
const MOST_HEAD_CHANNELS: usize = 128;
/// Stages whose maps have at most a 256th of the input's pixels, counted from the finest.
const FIRST_COARSE_STAGE: usize = 2;

impl GpuSegformer {
    /// The network on `device`; absent if that is no GPU, or heads of attention have too many channels.
    pub fn new(network: &FoldedSegformer, device: &Device) -> Option<Self> {
        let mut blocks = network.encoder.stages.iter().flat_map(|stage| &stage.blocks);
        let fits = blocks
            .all(|Block { attention, .. }| attention.query.weight.dims()[1] / attention.heads <= MOST_HEAD_CHANNELS);
        (fits && is_gpu(device)).then(|| {
            Upload {
                device,
                is_coarse: false,
            }
            .network(network)
        })
    }
}

/// Where the weights go, and whether they are those of layers whose maps have few tokens.
struct Upload<'a> {
    device: &'a Device,
    is_coarse: bool,
}

impl Upload<'_> {
    /// For the layers of a stage.
    fn for_stage(&self, stage: usize) -> Self {
        Self {
            device: self.device,
            is_coarse: stage >= FIRST_COARSE_STAGE,
        }
    }

    fn network(&self, network: &FoldedSegformer) -> GpuSegformer {
        let FoldedSegformer {
            encoder,
            decoder,
            heads: Heads { classifier, auxiliary },
            input_upsampling,
        } = network;
        let heads = || std::iter::once(classifier).chain(auxiliary);
        let weights = heads().map(|head| head.weight.val()).collect();
        let biases = heads().map(|head| {
            let [channels, ..] = head.weight.dims();
            value(head.bias.as_ref()).unwrap_or_else(|| Tensor::zeros([channels], &head.weight.val().device()))
        });
        let layers = decoder.weights.iter().enumerate().map(|(stage, weight)| {
            let bias = (stage == 0).then(|| decoder.bias.clone());
            self.for_stage(stage).matrix(weight.clone(), bias)
        });
        let stages = encoder.stages.iter().enumerate();
        GpuSegformer {
            stages: stages
                .map(|(index, stage)| self.for_stage(index).stage(stage))
                .collect(),
            decoder: layers.collect(),
            detail: decoder.detail.as_ref().map(|path| self.detail(path)),
            heads: self.filters(Tensor::cat(weights, 0), None, 1, 0),
            head_bias: self.buffer(Tensor::<1>::cat(biases.collect(), 0)),
            rare: auxiliary.as_ref().map_or(0, |head| head.weight.dims()[0]),
            input_upsampling: *input_upsampling,
            device: self.device.clone(),
        }
    }

    fn detail(&self, path: &FoldedDetailPath) -> GpuDetail {
        let convolutions = path.convolutions();
        let convolutions = convolutions.map(|(weight, bias, stride)| self.filters(weight, Some(bias), stride, 1));
        GpuDetail {
            convolutions: convolutions.collect(),
            project: self.filters(path.project.clone(), None, 1, 0),
        }
    }

    fn stage(&self, stage: &Stage) -> GpuStage {
        let embed = &stage.patch_embed;
        let [_, _, kernel, _] = embed.proj.weight.dims();
        GpuStage {
            embed: self.convolution(&embed.proj, kernel / 2),
            embed_norm: self.norm(&embed.layer_norm),
            blocks: stage.blocks.iter().map(|block| self.block(block)).collect(),
            norm: self.norm(&stage.layer_norm),
        }
    }

    fn block(&self, block: &Block) -> GpuBlock {
        let Block { attention, mlp, .. } = block;
        let pair = [&attention.key, &attention.value];
        let weights = pair.map(|layer| layer.weight.val()).to_vec();
        let biases: Option<Vec<_>> = pair.iter().map(|layer| value(layer.bias.as_ref())).collect();
        let reduction = |reduction: &SequenceReduction| {
            let layer = self.convolution(&reduction.sr, 0);
            (layer, self.norm(&reduction.layer_norm))
        };
        let depthwise = mlp.dwconv.weight.val();
        let [hidden, ..] = depthwise.dims();
        let depthwise_bias =
            value(mlp.dwconv.bias.as_ref()).unwrap_or_else(|| Tensor::zeros([hidden], &depthwise.device()));
        GpuBlock {
            norm_1: self.norm(&block.layer_norm_1),
            query: self.linear(&attention.query),
            reduction: attention.reduction.as_ref().map(reduction),
            context: self.matrix(Tensor::cat(weights, 1), biases.map(|biases| Tensor::cat(biases, 0))),
            output: self.linear(&attention.output),
            heads: attention.heads,
            window: attention.window,
            norm_2: self.norm(&block.layer_norm_2),
            dense_1: self.linear(&mlp.dense1),
            depthwise: self.buffer(depthwise.reshape([hidden, 9]).transpose()),
            depthwise_bias: self.buffer(depthwise_bias),
            dense_2: self.linear(&mlp.dense2),
        }
    }

    fn norm(&self, norm: &LayerNorm) -> Norm {
        Norm {
            gamma: self.buffer(norm.gamma.val()),
            beta: self.buffer(norm.beta.val()),
            epsilon: norm.epsilon as f32,
        }
    }

    fn linear(&self, layer: &Linear) -> Layer {
        self.matrix(layer.weight.val(), value(layer.bias.as_ref()))
    }

    /// The linear layer of a matrix of `[in, out]`.
    fn matrix(&self, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Layer {
        let [channels_in, channels_out] = weight.dims();
        let bias = bias.unwrap_or_else(|| Tensor::zeros([channels_out], &weight.device()));
        Layer {
            weight: self.buffer(weight),
            bias: self.buffer(bias),
            kernel: 1,
            stride: 1,
            padding: 0,
            channels_in,
            channels_out,
            is_coarse: self.is_coarse,
        }
    }

    fn convolution(&self, layer: &Conv2d, padding: usize) -> Layer {
        self.filters(layer.weight.val(), value(layer.bias.as_ref()), layer.stride[0], padding)
    }

    /// The convolution of filters of `[out, in, kernel, kernel]`.
    fn filters(&self, weight: Tensor<4>, bias: Option<Tensor<1>>, stride: usize, padding: usize) -> Layer {
        let [channels_out, channels_in, kernel, _] = weight.dims();
        let rows = kernel * kernel * channels_in;
        let matrix = self.matrix(weight.permute([2, 3, 1, 0]).reshape([rows, channels_out]), bias);
        Layer {
            kernel,
            stride,
            padding,
            channels_in,
            ..matrix
        }
    }

    fn buffer<const D: usize>(&self, tensor: Tensor<D>) -> Buffer {
        Buffer::new(tensor, self.device)
    }
}

/// The values of a parameter that a layer may lack.
fn value<const D: usize>(parameter: Option<&Param<Tensor<D>>>) -> Option<Tensor<D>> {
    parameter.map(Param::val)
}
