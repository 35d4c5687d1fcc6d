//! Depthwise convolution, bias and GELU, on tokens as they lie.

use burn::tensor::{Tensor, TensorData};

use super::{floats, for_each_chunk};

/// Channels that are computed at a time; the compiler turns the loops over them into vector instructions.
const LANES: usize = 16;
/// Taps of a 3 x 3 kernel.
const TAPS: usize = 9;

/// Depthwise 3 x 3 convolution with zero padding, bias and GELU of tokens, without turning them into a map and back.
///
/// # Shapes
/// - `tokens`, output: `[batch, h * w, channels]`, `grid = [h, w]`
/// - `weight`: `[channels, 1, 3, 3]`
/// - `bias`: `[channels]`
///
/// # Panics
/// If the shapes do not agree, or if the numbers are not 32-bit floats.
pub(crate) fn depthwise_gelu(
    tokens: Tensor<3>,
    [height, width]: [usize; 2],
    weight: Tensor<4>,
    bias: Tensor<1>,
) -> Tensor<3> {
    let (shape, device) = (tokens.dims(), tokens.device());
    let [_, pixels, channels] = shape;
    assert_eq!(pixels, height * width, "the tokens are not those of the grid");
    let input = floats(tokens);
    let weight = by_tap(&floats(weight), channels);
    let bias = floats(bias);
    assert_eq!((weight.len(), bias.len()), (TAPS * channels, channels));
    let mut output = vec![0.0; input.len()];
    let line = width * channels;
    // Lines do not depend on each other.
    for_each_chunk(&mut output, line, |index, output| {
        let row = index % height;
        let at = |index: usize| &input[index * line..(index + 1) * line];
        let rows = [
            (row > 0).then(|| at(index - 1)),
            Some(at(index)),
            (row + 1 < height).then(|| at(index + 1)),
        ];
        depthwise_gelu_line(output, rows, &weight, &bias);
    });
    Tensor::from_data(TensorData::new(output, shape), &device)
}

/// One line of [`depthwise_gelu`] from the lines above, at and below it, `[w, channels]` each; `weight` is `[9, channels]`.
fn depthwise_gelu_line(output: &mut [f32], rows: [Option<&[f32]>; 3], weight: &[f32], bias: &[f32]) {
    let channels = bias.len();
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
    bias: &[f32],
) {
    let channels = bias.len();
    let Some(mut sums) = bias[first..].first_chunk::<N>().copied() else {
        return;
    };
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
    gelu(&mut sums);
    output[..N].copy_from_slice(&sums);
}

/// `[channels, 1, 3, 3]` as `[3 * 3, channels]`.
fn by_tap(weight: &[f32], channels: usize) -> Vec<f32> {
    let tap = |tap: usize| weight.iter().skip(tap).step_by(TAPS).take(channels);
    (0..TAPS).flat_map(tap).copied().collect()
}

/// `x P(X <= x)` for a standard normal X (arXiv:1606.08415, section 2).
#[inline(always)]
fn gelu<const N: usize>(values: &mut [f32; N]) {
    let mut scaled = *values;
    for value in &mut scaled {
        *value *= std::f32::consts::FRAC_1_SQRT_2;
    }
    let erf = erf(scaled);
    for lane in 0..N {
        values[lane] = 0.5 * values[lane] * (1.0 + erf[lane]);
    }
}

/// The error function within 4e-7, without branches: a rational function of odd degree 13 over even degree 8, fitted to -4..4, beyond which a
/// 32-bit float cannot tell it from plus or minus 1.
#[inline(always)]
fn erf<const N: usize>(mut x: [f32; N]) -> [f32; N] {
    const NUMERATOR: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_3e-8,
        -2.101_024e-6,
        -5.692_506_6e-5,
        -7.349_906_5e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const DENOMINATOR: [f32; 5] = [
        -1.456_607_2e-5,
        -2.133_740_5e-4,
        -1.682_827e-3,
        -7.373_329e-3,
        -1.426_473_9e-2,
    ];
    let (mut square, mut above, mut below) = ([0.0; N], [0.0; N], [0.0; N]);
    for lane in 0..N {
        x[lane] = x[lane].clamp(-4.0, 4.0);
        square[lane] = x[lane] * x[lane];
    }
    for coefficient in NUMERATOR {
        for lane in 0..N {
            above[lane] = above[lane] * square[lane] + coefficient;
        }
    }
    for coefficient in DENOMINATOR {
        for lane in 0..N {
            below[lane] = below[lane] * square[lane] + coefficient;
        }
    }
    for lane in 0..N {
        x[lane] *= above[lane] / below[lane];
    }
    x
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

    #[test]
    fn the_error_function_is_within_four_ten_millionths() {
        let ours = |x: f32| erf([x])[0];
        let largest = (-60_000..=60_000)
            .map(|step| step as f32 / 10_000.0)
            .map(|x| (f64::from(ours(x)) - series(f64::from(x))).abs())
            .fold(0.0, f64::max);
        assert!(largest < 4e-7, "{largest}");
        assert_eq!(
            [f32::INFINITY, f32::NEG_INFINITY, 0.0].map(|x| ours(x).round()),
            [1.0, -1.0, 0.0]
        );
        assert!(ours(f32::NAN).is_nan());
    }

    /// The error function by its Taylor series near 0 and by its continued fraction elsewhere, to 1e-12.
    fn series(x: f64) -> f64 {
        let size = x.abs();
        if size < 2.5 {
            let mut term = x;
            let mut sum = x;
            for n in 1..80 {
                term *= -x * x / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            return sum * std::f64::consts::FRAC_2_SQRT_PI;
        }
        let fraction = (1..120).rev().fold(size, |below, n| size + f64::from(n) / 2.0 / below);
        let rest = (-size * size).exp() / fraction * std::f64::consts::FRAC_2_SQRT_PI / 2.0;
        (1.0 - rest).copysign(x)
    }
}
