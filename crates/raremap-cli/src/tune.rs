//! `raremap tune` searches for the hyperparameters with the highest rare-class recall that cost no mean IoU.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use raremap_device::Backend;
use raremap_train::tune::{TuneOptions, tune};

use crate::interrupt::{own_program, stop_on_interrupt};

/// Searches hyperparameters for the highest recall of rare classes, with a mean IoU no more than a margin below the recipe's.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// The recipe to start from, a TOML file.
    recipe: PathBuf,
    /// What to search, a TOML file.
    search: PathBuf,
    /// Number of trials, including the baseline [default: the search file's].
    #[arg(long)]
    trials: Option<usize>,
    /// Folder for the trials, their table and best.toml [default: runs/NAME-tune].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Continue the folder's search; it may have more trials now.
    #[arg(long)]
    resume: bool,
    /// Device to train on.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Backend,
    /// Look for the dataset's files in this folder.
    #[arg(long)]
    root: Option<PathBuf>,
}

/// Runs `raremap tune`.
///
/// # Errors
/// If a file cannot be read or written, and if the recipe itself or three trials in succession fail.
pub fn run(args: &TuneArgs) -> Result<()> {
    let options = TuneOptions {
        out: args.out.clone(),
        trials: args.trials,
        resume: args.resume,
        device: args.device,
        root: args.root.clone(),
        ..TuneOptions::new(own_program()?)
    };
    let tuned = tune(&args.recipe, &args.search, &options, &stop_on_interrupt()?)?;
    if tuned.is_interrupted {
        tracing::warn!(
            "interrupted after {} trials; use --resume to continue in {}",
            tuned.trials,
            tuned.out.display()
        );
    } else if let Some((line, recipe)) = &tuned.best {
        println!("{line}");
        println!("its recipe is {}", recipe.display());
    }
    Ok(())
}
