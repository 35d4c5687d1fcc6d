//! Counts and histograms over a whole split, and the figures made from them. They are never averages of per-batch scores.
//!
//! Memory does not grow with the split: probabilities are counted in bins of 2^-16, and only a fixed number of pixels' logits is kept.

mod bootstrap;
mod calibration;
mod confusion;
mod curves;

pub use bootstrap::{Interval, resample_places};
pub use calibration::{LogitSample, Reliability, ReliabilityBin, TemperatureFit};
pub use confusion::{Binary, ClassFigures, Confusion, Figures, Roles, table};
pub use curves::{CurvePoint, ScoreHistogram};
