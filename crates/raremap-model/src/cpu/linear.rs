//! Linear layers.

use burn::tensor::Tensor;

use super::panels::{Panels, set_products};
use super::{Values, for_each_chunk, tensor_of};

/// Rows that are multiplied at a time, so that they stay in the cache.
const ROWS: usize = 32;

/// As [`super::linear`], of tensors of which burn records nothing.
pub(super) fn linear(tokens: Tensor<3>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<3> {
    let ([batch, count, _], device) = (tokens.dims(), tokens.device());
    let [from, to] = weight.dims();
    let (input, weight) = (Values::of(tokens), Values::of(weight));
    let panels = panels(&weight, to, bias.map(Values::of).as_ref());
    tensor_of(product(input.all(), &panels, [from, to]), [batch, count, to], &device)
}

/// The panels of `weight`, `[from, to]`, with `bias`, `[to]`.
pub(super) fn panels(weight: &Values, to: usize, bias: Option<&Values>) -> Panels {
    let panels = Panels::of(weight.all(), to);
    match bias {
        Some(bias) => panels.with_bias(bias.all()),
        None => panels,
    }
}

/// `[n, from]` times the matrix of `panels`, `[from, to]`, plus their bias.
pub(super) fn product(input: &[f32], panels: &Panels, [from, to]: [usize; 2]) -> Vec<f32> {
    let mut output = vec![0.0; input.len() / from * to];
    for_each_chunk(
        &mut output,
        ROWS * to,
        #[inline(always)]
        |index, output| set_products(output, &input[index * ROWS * from..], from, panels),
    );
    output
}
