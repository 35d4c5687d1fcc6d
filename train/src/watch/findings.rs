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
pub mod tests;
