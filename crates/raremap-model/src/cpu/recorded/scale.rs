//! A factor for each pixel.

use burn::tensor::Tensor;

use super::{Operation, parts_of, record};
use crate::cpu::scale::scaled;
use crate::cpu::{Values, for_each_pair, map_of, nhwc_of, sum};

/// Pixels of a part.
const PIXELS: usize = 64;

/// As [`crate::cpu::scale`].
pub(in crate::cpu) fn scale(map: Tensor<4>, factors: Tensor<4>) -> Tensor<4> {
    let map = nhwc_of(map);
    let shape = map.dims();
    let [batch, height, width, channels] = shape;
    let (input, input_node) = parts_of(map);
    let (factors, factors_node) = parts_of(factors);
    let operation = Scale {
        input,
        factors,
        channels,
    };
    let output = scaled(operation.input.all(), operation.factors.all());
    let shapes = [shape.to_vec(), vec![batch, 1, height, width]];
    map_of(record(operation, [input_node, factors_node], shapes, output, shape))
}

#[derive(Clone, Debug)]
struct Scale {
    /// `[batch, h, w, channels]`
    input: Values,
    factors: Values,
    channels: usize,
}

impl Operation<2> for Scale {
    fn backward(self, gradient: &[f32], _: [bool; 2]) -> [Vec<f32>; 2] {
        let (input, factors, channels) = (self.input.all(), self.factors.all(), self.channels);
        let mut inputs = vec![0.0; gradient.len()];
        let mut of_factors = vec![0.0; factors.len()];
        for_each_pair(
            &mut inputs,
            PIXELS * channels,
            &mut of_factors,
            PIXELS,
            #[inline(always)]
            |part, inputs, of_factors| {
                let first = part * PIXELS * channels;
                for (index, of_factor) in of_factors.iter_mut().enumerate() {
                    let pixel = index * channels..(index + 1) * channels;
                    let gradient = &gradient[first..][pixel.clone()];
                    let input = &input[first..][pixel.clone()];
                    *of_factor = sum(channels, |channel| input[channel] * gradient[channel]);
                    let factor = factors[part * PIXELS + index];
                    for (output, gradient) in inputs[pixel].iter_mut().zip(gradient) {
                        *output = gradient * factor;
                    }
                }
            },
        );
        [inputs, of_factors]
    }
}
