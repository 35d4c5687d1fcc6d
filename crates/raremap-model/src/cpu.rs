//! Kernels of our own for the CPU, each in place of several of burn's, which pass over memory once each.
//!
//! They are for running a network, not for training it: they record nothing for a backward pass. Everywhere else the network is burn's operations,
//! which the tests here compare them with.

use burn::tensor::{Device, Tensor, TensorData};

/// Channels that are computed at a time; the compiler turns the loops over them into vector instructions.
const LANES: usize = 16;
/// Taps of a 3 x 3 kernel.
const TAPS: usize = 9;

/// Whether `device` is the CPU, and what it computes is not recorded.
pub(crate) fn is_plain(device: &Device) -> bool {
    // A device with autodiff is never equal to one without.
    *device == Device::flex()
}

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
    let input = floats(tokens.into_data());
    let weight = by_tap(&floats(weight.into_data()), channels);
    let bias = floats(bias.into_data());
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

/// Bilinear upsampling with `align_corners = false`, first along lines and then across them.
///
/// # Shapes
/// - `map`: `[batch, channels, h, w]`
/// - output: `[batch, channels, height, width]`
pub(crate) fn upsample_bilinear(map: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let ([batch, channels, from_height, from_width], device) = (map.dims(), map.device());
    let input = floats(map.into_data());
    let (rows, columns) = (Between::of(from_height, height), Between::of(from_width, width));
    let mut output = vec![0.0; batch * channels * height * width];
    for_each_chunk(&mut output, height * width, |plane, output| {
        let plane = &input[plane * from_height * from_width..(plane + 1) * from_height * from_width];
        let mut wide = Vec::with_capacity(from_height * width);
        for line in plane.chunks_exact(from_width) {
            let at = |&Between { first, second, share }: &Between| line[first] + (line[second] - line[first]) * share;
            wide.extend(columns.iter().map(at));
        }
        for (line, &Between { first, second, share }) in output.chunks_exact_mut(width).zip(&rows) {
            let of = |row: usize| &wide[row * width..(row + 1) * width];
            for ((value, above), below) in line.iter_mut().zip(of(first)).zip(of(second)) {
                *value = above + (below - above) * share;
            }
        }
    });
    Tensor::from_data(TensorData::new(output, [batch, channels, height, width]), &device)
}

/// The two cells that an upsampled one lies between, and how far it is from the first.
struct Between {
    first: usize,
    second: usize,
    share: f32,
}

impl Between {
    /// For each of `to` cells over `from`.
    fn of(from: usize, to: usize) -> Vec<Self> {
        let scale = from as f32 / to as f32;
        let place = |cell: usize| {
            let at = ((cell as f32 + 0.5) * scale - 0.5).max(0.0);
            let first = (at as usize).min(from - 1);
            Self {
                first,
                second: (first + 1).min(from - 1),
                share: at - first as f32,
            }
        };
        (0..to).map(place).collect()
    }
}

/// One line of [`depthwise_gelu`] from the lines above, at and below it, `[w, channels]` each; `weight` is `[9, channels]`.
fn depthwise_gelu_line(output: &mut [f32], rows: [Option<&[f32]>; 3], weight: &[f32], bias: &[f32]) {
    let channels = bias.len();
    let width = output.len() / channels;
    for (x, pixel) in output.chunks_exact_mut(channels).enumerate() {
        let (blocks, rest) = pixel.as_chunks_mut::<LANES>();
        let rest_at = blocks.len() * LANES;
        for (index, block) in blocks.iter_mut().enumerate() {
            *block = convolve(x, width, index * LANES, rows, weight, bias).map(gelu);
        }
        for (index, value) in rest.iter_mut().enumerate() {
            let [sum] = convolve(x, width, rest_at + index, rows, weight, bias);
            *value = gelu(sum);
        }
    }
}

/// `N` channels from `first` on, of the pixel in column `x`.
#[inline(always)]
fn convolve<const N: usize>(
    x: usize,
    width: usize,
    first: usize,
    rows: [Option<&[f32]>; 3],
    weight: &[f32],
    bias: &[f32],
) -> [f32; N] {
    let channels = bias.len();
    let lanes = |values: &[f32], at: usize| -> [f32; N] { std::array::from_fn(|lane| values[at..at + N][lane]) };
    let mut sums = lanes(bias, first);
    for (row, taps) in rows.iter().zip(weight.chunks_exact(3 * channels)) {
        let Some(row) = row else { continue };
        for (column, taps) in (x..x + 3).zip(taps.chunks_exact(channels)) {
            // The tap on the left of column 0 and that on the right of the last one are padding.
            if column == 0 || column > width {
                continue;
            }
            let (values, taps) = (lanes(row, (column - 1) * channels + first), lanes(taps, first));
            for lane in 0..N {
                sums[lane] += values[lane] * taps[lane];
            }
        }
    }
    sums
}

/// `[channels, 1, 3, 3]` as `[3 * 3, channels]`.
fn by_tap(weight: &[f32], channels: usize) -> Vec<f32> {
    let tap = |tap: usize| weight.iter().skip(tap).step_by(TAPS).take(channels);
    (0..TAPS).flat_map(tap).copied().collect()
}

/// `x P(X <= x)` for a standard normal X (arXiv:1606.08415, section 2).
#[inline(always)]
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The error function within 4e-7, without branches: a rational function of odd degree 13 over even degree 8, fitted to -4..4, beyond which a
/// 32-bit float cannot tell it from plus or minus 1.
#[inline(always)]
fn erf(x: f32) -> f32 {
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
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let horner = |sum: f32, coefficient: &f32| sum * square + coefficient;
    x * NUMERATOR.iter().fold(0.0, horner) / DENOMINATOR.iter().fold(0.0, horner)
}

fn floats(data: TensorData) -> Vec<f32> {
    data.try_into_vec().expect("networks compute in 32-bit floats")
}

/// Calls `act` with the number of each chunk of `values`: on all cores, where there are threads.
fn for_each_chunk(values: &mut [f32], length: usize, act: impl Fn(usize, &mut [f32]) + Sync) {
    #[cfg(not(target_arch = "wasm32"))]
    {
        use rayon::prelude::*;
        let chunks = values.par_chunks_exact_mut(length).enumerate();
        chunks.for_each(|(index, chunk)| act(index, chunk));
    }
    #[cfg(target_arch = "wasm32")]
    for (index, chunk) in values.chunks_exact_mut(length).enumerate() {
        act(index, chunk);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;
    use burn::tensor::activation::gelu as burn_gelu;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;

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
    fn bilinear_upsampling_is_burns() {
        use burn::tensor::module::interpolate;
        use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
        let device = Device::flex();
        let sizes = [
            ([1, 1], [3, 2]),
            ([2, 3], [4, 6]),
            ([5, 4], [5, 16]),
            ([8, 8], [64, 64]),
            ([7, 9], [11, 23]),
        ];
        for ([height, width], size) in sizes {
            let map = Tensor::<4>::random([2, 3, height, width], Distribution::Normal(0.0, 2.0), &device);
            let options = InterpolateOptions::new(InterpolateMode::Bilinear)
                .with_align_corners(false)
                .with_output_size(size);
            let composed = interpolate(map.clone(), options);
            let difference = (upsample_bilinear(map, size) - composed)
                .abs()
                .max()
                .into_scalar::<f32>();
            assert!(difference < 4e-6, "{difference} from {height} x {width} to {size:?}");
        }
    }

    #[test]
    fn the_error_function_is_within_four_ten_millionths() {
        let largest = (-60_000..=60_000)
            .map(|step| step as f32 / 10_000.0)
            .map(|x| (f64::from(erf(x)) - libm_erf(f64::from(x))).abs())
            .fold(0.0, f64::max);
        assert!(largest < 4e-7, "{largest}");
        assert_eq!(
            (erf(f32::INFINITY).round(), erf(f32::NEG_INFINITY).round(), erf(0.0)),
            (1.0, -1.0, 0.0)
        );
        assert!(erf(f32::NAN).is_nan());
    }

    /// The error function by its Taylor series near 0 and by its continued fraction elsewhere, to 1e-12.
    fn libm_erf(x: f64) -> f64 {
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

    #[test]
    fn a_device_that_records_is_not_plain() {
        assert!(is_plain(&Device::flex()));
        assert!(!is_plain(&Device::flex().autodiff()));
    }
}
