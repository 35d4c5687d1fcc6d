//! Where a crop's pixels come from.

use rand::Rng;
use rand::rngs::StdRng;

use super::random::symmetric;
use super::section::{AugmentSection, Flip};
use crate::dataset::Sample;

/// A crop's centre is at most this share of its window away from the pixel it was drawn around. The pixel is then in the crop's middle
/// half, with context on all sides, and not always in the exact middle.
const JITTER: f32 = 0.25;

/// What a crop's window is placed around.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Placement {
    /// Any place in the sample, each with the same probability.
    Anywhere,
    /// A pixel (row, column) that lies in the window's middle half, or nearer to its edge where the sample ends.
    Near([f32; 2]),
    /// A pixel (row, column) that is the window's centre, even where the window leaves the sample.
    At([f32; 2]),
}

/// Maps a crop's pixels into a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    top: f32,
    left: f32,
    /// Source pixels per crop pixel.
    step: f32,
    /// Number of quarter turns, and whether the crop is mirrored.
    turns: u8,
    mirrored: bool,
}

/// One sample pixel becomes at most this many crop pixels along an axis: a stronger enlargement would show nothing new.
const MOST_ENLARGED: f32 = 3.0;
/// Smallest share of the crop's edge that a sample covers if it has to fill the crop alone.
const LEAST_COVERED: f32 = 0.8;
/// Smallest number of pixels of a crop's edge that one sample of a mosaic covers, unless the sample itself is smaller.
const LEAST_PIECE_PX: f32 = 32.0;

/// Draws how many sample pixels, of `resolution_m` metres each, make one pixel of a crop of `edge` pixels.
pub fn draw_step(sample: &Sample, resolution_m: f32, edge: usize, augment: &AugmentSection, rng: &mut StdRng) -> f32 {
    let Some([finest, coarsest]) = augment.ground_resolution_m else {
        return symmetric(rng, augment.zoom).exp();
    };
    let side = sample.height.min(sample.width) as f32;
    let covered = if augment.mosaic {
        LEAST_PIECE_PX
    } else {
        LEAST_COVERED * edge as f32
    };
    let most = (side / covered).max(1.0);
    let low = (finest / resolution_m).clamp(1.0 / MOST_ENLARGED, most).ln();
    let high = (coarsest / resolution_m).clamp(1.0 / MOST_ENLARGED, most).ln();
    (low + rng.random::<f32>() * (high - low)).exp()
}

impl Geometry {
    /// Draws the place and the symmetry of a crop of `edge` pixels, each as large as `step` pixels of the sample.
    pub fn draw(
        sample: &Sample,
        placement: Placement,
        edge: usize,
        step: f32,
        augment: &AugmentSection,
        rng: &mut StdRng,
    ) -> Self {
        let window = edge as f32 * step;
        let [row, column] = match placement {
            Placement::Anywhere => [None, None],
            Placement::Near(center) | Placement::At(center) => center.map(Some),
        };
        let place = |rng: &mut StdRng, length: usize, center: Option<f32>| {
            let room = length as f32 - window;
            // A window larger than the sample may lie anywhere around it; pixels outside the sample are invalid.
            let origin = match (placement, center) {
                (Placement::Near(_), Some(center)) => {
                    let middle = center + 0.5 + symmetric(rng, JITTER * window);
                    (middle - window / 2.0).clamp(room.min(0.0), room.max(0.0))
                }
                (_, Some(center)) => center + 0.5 - window / 2.0,
                (_, None) => rng.random::<f32>() * room,
            };
            if step == 1.0 { origin.round() } else { origin }
        };
        let (top, left) = (place(rng, sample.height, row), place(rng, sample.width, column));
        let (turns, mirrored) = match (augment.symmetries, augment.flip) {
            (true, _) => (rng.random_range(0..4), rng.random()),
            (false, Flip::None) => (0, false),
            (false, Flip::Horizontal) => (0, rng.random()),
            // Upside down is half a turn, mirrored.
            (false, Flip::Vertical) => {
                let mirrored = rng.random();
                (if mirrored { 2 } else { 0 }, mirrored)
            }
            (false, Flip::Both) => (if rng.random() { 2 } else { 0 }, rng.random()),
        };
        Self {
            top,
            left,
            step,
            turns,
            mirrored,
        }
    }

    /// Row and column of a crop's pixel in its window, before turning and mirroring.
    pub fn window_pixel(&self, row: usize, column: usize, edge: usize) -> (usize, usize) {
        let last = edge - 1;
        let column = if self.mirrored { last - column } else { column };
        match self.turns {
            0 => (row, column),
            1 => (column, last - row),
            2 => (last - row, last - column),
            _ => (last - column, row),
        }
    }

    /// Where the window's rows lie in a sample of `height` rows, and its columns in one of `width` columns.
    pub fn taps(&self, edge: usize, height: usize, width: usize) -> (Vec<Tap>, Vec<Tap>) {
        let taps = |origin: f32, length: usize| {
            let tap = |index| Tap::at(self.position(origin, index), length);
            (0..edge).map(tap).collect()
        };
        (taps(self.top, height), taps(self.left, width))
    }

    /// Position of the centre of a window's row or column, in sample pixels.
    fn position(&self, origin: f32, index: usize) -> f32 {
        origin + (index as f32 + 0.5) * self.step - 0.5
    }
}

/// Where one row or column of a window is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tap {
    /// The row or column it lies in, or none outside the sample.
    pub nearest: Option<usize>,
    /// The two rows or columns that it lies between.
    pub pair: [usize; 2],
    /// Weight of the second one.
    pub fraction: f32,
}

impl Tap {
    fn at(position: f32, length: usize) -> Self {
        let nearest = position.round();
        let clamped = position.clamp(0.0, (length - 1) as f32);
        let first = clamped as usize;
        Self {
            nearest: (nearest >= 0.0 && (nearest as usize) < length).then_some(nearest as usize),
            pair: [first, (first + 1).min(length - 1)],
            fraction: clamped - first as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::testing::sample;
    use rand::SeedableRng;

    /// Row and column, in the sample, of the centre of a crop's pixel.
    fn source(geometry: &Geometry, row: usize, column: usize, edge: usize) -> (f32, f32) {
        let (row, column) = geometry.window_pixel(row, column, edge);
        (
            geometry.position(geometry.top, row),
            geometry.position(geometry.left, column),
        )
    }

    /// Crop pixels whose centre is less than a pixel from `place` in the sample.
    fn found(geometry: &Geometry, edge: usize, place: [f32; 2]) -> Option<[usize; 2]> {
        let pixels = (0..edge * edge).map(|pixel| [pixel / edge, pixel % edge]);
        pixels.into_iter().find(|&[row, column]| {
            let (y, x) = source(geometry, row, column, edge);
            let reach = geometry.step / 2.0 + 1e-3;
            (y - place[0]).abs() <= reach && (x - place[1]).abs() <= reach
        })
    }

    #[test]
    fn the_centre_is_in_the_crop_wherever_it_is_in_the_sample() {
        let scene = sample(40, 57, |_| 0);
        let augment = AugmentSection {
            symmetries: true,
            zoom: 0.4,
            ..AugmentSection::default()
        };
        for seed in 0..100 {
            for center in [[0.0, 0.0], [39.0, 56.0], [0.0, 56.0], [20.0, 30.0]] {
                for edge in [16, 32, 64] {
                    let rng = &mut StdRng::seed_from_u64(seed);
                    let step = draw_step(&scene, 10.0, edge, &augment, rng);
                    let geometry = Geometry::draw(&scene, Placement::Near(center), edge, step, &augment, rng);
                    assert!(
                        found(&geometry, edge, center).is_some(),
                        "{center:?} in {geometry:?} of {edge}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_resolution_asked_for_is_given_as_far_as_the_sample_goes() {
        let scene = sample(64, 64, |_| 0);
        let drawn = |range: [f32; 2], resolution_m: f32, mosaic: bool| {
            let augment = AugmentSection {
                ground_resolution_m: Some(range),
                mosaic,
                ..AugmentSection::default()
            };
            let rng = &mut StdRng::seed_from_u64(3);
            let steps: Vec<f32> = (0..500)
                .map(|_| draw_step(&scene, resolution_m, 64, &augment, rng))
                .collect();
            let bound = |better: fn(f32, f32) -> f32, first: f32| steps.iter().copied().fold(first, better);
            [bound(f32::min, f32::MAX), bound(f32::max, 0.0)].map(|step| step * resolution_m)
        };
        let near = |[low, high]: [f32; 2], [from, to]: [f32; 2]| {
            assert!(low >= from * 0.999 && low < from * 1.02, "from {low}, expected {from}");
            assert!(high <= to * 1.001 && high > to * 0.98, "to {high}, expected {to}");
        };
        near(drawn([5.0, 12.0], 10.0, false), [5.0, 12.0]);
        // The coarsest still covers 80% of the crop, or a piece of 32 pixels; the finest is a third of a pixel.
        near(drawn([5.0, 36.0], 10.0, false), [5.0, 12.5]);
        near(drawn([5.0, 36.0], 10.0, true), [5.0, 20.0]);
        near(drawn([5.0, 36.0], 30.0, true), [10.0, 36.0]);
    }

    #[test]
    fn a_crop_around_a_pixel_lies_inside_the_sample_and_is_jittered() {
        let scene = sample(64, 64, |_| 0);
        let mut places = std::collections::BTreeSet::new();
        for seed in 0..2000 {
            let rng = &mut StdRng::seed_from_u64(seed);
            let near = |center| Placement::Near(center);
            let geometry = Geometry::draw(&scene, near([30.0, 0.0]), 16, 1.0, &AugmentSection::default(), rng);
            let [row, column] = found(&geometry, 16, [30.0, 0.0]).expect("inside");
            places.insert(row);
            assert_eq!(geometry.left, 0.0, "the window does not leave the sample");
            assert_eq!(column, 0);
        }
        // The middle half of 16 pixels.
        assert_eq!(places.iter().copied().collect::<Vec<_>>(), (4..=11).collect::<Vec<_>>());
    }

    #[test]
    fn a_window_at_a_pixel_may_leave_the_sample() {
        let scene = sample(32, 32, |_| 0);
        let rng = &mut StdRng::seed_from_u64(1);
        let geometry = Geometry::draw(
            &scene,
            Placement::At([0.0, 31.0]),
            9,
            1.0,
            &AugmentSection::default(),
            rng,
        );
        assert_eq!(source(&geometry, 4, 4, 9), (0.0, 31.0));
    }

    #[test]
    fn a_tap_outside_the_sample_has_no_pixel() {
        let nearest = |position| Tap::at(position, 4).nearest;
        let positions = [-0.6, -0.4, 3.4, 3.6, 1.75].map(nearest);
        assert_eq!(positions, [None, Some(0), Some(3), None, Some(2)]);
        let tap = Tap::at(1.75, 4);
        assert_eq!((tap.pair, tap.fraction), ([1, 2], 0.75));
        assert_eq!(Tap::at(3.4, 4).pair, [3, 3]);
    }

    #[test]
    fn each_kind_of_flip_gives_its_own_pictures() {
        let scene = sample(2, 2, |_| 0);
        let corners = |flip: Flip, symmetries: bool| {
            let augment = AugmentSection {
                symmetries,
                flip,
                ..AugmentSection::default()
            };
            let mut seen = std::collections::BTreeSet::new();
            for seed in 0..200 {
                let rng = &mut StdRng::seed_from_u64(seed);
                let geometry = Geometry::draw(&scene, Placement::Anywhere, 2, 1.0, &augment, rng);
                let at = |row, column| {
                    let (y, x) = source(&geometry, row, column, 2);
                    2 * y as usize + x as usize
                };
                seen.insert([at(0, 0), at(0, 1), at(1, 0), at(1, 1)]);
            }
            seen.into_iter().collect::<Vec<_>>()
        };
        let (plain, left_right, upside_down, half_turn) = ([0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]);
        assert_eq!(corners(Flip::None, false), [plain]);
        assert_eq!(corners(Flip::Horizontal, false), [plain, left_right]);
        assert_eq!(corners(Flip::Vertical, false), [plain, upside_down]);
        assert_eq!(corners(Flip::Both, false), [plain, left_right, upside_down, half_turn]);
        assert_eq!(corners(Flip::None, true).len(), 8);
    }
}
