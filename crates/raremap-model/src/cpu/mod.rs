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
mod layer_norm;
mod linear;
mod panels;
mod pixel;
#[cfg(feature = "training")]
mod recorded;
mod scale;
mod upsample;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::module::{ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};

pub(crate) use attention::Heads;
pub(crate) use convolution::Steps;
pub(crate) use pixel::{PixelLayers, refine};
#[cfg(feature = "training")]
pub(crate) use recorded::{batch_norm, dropout};

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

/// Whether the kernels that are for training and for inference can take `tensor`.
pub(crate) fn computes<const D: usize>(tensor: &Tensor<D>) -> bool {
    #[cfg(feature = "training")]
    if records(tensor) {
        return true;
    }
    takes(tensor)
}

/// Whether the same kernels can take a map and its weights. One of the two may be a constant of which nothing is recorded.
pub(crate) fn computes_with<const M: usize, const W: usize>(map: &Tensor<M>, weight: &Tensor<W>) -> bool {
    computes(map) && computes(weight)
}

/// Whether something is recorded of one of two tensors of [`computes_with`].
#[cfg(feature = "training")]
fn records_one<const M: usize, const W: usize>(map: &Tensor<M>, weight: &Tensor<W>) -> bool {
    records(map) || records(weight)
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
    assert_eq!(
        [height % heads.ratio, width % heads.ratio],
        [0; 2],
        "each key is that of whole patches of the grid"
    );
    let keys = (height / heads.ratio) * (width / heads.ratio);
    assert_eq!(
        query.dims(),
        [batch, height * width, dim],
        "the queries are not those of the grid"
    );
    assert_eq!(key.dims(), [batch, keys, dim], "the keys are not those of the grid");
    assert_eq!(value.dims(), key.dims(), "there are as many values as keys");
    #[cfg(feature = "training")]
    if records_one(&query, &key) || records(&value) {
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
    if records_one(&tokens, &weight) {
        return recorded::depthwise_gelu(tokens, grid, weight, bias);
    }
    depthwise::depthwise_gelu(tokens, grid, weight, bias)
}

/// Dense convolution with a square kernel.
///
/// # Shapes
/// - `map`: `[batch, from, h, w]`
/// - `weight`: `[to, from, kernel, kernel]`
/// - `bias`: `[to]`
/// - output: `[batch, to, (h + 2 padding - kernel) / stride + 1, (w + 2 padding - kernel) / stride + 1]`, its channels together in memory
///
/// # Panics
/// If the shapes do not agree, or if the tensors are not those of [`computes_with`].
pub(crate) fn convolve(map: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, steps: Steps) -> Tensor<4> {
    check_bias(bias.as_ref(), weight.dims()[0]);
    #[cfg(feature = "training")]
    if records_one(&map, &weight) {
        return recorded::convolve(map, weight, bias, steps);
    }
    convolution::convolve(map, weight, bias, steps, false)
}

fn check_bias(bias: Option<&Tensor<1>>, channels: usize) {
    if let Some(bias) = bias {
        assert_eq!(bias.dims(), [channels], "the biases are not those of the channels");
    }
}

/// [`convolve`], then ReLU, of tensors of [`takes`].
pub(crate) fn convolve_relu(map: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, steps: Steps) -> Tensor<4> {
    convolution::convolve(map, weight, Some(bias), steps, true)
}

/// `tokens` times `weight`, plus `bias`.
///
/// # Shapes
/// - `tokens`: `[batch, n, from]`
/// - `weight`: `[from, to]`
/// - `bias`: `[to]`
/// - output: `[batch, n, to]`
///
/// # Panics
/// If the shapes do not agree, or if the tensors are not those of [`computes_with`].
pub(crate) fn linear(tokens: Tensor<3>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<3> {
    let [from, to] = weight.dims();
    assert_eq!(tokens.dims()[2], from, "the weights are not those of the tokens");
    check_bias(bias.as_ref(), to);
    #[cfg(feature = "training")]
    if records_one(&tokens, &weight) {
        return recorded::linear(tokens, weight, bias);
    }
    linear::linear(tokens, weight, bias)
}

/// Layer norm over the channels of tokens.
///
/// # Shapes
/// - `tokens`, output: `[batch, n, channels]`
/// - `gamma`, `beta`: `[channels]`
///
/// # Panics
/// If the tensors are not those of [`computes_with`].
pub(crate) fn layer_norm(tokens: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<3> {
    let [.., channels] = tokens.dims();
    assert_eq!(
        [gamma.dims(), beta.dims()],
        [[channels]; 2],
        "the norm is not that of the channels"
    );
    #[cfg(feature = "training")]
    if records_one(&tokens, &gamma) {
        return recorded::layer_norm(tokens, gamma, beta, epsilon);
    }
    layer_norm::layer_norm(tokens, gamma, beta, epsilon)
}

/// Multiplies all channels of a pixel by its factor.
///
/// # Shapes
/// - `map`, output: `[batch, channels, h, w]`; the output's channels are together in memory
/// - `factors`: `[batch, 1, h, w]`
///
/// # Panics
/// If the shapes do not agree, or if the tensors are not those of [`computes_with`].
pub(crate) fn scale(map: Tensor<4>, factors: Tensor<4>) -> Tensor<4> {
    let [batch, _, height, width] = map.dims();
    assert_eq!(
        factors.dims(),
        [batch, 1, height, width],
        "the factors are not those of the map"
    );
    #[cfg(feature = "training")]
    if records_one(&map, &factors) {
        return recorded::scale(map, factors);
    }
    scale::scale(map, factors)
}

/// Bilinear upsampling with `align_corners = false`.
///
/// # Shapes
/// - `map`: `[batch, channels, h, w]`
/// - output: `[batch, channels, size[0], size[1]]`, its channels together in memory
///
/// # Panics
/// If the tensor is not one of [`computes`].
pub(crate) fn upsample_bilinear(map: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    #[cfg(feature = "training")]
    if records(&map) {
        return recorded::upsample_bilinear(map, size);
    }
    upsample::upsample_bilinear(map, size)
}

/// The sum of maps that are upsampled as by [`upsample_bilinear`], and then ReLU, if `relu`, of tensors of [`takes`].
///
/// # Shapes
/// - `maps`: `[batch, channels, h, w]`, of any height and width
/// - output: `[batch, channels, size[0], size[1]]`, its channels together in memory
///
/// # Panics
/// If there is no map, or if the shapes do not agree.
pub(crate) fn upsampled_sum(maps: Vec<Tensor<4>>, size: [usize; 2], relu: bool) -> Tensor<4> {
    upsample::sum(maps, size, relu)
}

/// The weights of a dense convolution, in the order in which [`convolve`] reads them, so that no run of a network has to transpose them. Their shape stays.
pub(crate) fn rearranged<const D: usize>(weight: Tensor<D>) -> Tensor<D> {
    if D != 4 || weight.dims()[1] == 1 || !takes(&weight) {
        return weight;
    }
    let device = weight.device();
    let axes = |order: [usize; 4]| std::array::from_fn::<usize, D, _>(|axis| order[axis]);
    let lines = weight.permute(axes(convolution::IN_LINES));
    let shape = lines.dims();
    tensor_of(floats(lines), shape, &device).permute(axes(convolution::FROM_LINES))
}

/// [`rearranged`] of all weights of a module.
pub(crate) struct Rearrange;

impl ModuleMapper for Rearrange {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(rearranged)
    }
}

/// The numbers of a tensor, shared with it.
#[derive(Clone, Debug)]
struct Values(FlexTensor);

impl Values {
    /// Of a tensor of which burn records nothing.
    ///
    /// # Panics
    /// If the numbers are not 32-bit floats on the CPU.
    fn of<const D: usize>(tensor: Tensor<D>) -> Self {
        assert_eq!(tensor.dtype(), DType::F32, "weights and maps have one type");
        let tensor = tensor.try_into_primitive::<Flex>();
        Self::of_primitive(tensor.expect("weights and maps are on the CPU"))
    }

    fn of_primitive(tensor: FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }

    /// All numbers. To be called once: each call looks at the whole layout.
    fn all(&self) -> &[f32] {
        self.0.as_slice().expect("they were made contiguous")
    }
}

/// A tensor of which burn records nothing.
fn tensor_of<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// `[batch, channels, h, w]` as `[batch, h, w, channels]`; no number is moved by this.
fn nhwc_of(map: Tensor<4>) -> Tensor<4> {
    map.permute([0, 2, 3, 1])
}

/// `[batch, h, w, channels]` as `[batch, channels, h, w]`, without moving a number.
fn map_of(nhwc: Tensor<4>) -> Tensor<4> {
    nhwc.permute([0, 3, 1, 2])
}

/// The numbers of a tensor of [`takes`]: on the CPU they are there, and nothing is waited for or copied.
#[allow(clippy::disallowed_methods, reason = "reading back at once panics on WebGPU alone")]
fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let values = tensor.into_data().try_into_vec();
    values.expect("only tensors of 32-bit floats come here")
}

/// Adds `values` to `sums`.
#[inline(always)]
fn add(sums: &mut [f32], values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

/// The sum of `term` over the indices below `len`, in an order that the compiler can turn into vector instructions.
#[inline(always)]
fn sum(len: usize, term: impl Fn(usize) -> f32) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let whole = len / LANES * LANES;
    for first in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            sums[lane] += term(first + lane);
        }
    }
    let rest: f32 = (whole..len).map(term).sum();
    rest + sums.iter().sum::<f32>()
}

/// Sets what is below 0 to 0.
#[inline(always)]
fn relu(values: &mut [f32]) {
    for value in values {
        // Not `max`, which would make a number of what is none.
        *value = if *value < 0.0 { 0.0 } else { *value };
    }
}

/// Calls `act` with the number of each chunk of `values`, the last of which may be shorter: on all cores, where there are threads, and with the widest
/// vector instructions of the processor.
fn for_each_chunk(values: &mut [f32], length: usize, act: impl Fn(usize, &mut [f32]) + Sync) {
    #[cfg(not(target_arch = "wasm32"))]
    {
        use rayon::prelude::*;
        let act = |(index, chunk): (usize, &mut [f32])| {
            vectorized(
                #[inline(always)]
                || act(index, chunk),
            )
        };
        if has_threads() {
            values.par_chunks_mut(length).enumerate().for_each(act);
        } else {
            values.chunks_mut(length).enumerate().for_each(act);
        }
    }
    #[cfg(target_arch = "wasm32")]
    for (index, chunk) in values.chunks_mut(length).enumerate() {
        act(index, chunk);
    }
}

/// As [`for_each_chunk`], with the chunks of `others` that have the same numbers.
fn for_each_pair<T: Send>(
    values: &mut [f32],
    length: usize,
    others: &mut [T],
    length_of_others: usize,
    act: impl Fn(usize, &mut [f32], &mut [T]) + Sync,
) {
    #[cfg(not(target_arch = "wasm32"))]
    {
        use rayon::prelude::*;
        let act = |(index, (chunk, other)): (usize, (&mut [f32], &mut [T]))| {
            vectorized(
                #[inline(always)]
                || act(index, chunk, other),
            )
        };
        if has_threads() {
            let others = others.par_chunks_mut(length_of_others);
            values.par_chunks_mut(length).zip(others).enumerate().for_each(act);
        } else {
            let others = others.chunks_mut(length_of_others);
            values.chunks_mut(length).zip(others).enumerate().for_each(act);
        }
    }
    #[cfg(target_arch = "wasm32")]
    for (index, (chunk, other)) in values
        .chunks_mut(length)
        .zip(others.chunks_mut(length_of_others))
        .enumerate()
    {
        act(index, chunk, other);
    }
}

/// The results of `act` for each of `items`, in order.
fn map_each<T: Sync, R: Send>(items: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    #[cfg(not(target_arch = "wasm32"))]
    {
        use rayon::prelude::*;
        let act = |item: &T| {
            vectorized(
                #[inline(always)]
                || act(item),
            )
        };
        if has_threads() {
            return items.par_iter().map(act).collect();
        }
        items.iter().map(act).collect()
    }
    #[cfg(target_arch = "wasm32")]
    items.iter().map(act).collect()
}

/// Calls `act` on a thread of the pool that shares the kernels' work. From another thread, each kernel would hand its work over and wait for it.
pub(crate) fn in_the_pool<R: Send>(act: impl FnOnce() -> R + Send) -> R {
    #[cfg(not(target_arch = "wasm32"))]
    if has_threads() {
        return rayon::scope(|_| act());
    }
    act()
}

/// Whether there is more than one thread to share work. With one, each caller does its own work, so that several callers do not wait for each other.
#[cfg(not(target_arch = "wasm32"))]
fn has_threads() -> bool {
    rayon::current_num_threads() > 1
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
