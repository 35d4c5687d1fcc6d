//! The inverse DCT in the integer arithmetic of libjpeg ("islow"), to 8 or 16 samples in either direction.
//!
//! Readers agree on pixels only if they round alike: 13-bit fixed point, columns first. Eight points by Loeffler,
//! Ligtenberg and Moschytz (ICASSP 1989); sixteen points, by which libjpeg since version 7 doubles halved chroma instead
//! of interpolating it, by the factorization of its "scaled" transforms.

const CONST_BITS: u32 = 13;

/// `(x * 2^13).round()`.
const fn fix(x: f64) -> i32 {
    (x * 8192.0 + 0.5) as i32
}

const FIX_0_298631336: i32 = fix(0.298631336);
const FIX_0_390180644: i32 = fix(0.390180644);
const FIX_0_541196100: i32 = fix(0.541196100);
const FIX_0_765366865: i32 = fix(0.765366865);
const FIX_0_899976223: i32 = fix(0.899976223);
const FIX_1_175875602: i32 = fix(1.175875602);
const FIX_1_501321110: i32 = fix(1.501321110);
const FIX_1_847759065: i32 = fix(1.847759065);
const FIX_1_961570560: i32 = fix(1.961570560);
const FIX_2_053119869: i32 = fix(2.053119869);
const FIX_2_562915447: i32 = fix(2.562915447);
const FIX_3_072711026: i32 = fix(3.072711026);

/// The samples of one block, row by row; [`BlockSize`] says how many of them there are.
pub(super) type BlockSamples = [u16; 256];

/// Columns and rows that a block is turned into: 8 or 16 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockSize {
    pub(super) width: usize,
    pub(super) height: usize,
}

/// Turns coefficients (natural order, not yet multiplied by `quant`) into samples of `bits` (8 or 12) bits.
pub(super) fn inverse_dct(coefficients: &[i16; 64], quant: &[u16; 64], bits: u8, size: BlockSize) -> BlockSamples {
    let pass1_bits = if bits == 8 { 2 } else { 1 };
    let (center, max) = (1i32 << (bits - 1), (1i32 << bits) - 1);
    let mut values = [0i32; 64];
    for ((value, coefficient), quant) in values.iter_mut().zip(coefficients).zip(quant) {
        *value = i32::from(*coefficient).wrapping_mul(i32::from(*quant));
    }
    if values.iter().skip(1).all(|value| *value == 0) {
        let flat = values.first().map_or(0, |dc| dc.wrapping_shl(pass1_bits));
        let sample = descale(flat, pass1_bits + 3).wrapping_add(center).clamp(0, max) as u16;
        return [sample; 256];
    }
    // Rows of eight columns each.
    let mut columns_done = [[0i32; 8]; 16];
    for column in 0..8 {
        let line: [i32; 8] = std::array::from_fn(|row| values.get(row * 8 + column).copied().unwrap_or_default());
        let shift = CONST_BITS - pass1_bits;
        let mut put = |done: &[i32]| {
            for (row, value) in columns_done.iter_mut().zip(done) {
                if let Some(target) = row.get_mut(column) {
                    *target = *value;
                }
            }
        };
        if size.height == 16 {
            put(&sixteen_points(line, shift));
        } else {
            put(&eight_points(line, shift));
        }
    }
    let mut samples = [0u16; 256];
    let shift = CONST_BITS + pass1_bits + 3;
    for (line, targets) in columns_done
        .iter()
        .zip(samples.chunks_exact_mut(size.width))
        .take(size.height)
    {
        let mut put = |done: &[i32]| {
            for (target, value) in targets.iter_mut().zip(done) {
                *target = value.wrapping_add(center).clamp(0, max) as u16;
            }
        };
        if size.width == 16 {
            put(&sixteen_points(*line, shift));
        } else {
            put(&eight_points(*line, shift));
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

fn eight_points(line: [i32; 8], shift: u32) -> [i32; 8] {
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

/// Constants are `sqrt(2) * cos(k * pi / 32)` and sums of them.
fn sixteen_points(line: [i32; 8], shift: u32) -> [i32; 16] {
    let add = i32::wrapping_add;
    let sub = i32::wrapping_sub;
    let by = |value: i32, factor: f64| mul(value, fix(factor));
    let [c0, c1, c2, c3, c4, c5, c6, c7] = line;
    // Even part.
    let dc = c0.wrapping_shl(CONST_BITS);
    let (near, far) = (by(c4, 1.306562965), by(c4, 0.541196100));
    let (t10, t11, t12, t13) = (add(dc, near), sub(dc, near), add(dc, far), sub(dc, far));
    let difference = sub(c2, c6);
    let (z3, z4) = (by(difference, 1.387039845), by(difference, 0.275899379));
    let t0 = add(z3, by(c6, 2.562915447));
    let t1 = add(z4, by(c2, 0.899976223));
    let t2 = sub(z3, by(c2, 0.601344887));
    let t3 = sub(z4, by(c6, 0.509795579));
    let even = [
        add(t10, t0),
        add(t12, t1),
        add(t13, t2),
        add(t11, t3),
        sub(t11, t3),
        sub(t13, t2),
        sub(t12, t1),
        sub(t10, t0),
    ];
    // Odd part.
    let (z1, z2, z3, z4) = (c1, c3, c5, c7);
    let sum13 = add(z1, z3);
    let mut o1 = by(add(z1, z2), 1.353318001);
    let mut o2 = by(sum13, 1.247225013);
    let mut o3 = by(add(z1, z4), 1.093201867);
    let mut o4 = by(sub(z1, z4), 0.897167586);
    let mut o5 = by(sum13, 0.666655658);
    let mut o6 = by(sub(z1, z2), 0.410524528);
    let o0 = sub(add(add(o1, o2), o3), by(z1, 2.286341144));
    let o7 = sub(add(add(o4, o5), o6), by(z1, 1.835730603));
    let shared = by(add(z2, z3), 0.138617169);
    o1 = add(o1, add(shared, by(z2, 0.071888074)));
    o2 = add(o2, sub(shared, by(z3, 1.125726048)));
    let shared = by(sub(z3, z2), 1.407403738);
    o5 = add(o5, sub(shared, by(z3, 0.766367282)));
    o6 = add(o6, add(shared, by(z2, 1.971951411)));
    let sum24 = add(z2, z4);
    let shared = mul(sum24, -fix(0.666655658));
    o1 = add(o1, shared);
    o3 = add(o3, add(shared, by(z4, 1.065388962)));
    let shared = mul(sum24, -fix(1.247225013));
    o4 = add(o4, add(shared, by(z4, 3.141271809)));
    o6 = add(o6, shared);
    let shared = mul(add(z3, z4), -fix(1.353318001));
    o2 = add(o2, shared);
    o3 = add(o3, shared);
    let shared = by(sub(z4, z3), 0.410524528);
    o4 = add(o4, shared);
    o5 = add(o5, shared);
    let odd = [o0, o1, o2, o3, o4, o5, o6, o7];

    let mut done = [0; 16];
    for (index, (even, odd)) in even.into_iter().zip(odd).enumerate() {
        if let Some(target) = done.get_mut(index) {
            *target = descale(add(even, odd), shift);
        }
        if let Some(target) = done.get_mut(15 - index) {
            *target = descale(sub(even, odd), shift);
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integer_transforms_are_within_one_of_the_exact_ones() {
        let mut coefficients = [0i16; 64];
        let mut state = 7u32;
        for (index, coefficient) in coefficients.iter_mut().enumerate() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *coefficient = ((state >> 24) as i16 - 128) / (1 + index as i16 / 4);
        }
        let wave = |place: usize, size: usize, k: usize| {
            let scale = if k == 0 { 0.5f64.sqrt() } else { 1.0 };
            scale * ((2 * place + 1) as f64 * k as f64 * std::f64::consts::PI / (2 * size) as f64).cos()
        };
        for [width, height] in [[8, 8], [16, 8], [8, 16], [16, 16]] {
            let ours = inverse_dct(&coefficients, &[3; 64], 8, BlockSize { width, height });
            for y in 0..height {
                for x in 0..width {
                    let waves = (0..64).map(|index| {
                        let value = f64::from(coefficients[index]) * 3.0 / 4.0;
                        value * wave(x, width, index % 8) * wave(y, height, index / 8)
                    });
                    let exact = (waves.sum::<f64>() + 128.0).clamp(0.0, 255.0);
                    let is = f64::from(ours[y * width + x]);
                    assert!(
                        (is - exact).abs() <= 1.0,
                        "{is} instead of {exact} at {x}, {y} of {width} x {height}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_block_of_dc_alone_is_flat_in_both_precisions() {
        let size = BlockSize { width: 8, height: 8 };
        let mut coefficients = [0i16; 64];
        coefficients[0] = 20;
        assert_eq!(inverse_dct(&coefficients, &[4; 64], 8, size), [138; 256]);
        assert_eq!(inverse_dct(&coefficients, &[4; 64], 12, size), [2058; 256]);
        coefficients[0] = -2000;
        assert_eq!(inverse_dct(&coefficients, &[4; 64], 8, size), [0; 256]);
    }
}
