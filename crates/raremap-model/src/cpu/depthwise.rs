//! Depthwise convolution, bias and GELU, on tokens as they lie.

use std::ops::Range;

use burn::tensor::Tensor;
use pulp::{Simd, WithSimd};

use super::elementary::gelu;
use super::panels::{dispatch, multiply_add};
use super::{Values, for_each_chunk, tensor_of};

/// Taps of a 3 x 3 kernel.
pub(super) const TAPS: usize = 9;

/// As [`super::depthwise_gelu`], of tensors of which burn records nothing.
pub(super) fn depthwise_gelu(
    tokens: Tensor<3>,
    [height, width]: [usize; 2],
    weight: Tensor<4>,
    bias: Tensor<1>,
) -> Tensor<3> {
    let (shape, device) = (tokens.dims(), tokens.device());
    let [.., channels] = shape;
    let (input, weight, bias) = (Values::of(tokens), Values::of(weight), Values::of(bias));
    let (input, bias) = (input.all(), bias.all());
    let weight = by_tap(weight.all(), channels);
    let mut output = vec![0.0; input.len()];
    let line = width * channels;
    // Lines do not depend on each other.
    for_each_chunk(
        &mut output,
        line,
        #[inline(always)]
        |index, output| {
            convolve_line(output, line_of(input, index, line, height), &weight, Some(bias));
            gelu(output);
        },
    );
    tensor_of(output, shape, &device)
}

/// The lines above, at and below line `index` of images of `height` lines with `line` numbers each; there is none beyond an image.
#[inline(always)]
pub(super) fn line_of(input: &[f32], index: usize, line: usize, height: usize) -> [Option<&[f32]>; 3] {
    let row = index % height;
    let at = |index: usize| &input[index * line..(index + 1) * line];
    [
        (row > 0).then(|| at(index - 1)),
        Some(at(index)),
        (row + 1 < height).then(|| at(index + 1)),
    ]
}

/// One line of a depthwise 3 x 3 convolution from the lines above, at and below it, `[w, channels]` each; `weight` is `[9, channels]`.
#[inline(always)]
pub(super) fn convolve_line(output: &mut [f32], rows: [Option<&[f32]>; 3], weight: &[f32], bias: Option<&[f32]>) {
    dispatch(Line {
        output,
        rows,
        weight,
        bias,
    });
}

/// Pixels whose sums are taken at a time: each number of the input then serves up to three of them.
const PIXELS: usize = 4;

struct Line<'a> {
    output: &'a mut [f32],
    rows: [Option<&'a [f32]>; 3],
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
}

impl WithSimd for Line<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let channels = self.weight.len() / TAPS;
        let width = self.output.len() / channels;
        for first in (0..channels).step_by(S::F32_LANES) {
            let range = first..channels.min(first + S::F32_LANES);
            let weights = std::array::from_fn(|tap| load(simd, &self.weight[tap * channels..][range.clone()]));
            let bias = match self.bias {
                Some(bias) => load(simd, &bias[range.clone()]),
                None => simd.splat_f32s(0.0),
            };
            let mut x = 0;
            while x + PIXELS <= width {
                self.pixels::<S, PIXELS, { PIXELS + 2 }>(simd, x, &range, &weights, bias);
                x += PIXELS;
            }
            while x < width {
                self.pixels::<S, 1, 3>(simd, x, &range, &weights, bias);
                x += 1;
            }
        }
    }
}

impl Line<'_> {
    /// The channels of `range` of `P` pixels, from column `x` on, which read `READ` columns.
    #[inline(always)]
    fn pixels<S: Simd, const P: usize, const READ: usize>(
        &mut self,
        simd: S,
        x: usize,
        range: &Range<usize>,
        weights: &[S::f32s; TAPS],
        bias: S::f32s,
    ) {
        let channels = self.weight.len() / TAPS;
        let width = self.output.len() / channels;
        let mut sums = [bias; P];
        for (row, weights) in self.rows.iter().zip(weights.as_chunks::<3>().0) {
            let Some(row) = row else { continue };
            // What is on the left of column 0 and on the right of the last one is padding.
            let values: [S::f32s; READ] = std::array::from_fn(|read| match (x + read).checked_sub(1) {
                Some(column) if column < width => load(simd, &row[column * channels..][range.clone()]),
                _ => simd.splat_f32s(0.0),
            });
            for pixel in 0..P {
                for tap in 0..3 {
                    sums[pixel] = multiply_add(simd, values[pixel + tap], weights[tap], sums[pixel]);
                }
            }
        }
        for (pixel, sum) in sums.into_iter().enumerate() {
            let output = &mut self.output[(x + pixel) * channels..][range.clone()];
            match S::as_mut_simd_f32s(output).0.first_mut() {
                Some(output) => *output = sum,
                None => simd.partial_store_f32s(output, sum),
            }
        }
    }
}

/// A vector of `values`, and zeros if they are fewer.
#[inline(always)]
fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values).0.first() {
        Some(values) => *values,
        None => simd.partial_load_f32s(values),
    }
}

/// `[channels, 1, 3, 3]` as `[3 * 3, channels]`.
pub(super) fn by_tap(weight: &[f32], channels: usize) -> Vec<f32> {
    let tap = |tap: usize| weight.iter().skip(tap).step_by(TAPS).take(channels);
    (0..TAPS).flat_map(tap).copied().collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::gelu as burn_gelu;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::embed::{map_from_tokens, tokens_from_map};

    #[test]
    fn a_depthwise_convolution_with_bias_and_gelu_is_burns() {
        let device = Device::flex();
        for (seed, [batch, height, width, channels]) in [
            [1, 1, 1, 1],
            [2, 1, 7, 5],
            [1, 3, 1, 16],
            [2, 5, 4, 17],
            [1, 8, 6, 96],
            [3, 2, 2, 40],
        ]
        .into_iter()
        .enumerate()
        {
            device.seed(seed as u64);
            let random = |shape: [usize; 3]| Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.5), &device);
            let tokens = random([batch, height * width, channels]);
            let weight = random([channels, 3, 3]).reshape([channels, 1, 3, 3]);
            let bias = random([1, 1, channels]);
            let options = ConvOptions::new([1, 1], [1, 1], [1, 1], channels);
            let map = conv2d(
                map_from_tokens(tokens.clone(), [height, width]),
                weight.clone(),
                None,
                options,
            );
            let composed = burn_gelu(tokens_from_map(map) + bias.clone());
            let ours = depthwise_gelu(tokens, [height, width], weight, bias.reshape([channels]));
            assert_eq!(ours.dims(), composed.dims());
            let difference = (ours - composed.clone()).abs().max().into_scalar::<f32>();
            let range = composed.abs().max().into_scalar::<f32>();
            assert!(
                difference <= 2e-6 * range.max(1.0),
                "{difference} of {range} for {batch} x {height} x {width} x {channels}"
            );
        }
    }
}
