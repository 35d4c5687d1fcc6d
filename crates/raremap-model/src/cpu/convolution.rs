//! Dense convolution of maps whose channels lie together, without the matrix of patches, which has a copy of the map for each tap of the kernel.

use std::borrow::Cow;

use burn::tensor::Tensor;

use super::panels::{Panels, add_products};
use super::{Values, for_each_chunk, map_of, nhwc_of, tensor_of};

/// How a kernel moves over a map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    /// Pixels of the input from one pixel of the output to the next, along each axis.
    pub(crate) stride: usize,
    /// Zeros on each side of the input.
    pub(crate) padding: usize,
}

/// How the lines of a convolution's output lie over those of its input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) batch: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) to: usize,
    pub(super) kernel: usize,
    pub(super) steps: Steps,
    /// Height and width of the output.
    pub(super) size: [usize; 2],
}

impl Shape {
    /// Of a map, `[batch, from, h, w]`, and weights, `[to, from, kernel, kernel]`.
    ///
    /// # Panics
    /// If the channels are not the same, or if the kernel is larger than the map with its padding.
    pub(super) fn of(map: &Tensor<4>, weight: &Tensor<4>, steps: Steps) -> Self {
        let [batch, channels, height, width] = map.dims();
        let [to, from, kernel, _] = weight.dims();
        assert_eq!(from, channels, "the weights are not those of the map");
        Self::new([batch, height, width, channels], to, kernel, steps)
    }

    pub(super) fn new([batch, height, width, channels]: [usize; 4], to: usize, kernel: usize, steps: Steps) -> Self {
        let size = [height, width].map(|edge| {
            let room = (edge + 2 * steps.padding).checked_sub(kernel);
            room.expect("the kernel is larger than the map") / steps.stride + 1
        });
        Self {
            batch,
            height,
            width,
            channels,
            to,
            kernel,
            steps,
            size,
        }
    }

    /// Of the output: `[batch, h, w, channels]`.
    pub(super) fn output(&self) -> [usize; 4] {
        let [height, width] = self.size;
        [self.batch, height, width, self.to]
    }

    /// Numbers of a line with padding.
    pub(super) fn padded(&self) -> usize {
        (self.width + 2 * self.steps.padding) * self.channels
    }

    /// Numbers from the input of one pixel of the output to that of the next.
    pub(super) fn step(&self) -> usize {
        self.steps.stride * self.channels
    }

    /// All lines of `input`, `[batch * h, w, channels]`, each with padding on both sides.
    pub(super) fn pad<'a>(&self, input: &'a [f32]) -> Cow<'a, [f32]> {
        let (line, edge) = (self.width * self.channels, self.steps.padding * self.channels);
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
    pub(super) fn line<'a>(&self, padded: &'a [f32], index: usize, number: usize) -> Option<&'a [f32]> {
        let (image, top) = (index / self.size[0], index % self.size[0] * self.steps.stride);
        let row = (top + number)
            .checked_sub(self.steps.padding)
            .filter(|row| *row < self.height)?;
        Some(&padded[(image * self.height + row) * self.padded()..][..self.padded()])
    }
}

/// As [`super::convolve`], of tensors of which burn records nothing, and then ReLU, if `relu`.
pub(super) fn convolve(
    map: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    steps: Steps,
    relu: bool,
) -> Tensor<4> {
    let shape = Shape::of(&map, &weight, steps);
    let device = map.device();
    let (input, weight) = (Values::of(nhwc_of(map)), Values::of(weight.permute(IN_LINES)));
    let bias = bias.map(Values::of);
    let output = product(
        &shape,
        &shape.pad(input.all()),
        weight.all(),
        bias.as_ref().map(Values::all),
        relu,
    );
    map_of(tensor_of(output, shape.output(), &device))
}

/// `[to, from, kernel, kernel]` as `[kernel, kernel, from, to]`: numbers that are neighbours in a line of the input have weights that are neighbours.
pub(super) const IN_LINES: [usize; 4] = [2, 3, 1, 0];
/// The inverse.
pub(super) const FROM_LINES: [usize; 4] = [3, 2, 0, 1];

/// The output of a convolution of `padded` lines; `weight` is `[kernel, kernel, from, to]`.
pub(super) fn product(shape: &Shape, padded: &[f32], weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Vec<f32> {
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
                    add_products(output, input, shape.step(), panels);
                }
            }
            if relu {
                super::relu(output);
            }
        },
    );
    output
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::relu as burn_relu;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn a_convolution_is_burns() {
        let device = Device::flex();
        for (seed, ([batch, from, height, width], to, kernel, stride, padding)) in [
            ([1, 1, 1, 1], 1, 3, 1, 1),
            ([2, 3, 7, 5], 4, 3, 2, 1),
            ([1, 8, 16, 16], 24, 3, 1, 1),
            ([1, 24, 9, 17], 24, 3, 2, 1),
            ([3, 5, 2, 33], 7, 1, 1, 0),
            ([1, 3, 31, 8], 9, 7, 4, 3),
            ([2, 6, 8, 12], 6, 4, 4, 0),
            ([1, 5, 9, 7], 5, 2, 2, 0),
        ]
        .into_iter()
        .enumerate()
        {
            device.seed(seed as u64);
            let random = |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
            let (map, weight) = (random([batch, from, height, width]), random([to, from, kernel, kernel]));
            let bias = random([1, 1, 1, to]).reshape([to]);
            for (bias, relu) in [(Some(bias), true), (None, false)] {
                let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
                let composed = conv2d(map.clone(), weight.clone(), bias.clone(), options);
                let composed = if relu { burn_relu(composed) } else { composed };
                let ours = convolve(map.clone(), weight.clone(), bias, Steps { stride, padding }, relu);
                assert_eq!(ours.dims(), composed.dims());
                let range = composed.clone().abs().max().into_scalar::<f32>();
                let difference = (ours - composed).abs().max().into_scalar::<f32>();
                assert!(
                    difference <= 2e-6 * range.max(1.0),
                    "{difference} of {range} for {batch} x {from} x {height} x {width} to {to}, stride {stride}"
                );
            }
        }
    }
}
