//! Dropout.

use burn::tensor::{Distribution, Tensor};

use super::{Operation, parts_of, record};
use crate::cpu::{floats, for_each_chunk, map_of, nhwc_of};

/// Numbers of a part.
const PART: usize = 1 << 14;

/// Sets each number to zero with probability `rate`, from 0 to below 1, and scales the others so that the mean stays (arXiv:1207.0580). The seed comes from
/// the device's generator.
///
/// # Shapes
/// - `map`, output: `[batch, channels, h, w]`
pub(crate) fn dropout(map: Tensor<4>, rate: f64) -> Tensor<4> {
    let seeds = Tensor::<1>::random([2], Distribution::Uniform(0.0, 1.0), &map.device());
    let seeds = floats(seeds.inner());
    let map = nhwc_of(map);
    let shape = map.dims();
    let (input, node) = parts_of(map);
    let operation = Dropout {
        seed: seeds[0].to_bits() ^ seeds[1].to_bits().rotate_left(16),
        // Of 2^32 numbers that are equally likely, those from here on are kept.
        threshold: (rate * f64::from(u32::MAX)) as u32,
        factor: (1.0 / (1.0 - rate)) as f32,
    };
    let output = operation.apply(input.all());
    map_of(record(operation, [node], [shape.to_vec()], output, shape))
}

/// Which numbers are kept follows from their indices: nothing is stored for the backward pass.
#[derive(Clone, Debug)]
struct Dropout {
    seed: u32,
    threshold: u32,
    factor: f32,
}

impl Dropout {
    fn apply(&self, values: &[f32]) -> Vec<f32> {
        let Self {
            seed,
            threshold,
            factor,
        } = *self;
        let mut output = values.to_vec();
        for_each_chunk(
            &mut output,
            PART,
            #[inline(always)]
            |part, values| {
                let first = (part * PART) as u32;
                for (index, value) in values.iter_mut().enumerate() {
                    let kept = mixed(mixed(first + index as u32) ^ seed) >= threshold;
                    *value *= if kept { factor } else { 0.0 };
                }
            },
        );
        output
    }
}

impl Operation<1> for Dropout {
    fn backward(self, gradient: &[f32], _: [bool; 1]) -> [Vec<f32>; 1] {
        [self.apply(gradient)]
    }
}

/// A bijection of 32-bit numbers in which each bit of the input changes each bit of the output about half of the time: MurmurHash3's `fmix32`.
#[inline(always)]
fn mixed(mut bits: u32) -> u32 {
    bits ^= bits >> 16;
    bits = bits.wrapping_mul(0x85eb_ca6b);
    bits ^= bits >> 13;
    bits = bits.wrapping_mul(0xc2b2_ae35);
    bits ^ (bits >> 16)
}
