//! SegFormer, made of our own kernels.

use burn::nn::conv::Conv2d;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::Tensor;

use super::tensors::{Buffer, Epilogue, Layer, Map, Norm, product};
use crate::block::Block;
use crate::encoder::{MixTransformer, Stage};
use crate::folded::FoldedSegformer;
use crate::segformer::{DualLogits, Heads};

/// A folded SegFormer with its weights as the kernels read them.
#[derive(Debug, Clone)]
pub(crate) struct GpuSegformer {
    stages: Vec<GpuStage>,
    /// From fine to coarse; the finest has the decoder's bias.
    decoder: Vec<Layer>,
    detail: Option<GpuDetail>,
    /// The weights of the main head and the auxiliary one together, without bias.
    heads: Layer,
    /// `[classes + rare]`
    head_bias: Buffer,
    rare: usize,
}

#[derive(Debug, Clone)]
struct GpuDetail {
    convolutions: Vec<Layer>,
    project: Layer,
}

#[derive(Debug, Clone)]
struct GpuStage {
    embed: Layer,
    embed_norm: Norm,
    blocks: Vec<GpuBlock>,
    norm: Norm,
}

#[derive(Debug, Clone)]
struct GpuBlock {
    norm_1: Norm,
    query: Layer,
    reduction: Option<(Layer, Norm)>,
    /// Keys and values.
    context: Layer,
    output: Layer,
    heads: usize,
    /// Edge in tokens; absent: everything is one window.
    window: Option<usize>,
    norm_2: Norm,
    dense_1: Layer,
    /// `[3, 3, hidden]`
    depthwise: Buffer,
    depthwise_bias: Buffer,
    dense_2: Layer,
}

impl GpuSegformer {
    /// The network's weights for the kernels, if they are 32-bit floats on a GPU and the input needs no upsampling.
    pub fn new(network: &FoldedSegformer) -> Option<Self> {
        let FoldedSegformer {
            encoder,
            decoder,
            heads,
            ..
        } = network;
        let decoder_layers = decoder.weights.iter().enumerate().map(|(stage, weight)| {
            let bias = (stage == 0).then(|| decoder.bias.clone());
            matrix(weight.clone(), bias)
        });
        let detail = match &decoder.detail {
            None => None,
            Some(path) => Some(GpuDetail {
                convolutions: path
                    .convolutions()
                    .map(|(weight, bias, stride)| filters(weight, Some(bias), stride, 1))
                    .collect::<Option<_>>()?,
                project: filters(path.project.clone(), None, 1, 0)?,
            }),
        };
        let Heads { classifier, auxiliary } = heads;
        let both = std::iter::once(classifier).chain(auxiliary);
        let weights = both.clone().map(|head| head.weight.val()).collect();
        let biases = both
            .map(|head| head.bias.as_ref().map(|bias| bias.val()))
            .collect::<Option<_>>()?;
        Some(Self {
            stages: encoder_stages(encoder)?,
            decoder: decoder_layers.collect::<Option<_>>()?,
            detail,
            heads: filters(Tensor::cat(weights, 0), None, 1, 0)?,
            head_bias: Buffer::new(Tensor::<1>::cat(biases, 0))?,
            rare: auxiliary.as_ref().map_or(0, |head| head.weight.dims()[0]),
        })
    }

    /// As [`FoldedSegformer::forward`].
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        let size = input.dims();
        let input = Buffer::new(input).expect("the input is where the weights are");
        let mut outputs: Vec<Map> = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            let embedded = match outputs.last() {
                Some(map) => map.convolve(&stage.embed, Epilogue::default()),
                None => of_image(&input, size, &stage.embed, Epilogue::default()),
            };
            outputs.push(stage.forward(embedded));
        }
        let mut parts = outputs
            .iter()
            .zip(&self.decoder)
            .map(|(map, layer)| map.convolve(layer, Epilogue::default()));
        let first = parts.next().expect("SegFormer has four stages");
        let parts: Vec<Map> = parts.collect();
        let last = parts.len();
        let features = parts.iter().enumerate().fold(first, |sum, (index, part)| {
            sum.add_upsampled(part, index + 1 == last && self.detail.is_none())
        });
        let features = match &self.detail {
            Some(detail) => detail.forward(&input, size).add_upsampled(&features, true),
            None => features,
        };
        let (main, auxiliary) = features
            .convolve(&self.heads, Epilogue::default())
            .into_logits(&self.head_bias, self.rare);
        DualLogits {
            main,
            auxiliary,
            deep: Vec::new(),
        }
    }
}

impl GpuDetail {
    fn forward(&self, input: &Buffer, size: [usize; 4]) -> Map {
        let relu = Epilogue {
            relu: true,
            ..Epilogue::default()
        };
        let mut map: Option<Map> = None;
        for layer in &self.convolutions {
            map = Some(match &map {
                Some(map) => map.convolve(layer, relu),
                None => of_image(input, size, layer, relu),
            });
        }
        map.expect("the path has convolutions")
            .convolve(&self.project, Epilogue::default())
    }
}

impl GpuStage {
    fn forward(&self, embedded: Map) -> Map {
        let tokens = embedded.normalize(&self.embed_norm);
        let tokens = self.blocks.iter().fold(tokens, |tokens, block| block.forward(&tokens));
        tokens.normalize(&self.norm)
    }
}

impl GpuBlock {
    fn forward(&self, tokens: &Map) -> Map {
        let added = |residual| Epilogue {
            residual: Some(residual),
            relu: false,
        };
        let normed = tokens.normalize(&self.norm_1);
        let query = normed.convolve(&self.query, Epilogue::default());
        let (context, ratio) = match &self.reduction {
            Some((layer, norm)) => (
                normed.convolve(layer, Epilogue::default()).normalize(norm),
                layer.stride,
            ),
            None => (normed, 1),
        };
        let context = context.convolve(&self.context, Epilogue::default());
        let window = self.window.unwrap_or(tokens.height.max(tokens.width));
        let mixed = query.attend(&context, self.heads, ratio, window);
        let tokens = mixed.convolve(&self.output, added(tokens));

        let hidden = tokens
            .normalize(&self.norm_2)
            .convolve(&self.dense_1, Epilogue::default());
        let hidden = hidden.depthwise_gelu(&self.depthwise, &self.depthwise_bias);
        hidden.convolve(&self.dense_2, added(&tokens))
    }
}

/// The layer's convolution of an image of `[batch, channels, height, width]`.
fn of_image(input: &Buffer, size: [usize; 4], layer: &Layer, epilogue: Epilogue<'_>) -> Map {
    let [_, channels, height, width] = size;
    let strides = [channels * height * width, width, 1, height * width];
    product(input, size, strides, layer, epilogue)
}

fn encoder_stages(encoder: &MixTransformer) -> Option<Vec<GpuStage>> {
    let [epsilon, embed_epsilon] = encoder.epsilons;
    let stages = encoder.stages.iter().map(
        |Stage {
             patch_embed,
             blocks,
             layer_norm,
         }| {
            Some(GpuStage {
                embed: convolution(&patch_embed.proj, patch_embed.proj.weight.dims()[2] / 2)?,
                embed_norm: norm(&patch_embed.layer_norm, embed_epsilon)?,
                blocks: blocks
                    .iter()
                    .map(|each| block(each, encoder.epsilons))
                    .collect::<Option<_>>()?,
                norm: norm(layer_norm, epsilon)?,
            })
        },
    );
    stages.collect()
}

/// `epsilons` as [`MixTransformer::epsilons`].
fn block(block: &Block, [epsilon, embed_epsilon]: [f64; 2]) -> Option<GpuBlock> {
    let Block { attention, mlp, .. } = block;
    let [key, value] = [&attention.key, &attention.value];
    let biases = [key, value].map(|layer| layer.bias.as_ref().map(|bias| bias.val()));
    let context_bias = match biases {
        [Some(key), Some(value)] => Some(Tensor::cat(vec![key, value], 0)),
        _ => None,
    };
    let reduction = match &attention.reduction {
        None => None,
        Some(reduction) => Some((
            convolution(&reduction.sr, 0)?,
            norm(&reduction.layer_norm, embed_epsilon)?,
        )),
    };
    let depthwise = mlp.dwconv.weight.val();
    let [hidden, ..] = depthwise.dims();
    Some(GpuBlock {
        norm_1: norm(&block.layer_norm_1, epsilon)?,
        query: linear(&attention.query)?,
        reduction,
        context: matrix(Tensor::cat(vec![key.weight.val(), value.weight.val()], 1), context_bias)?,
        output: linear(&attention.output)?,
        heads: attention.heads,
        window: attention.window,
        norm_2: norm(&block.layer_norm_2, epsilon)?,
        dense_1: linear(&mlp.dense1)?,
        depthwise: Buffer::new(depthwise.reshape([hidden, 9]).transpose())?,
        depthwise_bias: Buffer::new(mlp.dwconv.bias.as_ref()?.val())?,
        dense_2: linear(&mlp.dense2)?,
    })
}

fn norm(norm: &LayerNorm, epsilon: f64) -> Option<Norm> {
    Some(Norm {
        gamma: Buffer::new(norm.gamma.val())?,
        beta: Buffer::new(norm.beta.as_ref()?.val())?,
        epsilon: epsilon as f32,
    })
}

fn linear(layer: &Linear) -> Option<Layer> {
    matrix(layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()))
}

/// The linear layer of a matrix of `[in, out]`.
fn matrix(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Option<Layer> {
    let [channels_in, channels_out] = weight.dims();
    let bias = bias.unwrap_or_else(|| Tensor::zeros([channels_out], &weight.device()));
    Some(Layer {
        weight: Buffer::new(weight)?,
        bias: Buffer::new(bias)?,
        kernel: 1,
        stride: 1,
        padding: 0,
        channels_in,
        channels_out,
    })
}

fn convolution(layer: &Conv2d, padding: usize) -> Option<Layer> {
    filters(
        layer.weight.val(),
        layer.bias.as_ref().map(|bias| bias.val()),
        layer.stride[0],
        padding,
    )
}

/// The convolution of filters of `[out, in, kernel, kernel]`.
fn filters(weight: Tensor<4>, bias: Option<Tensor<1>>, stride: usize, padding: usize) -> Option<Layer> {
    let [channels_out, channels_in, kernel, _] = weight.dims();
    let matrix = matrix(
        weight
            .permute([2, 3, 1, 0])
            .reshape([kernel * kernel * channels_in, channels_out]),
        bias,
    )?;
    Some(Layer {
        kernel,
        stride,
        padding,
        channels_in,
        ..matrix
    })
}
