//! GDAL's 16-bit checksum of a band, as `gdalinfo -checksum` prints it.

use crate::samples::SampleType;

/// GDAL's checksum of a band (`GDALChecksumImage`), taken over windows of whole rows, top to bottom.
///
/// Every sample, as an integer, is taken modulo one of eleven primes in turn; the sum's lower 16 bits are the checksum.
#[derive(Debug, Clone)]
pub struct GdalChecksum {
    sum: u16,
    position: usize,
    is_float: bool,
}

impl GdalChecksum {
    const PRIMES: [i32; 11] = [7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43];

    /// Of a band of this type: floating point samples are rounded half up, and are the smallest integer where they are
    /// not finite.
    pub fn new(sample_type: SampleType) -> Self {
        Self {
            sum: 0,
            position: 0,
            is_float: sample_type.is_float(),
        }
    }

    /// Continues with the next samples, row by row.
    pub fn update(&mut self, samples: &[f64]) {
        for sample in samples {
            // A cast saturates, as GDAL's conversion to 32-bit integers does.
            let integer = if !self.is_float {
                *sample as i32
            } else if sample.is_finite() {
                (sample + 0.5).clamp(-2_147_483_647.0, 2_147_483_647.0).floor() as i32
            } else {
                i32::MIN
            };
            let prime = Self::PRIMES.get(self.position).copied().unwrap_or(7);
            self.position = (self.position + 1) % Self::PRIMES.len();
            self.sum = (i32::from(self.sum).wrapping_add(integer % prime) & 0xFFFF) as u16;
        }
    }

    /// The checksum of what was given so far.
    pub fn value(&self) -> u16 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_count_modulo_the_primes_in_turn() {
        let mut checksum = GdalChecksum::new(SampleType::U8);
        checksum.update(&[10.0, 20.0, 30.0]);
        checksum.update(&[255.0]);
        assert_eq!(checksum.value(), 3 + 9 + 4);
        let mut negative = GdalChecksum::new(SampleType::I16);
        negative.update(&[-8.0]);
        assert_eq!(negative.value(), u16::MAX);
    }

    #[test]
    fn floats_are_rounded_and_bounded() {
        let mut checksum = GdalChecksum::new(SampleType::F32);
        checksum.update(&[2.5, -2.5, 1e30, f64::NAN]);
        let largest = 2_147_483_647 % 13;
        let smallest = i32::MIN % 17;
        assert_eq!(i32::from(checksum.value()), (3 - 2 + largest + smallest) & 0xFFFF);
    }
}
