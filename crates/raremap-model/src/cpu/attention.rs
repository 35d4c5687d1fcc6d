//! Attention in windows, without a matrix of scores: each group of queries is done with before the next one.

use burn::tensor::Tensor;

use super::elementary::exp;
use super::{Values, for_each_chunk, tensor_of};

/// Queries, and keys or channels, that are computed at a time: their sums stay in vector registers.
const QUERIES: usize = 4;
const LANES: usize = 8;

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
    let mut contexts = Vec::with_capacity(batch * windows(height).count() * across);
    let image = keys[0] * keys[1] * dim;
    for (key, value) in key.chunks_exact(image).zip(value.chunks_exact(image)) {
        for rows in windows(height) {
            for columns in windows(width) {
                let of_keys = |range: &std::ops::Range<usize>| range.start / heads.ratio..range.end / heads.ratio;
                let places: Vec<usize> = of_keys(&rows)
                    .flat_map(|row| of_keys(&columns).map(move |column| row * keys[1] + column))
                    .collect();
                contexts.push(Context::of(key, value, &places, dim, heads.count));
            }
        }
    }
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

/// The keys and values of a window.
struct Context {
    /// `[heads, head_dim, keys]`, where `keys` is filled up to whole [`LANES`] with zeros.
    keys: Vec<f32>,
    /// `[heads, keys, head_dim]`, where `head_dim` is filled up to whole [`LANES`] with zeros.
    values: Vec<f32>,
    count: usize,
    heads: usize,
    head_dim: usize,
}

impl Context {
    fn of(key: &[f32], value: &[f32], places: &[usize], dim: usize, heads: usize) -> Self {
        let (count, head_dim) = (places.len(), dim / heads);
        let (long, wide) = (count.next_multiple_of(LANES), head_dim.next_multiple_of(LANES));
        let (mut keys, mut values) = (vec![0.0; heads * head_dim * long], vec![0.0; heads * count * wide]);
        for (index, place) in places.iter().enumerate() {
            let token = place * dim..(place + 1) * dim;
            for (channel, &key) in key[token.clone()].iter().enumerate() {
                keys[channel * long + index] = key;
            }
            for (head, value) in value[token].chunks_exact(head_dim).enumerate() {
                values[(head * count + index) * wide..][..head_dim].copy_from_slice(value);
            }
        }
        Self {
            keys,
            values,
            count,
            heads,
            head_dim,
        }
    }

    /// Attention of consecutive tokens, `[tokens, dim]`.
    #[inline(always)]
    fn attend(&self, query: &[f32], output: &mut [f32]) {
        let dim = self.heads * self.head_dim;
        let (long, wide) = (
            self.count.next_multiple_of(LANES),
            self.head_dim.next_multiple_of(LANES),
        );
        let scale = (self.head_dim as f32).powf(-0.5);
        // Of a group of queries: `[head_dim, QUERIES]` and `[keys, QUERIES]`.
        let mut queries = vec![[0.0; QUERIES]; self.head_dim];
        let mut shares = vec![[0.0; QUERIES]; long];
        for (query, output) in query.chunks(QUERIES * dim).zip(output.chunks_mut(QUERIES * dim)) {
            let tokens = query.len() / dim;
            for head in 0..self.heads {
                for token in 0..tokens {
                    let query = &query[token * dim + head * self.head_dim..][..self.head_dim];
                    for channel in 0..self.head_dim {
                        queries[channel][token] = query[channel] * scale;
                    }
                }
                let keys = &self.keys[head * self.head_dim * long..][..self.head_dim * long];
                for first in (0..long).step_by(LANES) {
                    let sums = products(&queries, keys, first, long);
                    for lane in 0..LANES {
                        for query in 0..QUERIES {
                            shares[first + lane][query] = sums[query][lane];
                        }
                    }
                }
                let sums = softmax(&mut shares[..self.count]);
                let values = &self.values[head * self.count * wide..][..self.count * wide];
                for first in (0..self.head_dim).step_by(LANES) {
                    let mixed = products(&shares[..self.count], values, first, wide);
                    let lanes = LANES.min(self.head_dim - first);
                    for token in 0..tokens {
                        let output = &mut output[token * dim + head * self.head_dim + first..][..lanes];
                        for lane in 0..lanes {
                            output[lane] = mixed[token][lane] / sums[token];
                        }
                    }
                }
            }
        }
    }
}

/// `sum_i factors[i] * rows[i]` for the columns of `rows`, `[factors.len(), width]`, from `first` on, for each of the queries.
#[inline(always)]
fn products(factors: &[[f32; QUERIES]], rows: &[f32], first: usize, width: usize) -> [[f32; LANES]; QUERIES] {
    let mut sums = [[0.0; LANES]; QUERIES];
    for (row, factors) in factors.iter().enumerate() {
        if let Some(values) = rows[row * width + first..].first_chunk::<LANES>() {
            add_products(&mut sums, factors, values);
        }
    }
    sums
}

/// Turns scores into their exponentials, after the largest was subtracted, and returns their sums, for each of the queries.
#[inline(always)]
fn softmax(scores: &mut [[f32; QUERIES]]) -> [f32; QUERIES] {
    let mut largest = [f32::NEG_INFINITY; QUERIES];
    for score in scores.iter() {
        for query in 0..QUERIES {
            largest[query] = largest[query].max(score[query]);
        }
    }
    let mut sums = [0.0; QUERIES];
    for score in scores {
        for query in 0..QUERIES {
            score[query] -= largest[query];
        }
        exp(score);
        for query in 0..QUERIES {
            sums[query] += score[query];
        }
    }
    sums
}

/// Adds the product of each factor with all values to the factor's sums.
#[inline(always)]
fn add_products<const FACTORS: usize, const VALUES: usize>(
    sums: &mut [[f32; VALUES]; FACTORS],
    factors: &[f32; FACTORS],
    values: &[f32; VALUES],
) {
    for factor in 0..FACTORS {
        for value in 0..VALUES {
            sums[factor][value] += factors[factor] * values[value];
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::softmax as burn_softmax;
    use burn::tensor::{Device, Distribution};

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

    #[test]
    fn the_exponential_function_is_within_two_ten_millionths() {
        for step in 0..=870_000 {
            let x = -step as f32 / 10_000.0;
            let mut value = [x];
            exp(&mut value);
            let expected = f64::from(x).exp();
            let error = (f64::from(value[0]) - expected).abs() / expected;
            assert!(error < 2e-7, "{error} at {x}");
        }
        let mut far = [f32::NEG_INFINITY, -1e30];
        exp(&mut far);
        assert!(far.iter().all(|&value| value < 1e-37), "{far:?}");
        let mut none = [f32::NAN];
        exp(&mut none);
        assert!(none[0].is_nan());
    }
}
