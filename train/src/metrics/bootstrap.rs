//! Estimates how far a figure could be from what other places of the same kind would give.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

/// Share of the resamples that an interval leaves out, on both ends together.
const OUTSIDE: f64 = 0.05;

/// A 95 % percentile interval (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

/// Intervals of statistics under resampling of places with replacement.
///
/// Images of one place are alike: resampled one by one, they would make the interval too narrow. `statistics` gets how often each place was
/// drawn and returns the figures; a figure without a value in a resample (a class that none of its places has) is left out of that
/// resample. All are `None` if there are fewer than two places, where nothing can be said; a figure that never had a value is `None`, too.
pub fn resample_places(
    places: usize,
    resamples: usize,
    seed: u64,
    statistics: impl Fn(&[u64]) -> Vec<Option<f64>>,
) -> Vec<Option<Interval>> {
    let count = statistics(&vec![1; places]).len();
    if places < 2 {
        return vec![None; count];
    }
    let mut values = vec![Vec::with_capacity(resamples); count];
    let mut rng = StdRng::seed_from_u64(seed);
    let mut times = vec![0u64; places];
    for _ in 0..resamples {
        times.fill(0);
        (0..places).for_each(|_| times[rng.random_range(0..places)] += 1);
        for (values, value) in values.iter_mut().zip(statistics(&times)) {
            values.extend(value);
        }
    }
    values.into_iter().map(interval).collect()
}

fn interval(mut values: Vec<f64>) -> Option<Interval> {
    values.sort_by(f64::total_cmp);
    Some(Interval {
        low: percentile(&values, OUTSIDE / 2.0)?,
        high: percentile(&values, 1.0 - OUTSIDE / 2.0)?,
    })
}

/// Percentile of sorted values, with linear interpolation between neighbours.
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let position = share * sorted.len().checked_sub(1)? as f64;
    let below = sorted.get(position as usize)?;
    let above = sorted.get(position.ceil() as usize)?;
    Some(below + (above - below) * position.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean of a value per place.
    fn mean_interval(values: &[f64], seed: u64) -> Option<Interval> {
        let mean = |times: &[u64]| {
            let sum: f64 = times.iter().zip(values).map(|(&n, value)| n as f64 * value).sum();
            vec![Some(sum / times.iter().sum::<u64>() as f64)]
        };
        resample_places(values.len(), 500, seed, mean)[0]
    }

    #[test]
    fn identical_places_have_no_spread() {
        let interval = mean_interval(&[0.5; 12], 7).expect("twelve places");
        assert_eq!((interval.low, interval.high), (0.5, 0.5));
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let values: Vec<f64> = (0..30).map(|i| f64::from(i * 17 % 30)).collect();
        assert_eq!(mean_interval(&values, 7), mean_interval(&values, 7));
        assert_ne!(mean_interval(&values, 7), mean_interval(&values, 8));
    }

    #[test]
    fn the_interval_of_a_mean_is_two_standard_errors_to_either_side() {
        // Half the places 0, half 1: the standard error is 0.5 / sqrt(100).
        let values: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let interval = mean_interval(&values, 1).expect("places");
        assert!(
            (interval.low - 0.402).abs() < 0.02 && (interval.high - 0.598).abs() < 0.02,
            "{interval:?}"
        );
    }

    #[test]
    fn what_has_no_value_has_no_interval() {
        assert_eq!(mean_interval(&[0.5], 7), None, "one place says nothing");
        assert_eq!(resample_places(5, 100, 1, |_| vec![None, Some(1.0)])[0], None);
        // Only the resamples that drew the place with the class count.
        let only_first = |times: &[u64]| vec![(times[0] > 0).then_some(2.0)];
        assert_eq!(
            resample_places(5, 100, 1, only_first)[0],
            Some(Interval { low: 2.0, high: 2.0 })
        );
    }

    #[test]
    fn percentiles_lie_between_neighbours() {
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.5), Some(3.0));
        assert_eq!(percentile(&[0.0, 10.0], 0.25), Some(2.5));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
