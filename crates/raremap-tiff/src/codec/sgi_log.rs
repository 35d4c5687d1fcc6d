//! SGI Log (compression 34676): luminance of high-dynamic-range pictures as logarithms of 16 bits, or 32 with colour (LogLuv, G. W. Larson).

use super::{BlockShape, CodecError};
use crate::samples::SampleType;

/// Steps of the colour coordinates u' and v' from 0 to 1.
const COLOR_STEPS: f64 = 410.0;

/// Decodes one strip or tile to 16-bit samples in native byte order: the logarithm of the luminance and, with three samples, u' and v' in
/// units of 2^-15.
///
/// Runs code the bytes of a row's numbers, the most significant bytes of all pixels first.
pub(super) fn decode(compressed: &[u8], shape: &BlockShape) -> Result<Vec<u8>, CodecError> {
    if shape.sample_type != SampleType::I16 || !matches!(shape.samples, 1 | 3) {
        return Err(CodecError::Unsupported(
            "SGI Log with other than one or three samples of 16 bits",
        ));
    }
    let number_bytes = if shape.samples == 1 { 2 } else { 4 };
    // Two bytes code at most 129.
    if shape.width.saturating_mul(shape.rows).saturating_mul(number_bytes) > (compressed.len() + 1).saturating_mul(65) {
        return Err("it is too short for its SGI Log image".into());
    }
    let mut decoded = Vec::with_capacity(shape.unpacked_bytes);
    let mut rest = compressed;
    let mut row = vec![0u32; shape.width];
    for _ in 0..shape.rows {
        row.fill(0);
        for place in (0..number_bytes).rev() {
            rest = decode_bytes(rest, &mut row, 8 * place as u32)?;
        }
        for number in &row {
            if shape.samples == 1 {
                decoded.extend_from_slice(&(*number as u16).to_ne_bytes());
                continue;
            }
            let color = |steps: u32| ((f64::from(steps & 0xFF) + 0.5) / COLOR_STEPS * 32768.0) as u16;
            for sample in [(number >> 16) as u16, color(number >> 8), color(*number)] {
                decoded.extend_from_slice(&sample.to_ne_bytes());
            }
        }
    }
    Ok(decoded)
}

/// Decodes one byte of each number in a row and returns the rest of the stream.
fn decode_bytes<'a>(mut rest: &'a [u8], row: &mut [u32], shift: u32) -> Result<&'a [u8], &'static str> {
    const SHORT: &str = "its SGI Log data ends early";
    let mut done = 0;
    while let Some(numbers) = row.get_mut(done..).filter(|numbers| !numbers.is_empty()) {
        let (count, after) = rest.split_first().ok_or(SHORT)?;
        let literal = usize::from(*count);
        if *count >= 128 {
            let (byte, after) = after.split_first().ok_or(SHORT)?;
            let run = numbers.iter_mut().take(literal - 126);
            run.for_each(|number| *number |= u32::from(*byte) << shift);
            done += literal - 126;
            rest = after;
        } else {
            let bytes = after.get(..literal.min(numbers.len())).ok_or(SHORT)?;
            for (number, byte) in numbers.iter_mut().zip(bytes) {
                *number |= u32::from(*byte) << shift;
            }
            done += bytes.len();
            rest = after.get(bytes.len()..).unwrap_or_default();
            // A count of 0 codes nothing; a stream of them ends.
        }
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(samples: usize) -> BlockShape {
        BlockShape {
            width: 3,
            rows: 1,
            is_last_strip: true,
            samples,
            bits: 16,
            sample_type: SampleType::I16,
            packed_bytes: 6 * samples,
            unpacked_bytes: 6 * samples,
        }
    }

    #[test]
    fn bytes_of_a_row_are_put_together_from_runs_and_literals() {
        // High bytes: three times 1; low bytes: 5, 6, 7.
        let decoded = decode(&[129, 1, 3, 5, 6, 7], &shape(1)).expect("decodes");
        let expected: Vec<u8> = [0x105u16, 0x106, 0x107]
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect();
        assert_eq!(decoded, expected);
        let colored = decode(&[129, 1, 129, 2, 129, 82, 129, 205], &shape(3)).expect("decodes");
        let pixel: Vec<u8> = [0x102u16, 6593, 16423]
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect();
        assert_eq!(colored, pixel.repeat(3));
    }

    #[test]
    fn data_that_ends_early_is_damaged() {
        for cut in [&[129u8, 1, 3, 5, 6][..], &[129, 1], &[129], &[0, 0, 0]] {
            assert!(decode(cut, &shape(1)).is_err(), "{cut:?}");
        }
    }
}
