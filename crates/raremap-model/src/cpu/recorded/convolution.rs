//! Dense convolution, without the matrix of patches.

use std::borrow::Cow;

use burn::tensor::Tensor;

use super::{Operation, Values, add, map_of, parts_of, record, sum_of_parts, sum_of_rows};
use crate::cpu::{for_each_chunk, map_each};
use crate::cpu::panels::{Panels, add_outer_products, add_products};

/// Lines of a part, over whose pixels gradients are summed: at least `LINES`, and more where there would be more than `PARTS` parts.
const LINES: usize = 8;
const PARTS: usize = 32;

/// How the lines of a convolution's output lie over those of its input.
#[derive(Clone, Copy, Debug)]
struct Shape {
    batch: usize,
    height: usize,
    width: usize,
    channels: usize,
    to: usize,
    kernel: usize,
    stride: usize,
    /// Height and width of the output.
    size: [usize; 2],
}

impl Shape {
    fn new([batch, height, width, channels]: [usize; 4], to: usize, kernel: usize, stride: usize) -> Self {
        Self {
            batch,
            height,
            width,
            channels,
            to,
            kernel,
            stride,
            size: [height.div_ceil(stride), width.div_ceil(stride)],
        }
    }

    fn padding(&self) -> usize {
        self.kernel / 2
    }

    /// Numbers of a line with padding.
    fn padded(&self) -> usize {
        (self.width + 2 * self.padding()) * self.channels
    }

    /// All lines of `input`, `[batch * h, w, channels]`, each with padding on both sides.
    fn pad<'a>(&self, input: &'a [f32]) -> Cow<'a, [f32]> {
        let (line, edge) = (self.width * self.channels, self.padding() * self.channels);
        if edge == 0 {
            return Cow::Borrowed(input);
        }
        let mut padded = vec![0.0; self.batch * self.height * self.padded()];
        for_each_chunk(
            &mut padded,
            self.padded(),
            #[inline(always)]
            |index, padded| {
                padded[edge..edge + line].copy_from_slice(&input[index * line..(index + 1) * line]);
            },
        );
        Cow::Owned(padded)
    }

    /// The padded line of the input that line `number` of the kernel lies on at line `index` of the output, if it lies within the image.
    fn line<'a>(&self, padded: &'a [f32], index: usize, number: usize) -> Option<&'a [f32]> {
        let (image, top) = (index / self.size[0], index % self.size[0] * self.stride);
        let row = (top + number)
            .checked_sub(self.padding())
            .filter(|row| *row < self.height)?;
        Some(&padded[(image * self.height + row) * self.padded()..][..self.padded()])
    }
}

/// Convolution with padding of half the kernel.
///
/// # Shapes
/// - `map`: `[batch, from, h, w]`
/// - `weight`: `[to, from, kernel, kernel]`
/// - `bias`: `[to]`
/// - output: `[batch, to, h / stride, w / stride]`, rounded up
pub(crate) fn convolve(map: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, stride: usize) -> Tensor<4> {
    let [batch, channels, height, width] = map.dims();
    let [to, from, kernel, _] = weight.dims();
    assert_eq!(from, channels, "the weights are not those of the map");
    let shape = Shape::new([batch, height, width, channels], to, kernel, stride);
    let (input, input_node) = parts_of(map.permute([0, 2, 3, 1]));
    // Numbers that are neighbours in a line of the input have weights that are neighbours.
    let (weight, weight_node) = parts_of(weight.permute([2, 3, 1, 0]));
    let bias = bias.map(parts_of);
    let offsets = bias.as_ref().map(|(bias, _)| bias.all());
    let output = product(&shape, &shape.pad(input.all()), weight.all(), offsets);
    let operation = Convolution { input, weight, shape };
    let input_shape = vec![batch, height, width, channels];
    let weight_shape = vec![kernel, kernel, from, to];
    let shape = [batch, shape.size[0], shape.size[1], to];
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

/// The output of a convolution of `padded` lines; `weight` is `[kernel, kernel, from, to]`.
fn product(shape: &Shape, padded: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let rows = shape.kernel * shape.channels;
    let panels: Vec<Panels> = weight
        .chunks_exact(rows * shape.to)
        .map(|line| Panels::of(line, shape.to))
        .collect();
    let line = shape.size[1] * shape.to;
    let mut output = vec![0.0; shape.batch * shape.size[0] * line];
    for_each_chunk(
        &mut output,
        line,
        #[inline(always)]
        |index, output| {
            if let Some(bias) = bias {
                for pixel in output.chunks_exact_mut(shape.to) {
                    pixel.copy_from_slice(bias);
                }
            }
            for (number, panels) in panels.iter().enumerate() {
                if let Some(input) = shape.line(padded, index, number) {
                    add_products(output, input, shape.stride * shape.channels, panels);
                }
            }
        },
    );
    output
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
        let inputs = wants_input.then(|| match self.shape.stride {
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
                        add_outer_products(sums, input, shape.stride * shape.channels, &gradient[index]);
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
        let shape = Shape::new([batch, height, width, to], channels, kernel, 1);
        product(&shape, &shape.pad(gradient), &rotated, None)
    }

    /// Each line of the map gathers from the lines of the output that it is part of.
    fn of_strided_input(&self, gradient: &[f32]) -> Vec<f32> {
        let shape = &self.shape;
        let rows = shape.kernel * shape.channels;
        // Of each line of the kernel, `[to, kernel * from]`.
        let lines = self.weight.all().chunks_exact(rows * shape.to);
        let transposed: Vec<Panels> = lines.map(|line| Panels::of_transposed(line, shape.to)).collect();
        let (line, edge) = (shape.width * shape.channels, shape.padding() * shape.channels);
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
                    let Some(top) = (row + shape.padding()).checked_sub(number) else {
                        continue;
                    };
                    if top % shape.stride != 0 || top / shape.stride >= shape.size[0] {
                        continue;
                    }
                    let index = image * shape.size[0] + top / shape.stride;
                    let gradient = &gradient[index * shape.size[1] * shape.to..][..shape.size[1] * shape.to];
                    patches.fill(0.0);
                    add_products(&mut patches, gradient, shape.to, transposed);
                    for (place, patch) in patches.chunks_exact(rows).enumerate() {
                        add(&mut padded[place * shape.stride * shape.channels..], patch);
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
