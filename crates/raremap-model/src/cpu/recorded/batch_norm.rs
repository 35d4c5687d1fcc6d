//! Batch norm in training, and ReLU.

use burn::nn::BatchNorm;
use burn::tensor::{Device, Tensor};

use super::{Operation, Values, add, map_of, parts_of, record, sum_of_parts};
use crate::cpu::{for_each_chunk, map_each};

/// Pixels of a part.
const PIXELS: usize = 512;

/// Batch norm by the batch's own mean and variance (arXiv:1502.03167), which move those of `norm`, and ReLU if it is wanted.
///
/// # Shapes
/// - `map`, output: `[batch, channels, h, w]`
pub(crate) fn batch_norm(norm: &BatchNorm, map: Tensor<4>, relu: bool) -> Tensor<4> {
    let [batch, channels, height, width] = map.dims();
    let (map, input_node) = parts_of(map.permute([0, 2, 3, 1]));
    let (gains, gamma_node) = parts_of(norm.gamma.val());
    let (offsets, beta_node) = parts_of(norm.beta.val());
    let input = map.all();
    let pixels = (input.len() / channels) as f32;
    let parts: Vec<&[f32]> = input.chunks(PIXELS * channels).collect();
    let sums = map_each(
        &parts,
        #[inline(always)]
        |part| {
            let mut sums = vec![0.0; channels];
            for pixel in part.chunks_exact(channels) {
                add(&mut sums, pixel);
            }
            sums
        },
    );
    let mean: Vec<f32> = sum_of_parts(&sums.concat(), channels)
        .iter()
        .map(|sum| sum / pixels)
        .collect();
    let squares = map_each(
        &parts,
        #[inline(always)]
        |part| {
            let mut sums = vec![0.0; channels];
            for pixel in part.chunks_exact(channels) {
                for ((sum, value), mean) in sums.iter_mut().zip(pixel).zip(&mean) {
                    *sum += (value - mean) * (value - mean);
                }
            }
            sums
        },
    );
    let squares = sum_of_parts(&squares.concat(), channels);
    let variance: Vec<f32> = squares.iter().map(|sum| sum / pixels).collect();
    let channels_of = Channels::of(&mean, &variance, norm.epsilon as f32, gains.all(), offsets.all());
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    let mut output = input.to_vec();
    for_each_chunk(
        &mut output,
        PIXELS * channels,
        #[inline(always)]
        |_, output| {
            for pixel in output.chunks_exact_mut(channels) {
                channels_of.apply(pixel, floor);
            }
        },
    );
    let operation = Normalization {
        channels: channels_of,
        floor,
        input: map.clone(),
    };
    let device = Device::flex();
    let moved = |old: Tensor<1>, new: &[f32]| {
        let new = Tensor::<1>::from_floats(new, &device).mul_scalar(norm.momentum);
        Tensor::from_inner(old.inner().mul_scalar(1.0 - norm.momentum) + new)
    };
    norm.running_mean.update(moved(norm.running_mean.value_sync(), &mean));
    norm.running_var.update(moved(norm.running_var.value_sync(), &variance));
    let shape = [batch, height, width, channels];
    let shapes = [shape.to_vec(), vec![channels], vec![channels]];
    map_of(record(
        operation,
        [input_node, gamma_node, beta_node],
        shapes,
        output,
        shape,
    ))
}

/// What the channels are normalized by, `[channels]` each.
#[derive(Clone, Debug)]
struct Channels {
    mean: Vec<f32>,
    /// Inverse of the standard deviation.
    scale: Vec<f32>,
    /// The output is the input times this,
    factor: Vec<f32>,
    /// and this.
    shift: Vec<f32>,
}

impl Channels {
    fn of(mean: &[f32], variance: &[f32], epsilon: f32, gain: &[f32], offset: &[f32]) -> Self {
        let scale: Vec<f32> = variance
            .iter()
            .map(|variance| 1.0 / (variance + epsilon).sqrt())
            .collect();
        let factor: Vec<f32> = scale.iter().zip(gain).map(|(scale, gain)| scale * gain).collect();
        let shift = offset.iter().zip(mean.iter().zip(&factor));
        Self {
            mean: mean.to_vec(),
            shift: shift.map(|(offset, (mean, factor))| offset - mean * factor).collect(),
            scale,
            factor,
        }
    }

    /// Turns a pixel into its output.
    #[inline(always)]
    fn apply(&self, pixel: &mut [f32], floor: f32) {
        let count = pixel.len();
        let (factor, shift) = (&self.factor[..count], &self.shift[..count]);
        for c in 0..count {
            pixel[c] = (pixel[c] * factor[c] + shift[c]).max(floor);
        }
    }

    /// Adds a pixel's gradient, where its output is above `floor`, to `betas`, and its product with the normalized input to `gammas`.
    #[inline(always)]
    fn add_sums(&self, [betas, gammas]: [&mut [f32]; 2], gradient: &[f32], input: &[f32], floor: f32) {
        let count = betas.len();
        let (gammas, gradient, input) = (&mut gammas[..count], &gradient[..count], &input[..count]);
        let [mean, scale, factor, shift] = self.all(count);
        for c in 0..count {
            let passed = if input[c] * factor[c] + shift[c] > floor {
                gradient[c]
            } else {
                0.0
            };
            betas[c] += passed;
            gammas[c] += passed * (input[c] - mean[c]) * scale[c];
        }
    }

    /// Turns a pixel's gradient into that of its input; `betas` and `gammas` are means over all pixels.
    #[inline(always)]
    fn turn_back(&self, gradient: &mut [f32], input: &[f32], [betas, gammas]: [&[f32]; 2], floor: f32) {
        let count = gradient.len();
        let (betas, gammas, input) = (&betas[..count], &gammas[..count], &input[..count]);
        let [mean, scale, factor, shift] = self.all(count);
        for c in 0..count {
            let passed = if input[c] * factor[c] + shift[c] > floor {
                gradient[c]
            } else {
                0.0
            };
            let normalized = (input[c] - mean[c]) * scale[c];
            gradient[c] = (passed - betas[c] - normalized * gammas[c]) * factor[c];
        }
    }

    /// All arrays, whose length the compiler then knows.
    #[inline(always)]
    fn all(&self, count: usize) -> [&[f32]; 4] {
        [&self.mean, &self.scale, &self.factor, &self.shift].map(|values| &values[..count])
    }
}

#[derive(Clone, Debug)]
struct Normalization {
    input: Values,
    channels: Channels,
    /// Values below it were raised to it.
    floor: f32,
}

impl Operation<3> for Normalization {
    fn backward(self, gradient: &[f32], _: [bool; 3]) -> [Vec<f32>; 3] {
        let Self { input, channels, floor } = &self;
        let (input, floor, count) = (input.all(), *floor, channels.mean.len());
        let parts: Vec<_> = gradient
            .chunks(PIXELS * count)
            .zip(input.chunks(PIXELS * count))
            .collect();
        let sums = map_each(
            &parts,
            #[inline(always)]
            |(gradient, input)| {
                let mut sums = vec![0.0; 2 * count];
                let (betas, gammas) = sums.split_at_mut(count);
                for (gradient, input) in gradient.chunks_exact(count).zip(input.chunks_exact(count)) {
                    channels.add_sums([betas, gammas], gradient, input, floor);
                }
                sums
            },
        );
        let sums = sum_of_parts(&sums.concat(), 2 * count);
        let pixels = (gradient.len() / count) as f32;
        let means: Vec<f32> = sums.iter().map(|sum| sum / pixels).collect();
        let mut inputs = gradient.to_vec();
        for_each_chunk(
            &mut inputs,
            PIXELS * count,
            #[inline(always)]
            |part, output| {
                let input = &input[part * PIXELS * count..];
                let (betas, gammas) = means.split_at(count);
                for (output, input) in output.chunks_exact_mut(count).zip(input.chunks_exact(count)) {
                    channels.turn_back(output, input, [betas, gammas], floor);
                }
            },
        );
        let (betas, gammas) = sums.split_at(count);
        [inputs, gammas.to_vec(), betas.to_vec()]
    }
}
