//! Weight-only int8, symmetric, one scale per output channel.
//!
//! Activations stay float, because after LayerNorm, softmax and GELU their quantization is what costs accuracy. The layers that read the
//! image, depthwise convolutions, norms, biases, heads and the pixel path stay float as well; together they are a few percent of the bytes and most of the
//! error.

/// How a parameter is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// As it is.
    Float,
    /// int8 with one scale per index of this axis, the output channels.
    Int8 {
        /// 1 for a linear weight `[in, out]` and a transposed convolution `[in, out, kh, kw]`, 0 for a convolution
        /// `[out, in, kh, kw]`.
        axis: usize,
    },
}

/// Where each family reads the image: SegFormer and its paths, the ResNets, and the U-Nets' finest level.
const FIRST_LAYERS: [&str; 5] = [
    "encoder.stages.0.patch_embed.",
    "detail.convs.0.",
    "pixel.input.",
    "encoder.stem.",
    "encoder.0.",
];

/// The weight of an upsampler.
const TRANSPOSED: &str = "transposed.weight";

/// Whether the parameter `name` may be one of a layer that reads the image.
pub fn reads_image(name: &str) -> bool {
    FIRST_LAYERS.iter().any(|part| name.starts_with(part))
}

/// How to store the parameter `name` of `shape`.
pub fn storage_of(name: &str, shape: &[usize]) -> Storage {
    let float = ["heads.", "deep.", "pixel."].iter().any(|part| name.starts_with(part))
        || reads_image(name)
        || name.ends_with("mlp.dwconv.weight")
        || !name.ends_with(".weight");
    match (float, shape.len()) {
        (false, 2) => Storage::Int8 { axis: 1 },
        (false, 4) if name.ends_with(TRANSPOSED) => Storage::Int8 { axis: 1 },
        (false, 4) => Storage::Int8 { axis: 0 },
        _ => Storage::Float,
    }
}

/// The output channel of each element of a row-major array with `shape`.
fn channels(shape: &[usize], axis: usize) -> impl Fn(usize) -> usize + use<> {
    let inner: usize = shape[axis + 1..].iter().product();
    let count = shape[axis];
    move |index| index / inner % count
}

/// Quantizes to `round(w / scale)` with `scale = max |w| / 127` over each output channel.
///
/// Returns the int8 values in `weights`' order and the scales, `shape[axis]` of them.
pub fn quantize(weights: &[f32], shape: &[usize], axis: usize) -> (Vec<i8>, Vec<f32>) {
    let channel = channels(shape, axis);
    let mut scales = vec![0.0f32; shape[axis]];
    for (index, weight) in weights.iter().enumerate() {
        let scale = &mut scales[channel(index)];
        *scale = scale.max(weight.abs() / 127.0);
    }
    let quantized = weights
        .iter()
        .enumerate()
        .map(|(index, weight)| match scales[channel(index)] {
            0.0 => 0,
            scale => (weight / scale).round() as i8,
        });
    (quantized.collect(), scales)
}

/// The inverse of [`quantize`]. `scales` must have `shape[axis]` elements and `quantized` the product of `shape`.
pub fn dequantize(quantized: &[i8], scales: &[f32], shape: &[usize], axis: usize) -> Vec<f32> {
    let channel = channels(shape, axis);
    quantized
        .iter()
        .enumerate()
        .map(|(index, &value)| f32::from(value) * scales[channel(index)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_inner_weights_are_quantized() {
        let cases = [
            (
                "encoder.stages.1.blocks.0.attention.query.weight",
                &[64, 64][..],
                Storage::Int8 { axis: 1 },
            ),
            (
                "encoder.stages.1.patch_embed.proj.weight",
                &[64, 32, 3, 3],
                Storage::Int8 { axis: 0 },
            ),
            (
                "decoder.linear_fuse.weight",
                &[256, 1024, 1, 1],
                Storage::Int8 { axis: 0 },
            ),
            (
                "encoder.stages.0.patch_embed.proj.weight",
                &[32, 3, 7, 7],
                Storage::Float,
            ),
            (
                "encoder.stages.1.blocks.0.mlp.dwconv.weight",
                &[256, 1, 3, 3],
                Storage::Float,
            ),
            ("encoder.stages.1.layer_norm.gamma", &[64], Storage::Float),
            ("decoder.linear_c.0.bias", &[256], Storage::Float),
            ("heads.auxiliary.weight", &[2, 256, 1, 1], Storage::Float),
            ("pixel.context.weight", &[16, 64, 1, 1], Storage::Float),
            ("encoder.0.first.conv.weight", &[32, 3, 3, 3], Storage::Float),
            (
                "encoder.1.first.conv.weight",
                &[64, 32, 3, 3],
                Storage::Int8 { axis: 0 },
            ),
            (
                "decoder.1.upsampler.transposed.weight",
                &[128, 64, 2, 2],
                Storage::Int8 { axis: 1 },
            ),
        ];
        for (name, shape, expected) in cases {
            assert_eq!(storage_of(name, shape), expected, "{name}");
        }
    }

    #[test]
    fn each_output_channel_has_its_own_scale() {
        // [in = 2, out = 2]: column 0 up to 127, column 1 up to 1.27
        let weights = [127.0, 1.27, -64.0, 0.01];
        let (values, scales) = quantize(&weights, &[2, 2], 1);
        assert_eq!(values, [127, 127, -64, 1]);
        let back = dequantize(&values, &scales, &[2, 2], 1);
        for (a, b) in weights.iter().zip(&back) {
            assert!((a - b).abs() < 1e-5, "{a} became {b}");
        }
    }

    #[test]
    fn a_channel_of_zeros_stays_zero() {
        let (values, scales) = quantize(&[0.0, 0.0, 3.0, -3.0], &[2, 2], 0);
        assert_eq!(values, [0, 0, 127, -127]);
        assert_eq!(dequantize(&values, &scales, &[2, 2], 0)[..2], [0.0, 0.0]);
    }
}
