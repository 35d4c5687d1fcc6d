//! SegFormer, made of our own kernels: few, larger ones in place of burn's many small ones.
//!
//! Launches, not arithmetic, are most of what a tile costs on a GPU: composed of burn's operations, B0 is more than 600 of them. `tests/bench/gpu.test.mjs`
//! compares the logits with onnxruntime's and with those of the CPU.

use cubecl::client::Client;
use raremap_tile::{
    PackedBlock, PackedDetail, PackedPixel, PackedSegformer, PackedStage, TileError, TileLogits, TileModel,
};

use crate::maps::{Buffer, Epilogue, Layer, Map, product};

/// A folded SegFormer on a GPU.
pub(crate) struct GpuSegformer {
    network: PackedSegformer<Buffer>,
    /// Of the input.
    channels: usize,
    client: Client,
}

impl GpuSegformer {
    /// Puts the network on the device of `client`.
    pub fn new(network: PackedSegformer<Vec<f32>>, channels: usize, client: Client) -> Self {
        Self {
            network: network.map(&mut |numbers: Vec<f32>| Buffer::new(numbers, &client)),
            channels,
            client,
        }
    }

    /// `input`: `[bands, height, width]`.
    fn forward(&self, input: Vec<f32>, [height, width]: [usize; 2]) -> [Buffer; 2] {
        let PackedSegformer {
            stages,
            decoder,
            detail,
            heads,
            head_bias,
            rare,
            pixel,
            input_upsampling,
        } = &self.network;
        let bands = self.channels;
        let input = enlarged(
            Buffer::new(input, &self.client),
            [bands, height, width],
            *input_upsampling,
        );
        let size = [1, bands, height * input_upsampling, width * input_upsampling];
        let mut outputs: Vec<Map> = Vec::with_capacity(stages.len());
        for stage in stages {
            let embedded = match outputs.last() {
                Some(map) => map.convolve(&stage.embed, Epilogue::default()),
                None => of_image(&input, size, &stage.embed, Epilogue::default()),
            };
            outputs.push(stage_of(stage, embedded));
        }
        let mut parts = outputs
            .iter()
            .zip(decoder)
            .map(|(map, layer)| map.convolve(layer, Epilogue::default()));
        let first = parts.next().expect("SegFormer has four stages");
        let parts: Vec<Map> = parts.collect();
        let last = parts.len();
        let features = parts.iter().enumerate().fold(first, |sum, (index, part)| {
            sum.add_upsampled(part, index + 1 == last && detail.is_none())
        });
        let features = match detail {
            Some(detail) => detail_of(detail, &input, size).add_upsampled(&features, true),
            None => features,
        };
        let logits = features
            .convolve(heads, Epilogue::default())
            .attend_logits(head_bias, *rare);
        let logits = match pixel {
            Some(pixel) => pixel_of(pixel, &input, size, &features).add_upsampled(&logits, false),
            None => logits,
        };
        logits.into_planes(*rare)
    }
}

impl TileModel for GpuSegformer {
    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        TileError::check_input(input.len(), [self.channels, height, width])?;
        let [main, auxiliary] = self.forward(input, [height, width]);
        let both = match self.network.rare {
            0 => vec![main],
            _ => vec![main, auxiliary],
        };
        let mut read = Buffer::read(&self.client, both).await?.into_iter();
        Ok(TileLogits {
            main: read.next().unwrap_or_default(),
            auxiliary: read.next().unwrap_or_default(),
        })
    }
}

/// An image `factor` times as large along each axis, bilinearly.
fn enlarged(image: Buffer, [bands, height, width]: [usize; 3], factor: usize) -> Buffer {
    if factor == 1 {
        return image;
    }
    // Each band is an image of its own, with one channel.
    let bands = Map {
        buffer: image,
        batch: bands,
        height,
        width,
        channels: 1,
    };
    bands.upsampled([height * factor, width * factor]).buffer
}

fn detail_of(detail: &PackedDetail<Buffer>, input: &Buffer, size: [usize; 4]) -> Map {
    let relu = Epilogue {
        relu: true,
        ..Epilogue::default()
    };
    let mut map: Option<Map> = None;
    for layer in &detail.convolutions {
        map = Some(match &map {
            Some(map) => map.convolve(layer, relu),
            None => of_image(input, size, layer, relu),
        });
    }
    map.expect("the path has convolutions")
        .convolve(&detail.project, Epilogue::default())
}

/// What the pixels' own layers add to the logits.
fn pixel_of(pixel: &PackedPixel<Buffer>, input: &Buffer, size: [usize; 4], features: &Map) -> Map {
    let context = features.convolve(&pixel.context, Epilogue::default());
    of_image(input, size, &pixel.input, Epilogue::default())
        .add_upsampled(&context, true)
        .convolve(&pixel.output, Epilogue::default())
}

fn stage_of(stage: &PackedStage<Buffer>, embedded: Map) -> Map {
    let tokens = embedded.normalize(&stage.embed_norm);
    let tokens = stage
        .blocks
        .iter()
        .fold(tokens, |tokens, block| block_of(block, &tokens));
    tokens.normalize(&stage.norm)
}

fn block_of(block: &PackedBlock<Buffer>, tokens: &Map) -> Map {
    let added = |residual| Epilogue {
        residual: Some(residual),
        relu: false,
    };
    let normed = tokens.normalize(&block.norm_1);
    let query = normed.convolve(&block.query, Epilogue::default());
    let (context, ratio) = match &block.reduction {
        Some((layer, norm)) => (
            normed.convolve(layer, Epilogue::default()).normalize(norm),
            layer.stride,
        ),
        None => (normed, 1),
    };
    let context = context.convolve(&block.context, Epilogue::default());
    let window = block.window.unwrap_or(tokens.height.max(tokens.width));
    let mixed = query.attend(&context, block.heads, ratio, window);
    let tokens = mixed.convolve(&block.output, added(tokens));

    let hidden = tokens
        .normalize(&block.norm_2)
        .convolve(&block.dense_1, Epilogue::default());
    let hidden = hidden.depthwise_gelu(&block.depthwise, &block.depthwise_bias);
    hidden.convolve(&block.dense_2, added(&tokens))
}

/// The layer's convolution of an image of `[batch, channels, height, width]`.
fn of_image(input: &Buffer, size: [usize; 4], layer: &Layer, epilogue: Epilogue<'_>) -> Map {
    let [_, channels, height, width] = size;
    let strides = [channels * height * width, width, 1, height * width];
    product(input, size, strides, layer, epilogue)
}
