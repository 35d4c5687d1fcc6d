//! Finds images and masks that occur more than once, and masks that show nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::digest::Digest;
use super::ground::{SAME_GROUND_UNSEARCHED, matches};
use super::{Finding, Severity};
use crate::dataset::{DatasetConfig, Footprint};

/// Correlation of the edge directions, without an offset, from which two images count as nearly the same picture.
const NEARLY_SAME: f32 = 0.9;
/// When this many images of different places share a mask, it was probably not drawn for them.
const OUTLIER_MASKS: usize = 3;
/// Share of the smaller footprint that two images may have in common, because neighbours touch.
const TOUCHING: f64 = 0.01;

/// Finds images whose numbers are equal.
pub fn identical_images(digests: &[Digest]) -> Vec<Finding> {
    let mut by_hash: BTreeMap<[u8; 32], Vec<&Digest>> = BTreeMap::new();
    for digest in digests {
        by_hash.entry(digest.image_hash).or_default().push(digest);
    }
    let groups = by_hash.into_values().filter(|group| group.len() > 1);
    let finding = |group: Vec<&Digest>| {
        let splits: BTreeSet<&str> = group.iter().map(|digest| digest.entry.split.as_str()).collect();
        let masks: BTreeSet<[u8; 32]> = group.iter().map(|digest| digest.mask_hash).collect();
        let leaks = splits.len() > 1;
        let masks = if masks.len() > 1 {
            "different masks"
        } else {
            "the same mask"
        };
        Finding {
            severity: if leaks { Severity::Error } else { Severity::Warning },
            kind: "identical-images",
            files: group.iter().map(|digest| digest.path.display().to_string()).collect(),
            seen: match leaks {
                true => format!("the same image is in {}, with {masks}", joined(&splits)),
                false => format!("the same image occurs {} times, with {masks}", group.len()),
            },
            advice: "keep one of them, in one split; if the masks differ, find out which is right".into(),
        }
    };
    groups.map(finding).collect()
}

/// Finds masks that several places share although they show more than one class: as a rule they were pasted.
pub fn identical_masks(digests: &[Digest]) -> Vec<Finding> {
    let mut by_hash: BTreeMap<[u8; 32], Vec<&Digest>> = BTreeMap::new();
    for digest in digests.iter().filter(|digest| digest.classes() > 1) {
        by_hash.entry(digest.mask_hash).or_default().push(digest);
    }
    let mut findings = Vec::new();
    let (mut outliers, mut total) = (Vec::new(), 0);
    for group in by_hash.into_values() {
        let images: BTreeSet<[u8; 32]> = group.iter().map(|digest| digest.image_hash).collect();
        let places: BTreeSet<&str> = group.iter().map(|digest| digest.entry.place.as_str()).collect();
        // One place at several dates may well have one mask, and equal images have been reported already.
        if places.len() >= OUTLIER_MASKS && images.len() >= OUTLIER_MASKS {
            total += group.len();
            outliers.push(group.len());
            findings.push(Finding {
                severity: Severity::Warning,
                kind: "outlier-masks",
                files: group.iter().map(|digest| digest.path.display().to_string()).collect(),
                seen: format!(
                    "{} images of {} places have the same mask of {} classes, pixel for pixel",
                    group.len(),
                    places.len(),
                    group[0].classes()
                ),
                advice: format!("look at them; drop.identical_masks_from = {OUTLIER_MASKS} leaves them out"),
            });
        } else if places.len() > 1 && images.len() > 1 {
            findings.push(Finding {
                severity: Severity::Hint,
                kind: "identical-masks",
                files: group.iter().map(|digest| digest.path.display().to_string()).collect(),
                seen: format!("{} images of different places have the same mask", group.len()),
                advice: "check whether the mask belongs to both".into(),
            });
        }
    }
    if outliers.len() > 1 {
        findings.push(Finding {
            severity: Severity::Hint,
            kind: "outlier-masks",
            files: Vec::new(),
            seen: format!(
                "{total} of {} images share one of {} masks",
                digests.len(),
                outliers.len()
            ),
            advice: "see the warnings above".into(),
        });
    }
    findings
}

/// Finds masks without a class, and masks of background alone.
pub fn blank_masks(config: &DatasetConfig, digests: &[Digest]) -> Vec<Finding> {
    let background = config.background_class();
    let files = |holds: &dyn Fn(&Digest) -> bool| -> Vec<String> {
        let chosen = digests.iter().filter(|digest| holds(digest));
        chosen.map(|digest| digest.path.display().to_string()).collect()
    };
    let unlabelled = files(&|digest| digest.labelled() == 0);
    let behind = |digest: &Digest| {
        background
            .and_then(|class| digest.class_pixels.get(class))
            .copied()
            .unwrap_or(0)
    };
    let only_background = files(&|digest| digest.labelled() > 0 && behind(digest) == digest.labelled());
    let finding = |severity, files: Vec<String>, seen: &str, advice: &str| Finding {
        severity,
        kind: "blank-masks",
        seen: format!("{} {seen}", files.len()),
        files,
        advice: advice.into(),
    };
    let mut findings = Vec::new();
    if !unlabelled.is_empty() {
        findings.push(finding(
            Severity::Warning,
            unlabelled,
            "mask(s) contain only ignored pixels",
            "remove them, or set drop.blank_masks = true: nothing can be learned or scored there",
        ));
    }
    if !only_background.is_empty() {
        findings.push(finding(
            Severity::Hint,
            only_background,
            "mask(s) contain only background",
            "drop.blank_masks = true leaves them out of training",
        ));
    }
    findings
}

/// Finds images of two splits that overlap on the map.
pub fn overlapping_footprints(digests: &[Digest], footprints: &[Option<Footprint>]) -> Vec<Finding> {
    let mut found: BTreeMap<[&str; 4], Pairs> = BTreeMap::new();
    let placed: Vec<(&Digest, &Footprint)> = digests
        .iter()
        .zip(footprints)
        .filter_map(|(digest, at)| Some((digest, at.as_ref()?)))
        .collect();
    for (index, (digest, at)) in placed.iter().enumerate() {
        for (other, other_at) in placed.iter().take(index) {
            let overlap = at.overlap(other_at);
            if digest.entry.split != other.entry.split && overlap > TOUCHING {
                note(&mut found, other, digest, overlap, [0, 0]);
            }
        }
    }
    let finding = |([place, split, other_place, other_split], found): ([&str; 4], Pairs)| Finding {
        severity: Severity::Error,
        kind: "overlapping-places",
        seen: format!(
            "place {place} ({split}) and place {other_place} ({other_split}) overlap on the map: {} pair(s) of images, up to {:.0}% of \
             the smaller one",
            found.count,
            found.best * 100.0
        ),
        files: found.files,
        advice: "raremap split --by block keeps overlapping images together".into(),
    };
    found.into_iter().map(finding).collect()
}

/// Finds images that show the same ground, by their content: in two splits, or nearly equal in one.
pub fn same_ground(digests: &[Digest], most_pairs: usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut near = Vec::new();
    let mut across = Vec::new();
    for (index, digest) in digests.iter().enumerate() {
        for (other_index, other) in digests.iter().enumerate().take(index) {
            if digest.image_hash == other.image_hash {
                continue;
            }
            if digest.entry.split != other.entry.split {
                across.push((other_index, index));
            } else if digest.texture.correlation(&other.texture) >= NEARLY_SAME
                && digest.entry.place != other.entry.place
            {
                near.push(format!("{} = {}", other.path.display(), digest.path.display()));
            }
        }
    }
    if !near.is_empty() {
        findings.push(Finding {
            severity: Severity::Hint,
            kind: "near-identical-images",
            seen: format!(
                "{} pair(s) of images of different places in one split are nearly the same picture",
                near.len()
            ),
            files: near,
            advice:
                "this may be one place under two names: if so, give both the same place before you split the data again"
                    .into(),
        });
    }
    let textures: Vec<_> = digests.iter().map(|digest| &digest.texture).collect();
    let mut found: BTreeMap<[&str; 4], Pairs> = BTreeMap::new();
    if across.len() <= most_pairs {
        for (a, b, fit) in matches(&textures, &across) {
            note(
                &mut found,
                &digests[a],
                &digests[b],
                f64::from(fit.correlation),
                fit.offset_px,
            );
        }
    } else {
        findings.push(Finding {
            severity: Severity::Hint,
            kind: "not-searched",
            files: Vec::new(),
            seen: format!(
                "{} pairs of images are too many to compare at all offsets; they were compared without an offset",
                across.len()
            ),
            advice: format!("--most-pairs {} compares them all at all offsets", across.len()),
        });
        for (a, b) in across {
            let correlation = textures[a].correlation(textures[b]);
            if correlation >= SAME_GROUND_UNSEARCHED {
                note(&mut found, &digests[a], &digests[b], f64::from(correlation), [0, 0]);
            }
        }
    }
    let finding = |([place, split, other_place, other_split], found): ([&str; 4], Pairs)| Finding {
        severity: Severity::Error,
        kind: "same-ground",
        seen: format!(
            "place {place} ({split}) and place {other_place} ({other_split}) show the same ground, at least in part: {} pair(s) of images \
             fit, the best with a correlation of {:.2} where the second lies {} px below and {} px right of the first",
            found.count, found.best, found.offset_px[0], found.offset_px[1]
        ),
        files: found.files,
        advice: "raremap split --join-same-ground keeps such places in one split".into(),
    };
    findings.extend(found.into_iter().map(finding));
    findings
}

/// Pairs of images of two places.
#[derive(Debug, Default)]
struct Pairs {
    count: usize,
    /// How much the best pair has in common.
    best: f64,
    /// The best pair.
    files: Vec<String>,
    /// For the best pair, how far the second image lies below and to the right of the first.
    offset_px: [isize; 2],
}

/// Records a pair of images under the pair of their places.
fn note<'a>(
    found: &mut BTreeMap<[&'a str; 4], Pairs>,
    first: &'a Digest,
    second: &'a Digest,
    strength: f64,
    offset_px: [isize; 2],
) {
    let is_in_order = first.entry.place <= second.entry.place;
    let (first, second, offset_px) = match is_in_order {
        true => (first, second, offset_px),
        false => (second, first, offset_px.map(|offset| -offset)),
    };
    let key = [&first.entry, &second.entry].map(|entry| [entry.place.as_str(), entry.split.as_str()]);
    let [[place, split], [other_place, other_split]] = key;
    let pairs = found.entry([place, split, other_place, other_split]).or_default();
    pairs.count += 1;
    if strength > pairs.best {
        pairs.best = strength;
        pairs.files = [first, second].map(|digest| digest.path.display().to_string()).to_vec();
        pairs.offset_px = offset_px;
    }
}

fn joined(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(" and ")
}
