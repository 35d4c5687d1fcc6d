//! The `raremap` command.

#[cfg(feature = "train")]
mod ablate;
mod arguments;
mod bench;
#[cfg(feature = "train")]
mod check;
#[cfg(feature = "train")]
mod evaluate;
#[cfg(feature = "train")]
mod export;
mod inspect;
#[cfg(feature = "train")]
mod interrupt;
mod log;
mod predict;
#[cfg(feature = "train")]
mod split;
#[cfg(feature = "train")]
mod stats;
#[cfg(feature = "train")]
mod synth;
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "train")]
mod tune;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use mimalloc::MiMalloc;

use crate::arguments::Refused;

/// A network allocates memory with each of its operations; with the system's allocator, a tile takes 7% longer.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Maps land cover and finds rare classes in satellite images: trains, evaluates and predicts.
#[derive(Debug, Parser)]
#[command(name = "raremap", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    verbosity: log::Verbosity,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "train")]
    Train(train::TrainArgs),
    #[cfg(feature = "train")]
    Tune(tune::TuneArgs),
    #[cfg(feature = "train")]
    Ablate(ablate::AblateArgs),
    #[cfg(feature = "train")]
    Evaluate(evaluate::EvaluateArgs),
    // By far the largest.
    Predict(Box<predict::PredictArgs>),
    #[cfg(feature = "train")]
    Export(export::ExportArgs),
    Inspect(inspect::InspectArgs),
    Bench(bench::BenchArgs),
    #[cfg(feature = "train")]
    Check(check::CheckArgs),
    #[cfg(feature = "train")]
    Stats(stats::StatsArgs),
    #[cfg(feature = "train")]
    Split(split::SplitArgs),
    #[cfg(feature = "train")]
    Synth(synth::SynthArgs),
}

fn main() -> ExitCode {
    let parsed = arguments::parse(Cli::command(), std::env::args_os());
    let Cli { command, verbosity } = match parsed.map(|matches| Cli::from_arg_matches(&matches)) {
        Ok(Ok(cli)) => cli,
        Ok(Err(error)) | Err(Refused::ByParser(error)) => error.exit(),
        Err(Refused::Negative(sentence)) => {
            eprintln!("raremap: {sentence}");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = verbosity.start() {
        return failed(&error);
    }
    match command {
        #[cfg(feature = "train")]
        Command::Train(args) => ended(train::run(&args)),
        #[cfg(feature = "train")]
        Command::Tune(args) => ended(tune::run(&args)),
        #[cfg(feature = "train")]
        Command::Ablate(args) => ended(ablate::run(&args)),
        #[cfg(feature = "train")]
        Command::Evaluate(args) => ended(evaluate::run(&args)),
        Command::Predict(args) => predict::run(&args),
        #[cfg(feature = "train")]
        Command::Export(args) => ended(export::run(&args)),
        Command::Inspect(args) => inspect::run(&args),
        Command::Bench(args) => ended(bench::run(&args)),
        #[cfg(feature = "train")]
        Command::Check(args) => check::run(&args).unwrap_or_else(|error| failed(&error)),
        #[cfg(feature = "train")]
        Command::Stats(args) => ended(stats::run(&args)),
        #[cfg(feature = "train")]
        Command::Split(args) => ended(split::run(&args)),
        #[cfg(feature = "train")]
        Command::Synth(args) => ended(synth::run(&args)),
    }
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Prints the error that ended the command.
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("raremap: {error:#}");
    ExitCode::from(2)
}
