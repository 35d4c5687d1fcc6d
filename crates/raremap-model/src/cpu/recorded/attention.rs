//! Attention in windows.

use std::ops::Range;

use burn::tensor::Tensor;

use super::{Operation, add_scaled, parts_of, record};
use crate::cpu::attention::Heads;
use crate::cpu::elementary::exp_values;
use crate::cpu::{Values, map_each, sum};

/// As [`crate::cpu::attention`].
pub(in crate::cpu) fn attention(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: Heads) -> Tensor<3> {
    let (shape, key_shape) = (query.dims(), key.dims());
    let [batch, _, dim] = shape;
    let (query, query_node) = parts_of(query);
    let (key, key_node) = parts_of(key);
    let (value, value_node) = parts_of(value);
    let operation = Attention {
        windows: windows(batch, heads),
        query,
        key,
        value,
        dim,
        head_dim: dim / heads.count,
    };
    let mut output = vec![0.0; operation.query.all().len()];
    let results = map_each(
        &operation.windows,
        #[inline(always)]
        |window| operation.tokens(window).forward(),
    );
    for (window, result) in operation.windows.iter().zip(results) {
        operation.scatter(&mut output, &window.queries, &result, window.head);
    }
    let shapes = [shape.to_vec(), key_shape.to_vec(), key_shape.to_vec()];
    record(operation, [query_node, key_node, value_node], shapes, output, shape)
}

/// A head of the tokens that attend to each other. The tokens are runs of neighbours in memory.
#[derive(Clone, Debug)]
struct Window {
    queries: Vec<Range<usize>>,
    keys: Vec<Range<usize>>,
    head: usize,
}

/// All heads of the windows of all images of a batch.
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
                windows.extend((0..heads.count).map(|head| Window {
                    queries: runs(image, &rows, &columns, 1),
                    keys: runs(image, &rows, &columns, heads.ratio),
                    head,
                }));
            }
        }
    }
    windows
}

#[derive(Clone, Debug)]
struct Attention {
    windows: Vec<Window>,
    query: Values,
    key: Values,
    value: Values,
    dim: usize,
    head_dim: usize,
}

impl Attention {
    fn tokens(&self, window: &Window) -> Tokens {
        Tokens {
            query: self.gather(self.query.all(), &window.queries, window.head),
            key: self.gather(self.key.all(), &window.keys, window.head),
            value: self.gather(self.value.all(), &window.keys, window.head),
            head_dim: self.head_dim,
        }
    }

    /// One head of the tokens of `runs`, one after the other: `[tokens, head_dim]`.
    fn gather(&self, tokens: &[f32], runs: &[Range<usize>], head: usize) -> Vec<f32> {
        let first = head * self.head_dim;
        let count: usize = runs.iter().map(ExactSizeIterator::len).sum();
        let mut gathered = Vec::with_capacity(count * self.head_dim);
        for token in runs.iter().cloned().flatten() {
            gathered.extend_from_slice(&tokens[token * self.dim + first..][..self.head_dim]);
        }
        gathered
    }

    /// The inverse of [`Self::gather`].
    fn scatter(&self, tokens: &mut [f32], runs: &[Range<usize>], gathered: &[f32], head: usize) {
        let first = head * self.head_dim;
        for (token, values) in runs.iter().cloned().flatten().zip(gathered.chunks_exact(self.head_dim)) {
            tokens[token * self.dim + first..][..self.head_dim].copy_from_slice(values);
        }
    }
}

impl Operation<3> for Attention {
    fn backward(self, gradient: &[f32], _: [bool; 3]) -> [Vec<f32>; 3] {
        let results = map_each(
            &self.windows,
            #[inline(always)]
            |window| {
                let gradient = self.gather(gradient, &window.queries, window.head);
                self.tokens(window).backward(&gradient)
            },
        );
        let mut found = [&self.query, &self.key, &self.value].map(|values| vec![0.0; values.all().len()]);
        for (window, result) in self.windows.iter().zip(results) {
            let runs = [&window.queries, &window.keys, &window.keys];
            for ((tokens, runs), gathered) in found.iter_mut().zip(runs).zip(&result) {
                self.scatter(tokens, runs, gathered, window.head);
            }
        }
        found
    }
}

/// A head of a window: `[queries, head_dim]`, and `[keys, head_dim]` twice.
struct Tokens {
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    head_dim: usize,
}

impl Tokens {
    /// Factor of the scores.
    fn scale(&self) -> f32 {
        (self.head_dim as f32).powf(-0.5)
    }

    fn keys(&self) -> usize {
        self.key.len() / self.head_dim
    }

    /// `[keys, head_dim]` as `[head_dim, keys]`.
    fn transposed(&self, tokens: &[f32]) -> Vec<f32> {
        let of = |channel| tokens.iter().skip(channel).step_by(self.head_dim).copied();
        (0..self.head_dim).flat_map(of).collect()
    }

    /// Attention's output: `[queries, head_dim]`.
    #[inline(always)]
    fn forward(&self) -> Vec<f32> {
        let keys = self.transposed(&self.key);
        let mut output = vec![0.0; self.query.len()];
        let mut weights = vec![0.0; self.keys()];
        let queries = self.query.chunks_exact(self.head_dim);
        for (query, output) in queries.zip(output.chunks_exact_mut(self.head_dim)) {
            self.attention_weights(query, &keys, &mut weights);
            for (weight, value) in weights.iter().zip(self.value.chunks_exact(self.head_dim)) {
                add_scaled(output, *weight, value);
            }
        }
        output
    }

    /// The softmax of a query's scores with `keys`, `[head_dim, keys]`.
    #[inline(always)]
    fn attention_weights(&self, query: &[f32], keys: &[f32], weights: &mut [f32]) {
        weights.fill(0.0);
        let scale = self.scale();
        for (channel, keys) in query.iter().zip(keys.chunks_exact(weights.len())) {
            add_scaled(weights, channel * scale, keys);
        }
        let largest = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for weight in weights.iter_mut() {
            *weight -= largest;
        }
        exp_values(weights);
        let whole = sum(weights.len(), |key| weights[key]);
        for weight in weights.iter_mut() {
            *weight /= whole;
        }
    }

    /// The gradients of query, key and value from that of the output.
    #[inline(always)]
    fn backward(&self, gradient: &[f32]) -> [Vec<f32>; 3] {
        let (head_dim, scale) = (self.head_dim, self.scale());
        let [mut queries, mut keys, mut values] =
            [&self.query, &self.key, &self.value].map(|tokens| vec![0.0; tokens.len()]);
        let mut weights = vec![0.0; self.keys()];
        let mut scores = vec![0.0; self.keys()];
        let transposed = [&self.key, &self.value].map(|tokens| self.transposed(tokens));
        let tokens = self.query.chunks_exact(head_dim).zip(gradient.chunks_exact(head_dim));
        for ((query, gradient), queries) in tokens.zip(queries.chunks_exact_mut(head_dim)) {
            self.attention_weights(query, &transposed[0], &mut weights);
            // The gradients of the weights, and then of the scores.
            scores.fill(0.0);
            for (channel, values) in gradient.iter().zip(transposed[1].chunks_exact(weights.len())) {
                add_scaled(&mut scores, *channel, values);
            }
            let mean = sum(weights.len(), |key| weights[key] * scores[key]);
            for (score, weight) in scores.iter_mut().zip(&weights) {
                *score = weight * (*score - mean) * scale;
            }
            let of_keys = self.key.chunks_exact(head_dim).zip(keys.chunks_exact_mut(head_dim));
            let of_keys = of_keys.zip(values.chunks_exact_mut(head_dim));
            for (((key, keys), values), (&weight, &score)) in of_keys.zip(weights.iter().zip(&scores)) {
                add_scaled(queries, score, key);
                add_scaled(keys, score, query);
                add_scaled(values, weight, gradient);
            }
        }
        [queries, keys, values]
    }
}
