//! `raremap check` reports what is wrong, or looks wrong, with a dataset.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use raremap_train::check::{Finding, Severity, examine};
use raremap_train::dataset::DatasetConfig;

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

/// How many files are listed in text; JSON has all.
const LISTED_FILES: usize = 6;

/// Runs `raremap check`.
///
/// # Errors
/// If the dataset cannot be read at all.
pub fn run(args: &CheckArgs) -> Result<ExitCode> {
    let dataset = DatasetConfig::read(&args.dataset, args.root.as_deref())?;
    let examined = examine(&dataset, args.most_pairs)?;
    let [errors, warnings, hints] =
        [Severity::Error, Severity::Warning, Severity::Hint].map(|severity| examined.count(severity));
    if args.json {
        let report = serde_json::json!({
            "dataset": dataset.name, "samples": examined.samples, "errors": errors, "warnings": warnings, "hints": hints,
            "findings": examined.findings,
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        for finding in &examined.findings {
            print_finding(finding);
        }
        println!(
            "{}: {} samples checked; {errors} error(s), {warnings} warning(s), {hints} hint(s)",
            dataset.name, examined.samples
        );
    }
    Ok(if errors > 0 {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
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
