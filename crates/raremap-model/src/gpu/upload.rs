//! A network's weights on their way to a GPU, in the order in which the kernels read them.
//!
//! They are rearranged on the CPU, where nothing has to be compiled for that.

use burn::nn::conv::Conv2d;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Device, Tensor};

use super::network::{GpuBlock, GpuDetail, GpuSegformer, GpuStage};
use super::tensors::{Buffer, Layer, Norm};
use crate::attention::SequenceReduction;
use crate::block::Block;
use crate::detail::FoldedDetailPath;
use crate::encoder::Stage;
use crate::folded::FoldedSegformer;
use crate::segformer::Heads;

impl GpuSegformer {
    /// The network on `device`; absent if that is no GPU, or the weights are no 32-bit floats.
    pub fn new(network: &FoldedSegformer, device: &Device) -> Option<Self> {
        Upload { device }.network(network)
    }
}

/// Where the weights go. All that it makes is absent if that is no GPU, or the weights are no 32-bit floats.
struct Upload<'a> {
    device: &'a Device,
}

impl Upload<'_> {
    fn network(&self, network: &FoldedSegformer) -> Option<GpuSegformer> {
        let FoldedSegformer {
            encoder,
            decoder,
            heads: Heads { classifier, auxiliary },
            input_upsampling,
        } = network;
        let heads = std::iter::once(classifier).chain(auxiliary);
        let weights = heads.clone().map(|head| head.weight.val()).collect();
        let biases = heads.map(|head| head.bias.as_ref().map(|bias| bias.val()));
        let layers = decoder.weights.iter().enumerate();
        let layers =
            layers.map(|(stage, weight)| self.matrix(weight.clone(), (stage == 0).then(|| decoder.bias.clone())));
        let stages = encoder.stages.iter().map(|stage| self.stage(stage, encoder.epsilons));
        Some(GpuSegformer {
            stages: stages.collect::<Option<_>>()?,
            decoder: layers.collect::<Option<_>>()?,
            detail: optional(decoder.detail.as_ref(), |path| self.detail(path))?,
            heads: self.filters(Tensor::cat(weights, 0), None, 1, 0)?,
            head_bias: self.buffer(Tensor::<1>::cat(biases.collect::<Option<_>>()?, 0))?,
            rare: auxiliary.as_ref().map_or(0, |head| head.weight.dims()[0]),
            input_upsampling: *input_upsampling,
            device: self.device.clone(),
        })
    }

    fn detail(&self, path: &FoldedDetailPath) -> Option<GpuDetail> {
        let convolutions = path.convolutions();
        let convolutions = convolutions.map(|(weight, bias, stride)| self.filters(weight, Some(bias), stride, 1));
        Some(GpuDetail {
            convolutions: convolutions.collect::<Option<_>>()?,
            project: self.filters(path.project.clone(), None, 1, 0)?,
        })
    }

    /// `epsilons` as those of the encoder: of blocks and stages, and of embeddings and reductions.
    fn stage(&self, stage: &Stage, epsilons: [f64; 2]) -> Option<GpuStage> {
        let embed = &stage.patch_embed;
        let [_, _, kernel, _] = embed.proj.weight.dims();
        let blocks = stage.blocks.iter().map(|block| self.block(block, epsilons));
        Some(GpuStage {
            embed: self.convolution(&embed.proj, kernel / 2)?,
            embed_norm: self.norm(&embed.layer_norm, epsilons[1])?,
            blocks: blocks.collect::<Option<_>>()?,
            norm: self.norm(&stage.layer_norm, epsilons[0])?,
        })
    }

    fn block(&self, block: &Block, [epsilon, embed_epsilon]: [f64; 2]) -> Option<GpuBlock> {
        let Block { attention, mlp, .. } = block;
        let pair = [&attention.key, &attention.value];
        let weights = pair.map(|layer| layer.weight.val()).to_vec();
        let biases = pair.iter().map(|layer| layer.bias.as_ref().map(|bias| bias.val()));
        let biases = biases.collect::<Option<Vec<_>>>();
        let reduction = |reduction: &SequenceReduction| {
            let layer = self.convolution(&reduction.sr, 0)?;
            Some((layer, self.norm(&reduction.layer_norm, embed_epsilon)?))
        };
        let depthwise = mlp.dwconv.weight.val();
        let [hidden, ..] = depthwise.dims();
        Some(GpuBlock {
            norm_1: self.norm(&block.layer_norm_1, epsilon)?,
            query: self.linear(&attention.query)?,
            reduction: optional(attention.reduction.as_ref(), reduction)?,
            context: self.matrix(Tensor::cat(weights, 1), biases.map(|biases| Tensor::cat(biases, 0)))?,
            output: self.linear(&attention.output)?,
            heads: attention.heads,
            window: attention.window,
            norm_2: self.norm(&block.layer_norm_2, epsilon)?,
            dense_1: self.linear(&mlp.dense1)?,
            depthwise: self.buffer(depthwise.reshape([hidden, 9]).transpose())?,
            depthwise_bias: self.buffer(mlp.dwconv.bias.as_ref()?.val())?,
            dense_2: self.linear(&mlp.dense2)?,
        })
    }

    fn norm(&self, norm: &LayerNorm, epsilon: f64) -> Option<Norm> {
        Some(Norm {
            gamma: self.buffer(norm.gamma.val())?,
            beta: self.buffer(norm.beta.as_ref()?.val())?,
            epsilon: epsilon as f32,
        })
    }

    fn linear(&self, layer: &Linear) -> Option<Layer> {
        self.matrix(layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()))
    }

    /// The linear layer of a matrix of `[in, out]`.
    fn matrix(&self, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Option<Layer> {
        let [channels_in, channels_out] = weight.dims();
        let bias = bias.unwrap_or_else(|| Tensor::zeros([channels_out], &weight.device()));
        Some(Layer {
            weight: self.buffer(weight)?,
            bias: self.buffer(bias)?,
            kernel: 1,
            stride: 1,
            padding: 0,
            channels_in,
            channels_out,
        })
    }

    fn convolution(&self, layer: &Conv2d, padding: usize) -> Option<Layer> {
        let bias = layer.bias.as_ref().map(|bias| bias.val());
        self.filters(layer.weight.val(), bias, layer.stride[0], padding)
    }

    /// The convolution of filters of `[out, in, kernel, kernel]`.
    fn filters(&self, weight: Tensor<4>, bias: Option<Tensor<1>>, stride: usize, padding: usize) -> Option<Layer> {
        let [channels_out, channels_in, kernel, _] = weight.dims();
        let rows = kernel * kernel * channels_in;
        let matrix = self.matrix(weight.permute([2, 3, 1, 0]).reshape([rows, channels_out]), bias)?;
        Some(Layer {
            kernel,
            stride,
            padding,
            channels_in,
            ..matrix
        })
    }

    fn buffer<const D: usize>(&self, tensor: Tensor<D>) -> Option<Buffer> {
        Buffer::new(tensor, self.device)
    }
}

/// What `make` makes of a part that a network may lack; absent if that fails.
fn optional<T, U>(part: Option<&T>, make: impl Fn(&T) -> Option<U>) -> Option<Option<U>> {
    match part {
        None => Some(None),
        Some(part) => make(part).map(Some),
    }
}
