//! How likely a pixel is to belong to any rare class, and which pixels of a scene are the most salient.

use serde::Serialize;

use crate::error::InferError;

/// Smallest value that is told apart from 0, as bits: 2^-32.
const LOWEST_BITS: u32 = (127 - 32) << 23;
/// Mantissa bits below a bin: neighbouring bins differ by less than 0.01 %.
const BIN_SHIFT: u32 = 9;
/// Bins from 0 to 0.5; the other half mirrors them.
const HALF_BINS: usize = 31 << (23 - BIN_SHIFT);
const BINS: usize = 2 * HALF_BINS + 1;

/// Probability of a logit, with the same bits natively and in wasm, as the functions of `libm` have.
pub fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-logit))
}

/// Logit of a probability: minus infinity for 0, infinity for 1.
pub fn logit(probability: f32) -> f32 {
    libm::logf(probability / (1.0 - probability))
}

/// Probability of any rare class, `1 - prod(1 - S_r)`, from the pixel's auxiliary logits; 0 if there are none.
pub fn saliency(auxiliary: impl IntoIterator<Item = f32>) -> f32 {
    // 1 - sigmoid(x) = sigmoid(-x), which keeps its precision where sigmoid(x) is near 1.
    1.0 - auxiliary.into_iter().map(|logit| sigmoid(-logit)).product::<f32>()
}

/// Counts how many pixels of a scene have which saliency.
///
/// Bins are fine both near 0 and near 1 (less than 0.01 % of the distance to either), because most scenes are almost all background, and
/// some are almost all alike.
#[derive(Debug, Clone)]
pub struct SaliencyHistogram {
    counts: Vec<u32>,
    pixels: u64,
}

/// The most salient share of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SaliencyCut {
    /// Requested share, in percent of the valid pixels.
    pub percent: f32,
    /// Lowest saliency of the marked pixels; above 1 if none is marked.
    pub threshold: f32,
    /// Number of marked pixels: the requested share, or more if pixels are as salient as the last one (within 0.2 %, the precision of
    /// stored logits).
    pub pixels: u64,
    #[serde(skip)]
    first_bin: usize,
}

impl SaliencyCut {
    /// The lowest bin of the histogram that is marked, from which [`SaliencyCut::of_bin`] makes the cut again.
    pub const fn first_bin(&self) -> usize {
        self.first_bin
    }

    /// A cut that marks the bins from `first_bin` on, which have that many pixels.
    pub fn of_bin(percent: f32, pixels: u64, first_bin: usize) -> Self {
        Self {
            percent,
            threshold: if first_bin < BINS {
                lower_edge(first_bin)
            } else {
                f32::INFINITY
            },
            pixels,
            first_bin,
        }
    }

    /// Whether a pixel of this saliency is marked; one without data (NaN) never is.
    pub fn marks(&self, saliency: f32) -> bool {
        !saliency.is_nan() && bin(saliency) >= self.first_bin
    }
}

impl Default for SaliencyHistogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BINS],
            pixels: 0,
        }
    }
}

impl SaliencyHistogram {
    /// Counts a valid pixel; NaN does not count.
    pub fn add(&mut self, saliency: f32) {
        if saliency.is_nan() {
            return;
        }
        if let Some(count) = self.counts.get_mut(bin(saliency)) {
            *count = count.saturating_add(1);
            self.pixels += 1;
        }
    }

    /// The bins that have pixels, each with its number and how many.
    pub fn counts(&self) -> impl Iterator<Item = (usize, u32)> {
        self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// Adds what [`SaliencyHistogram::counts`] gave for another part of the scene.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a bin that does not exist.
    pub fn add_counts(&mut self, counts: impl IntoIterator<Item = (usize, u32)>) -> Result<(), InferError> {
        for (bin, count) in counts {
            let bins = self.counts.len();
            let Some(sum) = self.counts.get_mut(bin) else {
                return Err(InferError::Misuse(format!(
                    "there is no bin {bin} in a histogram of {bins} bins"
                )));
            };
            *sum = sum.saturating_add(count);
            self.pixels += u64::from(count);
        }
        Ok(())
    }

    /// The smallest set of the most salient pixels that reaches `percent` of all. Pixels of one bin are marked together, so that equal
    /// pixels are treated alike.
    ///
    /// # Errors
    /// [`InferError::Misuse`] if `percent` is not from 0 to 100.
    pub fn cut(&self, percent: f32) -> Result<SaliencyCut, InferError> {
        check_percent(percent)?;
        let target = (self.pixels as f64 * f64::from(percent) / 100.0).ceil() as u64;
        let mut cut = SaliencyCut {
            percent,
            threshold: f32::INFINITY,
            pixels: 0,
            first_bin: BINS,
        };
        for (bin, count) in self.counts.iter().enumerate().rev() {
            if cut.pixels >= target {
                break;
            }
            if *count > 0 {
                cut = SaliencyCut {
                    pixels: cut.pixels + u64::from(*count),
                    threshold: lower_edge(bin),
                    first_bin: bin,
                    ..cut
                };
            }
        }
        Ok(cut)
    }
}

pub(crate) fn check_percent(percent: f32) -> Result<(), InferError> {
    if (0.0..=100.0).contains(&percent) {
        Ok(())
    } else {
        Err(InferError::Misuse(format!(
            "top-k is {percent} %; it must be from 0 to 100"
        )))
    }
}

fn half_bin(value: f32) -> usize {
    (value.to_bits().saturating_sub(LOWEST_BITS) >> BIN_SHIFT) as usize
}

/// This is monotone in the saliency, because bits of positive floats are ordered as their values are.
fn bin(saliency: f32) -> usize {
    let saliency = saliency.clamp(0.0, 1.0);
    if saliency < 0.5 {
        half_bin(saliency)
    } else {
        BINS - 1 - half_bin(1.0 - saliency)
    }
}

fn lower_edge(bin: usize) -> f32 {
    let value = |bin: usize| f32::from_bits(LOWEST_BITS + ((bin as u32) << BIN_SHIFT));
    match bin {
        0 => 0.0,
        bin if bin <= HALF_BINS => value(bin),
        bin => 1.0 - value(BINS - bin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saliency_is_the_probability_of_any_rare_class() {
        assert_eq!(saliency([]), 0.0);
        assert_eq!(saliency([0.0]), 0.5);
        assert!((saliency([0.0, 0.0]) - 0.75).abs() < 1e-7);
        assert!((saliency([1.5]) - sigmoid(1.5)).abs() < 1e-7);
        assert_eq!(saliency([200.0, -200.0]), 1.0);
        assert_eq!(logit(0.5), 0.0);
        assert!((sigmoid(logit(0.73)) - 0.73).abs() < 1e-6);
    }

    #[test]
    fn bins_are_monotone_and_their_edges_belong_to_them() {
        let mut previous = 0;
        for step in 0..200_000 {
            let value = step as f32 / 199_999.0;
            assert!(bin(value) >= previous && bin(value) < BINS, "{value}");
            previous = bin(value);
            assert!(lower_edge(previous) <= value, "{value}: {}", lower_edge(previous));
        }
        assert!(bin(1e-6) > bin(9e-7) && bin(1.0 - 1e-6) > bin(1.0 - 2e-6));
    }

    #[test]
    fn the_cut_marks_the_asked_share_of_the_whole_scene() {
        let values: Vec<f32> = (0..50_000)
            .map(|i| sigmoid((i as f32 / 50_000.0 - 0.7) * 20.0))
            .collect();
        let mut histogram = SaliencyHistogram::default();
        values.iter().for_each(|value| histogram.add(*value));
        for percent in [0.5, 20.0, 50.0, 99.0, 100.0] {
            let cut = histogram.cut(percent).expect("a valid share");
            let marked: Vec<f32> = values.iter().copied().filter(|value| cut.marks(*value)).collect();
            let least = marked.iter().copied().fold(f32::INFINITY, f32::min);
            assert_eq!(marked.len() as u64, cut.pixels);
            assert!(
                (cut.pixels as f32 / 500.0 - percent).abs() < 0.01,
                "{percent}: {}",
                cut.pixels
            );
            assert!(
                cut.threshold <= least && least - cut.threshold < 1e-4,
                "{percent}: {}",
                cut.threshold
            );
        }
        let none = histogram.cut(0.0).expect("a valid share");
        assert!(none.pixels == 0 && !none.marks(1.0));
    }

    #[test]
    fn histograms_of_parts_add_up_to_that_of_the_whole() {
        let values: Vec<f32> = (0..9000).map(|i| sigmoid((i % 977) as f32 / 50.0 - 12.0)).collect();
        let (mut whole, mut sum) = (SaliencyHistogram::default(), SaliencyHistogram::default());
        for part in values.chunks(1234) {
            let mut histogram = SaliencyHistogram::default();
            part.iter().for_each(|value| histogram.add(*value));
            sum.add_counts(histogram.counts()).expect("bins of a histogram");
        }
        values.iter().for_each(|value| whole.add(*value));
        for percent in [0.0, 3.0, 20.0, 100.0] {
            let cut = whole.cut(percent).expect("a valid share");
            assert_eq!(sum.cut(percent).expect("a valid share"), cut);
            assert_eq!(SaliencyCut::of_bin(percent, cut.pixels, cut.first_bin()), cut);
        }
        assert!(sum.add_counts([(BINS, 1)]).is_err());
    }

    #[test]
    fn equal_pixels_are_marked_together() {
        let mut histogram = SaliencyHistogram::default();
        (0..100).for_each(|_| histogram.add(0.25));
        assert_eq!(histogram.cut(20.0).expect("a valid share").pixels, 100);
        histogram.add(f32::NAN);
        let all = histogram.cut(100.0).expect("a valid share");
        assert!(all.pixels == 100 && !all.marks(f32::NAN));
        assert!(histogram.cut(101.0).is_err() && histogram.cut(f32::NAN).is_err());
        assert_eq!(SaliencyHistogram::default().cut(20.0).expect("a valid share").pixels, 0);
    }
}
