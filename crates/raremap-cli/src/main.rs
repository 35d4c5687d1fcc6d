//! The `raremap` command.

mod ablate;
mod augment;
mod check;
mod checkpoint;
mod config;
mod dataset;
mod device;
mod evaluate;
mod export;
mod files;
mod inspect;
mod loss;
mod metrics;
mod model_section;
mod optim;
mod overrides;
mod predict;
mod sample;
mod split;
mod start;
mod stats;
mod synth;
mod train;
mod tune;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Maps land cover and finds rare classes in satellite images: trains, evaluates and predicts.
#[derive(Debug, Parser)]
#[command(name = "raremap", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::TrainArgs),
    Tune(tune::TuneArgs),
    Ablate(ablate::AblateArgs),
    Evaluate(evaluate::EvaluateArgs),
    Predict(predict::PredictArgs),
    Export(export::ExportArgs),
    Inspect(inspect::InspectArgs),
    Check(check::CheckArgs),
    Stats(stats::StatsArgs),
    Split(split::SplitArgs),
    Synth(synth::SynthArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Train(args) => train::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Ablate(args) => ablate::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Predict(args) => return predict::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Inspect(args) => return inspect::run(&args),
        Command::Check(args) => match check::run(&args) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Command::Stats(args) => stats::run(&args),
        Command::Split(args) => split::run(&args),
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
