//! Scoring a toy network on toy scenes.

use std::cell::RefCell;

use raremap_infer::{DecideOptions, RunOptions, SceneInMemory, Tiling, run_in_memory};
use raremap_model::{Band, BandSource, SceneTrait, TileError, TileLogits, TileModel};

use super::toy::{Toy, card, dataset, labelled};
use super::*;
use crate::dataset::{Entry, Sample};

/// Three scenes of two places: the value says whether there is water, but it is not always right.
fn samples() -> Vec<Sample> {
    let pixel = |seed: usize| {
        move |y: usize, x: usize| {
            let water = (x / 4 + seed).is_multiple_of(3);
            let noise = ((y / 4 * 31 + x / 4 * 17 + seed * 7) % 19) as f32 / 4.0 - 2.2;
            let label = if y == 7 {
                crate::dataset::IGNORE
            } else {
                u8::from(water)
            };
            (if water { 1.0 } else { -1.0 } + noise, label)
        }
    };
    vec![
        labelled([40, 52], pixel(0)),
        labelled([33, 40], pixel(1)),
        labelled([64, 64], pixel(2)),
    ]
}

const SPLITS: [&str; 6] = ["0,a,val", "1,a,val", "2,b,val", "3,c,test", "4,d,test", "5,e,test"];

fn options() -> ScoreOptions {
    ScoreOptions {
        probabilities: true,
        ..ScoreOptions::at(0.5)
    }
}

/// What [`SPLITS`] says about a split.
fn entries(split: &str) -> Vec<Entry> {
    let entry = |line: &&str| {
        let fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        Entry {
            image: fields[0].clone(),
            place: fields[1].clone(),
            split: fields[2].clone(),
        }
    };
    SPLITS.iter().map(entry).filter(|entry| entry.split == split).collect()
}

fn scores(split: &str, options: &ScoreOptions) -> Scores {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = dataset(folder.path(), &SPLITS);
    let samples = samples().into_iter().collect();
    let scenes = Scenes::loaded(&dataset, split, &entries(split), &samples).expect("three samples");
    score(&Toy { bias: 0.31 }, &card(), &scenes, options).expect("scores")
}

#[test]
fn a_pass_counts_what_the_page_draws() {
    let scores = scores("val", &options());
    let evaluation = scores.evaluation(None, None).expect("figures");
    let (mut argmax, mut drawn) = ([[0u64; 2]; 2], [[0u64; 2]; 2]);
    let run = RunOptions {
        tiling: Tiling::of_tile(64),
        ..RunOptions::new(vec![0])
    };
    for sample in samples() {
        let scene = SceneInMemory {
            size: [sample.height, sample.width],
            values: &sample.values,
            valid: &sample.valid,
        };
        let logits = pollster::block_on(run_in_memory(&scene, &Toy { bias: 0.31 }, &card(), &run, &mut ()));
        let logits = logits.expect("a run");
        for (threshold, counts) in [(1.0, &mut argmax), (0.5, &mut drawn)] {
            let decide = DecideOptions {
                threshold,
                ..DecideOptions::new(&card())
            };
            let mask = logits.decide(&decide).expect("a mask").mask;
            for (&label, &value) in sample.labels.iter().zip(&mask).filter(|(label, _)| **label < 2) {
                counts[usize::from(label)][usize::from(value == 5)] += 1;
            }
        }
    }
    assert_eq!(evaluation.figures.confusion, argmax);
    assert_eq!(evaluation.with_threshold.confusion, drawn);
    assert_ne!(argmax, drawn, "the bias makes the auxiliary head claim more");
    assert_eq!(evaluation.figures.pixels, 39 * 52 + 32 * 40 + 63 * 64);
    let details = evaluation.details.expect("probabilities");
    let at_half = &details.mask_sweep[47];
    assert_eq!(
        (at_half.threshold, at_half.mean_iou),
        (0.5, evaluation.with_threshold.mean_iou)
    );
    let alone = details.mask_sweep[79].mean_iou;
    assert_eq!(
        alone, evaluation.figures.mean_iou,
        "a threshold of 1 is the main head alone"
    );
    let swept = &details.curves[0].auxiliary.as_ref().expect("an auxiliary head").sweep[1];
    assert_eq!(swept.figures.tp, evaluation.rare[0].tp);
    assert_eq!(swept.figures.fp, evaluation.rare[0].fp);
}

/// Keeps the first pixel's value, whether the scene is a picture, and the binary logarithm of its metres.
#[derive(Default)]
struct Seen(RefCell<Vec<[f32; 3]>>);

impl TileModel for Seen {
    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        let cells = height * width / 16;
        self.0
            .borrow_mut()
            .push([0, 1, 2].map(|channel: usize| input[channel * height * width]));
        Ok(TileLogits {
            main: vec![0.0; 2 * cells],
            auxiliary: vec![0.0; cells],
        })
    }
}

#[test]
fn a_dataset_of_pictures_is_matched_and_the_network_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let dataset = dataset(folder.path(), &SPLITS);
    let mut card = card();
    (card.bands[0].mean, card.bands[0].std) = (3000.0, 900.0);
    card.bands.extend(
        [SceneTrait::Picture, SceneTrait::GroundResolution].map(|scene_trait| Band {
            name: format!("{scene_trait:?}"),
            source: BandSource::Trait(scene_trait),
            optional: false,
            mean: 0.0,
            std: 1.0,
        }),
    );
    let seen_of = |value: &dyn Fn(usize) -> f32| {
        let scene = || labelled([64, 64], |y, x| (value((y * 64 + x + 7) * 37 % 256), 0));
        let samples = (0..3).map(|_| scene()).collect();
        let scenes = Scenes::loaded(&dataset, "val", &entries("val"), &samples).expect("three samples");
        let model = Seen::default();
        let scores = score(&model, &card, &scenes, &ScoreOptions::at(0.5)).expect("scores");
        (model.0.into_inner()[0], scores.matching)
    };
    // The toy's samples have pixels of 10 m.
    let metres = 10f32.log2();
    let (seen, matching) = seen_of(&|step| step as f32);
    let [scale, offset] = matching.expect("whole numbers up to 255").bands[0];
    let first = (3.0 * scale + offset - 3000.0) / 900.0;
    assert!((seen[0] - first).abs() < 1e-5, "{seen:?} instead of {first}");
    assert_eq!(seen[1..], [1.0, metres]);
    let (seen, matching) = seen_of(&|step| 1500.0 + 12.0 * step as f32);
    assert_eq!((matching, &seen[1..]), (None, &[0.0, metres][..]));
}

#[test]
fn decisions_alone_are_the_same_decisions() {
    let cheap = scores("val", &ScoreOptions::at(0.5))
        .evaluation(None, None)
        .expect("figures");
    let full = scores("val", &options()).evaluation(None, None).expect("figures");
    assert!(cheap.details.is_none());
    assert_eq!(cheap.figures.confusion, full.figures.confusion);
    assert_eq!(cheap.with_threshold.confusion, full.with_threshold.confusion);
}

#[test]
fn nothing_can_be_chosen_on_test() {
    let refused = ValidationScores::new(scores("test", &options())).expect_err("not the validation split");
    assert!(refused.to_string().contains("test"), "{refused}");
    assert!(
        ValidationScores::new(scores("val", &ScoreOptions::at(0.5))).is_err(),
        "no probabilities"
    );
}

#[test]
fn what_is_chosen_on_val_is_applied_unchanged_elsewhere() {
    let validation = ValidationScores::new(scores("val", &options())).expect("the validation split");
    let chosen = validation.choose(0.0);
    let at = |scores: &Scores| {
        scores
            .evaluation(Some(&chosen), None)
            .expect("figures")
            .at_chosen
            .expect("chosen")
    };
    let (on_val, on_test) = (at(validation.scores()), at(&scores("test", &options())));
    assert!(on_val.chosen_on_this_split && !on_test.chosen_on_this_split);
    let threshold = chosen.rare[0].best_f1.expect("there is water");
    for at in [&on_val, &on_test] {
        assert_eq!(at.rare[0].best_f1.as_ref().map(|at| at.threshold), Some(threshold));
        assert_eq!(at.rare[0].recall_at_floor.threshold, chosen.rare[0].recall_at_floor);
    }
    // No step of the sweep does better on the validation split.
    let evaluation = validation.scores().evaluation(Some(&chosen), None).expect("figures");
    let sweep = evaluation.details.expect("probabilities").mask_sweep;
    let mask = on_val.mask.expect("an auxiliary head");
    assert!(sweep.iter().all(|point| point.mean_iou <= mask.best_mean_iou.mean_iou));
    let floor = evaluation.figures.mean_iou;
    let allowed = sweep.iter().filter(|point| point.mean_iou >= floor);
    assert!(
        allowed
            .clone()
            .all(|point| point.mean_rare_recall <= mask.most_rare_recall.mean_rare_recall)
    );
    assert!(mask.most_rare_recall.mean_iou >= floor);
    // A threshold above one half undoes the bias of 0.31.
    assert!(threshold > 0.5, "{threshold}");

    let flipped = ScoreOptions {
        flips: true,
        ..options()
    };
    assert!(
        scores("val", &flipped).evaluation(Some(&chosen), None).is_err(),
        "chosen without flips"
    );
}

#[test]
fn intervals_are_of_places_and_the_same_for_the_same_seed() {
    let intervals = |seed: u64| {
        let bootstrap = Bootstrap { resamples: 200, seed };
        let evaluation = scores("val", &options())
            .evaluation(None, Some(bootstrap))
            .expect("figures");
        (evaluation.figures.mean_iou, evaluation.intervals.expect("two places"))
    };
    let (mean_iou, first) = intervals(1);
    assert_eq!(first.places, 2, "three images of two places");
    let interval = first.main.mean_iou.expect("always there");
    let mean_iou = mean_iou.expect("labelled pixels");
    assert!(
        interval.low < mean_iou && mean_iou < interval.high,
        "{interval:?} around {mean_iou}"
    );
    assert_eq!(first.main.mean_iou, intervals(1).1.main.mean_iou);
    assert!(first.rare[0].recall.is_some() && first.with_threshold.classes[1].f1.is_some());
}

#[test]
fn the_worst_image_is_the_one_with_most_wrong_rare_pixels() {
    let evaluation = scores("val", &options()).evaluation(None, None).expect("figures");
    let wrong: Vec<u64> = evaluation.worst_images.iter().map(|image| image.rare_wrong).collect();
    assert!(
        wrong.is_sorted_by(|a, b| a >= b) && wrong.iter().all(|wrong| *wrong > 0),
        "{wrong:?}"
    );
    let [[_, fp], [fneg, _]] = <[Vec<u64>; 2]>::try_from(evaluation.with_threshold.confusion)
        .map(|rows| rows.map(|row| [row[0], row[1]]))
        .expect("two classes");
    assert_eq!(wrong.iter().sum::<u64>(), fp + fneg);
}

#[test]
fn a_dataset_that_does_not_fit_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dataset = dataset(folder.path(), &SPLITS);
    let samples: SampleStore = samples().into_iter().collect();
    let message = |dataset: &DatasetConfig, options: &ScoreOptions| {
        let scenes = Scenes::loaded(dataset, "val", &entries("val"), &samples).expect("three samples");
        format!(
            "{:#}",
            score(&Toy::default(), &card(), &scenes, options).expect_err("refused")
        )
    };
    let background = ScoreOptions {
        background: Some("sky".into()),
        ..options()
    };
    assert!(message(&dataset, &background).contains("sky"));
    assert!(Scenes::loaded(&dataset, "val", &entries("val"), &samples.first(2)).is_err());
    dataset.classes[1].name = "ice".into();
    assert!(message(&dataset, &options()).contains("ice"));
    dataset.bands[0].name = "swir".into();
    assert!(message(&dataset, &options()).contains("nir"));
}
