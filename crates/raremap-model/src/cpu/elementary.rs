//! Functions of many numbers at a time, in vectors.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

use pulp::{Simd, WithSimd};

use super::panels::{dispatch, multiply_add};

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
#[cfg(feature = "training")]
#[inline(always)]
pub(super) fn exp_values(values: &mut [f32]) {
    dispatch(Exponentials { values, less: 0.0 });
}

/// Turns `values` into their exponentials, after the largest was subtracted, and returns their sum.
#[inline(always)]
pub(super) fn exponentials(values: &mut [f32]) -> f32 {
    let less = dispatch(Largest(values));
    dispatch(Exponentials { values, less })
}

struct Largest<'a>(&'a [f32]);

impl WithSimd for Largest<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (whole, rest) = S::as_simd_f32s(self.0);
        let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
        for values in whole {
            largest = simd.max_f32s(largest, *values);
        }
        rest.iter().copied().fold(simd.reduce_max_f32s(largest), f32::max)
    }
}

/// The exponentials of values that have `less` subtracted, and the exponentials' sum.
struct Exponentials<'a> {
    values: &'a mut [f32],
    less: f32,
}

impl WithSimd for Exponentials<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let less = simd.splat_f32s(self.less);
        let mut sums = simd.splat_f32s(0.0);
        let (whole, rest) = S::as_mut_simd_f32s(self.values);
        for value in whole {
            *value = exp(simd, simd.sub_f32s(*value, less));
            sums = simd.add_f32s(sums, *value);
        }
        let mut sum = simd.reduce_sum_f32s(sums);
        if !rest.is_empty() {
            let values = exp(simd, simd.sub_f32s(simd.partial_load_f32s(rest), less));
            simd.partial_store_f32s(rest, values);
            sum += rest.iter().sum::<f32>();
        }
        sum
    }
}

/// The exponential function of numbers from -87 up to 0, within 2e-7 of the value, and below -87 that of -87, without branches: a power of two by the exponent's bits, times a
/// polynomial (the Taylor series of degree 7, whose rest is below 1e-8 there).
#[inline(always)]
fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
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
    // Added to a small number, it leaves the nearest whole one in the last bits.
    const ROUND: f32 = 12_582_912.0;
    // A little below, the result is no normal float any more; it is negligible beside the largest. A maximum would replace NaN by a number.
    let least = simd.splat_f32s(-87.0);
    let x = simd.select_f32s(simd.less_than_f32s(x, least), least, x);
    let round = simd.splat_f32s(ROUND);
    let shifted = simd.add_f32s(simd.mul_f32s(x, simd.splat_f32s(LOG2_E)), round);
    let doublings = simd.sub_f32s(shifted, round);
    let rest = simd.sub_f32s(x, simd.mul_f32s(doublings, simd.splat_f32s(LN_2[0])));
    let rest = simd.sub_f32s(rest, simd.mul_f32s(doublings, simd.splat_f32s(LN_2[1])));
    let mut sum = simd.splat_f32s(0.0);
    for coefficient in TAYLOR {
        sum = multiply_add(simd, sum, rest, simd.splat_f32s(coefficient));
    }
    // The last bits of `shifted` become the exponent of a power of two; the others are shifted out.
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let power = simd.add_u32s(exponent, simd.splat_u32s(1f32.to_bits()));
    simd.mul_f32s(sum, simd.transmute_f32s_u32s(power))
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

    #[test]
    fn the_exponential_function_is_within_two_ten_millionths() {
        let exp = |values: &mut [f32]| dispatch(Exponentials { values, less: 0.0 });
        for step in 0..=870_000 {
            let x = -step as f32 / 10_000.0;
            let mut value = [x];
            exp(&mut value);
            let expected = f64::from(x).exp();
            let error = (f64::from(value[0]) - expected).abs() / expected;
            assert!(error < 2e-7, "{error} at {x}");
        }
        let mut far = [f32::NEG_INFINITY, -1e30];
        exp(&mut far);
        assert!(far.iter().all(|&value| value < 1e-37), "{far:?}");
        let mut none = [f32::NAN];
        exp(&mut none);
        assert!(none[0].is_nan());
    }

    #[test]
    fn exponentials_have_the_largest_subtracted_and_a_sum() {
        for count in [1, 3, 8, 17, 40] {
            let value = |index: usize| 300.0 + (index * 7 % 11) as f32;
            let mut values: Vec<f32> = (0..count).map(value).collect();
            let largest = values.iter().copied().fold(0.0, f32::max);
            let sum = exponentials(&mut values);
            let expected: Vec<f32> = (0..count).map(|index| (value(index) - largest).exp()).collect();
            assert!((sum - expected.iter().sum::<f32>()).abs() < 1e-5 * sum);
            for (value, expected) in values.iter().zip(expected) {
                assert!((value - expected).abs() < 1e-6, "{value} for {expected}");
            }
        }
    }
}
