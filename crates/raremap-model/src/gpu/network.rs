//! SegFormer, made of our own kernels.

use burn::tensor::{Device, Tensor};

use super::tensors::{Buffer, Epilogue, Layer, Map, Norm, product};
use crate::folded::resize_bilinear;
use crate::segformer::DualLogits;

/// A folded SegFormer with its weights as the kernels read them.
#[derive(Debug, Clone)]
pub struct GpuSegformer {
    pub(super) stages: Vec<GpuStage>,
    /// From fine to coarse; the finest has the decoder's bias.
    pub(super) decoder: Vec<Layer>,
    pub(super) detail: Option<GpuDetail>,
    /// The weights of the main head and the auxiliary one together, without bias.
    pub(super) heads: Layer,
    /// `[classes + rare]`
    pub(super) head_bias: Buffer,
    pub(super) rare: usize,
    pub(super) input_upsampling: usize,
    pub(super) device: Device,
}

#[derive(Debug, Clone)]
pub(super) struct GpuDetail {
    pub(super) convolutions: Vec<Layer>,
    pub(super) project: Layer,
}

#[derive(Debug, Clone)]
pub(super) struct GpuStage {
    pub(super) embed: Layer,
    pub(super) embed_norm: Norm,
    pub(super) blocks: Vec<GpuBlock>,
    pub(super) norm: Norm,
}

#[derive(Debug, Clone)]
pub(super) struct GpuBlock {
    pub(super) norm_1: Norm,
    pub(super) query: Layer,
    pub(super) reduction: Option<(Layer, Norm)>,
    /// Keys and values.
    pub(super) context: Layer,
    pub(super) output: Layer,
    pub(super) heads: usize,
    /// Edge in tokens; absent: everything is one window.
    pub(super) window: Option<usize>,
    pub(super) norm_2: Norm,
    pub(super) dense_1: Layer,
    /// `[3, 3, hidden]`
    pub(super) depthwise: Buffer,
    pub(super) depthwise_bias: Buffer,
    pub(super) dense_2: Layer,
}

impl GpuSegformer {
    /// As that of [`FoldedSegformer`](crate::FoldedSegformer).
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        let [batch, bands, height, width] = input.dims();
        let [height, width] = [height, width].map(|edge| edge * self.input_upsampling);
        let input = resize_bilinear(input, [height, width]);
        let size = [batch, bands, height, width];
        let input = Buffer::new(input, &self.device);
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

    /// Device that the weights are on.
    pub fn device(&self) -> Device {
        self.device.clone()
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
