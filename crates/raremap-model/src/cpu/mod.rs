//! Kernels of our own for the CPU, each in place of several of burn's, which pass over memory once each.
//!
//! They are for running a network, not for training it: they record nothing for a backward pass. Everywhere else the network is burn's operations,
//! which the tests here compare them with.
#![allow(
    clippy::needless_range_loop,
    reason = "where the page is built soon rather than small, an iterator's adapters are not inlined, and each step would be a call"
)]

mod attention;
mod convolution;
mod depthwise;
mod upsample;

use burn::tensor::{DType, Device, Tensor};

pub(crate) use attention::{Heads, attention};
pub(crate) use convolution::convolve_relu;
pub(crate) use depthwise::depthwise_gelu;
pub(crate) use upsample::upsample_bilinear;

/// Whether these kernels can take `tensor`: 32-bit floats on the CPU, of which nothing is recorded.
pub(crate) fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    let device = tensor.device();
    // A device with autodiff equals the same one without.
    tensor.dtype() == DType::F32 && !device.is_autodiff() && device == Device::flex()
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

/// Calls `act` with the number of each chunk of `values`, the last of which may be shorter: on all cores, where there are threads.
fn for_each_chunk(values: &mut [f32], length: usize, act: impl Fn(usize, &mut [f32]) + Sync) {
    #[cfg(not(target_arch = "wasm32"))]
    {
        use rayon::prelude::*;
        let chunks = values.par_chunks_mut(length).enumerate();
        chunks.for_each(|(index, chunk)| act(index, chunk));
    }
    #[cfg(target_arch = "wasm32")]
    for (index, chunk) in values.chunks_mut(length).enumerate() {
        act(index, chunk);
    }
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
