//! Learning rate over time.

/// Linear warm-up from zero, then polynomial decay to zero (arXiv:2105.15203, section 4.1, with the paper's power 1).
#[derive(Debug, Clone, Copy)]
pub struct WarmupPolynomial {
    /// Learning rate at the end of the warm-up.
    pub peak: f64,
    /// Steps of the warm-up.
    pub warmup_steps: usize,
    /// Steps in all.
    pub total_steps: usize,
    /// Exponent of the decay.
    pub power: f64,
}

impl WarmupPolynomial {
    /// The rate of step `step`, from 0.
    pub fn rate(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let decaying = self.total_steps.saturating_sub(self.warmup_steps).max(1);
        let progress = (step - self.warmup_steps) as f64 / decaying as f64;
        self.peak * (1.0 - progress).max(0.0).powf(self.power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_to_the_peak_and_falls_to_zero() {
        let schedule = WarmupPolynomial {
            peak: 1.0,
            warmup_steps: 4,
            total_steps: 14,
            power: 1.0,
        };
        assert_eq!(schedule.rate(0), 0.25);
        assert_eq!(schedule.rate(3), 1.0);
        assert_eq!(schedule.rate(4), 1.0);
        assert_eq!(schedule.rate(9), 0.5);
        assert!((schedule.rate(13) - 0.1).abs() < 1e-12);
        assert_eq!(schedule.rate(14), 0.0);
    }
}
