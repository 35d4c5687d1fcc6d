//! Counts the pixels of a kind per row, from which any one of them can be found.

use rand::Rng;
use rand::rngs::StdRng;

use super::TrainingSplit;
use crate::error::Result;

/// Cumulative counts of the chosen pixels of one sample, row by row. They find the n-th pixel without a list of all of them, which for a
/// whole scene would be larger than the scene.
#[derive(Debug, Clone, Default)]
pub struct RowCounts {
    /// `upto[row]` is how many are in this row and above.
    upto: Vec<u32>,
}

impl RowCounts {
    /// Counts the pixels of a `[h, width]` plane that `chosen` marks.
    pub fn new<T: Copy>(plane: &[T], width: usize, chosen: impl Fn(T) -> bool) -> Self {
        let mut sum = 0;
        let rows = plane.chunks(width.max(1)).map(|row| {
            sum += row.iter().filter(|&&value| chosen(value)).count() as u32;
            sum
        });
        Self { upto: rows.collect() }
    }

    /// How many there are.
    pub fn total(&self) -> u32 {
        self.upto.last().copied().unwrap_or(0)
    }

    /// Row and column of the `n`-th of them in reading order, from 0, in the plane in which they were counted.
    pub fn nth<T: Copy>(&self, n: u32, plane: &[T], width: usize, chosen: impl Fn(T) -> bool) -> Option<[f32; 2]> {
        let row = self.upto.partition_point(|&upto| upto <= n);
        let before = if row == 0 { 0 } else { *self.upto.get(row - 1)? };
        let columns = plane.get(row * width..(row + 1) * width)?;
        let mut columns = columns.iter().enumerate().filter(|(_, value)| chosen(**value));
        let (column, _) = columns.nth((n - before) as usize)?;
        Some([row as f32, column as f32])
    }
}

/// Where the pixels of each class are in the training split.
#[derive(Debug, Clone)]
pub struct ClassPlaces {
    /// For each class, the samples that show it.
    samples_of: Vec<Vec<(usize, RowCounts)>>,
}

impl ClassPlaces {
    /// Reads the labels of `split`.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn new(split: &TrainingSplit, classes: usize) -> Result<Self> {
        let mut samples_of = vec![Vec::new(); classes];
        if classes == 0 {
            return Ok(Self { samples_of });
        }
        for (index, sample) in split.samples().iter().enumerate() {
            let sample = sample?;
            for (class, samples) in samples_of.iter_mut().enumerate() {
                let rows = RowCounts::new(&sample.labels, sample.width, |label| usize::from(label) == class);
                if rows.total() > 0 {
                    samples.push((index, rows));
                }
            }
        }
        Ok(Self { samples_of })
    }

    /// Pixels of each class.
    pub fn pixels(&self) -> Vec<u64> {
        let total = |samples: &Vec<(usize, RowCounts)>| samples.iter().map(|(_, rows)| u64::from(rows.total())).sum();
        self.samples_of.iter().map(total).collect()
    }

    /// The class with the fewest pixels among those that occur.
    pub fn rarest(&self) -> Option<usize> {
        let pixels = self.pixels();
        (0..pixels.len())
            .filter(|&class| pixels[class] > 0)
            .min_by_key(|&class| pixels[class])
    }

    /// Draws a pixel of `class`: first one of the samples that show the class, each with the same probability (as in arXiv:2111.14887),
    /// then one of its pixels there. A large lake then does not hide all the ponds.
    ///
    /// Returns the sample's index, and row and column in pixels, or nothing if the class does not occur.
    ///
    /// # Errors
    /// If the sample cannot be read.
    pub fn draw(&self, split: &TrainingSplit, class: usize, rng: &mut StdRng) -> Result<Option<(usize, [f32; 2])>> {
        let Some(samples) = self.samples_of.get(class).filter(|samples| !samples.is_empty()) else {
            return Ok(None);
        };
        let (index, rows) = &samples[rng.random_range(0..samples.len())];
        let sample = split.sample(*index)?;
        let n = rng.random_range(0..rows.total());
        let place = rows.nth(n, &sample.labels, sample.width, |label| usize::from(label) == class);
        Ok(place.map(|place| (*index, place)))
    }
}

/// Probabilities of the classes to be drawn (rare-class sampling, arXiv:2111.14887, equations 4 and 5): `softmax((1 - f_c) / temperature)`,
/// with f_c a class's share of the labelled pixels. A class without a pixel has 0.
pub fn class_probabilities(pixels: &[u64], temperature: f64) -> Vec<f64> {
    let total: u64 = pixels.iter().sum();
    let rarest = pixels.iter().filter(|&&count| count > 0).min().copied().unwrap_or(0);
    // The terms are relative to the rarest class, whose term is then 1, so that no exponential overflows.
    let term = |&count: &u64| match count {
        0 => 0.0,
        _ => ((rarest as f64 - count as f64) / total as f64 / temperature).exp(),
    };
    let terms: Vec<f64> = pixels.iter().map(term).collect();
    let sum: f64 = terms.iter().sum();
    terms
        .iter()
        .map(|term| if sum > 0.0 { term / sum } else { 0.0 })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::testing::sample;
    use rand::SeedableRng;

    #[test]
    fn every_chosen_pixel_is_found_by_its_rank() {
        let plane = [0u8, 1, 0, 0, 0, 0, 1, 0, 1];
        let rows = RowCounts::new(&plane, 3, |value| value == 1);
        assert_eq!(rows.total(), 3);
        let places: Vec<_> = (0..4).map(|n| rows.nth(n, &plane, 3, |value| value == 1)).collect();
        assert_eq!(places, [Some([0.0, 1.0]), Some([2.0, 0.0]), Some([2.0, 2.0]), None]);
    }

    #[test]
    fn probabilities_follow_the_papers_formula() {
        // f = 0.1, 0.9, 0: softmax of (0.9, 0.1) / 0.5 = 1 / (1 + e^-1.6)
        let probabilities = class_probabilities(&[10, 90, 0], 0.5);
        assert!((probabilities[0] - 0.832_018).abs() < 1e-6, "{probabilities:?}");
        assert!((probabilities[0] + probabilities[1] - 1.0).abs() < 1e-12);
        assert_eq!(probabilities[2], 0.0);
        assert_eq!(class_probabilities(&[1, 1_000_000], 1e-6)[0], 1.0, "no overflow");
        assert_eq!(class_probabilities(&[0, 0], 0.1), [0.0, 0.0]);
    }

    #[test]
    fn samples_that_hold_a_class_are_drawn_alike_whatever_its_area() {
        // There are a lake of 90 pixels, a pond of 1, and a sample of land.
        let split = TrainingSplit::of(vec![
            sample(10, 10, |pixel| u8::from(pixel < 90)),
            sample(10, 10, |pixel| u8::from(pixel == 37)),
            sample(10, 10, |_| 0),
        ]);
        let places = ClassPlaces::new(&split, 3).expect("reads");
        assert_eq!(places.pixels(), [209, 91, 0]);
        assert_eq!(
            places.rarest(),
            Some(1),
            "a class that does not occur is not the rarest"
        );
        let rng = &mut StdRng::seed_from_u64(1);
        let mut of_sample = [0; 3];
        for _ in 0..1000 {
            let drawn = places.draw(&split, 1, rng).expect("reads");
            let (index, [row, column]) = drawn.expect("the class occurs");
            let pixel = row as usize * 10 + column as usize;
            assert_eq!(split.sample(index).expect("reads").labels[pixel], 1);
            of_sample[index] += 1;
        }
        assert!((450..550).contains(&of_sample[0]) && of_sample[2] == 0, "{of_sample:?}");
        assert_eq!(places.draw(&split, 2, rng).expect("reads"), None);
    }
}
