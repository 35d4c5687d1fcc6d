//! The inverse DCT in the arithmetic that libjpeg calls "islow".
//!
//! Readers agree on pixels only if they round alike: this is the algorithm of Loeffler, Ligtenberg and Moschytz (ICASSP
//! 1989) with 11 multiplications per line, in 13-bit fixed point, columns first.

const CONST_BITS: u32 = 13;
/// `(x * 2^13).round()`.
const FIX_0_298631336: i32 = 2446;
const FIX_0_390180644: i32 = 3196;
const FIX_0_541196100: i32 = 4433;
const FIX_0_765366865: i32 = 6270;
const FIX_0_899976223: i32 = 7373;
const FIX_1_175875602: i32 = 9633;
const FIX_1_501321110: i32 = 12299;
const FIX_1_847759065: i32 = 15137;
const FIX_1_961570560: i32 = 16069;
const FIX_2_053119869: i32 = 16819;
const FIX_2_562915447: i32 = 20995;
const FIX_3_072711026: i32 = 25172;

/// Turns coefficients (natural order, not yet multiplied by `quant`) into 8 x 8 samples of `bits` (8 or 12) bits.
pub(super) fn inverse_dct(coefficients: &[i16; 64], quant: &[u16; 64], bits: u8) -> [u16; 64] {
    let pass1_bits = if bits == 8 { 2 } else { 1 };
    let (center, max) = (1i32 << (bits - 1), (1i32 << bits) - 1);
    let mut values = [0i32; 64];
    for ((value, coefficient), quant) in values.iter_mut().zip(coefficients).zip(quant) {
        *value = i32::from(*coefficient).wrapping_mul(i32::from(*quant));
    }
    let mut samples = [0u16; 64];
    if values.iter().skip(1).all(|value| *value == 0) {
        let flat = values.first().map_or(0, |dc| dc.wrapping_shl(pass1_bits));
        let sample = descale(flat, pass1_bits + 3).wrapping_add(center).clamp(0, max) as u16;
        return [sample; 64];
    }
    for column in 0..8 {
        let line: [i32; 8] = std::array::from_fn(|row| values.get(row * 8 + column).copied().unwrap_or_default());
        let done = one_dimension(line, CONST_BITS - pass1_bits);
        for (row, value) in done.into_iter().enumerate() {
            if let Some(target) = values.get_mut(row * 8 + column) {
                *target = value;
            }
        }
    }
    for (line, targets) in values.as_chunks::<8>().0.iter().zip(samples.as_chunks_mut::<8>().0) {
        let done = one_dimension(*line, CONST_BITS + pass1_bits + 3);
        for (target, value) in targets.iter_mut().zip(done) {
            *target = value.wrapping_add(center).clamp(0, max) as u16;
        }
    }
    samples
}

fn descale(value: i32, bits: u32) -> i32 {
    value.wrapping_add(1 << (bits - 1)) >> bits
}

fn mul(a: i32, b: i32) -> i32 {
    a.wrapping_mul(b)
}

fn one_dimension(line: [i32; 8], shift: u32) -> [i32; 8] {
    let add = i32::wrapping_add;
    let sub = i32::wrapping_sub;
    let [c0, c1, c2, c3, c4, c5, c6, c7] = line;
    // Even part.
    let z1 = mul(add(c2, c6), FIX_0_541196100);
    let even2 = add(z1, mul(c6, -FIX_1_847759065));
    let even3 = add(z1, mul(c2, FIX_0_765366865));
    let even0 = add(c0, c4).wrapping_shl(CONST_BITS);
    let even1 = sub(c0, c4).wrapping_shl(CONST_BITS);
    let (t10, t13) = (add(even0, even3), sub(even0, even3));
    let (t11, t12) = (add(even1, even2), sub(even1, even2));
    // Odd part.
    let (z1, z2, z3, z4) = (add(c7, c1), add(c5, c3), add(c7, c3), add(c5, c1));
    let z5 = mul(add(z3, z4), FIX_1_175875602);
    let z1 = mul(z1, -FIX_0_899976223);
    let z2 = mul(z2, -FIX_2_562915447);
    let z3 = add(mul(z3, -FIX_1_961570560), z5);
    let z4 = add(mul(z4, -FIX_0_390180644), z5);
    let t0 = add(add(mul(c7, FIX_0_298631336), z1), z3);
    let t1 = add(add(mul(c5, FIX_2_053119869), z2), z4);
    let t2 = add(add(mul(c3, FIX_3_072711026), z2), z3);
    let t3 = add(add(mul(c1, FIX_1_501321110), z1), z4);
    [
        descale(add(t10, t3), shift),
        descale(add(t11, t2), shift),
        descale(add(t12, t1), shift),
        descale(add(t13, t0), shift),
        descale(sub(t13, t0), shift),
        descale(sub(t12, t1), shift),
        descale(sub(t11, t2), shift),
        descale(sub(t10, t3), shift),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integer_transform_is_within_one_of_the_exact_one() {
        let mut coefficients = [0i16; 64];
        let mut state = 7u32;
        for (index, coefficient) in coefficients.iter_mut().enumerate() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *coefficient = ((state >> 24) as i16 - 128) / (1 + index as i16 / 4);
        }
        let quant = [3u16; 64];
        let ours = inverse_dct(&coefficients, &quant, 8);
        for y in 0..8 {
            for x in 0..8 {
                let mut sum = 0.0;
                for v in 0..8 {
                    for u in 0..8 {
                        let scale = |k: usize| if k == 0 { 0.5f64.sqrt() } else { 1.0 };
                        let wave =
                            |p: usize, k: usize| ((2 * p + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos();
                        let value = f64::from(coefficients[v * 8 + u]) * 3.0;
                        sum += scale(u) * scale(v) / 4.0 * value * wave(x, u) * wave(y, v);
                    }
                }
                let exact = (sum + 128.0).clamp(0.0, 255.0);
                assert!((f64::from(ours[y * 8 + x]) - exact).abs() <= 1.0, "at {x}, {y}");
            }
        }
    }

    #[test]
    fn a_block_of_dc_alone_is_flat_in_both_precisions() {
        let mut coefficients = [0i16; 64];
        coefficients[0] = 20;
        assert_eq!(inverse_dct(&coefficients, &[4; 64], 8), [138; 64]);
        assert_eq!(inverse_dct(&coefficients, &[4; 64], 12), [2058; 64]);
        coefficients[0] = -2000;
        assert_eq!(inverse_dct(&coefficients, &[4; 64], 8), [0; 64]);
    }
}
