//! Products of many short rows with a small matrix, whose sums stay in vector registers.

use std::ops::Range;

use pulp::{Arch, Scalar256b, Simd, WithSimd};
#[cfg(not(target_arch = "wasm32"))]
use rayon::prelude::*;

/// Vectors of a row of a panel, at most. With as many rows as [`rows_at_a_time`] says, the sums leave enough registers free for one row of the panel.
const VECTORS: usize = 3;

/// Numbers of a matrix from which on its panels are filled on all cores.
#[cfg(not(target_arch = "wasm32"))]
const SHARED: usize = 1 << 14;

/// A matrix, `[rows, columns]`, in panels of one to [`VECTORS`] vectors of columns; the last one is filled up with zeros.
#[derive(Debug)]
pub(super) struct Panels {
    /// `[rows, columns of the panel]` each.
    values: Vec<f32>,
    rows: usize,
    columns: usize,
    /// Numbers of a vector.
    lanes: usize,
    /// What the sums of [`set_products`] begin with, for the columns of all panels.
    bias: Vec<f32>,
}

impl Panels {
    pub(super) fn of(matrix: &[f32], columns: usize) -> Self {
        Self::of_lanes(matrix, columns, dispatch(Lanes))
    }

    /// The transposed matrix.
    pub(super) fn of_transposed(matrix: &[f32], columns: usize) -> Self {
        let rows = matrix.len() / columns;
        let mut panels = Self::zeros([columns, rows], dispatch(Lanes));
        panels.fill(|range, width, panel| {
            for (place, row) in matrix[range.start * columns..range.end * columns]
                .chunks_exact(columns)
                .enumerate()
            {
                for (panel, value) in panel.chunks_exact_mut(width).zip(row) {
                    panel[place] = *value;
                }
            }
        });
        panels
    }

    fn of_lanes(matrix: &[f32], columns: usize, lanes: usize) -> Self {
        let mut panels = Self::zeros([matrix.len() / columns, columns], lanes);
        panels.fill(|range, width, panel| {
            for (panel, row) in panel.chunks_exact_mut(width).zip(matrix.chunks_exact(columns)) {
                panel[..range.len()].copy_from_slice(&row[range.clone()]);
            }
        });
        panels
    }

    fn zeros([rows, columns]: [usize; 2], lanes: usize) -> Self {
        let filled = columns.next_multiple_of(lanes);
        Self {
            values: vec![0.0; rows * filled],
            rows,
            columns,
            lanes,
            bias: vec![0.0; filled],
        }
    }

    /// Calls `act` with the columns, the width and the numbers of each panel; on all cores if there are many numbers.
    fn fill(&mut self, act: impl Fn(Range<usize>, usize, &mut [f32]) + Sync) {
        let (rows, lanes) = (self.rows, self.lanes);
        let columns = self.columns();
        let mut rest = &mut self.values[..];
        let panels: Vec<_> = columns
            .map(|(range, vectors)| {
                let panel = rest
                    .split_off_mut(..rows * vectors * lanes)
                    .expect("there is room for all");
                (range, vectors * lanes, panel)
            })
            .collect();
        let act = |(range, width, panel): (Range<usize>, usize, &mut [f32])| act(range, width, panel);
        #[cfg(not(target_arch = "wasm32"))]
        if super::has_threads() && rows * self.columns >= SHARED {
            return panels.into_par_iter().for_each(act);
        }
        panels.into_iter().for_each(act);
    }

    /// The matrix with `bias`, `[columns]`, for [`set_products`].
    pub(super) fn with_bias(mut self, bias: &[f32]) -> Self {
        self.bias[..bias.len()].copy_from_slice(bias);
        self
    }

    /// The columns of each panel, and how many vectors hold them. The panels are as equally wide as they can be.
    fn columns(&self) -> impl Iterator<Item = (Range<usize>, usize)> + use<> {
        let &Self { columns, lanes, .. } = self;
        let vectors = columns.div_ceil(lanes);
        let count = vectors.div_ceil(VECTORS);
        (0..count).map(move |index| {
            let (from, to) = (index * vectors / count, (index + 1) * vectors / count);
            (from * lanes..columns.min(to * lanes), to - from)
        })
    }
}

/// Adds to each row of `output`, `[n, columns]`, the product of a row of `input` with `panels`. Row i of `input` starts at `i * stride` and has as many
/// numbers as `panels` has rows.
#[inline(always)]
pub(super) fn add_products(output: &mut [f32], input: &[f32], stride: usize, panels: &Panels) {
    dispatch(Products::<Rows<false>>::new(output, input, stride, panels));
}

/// As [`add_products`], but what `output` held does not count: the sums begin with the bias of `panels`, or with 0.
#[inline(always)]
pub(super) fn set_products(output: &mut [f32], input: &[f32], stride: usize, panels: &Panels) {
    dispatch(Products::<Rows<true>>::new(output, input, stride, panels));
}

/// Adds to `sums`, `[rows, columns]`, the outer products of the rows of `input` with those of `panels`, `[n, columns]`. Row i of `input` starts at
/// `i * stride` and has at least `rows` numbers.
#[cfg(feature = "training")]
#[inline(always)]
pub(super) fn add_outer_products(sums: &mut [f32], input: &[f32], stride: usize, panels: &Panels) {
    dispatch(Products::<Outer>::new(sums, input, stride, panels));
}

/// Calls `act` for the widest vectors that the processor has.
#[inline(always)]
pub(super) fn dispatch<A: WithSimd>(act: A) -> A::Output {
    match Arch::new() {
        // One number at a time otherwise.
        Arch::Scalar => act.with_simd(Scalar256b),
        arch => arch.dispatch(act),
    }
}

struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// Rows whose sums are taken at a time: with three vectors each, they fill three quarters of the registers.
const fn rows_at_a_time<S: Simd>() -> usize {
    // wasm's engines have those of the processor, often sixteen.
    if S::REGISTER_COUNT < 32 || cfg!(target_arch = "wasm32") {
        4
    } else {
        8
    }
}

/// `a * b + c`. It is rounded once where the processor has an instruction for it, and twice where a function would have to do it.
#[inline(always)]
pub(super) fn multiply_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    match std::any::TypeId::of::<S>() == std::any::TypeId::of::<Scalar256b>() {
        true => simd.add_f32s(simd.mul_f32s(a, b), c),
        false => simd.mul_add_e_f32s(a, b, c),
    }
}

/// What a row of the output is a sum of.
trait Kernel {
    /// Whether the sums replace what the output held, and begin with the bias.
    const REPLACES: bool;
    /// Numbers of `input` from one row of the output to the next.
    fn step(stride: usize) -> usize;
    /// The sums of `R` rows and `V` vectors, which begin with `sums`. They are passed by value so that they stay in registers.
    fn add<S: Simd, const R: usize, const V: usize>(
        simd: S,
        sums: [[S::f32s; V]; R],
        input: &[f32],
        stride: usize,
        panel: &[[S::f32s; V]],
    ) -> [[S::f32s; V]; R];
}

/// Products of the rows of the input with the matrix.
struct Rows<const REPLACES: bool>;

impl<const REPLACES: bool> Kernel for Rows<REPLACES> {
    const REPLACES: bool = REPLACES;

    #[inline(always)]
    fn step(stride: usize) -> usize {
        stride
    }

    #[inline(always)]
    fn add<S: Simd, const R: usize, const V: usize>(
        simd: S,
        mut sums: [[S::f32s; V]; R],
        input: &[f32],
        stride: usize,
        panel: &[[S::f32s; V]],
    ) -> [[S::f32s; V]; R] {
        let inputs: [&[f32]; R] = std::array::from_fn(|row| &input[row * stride..][..panel.len()]);
        for (index, weights) in panel.iter().enumerate() {
            for row in 0..R {
                let value = simd.splat_f32s(inputs[row][index]);
                for vector in 0..V {
                    sums[row][vector] = multiply_add(simd, value, weights[vector], sums[row][vector]);
                }
            }
        }
        sums
    }
}

/// Outer products of the rows of the input with those of the matrix.
#[cfg(feature = "training")]
struct Outer;

#[cfg(feature = "training")]
impl Kernel for Outer {
    const REPLACES: bool = false;

    #[inline(always)]
    fn step(_: usize) -> usize {
        1
    }

    #[inline(always)]
    fn add<S: Simd, const R: usize, const V: usize>(
        simd: S,
        mut sums: [[S::f32s; V]; R],
        input: &[f32],
        stride: usize,
        panel: &[[S::f32s; V]],
    ) -> [[S::f32s; V]; R] {
        for (index, weights) in panel.iter().enumerate() {
            if let Some(values) = input[index * stride..].first_chunk::<R>() {
                for row in 0..R {
                    let value = simd.splat_f32s(values[row]);
                    for vector in 0..V {
                        sums[row][vector] = multiply_add(simd, value, weights[vector], sums[row][vector]);
                    }
                }
            }
        }
        sums
    }
}

struct Products<'a, K> {
    output: &'a mut [f32],
    input: &'a [f32],
    stride: usize,
    panels: &'a Panels,
    kernel: std::marker::PhantomData<K>,
}

impl<'a, K: Kernel> Products<'a, K> {
    #[inline(always)]
    fn new(output: &'a mut [f32], input: &'a [f32], stride: usize, panels: &'a Panels) -> Self {
        Self {
            output,
            input,
            stride,
            panels,
            kernel: std::marker::PhantomData,
        }
    }

    /// One panel of `V` vectors, whose columns are `range`.
    #[inline(always)]
    fn panel<S: Simd, const V: usize>(&mut self, simd: S, panel: &[f32], range: &Range<usize>) {
        let (panel, _) = S::as_simd_f32s(panel);
        let (panel, _) = panel.as_chunks::<V>();
        let columns = self.panels.columns;
        let rows = self.output.len() / columns;
        let mut row = 0;
        if rows_at_a_time::<S>() == 8 {
            while row + 8 <= rows {
                self.block::<S, 8, V>(simd, row, panel, range);
                row += 8;
            }
        }
        while row + 4 <= rows {
            self.block::<S, 4, V>(simd, row, panel, range);
            row += 4;
        }
        while row < rows {
            self.block::<S, 1, V>(simd, row, panel, range);
            row += 1;
        }
    }

    /// `R` rows of the output, from `first` on.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        first: usize,
        panel: &[[S::f32s; V]],
        range: &Range<usize>,
    ) {
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        if K::REPLACES {
            let (bias, _) = S::as_simd_f32s(&self.panels.bias[range.start..]);
            if let Some(bias) = bias.first_chunk() {
                sums = [*bias; R];
            }
        }
        let input = &self.input[first * K::step(self.stride)..];
        let sums = K::add(simd, sums, input, self.stride, panel);
        let columns = self.panels.columns;
        for (row, sums) in sums.iter().enumerate() {
            let output = &mut self.output[(first + row) * columns..][range.clone()];
            for (vector, sum) in sums.iter().enumerate() {
                let from = (vector * S::F32_LANES).min(output.len());
                let output = &mut output[from..];
                match S::as_mut_simd_f32s(output).0.first_mut() {
                    Some(value) if K::REPLACES => *value = *sum,
                    Some(value) => *value = simd.add_f32s(*value, *sum),
                    None if K::REPLACES => simd.partial_store_f32s(output, *sum),
                    None => {
                        let value = simd.partial_load_f32s(output);
                        simd.partial_store_f32s(output, simd.add_f32s(value, *sum));
                    }
                }
            }
        }
    }
}

impl<K: Kernel> WithSimd for Products<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let panels = self.panels;
        debug_assert_eq!(panels.lanes, S::F32_LANES, "the panels are of this processor's vectors");
        let mut rest = &panels.values[..];
        for (range, vectors) in panels.columns() {
            let (panel, others) = rest.split_at(panels.rows * vectors * S::F32_LANES);
            rest = others;
            match vectors {
                1 => self.panel::<S, 1>(simd, panel, &range),
                2 => self.panel::<S, 2>(simd, panel, &range),
                _ => self.panel::<S, VECTORS>(simd, panel, &range),
            }
        }
    }
}

#[cfg(all(test, feature = "training"))]
mod tests {
    use super::*;

    /// Products of an input of `[rows, inner]` with a matrix of `[inner, columns]`, and of the input's columns with the matrix, on `simd`.
    fn products<S: Simd>(simd: S, [rows, inner, columns]: [usize; 3]) -> [Vec<f32>; 3] {
        let values = |count: usize, seed: usize| -> Vec<f32> {
            let value = |index: usize| ((index * 7 + seed) % 23) as f32 - 11.0;
            (0..count).map(value).collect()
        };
        let (input, matrix, bias) = (values(rows * inner, 3), values(inner * columns, 5), values(columns, 9));
        let panels = Panels::of_lanes(&matrix, columns, S::F32_LANES).with_bias(&bias);
        let old = values(rows * columns, 1);
        let [mut added, mut set] = [old.clone(), old.clone()];
        Products::<Rows<false>>::new(&mut added, &input, inner, &panels).with_simd(simd);
        Products::<Rows<true>>::new(&mut set, &input, inner, &panels).with_simd(simd);
        // `[rows of the matrix, columns]`, each number of an input's column.
        let transposed = values(inner * rows, 3);
        let mut outer = old;
        Products::<Outer>::new(&mut outer, &transposed, rows, &panels).with_simd(simd);
        [added, set, outer]
    }

    /// The same by definition. All numbers are whole, so the sums are exact in any order.
    fn expected([rows, inner, columns]: [usize; 3]) -> [Vec<f32>; 3] {
        let value = |index: usize, seed: usize| ((index * 7 + seed) % 23) as f32 - 11.0;
        let each = |number: &dyn Fn(usize, usize) -> f32| -> Vec<f32> {
            (0..rows * columns)
                .map(|index| number(index / columns, index % columns))
                .collect()
        };
        let product = |row: usize, column: usize| -> f32 {
            (0..inner)
                .map(|index| value(row * inner + index, 3) * value(index * columns + column, 5))
                .sum()
        };
        let outer = |row: usize, column: usize| -> f32 {
            (0..inner)
                .map(|index| value(index * rows + row, 3) * value(index * columns + column, 5))
                .sum()
        };
        [
            each(&|row, column| value(row * columns + column, 1) + product(row, column)),
            each(&|row, column| value(column, 9) + product(row, column)),
            each(&|row, column| value(row * columns + column, 1) + outer(row, column)),
        ]
    }

    struct Widest([usize; 3]);

    impl WithSimd for Widest {
        type Output = [Vec<f32>; 3];

        fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
            products(simd, self.0)
        }
    }

    #[test]
    fn products_are_those_of_the_definition_with_vectors_of_any_width() {
        for shape in [
            [1, 1, 1],
            [4, 3, 8],
            [8, 5, 48],
            [13, 2, 7],
            [9, 21, 25],
            [21, 1, 100],
            [3, 40, 33],
        ] {
            assert_eq!(
                products(Scalar256b, shape),
                expected(shape),
                "{shape:?}, no instructions"
            );
            assert_eq!(
                products(pulp::Scalar, shape),
                expected(shape),
                "{shape:?}, one number at a time"
            );
            assert_eq!(
                Arch::new().dispatch(Widest(shape)),
                expected(shape),
                "{shape:?}, this processor's"
            );
        }
    }
}
