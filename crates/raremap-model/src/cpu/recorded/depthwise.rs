//! Depthwise convolution, bias and GELU.

use burn::tensor::Tensor;

use super::{Operation, parts_of, record, sum_of_parts};
use crate::cpu::depthwise::{TAPS, by_tap, convolve_line, line_of};
use crate::cpu::elementary::{gelu, gelu_backward};
use crate::cpu::{Values, add, for_each_chunk, for_each_pair};

/// Lines of a part, and channels whose sums stay in registers.
const LINES: usize = 16;
const LANES: usize = 8;

/// As [`crate::cpu::depthwise_gelu`].
pub(in crate::cpu) fn depthwise_gelu(
    tokens: Tensor<3>,
    grid: [usize; 2],
    weight: Tensor<4>,
    bias: Tensor<1>,
) -> Tensor<3> {
    let (shape, weight_shape) = (tokens.dims(), weight.dims());
    let [.., channels] = shape;
    let [height, width] = grid;
    let (tokens, input_node) = parts_of(tokens);
    let (weight, weight_node) = parts_of(weight);
    let (offsets, bias_node) = parts_of(bias);
    let (input, bias) = (tokens.all(), offsets.all());
    let weight = by_tap(weight.all(), channels);
    let (mut sums, mut output) = (vec![0.0; input.len()], vec![0.0; input.len()]);
    let line = width * channels;
    for_each_pair(
        &mut sums,
        line,
        &mut output,
        line,
        #[inline(always)]
        |index, sums, output| {
            convolve_line(sums, line_of(input, index, line, height), &weight, Some(bias));
            output.copy_from_slice(sums);
            gelu(output);
        },
    );
    let nodes = [input_node, weight_node, bias_node];
    let shapes = [shape.to_vec(), weight_shape.to_vec(), vec![channels]];
    let operation = DepthwiseGelu {
        input: tokens,
        weight,
        sums,
        grid,
    };
    record(operation, nodes, shapes, output, shape)
}

#[derive(Clone, Debug)]
struct DepthwiseGelu {
    input: Values,
    /// `[3 * 3, channels]`
    weight: Vec<f32>,
    /// GELU's input.
    sums: Vec<f32>,
    grid: [usize; 2],
}

impl Operation<3> for DepthwiseGelu {
    fn backward(self, gradient: &[f32], [wants_input, ..]: [bool; 3]) -> [Vec<f32>; 3] {
        let Self {
            input: tokens,
            weight,
            mut sums,
            grid: [height, width],
        } = self;
        let input = tokens.all();
        let channels = weight.len() / TAPS;
        let line = width * channels;
        for_each_chunk(
            &mut sums,
            line,
            #[inline(always)]
            |index, sums| {
                gelu_backward(sums, &gradient[index * line..]);
            },
        );
        let mut inputs = Vec::new();
        if wants_input {
            // The same convolution with the kernel rotated by 180 degrees.
            let rotated: Vec<f32> = weight.rchunks_exact(channels).flatten().copied().collect();
            inputs = vec![0.0; sums.len()];
            for_each_chunk(
                &mut inputs,
                line,
                #[inline(always)]
                |index, inputs| {
                    convolve_line(inputs, line_of(&sums, index, line, height), &rotated, None);
                },
            );
        }
        let lines = sums.len() / line;
        let row = (TAPS + 1) * channels;
        let mut parts = vec![0.0; lines.div_ceil(LINES) * row];
        for_each_chunk(
            &mut parts,
            row,
            #[inline(always)]
            |part, found| {
                for index in (part * LINES..).take(LINES).take_while(|index| *index < lines) {
                    let gradient = &sums[index * line..(index + 1) * line];
                    add_line(found, gradient, line_of(input, index, line, height), channels);
                }
            },
        );
        let mut found = sum_of_parts(&parts, row);
        let bias = found.split_off(TAPS * channels);
        // [3 * 3, channels] to [channels, 1, 3, 3]
        let weight = (0..channels).flat_map(|channel| (0..TAPS).map(move |tap| tap * channels + channel));
        [inputs, weight.map(|index| found[index]).collect(), bias]
    }
}

/// Adds a line's part of the gradients of weights and bias to `found`, `[3 * 3 + 1, channels]`.
#[inline(always)]
fn add_line(found: &mut [f32], gradient: &[f32], rows: [Option<&[f32]>; 3], channels: usize) {
    let (weight, bias) = found.split_at_mut(TAPS * channels);
    for pixel in gradient.chunks_exact(channels) {
        add(bias, pixel);
    }
    let width = gradient.len() / channels;
    for (row, weight) in rows.iter().zip(weight.chunks_exact_mut(3 * channels)) {
        let Some(row) = row else { continue };
        for (tap, weight) in weight.chunks_exact_mut(channels).enumerate() {
            // Columns whose tap is not padding.
            let columns = 1usize.saturating_sub(tap)..width.min(width + 1 - tap);
            if columns.is_empty() {
                continue;
            }
            let gradient = &gradient[columns.start * channels..columns.end * channels];
            let values = &row[(columns.start + tap - 1) * channels..];
            let whole = channels / LANES * LANES;
            for first in (0..whole).step_by(LANES) {
                add_sums_of_products::<LANES>(&mut weight[first..], &gradient[first..], &values[first..], channels);
            }
            for channel in whole..channels {
                add_sums_of_products::<1>(
                    &mut weight[channel..],
                    &gradient[channel..],
                    &values[channel..],
                    channels,
                );
            }
        }
    }
}

/// Adds the products of `one` and `other`, summed over rows of `channels` numbers, to the first `N` values of `sums`.
#[inline(always)]
fn add_sums_of_products<const N: usize>(sums: &mut [f32], one: &[f32], other: &[f32], channels: usize) {
    let mut products = [0.0; N];
    for (one, other) in one.chunks(channels).zip(other.chunks(channels)) {
        if let (Some(one), Some(other)) = (one.first_chunk::<N>(), other.first_chunk::<N>()) {
            for lane in 0..N {
                products[lane] += one[lane] * other[lane];
            }
        }
    }
    for lane in 0..N {
        sums[lane] += products[lane];
    }
}
