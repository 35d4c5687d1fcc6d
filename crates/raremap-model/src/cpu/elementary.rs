//! Functions of many numbers at a time, without branches, so that the compiler can turn their loops into vector instructions.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

/// Numbers that are computed at a time.
const LANES: usize = 16;

/// Applies a function of arrays to all `values`.
macro_rules! to_all {
    ($values:expr, $function:ident) => {{
        let (whole, rest) = $values.as_chunks_mut::<LANES>();
        for values in whole {
            $function(values);
        }
        for value in rest {
            $function(std::array::from_mut(value));
        }
    }};
}

/// `x P(X <= x)` for a standard normal X (arXiv:1606.08415, section 2).
#[inline(always)]
pub(super) fn gelu(values: &mut [f32]) {
    #[inline(always)]
    fn of<const N: usize>(values: &mut [f32; N]) {
        let erf = erf(values.map(|value| value * FRAC_1_SQRT_2));
        for lane in 0..N {
            values[lane] = 0.5 * values[lane] * (1.0 + erf[lane]);
        }
    }
    to_all!(values, of);
}

/// Turns each of `values` into the slope of [`gelu`] there, times the gradient.
#[inline(always)]
#[cfg(feature = "training")]
pub(super) fn gelu_backward(values: &mut [f32], gradient: &[f32]) {
    #[inline(always)]
    fn of<const N: usize>(values: &mut [f32; N]) {
        let erf = erf(values.map(|value| value * FRAC_1_SQRT_2));
        let mut density = *values;
        for lane in 0..N {
            density[lane] *= -0.5 * values[lane];
        }
        exp(&mut density);
        for lane in 0..N {
            values[lane] = 0.5 + 0.5 * erf[lane] + values[lane] * density[lane] * INVERSE_SQRT_TAU;
        }
    }
    to_all!(values, of);
    for (slope, gradient) in values.iter_mut().zip(gradient) {
        *slope *= gradient;
    }
}

/// `1 / sqrt(2 pi)`
#[cfg(feature = "training")]
const INVERSE_SQRT_TAU: f32 = 0.398_942_3;

/// [`exp`] of all `values`.
#[inline(always)]
#[cfg(feature = "training")]
pub(super) fn exp_values(values: &mut [f32]) {
    to_all!(values, exp);
}

/// The exponential function of numbers up to 0, within 2e-7 of the value, without branches: a power of two by the exponent's bits, times a
/// polynomial (the Taylor series of degree 7, whose rest is below 1e-8 there).
#[inline(always)]
pub(super) fn exp<const N: usize>(values: &mut [f32; N]) {
    // ln 2 in two parts: the first has few digits, so that a whole number of them is exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const TAYLOR: [f32; 8] = [
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    for lane in 0..N {
        // Below this, the result is no normal float any more, and negligible beside the largest. `max` would replace NaN by a number.
        let x = if values[lane] < -87.0 { -87.0 } else { values[lane] };
        let doublings = (x * LOG2_E - 0.5).trunc();
        let rest = x - doublings * LN_2[0] - doublings * LN_2[1];
        let mut sum = 0.0;
        for coefficient in TAYLOR {
            sum = sum * rest + coefficient;
        }
        values[lane] = sum * f32::from_bits(((doublings as i32 + 127) << 23) as u32);
    }
}

/// The error function within 4e-7, without branches: a rational function of odd degree 13 over even degree 8, fitted to -4..4, beyond which a
/// 32-bit float cannot tell it from plus or minus 1.
#[inline(always)]
fn erf<const N: usize>(mut x: [f32; N]) -> [f32; N] {
    const NUMERATOR: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_3e-8,
        -2.101_024e-6,
        -5.692_506_6e-5,
        -7.349_906_5e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const DENOMINATOR: [f32; 5] = [
        -1.456_607_2e-5,
        -2.133_740_5e-4,
        -1.682_827e-3,
        -7.373_329e-3,
        -1.426_473_9e-2,
    ];
    let (mut square, mut above, mut below) = ([0.0; N], [0.0; N], [0.0; N]);
    for lane in 0..N {
        x[lane] = x[lane].clamp(-4.0, 4.0);
        square[lane] = x[lane] * x[lane];
    }
    for coefficient in NUMERATOR {
        for lane in 0..N {
            above[lane] = above[lane] * square[lane] + coefficient;
        }
    }
    for coefficient in DENOMINATOR {
        for lane in 0..N {
            below[lane] = below[lane] * square[lane] + coefficient;
        }
    }
    for lane in 0..N {
        x[lane] *= above[lane] / below[lane];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_is_within_four_ten_millionths() {
        let ours = |x: f32| erf([x])[0];
        let largest = (-60_000..=60_000)
            .map(|step| step as f32 / 10_000.0)
            .map(|x| (f64::from(ours(x)) - series(f64::from(x))).abs())
            .fold(0.0, f64::max);
        assert!(largest < 4e-7, "{largest}");
        assert_eq!(
            [f32::INFINITY, f32::NEG_INFINITY, 0.0].map(|x| ours(x).round()),
            [1.0, -1.0, 0.0]
        );
        assert!(ours(f32::NAN).is_nan());
    }

    /// The error function by its Taylor series near 0 and by its continued fraction elsewhere, to 1e-12.
    fn series(x: f64) -> f64 {
        let size = x.abs();
        if size < 2.5 {
            let mut term = x;
            let mut sum = x;
            for n in 1..80 {
                term *= -x * x / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            return sum * std::f64::consts::FRAC_2_SQRT_PI;
        }
        let fraction = (1..120).rev().fold(size, |below, n| size + f64::from(n) / 2.0 / below);
        let rest = (-size * size).exp() / fraction * std::f64::consts::FRAC_2_SQRT_PI / 2.0;
        (1.0 - rest).copysign(x)
    }
}
