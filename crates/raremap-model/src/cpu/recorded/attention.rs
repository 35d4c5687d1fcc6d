//! Attention in windows.

use std::ops::Range;

use burn::tensor::Tensor;

use super::{Operation, Values, add_scaled, parts_of, record, sum};
use crate::cpu::attention::Heads;
use crate::cpu::elementary::exp_values;
use crate::cpu::map_each;

/// As [`crate::cpu::attention`].
pub(in crate::cpu) fn attention(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: Heads) -> Tensor<3> {
    let (shape, key_shape) = (query.dims(), key.dims());
    let [batch, _, dim] = shape;
    assert_eq!(key_shape, value.dims(), "there are as many values as keys");
    let (query, query_node) = parts_of(query);
    let (key, key_node) = parts_of(key);
    let (value, value_node) = parts_of(value);
    let operation = Attention {
        windows: windows(batch, heads),
        query,
        key,
        value,
        dim,
        heads: heads.count,
    };
    let results = map_each(
        &operation.windows,
        #[inline(always)]
        |window| operation.of(window).forward(),
    );
    let mut output = vec![0.0; operation.query.all().len()];
    for (window, result) in operation.windows.iter().zip(results) {
        scatter(&mut output, &window.queries, &result, dim);
    }
    let shapes = [shape.to_vec(), key_shape.to_vec(), key_shape.to_vec()];
    record(operation, [query_node, key_node, value_node], shapes, output, shape)
}

/// The tokens that attend to each other, as runs of neighbours in memory.
#[derive(Clone, Debug)]
struct Window {
    queries: Vec<Range<usize>>,
    keys: Vec<Range<usize>>,
}

/// The windows of all images of a batch.
fn windows(batch: usize, heads: Heads) -> Vec<Window> {
    let [height, width] = heads.grid;
    let parts = |edge: usize| {
        let starts = (0..edge).step_by(heads.window);
        starts.map(move |first| first..edge.min(first + heads.window))
    };
    let runs = |image: usize, rows: &Range<usize>, columns: &Range<usize>, ratio: usize| {
        let [height, width] = [height / ratio, width / ratio];
        let lines = (rows.start / ratio..rows.end / ratio).map(|row| (image * height + row) * width);
        lines
            .map(|line| line + columns.start / ratio..line + columns.end / ratio)
            .collect()
    };
    let mut windows = Vec::new();
    for image in 0..batch {
        for rows in parts(height) {
            for columns in parts(width) {
                windows.push(Window {
                    queries: runs(image, &rows, &columns, 1),
                    keys: runs(image, &rows, &columns, heads.ratio),
                });
            }
        }
    }
    windows
}

/// The tokens of `runs`, one after the other.
fn gather(tokens: &[f32], runs: &[Range<usize>], dim: usize) -> Vec<f32> {
    let mut gathered = Vec::with_capacity(runs.iter().map(ExactSizeIterator::len).sum::<usize>() * dim);
    for run in runs {
        gathered.extend_from_slice(&tokens[run.start * dim..run.end * dim]);
    }
    gathered
}

/// The inverse of [`gather`].
fn scatter(tokens: &mut [f32], runs: &[Range<usize>], gathered: &[f32], dim: usize) {
    let mut rest = gathered;
    for run in runs {
        let (values, others) = rest.split_at(run.len() * dim);
        tokens[run.start * dim..run.end * dim].copy_from_slice(values);
        rest = others;
    }
}

#[derive(Clone, Debug)]
struct Attention {
    windows: Vec<Window>,
    query: Values,
    key: Values,
    value: Values,
    dim: usize,
    heads: usize,
}

impl Attention {
    fn of(&self, window: &Window) -> Tokens {
        Tokens {
            query: gather(self.query.all(), &window.queries, self.dim),
            key: gather(self.key.all(), &window.keys, self.dim),
            value: gather(self.value.all(), &window.keys, self.dim),
            dim: self.dim,
            heads: self.heads,
        }
    }
}

impl Operation<3> for Attention {
    fn backward(self, gradient: &[f32], _: [bool; 3]) -> [Vec<f32>; 3] {
        let results = map_each(
            &self.windows,
            #[inline(always)]
            |window| {
                let gradient = gather(gradient, &window.queries, self.dim);
                self.of(window).backward(&gradient)
            },
        );
        let mut found = [&self.query, &self.key, &self.value].map(|values| vec![0.0; values.all().len()]);
        for (window, result) in self.windows.iter().zip(results) {
            let runs = [&window.queries, &window.keys, &window.keys];
            for ((tokens, runs), gathered) in found.iter_mut().zip(runs).zip(&result) {
                scatter(tokens, runs, gathered, self.dim);
            }
        }
        found
    }
}

/// The tokens of a window: `[queries, dim]`, and `[keys, dim]` twice.
struct Tokens {
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    dim: usize,
    heads: usize,
}

impl Tokens {
    fn head_dim(&self) -> usize {
        self.dim / self.heads
    }

    /// Factor of the scores.
    fn scale(&self) -> f32 {
        (self.head_dim() as f32).powf(-0.5)
    }

    /// The channels of one head of `tokens`, `[keys, dim]`, turned: `[head_dim, keys]`.
    fn turned(&self, tokens: &[f32], head: usize) -> Vec<f32> {
        let channels = head * self.head_dim()..(head + 1) * self.head_dim();
        let of = |channel| tokens.iter().skip(channel).step_by(self.dim).copied();
        channels.flat_map(of).collect()
    }

    /// Attention's output: `[queries, dim]`.
    #[inline(always)]
    fn forward(&self) -> Vec<f32> {
        let (dim, head_dim) = (self.dim, self.head_dim());
        let mut output = vec![0.0; self.query.len()];
        let mut shares = vec![0.0; self.key.len() / dim];
        for head in 0..self.heads {
            let keys = self.turned(&self.key, head);
            let from = head * head_dim;
            for (query, output) in self.query.chunks_exact(dim).zip(output.chunks_exact_mut(dim)) {
                self.share(&query[from..from + head_dim], &keys, &mut shares);
                let output = &mut output[from..from + head_dim];
                for (share, value) in shares.iter().zip(self.value.chunks_exact(dim)) {
                    add_scaled(output, *share, &value[from..from + head_dim]);
                }
            }
        }
        output
    }

    /// The softmax of a query's scores with `keys`, `[head_dim, keys]`.
    #[inline(always)]
    fn share(&self, query: &[f32], keys: &[f32], shares: &mut [f32]) {
        shares.fill(0.0);
        let scale = self.scale();
        for (channel, keys) in query.iter().zip(keys.chunks_exact(shares.len())) {
            add_scaled(shares, channel * scale, keys);
        }
        let largest = shares.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for share in shares.iter_mut() {
            *share -= largest;
        }
        exp_values(shares);
        let whole = sum(shares.len(), |key| shares[key]);
        for share in shares.iter_mut() {
            *share /= whole;
        }
    }

    /// The gradients of query, key and value from that of the output.
    #[inline(always)]
    fn backward(&self, gradient: &[f32]) -> [Vec<f32>; 3] {
        let (dim, head_dim, scale) = (self.dim, self.head_dim(), self.scale());
        let [mut queries, mut keys, mut values] =
            [&self.query, &self.key, &self.value].map(|tokens| vec![0.0; tokens.len()]);
        let mut shares = vec![0.0; self.key.len() / dim];
        let mut slopes = vec![0.0; shares.len()];
        for head in 0..self.heads {
            let turned = [&self.key, &self.value].map(|tokens| self.turned(tokens, head));
            let part = head * head_dim..(head + 1) * head_dim;
            let tokens = self.query.chunks_exact(dim).zip(gradient.chunks_exact(dim));
            for ((query, gradient), queries) in tokens.zip(queries.chunks_exact_mut(dim)) {
                let (query, gradient) = (&query[part.clone()], &gradient[part.clone()]);
                self.share(query, &turned[0], &mut shares);
                // Of the shares, and then of the scores.
                slopes.fill(0.0);
                for (channel, values) in gradient.iter().zip(turned[1].chunks_exact(shares.len())) {
                    add_scaled(&mut slopes, *channel, values);
                }
                let mean = sum(shares.len(), |key| shares[key] * slopes[key]);
                for (slope, share) in slopes.iter_mut().zip(&shares) {
                    *slope = share * (*slope - mean) * scale;
                }
                let of_keys = self.key.chunks_exact(dim).zip(keys.chunks_exact_mut(dim));
                let of_keys = of_keys.zip(values.chunks_exact_mut(dim));
                for (((key, keys), values), (&share, &slope)) in of_keys.zip(shares.iter().zip(&slopes)) {
                    add_scaled(&mut queries[part.clone()], slope, &key[part.clone()]);
                    add_scaled(&mut keys[part.clone()], slope, query);
                    add_scaled(&mut values[part.clone()], share, gradient);
                }
            }
        }
        [queries, keys, values]
    }
}
