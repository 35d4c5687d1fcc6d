//! Layer norm.

use burn::tensor::Tensor;

use super::{Operation, parts_of, record, sum_of_parts};
use crate::cpu::layer_norm::{ROWS, normalized};
use crate::cpu::{Values, for_each_pair, sum};

/// Layer norm over the last axis (arXiv:1607.06450).
///
/// # Shapes
/// - `tokens`, output: `[batch, n, channels]`
/// - `gamma`, `beta`: `[channels]`
pub(crate) fn layer_norm(tokens: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<3> {
    let shape = tokens.dims();
    let [.., channels] = shape;
    let (tokens, input_node) = parts_of(tokens);
    let (gains, gamma_node) = parts_of(gamma);
    let (offsets, beta_node) = parts_of(beta);
    let (input, gamma, beta) = (tokens.all(), gains.all(), offsets.all());
    let (output, moments) = normalized(input, gamma, beta, epsilon);
    let nodes = [input_node, gamma_node, beta_node];
    let shapes = [shape.to_vec(), vec![channels], vec![channels]];
    let operation = LayerNorm {
        input: tokens,
        gamma: gains,
        moments,
    };
    record(operation, nodes, shapes, output, shape)
}

#[derive(Clone, Debug)]
struct LayerNorm {
    input: Values,
    gamma: Values,
    /// Mean, and inverse of the standard deviation, of each row.
    moments: Vec<[f32; 2]>,
}

impl Operation<3> for LayerNorm {
    fn backward(self, gradient: &[f32], _: [bool; 3]) -> [Vec<f32>; 3] {
        let (input, gamma) = (self.input.all(), self.gamma.all());
        let channels = gamma.len();
        let mut inputs = vec![0.0; gradient.len()];
        let parts = self.moments.len().div_ceil(ROWS);
        // Of gamma and of beta.
        let mut sums = vec![0.0; parts * 2 * channels];
        for_each_pair(
            &mut inputs,
            ROWS * channels,
            &mut sums,
            2 * channels,
            #[inline(always)]
            |part, inputs, sums| {
                let (gammas, betas) = sums.split_at_mut(channels);
                let from = part * ROWS * channels;
                let rows = inputs.chunks_exact_mut(channels).zip(&self.moments[part * ROWS..]);
                let rows = rows
                    .zip(gradient[from..].chunks_exact(channels))
                    .zip(input[from..].chunks_exact(channels));
                let mut scaled = vec![0.0; channels];
                let mut normalized = vec![0.0; channels];
                for (((output, &[mean, scale]), gradient), input) in rows {
                    let (output, gradient, input) =
                        (&mut output[..channels], &gradient[..channels], &input[..channels]);
                    let (scaled, normalized) = (&mut scaled[..channels], &mut normalized[..channels]);
                    let (gammas, betas, gamma) = (&mut gammas[..channels], &mut betas[..channels], &gamma[..channels]);
                    for c in 0..channels {
                        normalized[c] = (input[c] - mean) * scale;
                        scaled[c] = gradient[c] * gamma[c];
                        gammas[c] += gradient[c] * normalized[c];
                        betas[c] += gradient[c];
                    }
                    let mean = sum(channels, |c| scaled[c]) / channels as f32;
                    let slope = sum(channels, |c| scaled[c] * normalized[c]) / channels as f32;
                    for c in 0..channels {
                        output[c] = scale * (scaled[c] - mean - normalized[c] * slope);
                    }
                }
            },
        );
        let sums = sum_of_parts(&sums, 2 * channels);
        let (gammas, betas) = sums.split_at(channels);
        [inputs, gammas.to_vec(), betas.to_vec()]
    }
}
