//! GDAL's checksum.

/// GDAL's 16-bit checksum of a band (GDALChecksumImage), continued over windows of whole rows.
pub fn checksum(sum: &mut u16, position: &mut usize, values: &[f64], is_float: bool) {
    const PRIMES: [i32; 11] = [7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43];
    for value in values {
        let integer = if !is_float {
            value.clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32
        } else if value.is_finite() {
            (value + 0.5).clamp(-2_147_483_647.0, 2_147_483_647.0).floor() as i32
        } else {
            i32::MIN
        };
        let prime = PRIMES[*position % PRIMES.len()];
        *sum = (i32::from(*sum).wrapping_add(integer % prime) & 0xFFFF) as u16;
        *position += 1;
    }
}
