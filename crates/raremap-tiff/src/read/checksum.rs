//! GDAL's 16-bit checksum of a band, as `gdalinfo -checksum` prints it.

use crate::read::Window;
use crate::samples::SampleType;

/// GDAL's checksum of a band (`GDALChecksumImage`), computed window by window in any order.
///
/// Every sample, as an integer, is taken modulo one of eleven primes, by its position in the image; the sum's lower 16 bits are the
/// checksum.
#[derive(Debug, Clone)]
pub struct GdalChecksum {
    sum: u16,
    image_width: u64,
    is_float: bool,
}

const PRIMES: [i32; 11] = [7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43];

impl GdalChecksum {
    /// Starts the checksum of a band of this type in an image of this width. Floating-point samples are rounded half up, and are the
    /// smallest integer if they are not finite.
    pub fn new(sample_type: SampleType, image_width: u32) -> Self {
        Self {
            sum: 0,
            image_width: u64::from(image_width),
            is_float: sample_type.is_float(),
        }
    }

    /// Adds the samples of a window, row by row. Every pixel of the image has to be in one window.
    pub fn update(&mut self, window: Window, samples: &[f64]) {
        let rows = samples.chunks(window.width.max(1) as usize);
        for (row, samples) in (u64::from(window.y)..).zip(rows) {
            let position = row * self.image_width + u64::from(window.x);
            let primes = PRIMES.iter().cycle().skip((position % PRIMES.len() as u64) as usize);
            for (sample, prime) in samples.iter().zip(primes) {
                self.sum = self.sum.wrapping_add((self.integer(*sample) % prime) as u16);
            }
        }
    }

    fn integer(&self, sample: f64) -> i32 {
        // A cast saturates, as GDAL's conversion to 32-bit integers does.
        if !self.is_float {
            sample as i32
        } else if sample.is_finite() {
            (sample + 0.5).clamp(-2_147_483_647.0, 2_147_483_647.0).floor() as i32
        } else {
            i32::MIN
        }
    }

    /// The checksum of everything added so far.
    pub fn value(&self) -> u16 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sample_type: SampleType, samples: &[f64]) -> u16 {
        let width = samples.len() as u32;
        let mut checksum = GdalChecksum::new(sample_type, width);
        let window = Window {
            x: 0,
            y: 0,
            width,
            height: 1,
        };
        checksum.update(window, samples);
        checksum.value()
    }

    #[test]
    fn samples_count_modulo_the_primes_in_turn() {
        assert_eq!(of(SampleType::U8, &[10.0, 20.0, 30.0, 255.0]), 3 + 9 + 4);
        assert_eq!(of(SampleType::I16, &[-8.0]), u16::MAX);
        let largest = 2_147_483_647 % 13;
        let smallest = i32::MIN % 17;
        let floats = of(SampleType::F32, &[2.5, -2.5, 1e30, f64::NAN]);
        assert_eq!(i32::from(floats), (3 - 2 + largest + smallest) & 0xFFFF);
    }

    #[test]
    fn the_order_of_the_windows_does_not_count() {
        let (width, height) = (13u32, 7u32);
        let value = |column: u32, row: u32| f64::from(column * 31 + row * 57);
        let read = |window: Window| -> Vec<f64> {
            let rows = window.y..window.y + window.height;
            rows.flat_map(|row| (window.x..window.x + window.width).map(move |column| value(column, row)))
                .collect()
        };
        let window = |x, y, width, height| Window { x, y, width, height };
        let mut whole = GdalChecksum::new(SampleType::U16, width);
        let all = window(0, 0, width, height);
        whole.update(all, &read(all));
        let mut parts = GdalChecksum::new(SampleType::U16, width);
        for part in [window(5, 3, 8, 4), window(0, 0, 5, 7), window(5, 0, 8, 3)] {
            parts.update(part, &read(part));
        }
        assert_eq!(whole.value(), parts.value());
    }
}
