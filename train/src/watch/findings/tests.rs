//! Runs that are healthy, and runs that are ill in one way each.

use super::*;
use crate::watch::event::{AuxiliaryScore, ClassScore, RunEvent, Start, Step};

/// A run of `epochs` epochs of 20 logged steps that learns as it should, with some noise.
pub fn healthy(epochs: usize) -> History {
    let mut history = History::default();
    history.push(&RunEvent::Start(Start {
        total_steps: 20 * epochs,
        name: "healthy".into(),
        ..Start::default()
    }));
    for epoch in 1..=epochs {
        for index in 1..=20 {
            let step = (epoch - 1) * 20 + index;
            let noise = (step * 7919 % 13) as f64 / 13.0 - 0.5;
            history.push(&RunEvent::Step(Step {
                step,
                epoch,
                loss: 0.3 + 1.2 * (-(step as f64) / 60.0).exp() + 0.1 * noise,
                learning_rate: 1e-3 * (1.0 - step as f64 / (20 * epochs) as f64),
                gradient_norm: Some(1.0 + noise),
                secs: 0.2,
                data_wait_secs: 0.01,
                ..Step::default()
            }));
        }
        let noise = (epoch * 31 % 7) as f64 / 7.0 - 0.5;
        let score = 0.6 - 0.5 * (-(epoch as f64) / 4.0).exp() + 0.01 * noise;
        history.push(&RunEvent::Validation(validation(epoch, score, score + 0.1)));
    }
    history
}

fn validation(epoch: usize, mean_iou: f64, recall: f64) -> Validation {
    let class = |name: &str, pixels, recall| ClassScore {
        name: name.into(),
        rare: name == "wetland",
        pixels,
        iou: Some(mean_iou),
        recall: Some(recall),
        precision: Some(0.5),
    };
    Validation {
        epoch,
        step: 20 * epoch,
        mean_iou: Some(mean_iou),
        mean_iou_without_absent: Some(mean_iou),
        classes: vec![class("land", 980, 0.9), class("wetland", 20, recall)],
        auxiliary: vec![AuxiliaryScore {
            name: "wetland".into(),
            pixels: 20,
            recall: Some(recall),
            precision: Some(0.4),
            average_precision: Some(0.3),
            mean_probability: Some(0.05),
            probability_deviation: Some(0.1),
        }],
        loss_training: Some(0.5),
        mean_iou_training: Some(mean_iou + 0.03),
        ..Validation::default()
    }
}

/// Whether `kind` is the only finding, with a figure in its sentence.
fn only(history: &History, kind: FindingKind, figure: &str) {
    let found = findings(history);
    assert_eq!(
        found.iter().map(|finding| finding.kind).collect::<Vec<_>>(),
        [kind],
        "{found:#?}"
    );
    assert!(found[0].seen.contains(figure), "{} has no {figure}", found[0].seen);
    assert!(!found[0].advice.is_empty());
}

#[test]
fn a_healthy_run_is_left_in_peace_at_every_epoch() {
    for epochs in 0..=24 {
        let whole = healthy(24);
        let mut part = whole.clone();
        part.steps.retain(|step| step.epoch <= epochs);
        part.validations.truncate(epochs);
        assert_eq!(findings(&part), [], "after epoch {epochs}");
    }
    assert_eq!(findings(&History::default()), []);
}

#[test]
fn overfitting_is_seen_when_validation_falls_while_training_gets_better() {
    let mut history = healthy(8);
    for (validation, mean_iou) in history.validations[4..].iter_mut().zip([0.44, 0.41, 0.38, 0.35]) {
        validation.mean_iou = Some(mean_iou);
        validation.classes[1].recall = Some(0.5);
    }
    history.validations[3].mean_iou = Some(0.5);
    only(&history, FindingKind::Overfitting, "0.350");
    // The same scores with a training loss that does not fall are not overfitting.
    history.steps.iter_mut().for_each(|step| step.loss = 0.7);
    assert_eq!(overfitting(&history), None);
}

#[test]
fn falling_rare_recall_is_seen_under_a_rising_mean() {
    let mut history = healthy(6);
    for (validation, recall) in history.validations.iter_mut().zip([0.5, 0.5, 0.5, 0.4, 0.3, 0.2]) {
        validation.classes[1].recall = Some(recall);
    }
    only(
        &history,
        FindingKind::RareRecallFalls,
        "wetland fell from 0.500 to 0.300",
    );
    history
        .validations
        .iter_mut()
        .for_each(|validation| validation.classes[1].rare = false);
    assert_eq!(rare_recall_falls(&history), None, "a common class may lose");
}

#[test]
fn a_plateau_is_seen_while_the_learning_rate_is_high_and_not_after_it_decayed() {
    let mut history = healthy(9);
    for validation in &mut history.validations[2..] {
        validation.mean_iou = Some(0.3);
    }
    history.steps.iter_mut().for_each(|step| step.learning_rate = 1e-3);
    only(&history, FindingKind::Plateau, "0.300");
    history.steps.last_mut().expect("steps").learning_rate = 1e-5;
    assert_eq!(plateau(&history), None);
}

#[test]
fn divergence_is_a_loss_that_is_not_finite_or_climbs_or_a_gradient_that_explodes() {
    let run = || healthy(6);
    let mut history = run();
    history.steps.last_mut().expect("steps").loss = f64::NAN;
    only(&history, FindingKind::Divergence, "NaN");
    let mut history = run();
    history.steps.iter_mut().rev().take(10).for_each(|step| step.loss = 1.5);
    only(&history, FindingKind::Divergence, "1.5000");
    let mut history = run();
    history
        .steps
        .iter_mut()
        .rev()
        .take(5)
        .for_each(|step| step.gradient_norm = Some(80.0));
    only(&history, FindingKind::Divergence, "80.000");
    let mut history = run();
    history.steps.last_mut().expect("steps").gradient_norm = Some(80.0);
    assert_eq!(findings(&history), [], "one large gradient is none");
}

#[test]
fn a_dead_head_finds_nothing_or_everything_or_never_varies() {
    let with = |change: fn(&mut AuxiliaryScore)| {
        let mut history = healthy(6);
        for validation in &mut history.validations {
            validation.auxiliary.iter_mut().for_each(change);
        }
        history
    };
    let silent = with(|score| (score.recall, score.average_precision) = (Some(0.0), None));
    only(
        &silent,
        FindingKind::DeadAuxiliaryHead,
        "missed every pixel of wetland (20 pixels, mean probability 0.0500)",
    );
    let all = with(|score| {
        (score.recall, score.precision, score.average_precision) = (Some(1.0), Some(0.02), Some(0.02));
    });
    only(&all, FindingKind::DeadAuxiliaryHead, "every pixel");
    only(
        &with(|score| score.probability_deviation = Some(1e-5)),
        FindingKind::DeadAuxiliaryHead,
        "same",
    );
    let shy = with(|score| score.recall = Some(0.0));
    assert_eq!(
        findings(&shy),
        [],
        "it ranks well: its threshold is too high, it is not dead"
    );
    let mut young = silent.clone();
    young.start.total_steps = 10_000;
    assert_eq!(findings(&young), [], "too early to tell");
}

#[test]
fn a_leak_is_seen_by_content_and_by_score() {
    let mut history = healthy(2);
    history.start.shared_content = Some(3);
    only(&history, FindingKind::LeakingSplit, "3 validation images");
    let mut history = healthy(4);
    for validation in &mut history.validations {
        validation.mean_iou_training = validation.mean_iou.map(|mean_iou| mean_iou - 0.2);
    }
    only(&history, FindingKind::LeakingSplit, "on training");
}

#[test]
fn a_waiting_device_is_seen() {
    let mut history = healthy(2);
    history.steps.iter_mut().for_each(|step| step.data_wait_secs = 0.1);
    only(&history, FindingKind::DataStarvation, "50%");
}
