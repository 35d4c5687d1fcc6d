//! Products of many short rows with a small matrix, whose sums stay in vector registers.

use super::multiplies_and_adds;

/// Rows that are multiplied at a time.
const ROWS: usize = 4;
/// Columns of a panel: of three vectors of eight, with four rows, twelve registers of sixteen.
const WIDE: usize = 24;
const NARROW: usize = 8;

/// A matrix, `[rows, columns]`, in panels of columns; the last ones are filled up with zeros.
#[derive(Debug)]
pub(super) struct Panels {
    /// `[rows, WIDE]` each, and then `[rows, NARROW]` each.
    values: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Panels {
    pub(super) fn of(matrix: &[f32], columns: usize) -> Self {
        let rows = matrix.len() / columns;
        let mut values = Vec::with_capacity(rows * columns.next_multiple_of(NARROW));
        for (first, width) in panels(columns) {
            for row in matrix.chunks_exact(columns) {
                let within = &row[first..columns.min(first + width)];
                values.extend_from_slice(within);
                values.extend(std::iter::repeat_n(0.0, width - within.len()));
            }
        }
        Self { values, rows, columns }
    }
}

/// First column and width of each panel.
fn panels(columns: usize) -> impl Iterator<Item = (usize, usize)> {
    let wide = columns / WIDE * WIDE;
    let of_width = |from: usize, to: usize, width: usize| (from..to).step_by(width).map(move |first| (first, width));
    of_width(0, wide, WIDE).chain(of_width(wide, columns, NARROW))
}

/// Adds to each row of `output`, `[n, columns]`, the product of a row of `input` with `panels`. Row i of `input` starts at `i * stride` and has as many
/// numbers as `panels` has rows.
#[inline(always)]
pub(super) fn add_products(output: &mut [f32], input: &[f32], stride: usize, panels: &Panels) {
    match multiplies_and_adds() {
        true => add_products_by::<true>(output, input, stride, panels),
        false => add_products_by::<false>(output, input, stride, panels),
    }
}

#[inline(always)]
fn add_products_by<const FUSED: bool>(output: &mut [f32], input: &[f32], stride: usize, panels_of: &Panels) {
    let Panels { values, rows, columns } = panels_of;
    let mut rest = &values[..];
    for (first, width) in panels(*columns) {
        let (panel, others) = rest.split_at(rows * width);
        rest = others;
        let count = width.min(columns - first);
        for (group, output) in output.chunks_mut(ROWS * columns).enumerate() {
            let input = &input[group * ROWS * stride..];
            if output.len() == ROWS * columns {
                match width {
                    WIDE => add_group::<FUSED, ROWS, WIDE>(output, input, stride, panel, *columns, first, count),
                    _ => add_group::<FUSED, ROWS, NARROW>(output, input, stride, panel, *columns, first, count),
                }
            } else {
                for (row, output) in output.chunks_mut(*columns).enumerate() {
                    let input = &input[row * stride..];
                    match width {
                        WIDE => add_group::<FUSED, 1, WIDE>(output, input, stride, panel, *columns, first, count),
                        _ => add_group::<FUSED, 1, NARROW>(output, input, stride, panel, *columns, first, count),
                    }
                }
            }
        }
    }
}

/// `R` rows of one panel, `[rows, L]`, whose first `count` columns are those of the output from `first` on.
#[inline(always)]
fn add_group<const FUSED: bool, const R: usize, const L: usize>(
    output: &mut [f32],
    input: &[f32],
    stride: usize,
    panel: &[f32],
    columns: usize,
    first: usize,
    count: usize,
) {
    let mut sums = [[0.0; L]; R];
    let (panel, _) = panel.as_chunks::<L>();
    let inputs: [&[f32]; R] = std::array::from_fn(|row| &input[row * stride..][..panel.len()]);
    for (index, weights) in panel.iter().enumerate() {
        for row in 0..R {
            let value = inputs[row][index];
            for lane in 0..L {
                sums[row][lane] = multiply_add::<FUSED>(value, weights[lane], sums[row][lane]);
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        let output = &mut output[row * columns + first..][..count];
        for (output, sum) in output.iter_mut().zip(sums) {
            *output += sum;
        }
    }
}

/// Adds to `sums`, `[rows, columns]`, the outer products of the rows of `input` with those of `other`, `[n, columns]`. Row i of `input` starts at
/// `i * stride`.
#[inline(always)]
pub(super) fn add_outer_products(sums: &mut [f32], input: &[f32], stride: usize, other: &[f32], columns: usize) {
    match multiplies_and_adds() {
        true => add_outer_products_by::<true>(sums, input, stride, other, columns),
        false => add_outer_products_by::<false>(sums, input, stride, other, columns),
    }
}

#[inline(always)]
fn add_outer_products_by<const FUSED: bool>(
    sums: &mut [f32],
    input: &[f32],
    stride: usize,
    other: &[f32],
    columns: usize,
) {
    for (first, width) in panels(columns) {
        let count = width.min(columns - first);
        for (group, sums) in sums.chunks_mut(ROWS * columns).enumerate() {
            let input = &input[group * ROWS..];
            if sums.len() == ROWS * columns {
                match count {
                    WIDE => add_outer_group::<FUSED, ROWS, WIDE>(sums, input, stride, other, columns, first),
                    NARROW => add_outer_group::<FUSED, ROWS, NARROW>(sums, input, stride, other, columns, first),
                    _ => {
                        for column in first..first + count {
                            add_outer_group::<FUSED, ROWS, 1>(sums, input, stride, other, columns, column);
                        }
                    }
                }
            } else {
                for (row, sums) in sums.chunks_mut(columns).enumerate() {
                    for column in first..first + count {
                        add_outer_group::<FUSED, 1, 1>(sums, &input[row..], stride, other, columns, column);
                    }
                }
            }
        }
    }
}

/// `R` rows and `L` columns, from `first` on, of the sums.
#[inline(always)]
fn add_outer_group<const FUSED: bool, const R: usize, const L: usize>(
    sums: &mut [f32],
    input: &[f32],
    stride: usize,
    other: &[f32],
    columns: usize,
    first: usize,
) {
    let mut products = [[0.0; L]; R];
    for (index, other) in other.chunks_exact(columns).enumerate() {
        let values = input[index * stride..].first_chunk::<R>();
        let weights = other[first..].first_chunk::<L>();
        if let (Some(values), Some(weights)) = (values, weights) {
            for row in 0..R {
                for lane in 0..L {
                    products[row][lane] = multiply_add::<FUSED>(values[row], weights[lane], products[row][lane]);
                }
            }
        }
    }
    for (row, products) in products.iter().enumerate() {
        let sums = &mut sums[row * columns + first..][..L];
        for (sum, product) in sums.iter_mut().zip(products) {
            *sum += product;
        }
    }
}

/// `a * b + c`; `FUSED` is rounded once, and fast only where there is an instruction for it.
#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    match FUSED {
        true => a.mul_add(b, c),
        false => a * b + c,
    }
}
