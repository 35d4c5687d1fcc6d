//! Turns two rows of a level into one of the next: the most frequent code, or the mean of what has data.

use super::CogSamples;

#[derive(Debug, Clone, Copy)]
pub(super) struct Reduction {
    rule: Rule,
    bands: usize,
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    Mode { nodata: u8 },
    MeanU8 { nodata: u8 },
    MeanF32,
}

impl Reduction {
    pub(super) fn of(samples: &CogSamples, bands: usize) -> Self {
        let rule = match samples {
            CogSamples::Classes { nodata, .. } => Rule::Mode { nodata: *nodata },
            CogSamples::Scaled { nodata, .. } => Rule::MeanU8 { nodata: *nodata },
            CogSamples::Float => Rule::MeanF32,
        };
        Self { rule, bands }
    }

    /// Halves both axes; `below` is empty under the last row of an odd height, and the last column of an odd width stands alone.
    pub(super) fn reduce(&self, above: &[u8], below: &[u8]) -> Vec<u8> {
        match self.rule {
            Rule::Mode { nodata } => self.halve::<1>(above, below, |block| [mode(block, nodata)]),
            Rule::MeanU8 { nodata } => self.halve::<1>(above, below, |block| [mean_u8(block, nodata)]),
            Rule::MeanF32 => self.halve::<4>(above, below, |block| mean_f32(block).to_le_bytes()),
        }
    }

    fn halve<const N: usize>(&self, above: &[u8], below: &[u8], of_block: impl Fn(&[[u8; N]]) -> [u8; N]) -> Vec<u8> {
        let pair_bytes = 2 * self.bands * N;
        let mut output = Vec::with_capacity(above.len().div_ceil(2) + pair_bytes);
        let mut block = Vec::with_capacity(4);
        let mut below_pairs = below.chunks(pair_bytes);
        for above in above.chunks(pair_bytes) {
            let below = below_pairs.next().unwrap_or_default();
            for band in 0..self.bands {
                block.clear();
                for row in [above, below] {
                    let (samples, _) = row.as_chunks::<N>();
                    block.extend(samples.iter().skip(band).step_by(self.bands));
                }
                output.extend_from_slice(&of_block(&block));
            }
        }
        output
    }
}

fn mode(block: &[[u8; 1]], nodata: u8) -> u8 {
    let mut best = (0, nodata);
    for [code] in block.iter().filter(|[code]| *code != nodata) {
        let count = block.iter().filter(|[other]| other == code).count();
        if count > best.0 {
            best = (count, *code);
        }
    }
    best.1
}

/// Halves are rounded to the even step, because rounding them all up would brighten every further level.
fn mean_u8(block: &[[u8; 1]], nodata: u8) -> u8 {
    let (mut sum, mut count) = (0u16, 0u16);
    for [step] in block.iter().filter(|[step]| *step != nodata) {
        sum += u16::from(*step);
        count += 1;
    }
    if count == 0 {
        return nodata;
    }
    let (floor, rest) = (sum / count, sum % count);
    let up = 2 * rest > count || (2 * rest == count && floor % 2 == 1);
    // The mean of 8-bit steps is an 8-bit step.
    let mean = (floor + u16::from(up)) as u8;
    // It is never the step that means no data, which lies between steps if a caller chose it so.
    if mean == nodata { mean.saturating_sub(1) } else { mean }
}

fn mean_f32(block: &[[u8; 4]]) -> f32 {
    let (mut sum, mut count) = (0.0f64, 0u8);
    for value in block
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .filter(|value| !value.is_nan())
    {
        sum += f64::from(value);
        count += 1;
    }
    // There is one NaN for all, because other kinds of NaN would give other bytes.
    if count == 0 {
        f32::NAN
    } else {
        (sum / f64::from(count)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_code_wins_and_no_data_only_where_nothing_else_is() {
        let codes = CogSamples::Classes {
            nodata: 255,
            colors: Vec::new(),
        };
        let reduction = Reduction::of(&codes, 1);
        let (above, below) = ([7, 3, 255, 255, 1, 2, 9], [3, 3, 255, 4, 2, 1, 8]);
        assert_eq!(reduction.reduce(&above, &below), [3, 4, 1, 9]);
        assert_eq!(reduction.reduce(&[255, 255, 5], &[]), [255, 5]);
    }

    #[test]
    fn means_leave_no_data_out_and_do_not_drift() {
        let steps = CogSamples::Scaled {
            nodata: 255,
            scale: 1.0,
            offset: 0.0,
        };
        let two_bands = Reduction::of(&steps, 2);
        let (above, below) = ([0, 200, 1, 255, 7, 9], [1, 255, 0, 255, 8, 255]);
        assert_eq!(two_bands.reduce(&above, &below), [0, 200, 8, 9]);
        assert_eq!(two_bands.reduce(&[255, 254, 255, 254], &[]), [255, 254]);
        let bytes = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
        let floats = Reduction::of(&CogSamples::Float, 1);
        let halved = floats.reduce(&bytes(&[1.0, f32::NAN, f32::NAN]), &bytes(&[2.0, 4.5, f32::NAN]));
        assert_eq!(halved, bytes(&[2.5, f32::NAN]));
    }
}
