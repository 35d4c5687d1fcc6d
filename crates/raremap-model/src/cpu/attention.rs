//! Attention in windows, without a matrix of scores: each group of queries is done with before the next one.

use burn::tensor::Tensor;

use super::elementary::exponentials;
use super::panels::{Panels, set_products};
use super::{Values, for_each_chunk, map_each, tensor_of};

/// Queries that are computed at a time, so that their scores stay in the cache.
const QUERIES: usize = 16;

/// How attention divides tokens and their channels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Heads, which divide the channels.
    pub(crate) count: usize,
    /// Rows and columns of the queries.
    pub(crate) grid: [usize; 2],
    /// Queries per key along each axis.
    pub(crate) ratio: usize,
    /// Queries along the edge of a window, a multiple of `ratio`; the last window along an axis may be smaller.
    pub(crate) window: usize,
}

/// As [`super::attention`], of tensors of which burn records nothing.
pub(super) fn attention(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: Heads) -> Tensor<3> {
    let (shape, device) = (query.dims(), query.device());
    let ([batch, _, dim], [height, width]) = (shape, heads.grid);
    let keys = [height / heads.ratio, width / heads.ratio];
    let [query, key, value] = [query, key, value].map(Values::of);
    let [query, key, value] = [&query, &key, &value].map(Values::all);
    let windows = |edge: usize| {
        (0..edge)
            .step_by(heads.window)
            .map(move |first| first..edge.min(first + heads.window))
    };
    let across = windows(width).count();
    // The keys of each window, of all images.
    let mut places = Vec::with_capacity(batch * windows(height).count() * across);
    for image in 0..batch {
        for rows in windows(height) {
            for columns in windows(width) {
                let of_keys = |range: &std::ops::Range<usize>| range.start / heads.ratio..range.end / heads.ratio;
                let lines = of_keys(&rows).map(|row| (image * keys[0] + row) * keys[1]);
                let tokens: Vec<usize> = lines
                    .flat_map(|line| of_keys(&columns).map(move |column| line + column))
                    .collect();
                places.push(tokens);
            }
        }
    }
    let contexts = map_each(
        &places,
        #[inline(always)]
        |places| Context::of(key, value, places, dim, heads.count),
    );
    let down = windows(height).count();
    let mut output = vec![0.0; query.len()];
    for_each_chunk(
        &mut output,
        width * dim,
        #[inline(always)]
        |line, output| {
            let query = &query[line * width * dim..(line + 1) * width * dim];
            let row = line / height * down + line % height / heads.window;
            for (context, columns) in contexts[row * across..].iter().zip(windows(width)) {
                let part = columns.start * dim..columns.end * dim;
                context.attend(&query[part.clone()], &mut output[part]);
            }
        },
    );
    tensor_of(output, shape, &device)
}

/// The keys and values of a window, by head.
struct Context {
    /// `[head_dim, keys]`, times the scale of the scores.
    keys: Vec<Panels>,
    /// `[keys, head_dim]`
    values: Vec<Panels>,
    count: usize,
    head_dim: usize,
}

impl Context {
    fn of(key: &[f32], value: &[f32], places: &[usize], dim: usize, heads: usize) -> Self {
        let head_dim = dim / heads;
        let scale = (head_dim as f32).powf(-0.5);
        let gather = |tokens: &[f32], head: usize, scale: f32| -> Vec<f32> {
            let of = |place: &usize| &tokens[place * dim + head * head_dim..][..head_dim];
            places.iter().flat_map(of).map(|value| value * scale).collect()
        };
        let keys = (0..heads).map(|head| Panels::of_transposed(&gather(key, head, scale), head_dim));
        let values = (0..heads).map(|head| Panels::of(&gather(value, head, 1.0), head_dim));
        Self {
            keys: keys.collect(),
            values: values.collect(),
            count: places.len(),
            head_dim,
        }
    }

    /// Attention of consecutive tokens, `[tokens, dim]`.
    #[inline(always)]
    fn attend(&self, query: &[f32], output: &mut [f32]) {
        let (count, head_dim) = (self.count, self.head_dim);
        let dim = self.keys.len() * head_dim;
        // Of a group of queries: `[QUERIES, keys]` and `[QUERIES, head_dim]`.
        let (mut scores, mut mixed) = (vec![0.0; QUERIES * count], vec![0.0; QUERIES * head_dim]);
        for (query, output) in query.chunks(QUERIES * dim).zip(output.chunks_mut(QUERIES * dim)) {
            let tokens = query.len() / dim;
            let (scores, mixed) = (&mut scores[..tokens * count], &mut mixed[..tokens * head_dim]);
            for (head, (keys, values)) in self.keys.iter().zip(&self.values).enumerate() {
                let first = head * head_dim;
                set_products(scores, &query[first..], dim, keys);
                let mut sums = [0.0; QUERIES];
                for (scores, sum) in scores.chunks_exact_mut(count).zip(&mut sums) {
                    *sum = exponentials(scores);
                }
                set_products(mixed, scores, count, values);
                let outputs = output.chunks_exact_mut(dim).zip(mixed.chunks_exact(head_dim));
                for ((output, mixed), sum) in outputs.zip(sums) {
                    for (output, mixed) in output[first..][..head_dim].iter_mut().zip(mixed) {
                        *output = mixed / sum;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::softmax as burn_softmax;
    use burn::tensor::{Device, Distribution};

    use super::super::floats;
    use super::*;

    /// The same by burn's operations, of one window.
    fn composed(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: usize) -> Tensor<3> {
        let [batch, count, dim] = query.dims();
        let head_dim = dim / heads;
        let split = |x: Tensor<3>| {
            let [_, n, _] = x.dims();
            x.reshape([batch, n, heads, head_dim]).swap_dims(1, 2)
        };
        let scores = split(query).matmul(split(key).swap_dims(2, 3));
        let shares = burn_softmax(scores.mul_scalar((head_dim as f64).powf(-0.5)), 3);
        shares.matmul(split(value)).swap_dims(1, 2).reshape([batch, count, dim])
    }

    #[test]
    fn attention_in_windows_is_burns_in_each_window() {
        let device = Device::flex();
        for (seed, (grid, ratio, window, count, head_dim)) in [
            ([1, 1], 1, 1, 1, 1),
            ([4, 4], 2, 4, 2, 5),
            ([8, 12], 2, 4, 1, 24),
            ([6, 10], 2, 4, 5, 20),
            ([8, 24], 8, 16, 1, 24),
            ([16, 8], 1, 16, 8, 32),
            ([2, 6], 1, 2, 3, 9),
        ]
        .into_iter()
        .enumerate()
        {
            device.seed(seed as u64);
            let (dim, batch) = (count * head_dim, 2);
            let [rows, columns] = grid;
            let random = |tokens| Tensor::<3>::random([batch, tokens, dim], Distribution::Normal(0.0, 1.5), &device);
            let query = random(rows * columns);
            let [key, value] = [0, 1].map(|_| random(rows / ratio * (columns / ratio)));
            let heads = Heads {
                count,
                grid,
                ratio,
                window,
            };
            let ours = attention(query.clone(), key.clone(), value.clone(), heads);
            for top in (0..rows).step_by(window) {
                for left in (0..columns).step_by(window) {
                    let part = |tokens: &Tensor<3>, ratio: usize| {
                        let (top, left) = (top / ratio, left / ratio);
                        let (high, wide) = (
                            window.min(rows - top * ratio) / ratio,
                            window.min(columns - left * ratio) / ratio,
                        );
                        let map = tokens.clone().reshape([batch, rows / ratio, columns / ratio, dim]);
                        map.slice([0..batch, top..top + high, left..left + wide, 0..dim])
                            .reshape([batch, high * wide, dim])
                    };
                    let expected = composed(part(&query, 1), part(&key, ratio), part(&value, ratio), count);
                    let difference = (part(&ours, 1) - expected).abs().max().into_scalar::<f32>();
                    assert!(
                        difference < 5e-6,
                        "{difference} in the window at {top}, {left} of {heads:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn large_scores_stay_finite() {
        let device = Device::flex();
        let query = Tensor::<3>::from_data([[[1e4, 0.0], [-1e4, 0.0]]], &device);
        let value = Tensor::<3>::from_data([[[1.0, 2.0], [3.0, 4.0]]], &device);
        let heads = Heads {
            count: 1,
            grid: [1, 2],
            ratio: 1,
            window: 2,
        };
        let mixed = attention(query.clone(), query, value, heads);
        assert_eq!(
            floats(mixed),
            [1.0, 2.0, 3.0, 4.0],
            "each query is nearest to its own key"
        );
    }
}
