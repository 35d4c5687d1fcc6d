//! Finds what is wrong, or looks wrong, with a dataset.

mod copies;
mod digest;
pub mod ground;
mod radiometry;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use self::digest::Digest;
use crate::dataset::{DatasetConfig, EntryProblem, SplitClasses, Vanished, vanished};
use crate::error::{Misplaced, Result, TrainError, ensure};
use crate::evaluate::VALIDATION;
use crate::sample::TRAIN;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Figures on this dataset would be wrong, or it cannot be used for training.
    Error,
    /// It is most likely a mistake.
    Warning,
    /// It is worth knowing.
    Hint,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Stable name of the kind of finding.
    pub kind: &'static str,
    /// The files that it concerns.
    pub files: Vec<String>,
    /// What was seen.
    pub seen: String,
    /// What to do.
    pub advice: String,
}

/// What was found in a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Examination {
    /// The findings, worst first.
    pub findings: Vec<Finding>,
    /// Number of samples that could be read.
    pub samples: usize,
}

impl Examination {
    /// How many findings are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }
}

/// Looks for problems in a dataset. At most `most_pairs` pairs of images in different splits are compared at all offsets, the others without
/// an offset.
///
/// # Errors
/// If the dataset is a mix, or its list cannot be read. A file that cannot be read is a finding.
pub fn examine(config: &DatasetConfig, most_pairs: usize) -> Result<Examination> {
    ensure!(
        Dataset,
        !config.is_mix(),
        "{} is a mix of other datasets: check each of them on its own",
        config.name
    );
    let listed = config.unchecked_entries()?;
    let mut findings: Vec<Finding> = Vec::new();
    let mut missing = Vec::new();
    for problem in config.entry_problems(&listed) {
        let (kind, advice) = match &problem {
            EntryProblem::Leak { .. } => ("place-in-two-splits", "put all images of a place into one split"),
            EntryProblem::Duplicate { .. } => ("listed-twice", "remove one of the lines"),
            EntryProblem::Missing { path } => {
                missing.push(path.clone());
                ("missing-file", "remove the line, or find the file")
            }
        };
        findings.push(Finding {
            severity: Severity::Error,
            kind,
            files: Vec::new(),
            seen: problem.sentence(&config.entries_file()),
            advice: advice.into(),
        });
    }
    let readable = listed.into_iter().filter(|entry| {
        let is_missing =
            |path: &PathBuf| *path == config.image_path(&entry.image) || *path == config.mask_path(&entry.image);
        !missing.iter().any(is_missing)
    });
    let mut digests: Vec<Digest> = Vec::new();
    let mut footprints = Vec::new();
    let mut loader = config.loader();
    let mut first = None;
    let mut misplaced: BTreeMap<String, Vec<Misplaced>> = BTreeMap::new();
    let mut classes: Vec<SplitClasses> = Vec::new();
    for listed in readable {
        let looked = || config.cut(vec![listed.clone()]);
        let parts = match looked() {
            Ok(parts) => parts,
            Err(error) => {
                findings.push(unusable(&error));
                continue;
            }
        };
        for entry in parts {
            match loader.load(&entry.image) {
                Ok(sample) => {
                    let of_split = match classes.iter().position(|of| of.split == entry.split) {
                        Some(index) => &mut classes[index],
                        None => {
                            classes.push(SplitClasses::new(&entry.split, config));
                            let last = classes.len() - 1;
                            &mut classes[last]
                        }
                    };
                    of_split.add(&sample);
                    of_split.hidden.merge(&loader.take_hidden());
                    let edge = *first.get_or_insert(sample.height.max(sample.width));
                    footprints.push(config.footprint(&entry.image)?);
                    digests.push(Digest::of(config, entry, &sample, edge));
                }
                Err(error) => match error.root() {
                    TrainError::Misplaced(found) => {
                        misplaced
                            .entry(found.difference.clone())
                            .or_default()
                            .push(found.clone());
                    }
                    _ => findings.push(unusable(&error)),
                },
            }
        }
    }
    findings.extend(
        misplaced
            .into_iter()
            .map(|(difference, found)| masks_elsewhere(&difference, &found)),
    );
    findings.extend(vanished_classes(config, &classes));
    findings.extend(copies::identical_images(&digests));
    findings.extend(copies::identical_masks(&digests));
    findings.extend(copies::blank_masks(config, &digests));
    findings.extend(copies::overlapping_footprints(&digests, &footprints));
    findings.extend(copies::same_ground(&digests, most_pairs));
    findings.extend(radiometry::value_ranges(config, &digests));
    findings.extend(radiometry::band_order(config, &digests));
    findings.sort_by_key(|finding| finding.severity);
    Ok(Examination {
        findings,
        samples: digests.len(),
    })
}

/// Masks that do not lie where their images lie, all with the same difference.
fn masks_elsewhere(difference: &str, found: &[Misplaced]) -> Finding {
    // All windows of a scene have the same finding.
    let masks: BTreeSet<String> = found.iter().map(|one| one.mask.display().to_string()).collect();
    let (first, image) = found.first().map_or_else(Default::default, |one| {
        (one.mask.display().to_string(), one.image.display().to_string())
    });
    Finding {
        severity: Severity::Error,
        kind: "misplaced-mask",
        seen: match masks.len() {
            1 => format!("{first} does not lie where its image {image} lies: {difference}"),
            count => format!(
                "{count} masks do not lie where their images lie, such as {first} and its image {image}: {difference}"
            ),
        },
        files: masks.into_iter().collect(),
        advice: "warp the masks onto the grids of their images; where the files are wrong and the pixels right, allow_shift_px in the \
                 dataset says by how many pixels they may differ"
            .into(),
    }
}

/// Classes that training or validation has no pixel of.
fn vanished_classes(config: &DatasetConfig, classes: &[SplitClasses]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let matters = |of: &&SplitClasses| [TRAIN, VALIDATION].contains(&of.split.as_str());
    for of in classes.iter().filter(matters) {
        let others: Vec<&SplitClasses> = classes.iter().filter(|other| other.split != of.split).collect();
        let is_empty = of.labelled() == 0;
        for Vanished { seen, advice } in vanished(config, of, &others) {
            findings.push(Finding {
                // Without any label there is nothing to learn from.
                severity: if is_empty && of.split == TRAIN {
                    Severity::Error
                } else {
                    Severity::Warning
                },
                kind: if is_empty { "nothing-labelled" } else { "vanished-class" },
                files: Vec::new(),
                seen,
                advice,
            });
        }
    }
    findings
}

/// Reports a sample that would stop a training.
fn unusable(error: &TrainError) -> Finding {
    Finding {
        severity: Severity::Error,
        kind: "unusable-file",
        files: Vec::new(),
        seen: error.to_string(),
        advice: "a training would stop here: repair the file or remove its line".into(),
    }
}
