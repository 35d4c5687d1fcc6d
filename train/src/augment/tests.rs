use std::collections::BTreeSet;

use rand::{Rng, SeedableRng};

use super::section::{EightBitSection, Flip, TargetedCutMixSection};
use super::*;
use crate::sample::testing::sample;

/// One sample in which a pixel's value gives its label, so that a mask that moves apart from its image shows.
fn tied(edge: usize) -> TrainingSplit {
    TrainingSplit::of(vec![sample(edge, edge, |pixel| (pixel % 251) as u8)])
}

/// One sample whose value is the column.
fn ramp(edge: usize) -> TrainingSplit {
    TrainingSplit::of(vec![sample(edge, edge, |pixel| (pixel % edge) as u8)])
}

fn unit() -> BandStatistics {
    BandStatistics {
        mean: vec![0.0],
        std: vec![1.0],
        wavelength_um: vec![None; 1],
        optional: vec![false; 1],
    }
}

fn anywhere(split: &TrainingSplit, edge: usize, augment: &AugmentSection, seed: u64) -> Crop {
    let draw = Draw {
        sample: 0,
        center: None,
    };
    crop(split, draw, edge, augment, &unit(), &mut StdRng::seed_from_u64(seed)).expect("a crop")
}

#[test]
fn an_untouched_crop_is_its_sample() {
    let split = tied(40);
    let augment = |untouched: f32| AugmentSection {
        untouched,
        symmetries: true,
        gain: 0.5,
        noise: 0.1,
        ground_resolution_m: Some([2.0, 30.0]),
        eight_bit: EightBitSection {
            probability: 0.5,
            ..EightBitSection::default()
        },
        ..AugmentSection::default()
    };
    let as_it_is = |crop: &Crop| {
        let mut pixels = crop.values.iter().zip(&crop.labels);
        pixels.all(|(value, label)| *value == f32::from(*label))
    };
    let count = |untouched: f32| {
        let crops = (0..200).map(|seed| anywhere(&split, 32, &augment(untouched), seed));
        crops.filter(as_it_is).count()
    };
    assert_eq!(count(0.0), 0);
    assert!((70..130).contains(&count(0.5)), "{}", count(0.5));
    assert_eq!(count(1.0), 200);
    let crops: Vec<Crop> = (0..50).map(|seed| anywhere(&split, 32, &augment(0.0), seed)).collect();
    let traits = || crops.iter().map(Crop::traits);
    assert!((10..40).contains(&traits().filter(|traits| traits.is_picture).count()));
    assert!(traits().all(|traits| (1.99..=30.01).contains(&traits.ground_resolution_m.expect("known"))));
    let as_it_is = anywhere(&split, 32, &augment(1.0), 1).traits();
    assert_eq!((as_it_is.is_picture, as_it_is.ground_resolution_m), (false, Some(10.0)));
    // The digests of recipes from before there was this key depend on that.
    let written = |untouched: f32| toml::to_string(&augment(untouched)).expect("serializes");
    assert!(!written(0.0).contains("untouched") && written(0.5).contains("untouched = 0.5"));
}

#[test]
fn what_is_pasted_into_an_untouched_crop_is_untouched_too() {
    let split = tied(48);
    let augment = AugmentSection {
        untouched: 1.0,
        noise: 0.5,
        gain: 0.5,
        targeted_cutmix: TargetedCutMixSection {
            probability: 1.0,
            target_share: 0.2,
            ..TargetedCutMixSection::default()
        },
        ..AugmentSection::default()
    };
    let augmenter = Augmenter::new(&augment, &split, 251, unit()).expect("valid");
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let draw = Draw {
            sample: 0,
            center: None,
        };
        let mut crops = vec![augmenter.crop(&split, draw, 32, &mut rng).expect("a crop")];
        let before = crops[0].labels.clone();
        augmenter.mix(&mut crops, &split, &mut rng).expect("mixed");
        assert_ne!(crops[0].labels, before, "a piece is pasted");
        for (value, label) in crops[0].values.iter().zip(&crops[0].labels) {
            assert_eq!(*value, f32::from(*label));
        }
    }
}

#[test]
fn image_and_mask_turn_together() {
    let split = tied(32);
    let turned = |symmetries: bool, flip: Flip| {
        let augment = AugmentSection {
            symmetries,
            flip,
            ..AugmentSection::default()
        };
        let mut seen = BTreeSet::new();
        for seed in 0..64 {
            let crop = anywhere(&split, 32, &augment, seed);
            for (value, label) in crop.values.iter().zip(&crop.labels) {
                assert_eq!(*value, f32::from(*label));
            }
            seen.insert(crop.labels[..2].to_vec());
        }
        seen.len()
    };
    assert_eq!(turned(true, Flip::None), 8, "all eight symmetries of the square occur");
    assert_eq!(turned(false, Flip::Horizontal), 2);
    assert_eq!(turned(false, Flip::Both), 4);
}

#[test]
fn zooming_keeps_labels_within_a_pixel_of_their_values() {
    let split = ramp(64);
    let augment = AugmentSection {
        zoom: 0.5,
        ..AugmentSection::default()
    };
    for seed in 0..16 {
        let crop = anywhere(&split, 32, &augment, seed);
        let scored = crop
            .values
            .iter()
            .zip(&crop.labels)
            .filter(|(_, label)| **label != IGNORE);
        for (value, label) in scored {
            assert!(
                (value - f32::from(*label)).abs() <= 0.5 + 1e-3,
                "{value} is labelled {label}"
            );
        }
    }
}

#[test]
fn image_and_mask_stay_together_under_everything_at_once() {
    let split = ramp(64);
    let augment = AugmentSection {
        symmetries: true,
        gain: 0.3,
        band_gain: 0.3,
        band_offset: 2.0,
        band_contrast: 0.3,
        zoom: 0.4,
        ..AugmentSection::default()
    };
    let statistics = BandStatistics {
        mean: vec![32.0],
        std: vec![10.0],
        wavelength_um: vec![None; 1],
        optional: vec![false; 1],
    };
    for seed in 0..32 {
        let draw = Draw {
            sample: 0,
            center: (seed % 2 == 0).then_some([seed as f32, 63.0 - seed as f32]),
        };
        let crop = crop(
            &split,
            draw,
            32,
            &augment,
            &statistics,
            &mut StdRng::seed_from_u64(seed),
        )
        .expect("a crop");
        // Whatever was done to the values, they are one line over the labels, up to half a pixel of the ramp.
        let Radiometry { gain, offset } = crop.radiometry[0];
        let scored = crop
            .values
            .iter()
            .zip(&crop.labels)
            .filter(|(_, label)| **label != IGNORE);
        for (value, label) in scored {
            let column = (value - offset) / gain;
            assert!(
                (column - f32::from(*label)).abs() <= 0.5 + 1e-2,
                "{column} is labelled {label}"
            );
        }
    }
}

#[test]
fn outside_the_sample_nothing_is_scored() {
    let split = tied(32);
    for center in [None, Some([0.0, 31.0])] {
        let draw = Draw { sample: 0, center };
        let rng = &mut StdRng::seed_from_u64(1);
        let crop = crop(&split, draw, 64, &AugmentSection::default(), &unit(), rng).expect("a crop");
        let scored = crop.labels.iter().filter(|label| **label != IGNORE).count();
        // Pixels 250, 501 and so on have the label 250; none has 255.
        assert_eq!(scored, 32 * 32, "all of the sample is in the crop");
        for (valid, label) in crop.valid.iter().zip(&crop.labels) {
            assert!(*valid || *label == IGNORE);
        }
    }
}

#[test]
fn without_augmentation_a_crop_is_a_plain_window() {
    let split = tied(32);
    let crop = anywhere(&split, 32, &AugmentSection::default(), 9);
    let sample = split.sample(0).expect("reads");
    assert_eq!(crop.labels, sample.labels);
    assert_eq!(crop.values, sample.values);
}

#[test]
fn a_crop_around_a_pixel_holds_it() {
    // One pixel has label 9 in a scene of label 0.
    let split = TrainingSplit::of(vec![sample(80, 80, |pixel| if pixel == 80 * 40 + 41 { 9 } else { 0 })]);
    let augment = AugmentSection {
        symmetries: true,
        ..AugmentSection::default()
    };
    let draw = Draw {
        sample: 0,
        center: Some([40.0, 41.0]),
    };
    let mut places = BTreeSet::new();
    for seed in 0..100 {
        let crop = crop(&split, draw, 32, &augment, &unit(), &mut StdRng::seed_from_u64(seed)).expect("a crop");
        let place = crop
            .labels
            .iter()
            .position(|label| *label == 9)
            .expect("the pixel is in the crop");
        places.insert(place);
    }
    assert!(places.len() > 50, "and not always at the same place: {places:?}");
}

#[test]
fn invalid_neighbours_are_not_blended_in() {
    let mut holed = sample(64, 64, |_| 1);
    for pixel in (0..64 * 64).filter(|pixel| pixel % 5 == 0) {
        holed.valid[pixel] = false;
        holed.labels[pixel] = IGNORE;
        holed.values[pixel] = if pixel % 2 == 0 { f32::NAN } else { -9999.0 };
    }
    let split = TrainingSplit::of(vec![holed]);
    let augment = AugmentSection {
        zoom: 0.5,
        ..AugmentSection::default()
    };
    for seed in 0..8 {
        let crop = anywhere(&split, 32, &augment, seed);
        for (value, valid) in crop.values.iter().zip(&crop.valid).filter(|(_, valid)| **valid) {
            assert!((value - 1.0).abs() < 1e-5 && *valid, "{value}");
        }
    }
}

#[test]
fn noise_has_the_stated_deviation_and_leaves_labels_and_lost_bands_alone() {
    let mut two_bands = sample(64, 64, |_| 5);
    two_bands.values = vec![5.0; 2 * 64 * 64];
    let split = TrainingSplit::of(vec![two_bands]);
    let statistics = BandStatistics {
        mean: vec![100.0, 200.0],
        std: vec![4.0, 8.0],
        wavelength_um: vec![None; 2],
        optional: vec![false; 2],
    };
    let augment = AugmentSection {
        noise: 0.5,
        band_dropout: 1.0,
        ..AugmentSection::default()
    };
    let draw = Draw {
        sample: 0,
        center: None,
    };
    let crop = crop(&split, draw, 64, &augment, &statistics, &mut StdRng::seed_from_u64(1)).expect("a crop");
    assert!(crop.labels.iter().all(|label| *label == 5));
    let kept = usize::from(crop.radiometry[0].gain == 0.0);
    let plane = |band: usize| &crop.values[band * 64 * 64..(band + 1) * 64 * 64];
    assert!(plane(1 - kept).iter().all(|value| *value == statistics.mean[1 - kept]));
    let squares = plane(kept)
        .iter()
        .map(|value| f64::from(value - 5.0).powi(2))
        .sum::<f64>();
    let deviation = (squares / (64.0 * 64.0)).sqrt();
    let expected = 0.5 * f64::from(statistics.std[kept]);
    assert!(
        (deviation / expected - 1.0).abs() < 0.05,
        "{deviation}, expected {expected}"
    );
}

#[test]
fn the_same_generator_gives_the_same_crop() {
    let split = ramp(64);
    let augment = AugmentSection {
        symmetries: true,
        gain: 0.1,
        band_gain: 0.1,
        band_offset: 0.1,
        band_contrast: 0.1,
        band_dropout: 0.1,
        noise: 0.1,
        zoom: 0.1,
        ..AugmentSection::default()
    };
    let first = anywhere(&split, 32, &augment, 5);
    let second = anywhere(&split, 32, &augment, 5);
    assert_eq!((first.values, first.labels), (second.values, second.labels));
    assert_ne!(second.valid.len(), 0);
}

/// Earlier versions drew the same for a recipe as this one, so that a recipe's runs stay comparable.
#[test]
fn settings_that_are_off_take_nothing_from_the_generator() {
    let split = ramp(64);
    let augment = AugmentSection {
        symmetries: true,
        gain: 0.1,
        band_gain: 0.1,
        band_offset: 0.1,
        zoom: 0.1,
        ..AugmentSection::default()
    };
    let (mut used, mut counted) = (StdRng::seed_from_u64(3), StdRng::seed_from_u64(3));
    let draw = Draw {
        sample: 0,
        center: None,
    };
    crop(&split, draw, 32, &augment, &unit(), &mut used).expect("a crop");
    // Zoom, top, left, turns, mirrored, gain, the band's gain, the band's offset.
    let _: (f32, f32, f32) = (counted.random_range(-0.1..=0.1), counted.random(), counted.random());
    let _: (u8, bool) = (counted.random_range(0..4), counted.random());
    let _: [f32; 3] = std::array::from_fn(|_| counted.random_range(-0.1..=0.1));
    assert_eq!(used.random::<u64>(), counted.random::<u64>());
}

#[test]
fn a_batch_ends_with_the_rarest_class_at_its_share() {
    // Scene 0 has no pixel of class 2; scene 1 has a square of it.
    let square = |pixel: usize| if pixel / 64 < 16 && pixel % 64 < 16 { 2 } else { 1 };
    let split = TrainingSplit::of(vec![sample(64, 64, |_| 0), sample(64, 64, square)]);
    let text = "[cutmix]\nprobability = 1.0\n[targeted_cutmix]\nprobability = 1.0\ntarget_share = 0.1";
    let section: AugmentSection = toml::from_str(text).expect("parses");
    let augmenter = Augmenter::new(&section, &split, 3, unit()).expect("valid");
    for seed in 0..20 {
        let rng = &mut StdRng::seed_from_u64(seed);
        let draw = Draw {
            sample: 0,
            center: None,
        };
        let mut crops: Vec<Crop> = (0..4)
            .map(|_| augmenter.crop(&split, draw, 64, rng).expect("a crop"))
            .collect();
        augmenter.mix(&mut crops, &split, rng).expect("reads");
        for crop in &crops {
            let rare = crop.labels.iter().filter(|label| **label == 2).count();
            assert!((410..700).contains(&rare), "{rare} of 4096, wanted 410");
            for (value, label) in crop.values.iter().zip(&crop.labels) {
                assert_eq!(*value, f32::from(*label));
            }
        }
    }
}

/// Crops, CutMix and targeted CutMix take the training split or something made from it; nothing else compiles.
#[test]
fn only_the_training_split_can_be_varied() {
    type CropOf = fn(&TrainingSplit, Draw, usize, &AugmentSection, &BandStatistics, &mut StdRng) -> Result<Crop>;
    let _: CropOf = crop;
    let _: fn(&mut [Crop], &CutMixSection, &mut StdRng) = cutmix;
    let _: fn(&TargetedCutMixSection, &TrainingSplit, usize) -> Result<TargetedCutMix> = TargetedCutMix::new;
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Crop>();
    shared::<Augmenter>();
    shared::<TrainingSplit>();
}
