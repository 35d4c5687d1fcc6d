//! `raremap check` reports what is wrong, or looks wrong, with a dataset.

mod copies;
mod digest;
pub mod ground;
mod radiometry;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;

use self::digest::Digest;
use crate::dataset::{DatasetConfig, EntryProblem};

/// Looks for problems in a dataset: leaks between splits, copies, blank masks, strange values, swapped bands.
///
/// Exits with 0 if there is no error (hints and warnings do not count), with 1 if there is one, and with 2 if the dataset cannot be read at
/// all.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The dataset's TOML file.
    dataset: PathBuf,
    /// Look for the dataset's files in this folder.
    #[arg(long)]
    root: Option<PathBuf>,
    /// Compare at most this many pairs of images in different splits at all offsets; further pairs are compared without an offset.
    #[arg(long, default_value_t = 50_000)]
    most_pairs: usize,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

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

/// How many files are listed in text; JSON has all.
const LISTED_FILES: usize = 6;

/// Runs `raremap check`.
pub fn run(args: &CheckArgs) -> Result<ExitCode> {
    let config = DatasetConfig::read(&args.dataset, args.root.as_deref())?;
    ensure!(
        !config.is_mix(),
        "{} is a mix of other datasets: check each of them on its own",
        config.name
    );
    let (findings, samples) = examine(&config, args.most_pairs)?;
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings, hints) = (count(Severity::Error), count(Severity::Warning), count(Severity::Hint));
    if args.json {
        let report = serde_json::json!({
            "dataset": config.name, "samples": samples, "errors": errors, "warnings": warnings, "hints": hints,
            "findings": findings,
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        for finding in &findings {
            print_finding(finding);
        }
        println!(
            "{}: {samples} samples checked; {errors} error(s), {warnings} warning(s), {hints} hint(s)",
            config.name
        );
    }
    Ok(if errors > 0 {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

/// All findings, worst first, and the number of samples that could be read.
pub fn examine(config: &DatasetConfig, most_pairs: usize) -> Result<(Vec<Finding>, usize)> {
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
                    let edge = *first.get_or_insert(sample.height.max(sample.width));
                    footprints.push(config.footprint(&entry.image)?);
                    digests.push(Digest::of(config, entry, &sample, edge));
                }
                Err(error) => findings.push(unusable(&error)),
            }
        }
    }
    findings.extend(copies::identical_images(&digests));
    findings.extend(copies::identical_masks(&digests));
    findings.extend(copies::blank_masks(config, &digests));
    findings.extend(copies::overlapping_footprints(&digests, &footprints));
    findings.extend(copies::same_ground(&digests, most_pairs));
    findings.extend(radiometry::value_ranges(config, &digests));
    findings.extend(radiometry::band_order(config, &digests));
    findings.sort_by_key(|finding| finding.severity);
    Ok((findings, digests.len()))
}

/// Reports a sample that would stop a training.
fn unusable(error: &anyhow::Error) -> Finding {
    Finding {
        severity: Severity::Error,
        kind: "unusable-file",
        files: Vec::new(),
        seen: format!("{error:#}"),
        advice: "a training would stop here: repair the file or remove its line".into(),
    }
}

fn print_finding(finding: &Finding) {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "hint",
    };
    println!("{severity} [{}]: {}", finding.kind, finding.seen);
    for file in finding.files.iter().take(LISTED_FILES) {
        println!("    {file}");
    }
    if finding.files.len() > LISTED_FILES {
        println!("    and {} more", finding.files.len() - LISTED_FILES);
    }
    println!("  -> {}\n", finding.advice);
}
