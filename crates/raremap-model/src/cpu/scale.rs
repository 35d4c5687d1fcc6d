//! A factor for each pixel.

use burn::tensor::Tensor;

use super::{Values, for_each_chunk, map_of, nhwc_of, tensor_of};

/// Pixels of a part.
const PIXELS: usize = 64;

/// As [`super::scale`], of tensors of which burn records nothing.
pub(super) fn scale(map: Tensor<4>, factors: Tensor<4>) -> Tensor<4> {
    let device = map.device();
    let map = nhwc_of(map);
    let shape = map.dims();
    let (input, factors) = (Values::of(map), Values::of(factors));
    map_of(tensor_of(scaled(input.all(), factors.all()), shape, &device))
}

/// `values`, `[pixels, channels]`, each times the pixel's factor.
pub(super) fn scaled(values: &[f32], factors: &[f32]) -> Vec<f32> {
    let channels = values.len() / factors.len();
    let mut output = vec![0.0; values.len()];
    for_each_chunk(
        &mut output,
        PIXELS * channels,
        #[inline(always)]
        |part, output| {
            let pixels = values[part * PIXELS * channels..].chunks_exact(channels);
            let pixels = pixels.zip(&factors[part * PIXELS..]);
            for (output, (values, factor)) in output.chunks_exact_mut(channels).zip(pixels) {
                for (output, value) in output.iter_mut().zip(values) {
                    *output = value * factor;
                }
            }
        },
    );
    output
}
