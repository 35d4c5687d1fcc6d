//! The kernels, in CubeCL. All numbers are f32, all arrays contiguous; a token is a pixel of a map with its channels together, `[batch, y, x, channel]`.
#![allow(
    missing_docs,
    clippy::too_many_arguments,
    reason = "the macro makes public functions and structs of these signatures"
)]
#![allow(unstable_name_collisions, reason = "`erf` is CubeCL's")]

use cubecl::prelude::*;

/// Units along each edge of a cube of [`product`]: 256 in all, which every WebGPU device allows.
pub(crate) const EDGE: usize = 16;

/// Matrix product of the patches of a map with a matrix, plus a bias: a convolution, of which a linear layer is the one of 1 x 1.
///
/// Each cube computes `EDGE * rows_per_unit` tokens by `EDGE * columns_per_unit` channels, in steps of `EDGE` of the sum, whose factors it keeps
/// in shared memory; a unit keeps its sums in registers.
///
/// - `input`: a map of any layout, with the strides `stride_*` (of a batch, row, column, channel)
/// - `weight`: `[kernel, kernel, in, out]`
/// - `bias`: `[out]`
/// - `residual`: `[tokens, out]`, of which nothing is read without `residual_added`
/// - `pointwise`: the kernel is 1 x 1, the stride 1, and the channels of a token lie together
/// - `relu`: 1 turns negative results to 0
#[cube(launch)]
pub(crate) fn product(
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    residual: &[f32],
    output: &mut [f32],
    tokens: u32,
    channels_in: u32,
    channels_out: u32,
    height: u32,
    width: u32,
    height_out: u32,
    width_out: u32,
    stride_batch: u32,
    stride_y: u32,
    stride_x: u32,
    stride_channel: u32,
    kernel: u32,
    stride: u32,
    padding: u32,
    relu: u32,
    #[comptime] rows_per_unit: usize,
    #[comptime] columns_per_unit: usize,
    #[comptime] pointwise: bool,
    #[comptime] residual_added: bool,
) {
    let edge = comptime!(EDGE as u32);
    let tile_rows = comptime!((EDGE * rows_per_unit) as u32);
    let tile_columns = comptime!((EDGE * columns_per_unit) as u32);
    // One more than there are rows: units that write one column would otherwise wait for the same bank of the memory.
    let left_stride = comptime!((EDGE * rows_per_unit + 1) as u32);
    let mut left = Shared::<[f32]>::new_slice(comptime!(EDGE * (EDGE * rows_per_unit + 1)));
    let mut right = Shared::<[f32]>::new_slice(comptime!(EDGE * EDGE * columns_per_unit));
    let mut sums = Array::<f32>::new(comptime!(rows_per_unit * columns_per_unit));
    #[unroll]
    for sum in 0..comptime!(rows_per_unit * columns_per_unit) {
        sums[sum] = 0.0f32;
    }
    let first_row = (CUBE_POS_Z * CUBE_COUNT_Y + CUBE_POS_Y) * tile_rows;
    let first_column = CUBE_POS_X * tile_columns;

    // Of the rows whose factors this unit loads: where their patches begin. The row's own are the same in all steps.
    let mut tops = Array::<i32>::new(rows_per_unit);
    let mut lefts = Array::<i32>::new(rows_per_unit);
    let mut starts = Array::<u32>::new(rows_per_unit);
    #[unroll]
    for i in 0..rows_per_unit {
        let row = first_row + comptime!((i * EDGE) as u32) + UNIT_POS_Y;
        if comptime!(!pointwise) {
            let x = row % width_out;
            let y = row / width_out % height_out;
            let batch = row / width_out / height_out;
            tops[i] = (y * stride) as i32 - padding as i32;
            lefts[i] = (x * stride) as i32 - padding as i32;
            starts[i] = batch * stride_batch;
        }
    }

    let depth = kernel * kernel * channels_in;
    let steps = depth.div_ceil(edge);
    for step in 0..steps {
        let at = step * edge + UNIT_POS_X;
        let channel = at % channels_in;
        let tap = at / channels_in;
        let tap_x = (tap % kernel) as i32;
        let tap_y = (tap / kernel) as i32;
        #[unroll]
        for i in 0..rows_per_unit {
            let row_in_tile = comptime!((i * EDGE) as u32) + UNIT_POS_Y;
            let row = first_row + row_in_tile;
            let mut value = 0.0f32;
            if row < tokens && at < depth {
                if comptime!(pointwise) {
                    value = input[(row * channels_in + at) as usize];
                } else {
                    let y = tops[i] + tap_y;
                    let x = lefts[i] + tap_x;
                    if y >= 0 && x >= 0 && y < height as i32 && x < width as i32 {
                        let index = starts[i] + y as u32 * stride_y + x as u32 * stride_x + channel * stride_channel;
                        value = input[index as usize];
                    }
                }
            }
            left[(UNIT_POS_X * left_stride + row_in_tile) as usize] = value;
        }
        let at = step * edge + UNIT_POS_Y;
        #[unroll]
        for i in 0..columns_per_unit {
            let column_in_tile = comptime!((i * EDGE) as u32) + UNIT_POS_X;
            let column = first_column + column_in_tile;
            let mut value = 0.0f32;
            if column < channels_out && at < depth {
                value = weight[(at * channels_out + column) as usize];
            }
            right[(UNIT_POS_Y * tile_columns + column_in_tile) as usize] = value;
        }
        sync_cube();
        for k in 0..edge {
            let mut factors = Array::<f32>::new(columns_per_unit);
            #[unroll]
            for n in 0..columns_per_unit {
                factors[n] = right[(k * tile_columns + comptime!((n * EDGE) as u32) + UNIT_POS_X) as usize];
            }
            #[unroll]
            for m in 0..rows_per_unit {
                let factor = left[(k * left_stride + comptime!((m * EDGE) as u32) + UNIT_POS_Y) as usize];
                #[unroll]
                for n in 0..columns_per_unit {
                    sums[m * columns_per_unit + n] += factor * factors[n];
                }
            }
        }
        sync_cube();
    }

    #[unroll]
    for m in 0..rows_per_unit {
        let row = first_row + comptime!((m * EDGE) as u32) + UNIT_POS_Y;
        #[unroll]
        for n in 0..columns_per_unit {
            let column = first_column + comptime!((n * EDGE) as u32) + UNIT_POS_X;
            if row < tokens && column < channels_out {
                let index = (row * channels_out + column) as usize;
                let mut value = sums[m * columns_per_unit + n] + bias[column as usize];
                if comptime!(residual_added) {
                    value += residual[index];
                }
                if relu == 1 {
                    value = max(value, 0.0f32);
                }
                output[index] = value;
            }
        }
    }
}

/// Layer norm of each token; a unit has a token.
#[cube(launch)]
pub(crate) fn layer_norm(
    input: &[f32],
    gamma: &[f32],
    beta: &[f32],
    output: &mut [f32],
    tokens: u32,
    channels: u32,
    epsilon: f32,
) {
    let token = ABSOLUTE_POS as u32;
    if token >= tokens {
        terminate!();
    }
    let first = token * channels;
    let mut sum = 0.0f32;
    for channel in 0..channels {
        sum += input[(first + channel) as usize];
    }
    let mean = sum / f32::cast_from(channels);
    let mut squares = 0.0f32;
    for channel in 0..channels {
        let difference = input[(first + channel) as usize] - mean;
        squares += difference * difference;
    }
    let scale = 1.0f32 / (squares / f32::cast_from(channels) + epsilon).sqrt();
    for channel in 0..channels {
        let index = (first + channel) as usize;
        output[index] = (input[index] - mean) * scale * gamma[channel as usize] + beta[channel as usize];
    }
}

/// Attention of each token to the reduced tokens of its window; a unit has a token and a head, and passes over the keys once.
///
/// - `query`, `output`: `[batch, height, width, heads * head_dim]`
/// - `context`: `[batch, height / ratio, width / ratio, 2 * heads * head_dim]`: keys, then values
#[cube(launch)]
pub(crate) fn attention(
    query: &[f32],
    context: &[f32],
    output: &mut [f32],
    units: u32,
    height: u32,
    width: u32,
    heads: u32,
    ratio: u32,
    window: u32,
    scale: f32,
    #[comptime] head_dim: usize,
) {
    let unit = ABSOLUTE_POS as u32;
    if unit >= units {
        terminate!();
    }
    let token = unit / heads;
    let x = token % width;
    let y = token / width % height;
    let batch = token / width / height;
    let dim = heads * comptime!(head_dim as u32);
    let first = (unit * comptime!(head_dim as u32)) as usize;
    let head_first = unit % heads * comptime!(head_dim as u32);

    let mut own = Array::<f32>::new(head_dim);
    let mut sums = Array::<f32>::new(head_dim);
    #[unroll]
    for d in 0..head_dim {
        own[d] = query[first + d] * scale;
        sums[d] = 0.0f32;
    }
    let mut largest = f32::new(-1.0e30f32);
    let mut total = 0.0f32;

    let top = y / window * window;
    let left = x / window * window;
    let bottom = min(top + window, height) / ratio;
    let right = min(left + window, width) / ratio;
    for key_y in top / ratio..bottom {
        for key_x in left / ratio..right {
            let key = ((batch * (height / ratio) + key_y) * (width / ratio) + key_x) * dim * 2 + head_first;
            let value = (key + dim) as usize;
            let key = key as usize;
            let mut score = 0.0f32;
            #[unroll]
            for d in 0..head_dim {
                score += own[d] * context[key + d];
            }
            let next = max(largest, score);
            let kept = (largest - next).exp();
            let weight = (score - next).exp();
            total = total * kept + weight;
            #[unroll]
            for d in 0..head_dim {
                sums[d] = sums[d] * kept + weight * context[value + d];
            }
            largest = next;
        }
    }
    #[unroll]
    for d in 0..head_dim {
        output[first + d] = sums[d] / total;
    }
}

/// Depthwise 3 x 3 convolution, bias and GELU; a unit has a number.
///
/// - `input`, `output`: `[batch, height, width, channels]`
/// - `weight`: `[3, 3, channels]`
#[cube(launch)]
pub(crate) fn depthwise_gelu(
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
    numbers: u32,
    height: u32,
    width: u32,
    channels: u32,
) {
    let number = ABSOLUTE_POS as u32;
    if number >= numbers {
        terminate!();
    }
    let channel = number % channels;
    let x = number / channels % width;
    let y = number / channels / width % height;
    let mut sum = bias[channel as usize];
    #[unroll]
    for tap_y in 0u32..3u32 {
        #[unroll]
        for tap_x in 0u32..3u32 {
            // One more than the row and column, which may be -1.
            let row = y + tap_y;
            let column = x + tap_x;
            if row >= 1 && row <= height && column >= 1 && column <= width {
                let index = number + tap_y * width * channels + tap_x * channels - width * channels - channels;
                sum += input[index as usize] * weight[((tap_y * 3 + tap_x) * channels + channel) as usize];
            }
        }
    }
    output[number as usize] = 0.5f32 * sum * (1.0f32 + (sum * comptime!(std::f32::consts::FRAC_1_SQRT_2)).erf());
}

/// Adds a coarser map, upsampled bilinearly (corners not aligned), to a map; a unit has a number.
///
/// - `base`, `output`: `[batch, height, width, channels]`; `base` is read only with `base_added`
/// - `coarse`: `[batch, coarse_height, coarse_width, channels]`
/// - `relu`: 1 turns negative results to 0
#[cube(launch)]
pub(crate) fn add_upsampled(
    base: &[f32],
    coarse: &[f32],
    output: &mut [f32],
    numbers: u32,
    height: u32,
    width: u32,
    coarse_height: u32,
    coarse_width: u32,
    channels: u32,
    relu: u32,
    #[comptime] base_added: bool,
) {
    let number = ABSOLUTE_POS as u32;
    if number >= numbers {
        terminate!();
    }
    let channel = number % channels;
    let x = number / channels % width;
    let y = number / channels / width % height;
    let batch = number / channels / width / height;
    let across = position(x, width, coarse_width);
    let down = position(y, height, coarse_height);
    let first_x = across as u32;
    let first_y = down as u32;
    let second_x = min(first_x + 1, coarse_width - 1);
    let second_y = min(first_y + 1, coarse_height - 1);
    let weight_x = across - f32::cast_from(first_x);
    let weight_y = down - f32::cast_from(first_y);
    let rows = batch * coarse_height;
    let upper_left = coarse[(((rows + first_y) * coarse_width + first_x) * channels + channel) as usize];
    let upper_right = coarse[(((rows + first_y) * coarse_width + second_x) * channels + channel) as usize];
    let lower_left = coarse[(((rows + second_y) * coarse_width + first_x) * channels + channel) as usize];
    let lower_right = coarse[(((rows + second_y) * coarse_width + second_x) * channels + channel) as usize];
    let upper = upper_left + (upper_right - upper_left) * weight_x;
    let lower = lower_left + (lower_right - lower_left) * weight_x;
    let mut sum = upper + (lower - upper) * weight_y;
    if comptime!(base_added) {
        sum += base[number as usize];
    }
    if relu == 1 {
        sum = max(sum, 0.0f32);
    }
    output[number as usize] = sum;
}

/// Where a pixel of the finer map lies among those of the coarser one.
#[cube]
fn position(fine: u32, fine_size: u32, coarse_size: u32) -> f32 {
    let scale = f32::cast_from(coarse_size) / f32::cast_from(fine_size);
    max((f32::cast_from(fine) + 0.5f32) * scale - 0.5f32, 0.0f32)
}

/// The logits of both heads, of the products of the features with both heads' weights; a unit has a token.
///
/// Main logits are `(1 + S) product + bias`, with the saliency `S = 1 - prod_r (1 - sigmoid(auxiliary_r))`: the same as a product with features
/// times `1 + S`. Without rare classes, S is 0.
///
/// - `products`, `output`: `[tokens, classes + rare]`
/// - `bias`: `[classes + rare]`
#[cube(launch)]
pub(crate) fn attend_logits(products: &[f32], bias: &[f32], output: &mut [f32], units: u32, classes: u32, rare: u32) {
    let unit = ABSOLUTE_POS as u32;
    if unit >= units {
        terminate!();
    }
    let first = unit * (classes + rare);
    let mut none = 1.0f32;
    for class in classes..classes + rare {
        let logit = products[(first + class) as usize] + bias[class as usize];
        // A shader may take it that there are no infinities.
        none /= 1.0f32 + min(logit, 80.0f32).exp();
        output[(first + class) as usize] = logit;
    }
    let attention = 2.0f32 - none;
    for class in 0..classes {
        output[(first + class) as usize] = products[(first + class) as usize] * attention + bias[class as usize];
    }
}

/// Takes channels apart; a unit has a pixel.
///
/// - `map`: `[batch, pixels, classes + rare]`
/// - `main`: `[batch, classes, pixels]`; `auxiliary`: `[batch, rare, pixels]`
#[cube(launch)]
pub(crate) fn planes(
    map: &[f32],
    main: &mut [f32],
    auxiliary: &mut [f32],
    units: u32,
    pixels: u32,
    classes: u32,
    rare: u32,
) {
    let unit = ABSOLUTE_POS as u32;
    if unit >= units {
        terminate!();
    }
    let pixel = unit % pixels;
    let batch = unit / pixels;
    let first = unit * (classes + rare);
    for class in 0..classes {
        main[((batch * classes + class) * pixels + pixel) as usize] = map[(first + class) as usize];
    }
    for class in 0..rare {
        auxiliary[((batch * rare + class) * pixels + pixel) as usize] = map[(first + classes + class) as usize];
    }
}
