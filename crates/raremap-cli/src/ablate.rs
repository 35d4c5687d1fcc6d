//! `raremap ablate` repeats a training with one thing changed at a time, over several seeds, and writes a page that compares the results.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use raremap_train::ablate::{AblateOptions, Ablation};

use crate::interrupt::{own_program, stop_on_interrupt};

/// Trains every row of a table over several seeds and writes the comparison; continues where it stopped.
#[derive(Debug, Args)]
pub struct AblateArgs {
    /// The table, a TOML file.
    table: PathBuf,
    /// Folder for the runs.
    #[arg(long, default_value = "runs/ablation")]
    out: PathBuf,
    /// How many runs to train at the same time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Train only rows whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// List every run, the digest of its recipe and data, and whether its result is there; train nothing.
    #[arg(long)]
    list: bool,
    /// Write the page from the results that are there; train nothing.
    #[arg(long)]
    report_only: bool,
    /// Look for the dataset's files in this folder.
    #[arg(long)]
    root: Option<PathBuf>,
}

/// Runs `raremap ablate`.
///
/// # Errors
/// If a file cannot be read or written, and if a run fails.
pub fn run(args: &AblateArgs) -> Result<()> {
    let options = AblateOptions {
        out: args.out.clone(),
        only: args.only.clone(),
        root: args.root.clone(),
        ..AblateOptions::new(own_program()?)
    };
    let mut ablation = Ablation::open(&args.table, &options)?;
    if args.list {
        for run in ablation.runs() {
            let state = if run.is_done { "done" } else { "to do" };
            println!("{}\t{}\t{}\t{state}", run.row, run.seed, run.sha256);
        }
        return Ok(());
    }
    if !args.report_only {
        let stop = stop_on_interrupt()?;
        ablation.train(args.jobs, &stop)?;
    }
    Ok(ablation.write_page()?)
}
