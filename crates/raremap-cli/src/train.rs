//! `raremap train` turns a recipe and a dataset into a run's folder.

mod console;
mod terminal;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use raremap_device::Backend;
use raremap_train::config::TrainConfig;
use raremap_train::dataset::{DatasetConfig, SampleStore};
use raremap_train::run::{Run, RunOptions};

use crate::interrupt::stop_on_interrupt;
use console::Console;

/// Trains a model as a recipe says.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The recipe, a TOML file.
    config: PathBuf,
    /// Folder for the run: resolved recipe, log, report, checkpoints, best weights [default: runs/NAME].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Continue from the run's checkpoint, if there is one.
    #[arg(long)]
    resume: bool,
    /// Device to train on.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Backend,
    /// Numbers of the devices that share each batch, separated by commas, such as `0,1`; naming one device twice runs two replicas on it
    /// [default: one device].
    #[arg(long, value_delimiter = ',')]
    devices: Vec<usize>,
    /// Samples of training and validation that are kept in memory, in MiB. The others are in a temporary file (in TMPDIR), which takes time but
    /// changes nothing else.
    #[arg(long, default_value_t = SampleStore::USUAL_BYTES >> 20)]
    sample_memory_mib: u64,
    /// Look for the dataset's files in this folder.
    #[arg(long)]
    root: Option<PathBuf>,
    /// Change a key of the recipe, such as `seed=2` or `loss.main.0.weight=0.5`; you can repeat this option.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Show curves, figures and findings in the terminal.
    #[arg(long)]
    watch: bool,
}

/// Runs `raremap train`.
///
/// # Errors
/// If the recipe or the dataset cannot be used, if a file cannot be written, or if the loss is not a number any more.
pub fn run(args: &TrainArgs) -> Result<()> {
    let config = TrainConfig::read(&args.config, &args.set)?;
    let dataset = DatasetConfig::read(&config.dataset, args.root.as_deref())?;
    let folder = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&config.name));
    let options = RunOptions {
        resume: args.resume,
        device: args.device,
        devices: args.devices.clone(),
        sample_memory_bytes: args.sample_memory_mib << 20,
    };
    let run = Run::prepare(config, &dataset, &folder, &options)?;
    // Until here, nothing would be lost: Ctrl-C ends the command at once.
    let stop = stop_on_interrupt()?;
    run.train(&mut Console::new(args.watch), &stop)?;
    Ok(())
}
