//! Kernels of our own in training: burn records each as one operation, whose backward pass is ours, too.
//!
//! Sums over pixels are sums over parts of fixed size, which are added in order: the same input gives the same gradients on any number of cores.

mod attention;
mod batch_norm;
mod convolution;
mod depthwise;
mod dropout;
mod layer_norm;
mod linear;
mod scale;
mod upsample;

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor, TensorData};

use super::{Values, add, for_each_chunk, map_each};
pub(super) use attention::attention;
pub(crate) use batch_norm::batch_norm;
pub(super) use convolution::convolve;
pub(super) use depthwise::depthwise_gelu;
pub(crate) use dropout::dropout;
pub(super) use layer_norm::layer_norm;
pub(super) use linear::linear;
pub(super) use scale::scale;
pub(super) use upsample::upsample_bilinear;

/// Rows of a part whose sums are taken first, and sums that are taken at a time.
const ROWS: usize = 512;
const SUMS: usize = 4096;

/// A tensor's numbers, and its place in burn's graph.
///
/// # Panics
/// If the numbers are not 32-bit floats on the CPU.
fn parts_of<const D: usize>(tensor: Tensor<D>) -> (Values, NodeGuard) {
    assert_eq!(tensor.dtype(), DType::F32, "weights and maps have one type");
    // A tensor of which nothing is recorded is a constant.
    let tensor = tensor.autodiff().try_into_primitive::<Autodiff<Flex>>();
    let (values, node) = tensor.expect("weights and maps are on the CPU").into_parts();
    (Values::of_primitive(values), node)
}

/// What an operation of `N` tensors keeps for its backward pass.
trait Operation<const N: usize>: Clone + Debug + Send + 'static {
    /// The gradients of the `N` tensors from that of the output. Those that are not `wanted` may be empty.
    fn backward(self, gradient: &[f32], wanted: [bool; N]) -> [Vec<f32>; N];
}

/// Registers `output`, of `shape`, in burn's graph as the result of `operation` on the tensors at `nodes`, whose shapes are `shapes`.
fn record<O: Operation<N>, const N: usize, const D: usize>(
    operation: O,
    nodes: [NodeGuard; N],
    shapes: [Vec<usize>; N],
    output: Vec<f32>,
    shape: [usize; D],
) -> Tensor<D> {
    let output = FlexTensor::from_data(TensorData::new(output, shape));
    let step = Step(PhantomData::<O>).prepare::<NoCheckpointing>(nodes).compute_bound();
    let output = match step.stateful() {
        OpsKind::Tracked(step) => step.finish((operation, shapes), output),
        OpsKind::UnTracked(step) => step.finish(output),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

#[derive(Debug)]
struct Step<O>(PhantomData<O>);

impl<O: Operation<N>, const N: usize> Backward<Flex, N> for Step<O> {
    type State = (O, [Vec<usize>; N]);

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = Values::of_primitive(gradients.consume::<Flex>(&ops.node));
        let (operation, shapes) = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = operation.backward(gradient.all(), wanted);
        for ((parent, values), shape) in ops.parents.into_iter().zip(found).zip(shapes) {
            if let Some(parent) = parent {
                gradients.register::<Flex>(parent.id, FlexTensor::from_data(TensorData::new(values, shape)));
            }
        }
    }
}

/// The sums of parts, `[parts, len]`, in order.
fn sum_of_parts(parts: &[f32], len: usize) -> Vec<f32> {
    let mut sums = vec![0.0; len];
    for_each_chunk(
        &mut sums,
        SUMS,
        #[inline(always)]
        |index, sums| {
            for part in parts.chunks_exact(len) {
                add(sums, &part[index * SUMS..]);
            }
        },
    );
    sums
}

/// The sums over rows, `[rows, len]`, in parts of fixed size.
fn sum_of_rows(rows: &[f32], len: usize) -> Vec<f32> {
    sum_over_rows(rows, len, add)
}

/// As [`sum_of_rows`], of what `add` adds for each row.
#[inline(always)]
fn sum_over_rows(rows: &[f32], len: usize, add: impl Fn(&mut [f32], &[f32]) + Sync) -> Vec<f32> {
    let parts: Vec<&[f32]> = rows.chunks(ROWS * len).collect();
    let parts = map_each(
        &parts,
        #[inline(always)]
        |part| {
            let mut sums = vec![0.0; len];
            for row in part.chunks_exact(len) {
                add(&mut sums, row);
            }
            sums
        },
    );
    sum_of_parts(&parts.concat(), len)
}

/// Adds `factor` times `values` to `sums`.
#[inline(always)]
fn add_scaled(sums: &mut [f32], factor: f32, values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::BatchNormConfig;
    use burn::tensor::activation::{gelu, relu, softmax};
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use burn::tensor::{Device, Distribution, Tensor, Tolerance};

    use super::super::attention::Heads;
    use super::super::{Steps, computes_with};
    use crate::embed::{map_from_tokens, tokens_from_map};

    fn device(seed: u64) -> Device {
        let device = Device::flex().autodiff();
        device.seed(seed);
        device
    }

    fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
        let values = Tensor::<D>::random(shape, Distribution::Normal(0.1, 1.0), device);
        values.detach().require_grad()
    }

    /// Asserts that two outputs are equal, and that `inputs` have equal gradients from a random one of the outputs.
    fn assert_same<const D: usize, const I: usize>(ours: Tensor<D>, theirs: Tensor<D>, inputs: &[Tensor<I>]) {
        assert_eq!(ours.dims(), theirs.dims());
        let outputs = [&ours, &theirs].map(|output| output.clone().into_data());
        outputs[0].assert_approx_eq::<f32>(&outputs[1], Tolerance::rel_abs(1e-4, 1e-4));
        let weights = random(ours.dims(), &ours.device()).detach();
        let gradients = [ours, theirs].map(|output| (output * weights.clone()).sum().backward());
        for (index, input) in inputs.iter().enumerate() {
            let [ours, theirs] = gradients
                .each_ref()
                .map(|gradients| input.grad(gradients).expect("it has a gradient"));
            assert_eq!(ours.dims(), theirs.dims());
            let range = theirs.clone().abs().max().into_scalar::<f32>();
            let difference = (ours - theirs).abs().max().into_scalar::<f32>();
            assert!(
                difference <= 2e-5 * range.max(0.1),
                "input {index}: {difference} of {range}"
            );
        }
    }

    fn flat<const D: usize>(tensor: &Tensor<4>) -> Tensor<D> {
        let shape = tensor.dims();
        tensor
            .clone()
            .reshape::<D, _>(std::array::from_fn(|axis| shape[4 - D + axis]))
    }

    #[test]
    fn layer_norm() {
        for (seed, [batch, count, channels]) in [[1, 1, 8], [2, 5, 24], [3, 300, 100], [1, 7, 5]]
            .into_iter()
            .enumerate()
        {
            let device = device(seed as u64);
            let shapes = [[1, batch, count, channels], [1, 1, 1, channels], [1, 1, 1, channels]];
            let inputs = shapes.map(|shape| random(shape, &device));
            let [tokens, gamma, beta] = &inputs;
            let ours = super::layer_norm(flat(tokens), flat(gamma), flat(beta), 1e-5);
            let theirs = burn::tensor::module::layer_norm(flat::<3>(tokens), flat(gamma), Some(flat(beta)), 1e-5);
            assert_same(ours, theirs, &inputs);
        }
    }

    #[test]
    fn linear_layers() {
        for (seed, (batch, count, from, to)) in [
            (1, 1, 1, 1),
            (2, 5, 3, 7),
            (2, 300, 8, 24),
            (1, 33, 24, 25),
            (3, 40, 36, 50),
            (40, 256, 2, 3),
        ]
        .into_iter()
        .enumerate()
        {
            let device = device(seed as u64);
            let shapes = [[1, batch, count, from], [1, 1, from, to], [1, 1, 1, to]];
            for with_bias in [true, false] {
                let inputs = shapes.map(|shape| random(shape, &device));
                let [tokens, weight, bias] = &inputs;
                let bias = || with_bias.then(|| flat::<1>(bias));
                let ours = super::linear(flat(tokens), flat(weight), bias());
                let theirs = burn::tensor::module::linear(flat::<3>(tokens), flat(weight), bias());
                assert_same(ours, theirs, if with_bias { &inputs } else { &inputs[..2] });
            }
        }
    }

    #[test]
    fn depthwise_convolution_with_gelu() {
        for (seed, [batch, height, width, channels]) in
            [[1, 1, 1, 1], [2, 1, 7, 5], [1, 3, 1, 16], [3, 20, 4, 17], [2, 8, 6, 96]]
                .into_iter()
                .enumerate()
        {
            let device = device(seed as u64);
            let shapes = [
                [1, batch, height * width, channels],
                [channels, 1, 3, 3],
                [1, 1, 1, channels],
            ];
            let inputs = shapes.map(|shape| random(shape, &device));
            let [tokens, weight, bias] = &inputs;
            let ours = super::depthwise_gelu(flat(tokens), [height, width], weight.clone(), flat(bias));
            let options = ConvOptions::new([1, 1], [1, 1], [1, 1], channels);
            let map = map_from_tokens(flat(tokens), [height, width]);
            let map = conv2d(map, weight.clone(), Some(flat(bias)), options);
            assert_same(ours, gelu(tokens_from_map(map)), &inputs);
        }
    }

    #[test]
    fn attention_in_windows() {
        for (seed, (batch, count, head_dim, grid, ratio, window)) in [
            (2, 1, 24, [16, 16], 8, 16),
            (1, 2, 5, [4, 6], 1, 8),
            (2, 3, 8, [8, 12], 2, 4),
            (1, 1, 3, [12, 10], 2, 8),
        ]
        .into_iter()
        .enumerate()
        {
            let device = device(seed as u64);
            let dim = count * head_dim;
            let keys = [grid[0] / ratio, grid[1] / ratio];
            let shapes = [grid, keys, keys].map(|[height, width]| [batch, height, width, dim]);
            let inputs = shapes.map(|shape| random(shape, &device));
            let heads = Heads {
                count,
                grid,
                ratio,
                window,
            };
            let tokens =
                |map: &Tensor<4>, [height, width]: [usize; 2]| map.clone().reshape([batch, height * width, dim]);
            let [query, key, value] = &inputs;
            let ours = super::attention(tokens(query, grid), tokens(key, keys), tokens(value, keys), heads);
            let split = |map: Tensor<4>| {
                let [_, height, width, _] = map.dims();
                map.reshape([batch, height * width, count, head_dim]).swap_dims(1, 2)
            };
            let rows = (0..grid[0]).step_by(window).map(|top| {
                let columns = (0..grid[1]).step_by(window).map(|left| {
                    let part = |map: &Tensor<4>, ratio: usize| {
                        let [_, height, width, _] = map.dims();
                        let end = |first: usize, edge: usize| edge.min((first + window) / ratio);
                        map.clone().slice([
                            0..batch,
                            top / ratio..end(top, height),
                            left / ratio..end(left, width),
                            0..dim,
                        ])
                    };
                    let query = part(query, 1);
                    let [_, height, width, _] = query.dims();
                    let [query, key, value] = [query, part(key, ratio), part(value, ratio)].map(split);
                    let scores = query
                        .mul_scalar((head_dim as f64).powf(-0.5))
                        .matmul(key.swap_dims(2, 3));
                    let mixed = softmax(scores, 3).matmul(value);
                    mixed.swap_dims(1, 2).reshape([batch, height, width, dim])
                });
                Tensor::cat(columns.collect(), 2)
            });
            let theirs = Tensor::cat(rows.collect(), 1).reshape([batch, grid[0] * grid[1], dim]);
            assert_same(ours, theirs, &inputs);
        }
    }

    #[test]
    fn dense_convolution() {
        for (seed, (batch, from, to, [height, width], kernel, [stride, padding])) in [
            (2, 3, 5, [8, 12], 7, [4, 3]),
            (1, 4, 8, [7, 5], 3, [2, 1]),
            (3, 6, 4, [4, 9], 3, [1, 1]),
            (2, 5, 7, [3, 4], 1, [1, 0]),
            (1, 2, 3, [2, 1], 7, [4, 3]),
            (1, 2, 3, [4, 4], 1, [2, 0]),
            (2, 24, 30, [9, 11], 3, [1, 1]),
            (1, 30, 55, [6, 10], 3, [2, 1]),
            (1, 55, 24, [5, 7], 1, [1, 0]),
            (5, 4, 6, [70, 3], 3, [1, 1]),
            (2, 5, 6, [8, 12], 4, [4, 0]),
            (1, 6, 5, [7, 9], 2, [2, 0]),
            (1, 3, 4, [6, 5], 3, [1, 0]),
            (1, 3, 4, [6, 5], 3, [1, 2]),
        ]
        .into_iter()
        .enumerate()
        {
            let device = device(seed as u64);
            let shapes = [[batch, from, height, width], [to, from, kernel, kernel], [1, 1, 1, to]];
            let inputs = shapes.map(|shape| random(shape, &device));
            let [map, weight, bias] = &inputs;
            let steps = Steps { stride, padding };
            for with_bias in [true, false] {
                let inputs = &inputs[..if with_bias { 3 } else { 2 }];
                let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
                // A graph can be run backward once, so each side has its own.
                let bias = || with_bias.then(|| flat(bias));
                let theirs = conv2d(map.clone(), weight.clone(), bias(), options);
                let ours = super::convolve(map.clone(), weight.clone(), bias(), steps);
                assert_same(ours, theirs, inputs);
            }
        }
    }

    #[test]
    fn batch_norm_with_and_without_relu() {
        for (seed, [batch, channels, height, width]) in
            [[2, 3, 4, 5], [1, 24, 40, 30], [3, 1, 2, 2]].into_iter().enumerate()
        {
            for with_relu in [false, true] {
                let device = device(seed as u64);
                let map = random([batch, channels, height, width], &device);
                let mut norms = [(); 2].map(|()| BatchNormConfig::new(channels).init(&device));
                let [gamma, beta] = [(); 2].map(|()| random([channels], &device));
                for norm in &mut norms {
                    norm.gamma = norm.gamma.clone().map(|_| gamma.clone());
                    norm.beta = norm.beta.clone().map(|_| beta.clone());
                }
                let outputs = || {
                    let ours = super::batch_norm(&norms[0], map.clone(), with_relu);
                    let theirs = norms[1].forward(map.clone());
                    (ours, if with_relu { relu(theirs) } else { theirs })
                };
                let (ours, theirs) = outputs();
                assert_same(ours, theirs, std::slice::from_ref(&map));
                let (ours, theirs) = outputs();
                assert_same(ours, theirs, &[gamma, beta]);
                let states = norms.each_ref().map(|norm| [&norm.running_mean, &norm.running_var]);
                for (ours, theirs) in states[0].iter().zip(states[1]) {
                    let [ours, theirs] = [*ours, theirs].map(|state| state.value_sync().into_data());
                    ours.assert_approx_eq::<f32>(&theirs, Tolerance::rel_abs(1e-5, 1e-5));
                }
            }
        }
    }

    #[test]
    fn constants_have_no_gradient_and_change_none() {
        let device = device(1);
        let weight = random([4, 3, 3, 3], &device);
        let constant = Tensor::<4>::random([2, 3, 6, 5], Distribution::Normal(0.0, 1.0), &Device::flex());
        let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        // A map that is not recorded at all, and one that needs no gradient.
        for map in [constant.clone(), constant.clone().autodiff()] {
            assert!(computes_with(&map, &weight));
            let ours = crate::cpu::convolve(map, weight.clone(), None, Steps { stride: 1, padding: 1 });
            let theirs = conv2d(constant.clone().autodiff(), weight.clone(), None, options.clone());
            assert_same(ours, theirs, std::slice::from_ref(&weight));
        }
        let map = constant.autodiff();
        let norm = BatchNormConfig::new(3).init(&device);
        let gradients = super::batch_norm(&norm, map.clone(), true).sum().backward();
        assert!(map.grad(&gradients).is_none());
        assert!(norm.gamma.val().grad(&gradients).is_some());
    }

    #[test]
    fn what_is_not_a_number_stays_none() {
        let device = device(1);
        let norm = BatchNormConfig::new(1).init(&device);
        let map = Tensor::<4>::from_data([[[[1.0, f32::NAN]]]], &device);
        for with_relu in [false, true] {
            let output = super::batch_norm(&norm, map.clone(), with_relu).into_data();
            assert!(output.iter::<f32>().all(f32::is_nan), "{output:?}");
        }
    }

    #[test]
    fn dropout_keeps_its_share_and_its_mean() {
        let device = device(1);
        let ones = || Tensor::<4>::ones([1, 400, 300, 1], &device).require_grad();
        let input = ones();
        let output = super::dropout(input.clone(), 0.3);
        let gradients = output.clone().sum().backward();
        let gradient = input.grad(&gradients).expect("it has a gradient").into_data();
        let output = output.into_data();
        assert_eq!(gradient, output, "what was dropped has no gradient");
        let values = output.try_to_vec::<f32>().expect("32-bit floats");
        assert!(
            values
                .iter()
                .all(|&value| value == 0.0 || (value - 1.0 / 0.7).abs() < 1e-6)
        );
        let share = |values: &[f32]| values.iter().filter(|value| **value == 0.0).count() as f32 / values.len() as f32;
        // Of 120,000 numbers, the standard deviation of the share is 0.0013; of 400 in a row, 0.023.
        assert!((share(&values) - 0.3).abs() < 0.006, "{}", share(&values));
        assert!(values.chunks(400).all(|row| (share(row) - 0.3).abs() < 0.1));
        let again = super::dropout(ones(), 0.3).into_data();
        assert_ne!(again, output, "each call draws anew");
    }

    #[test]
    fn factors_of_pixels() {
        for (seed, [batch, channels, height, width]) in
            [[1, 1, 1, 1], [2, 24, 9, 7], [3, 9, 12, 11]].into_iter().enumerate()
        {
            let device = device(seed as u64);
            let inputs =
                [[batch, channels, height, width], [batch, 1, height, width]].map(|shape| random(shape, &device));
            let [map, factors] = &inputs;
            let ours = super::scale(map.clone(), factors.clone());
            assert_same(ours, map.clone() * factors.clone(), &inputs);
        }
    }

    #[test]
    fn bilinear_upsampling() {
        use burn::tensor::module::interpolate;
        use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
        for (seed, (shape, size)) in [
            ([2, 3, 4, 5], [8, 10]),
            ([1, 1, 1, 1], [4, 3]),
            ([1, 5, 2, 3], [16, 24]),
        ]
        .into_iter()
        .enumerate()
        {
            let device = device(seed as u64);
            let map = random(shape, &device);
            let ours = super::upsample_bilinear(map.clone(), size);
            let options = InterpolateOptions::new(InterpolateMode::Bilinear)
                .with_align_corners(false)
                .with_output_size(size);
            assert_same(ours, interpolate(map.clone(), options), &[map]);
        }
    }
}
