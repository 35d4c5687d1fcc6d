//! YCbCr to RGB with libjpeg's roundings.

/// The conversion of JFIF, in 16-bit fixed point.
pub(super) fn rgb_of([y, cb, cr]: [u16; 3], bits: u8) -> [u16; 3] {
    const HALF: i32 = 1 << 15;
    let (center, max) = (1i32 << (bits - 1), (1i32 << bits) - 1);
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - center, i32::from(cr) - center);
    let red = y + ((91_881 * cr + HALF) >> 16);
    let green = y + ((-22_553 * cb - 46_802 * cr + HALF) >> 16);
    let blue = y + ((116_130 * cb + HALF) >> 16);
    [red, green, blue].map(|value| value.clamp(0, max) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primary_colours_convert_as_in_jfif() {
        assert_eq!(rgb_of([76, 85, 255], 8), [254, 0, 0]);
        assert_eq!(rgb_of([128, 128, 128], 8), [128; 3]);
        assert_eq!(rgb_of([2048, 2048, 2048], 12), [2048; 3]);
    }
}
