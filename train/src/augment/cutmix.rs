//! CutMix between the crops of a batch.

use rand::Rng;
use rand::rngs::StdRng;

use super::random::{happens, symmetric_beta};
use super::{Crop, CutMixSection};

/// Pastes a box from another crop of the batch into some crops, at the same place, with its labels and validity (arXiv:1905.04899, section
/// 3.1 and appendix A).
///
/// The box's share of the crop is Beta-distributed before the part outside the crop is cut off. The pasted pixels are those of the other
/// crop before anything was pasted into it. A batch of one crop stays as it is.
pub fn cutmix(crops: &mut [Crop], section: &CutMixSection, rng: &mut StdRng) {
    if section.probability == 0.0 || crops.len() < 2 {
        return;
    }
    let originals = crops.to_vec();
    for (index, crop) in crops.iter_mut().enumerate() {
        if !happens(rng, section.probability) {
            continue;
        }
        let other = (index + rng.random_range(1..originals.len())) % originals.len();
        let side = crop.edge_px as f32 * symmetric_beta(rng, section.alpha).sqrt();
        let mut span = || {
            let center = rng.random::<f32>() * crop.edge_px as f32;
            let end = |at: f32| at.round().clamp(0.0, crop.edge_px as f32) as usize;
            end(center - side / 2.0)..end(center + side / 2.0)
        };
        let (rows, columns) = (span(), span());
        for row in rows {
            let start = row * crop.edge_px + columns.start;
            crop.take(start, &originals[other], start, columns.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::{AugmentSection, BandStatistics, crop};
    use crate::dataset::IGNORE;
    use crate::sample::testing::sample;
    use crate::sample::{Draw, TrainingSplit};
    use rand::SeedableRng;

    const EDGE: usize = 32;

    /// Crop i has label i everywhere and values 10 i and 100 i; its upper half is invalid if i is odd.
    fn batch(size: usize) -> Vec<Crop> {
        let samples = (0..size).map(|index| {
            let mut sample = sample(EDGE, EDGE, |pixel| match pixel {
                pixel if index % 2 == 1 && pixel < EDGE * EDGE / 2 => IGNORE,
                _ => index as u8,
            });
            sample.valid = sample.labels.iter().map(|&label| label != IGNORE).collect();
            sample.values = [10.0, 100.0]
                .iter()
                .flat_map(|scale| vec![scale * index as f32; EDGE * EDGE])
                .collect();
            sample
        });
        let split = TrainingSplit::of(samples.collect());
        let statistics = BandStatistics {
            mean: vec![0.0; 2],
            std: vec![1.0; 2],
            wavelength_um: vec![None; 2],
            optional: vec![false; 2],
        };
        let rng = &mut StdRng::seed_from_u64(0);
        let mut crop = |sample| {
            let draw = Draw { sample, center: None };
            crop(&split, draw, EDGE, &AugmentSection::default(), &statistics, rng).expect("a crop")
        };
        (0..size).map(&mut crop).collect()
    }

    fn mixed(size: usize, probability: f32, alpha: f32, seed: u64) -> Vec<Crop> {
        let mut crops = batch(size);
        cutmix(
            &mut crops,
            &CutMixSection { probability, alpha },
            &mut StdRng::seed_from_u64(seed),
        );
        crops
    }

    /// Which crop a pixel's values come from.
    fn origin(crop: &Crop, pixel: usize) -> usize {
        (crop.values[pixel] / 10.0) as usize
    }

    #[test]
    fn a_pasted_pixel_brings_all_its_bands_its_label_and_its_validity() {
        let originals = batch(4);
        for seed in 0..50 {
            for crop in mixed(4, 1.0, 1.0, seed) {
                for pixel in 0..EDGE * EDGE {
                    let from = &originals[origin(&crop, pixel)];
                    assert_eq!(crop.values[EDGE * EDGE + pixel], from.values[EDGE * EDGE + pixel]);
                    assert_eq!(crop.labels[pixel], from.labels[pixel]);
                    assert_eq!(crop.valid[pixel], from.valid[pixel]);
                    assert!(crop.valid[pixel] || crop.labels[pixel] == IGNORE);
                }
            }
        }
    }

    #[test]
    fn the_pasted_part_is_one_box_of_one_other_crop() {
        let mut pasted_into = 0;
        for seed in 0..50 {
            for (index, crop) in mixed(3, 1.0, 1.0, seed).iter().enumerate() {
                let pasted: Vec<usize> = (0..EDGE * EDGE).filter(|&pixel| origin(crop, pixel) != index).collect();
                let Some(&first) = pasted.first() else { continue };
                pasted_into += 1;
                assert!(pasted.iter().all(|&pixel| origin(crop, pixel) == origin(crop, first)));
                let last = pasted[pasted.len() - 1];
                let height = last / EDGE - first / EDGE + 1;
                let width = last % EDGE - first % EDGE + 1;
                assert_eq!(pasted.len(), height * width, "{first} to {last}");
            }
        }
        assert!(pasted_into > 130, "{pasted_into} of 150");
    }

    #[test]
    fn boxes_of_a_large_alpha_have_half_the_area() {
        // Beta(500, 500) is one half to 2%: sides of 0.71 edges. Cutting at the border leaves 1 - side / 4 of a side.
        let mut share = 0.0;
        for seed in 0..200 {
            let crops = mixed(2, 1.0, 500.0, seed);
            share += (0..EDGE * EDGE).filter(|&pixel| origin(&crops[0], pixel) == 1).count() as f64;
        }
        share /= (200 * EDGE * EDGE) as f64;
        let side = 0.5f64.sqrt();
        let expected = (side * (1.0 - side / 4.0)).powi(2);
        assert!((share - expected).abs() < 0.02, "{share}, expected {expected}");
    }

    #[test]
    fn the_probability_is_per_crop_and_the_same_generator_gives_the_same_batch() {
        let changed = |crops: &[Crop]| {
            let plain = batch(crops.len());
            crops
                .iter()
                .zip(&plain)
                .filter(|(mixed, plain)| mixed.values != plain.values)
                .count()
        };
        assert_eq!(changed(&mixed(8, 0.0, 1.0, 1)), 0);
        assert_eq!(changed(&mixed(1, 1.0, 1.0, 1)), 0, "there is no other crop");
        let total: usize = (0..100).map(|seed| changed(&mixed(8, 0.5, 1.0, seed))).sum();
        assert!((330..430).contains(&total), "{total} of 800, boxes of no pixel apart");
        for (first, second) in mixed(8, 0.5, 0.3, 9).iter().zip(&mixed(8, 0.5, 0.3, 9)) {
            assert_eq!((&first.values, &first.labels), (&second.values, &second.labels));
        }
    }
}
