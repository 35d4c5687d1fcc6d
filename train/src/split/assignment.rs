//! Assigns places to splits so that every class gets its share in each.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::places::Group;

/// Steps of the search per place.
const STEPS_PER_GROUP: usize = 2000;
/// Largest number of steps of the search.
const MAX_STEPS: usize = 400_000;
/// What it costs if a split lacks a class that has enough places for all splits.
const ABSENT_COST: f64 = 1.0;

/// The state of the search: which split each group is in, and the sums from which its cost is computed.
struct Search<'a> {
    groups: &'a [Group],
    shares: &'a [f64],
    /// Weight of each class divided by the square of its pixels, 0 for a class that does not occur.
    scale: Vec<f64>,
    /// Whether enough groups show a class that every split could have it, and its weight.
    wanted: Vec<f64>,
    totals: Vec<f64>,
    split_of: Vec<usize>,
    /// `[split][class]`
    sums: Vec<Vec<f64>>,
    members: Vec<usize>,
}

impl Search<'_> {
    /// Squared distance of every split's share of every class from its own share, and the cost of what is absent.
    fn cost(&self) -> f64 {
        let mut cost = 0.0;
        for ((sums, share), members) in self.sums.iter().zip(self.shares).zip(&self.members) {
            for (class, sum) in sums.iter().enumerate() {
                let off = sum - share * self.totals[class];
                cost += self.scale[class] * off * off;
                if *sum == 0.0 {
                    cost += self.wanted[class] * ABSENT_COST;
                }
            }
            if *members == 0 {
                cost += 1e6;
            }
        }
        cost
    }

    fn put(&mut self, group: usize, split: usize) {
        let from = std::mem::replace(&mut self.split_of[group], split);
        self.members[from] -= 1;
        self.members[split] += 1;
        for (class, pixels) in self.groups[group].pixels.iter().enumerate() {
            self.sums[from][class] -= pixels;
            self.sums[split][class] += pixels;
        }
    }
}

/// Assigns groups to splits by simulated annealing over moves and swaps, from a greedy start; the same seed gives the same result.
pub(super) fn assign(groups: &[Group], shares: &[f64], weights: &[f64], seed: u64) -> Vec<usize> {
    let classes = weights.len();
    let totals: Vec<f64> = (0..classes)
        .map(|class| groups.iter().map(|group| group.pixels[class]).sum())
        .collect();
    let scale = totals.iter().zip(weights);
    let scale = scale.map(|(total, weight)| if *total > 0.0 { weight / (total * total) } else { 0.0 });
    let wanted = (0..classes).map(|class| {
        let having = groups.iter().filter(|group| group.pixels[class] > 0.0).count();
        if having >= shares.len() { weights[class] } else { 0.0 }
    });
    let mut sums = vec![vec![0.0; classes]; shares.len()];
    for (sum, total) in sums[0].iter_mut().zip(&totals) {
        *sum = *total;
    }
    let mut members = vec![0; shares.len()];
    members[0] = groups.len();
    let mut search = Search {
        groups,
        shares,
        scale: scale.collect(),
        wanted: wanted.collect(),
        totals,
        split_of: vec![0; groups.len()],
        sums,
        members,
    };
    let mut rng = StdRng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.shuffle(&mut rng);
    for &group in &order {
        let best = (0..shares.len()).map(|split| {
            search.put(group, split);
            (search.cost(), split)
        });
        let best = best.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, split)| split);
        search.put(group, best);
    }
    let steps = (groups.len() * STEPS_PER_GROUP).min(MAX_STEPS);
    let mut cost = search.cost();
    let mut best = (cost, search.split_of.clone());
    for step in 0..steps {
        let temperature = 0.05 * (1.0 - step as f64 / steps as f64).powi(3);
        let (a, b) = (rng.random_range(0..groups.len()), rng.random_range(0..groups.len()));
        let (from_a, from_b) = (search.split_of[a], search.split_of[b]);
        let swaps = rng.random::<bool>() && from_a != from_b;
        if swaps {
            search.put(a, from_b);
            search.put(b, from_a);
        } else {
            search.put(a, rng.random_range(0..shares.len()));
        }
        let tried = search.cost();
        if tried <= cost || rng.random::<f64>() < ((cost - tried) / temperature.max(1e-12)).exp() {
            cost = tried;
            if cost < best.0 {
                best = (cost, search.split_of.clone());
            }
        } else {
            search.put(a, from_a);
            if swaps {
                search.put(b, from_b);
            }
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What a rare class counts.
    const RARE_WEIGHT: f64 = 4.0;

    fn group(place: usize, pixels: &[f64]) -> Group {
        Group {
            place: place.to_string(),
            images: vec![place.to_string()],
            pixels: pixels.to_vec(),
        }
    }

    #[test]
    fn a_rare_class_of_three_places_reaches_all_three_splits() {
        let groups: Vec<Group> = (0..20)
            .map(|place| group(place, &[1000.0, if place < 3 { 10.0 } else { 0.0 }]))
            .collect();
        for seed in 0..5 {
            let splits = assign(&groups, &[0.7, 0.15, 0.15], &[1.0, RARE_WEIGHT], seed);
            let rare: BTreeSet<usize> = splits[..3].iter().copied().collect();
            assert_eq!(rare.len(), 3, "{splits:?}");
            assert_eq!(splits.iter().filter(|split| **split == 0).count(), 14, "{splits:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_splits() {
        let groups: Vec<Group> = (0..30)
            .map(|place| group(place, &[(place * 37 % 11) as f64, (place * 53 % 7) as f64]))
            .collect();
        let of = |seed| assign(&groups, &[0.5, 0.5], &[1.0, 1.0], seed);
        assert_eq!(of(4), of(4));
    }

    #[test]
    fn balance_is_found_where_there_is_one() {
        // Two halves exist: {8, 3, 1} and {5, 4, 3}
        let groups: Vec<Group> = [8.0, 5.0, 4.0, 3.0, 3.0, 1.0]
            .iter()
            .enumerate()
            .map(|(place, pixels)| group(place, &[*pixels]))
            .collect();
        let splits = assign(&groups, &[0.5, 0.5], &[1.0], 1);
        let first: f64 = groups
            .iter()
            .zip(&splits)
            .filter(|(_, s)| **s == 0)
            .map(|(g, _)| g.pixels[0])
            .sum();
        assert_eq!(first, 12.0, "{splits:?}");
    }
}
