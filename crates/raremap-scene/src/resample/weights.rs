//! Which source pixels make a pixel of the result, and how much each counts, one axis at a time.

use super::{AxisGrid, Kernel};

/// A range of source pixels, the end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) u32, pub(super) u32);

impl Span {
    /// The first source pixel and the end of both.
    pub(super) fn join(self, other: Self) -> (u32, u32) {
        (self.0.min(other.0), self.1.max(other.1))
    }
}

/// The source pixels of one pixel of the result: neighbours of each other, all inside the source.
#[derive(Debug, Clone, PartialEq)]
struct Taps {
    first: u32,
    weights: Vec<f32>,
}

/// Weights of consecutive pixels of an axis.
#[derive(Debug, Clone)]
pub(super) struct Weights(Vec<Taps>);

impl Weights {
    /// Weights that add up to 1, whatever is beyond the source's edge: there, the pixels at the edge count for those that are missing.
    pub(super) fn new(axis: AxisGrid, kernel: Kernel, first: u32, count: u32, size: u32) -> Self {
        let taps = (first..first.saturating_add(count)).map(|index| match kernel {
            Kernel::Area => {
                let mut taps = area(axis, index, size);
                let sum: f32 = taps.weights.iter().sum();
                taps.weights.iter_mut().for_each(|weight| *weight /= sum);
                taps
            }
            Kernel::Bilinear => {
                let (before, fraction) = centre(axis, index);
                clamped(before, &[1.0 - fraction, fraction], size)
            }
            Kernel::Cubic => {
                let (before, fraction) = centre(axis, index);
                clamped(before - 1, &cubic(fraction), size)
            }
        });
        Self(taps.collect())
    }

    /// The share of each pixel that lies on each source pixel; they add up to less than 1 where a part is beyond the edge.
    pub(super) fn shares(axis: AxisGrid, first: u32, count: u32, size: u32) -> Self {
        let pixels = first..first.saturating_add(count);
        Self(pixels.map(|index| area(axis, index, size)).collect())
    }

    /// Equal weights for all source pixels that count at all; their sum is 1 only where each has data.
    pub(super) fn support(&self) -> Self {
        let even = |taps: &Taps| {
            let count = taps.weights.iter().filter(|weight| **weight != 0.0).count() as f32;
            let weights = taps.weights.iter();
            Taps {
                first: taps.first,
                weights: weights
                    .map(|weight| if *weight == 0.0 { 0.0 } else { 1.0 / count })
                    .collect(),
            }
        };
        Self(self.0.iter().map(even).collect())
    }

    /// All source pixels that count.
    pub(super) fn span(&self) -> Span {
        let first = self.0.iter().map(|taps| taps.first).min().unwrap_or(0);
        let end = self.0.iter().map(|taps| taps.first + taps.weights.len() as u32).max();
        Span(first, end.unwrap_or(first))
    }
}

/// The overlap of a pixel with each source pixel, in parts of the pixel's own length. A pixel completely beyond the source gets the nearest
/// source pixel with a weight near 0: values have to come from somewhere, and validity says that there are none.
fn area(axis: AxisGrid, index: u32, size: u32) -> Taps {
    let start = axis.offset_px + f64::from(index) * axis.ratio;
    let end = start + axis.ratio;
    let last = size.saturating_sub(1);
    // `as` saturates below 0 and above the type's range.
    let first = (start.floor() as u32).min(last);
    let end_index = (end.ceil() as u32).clamp(first + 1, size.max(1));
    let weights = (first..end_index).map(|source| {
        let overlap = (f64::from(source) + 1.0).min(end) - f64::from(source).max(start);
        (overlap / axis.ratio).max(f64::from(f32::MIN_POSITIVE)) as f32
    });
    Taps {
        first,
        weights: weights.collect(),
    }
}

/// The source pixel whose centre is at or before the centre of a pixel, and how far it is to the next, from 0 to 1.
fn centre(axis: AxisGrid, index: u32) -> (i64, f32) {
    let position = axis.offset_px + (f64::from(index) + 0.5) * axis.ratio - 0.5;
    (position.floor() as i64, (position - position.floor()) as f32)
}

/// Weights of source pixels from `first` on; the weights of those beyond the source go to its edge.
fn clamped(first: i64, weights: &[f32], size: u32) -> Taps {
    let last = i64::from(size) - 1;
    let clamp = |index: i64| index.clamp(0, last.max(0));
    let (start, end) = (clamp(first), clamp(first + weights.len() as i64 - 1));
    let mut inside = vec![0.0; (end - start + 1) as usize];
    for (offset, weight) in (0i64..).zip(weights) {
        if let Some(sum) = inside.get_mut((clamp(first + offset) - start) as usize) {
            *sum += weight;
        }
    }
    Taps {
        // It is at least 0 and below the size, a u32.
        first: start as u32,
        weights: inside,
    }
}

/// Cubic convolution with a = -1/2 at `t` between the second and the third of four samples (Keys 1981, equation 15).
fn cubic(t: f32) -> [f32; 4] {
    let near = |t: f32| (1.5 * t - 2.5) * t * t + 1.0;
    let far = |t: f32| ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0;
    [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)]
}

/// Weighs a plane of `[rows, columns]` source pixels that begins at source row and column `from`; returns a row per entry of `rows`.
pub(super) fn apply(plane: &[f32], size: [usize; 2], from: [u32; 2], rows: &Weights, columns: &Weights) -> Vec<f32> {
    let width = size[1];
    let count = columns.0.len();
    let mut narrow = Vec::with_capacity(size[0] * count);
    for row in plane.chunks_exact(width.max(1)) {
        narrow.extend(columns.0.iter().map(|taps| {
            let start = (taps.first - from[1]) as usize;
            let samples = row.get(start..).unwrap_or_default();
            samples
                .iter()
                .zip(&taps.weights)
                .map(|(value, weight)| value * weight)
                .sum::<f32>()
        }));
    }
    let mut output = vec![0.0; rows.0.len() * count];
    for (target, taps) in output.chunks_exact_mut(count.max(1)).zip(&rows.0) {
        let start = (taps.first - from[0]) as usize;
        let sources = narrow.chunks_exact(count.max(1)).skip(start);
        for (source, weight) in sources.zip(&taps.weights) {
            for (target, value) in target.iter_mut().zip(source) {
                *target += weight * value;
            }
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(axis: AxisGrid, kernel: Kernel, size: u32) -> Vec<(u32, Vec<f32>)> {
        let taps = Weights::new(axis, kernel, 0, axis.count, size).0;
        taps.into_iter().map(|taps| (taps.first, taps.weights)).collect()
    }

    fn axis(count: u32, offset_px: f64, ratio: f64) -> AxisGrid {
        AxisGrid {
            count,
            offset_px,
            ratio,
        }
    }

    #[test]
    fn areas_weigh_by_overlap() {
        let third = 1.0 / 3.0;
        let found = weights(axis(2, 0.0, 1.5), Kernel::Area, 3);
        let expected = [(0, [2.0 * third, third]), (1, [third, 2.0 * third])];
        for ((first, weights), (expected_first, expected)) in found.iter().zip(expected) {
            assert_eq!(*first, expected_first);
            assert!(
                weights.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
                "{found:?}"
            );
        }
    }

    #[test]
    fn halving_a_pixel_is_linear_between_centres_and_clamped_at_the_edge() {
        let found = weights(axis(4, 0.0, 0.5), Kernel::Bilinear, 2);
        assert_eq!(found[0], (0, vec![1.0]));
        assert_eq!(found[1], (0, vec![0.75, 0.25]));
        assert_eq!(found[2], (0, vec![0.25, 0.75]));
        assert_eq!(found[3], (1, vec![1.0]));
    }

    #[test]
    fn cubic_weights_are_those_of_keys() {
        assert_eq!(cubic(0.0), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(cubic(0.5), [-0.0625, 0.5625, 0.5625, -0.0625]);
        for (_, weights) in weights(axis(40, 0.0, 0.3), Kernel::Cubic, 12) {
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn shares_say_how_much_of_a_pixel_is_inside_the_source() {
        let shares = Weights::shares(axis(3, -1.0, 2.0), 0, 3, 4).0;
        let sums: Vec<f32> = shares.iter().map(|taps| taps.weights.iter().sum()).collect();
        assert_eq!(sums, [0.5, 1.0, 0.5]);
        let beyond = Weights::shares(axis(1, 40.0, 2.0), 0, 1, 4);
        assert!(beyond.0[0].weights.iter().sum::<f32>() < 1e-6);
        assert_eq!(beyond.span(), Span(3, 4));
    }

    #[test]
    fn a_plane_is_weighed_along_both_axes() {
        let plane: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let halves = Weights::new(axis(2, 0.0, 2.0), Kernel::Area, 0, 2, 4);
        assert_eq!(apply(&plane, [4, 4], [0, 0], &halves, &halves), [2.5, 4.5, 10.5, 12.5]);
        let lower = Weights::new(axis(2, 0.0, 2.0), Kernel::Area, 1, 1, 4);
        assert_eq!(apply(&plane[8..], [2, 4], [2, 0], &lower, &halves), [10.5, 12.5]);
    }
}
