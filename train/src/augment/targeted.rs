//! CutMix that raises the rarest class to a share of the crop.

use rand::Rng;
use rand::rngs::StdRng;

use super::geometry::{Geometry, Placement, draw_step};
use super::random::happens;
use super::{AugmentSection, BandStatistics, Crop, PasteShape, TargetedCutMixSection, cut};
use crate::dataset::IGNORE;
use crate::error::Result;
use crate::sample::{ClassPlaces, TrainingSplit};

/// Largest number of pieces per crop. Without it, a class of single pixels would be pasted one pixel at a time.
const MOST_PIECES: usize = 32;

/// Pastes pieces of the training split around pixels of its rarest class.
///
/// It never changes which pixels are scored: it neither pastes an unscored pixel nor pastes over one. It does not paste over the class's
/// own pixels in the crop either, so the class's share only grows.
#[derive(Debug, Clone)]
pub struct TargetedCutMix {
    section: TargetedCutMixSection,
    places: ClassPlaces,
    rarest: Option<usize>,
}

impl TargetedCutMix {
    /// Finds the class with the fewest pixels among the `classes` of `split` that occur.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn new(section: &TargetedCutMixSection, split: &TrainingSplit, classes: usize) -> Result<Self> {
        let places = ClassPlaces::new(split, if section.probability > 0.0 { classes } else { 0 })?;
        Ok(Self {
            section: section.clone(),
            rarest: places.rarest(),
            places,
        })
    }

    /// The class that is pasted; none if pasting is switched off or nothing is labelled.
    #[cfg(test)]
    pub fn class(&self) -> Option<usize> {
        self.rarest
    }

    /// Pastes pieces until the class has its share of the crop's scored pixels.
    ///
    /// A piece is turned and zoomed on its own, and gets the crop's brightness, colour and dropped bands. It is no larger than half the
    /// crop's edge, and no larger than needed for the pixels that are missing.
    ///
    /// # Errors
    /// If a sample cannot be read, or `split` is not the one this was made from.
    pub fn apply(
        &self,
        crop: &mut Crop,
        split: &TrainingSplit,
        augment: &AugmentSection,
        statistics: &BandStatistics,
        rng: &mut StdRng,
    ) -> Result<()> {
        let Some(class) = self.rarest else { return Ok(()) };
        let plain = crop.is_untouched.then(|| augment.plain());
        let augment = plain.as_ref().unwrap_or(augment);
        if !happens(rng, self.section.probability) {
            return Ok(());
        }
        let count = |wanted: &dyn Fn(usize) -> bool| crop.labels.iter().filter(|l| wanted(usize::from(**l))).count();
        let scored = count(&|label| label != usize::from(IGNORE));
        let mut present = count(&|label| label == class);
        let wanted = (scored as f32 * self.section.target_share).ceil() as usize;
        for _ in 0..MOST_PIECES {
            if present >= wanted {
                return Ok(());
            }
            let Some((index, place)) = self.places.draw(split, class, rng)? else {
                return Ok(());
            };
            // The edge is odd, so that there is a pixel in the middle.
            let edge = (crop.edge_px / 2) | 1;
            let sample = split.sample(index)?;
            let sample = sample.as_ref();
            let resolution_m = sample.ground_resolution_m as f32;
            let step = match augment.ground_resolution_m {
                Some(_) => crop.ground_resolution_m / resolution_m,
                None if crop.is_untouched => crop.ground_resolution_m / resolution_m,
                None => draw_step(sample, resolution_m, edge, augment, rng),
            };
            let geometry = Geometry::draw(sample, Placement::At(place), edge, step, augment, rng);
            let mut piece = cut(sample, &geometry, edge, &crop.radiometry);
            piece.eight_bit_step = crop.eight_bit_step;
            piece.finish(augment.noise, statistics, rng);
            let chosen = self.chosen(&piece, class);
            present += paste(crop, &piece, &chosen, class, wanted - present, rng);
        }
        Ok(())
    }

    /// Which pixels of a piece are pasted.
    fn chosen(&self, piece: &Crop, class: usize) -> Vec<bool> {
        let scored = piece.labels.iter().map(|&label| label != IGNORE);
        match self.section.shape {
            PasteShape::Box => scored.collect(),
            PasteShape::Mask => {
                let of_class: Vec<bool> = piece.labels.iter().map(|&label| usize::from(label) == class).collect();
                let near = dilate(&of_class, piece.edge_px, self.section.margin_px);
                scored.zip(near).map(|(scored, near)| scored && near).collect()
            }
        }
    }
}

/// Pastes the chosen pixels of the smallest square in the middle of `piece` that holds `missing` pixels of `class`, at a random place.
/// Returns how many pixels of the class the crop has gained.
fn paste(crop: &mut Crop, piece: &Crop, chosen: &[bool], class: usize, missing: usize, rng: &mut StdRng) -> usize {
    let middle = piece.edge_px / 2;
    let ring = |pixel: usize| {
        let (row, column) = (pixel / piece.edge_px, pixel % piece.edge_px);
        row.abs_diff(middle).max(column.abs_diff(middle))
    };
    let mut of_ring = vec![0; middle + 1];
    for pixel in (0..piece.labels.len()).filter(|&pixel| usize::from(piece.labels[pixel]) == class) {
        of_ring[ring(pixel)] += 1;
    }
    let mut held = 0;
    let enough = of_ring.iter().position(|count| {
        held += count;
        held >= missing
    });
    // No piece is smaller than a sixteenth of the crop's edge, because confetti shows nothing.
    let reach = enough.unwrap_or(middle).max(crop.edge_px / 32).min(middle);
    let side = 2 * reach + 1;
    let mut origin = || rng.random_range(0..=crop.edge_px.saturating_sub(side));
    let (top, left) = (origin(), origin());
    let mut gained = 0;
    for row in 0..side.min(crop.edge_px) {
        for column in 0..side.min(crop.edge_px) {
            let from = (middle - reach + row) * piece.edge_px + middle - reach + column;
            let to = (top + row) * crop.edge_px + left + column;
            let kept = crop.labels[to] == IGNORE || usize::from(crop.labels[to]) == class;
            if chosen[from] && !kept {
                crop.take(to, piece, from, 1);
                gained += usize::from(usize::from(crop.labels[to]) == class);
            }
        }
    }
    gained
}

/// Sets every pixel of a square plane that has a set one at most `margin` rows and columns away.
fn dilate(plane: &[bool], edge: usize, margin: usize) -> Vec<bool> {
    let around = |at: usize| at.saturating_sub(margin)..at.saturating_add(margin).saturating_add(1).min(edge);
    let pixels = || (0..edge).flat_map(|row| (0..edge).map(move |column| (row, column)));
    let along: Vec<bool> = pixels()
        .map(|(row, column)| around(column).any(|near| plane[row * edge + near]))
        .collect();
    pixels()
        .map(|(row, column)| around(row).any(|near| along[near * edge + column]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::crop;
    use crate::dataset::Sample;
    use crate::sample::Draw;
    use crate::sample::testing::sample;
    use rand::SeedableRng;

    const EDGE: usize = 64;
    const RARE: u8 = 2;

    /// One scene of land (class 0) with some water (class 1), and one with a disc of the rare class of 9 pixels radius.
    fn scenes() -> Vec<Sample> {
        let disc = |pixel: usize| {
            let (row, column) = ((pixel / EDGE).abs_diff(20), (pixel % EDGE).abs_diff(40));
            if row * row + column * column <= 81 { RARE } else { 0 }
        };
        vec![
            sample(EDGE, EDGE, |pixel| u8::from(pixel % EDGE < 16)),
            sample(EDGE, EDGE, disc),
        ]
    }

    fn statistics() -> BandStatistics {
        BandStatistics {
            mean: vec![1.0],
            std: vec![1.0],
            wavelength_um: vec![None; 1],
            optional: vec![false; 1],
        }
    }

    fn section(shape: PasteShape) -> AugmentSection {
        AugmentSection {
            symmetries: true,
            targeted_cutmix: TargetedCutMixSection {
                probability: 1.0,
                shape,
                ..TargetedCutMixSection::default()
            },
            ..AugmentSection::default()
        }
    }

    /// The crop of sample 0 before and after.
    fn before_and_after(split: &TrainingSplit, augment: &AugmentSection, edge: usize, seed: u64) -> (Crop, Crop) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let draw = Draw {
            sample: 0,
            center: None,
        };
        let before = crop(split, draw, edge, augment, &statistics(), rng).expect("a crop");
        let mut after = before.clone();
        let targeted = TargetedCutMix::new(&augment.targeted_cutmix, split, 4).expect("reads");
        assert_eq!(targeted.class(), Some(usize::from(RARE)), "of those that occur");
        let applied = targeted.apply(&mut after, split, augment, &statistics(), rng);
        applied.expect("reads");
        (before, after)
    }

    fn share(crop: &Crop) -> f64 {
        let of = |wanted: &dyn Fn(u8) -> bool| crop.labels.iter().filter(|label| wanted(**label)).count() as f64;
        of(&|label| label == RARE) / of(&|label| label != IGNORE)
    }

    #[test]
    fn the_rarest_class_reaches_its_share_and_not_much_more() {
        let split = TrainingSplit::of(scenes());
        for shape in [PasteShape::Box, PasteShape::Mask] {
            for target_share in [0.01, 0.05, 0.2] {
                let mut augment = section(shape);
                augment.targeted_cutmix.target_share = target_share;
                for seed in 0..40 {
                    let (before, after) = before_and_after(&split, &augment, EDGE, seed);
                    assert_eq!(share(&before), 0.0);
                    let share = share(&after);
                    let most = f64::from(target_share) + 0.03;
                    assert!(
                        share >= f64::from(target_share) && share <= most,
                        "{share}, wanted {target_share}"
                    );
                }
            }
        }
    }

    #[test]
    fn values_and_validity_come_with_the_label() {
        // A pixel's value is its label in these scenes.
        let split = TrainingSplit::of(scenes());
        for shape in [PasteShape::Box, PasteShape::Mask] {
            for seed in 0..20 {
                let (_, after) = before_and_after(&split, &section(shape), EDGE, seed);
                for (value, label) in after.values.iter().zip(&after.labels) {
                    assert_eq!(*value, f32::from(*label));
                }
                assert!(after.valid.iter().all(|valid| *valid));
            }
        }
    }

    #[test]
    fn which_pixels_are_scored_never_changes() {
        let mut samples = scenes();
        for pixel in 0..EDGE * EDGE {
            // These stripes are invalid in one scene, and unlabelled in the other.
            if pixel % 5 == 0 {
                samples[0].valid[pixel] = false;
                samples[0].labels[pixel] = IGNORE;
                samples[1].labels[(pixel + 2) % (EDGE * EDGE)] = IGNORE;
            }
        }
        let split = TrainingSplit::of(samples);
        for shape in [PasteShape::Box, PasteShape::Mask] {
            for seed in 0..20 {
                // This crop is larger than the sample: pixels outside are not scored either.
                let (before, after) = before_and_after(&split, &section(shape), 96, seed);
                let unscored = |crop: &Crop| crop.labels.iter().map(|&label| label == IGNORE).collect::<Vec<_>>();
                assert_eq!(unscored(&before), unscored(&after));
                assert_eq!(before.valid, after.valid);
                assert!(share(&after) >= 0.05, "{}", share(&after));
            }
        }
    }

    #[test]
    fn a_crop_without_a_scored_pixel_stays_as_it_is() {
        let mut samples = scenes();
        samples[0].labels.fill(IGNORE);
        samples[0].valid.fill(false);
        let (before, after) = before_and_after(&TrainingSplit::of(samples), &section(PasteShape::Box), EDGE, 1);
        assert_eq!((before.values, before.labels), (after.values, after.labels));
    }

    #[test]
    fn a_crop_that_has_the_share_is_left_alone() {
        // Half of the crop is the rare class; another scene, which is all land, makes it the rarest of the split.
        let land = vec![sample(256, 256, |pixel| u8::from(pixel % 2 == 0)); 2];
        let samples = [
            vec![sample(EDGE, EDGE, |pixel| if pixel % 2 == 0 { RARE } else { 0 })],
            land,
        ]
        .concat();
        let (before, after) = before_and_after(&TrainingSplit::of(samples), &section(PasteShape::Box), EDGE, 1);
        assert_eq!((before.values, before.labels), (after.values, after.labels));
    }

    #[test]
    fn a_mask_piece_brings_the_class_and_its_margin_alone() {
        // Class 3, which the crop lacks, lies around the rare disc: boxes bring it along, bare masks do not.
        let mut samples = scenes();
        for label in samples[1].labels.iter_mut().filter(|label| **label == 0) {
            *label = 3;
        }
        let split = TrainingSplit::of(samples);
        let surroundings = |shape: PasteShape, margin_px: usize| {
            let mut augment = section(shape);
            augment.targeted_cutmix.margin_px = margin_px;
            let (_, after) = before_and_after(&split, &augment, EDGE, 3);
            after.labels.iter().filter(|label| **label == 3).count()
        };
        assert_eq!(surroundings(PasteShape::Mask, 0), 0);
        assert!(surroundings(PasteShape::Mask, 1) > 0);
    }

    #[test]
    fn dilation_reaches_the_margin_and_stops_at_the_border() {
        let mut plane = vec![false; 25];
        plane[6] = true; // row 1, column 1
        let dilated = dilate(&plane, 5, 1);
        let set: Vec<usize> = (0..25).filter(|&pixel| dilated[pixel]).collect();
        assert_eq!(set, [0, 1, 2, 5, 6, 7, 10, 11, 12]);
        assert_eq!(dilate(&plane, 5, 0), plane);
        assert!(dilate(&plane, 5, usize::MAX).iter().all(|set| *set));
    }

    #[test]
    fn pieces_lose_the_bands_that_the_crop_lost() {
        let split = TrainingSplit::of(
            scenes()
                .into_iter()
                .map(|mut sample| {
                    sample.values = [sample.values.clone(), sample.values].concat();
                    sample
                })
                .collect(),
        );
        let statistics = BandStatistics {
            mean: vec![7.0, 9.0],
            std: vec![1.0, 1.0],
            wavelength_um: vec![None; 2],
            optional: vec![false; 2],
        };
        let augment = AugmentSection {
            band_dropout: 1.0,
            ..section(PasteShape::Box)
        };
        let rng = &mut StdRng::seed_from_u64(5);
        let draw = Draw {
            sample: 0,
            center: None,
        };
        let mut crop = crop(&split, draw, EDGE, &augment, &statistics, rng).expect("a crop");
        let targeted = TargetedCutMix::new(&augment.targeted_cutmix, &split, 3).expect("reads");
        let applied = targeted.apply(&mut crop, &split, &augment, &statistics, rng);
        applied.expect("reads");
        assert!(crop.labels.contains(&RARE));
        let lost = |band: usize| {
            let mut plane = crop.values[band * EDGE * EDGE..][..EDGE * EDGE].iter();
            plane.all(|value| *value == statistics.mean[band])
        };
        assert!(lost(0) != lost(1), "exactly one band is kept");
    }
}
