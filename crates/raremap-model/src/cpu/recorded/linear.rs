//! Linear layers.

use burn::tensor::Tensor;

use super::{Operation, parts_of, record, sum_of_parts, sum_of_rows};
use crate::cpu::linear::{panels, product};
use crate::cpu::panels::{Panels, add_outer_products};
use crate::cpu::{Values, for_each_chunk, map_each};

/// Rows of a part, over which the gradients of weights are summed: `ROWS_OF_PART`, or a multiple of it where there would be more than `PARTS` parts.
const ROWS_OF_PART: usize = 256;
const PARTS: usize = 32;

/// As [`crate::cpu::linear`].
pub(in crate::cpu) fn linear(tokens: Tensor<3>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<3> {
    let [batch, count, _] = tokens.dims();
    let [from, to] = weight.dims();
    let (input, input_node) = parts_of(tokens);
    let (weight, weight_node) = parts_of(weight);
    let bias = bias.map(parts_of);
    let panels = panels(&weight, to, bias.as_ref().map(|(bias, _)| bias));
    let output = product(input.all(), &panels, [from, to]);
    let operation = Linear {
        input,
        weight,
        from,
        to,
    };
    let shape = [batch, count, to];
    let [inputs, weights] = [vec![batch, count, from], vec![from, to]];
    match bias {
        Some((_, bias_node)) => {
            let shapes = [inputs, weights, vec![to]];
            record(operation, [input_node, weight_node, bias_node], shapes, output, shape)
        }
        None => record(operation, [input_node, weight_node], [inputs, weights], output, shape),
    }
}

#[derive(Clone, Debug)]
struct Linear {
    /// `[batch, n, from]`
    input: Values,
    /// `[from, to]`
    weight: Values,
    from: usize,
    to: usize,
}

impl Linear {
    /// The gradients of tokens and weights.
    fn gradients(&self, gradient: &[f32], [wants_input, wants_weight]: [bool; 2]) -> [Vec<f32>; 2] {
        let &Self { from, to, .. } = self;
        let weights = wants_weight.then(|| self.of_weights(gradient));
        let inputs = wants_input.then(|| {
            let transposed = Panels::of_transposed(self.weight.all(), to);
            product(gradient, &transposed, [to, from])
        });
        [inputs.unwrap_or_default(), weights.unwrap_or_default()]
    }

    fn of_weights(&self, gradient: &[f32]) -> Vec<f32> {
        let &Self { from, to, .. } = self;
        let input = self.input.all();
        let blocks: Vec<&[f32]> = gradient.chunks(ROWS_OF_PART * to).collect();
        let blocks = map_each(&blocks, |block| Panels::of(block, to));
        let together = blocks.len().div_ceil(PARTS);
        let count = blocks.len().div_ceil(together);
        // There are not many rows in the deep stages: their weights are divided among the cores instead.
        let slices = if count < 4 && from % 4 == 0 { 4 } else { 1 };
        let rows = from / slices;
        let mut parts = vec![0.0; count * from * to];
        for_each_chunk(
            &mut parts,
            rows * to,
            #[inline(always)]
            |index, sums| {
                let (part, slice) = (index / slices, index % slices);
                let blocks = blocks.iter().enumerate().skip(part * together).take(together);
                for (block, panels) in blocks {
                    let input = &input[block * ROWS_OF_PART * from + slice * rows..];
                    add_outer_products(sums, input, from, panels);
                }
            },
        );
        if count == 1 {
            parts
        } else {
            sum_of_parts(&parts, from * to)
        }
    }
}

impl Operation<2> for Linear {
    fn backward(self, gradient: &[f32], wanted: [bool; 2]) -> [Vec<f32>; 2] {
        self.gradients(gradient, wanted)
    }
}

impl Operation<3> for Linear {
    fn backward(self, gradient: &[f32], [wants_input, wants_weight, wants_bias]: [bool; 3]) -> [Vec<f32>; 3] {
        let [inputs, weights] = self.gradients(gradient, [wants_input, wants_weight]);
        let bias = wants_bias.then(|| sum_of_rows(gradient, self.to));
        [inputs, weights, bias.unwrap_or_default()]
    }
}
