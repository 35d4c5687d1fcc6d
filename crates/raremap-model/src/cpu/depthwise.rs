//! Depthwise convolution, bias and GELU, on tokens as they lie.

use burn::tensor::{Tensor, TensorData};

use super::elementary::gelu;
use super::{floats, for_each_chunk};

/// Channels that are computed at a time; the compiler turns the loops over them into vector instructions.
const LANES: usize = 16;
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
    let input = floats(tokens);
    let weight = by_tap(&floats(weight), channels);
    let bias = floats(bias);
    let mut output = vec![0.0; input.len()];
    let line = width * channels;
    // Lines do not depend on each other.
    for_each_chunk(
        &mut output,
        line,
        #[inline(always)]
        |index, output| {
            convolve_line(output, line_of(&input, index, line, height), &weight, Some(&bias));
            gelu(output);
        },
    );
    Tensor::from_data(TensorData::new(output, shape), &device)
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
    let channels = weight.len() / TAPS;
    let width = output.len() / channels;
    let whole = channels / LANES * LANES;
    for (x, pixel) in output.chunks_exact_mut(channels).enumerate() {
        for first in (0..whole).step_by(LANES) {
            convolve::<LANES>(&mut pixel[first..], x, width, first, rows, weight, bias);
        }
        for first in whole..channels {
            convolve::<1>(&mut pixel[first..], x, width, first, rows, weight, bias);
        }
    }
}

/// `N` channels from `first` on, of the pixel in column `x`, into the first values of `output`. The loops over fixed arrays are what becomes vector
/// instructions.
#[inline(always)]
fn convolve<const N: usize>(
    output: &mut [f32],
    x: usize,
    width: usize,
    first: usize,
    rows: [Option<&[f32]>; 3],
    weight: &[f32],
    bias: Option<&[f32]>,
) {
    let channels = weight.len() / TAPS;
    let bias = bias.and_then(|bias| bias[first..].first_chunk::<N>());
    let mut sums = bias.copied().unwrap_or([0.0; N]);
    for (row, taps) in rows.iter().zip(weight.chunks_exact(3 * channels)) {
        let Some(row) = row else { continue };
        for tap in 0..3 {
            // The tap on the left of column 0 and that on the right of the last one are padding.
            let column = x + tap;
            if column == 0 || column > width {
                continue;
            }
            let values = row[(column - 1) * channels + first..].first_chunk::<N>();
            let weights = taps[tap * channels + first..].first_chunk::<N>();
            if let (Some(values), Some(weights)) = (values, weights) {
                for lane in 0..N {
                    sums[lane] += values[lane] * weights[lane];
                }
            }
        }
    }
    output[..N].copy_from_slice(&sums);
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
