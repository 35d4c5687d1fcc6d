//! A factor for each pixel.

use burn::tensor::Tensor;

use super::{Operation, Values, map_of, parts_of, record, sum};
use crate::cpu::{for_each_chunk, for_each_pair};

/// Pixels of a part.
const PIXELS: usize = 64;

/// Multiplies all channels of a pixel by its factor.
///
/// # Shapes
/// - `map`, output: `[batch, channels, h, w]`
/// - `factors`: `[batch, 1, h, w]`
pub(crate) fn scale(map: Tensor<4>, factors: Tensor<4>) -> Tensor<4> {
    let map = map.permute([0, 2, 3, 1]);
    let shape = map.dims();
    let [batch, height, width, channels] = shape;
    assert_eq!(factors.dims(), [batch, 1, height, width], "the factors are not those of the map");
    let (input, input_node) = parts_of(map);
    let (factors, factors_node) = parts_of(factors);
    let operation = Scale {
        input,
        factors,
        channels,
    };
    let output = operation.apply(operation.input.all());
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

impl Scale {
    /// `values`, of the map's shape, each times the pixel's factor.
    fn apply(&self, values: &[f32]) -> Vec<f32> {
        let (factors, channels) = (self.factors.all(), self.channels);
        let mut output = vec![0.0; values.len()];
        for_each_chunk(
            &mut output,
            PIXELS * channels,
            #[inline(always)]
            |part, output| {
                let pixels = values[part * PIXELS * channels..].chunks_exact(channels);
                let pixels = pixels.zip(&factors[part * PIXELS..]);
                for (output, (values, factor)) in output.chunks_exact_mut(channels).zip(pixels) {
                    for (output, value) in output.iter_mut().zip(values) {
                        *output = value * factor;
                    }
                }
            },
        );
        output
    }
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
