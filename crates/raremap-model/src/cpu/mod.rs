//! Kernels of our own for the CPU, each in place of several of burn's, which pass over memory once each.
//!
//! Some have a backward pass of their own, for training. Everywhere else the network is burn's operations, which the tests here compare them with.
#![allow(
    clippy::needless_range_loop,
    reason = "where the page is built soon rather than small, an iterator's adapters are not inlined, and each step would be a call"
)]

#[cfg(all(feature = "training", target_arch = "wasm32"))]
compile_error!("the feature `training` is for native programs: its kernels need threads");

mod attention;
mod convolution;
mod depthwise;
mod elementary;
#[cfg(feature = "training")]
mod panels;
#[cfg(feature = "training")]
mod recorded;
mod upsample;

use burn::tensor::{DType, Device, Tensor};

pub(crate) use attention::Heads;
pub(crate) use convolution::convolve_relu;
#[cfg(feature = "training")]
pub(crate) use recorded::{batch_norm, convolve, dropout, layer_norm, linear, scale, upsample_bilinear as upsample_with_backward};
pub(crate) use upsample::upsample_bilinear;

#[cfg(all(test, feature = "training"))]
thread_local! {
    /// For a test that compares with burn's operations.
    pub(crate) static WITHOUT_KERNELS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether all of these kernels can take `tensor`: 32-bit floats on the CPU, of which burn records nothing for a backward pass.
pub(crate) fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    is_float_on_cpu(tensor) && !tensor.device().is_autodiff()
}

/// Whether the kernels with a backward pass can take `tensor`: 32-bit floats on the CPU, of which burn records what is done with them, and keeps what the
/// backward pass needs instead of computing it again.
#[cfg(feature = "training")]
pub(crate) fn records<const D: usize>(tensor: &Tensor<D>) -> bool {
    use burn::tensor::GradientCheckpointingStrategy::Disabled;
    #[cfg(test)]
    if WITHOUT_KERNELS.get() {
        return false;
    }
    is_float_on_cpu(tensor) && tensor.gradient_checkpointing_strategy() == Some(Disabled)
}

/// Whether [`attention`] and [`depthwise_gelu`] can take `tensor`.
pub(crate) fn computes<const D: usize>(tensor: &Tensor<D>) -> bool {
    #[cfg(feature = "training")]
    if records(tensor) {
        return true;
    }
    takes(tensor)
}

fn is_float_on_cpu<const D: usize>(tensor: &Tensor<D>) -> bool {
    // A device with autodiff equals the same one without.
    tensor.dtype() == DType::F32 && tensor.device() == Device::flex()
}

/// `softmax(Q K^T / sqrt(d)) V` of each head in each window (arXiv:2105.15203, eq. 1), where a window's keys are those of its own tokens.
///
/// # Shapes
/// - `query`, output: `[batch, h * w, dim]`, `heads.grid = [h, w]`
/// - `key`, `value`: `[batch, (h / ratio) * (w / ratio), dim]`
///
/// # Panics
/// If the shapes do not agree, or if the tensors are not those of [`computes`].
pub(crate) fn attention(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: Heads) -> Tensor<3> {
    let ([batch, _, dim], [height, width]) = (query.dims(), heads.grid);
    let keys = (height / heads.ratio) * (width / heads.ratio);
    assert_eq!(
        query.dims(),
        [batch, height * width, dim],
        "the queries are not those of the grid"
    );
    assert_eq!(key.dims(), [batch, keys, dim], "the keys are not those of the grid");
    assert_eq!(value.dims(), key.dims(), "there are as many values as keys");
    #[cfg(feature = "training")]
    if records(&query) {
        return recorded::attention(query, key, value, heads);
    }
    attention::attention(query, key, value, heads)
}

/// Depthwise 3 x 3 convolution with zero padding, bias and GELU of tokens, without turning them into a map and back.
///
/// # Shapes
/// - `tokens`, output: `[batch, h * w, channels]`, `grid = [h, w]`
/// - `weight`: `[channels, 1, 3, 3]`
/// - `bias`: `[channels]`
///
/// # Panics
/// If the shapes do not agree, or if the tensors are not those of [`computes`].
pub(crate) fn depthwise_gelu(tokens: Tensor<3>, grid: [usize; 2], weight: Tensor<4>, bias: Tensor<1>) -> Tensor<3> {
    let [_, pixels, channels] = tokens.dims();
    assert_eq!(pixels, grid[0] * grid[1], "the tokens are not those of the grid");
    assert_eq!(
        weight.dims(),
        [channels, 1, 3, 3],
        "the weights are not those of the channels"
    );
    assert_eq!(bias.dims(), [channels], "the biases are not those of the channels");
    #[cfg(feature = "training")]
    if records(&tokens) {
        return recorded::depthwise_gelu(tokens, grid, weight, bias);
    }
    depthwise::depthwise_gelu(tokens, grid, weight, bias)
}

/// The numbers of a tensor of [`takes`]: on the CPU they are there, and nothing is waited for or copied.
#[allow(clippy::disallowed_methods, reason = "reading back at once panics on WebGPU alone")]
fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let values = tensor.into_data().try_into_vec();
    values.expect("only tensors of 32-bit floats come here")
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

/// Calls `act` with the number of each chunk of `values`, the last of which may be shorter: on all cores, where there are threads, and with the widest
/// vector instructions of the processor.
fn for_each_chunk(values: &mut [f32], length: usize, act: impl Fn(usize, &mut [f32]) + Sync) {
    #[cfg(not(target_arch = "wasm32"))]
    {
        use rayon::prelude::*;
        let chunks = values.par_chunks_mut(length).enumerate();
        chunks.for_each(|(index, chunk)| {
            vectorized(
                #[inline(always)]
                || act(index, chunk),
            )
        });
    }
    #[cfg(target_arch = "wasm32")]
    for (index, chunk) in values.chunks_mut(length).enumerate() {
        act(index, chunk);
    }
}

/// As [`for_each_chunk`], with the chunks of `others` that have the same numbers.
#[cfg(feature = "training")]
fn for_each_pair<T: Send>(
    values: &mut [f32],
    length: usize,
    others: &mut [T],
    length_of_others: usize,
    act: impl Fn(usize, &mut [f32], &mut [T]) + Sync,
) {
    use rayon::prelude::*;
    let pairs = values
        .par_chunks_mut(length)
        .zip(others.par_chunks_mut(length_of_others));
    let pairs = pairs.enumerate();
    pairs.for_each(|(index, (chunk, other))| {
        vectorized(
            #[inline(always)]
            || act(index, chunk, other),
        )
    });
}

/// The results of `act` for each of `items`, in order.
#[cfg(feature = "training")]
fn map_each<T: Sync, R: Send>(items: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    use rayon::prelude::*;
    items
        .par_iter()
        .map(|item| {
            vectorized(
                #[inline(always)]
                || act(item),
            )
        })
        .collect()
}

/// Calls `act`, compiled for the widest vector instructions that the processor has, as far as it is inlined.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
fn vectorized<R>(act: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(act)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_or_has_other_numbers_is_left_to_burn() {
        let zeros = |device: &Device| Tensor::<1>::zeros([3], device);
        assert!(takes(&zeros(&Device::flex())));
        assert!(!takes(&zeros(&Device::flex().autodiff())));
        assert!(!takes(&zeros(&Device::flex()).cast(DType::F16)));
    }
}
