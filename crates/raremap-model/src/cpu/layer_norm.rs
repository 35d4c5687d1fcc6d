//! Layer norm.

use burn::tensor::Tensor;

use super::{Values, for_each_pair, sum, tensor_of};

/// Rows of a part.
pub(super) const ROWS: usize = 512;

/// As [`super::layer_norm`], of tensors of which burn records nothing.
pub(super) fn layer_norm(tokens: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<3> {
    let (shape, device) = (tokens.dims(), tokens.device());
    let [tokens, gamma, beta] = [Values::of(tokens), Values::of(gamma), Values::of(beta)];
    let (output, _) = normalized(tokens.all(), gamma.all(), beta.all(), epsilon);
    tensor_of(output, shape, &device)
}

/// The norm of `input`, `[rows, channels]`, and the mean and the inverse of the standard deviation of each row.
pub(super) fn normalized(input: &[f32], gamma: &[f32], beta: &[f32], epsilon: f64) -> (Vec<f32>, Vec<[f32; 2]>) {
    let channels = gamma.len();
    let mut output = vec![0.0; input.len()];
    let mut moments = vec![[0.0; 2]; input.len() / channels];
    for_each_pair(
        &mut output,
        ROWS * channels,
        &mut moments,
        ROWS,
        #[inline(always)]
        |part, output, moments| {
            let input = &input[part * ROWS * channels..];
            let rows = output.chunks_exact_mut(channels).zip(input.chunks_exact(channels));
            for ((output, input), moments) in rows.zip(moments) {
                let (input, gamma, beta) = (&input[..channels], &gamma[..channels], &beta[..channels]);
                let output = &mut output[..channels];
                let mean = sum(channels, |c| input[c]) / channels as f32;
                let variance = sum(channels, |c| (input[c] - mean) * (input[c] - mean)) / channels as f32;
                let scale = 1.0 / (variance + epsilon as f32).sqrt();
                *moments = [mean, scale];
                for c in 0..channels {
                    output[c] = (input[c] - mean) * scale * gamma[c] + beta[c];
                }
            }
        },
    );
    (output, moments)
}
