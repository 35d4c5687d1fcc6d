//! Batch norm in training, and ReLU.

use burn::nn::BatchNorm;
use burn::tensor::Tensor;

use super::{Operation, ROWS, parts_of, record, sum_of_parts, sum_of_rows, sum_over_rows};
use crate::cpu::{Values, for_each_chunk, map_each, map_of, nhwc_of};

/// Batch norm by the batch's own mean and variance (arXiv:1502.03167), which move those of `norm`, and ReLU if it is wanted.
///
/// # Shapes
/// - `map`, output: `[batch, channels, h, w]`
pub(crate) fn batch_norm(norm: &BatchNorm, map: Tensor<4>, relu: bool) -> Tensor<4> {
    let [batch, channels, height, width] = map.dims();
    let (map, input_node) = parts_of(nhwc_of(map));
    let (gains, gamma_node) = parts_of(norm.gamma.val());
    let (offsets, beta_node) = parts_of(norm.beta.val());
    let input = map.all();
    let pixels = (input.len() / channels) as f32;
    let mean: Vec<f32> = sum_of_rows(input, channels).iter().map(|sum| sum / pixels).collect();
    let squares = sum_over_rows(
        input,
        channels,
        #[inline(always)]
        |sums, pixel| {
            for ((sum, value), mean) in sums.iter_mut().zip(pixel).zip(&mean) {
                *sum += (value - mean) * (value - mean);
            }
        },
    );
    let variance: Vec<f32> = squares.iter().map(|sum| sum / pixels).collect();
    let channels_of = Channels::of(&mean, &variance, norm.epsilon as f32, gains.all(), offsets.all());
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    let mut output = vec![0.0; input.len()];
    for_each_chunk(
        &mut output,
        ROWS * channels,
        #[inline(always)]
        |part, output| {
            let input = &input[part * ROWS * channels..];
            for (output, input) in output.chunks_exact_mut(channels).zip(input.chunks_exact(channels)) {
                channels_of.apply(output, input, floor);
            }
        },
    );
    let operation = Normalization {
        channels: channels_of,
        floor,
        input: map.clone(),
    };
    let moved = |old: Tensor<1>, new: &[f32]| {
        let old = old.inner();
        let new = Tensor::<1>::from_floats(new, &old.device()).mul_scalar(norm.momentum);
        Tensor::from_inner(old.mul_scalar(1.0 - norm.momentum) + new)
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
    /// The output is the input times this factor,
    factor: Vec<f32>,
    /// plus this shift.
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

    /// Computes a pixel's output.
    #[inline(always)]
    fn apply(&self, output: &mut [f32], input: &[f32], floor: f32) {
        let count = output.len();
        let input = &input[..count];
        let [_, _, factor, shift] = self.all(count);
        for c in 0..count {
            let value = input[c] * factor[c] + shift[c];
            // Not `max`, which would replace NaN by a number.
            output[c] = if value < floor { floor } else { value };
        }
    }

    /// Adds a pixel's gradient, where its output is above `floor`, to `betas`, and its product with the normalized input to `gammas`.
    #[inline(always)]
    fn add_sums(&self, [betas, gammas]: [&mut [f32]; 2], gradient: &[f32], input: &[f32], floor: f32) {
        let count = betas.len();
        let (gammas, gradient, input) = (&mut gammas[..count], &gradient[..count], &input[..count]);
        let [mean, scale, factor, shift] = self.all(count);
        for c in 0..count {
            let is_floor = input[c] * factor[c] + shift[c] <= floor;
            let passed = if is_floor { 0.0 } else { gradient[c] };
            betas[c] += passed;
            gammas[c] += passed * (input[c] - mean[c]) * scale[c];
        }
    }

    /// Computes the gradient of a pixel's input from its output's; `betas` and `gammas` are means over all pixels.
    #[inline(always)]
    fn turn_back(&self, inputs: &mut [f32], gradient: &[f32], input: &[f32], [betas, gammas]: [&[f32]; 2], floor: f32) {
        let count = inputs.len();
        let (gradient, input) = (&gradient[..count], &input[..count]);
        let (betas, gammas) = (&betas[..count], &gammas[..count]);
        let [mean, scale, factor, shift] = self.all(count);
        for c in 0..count {
            let is_floor = input[c] * factor[c] + shift[c] <= floor;
            let passed = if is_floor { 0.0 } else { gradient[c] };
            let normalized = (input[c] - mean[c]) * scale[c];
            inputs[c] = (passed - betas[c] - normalized * gammas[c]) * factor[c];
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
        let parts: Vec<_> = gradient.chunks(ROWS * count).zip(input.chunks(ROWS * count)).collect();
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
        let mut inputs = vec![0.0; gradient.len()];
        for_each_chunk(
            &mut inputs,
            ROWS * count,
            #[inline(always)]
            |part, inputs| {
                let from = part * ROWS * count;
                let (betas, gammas) = means.split_at(count);
                let pixels = gradient[from..]
                    .chunks_exact(count)
                    .zip(input[from..].chunks_exact(count));
                for (inputs, (gradient, input)) in inputs.chunks_exact_mut(count).zip(pixels) {
                    channels.turn_back(inputs, gradient, input, [betas, gammas], floor);
                }
            },
        );
        let (betas, gammas) = sums.split_at(count);
        [inputs, gammas.to_vec(), betas.to_vec()]
    }
}
