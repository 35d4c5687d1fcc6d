//! Dense convolution, without the matrix of patches.

use burn::tensor::Tensor;

use super::{Operation, parts_of, record, sum_of_parts, sum_of_rows};
use crate::cpu::convolution::{IN_LINES, Shape, Steps, product};
use crate::cpu::panels::{Panels, add_outer_products, add_products};
use crate::cpu::{Values, add, for_each_chunk, map_each, map_of, nhwc_of};

/// Lines of a part, over whose pixels gradients are summed: at least `LINES`, and more where there would be more than `PARTS` parts.
const LINES: usize = 8;
const PARTS: usize = 32;

/// As [`crate::cpu::convolve`].
pub(in crate::cpu) fn convolve(map: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, steps: Steps) -> Tensor<4> {
    let shape = Shape::of(&map, &weight, steps);
    let (input, input_node) = parts_of(nhwc_of(map));
    let (weight, weight_node) = parts_of(weight.permute(IN_LINES));
    let bias = bias.map(parts_of);
    let offsets = bias.as_ref().map(|(bias, _)| bias.all());
    let output = product(&shape, &shape.pad(input.all()), weight.all(), offsets, false);
    let operation = Convolution { input, weight, shape };
    let Shape {
        batch,
        height,
        width,
        channels,
        to,
        kernel,
        ..
    } = shape;
    let input_shape = vec![batch, height, width, channels];
    let weight_shape = vec![kernel, kernel, channels, to];
    let shape = shape.output();
    map_of(match bias {
        Some((_, bias_node)) => {
            let shapes = [input_shape, weight_shape, vec![to]];
            record(operation, [input_node, weight_node, bias_node], shapes, output, shape)
        }
        None => record(
            operation,
            [input_node, weight_node],
            [input_shape, weight_shape],
            output,
            shape,
        ),
    })
}

#[derive(Clone, Debug)]
struct Convolution {
    /// `[batch, h, w, from]`
    input: Values,
    /// `[kernel, kernel, from, to]`
    weight: Values,
    shape: Shape,
}

impl Convolution {
    /// The gradients of map and weights.
    fn gradients(&self, gradient: &[f32], [wants_input, wants_weight]: [bool; 2]) -> [Vec<f32>; 2] {
        let weights = wants_weight.then(|| self.of_weights(gradient));
        let inputs = wants_input.then(|| match self.shape.steps.stride {
            1 => self.of_input(gradient),
            _ => self.of_strided_input(gradient),
        });
        [inputs.unwrap_or_default(), weights.unwrap_or_default()]
    }

    fn of_weights(&self, gradient: &[f32]) -> Vec<f32> {
        let Self { input, shape, .. } = self;
        let padded = shape.pad(input.all());
        let len = shape.kernel * shape.channels * shape.to;
        let lines = shape.batch * shape.size[0];
        let gradient: Vec<&[f32]> = gradient.chunks_exact(shape.size[1] * shape.to).collect();
        let gradient = map_each(&gradient, |line| Panels::of(line, shape.to));
        let together = LINES.max(lines.div_ceil(PARTS));
        // Of each part, and in it of each line of the kernel.
        let mut parts = vec![0.0; lines.div_ceil(together) * shape.kernel * len];
        for_each_chunk(
            &mut parts,
            len,
            #[inline(always)]
            |index, sums| {
                let (part, number) = (index / shape.kernel, index % shape.kernel);
                for index in part * together..lines.min((part + 1) * together) {
                    if let Some(input) = shape.line(&padded, index, number) {
                        add_outer_products(sums, input, shape.step(), &gradient[index]);
                    }
                }
            },
        );
        sum_of_parts(&parts, shape.kernel * len)
    }

    /// At stride 1, the gradient of the map is the convolution of the output's with the kernel rotated by 180 degrees.
    fn of_input(&self, gradient: &[f32]) -> Vec<f32> {
        let Shape {
            batch,
            height,
            width,
            channels,
            to,
            kernel,
            steps,
            ..
        } = self.shape;
        let weight = self.weight.all();
        let mut rotated = vec![0.0; weight.len()];
        for (tap, rotated) in rotated.chunks_exact_mut(channels * to).enumerate() {
            let tap = kernel * kernel - 1 - tap;
            let weight = &weight[tap * channels * to..(tap + 1) * channels * to];
            for (index, rotated) in rotated.iter_mut().enumerate() {
                *rotated = weight[index % channels * to + index / channels];
            }
        }
        let [of_height, of_width] = self.shape.size;
        let around = Steps {
            stride: 1,
            padding: kernel - 1 - steps.padding,
        };
        let shape = Shape::new([batch, of_height, of_width, to], channels, kernel, around);
        assert_eq!(shape.size, [height, width], "the map of which this is the gradient");
        product(&shape, &shape.pad(gradient), &rotated, None, false)
    }

    /// Each line of the map gathers from the lines of the output that it is part of.
    fn of_strided_input(&self, gradient: &[f32]) -> Vec<f32> {
        let shape = &self.shape;
        let rows = shape.kernel * shape.channels;
        // Of each line of the kernel, `[to, kernel * from]`.
        let lines = self.weight.all().chunks_exact(rows * shape.to);
        let transposed: Vec<Panels> = lines.map(|line| Panels::of_transposed(line, shape.to)).collect();
        let (line, edge) = (shape.width * shape.channels, shape.steps.padding * shape.channels);
        let mut inputs = vec![0.0; shape.batch * shape.height * line];
        for_each_chunk(
            &mut inputs,
            line,
            #[inline(always)]
            |index, inputs| {
                let (image, row) = (index / shape.height, index % shape.height);
                let mut padded = vec![0.0; shape.padded()];
                let mut patches = vec![0.0; shape.size[1] * rows];
                for (number, transposed) in transposed.iter().enumerate() {
                    let Some(top) = (row + shape.steps.padding).checked_sub(number) else {
                        continue;
                    };
                    if top % shape.steps.stride != 0 || top / shape.steps.stride >= shape.size[0] {
                        continue;
                    }
                    let index = image * shape.size[0] + top / shape.steps.stride;
                    let gradient = &gradient[index * shape.size[1] * shape.to..][..shape.size[1] * shape.to];
                    patches.fill(0.0);
                    add_products(&mut patches, gradient, shape.to, transposed);
                    for (place, patch) in patches.chunks_exact(rows).enumerate() {
                        add(&mut padded[place * shape.step()..], patch);
                    }
                }
                inputs.copy_from_slice(&padded[edge..edge + line]);
            },
        );
        inputs
    }
}

impl Operation<2> for Convolution {
    fn backward(self, gradient: &[f32], wanted: [bool; 2]) -> [Vec<f32>; 2] {
        self.gradients(gradient, wanted)
    }
}

impl Operation<3> for Convolution {
    fn backward(self, gradient: &[f32], [wants_input, wants_weight, wants_bias]: [bool; 3]) -> [Vec<f32>; 3] {
        let [inputs, weights] = self.gradients(gradient, [wants_input, wants_weight]);
        let bias = wants_bias.then(|| sum_of_rows(gradient, self.shape.to));
        [inputs, weights, bias.unwrap_or_default()]
    }
}
