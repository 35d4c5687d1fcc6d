//! Functions of many numbers at a time, in vectors.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

use pulp::{Simd, WithSimd};

use super::panels::{dispatch, multiply_add};

/// Numbers that [`exp_values`] computes at a time.
#[cfg(feature = "training")]
const LANES: usize = 16;

/// `x P(X <= x)` for a standard normal X (arXiv:1606.08415, section 2).
#[inline(always)]
pub(super) fn gelu(values: &mut [f32]) {
    dispatch(Gelu(values));
}

struct Gelu<'a>(&'a mut [f32]);

impl WithSimd for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (whole, rest) = S::as_mut_simd_f32s(self.0);
        for values in whole {
            *values = gelu_of(simd, *values);
        }
        if !rest.is_empty() {
            let values = gelu_of(simd, simd.partial_load_f32s(rest));
            simd.partial_store_f32s(rest, values);
        }
    }
}

#[inline(always)]
fn gelu_of<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let half = simd.mul_f32s(simd.splat_f32s(0.5), x);
    let erf = erf(simd, simd.mul_f32s(x, simd.splat_f32s(FRAC_1_SQRT_2)));
    multiply_add(simd, half, erf, half)
}

/// Turns each of `values` into the slope of [`gelu`] there, times the gradient.
#[inline(always)]
#[cfg(feature = "training")]
pub(super) fn gelu_backward(values: &mut [f32], gradient: &[f32]) {
    let mut densities: Vec<f32> = values.iter().map(|value| -0.5 * value * value).collect();
    exp_values(&mut densities);
    let gradient = &gradient[..values.len()];
    dispatch(GeluBackward {
        values,
        densities: &densities,
        gradient,
    });
}

#[cfg(feature = "training")]
struct GeluBackward<'a> {
    values: &'a mut [f32],
    /// Of a standard normal variable at the values, times the square root of tau.
    densities: &'a [f32],
    gradient: &'a [f32],
}

#[cfg(feature = "training")]
impl WithSimd for GeluBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let slope = |x: S::f32s, density: S::f32s, gradient: S::f32s| {
            let half = simd.splat_f32s(0.5);
            let below = multiply_add(
                simd,
                half,
                erf(simd, simd.mul_f32s(x, simd.splat_f32s(FRAC_1_SQRT_2))),
                half,
            );
            let density = simd.mul_f32s(density, simd.splat_f32s(INVERSE_SQRT_TAU));
            simd.mul_f32s(multiply_add(simd, x, density, below), gradient)
        };
        let (values, rest) = S::as_mut_simd_f32s(self.values);
        let (densities, rest_of_densities) = S::as_simd_f32s(self.densities);
        let (gradient, rest_of_gradient) = S::as_simd_f32s(self.gradient);
        for ((value, density), gradient) in values.iter_mut().zip(densities).zip(gradient) {
            *value = slope(*value, *density, *gradient);
        }
        if !rest.is_empty() {
            let [value, density, gradient] =
                [rest as &[f32], rest_of_densities, rest_of_gradient].map(|rest| simd.partial_load_f32s(rest));
            simd.partial_store_f32s(rest, slope(value, density, gradient));
        }
    }
}

/// `1 / sqrt(2 pi)`
#[cfg(feature = "training")]
const INVERSE_SQRT_TAU: f32 = 0.398_942_3;

/// [`exp`] of all `values`.
#[inline(always)]
#[cfg(feature = "training")]
pub(super) fn exp_values(values: &mut [f32]) {
    let (whole, rest) = values.as_chunks_mut::<LANES>();
    whole.iter_mut().for_each(exp);
    for value in rest {
        exp(std::array::from_mut(value));
    }
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
fn erf<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
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
    // Minimum and maximum would replace NaN by a number.
    let (low, high) = (simd.splat_f32s(-4.0), simd.splat_f32s(4.0));
    let x = simd.select_f32s(simd.less_than_f32s(x, low), low, x);
    let x = simd.select_f32s(simd.less_than_f32s(high, x), high, x);
    let square = simd.mul_f32s(x, x);
    let polynomial = |coefficients: &[f32]| {
        let mut sum = simd.splat_f32s(0.0);
        for &coefficient in coefficients {
            sum = multiply_add(simd, sum, square, simd.splat_f32s(coefficient));
        }
        sum
    };
    simd.mul_f32s(x, simd.div_f32s(polynomial(&NUMERATOR), polynomial(&DENOMINATOR)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_is_within_four_ten_millionths() {
        struct Erf(f32);

        impl WithSimd for Erf {
            type Output = f32;

            fn with_simd<S: Simd>(self, simd: S) -> f32 {
                let mut first = [0.0];
                simd.partial_store_f32s(&mut first, erf(simd, simd.splat_f32s(self.0)));
                first[0]
            }
        }
        let ours = |x: f32| dispatch(Erf(x));
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
