//! Computes the mask as the page draws it, at every threshold of a grid, from one pass.

use crate::metrics::Confusion;

/// Thresholds of the grid, ascending: half powers of two from 2^-14, then multiples of 1/64. The probabilities of a class of one pixel in a
/// thousand are about that small. Bins and `f32` hold all of them exactly. The last one, 1, switches the rule off.
pub const GRID: [f32; 80] = {
    let mut grid = [0.0; 80];
    let mut step = 0;
    while step < 16 {
        let octave = (1 << (step / 2)) as f32 / 16384.0;
        grid[step] = if step % 2 == 0 { octave } else { 1.5 * octave };
        step += 1;
    }
    while step < 80 {
        grid[step] = (step - 15) as f32 / 64.0;
        step += 1;
    }
    grid
};

/// What the mask is at each threshold, counted once.
///
/// All that a threshold does is change a pixel from the main head's choice to a rare class. So it is enough to know how many steps a
/// pixel's probability reaches, what the main head chose, and which rare class takes it. Probabilities are compared here, but logits in the
/// pipeline: a pixel within rounding of the threshold may fall on either side.
#[derive(Debug, Clone)]
pub struct MaskSweep {
    classes: usize,
    /// Class of each channel of the auxiliary head.
    auxiliary: Vec<usize>,
    /// With all rare classes selected, the highest channel: `[channel][steps reached]`.
    joint: Vec<Vec<Confusion>>,
    /// With one rare class selected alone: `[channel][steps reached]`.
    alone: Vec<Vec<Confusion>>,
}

/// Which rare classes may take pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// All, as the page selects by default.
    All,
    /// One channel of the auxiliary head.
    Channel(usize),
}

impl MaskSweep {
    /// Makes counts for `classes` classes, with a channel of the auxiliary head for each of the classes in `auxiliary`.
    pub fn new(classes: usize, auxiliary: Vec<usize>) -> Self {
        let zeros = vec![vec![Confusion::new(classes); GRID.len() + 1]; auxiliary.len()];
        Self {
            classes,
            auxiliary,
            joint: zeros.clone(),
            alone: zeros,
        }
    }

    /// Counts a pixel by its auxiliary probabilities, its label and the main head's choice.
    pub fn add(&mut self, probabilities: &[f32], label: usize, choice: usize) {
        let steps = |p: f32| GRID.partition_point(|threshold| *threshold <= p);
        for (steps_of, &p) in self.alone.iter_mut().zip(probabilities) {
            steps_of[steps(p)].add(label, choice);
        }
        let first = (0, f32::NEG_INFINITY);
        let (channel, highest) =
            probabilities.iter().enumerate().fold(
                first,
                |best, (channel, &p)| if p > best.1 { (channel, p) } else { best },
            );
        if let Some(steps_of) = self.joint.get_mut(channel) {
            steps_of[steps(highest)].add(label, choice);
        }
    }

    /// The mask's confusion at the threshold `GRID[step]`; `None` without an auxiliary head.
    pub fn at(&self, step: usize, selection: Selection) -> Option<Confusion> {
        let mut confusion = Confusion::new(self.classes);
        let mut count = |steps_of: &[Confusion], class: usize| {
            for (reached, counts) in steps_of.iter().enumerate() {
                if reached > step && step + 1 < GRID.len() {
                    confusion.merge(&counts.predicting(class), 1);
                } else {
                    confusion.merge(counts, 1);
                }
            }
        };
        match selection {
            Selection::All => {
                self.auxiliary.first()?;
                for (steps_of, &class) in self.joint.iter().zip(&self.auxiliary) {
                    count(steps_of, class);
                }
            }
            Selection::Channel(channel) => count(self.alone.get(channel)?, *self.auxiliary.get(channel)?),
        }
        Some(confusion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Roles;

    #[test]
    fn the_grid_ascends_from_small_thresholds_to_one() {
        assert!(GRID.is_sorted_by(|a, b| a < b), "{GRID:?}");
        assert_eq!(
            (GRID[0], GRID[1], GRID[15]),
            (1.0 / 16384.0, 1.5 / 16384.0, 1.5 / 128.0)
        );
        assert_eq!((GRID[16], GRID[47], GRID[79]), (1.0 / 64.0, 0.5, 1.0));
    }

    #[test]
    fn the_sweep_is_the_rule_applied_at_each_threshold() {
        // Classes 0 and 1 are common, 2 and 3 rare; channel 0 looks for 3, channel 1 for 2.
        let auxiliary = vec![3, 2];
        let mut sweep = MaskSweep::new(4, auxiliary.clone());
        let pixels: Vec<([f32; 2], usize, usize)> = (0..500usize)
            .map(|i| {
                let p = [(i * 37 % 101) as f32 / 100.0, (i * 53 % 97) as f32 / 96.0];
                (p, i * 7 % 4, i * 11 % 3)
            })
            .collect();
        pixels
            .iter()
            .for_each(|(p, label, choice)| sweep.add(p, *label, *choice));
        let names: Vec<String> = (0..4).map(|i| i.to_string()).collect();
        for step in [0, 1, 15, 16, 47, 78, 79] {
            let threshold = GRID[step];
            for selection in [Selection::All, Selection::Channel(0), Selection::Channel(1)] {
                let mut expected = Confusion::new(4);
                for &(p, label, choice) in &pixels {
                    let selected =
                        |channel: usize| selection == Selection::All || selection == Selection::Channel(channel);
                    let mut best = (choice, f32::NEG_INFINITY);
                    for channel in (0..2).filter(|c| selected(*c)) {
                        if threshold < 1.0 && p[channel] >= threshold && p[channel] > best.1 {
                            best = (auxiliary[channel], p[channel]);
                        }
                    }
                    expected.add(label, best.0);
                }
                let found = sweep.at(step, selection).expect("an auxiliary head");
                let figures = |c: &Confusion| c.figures(&names, &Roles::default()).confusion;
                assert_eq!(figures(&found), figures(&expected), "{step}, {selection:?}");
            }
        }
        assert_eq!(MaskSweep::new(4, vec![]).at(3, Selection::All), None);
    }
}
