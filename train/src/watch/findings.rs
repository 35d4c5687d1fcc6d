//! Finds problems in a run's history, and says what was seen and what to do. Each finding is a pure function.
//!
//! The thresholds are set so that a healthy run, noisy as it is, gives no finding: nobody reads findings that cry wolf.

use super::event::{Finding, FindingKind, Validation};
use super::history::{History, mean};

/// Everything that is wrong with a run now.
pub fn findings(history: &History) -> Vec<Finding> {
    let all: [fn(&History) -> Option<Finding>; 7] = [
        divergence,
        leaking_split,
        overfitting,
        rare_recall_falls,
        dead_auxiliary_head,
        plateau,
        data_starvation,
    ];
    all.iter().filter_map(|look| look(history)).collect()
}

fn finding(history: &History, kind: FindingKind, seen: String, advice: &str) -> Option<Finding> {
    Some(Finding {
        step: history.step(),
        kind,
        seen,
        advice: advice.to_owned(),
    })
}

/// The highest mean IoU so far, the first of equals.
fn best(validations: &[Validation]) -> Option<(usize, &Validation)> {
    let score = |validation: &Validation| validation.mean_iou.unwrap_or(f64::NEG_INFINITY);
    let first_highest = |best: (usize, _), next: (usize, _)| if score(next.1) > score(best.1) { next } else { best };
    validations.iter().enumerate().reduce(first_highest)
}

/// The last three validations are all clearly below the best one, while the training loss kept falling.
pub fn overfitting(history: &History) -> Option<Finding> {
    const BELOW: f64 = 0.02;
    const FALLEN: f64 = 0.95;
    let validations = &history.validations;
    let (index, top) = best(validations)?;
    let since = validations.get(index + 1..)?;
    let recent = since.last_chunk::<3>()?;
    let (highest, newest) = (top.mean_iou?, recent[2].mean_iou?);
    let below = recent
        .iter()
        .all(|validation| validation.mean_iou.is_some_and(|mean_iou| mean_iou < highest - BELOW));
    let before = index
        .checked_sub(1)
        .and_then(|i| validations.get(i))
        .map_or(0, |validation| validation.step);
    let then = history.training_loss(before, top.step)?;
    let now = history.training_loss(recent[0].step, recent[2].step)?;
    if !below || now >= FALLEN * then {
        return None;
    }
    finding(
        history,
        FindingKind::Overfitting,
        format!(
            "Validation mean IoU fell from {highest:.3} (epoch {}) to {newest:.3} (epoch {}), while the training loss fell from {then:.4} \
             to {now:.4}.",
            top.epoch, recent[2].epoch
        ),
        "Augment more (augment.symmetries, gain, zoom), raise optimizer.weight_decay or model.dropout, shorten \
         schedule.epochs, or set stopping.patience. The best weights so far are kept either way.",
    )
}

/// Mean IoU rose and the recall of a rare class fell between two windows of validations.
pub fn rare_recall_falls(history: &History) -> Option<Finding> {
    const RISEN: f64 = 0.01;
    const FALLEN: f64 = 0.05;
    let validations = &history.validations;
    let width = if validations.len() >= 6 { 3 } else { 2 };
    let recent = validations.get(validations.len().checked_sub(2 * width)?..)?;
    let (before, after) = recent.split_at(width);
    let iou = |window: &[Validation]| mean(window.iter().filter_map(|validation| validation.mean_iou));
    let (iou_before, iou_after) = (iou(before)?, iou(after)?);
    if iou_after < iou_before + RISEN {
        return None;
    }
    let mut seen = Vec::new();
    for class in after
        .last()?
        .classes
        .iter()
        .filter(|class| class.rare && class.pixels > 0)
    {
        let recall = |window: &[Validation]| {
            let same =
                |validation: &Validation| validation.classes.iter().find(|other| other.name == class.name)?.recall;
            mean(window.iter().filter_map(same))
        };
        if let (Some(was), Some(is)) = (recall(before), recall(after))
            && is < was - FALLEN
        {
            seen.push(format!(
                "recall of {} fell from {was:.3} to {is:.3} ({} pixels)",
                class.name, class.pixels
            ));
        }
    }
    if seen.is_empty() {
        return None;
    }
    finding(
        history,
        FindingKind::RareRecallFalls,
        format!(
            "Over the last {width} validations, mean IoU rose from {iou_before:.3} to {iou_after:.3}, but {}.",
            seen.join("; ")
        ),
        "The common classes gain at the cost of the rare ones. Use a loss that gives weight to misses of rare classes (ARBT, \
         recall-weighted, or class weights), sample crops by rare class, or choose the best weights by best.metric = \"rare_recall\" \
         and best.mean_iou_floor.",
    )
}

/// The last six validations gained nothing, although the learning rate is still high enough to change something.
pub fn plateau(history: &History) -> Option<Finding> {
    const VALIDATIONS: usize = 6;
    const GAIN: f64 = 0.002;
    let validations = &history.validations;
    let split = validations
        .len()
        .checked_sub(VALIDATIONS)
        .filter(|&earlier| earlier >= 2)?;
    let (earlier, recent) = validations.split_at(split);
    let (_, before) = best(earlier)?;
    let (_, since) = best(recent)?;
    let rates = || {
        history
            .steps
            .iter()
            .map(|step| step.learning_rate)
            .filter(|rate| rate.is_finite())
    };
    let peak = rates().fold(0.0, f64::max);
    let rate = rates().next_back().unwrap_or(0.0);
    // A run that has lowered its learning rate is meant to stand still.
    let moving = history.steps.is_empty() || rate > 0.1 * peak;
    let (highest_before, highest_since) = (before.mean_iou?, since.mean_iou?);
    if !moving || highest_since > highest_before + GAIN || overfitting(history).is_some() {
        return None;
    }
    finding(
        history,
        FindingKind::Plateau,
        format!(
            "The best mean IoU of the last {VALIDATIONS} validations is {highest_since:.3}; before them it was {highest_before:.3} (epoch {}). The \
             learning rate is {rate:.2e}; its peak was {peak:.2e}.",
            before.epoch
        ),
        "Lower the learning rate sooner (with fewer schedule.epochs, or a schedule that reduces on plateau), or end the run with \
         stopping.patience. If the training loss stands still too, the model is too small or the learning rate is too low.",
    )
}

/// The loss is not finite or has climbed to twice its lowest level, or gradients explode.
pub fn divergence(history: &History) -> Option<Finding> {
    const WINDOW: usize = 10;
    const CLIMBED: f64 = 2.0;
    const EXPLODED: f64 = 20.0;
    let advice = "Lower optimizer.learning_rate to a tenth, lengthen learning_rate.warmup_steps, set optimizer.clip_norm = 1.0, and \
                  look for images with extreme values (raremap check).";
    let say = |seen: String| finding(history, FindingKind::Divergence, seen, advice);
    let last = history.steps.last()?;
    if !last.loss.is_finite() || last.gradient_norm.is_some_and(|norm| !norm.is_finite()) {
        let norm = last
            .gradient_norm
            .map_or(String::new(), |norm| format!(" and its gradient norm is {norm}"));
        return say(format!("The loss of step {} is {}{norm}.", last.step, last.loss));
    }
    let losses: Vec<f64> = history
        .steps
        .iter()
        .map(|step| step.loss)
        .filter(|loss| loss.is_finite())
        .collect();
    let means: Vec<f64> = losses
        .windows(WINDOW)
        .filter_map(|window| mean(window.iter().copied()))
        .collect();
    if let (Some(&now), true) = (means.last(), losses.len() >= 2 * WINDOW) {
        let lowest = means.iter().copied().fold(f64::INFINITY, f64::min);
        if now > CLIMBED * lowest && now - lowest > 0.1 {
            return say(format!(
                "The mean loss of the last {WINDOW} logged steps is {now:.4}; before, it was as low as {lowest:.4}."
            ));
        }
    }
    let norms: Vec<f64> = history.steps.iter().filter_map(|step| step.gradient_norm).collect();
    let (earlier, recent) = norms.split_at_checked(norms.len().checked_sub(WINDOW / 2)?)?;
    if earlier.len() >= WINDOW {
        let (was, is) = (median(earlier)?, median(recent)?);
        if was > 0.0 && is > EXPLODED * was {
            return say(format!(
                "The median gradient norm of the last {} logged steps is {is:.3}; before them it was {was:.3}.",
                recent.len()
            ));
        }
    }
    None
}

/// In the last three validations, the auxiliary head found nothing or everything, or gave every pixel the same probability.
pub fn dead_auxiliary_head(history: &History) -> Option<Finding> {
    /// A head that ranks this much better than chance works, wherever its threshold lies.
    const RANKS: f64 = 2.0;
    /// A probability with a smaller deviation counts as constant.
    const CONSTANT: f64 = 1e-3;
    let recent = history.validations.last_chunk::<3>()?;
    // At first no head finds anything, so it gets a tenth of the run.
    if recent[0].step * 10 < history.start.total_steps {
        return None;
    }
    let mut seen = Vec::new();
    for class in recent[2].auxiliary.iter().filter(|class| class.pixels > 0) {
        let state = |validation: &Validation| {
            let score = validation.auxiliary.iter().find(|other| other.name == class.name)?;
            let pixels: u64 = validation.classes.iter().map(|class| class.pixels).sum();
            let share = score.pixels as f64 / pixels.max(1) as f64;
            let ranks = score
                .average_precision
                .is_some_and(|precision| precision > RANKS * share);
            if score
                .probability_deviation
                .is_some_and(|deviation| deviation < CONSTANT)
            {
                Some("gave every pixel the same probability of")
            } else if ranks {
                None
            } else if score.recall == Some(0.0) {
                Some("missed every pixel of")
            } else if score.recall.is_some_and(|recall| recall > 0.999)
                && score.precision.is_some_and(|precision| precision < 1.1 * share)
            {
                Some("took every pixel for")
            } else {
                None
            }
        };
        if let [Some(_), Some(_), Some(now)] = recent.each_ref().map(state) {
            let probability = class
                .mean_probability
                .map_or(String::new(), |p| format!(", mean probability {p:.4}"));
            seen.push(format!("{now} {} ({} pixels{probability})", class.name, class.pixels));
        }
    }
    if seen.is_empty() {
        return None;
    }
    finding(
        history,
        FindingKind::DeadAuxiliaryHead,
        format!("In the last three validations, the auxiliary head {}.", seen.join("; ")),
        "Raise loss.auxiliary_weight or loss.auxiliary_pos_weight, sample more crops with the rare class, and \
         check that the training split has enough of its pixels (raremap stats).",
    )
}

/// Validation images are in the training split, or validation was far easier than training from the start.
pub fn leaking_split(history: &History) -> Option<Finding> {
    const HIGHER_IOU: f64 = 0.1;
    let advice = "Run raremap check, which finds identical and near-identical images, and places in two splits. Split by site \
                  (raremap split), before any augmentation.";
    if let Some(shared) = history.start.shared_content.filter(|&shared| shared > 0) {
        let seen = format!("{shared} validation images have exactly the pixels of training images.");
        return finding(history, FindingKind::LeakingSplit, seen, advice);
    }
    let early = history.validations.first_chunk::<2>()?;
    let easier = early.each_ref().map(|validation| {
        let training = validation.mean_iou_training?;
        let mean_iou = validation.mean_iou_without_absent?;
        (mean_iou > training + HIGHER_IOU).then(|| {
            format!(
                "in epoch {}, mean IoU is {mean_iou:.3} on validation and {training:.3} on training",
                validation.epoch
            )
        })
    });
    let [Some(first), Some(second)] = easier else {
        return None;
    };
    let seen = format!("Validation is far easier than training from the first epochs: {first}; {second}.");
    finding(history, FindingKind::LeakingSplit, seen, advice)
}

/// Over the last logged steps, the device spent much of the time waiting for data.
pub fn data_starvation(history: &History) -> Option<Finding> {
    const STEPS: usize = 20;
    const IDLE: f64 = 0.3;
    let recent = history.steps.last_chunk::<STEPS>()?;
    let secs: f64 = recent.iter().map(|step| step.secs).sum();
    let waited: f64 = recent.iter().map(|step| step.data_wait_secs).sum();
    if secs.is_nan() || secs <= 0.0 || waited / secs <= IDLE {
        return None;
    }
    finding(
        history,
        FindingKind::DataStarvation,
        format!(
            "Over the last {STEPS} logged steps, the device waited for data {:.0}% of the time ({:.3} s of {:.3} s per step).",
            100.0 * waited / secs,
            waited / STEPS as f64,
            secs / STEPS as f64
        ),
        "Raise schedule.workers, keep the images on a faster disk, or store them uncompressed and tiled.",
    )
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
pub mod tests {
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
}
