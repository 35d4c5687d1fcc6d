//! Tells whether probabilities mean what they say: expected calibration error, and the one number that repairs most of it.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

/// Bins of a reliability diagram, of equal width.
const BINS: usize = 15;

/// Pixels of a split whose logits are kept, to fit temperatures and to measure the main head's errors after scaling.
const SAMPLE_PIXELS: usize = 1 << 19;

/// Temperatures that are considered, as their inverses.
const INVERSE_TEMPERATURES: (f64, f64) = (0.02, 50.0);

/// Claimed probabilities against what came true, in bins of equal width (Guo et al. 2017, arXiv:1706.04599, section 2).
///
/// With the probability of one class and whether the pixel has it, [`Reliability::ece`] is that class's term of the classwise error (Nixon
/// et al. 2019, arXiv:1904.01685). With the highest probability and whether the prediction is right, it is the usual error.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reliability {
    bins: [Bin; BINS],
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Bin {
    pixels: u64,
    true_pixels: u64,
    sum: f64,
}

/// One bar of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Pixels whose probability lies in the bin.
    pub pixels: u64,
    /// Mean probability.
    pub claimed: f64,
    /// Share that came true.
    pub true_share: f64,
}

impl Reliability {
    /// Counts `pixels` pixels of one probability, of which `true_pixels` came true.
    pub fn add(&mut self, probability: f64, pixels: u64, true_pixels: u64) {
        let bin = &mut self.bins[((probability * BINS as f64) as usize).min(BINS - 1)];
        bin.pixels += pixels;
        bin.true_pixels += true_pixels;
        bin.sum += probability * pixels as f64;
    }

    /// The bins that hold pixels.
    pub fn bins(&self) -> Vec<ReliabilityBin> {
        let of = |bin: &Bin| ReliabilityBin {
            pixels: bin.pixels,
            claimed: bin.sum / bin.pixels as f64,
            true_share: bin.true_pixels as f64 / bin.pixels as f64,
        };
        self.bins.iter().filter(|bin| bin.pixels > 0).map(of).collect()
    }

    /// Expected calibration error: mean over pixels of the bin's `|claimed - true share|`. `None` without pixels.
    pub fn ece(&self) -> Option<f64> {
        let pixels: u64 = self.bins.iter().map(|bin| bin.pixels).sum();
        let error: f64 = self
            .bins
            .iter()
            .map(|bin| (bin.sum - bin.true_pixels as f64).abs())
            .sum();
        (pixels > 0).then(|| error / pixels as f64)
    }
}

/// Logits and labels of a fixed number of pixels, drawn evenly from however many there are (Vitter 1985, algorithm R).
#[derive(Debug, Clone)]
pub struct LogitSample {
    channels: usize,
    most: usize,
    seen: u64,
    rng: StdRng,
    /// `[pixels, channels]`
    logits: Vec<f32>,
    labels: Vec<u8>,
}

/// The temperature that gives the lowest negative log-likelihood when logits are divided by it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TemperatureFit {
    /// The temperature; above 1, the network is too sure of itself.
    pub temperature: f64,
    /// Mean negative log-likelihood in nats of the network as it is.
    pub nll_before: f64,
    /// The same with the temperature.
    pub nll_after: f64,
    /// Number of pixels that it was fitted on.
    pub pixels: usize,
}

impl LogitSample {
    /// Makes a sampler for pixels of `channels` logits.
    pub fn new(channels: usize) -> Self {
        Self::of_at_most(SAMPLE_PIXELS, channels)
    }

    fn of_at_most(most: usize, channels: usize) -> Self {
        Self {
            channels,
            most,
            seen: 0,
            rng: StdRng::seed_from_u64(0),
            logits: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Offers a pixel with its logits, one for each channel, and the index of its class.
    pub fn add(&mut self, logits: &[f32], label: u8) {
        debug_assert_eq!(logits.len(), self.channels);
        self.seen += 1;
        if self.labels.len() < self.most {
            self.logits.extend_from_slice(logits);
            self.labels.push(label);
            return;
        }
        let place = self.rng.random_range(0..self.seen) as usize;
        if let Some(kept) = self.labels.get_mut(place) {
            *kept = label;
            self.logits[place * self.channels..][..self.channels].copy_from_slice(logits);
        }
    }

    /// Number of pixels kept.
    pub fn pixels(&self) -> usize {
        self.labels.len()
    }

    /// Logits and label of each pixel kept.
    pub fn iter(&self) -> impl Iterator<Item = (&[f32], u8)> {
        self.logits
            .chunks_exact(self.channels.max(1))
            .zip(self.labels.iter().copied())
    }

    /// One temperature for a softmax over the first `classes` logits; `None` without pixels.
    pub fn fit_softmax(&self, classes: usize) -> Option<TemperatureFit> {
        let pixels = || self.iter().filter(|(_, label)| usize::from(*label) < classes);
        fit(pixels().count(), |inverse| {
            pixels()
                .map(|(logits, label)| softmax_nll(&logits[..classes], usize::from(label), inverse))
                .sum()
        })
    }

    /// One temperature for a sigmoid of the logit `channel`, whose class is `class`; `None` without pixels.
    pub fn fit_sigmoid(&self, channel: usize, class: usize) -> Option<TemperatureFit> {
        fit(self.pixels(), |inverse| {
            self.iter()
                .map(|(logits, label)| sigmoid_nll(logits[channel], usize::from(label) == class, inverse))
                .sum()
        })
    }
}

/// A sum of negative log-likelihoods, with its first and second derivative with respect to the inverse temperature.
#[derive(Debug, Clone, Copy, Default)]
struct Nll {
    value: f64,
    slope: f64,
    curvature: f64,
}

impl std::iter::Sum for Nll {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), |sum, one| Self {
            value: sum.value + one.value,
            slope: sum.slope + one.slope,
            curvature: sum.curvature + one.curvature,
        })
    }
}

/// `ln sum exp(b z) - b z_label` at `b = inverse`: its slope is the expected logit less the label's, and its curvature is the logits'
/// variance.
fn softmax_nll(logits: &[f32], label: usize, inverse: f64) -> Nll {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
    for &logit in logits {
        // Logits are relative to the highest, so that nothing overflows; no derivative changes.
        let z = f64::from(logit - highest);
        let weight = (inverse * z).exp();
        sum += weight;
        first += weight * z;
        second += weight * z * z;
    }
    let mean = first / sum;
    let of_label = f64::from(logits[label] - highest);
    Nll {
        value: sum.ln() - inverse * of_label,
        slope: mean - of_label,
        curvature: second / sum - mean * mean,
    }
}

fn sigmoid_nll(logit: f32, truth: bool, inverse: f64) -> Nll {
    let z = f64::from(logit);
    // The logit of the wrong answer.
    let margin = if truth { -z } else { z };
    let scaled = inverse * margin;
    let wrong = 1.0 / (1.0 + (-scaled).exp());
    Nll {
        value: scaled.max(0.0) + (-scaled.abs()).exp().ln_1p(),
        slope: wrong * margin,
        curvature: wrong * (1.0 - wrong) * z * z,
    }
}

/// Newton's method on the inverse temperature, in which the likelihood is convex, kept within a bracket by bisection.
fn fit(pixels: usize, nll: impl Fn(f64) -> Nll) -> Option<TemperatureFit> {
    if pixels == 0 {
        return None;
    }
    let before = nll(1.0);
    let (mut low, mut high) = INVERSE_TEMPERATURES;
    let (mut inverse, mut at) = (1.0, before);
    for _ in 0..60 {
        if at.slope > 0.0 {
            high = inverse;
        } else {
            low = inverse;
        }
        let newton = inverse - at.slope / at.curvature;
        let next = if newton.is_finite() && newton > low && newton < high {
            newton
        } else {
            f64::midpoint(low, high)
        };
        let moved = (next - inverse).abs();
        (inverse, at) = (next, nll(next));
        if moved < 1e-9 * inverse {
            break;
        }
    }
    Some(TemperatureFit {
        temperature: 1.0 / inverse,
        nll_before: before.value / pixels as f64,
        nll_after: at.value / pixels as f64,
        pixels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calibration_error_of_a_hand_made_case() {
        let mut reliability = Reliability::default();
        // Bin 13 of 15 (from 0.8667): claimed 0.9, 3 of 4 true. Bin 1: claimed 0.1, none of 6 true.
        (0..4).for_each(|i| reliability.add(0.9, 1, u64::from(i < 3)));
        reliability.add(0.1, 6, 0);
        let expected = 0.4 * (0.9 - 0.75) + 0.6 * 0.1;
        assert!((reliability.ece().expect("pixels") - expected).abs() < 1e-12);
        let bins = reliability.bins();
        assert_eq!(bins.len(), 2);
        assert_eq!((bins[1].pixels, bins[1].true_share), (4, 0.75));
        assert_eq!(Reliability::default().ece(), None);
    }

    #[test]
    fn errors_within_a_bin_cancel_and_the_edges_belong_to_bins() {
        let mut reliability = Reliability::default();
        // Both in the last bin: claimed 0.95 and 1, mean 0.975; half true.
        reliability.add(0.95, 1, 1);
        reliability.add(1.0, 1, 0);
        assert!((reliability.ece().expect("pixels") - 0.475).abs() < 1e-12);
        reliability.add(0.0, 2, 0);
        assert!((reliability.ece().expect("pixels") - 0.2375).abs() < 1e-12);
    }

    /// Pixels whose labels are drawn from the softmax of their logits, which are then made `factor` times as large.
    fn overconfident(factor: f32) -> LogitSample {
        let mut rng = StdRng::seed_from_u64(5);
        let mut sample = LogitSample::new(4);
        for _ in 0..60_000 {
            let logits: Vec<f32> = (0..4).map(|_| rng.random_range(-2.0..2.0)).collect();
            let weights: Vec<f32> = logits[..3].iter().map(|z| z.exp()).collect();
            let mut draw = rng.random_range(0.0..weights.iter().sum());
            let label = weights.iter().position(|weight| {
                draw -= weight;
                draw < 0.0
            });
            let scaled: Vec<f32> = logits.iter().map(|z| z * factor).collect();
            sample.add(&scaled, label.unwrap_or(2) as u8);
        }
        sample
    }

    #[test]
    fn the_temperature_undoes_a_known_scaling() {
        for factor in [0.5, 1.0, 3.0] {
            let fit = overconfident(factor).fit_softmax(3).expect("pixels");
            assert!(
                (fit.temperature / f64::from(factor) - 1.0).abs() < 0.03,
                "{factor}: {fit:?}"
            );
            assert!(fit.nll_after <= fit.nll_before);
        }
    }

    #[test]
    fn the_temperature_of_a_probability_is_the_closed_form() {
        // All logits are plus or minus 2 and right in 3 of 4: sigmoid(2 / T) = 3/4, T = 2 / ln 3.
        let mut sample = LogitSample::new(2);
        for i in 0..400 {
            let truth = i % 2 == 0;
            let right = i / 2 % 4 != 0;
            sample.add(&[0.0, if truth == right { 2.0 } else { -2.0 }], u8::from(truth));
        }
        let fit = sample.fit_sigmoid(1, 1).expect("pixels");
        assert!((fit.temperature - 2.0 / 3f64.ln()).abs() < 1e-6, "{fit:?}");
        let entropy = -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln());
        assert!((fit.nll_after - entropy).abs() < 1e-9, "{fit:?}");
    }

    #[test]
    fn perfect_separation_stops_at_the_lowest_temperature() {
        let mut sample = LogitSample::new(1);
        (0..10).for_each(|i| sample.add(&[if i < 5 { 3.0 } else { -3.0 }], u8::from(i >= 5)));
        let fit = sample.fit_sigmoid(0, 0).expect("pixels");
        assert!(fit.temperature.is_finite() && fit.temperature < 0.1, "{fit:?}");
        assert_eq!(LogitSample::new(1).fit_softmax(1), None);
    }

    #[test]
    fn the_sample_keeps_its_size_and_draws_evenly() {
        let mut sample = LogitSample::of_at_most(1000, 1);
        (0..20_000u32).for_each(|i| sample.add(&[i as f32], 0));
        assert_eq!(sample.pixels(), 1000);
        let mean = sample.iter().map(|(logits, _)| f64::from(logits[0])).sum::<f64>() / 1000.0;
        // The standard error is 20000 / sqrt(12) / sqrt(1000) = 183.
        assert!((mean - 10_000.0).abs() < 600.0, "{mean}");
    }
}
