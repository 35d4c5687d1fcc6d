//! Precision and recall of one class's probability at every threshold.

use serde::Serialize;

use super::calibration::Reliability;
use super::confusion::ClassFigures;

/// Bins of a probability: those of bin `b` are from `b / BINS` to below `(b + 1) / BINS`, and the last bin takes 1 too.
const BINS: usize = 1 << 16;

/// Counts how many pixels of a class, and how many other pixels, have which probability of it.
///
/// Bins have a width of 2^-16. Thresholds that are multiples of it, such as 0.25, 0.5 and 0.75, count exactly as the pixels themselves
/// would, and any other threshold is taken as the next multiple below. Memory is 1 MiB however many pixels there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreHistogram {
    positive: Vec<u64>,
    negative: Vec<u64>,
}

/// A point of the precision-recall curve: the figures at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Lowest probability that counts as the class.
    pub threshold: f32,
    /// TP / (TP + FP)
    pub precision: f64,
    /// TP / (TP + FN)
    pub recall: f64,
    /// 2 TP / (2 TP + FP + FN)
    pub f1: f64,
    /// TP / (TP + FP + FN)
    pub iou: f64,
}

impl Default for ScoreHistogram {
    fn default() -> Self {
        Self {
            positive: vec![0; BINS],
            negative: vec![0; BINS],
        }
    }
}

fn bin_of(probability: f32) -> usize {
    // BINS is a power of two: the product is exact, and so is every threshold made of a bin.
    ((probability * BINS as f32) as usize).min(BINS - 1)
}

impl ScoreHistogram {
    /// Counts a pixel whose probability of the class is from 0 to 1. NaN counts as 0.
    pub fn add(&mut self, truth: bool, probability: f32) {
        let bins = if truth { &mut self.positive } else { &mut self.negative };
        bins[bin_of(probability)] += 1;
    }

    /// Numbers of pixels of the class, and of others.
    pub fn pixels(&self) -> (u64, u64) {
        (self.positive.iter().sum(), self.negative.iter().sum())
    }

    /// Mean and standard deviation of the probability, to the width of a bin; 0 of nothing.
    pub fn moments(&self) -> (f64, f64) {
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for (bin, (positive, negative)) in self.positive.iter().zip(&self.negative).enumerate() {
            let (pixels, probability) = ((positive + negative) as f64, bin as f64 / BINS as f64);
            count += pixels;
            sum += pixels * probability;
            squares += pixels * probability * probability;
        }
        let count = f64::max(count, 1.0);
        let mean = sum / count;
        (mean, (squares / count - mean * mean).max(0.0).sqrt())
    }

    /// The figures at `probability >= threshold`.
    pub fn at(&self, threshold: f32, name: &str) -> ClassFigures {
        let first = bin_of(threshold);
        let (positive, negative) = self.pixels();
        let tp: u64 = self.positive[first..].iter().sum();
        let fp: u64 = self.negative[first..].iter().sum();
        ClassFigures::new(name, tp, negative - fp, fp, positive - tp)
    }

    /// Every point of the curve at which recall or precision changes, from the highest threshold to the lowest. Empty without a pixel of
    /// the class.
    pub fn curve(&self) -> Vec<CurvePoint> {
        let (positive, _) = self.pixels();
        let (mut tp, mut fp) = (0, 0);
        let mut points = Vec::new();
        for bin in (0..BINS).rev().filter(|_| positive > 0) {
            if self.positive[bin] + self.negative[bin] == 0 {
                continue;
            }
            tp += self.positive[bin];
            fp += self.negative[bin];
            points.push(CurvePoint {
                threshold: bin as f32 / BINS as f32,
                precision: tp as f64 / (tp + fp) as f64,
                recall: tp as f64 / positive as f64,
                f1: 2.0 * tp as f64 / (positive + tp + fp) as f64,
                iou: tp as f64 / (positive + fp) as f64,
            });
        }
        points
    }

    /// At most `most + 2` points of the curve, evenly spaced along the recall and including its ends, for drawing and for JSON.
    pub fn thinned_curve(&self, most: usize) -> Vec<CurvePoint> {
        let curve = self.curve();
        let step = 1.0 / most.max(1) as f64;
        let mut thinned: Vec<CurvePoint> = Vec::new();
        for (index, point) in curve.iter().enumerate() {
            let far = thinned.last().is_none_or(|last| point.recall - last.recall >= step);
            if far || index + 1 == curve.len() {
                thinned.push(*point);
            }
        }
        thinned
    }

    /// Average precision, `sum_n (R_n - R_(n-1)) P_n` over descending thresholds, without interpolation; pixels of one bin share a
    /// threshold. `None` without a pixel of the class.
    pub fn average_precision(&self) -> Option<f64> {
        let curve = self.curve();
        let mut before = 0.0;
        let area = curve.iter().map(|point| {
            let step = point.recall - before;
            before = point.recall;
            step * point.precision
        });
        (!curve.is_empty()).then(|| area.sum())
    }

    /// The threshold with the greatest `worth`, and of equals the highest. `None` without a pixel of the class.
    pub fn best_threshold(&self, worth: impl Fn(&CurvePoint) -> f64) -> Option<CurvePoint> {
        let better = |best: CurvePoint, point: CurvePoint| if worth(&point) > worth(&best) { point } else { best };
        self.curve().into_iter().reduce(better)
    }

    /// Reliability of the probability. The pixels of a bin count as its middle, at most 2^-17 from where they are.
    pub fn reliability(&self) -> Reliability {
        let mut reliability = Reliability::default();
        for (bin, (&positive, &negative)) in self.positive.iter().zip(&self.negative).enumerate() {
            reliability.add((bin as f64 + 0.5) / BINS as f64, positive + negative, positive);
        }
        reliability
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Binary;

    fn of(pixels: &[(bool, f32)]) -> ScoreHistogram {
        let mut histogram = ScoreHistogram::default();
        pixels.iter().for_each(|&(truth, p)| histogram.add(truth, p));
        histogram
    }

    /// By sorting: walks down the distinct probabilities.
    fn brute_force(pixels: &[(bool, f32)]) -> f64 {
        let mut thresholds: Vec<f32> = pixels.iter().map(|(_, p)| *p).collect();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        let positives = pixels.iter().filter(|(truth, _)| *truth).count() as f64;
        let (mut area, mut before) = (0.0, 0.0);
        for threshold in thresholds {
            let claimed = pixels.iter().filter(|(_, p)| *p >= threshold);
            let (tp, all) = claimed.fold((0.0, 0.0), |(tp, all), (truth, _)| {
                (tp + f64::from(u8::from(*truth)), all + 1.0)
            });
            area += (tp / positives - before) * (tp / all);
            before = tp / positives;
        }
        area
    }

    #[test]
    fn average_precision_of_hand_made_cases() {
        // Ranked: right, wrong, right, wrong. Precision 1 at recall 1/2, 2/3 at recall 1: 1/2 + 1/2 * 2/3.
        let ranked = of(&[(true, 0.9), (false, 0.8), (true, 0.7), (false, 0.1)]);
        assert!((ranked.average_precision().expect("pixels") - 5.0 / 6.0).abs() < 1e-12);
        // All tied: the precision is the share of the class.
        let tied = of(&[(true, 0.5), (false, 0.5), (false, 0.5), (false, 0.5)]);
        assert_eq!(tied.average_precision(), Some(0.25));
        let perfect = of(&[(true, 1.0), (true, 0.6), (false, 0.4), (false, 0.0)]);
        assert_eq!(perfect.average_precision(), Some(1.0));
        assert_eq!(of(&[(false, 0.5)]).average_precision(), None);
    }

    #[test]
    fn average_precision_agrees_with_sorting() {
        // Multiples of 2^-16, so that bins and probabilities have the same ties; many ties.
        let pixel = |i: u64| {
            let hash = (i.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 32;
            let truth = hash % 7 < 2;
            let level = (hash >> 8) % 300 * 200 + u64::from(truth) * 3000;
            (truth, level as f32 / BINS as f32)
        };
        let pixels: Vec<(bool, f32)> = (0..2000).map(pixel).collect();
        let found = of(&pixels).average_precision().expect("pixels");
        let expected = brute_force(&pixels);
        assert!((found - expected).abs() < 1e-12, "{found} and {expected}");
        assert!(expected > 0.3 && expected < 0.9, "{expected} is no easy case");
    }

    #[test]
    fn the_sweep_counts_as_the_pixels_do() {
        let pixels = [
            (true, 0.25),
            (true, 0.7),
            (false, 0.5),
            (false, 0.249_999),
            (true, 1.0),
            (false, 0.0),
        ];
        let histogram = of(&pixels);
        for threshold in [0.25, 0.5, 0.75] {
            let figures = histogram.at(threshold, "x");
            let mut binary = Binary::default();
            pixels.iter().for_each(|&(truth, p)| binary.add(truth, p >= threshold));
            let expected = binary.figures("x");
            assert_eq!(
                (figures.tp, figures.tn, figures.fp, figures.fneg),
                (expected.tp, expected.tn, expected.fp, expected.fneg),
                "{threshold}"
            );
        }
    }

    #[test]
    fn the_best_threshold_is_the_one_a_search_finds() {
        let histogram = of(&[
            (true, 0.75),
            (true, 0.5),
            (false, 0.375),
            (true, 0.25),
            (false, 0.125),
            (false, 0.0625),
        ]);
        // At 0.5: IoU 2/3, F1 4/5. At 0.25: TP 3, FP 1: IoU 3/4, F1 6/7.
        let best = histogram.best_threshold(|point| point.iou).expect("pixels");
        assert_eq!((best.threshold, best.iou), (0.25, 0.75));
        assert!((best.f1 - 6.0 / 7.0).abs() < 1e-12);
        let precise = histogram.best_threshold(|point| point.precision).expect("pixels");
        assert_eq!(precise.threshold, 0.75, "of equals the highest");
    }

    #[test]
    fn the_reliability_of_the_bins_is_that_of_the_pixels() {
        let pixels: Vec<(bool, f32)> = (0..3000)
            .map(|i| (i % 5 == 0, (i * 31 % 3001) as f32 / 3001.0))
            .collect();
        let mut expected = Reliability::default();
        pixels
            .iter()
            .for_each(|&(truth, p)| expected.add(f64::from(p), 1, u64::from(truth)));
        let (found, expected) = (of(&pixels).reliability().ece(), expected.ece());
        let (found, expected) = (found.expect("pixels"), expected.expect("pixels"));
        assert!((found - expected).abs() < 1e-5, "{found} and {expected}");
        assert!(expected > 0.1, "{expected} is no easy case");
    }

    #[test]
    fn a_thinned_curve_keeps_its_ends() {
        let pixels: Vec<(bool, f32)> = (0..4000)
            .map(|i| (i % 3 == 0, (i * 13 % 4001) as f32 / 4001.0))
            .collect();
        let histogram = of(&pixels);
        let (whole, thinned) = (histogram.curve(), histogram.thinned_curve(100));
        assert!(
            whole.len() > 3000 && thinned.len() <= 102,
            "{} to {}",
            whole.len(),
            thinned.len()
        );
        assert_eq!(thinned.first(), whole.first());
        assert_eq!(thinned.last(), whole.last());
    }
}
