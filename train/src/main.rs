//! The `raremap` command.

mod augment;
mod checkpoint;
mod clip;
mod config;
mod dataset;
mod device;
mod ema;
mod evaluate;
mod export;
mod files;
mod inspect;
mod log;
mod loss;
mod metrics;
mod model_section;
mod predict;
mod schedule;
mod start;
mod synth;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Land cover with the rare classes found: train, evaluate, predict.
#[derive(Debug, Parser)]
#[command(name = "raremap", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::TrainArgs),
    Evaluate(evaluate::EvaluateArgs),
    Predict(predict::PredictArgs),
    Export(export::ExportArgs),
    Inspect(inspect::InspectArgs),
    Synth(synth::SynthArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Train(args) => train::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Inspect(args) => inspect::run(&args),
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
