//! The `raremap` command.

mod arguments;
mod inspect;
mod log;
mod predict;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
#[cfg(feature = "train")]
use raremap_train::{ablate, check, evaluate, export, run as train, split, stats, synth, tune};

use crate::arguments::Refused;

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
    Predict(predict::PredictArgs),
    #[cfg(feature = "train")]
    Export(export::ExportArgs),
    Inspect(inspect::InspectArgs),
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
        eprintln!("raremap: {error:#}");
        return ExitCode::from(2);
    }
    let result = match command {
        #[cfg(feature = "train")]
        Command::Train(args) => train::run(&args),
        #[cfg(feature = "train")]
        Command::Tune(args) => tune::run(&args),
        #[cfg(feature = "train")]
        Command::Ablate(args) => ablate::run(&args),
        #[cfg(feature = "train")]
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Predict(args) => return predict::run(&args),
        #[cfg(feature = "train")]
        Command::Export(args) => export::run(&args),
        Command::Inspect(args) => return inspect::run(&args),
        #[cfg(feature = "train")]
        Command::Check(args) => match check::run(&args) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        #[cfg(feature = "train")]
        Command::Stats(args) => stats::run(&args),
        #[cfg(feature = "train")]
        Command::Split(args) => split::run(&args),
        #[cfg(feature = "train")]
        Command::Synth(args) => synth::run(&args).map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raremap: {error:#}");
            ExitCode::from(2)
        }
    }
}
