//! Learning rate over time.

use serde::{Deserialize, Serialize};

use crate::error::{Result, ensure};
use crate::watch::Mode;

/// Learning rate by step, under the optimizer's peak rate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LearningRateSection {
    /// Steps of linear warm-up: step i has `(i + 1) / warmup_steps` of the peak.
    pub warmup_steps: usize,
    /// What follows the warm-up.
    pub decay: Decay,
}

/// How the rate falls from its peak.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// To zero, as `(1 - progress)^power` (arXiv:2105.15203, section 4.1, with power 1).
    Polynomial {
        /// Exponent.
        #[serde(default = "one")]
        power: f64,
    },
    /// To `floor`, along half a cosine (arXiv:1608.03983, without restarts).
    Cosine {
        /// Lowest rate, divided by the peak.
        #[serde(default)]
        floor: f64,
    },
    /// Smith's cycle (arXiv:1708.07120) with cosine arcs: it rises from `peak / start_divisor` and falls to that divided by `end_divisor`.
    /// It is its own warm-up. Momentum does not cycle.
    OneCycle {
        /// Share of the steps in which the rate rises.
        #[serde(default = "three_tenths")]
        rising: f64,
        /// Peak divided by the first rate.
        #[serde(default = "twenty_five")]
        start_divisor: f64,
        /// First rate divided by the last.
        #[serde(default = "ten_thousand")]
        end_divisor: f64,
    },
    /// Multiplies by `gamma` after every `every_epochs` epochs, counted from the first.
    Step {
        /// Epochs between falls.
        every_epochs: usize,
        /// Factor at each fall.
        #[serde(default = "tenth")]
        gamma: f64,
    },
    /// Multiplies by `factor` whenever a validation metric has not improved for more than `patience` evaluations.
    ReduceOnPlateau {
        /// The metric, by its name in the log.
        #[serde(default = "mean_iou")]
        metric: String,
        /// Which way it improves; the metric's own by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<Mode>,
        /// Factor at each fall.
        #[serde(default = "half")]
        factor: f64,
        /// Evaluations in a row without improvement that are tolerated.
        #[serde(default = "ten")]
        patience: usize,
        /// A gain counts as an improvement only if it is larger.
        #[serde(default = "ten_thousandth")]
        min_delta: f64,
        /// Lowest rate, divided by the peak.
        #[serde(default)]
        floor: f64,
    },
    /// The rate does not fall.
    Constant {},
}

impl Default for Decay {
    fn default() -> Self {
        Self::Polynomial { power: 1.0 }
    }
}

const fn one() -> f64 {
    1.0
}
const fn half() -> f64 {
    0.5
}
const fn three_tenths() -> f64 {
    0.3
}
const fn tenth() -> f64 {
    0.1
}
const fn ten_thousandth() -> f64 {
    1e-4
}
const fn ten() -> usize {
    10
}
const fn twenty_five() -> f64 {
    25.0
}
const fn ten_thousand() -> f64 {
    1e4
}
fn mean_iou() -> String {
    "mean_iou".to_owned()
}

impl LearningRateSection {
    /// # Errors
    /// Names the key whose value makes no sense.
    pub fn check(&self) -> Result<()> {
        let positive = |key: &str, value: f64| {
            ensure!(
                Recipe,
                value.is_finite() && value > 0.0,
                "learning_rate.decay.{key} is {value}; it must be positive"
            );
            Ok(())
        };
        let share = |key: &str, value: f64| {
            ensure!(
                Recipe,
                (0.0..=1.0).contains(&value),
                "learning_rate.decay.{key} is {value}; it must be from 0 to 1"
            );
            Ok(())
        };
        let falling = |key: &str, value: f64| {
            ensure!(
                Recipe,
                value > 0.0 && value < 1.0,
                "learning_rate.decay.{key} is {value}; it must be between 0 and 1"
            );
            Ok(())
        };
        match &self.decay {
            Decay::Polynomial { power } => positive("power", *power),
            Decay::Cosine { floor } => share("floor", *floor),
            Decay::OneCycle {
                rising,
                start_divisor,
                end_divisor,
            } => {
                ensure!(
                    Recipe,
                    self.warmup_steps == 0,
                    "learning_rate.warmup_steps is {}, but one_cycle is its own warm-up (learning_rate.decay.rising)",
                    self.warmup_steps
                );
                share("rising", *rising)?;
                positive("start_divisor", *start_divisor)?;
                positive("end_divisor", *end_divisor)
            }
            Decay::Step { every_epochs, gamma } => {
                ensure!(
                    Recipe,
                    *every_epochs > 0,
                    "learning_rate.decay.every_epochs must be at least 1"
                );
                falling("gamma", *gamma)
            }
            Decay::ReduceOnPlateau {
                factor,
                min_delta,
                floor,
                ..
            } => {
                falling("factor", *factor)?;
                ensure!(
                    Recipe,
                    min_delta.is_finite() && *min_delta >= 0.0,
                    "learning_rate.decay.min_delta is {min_delta}; it must not be negative"
                );
                share("floor", *floor)
            }
            Decay::Constant {} => Ok(()),
        }
    }

    /// The rates of a run of `total_steps`, with `steps_per_epoch` steps an epoch, under `peak`.
    pub fn schedule(&self, peak: f64, total_steps: usize, steps_per_epoch: usize) -> Schedule {
        Schedule {
            section: self.clone(),
            peak,
            total_steps,
            steps_per_epoch,
        }
    }

    /// The metric that [`Schedule::observe`] needs, if the rate follows one.
    pub fn plateau_metric(&self) -> Option<&str> {
        match &self.decay {
            Decay::ReduceOnPlateau { metric, .. } => Some(metric),
            _ => None,
        }
    }
}

/// The learning rates of one run. Its only state is the [`Plateau`], which is part of a checkpoint.
#[derive(Debug, Clone)]
pub struct Schedule {
    section: LearningRateSection,
    peak: f64,
    total_steps: usize,
    steps_per_epoch: usize,
}

/// What a schedule has seen of its metric.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plateau {
    /// The metric's best value, if it was ever observed.
    pub best: Option<f64>,
    /// Evaluations since then, or since the last fall of the rate.
    pub stale: usize,
    /// How often the rate has fallen.
    pub falls: u32,
}

impl Schedule {
    /// The rate of step `step`, from 0.
    pub fn rate(&self, step: usize, plateau: &Plateau) -> f64 {
        let warmup = self.section.warmup_steps;
        if step < warmup {
            return self.peak * (step + 1) as f64 / warmup as f64;
        }
        let progress = || {
            let steps = self.total_steps.saturating_sub(warmup).max(1);
            ((step - warmup) as f64 / steps as f64).min(1.0)
        };
        self.peak
            * match &self.section.decay {
                Decay::Polynomial { power } => (1.0 - progress()).powf(*power),
                Decay::Cosine { floor } => arc(1.0, *floor, progress()),
                Decay::OneCycle {
                    rising,
                    start_divisor,
                    end_divisor,
                } => self.one_cycle(step, *rising, 1.0 / start_divisor, 1.0 / (start_divisor * end_divisor)),
                Decay::Step { every_epochs, gamma } => {
                    gamma.powf((step / (every_epochs * self.steps_per_epoch).max(1)) as f64)
                }
                Decay::ReduceOnPlateau { factor, floor, .. } => factor.powf(f64::from(plateau.falls)).max(*floor),
                Decay::Constant {} => 1.0,
            }
    }

    /// The rate divided by the peak: from `first` up to 1 at the last rising step, and down to `last` at the last step.
    fn one_cycle(&self, step: usize, rising: f64, first: f64, last: f64) -> f64 {
        let top = (rising * self.total_steps as f64 - 1.0).max(0.0);
        let end = (self.total_steps as f64 - 1.0).max(top);
        let step = (step as f64).min(end);
        if step < top {
            arc(first, 1.0, step / top)
        } else if end > top {
            arc(1.0, last, (step - top) / (end - top))
        } else {
            1.0
        }
    }

    /// Records an evaluation's metric. Returns true if the rate falls because of it; NaN is no improvement.
    pub fn observe(&self, plateau: &mut Plateau, metric: f64, default: Mode) -> bool {
        let Decay::ReduceOnPlateau {
            mode,
            patience,
            min_delta,
            ..
        } = &self.section.decay
        else {
            return false;
        };
        let improved = !metric.is_nan()
            && plateau.best.is_none_or(|best| match mode.unwrap_or(default) {
                Mode::Max => metric > best + min_delta,
                Mode::Min => metric < best - min_delta,
            });
        if improved {
            plateau.best = Some(metric);
            plateau.stale = 0;
            return false;
        }
        plateau.stale += 1;
        let falls = plateau.stale > *patience;
        if falls {
            plateau.falls += 1;
            plateau.stale = 0;
        }
        falls
    }
}

/// Goes from `start` to `end` along half a cosine.
fn arc(start: f64, end: f64, progress: f64) -> f64 {
    end + (start - end) * (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LearningRateSection> {
        let section: LearningRateSection = toml::from_str(text)?;
        section.check().map(|()| section)
    }

    #[test]
    fn rises_to_the_peak_and_falls_to_zero() {
        let section = parse("warmup_steps = 4").expect("valid");
        let schedule = section.schedule(1.0, 14, 1);
        let rate = |step| schedule.rate(step, &Plateau::default());
        assert_eq!(rate(0), 0.25);
        assert_eq!(rate(3), 1.0);
        assert_eq!(rate(4), 1.0);
        assert_eq!(rate(9), 0.5);
        assert!((rate(13) - 0.1).abs() < 1e-12);
        assert_eq!(rate(14), 0.0);
        assert_eq!(rate(100), 0.0, "past the end");
    }

    #[test]
    fn every_kind_can_be_written_and_read() {
        for decay in [
            "kind = 'polynomial'\npower = 0.9",
            "kind = 'cosine'",
            "kind = 'one_cycle'",
            "kind = 'step'\nevery_epochs = 3",
            "kind = 'reduce_on_plateau'\nmode = 'min'",
            "kind = 'constant'",
        ] {
            let section = parse(&format!("[decay]\n{decay}")).expect(decay);
            let text = toml::to_string(&section).expect("TOML");
            assert_eq!(parse(&text).expect("its own output"), section);
        }
    }

    #[test]
    fn values_without_sense_are_named() {
        for (text, key) in [
            ("[decay]\nkind = 'polynomial'\npower = 0.0", "decay.power"),
            ("[decay]\nkind = 'cosine'\nfloor = 2.0", "decay.floor"),
            ("warmup_steps = 3\n[decay]\nkind = 'one_cycle'", "warmup_steps"),
            ("[decay]\nkind = 'one_cycle'\nrising = 1.5", "decay.rising"),
            ("[decay]\nkind = 'one_cycle'\nend_divisor = 0.0", "decay.end_divisor"),
            ("[decay]\nkind = 'step'\nevery_epochs = 0", "decay.every_epochs"),
            ("[decay]\nkind = 'step'\nevery_epochs = 1\ngamma = 1.0", "decay.gamma"),
            ("[decay]\nkind = 'step'", "every_epochs"),
            ("[decay]\nkind = 'reduce_on_plateau'\nfactor = 0.0", "decay.factor"),
            (
                "[decay]\nkind = 'reduce_on_plateau'\nmin_delta = -1.0",
                "decay.min_delta",
            ),
            ("[decay]\nkind = 'cosine'\npower = 1.0", "power"),
            ("[decay]\nkind = 'cosinus'", "cosinus"),
            ("warmup = 3", "warmup"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(format!("{error:#}").contains(key), "{text}: {error:#}");
        }
    }

    #[test]
    fn runs_shorter_than_their_phases_stay_between_0_and_the_peak() {
        for text in [
            "warmup_steps = 9",
            "warmup_steps = 9\n[decay]\nkind = 'cosine'",
            "[decay]\nkind = 'one_cycle'",
            "[decay]\nkind = 'one_cycle'\nrising = 1.0",
            "[decay]\nkind = 'one_cycle'\nrising = 0.0",
        ] {
            let section = parse(text).expect(text);
            for total in [0, 1, 2, 3] {
                let schedule = section.schedule(1.0, total, 0);
                for step in 0..20 {
                    let rate = schedule.rate(step, &Plateau::default());
                    assert!((0.0..=1.0).contains(&rate), "{text}: step {step} of {total}: {rate}");
                }
            }
        }
    }

    #[test]
    fn a_plateau_lowers_the_rate_and_survives_a_checkpoint() {
        let text = "[decay]\nkind = 'reduce_on_plateau'\npatience = 1\nfloor = 0.3";
        let section = parse(text).expect("valid");
        assert_eq!(section.plateau_metric(), Some("mean_iou"));
        let schedule = section.schedule(2.0, 10, 1);
        let mut plateau = Plateau::default();
        let falls: Vec<bool> = [0.5, f64::NAN, 0.5, 0.6]
            .into_iter()
            .map(|metric| schedule.observe(&mut plateau, metric, Mode::Max))
            .collect();
        assert_eq!(falls, [false, false, true, false]);
        assert_eq!(schedule.rate(7, &plateau), 1.0);
        assert!(!schedule.observe(&mut plateau, 0.6, Mode::Max));
        let text = serde_json::to_string(&plateau).expect("JSON");
        let mut plateau: Plateau = serde_json::from_str(&text).expect("its own output");
        assert!(
            schedule.observe(&mut plateau, 0.6, Mode::Max),
            "the second stale one in a row"
        );
        assert_eq!(schedule.rate(7, &plateau), 0.6, "0.3 of the peak, not 0.25");
    }

    #[test]
    fn other_schedules_do_not_heed_a_metric() {
        let section = LearningRateSection::default();
        assert_eq!(section.plateau_metric(), None);
        let mut plateau = Plateau::default();
        assert!(!section.schedule(1.0, 10, 1).observe(&mut plateau, 0.1, Mode::Max));
        assert_eq!(plateau, Plateau::default());
    }
}
