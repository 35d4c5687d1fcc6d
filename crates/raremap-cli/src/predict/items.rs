//! `raremap predict --items`: many scenes, or a shard of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use raremap_files::{
    FilesError, FleetObserver, FleetOptions, FleetReport, FleetStep, Model, Observer, PredictOptions, Shard, Step,
    run_fleet,
};
use serde_json::json;

use super::PredictArgs;
use super::progress::{bar, interrupted};
use crate::log;

/// The exit code of a job in which more scenes failed than are allowed.
const TOO_MANY_FAILURES_STATUS: u8 = 1;

/// Options for many scenes.
#[derive(Debug, Args)]
pub(super) struct ItemsArgs {
    /// Map many scenes, each into the folder OUT/ID: a file with one scene on each line: a path or an address, as it is or as a JSON
    /// string; a JSON list of the files of one product; or a STAC Item whose assets are files, local or on a server. Scenes that are finished are
    /// skipped.
    #[arg(long, value_name = "FILE")]
    pub(super) items: Option<PathBuf>,
    /// Map one part of the scenes: part I of N, counted from 0. The same command without --shard then finishes the list and writes the collection.
    #[arg(long, value_name = "I/N", conflicts_with = "input")]
    shard: Option<Shard>,
    /// How often a scene is tried again if reading or writing failed.
    #[arg(long, default_value_t = 2, conflicts_with = "input")]
    retries: usize,
    /// End with exit code 1 as soon as more scenes have failed [default: go on to the end, with exit code 0].
    #[arg(long, conflicts_with = "input")]
    max_failures: Option<usize>,
    /// Title of the STAC collection.
    #[arg(long, default_value = "raremap", conflicts_with = "input")]
    title: String,
}

#[cfg(test)]
impl ItemsArgs {
    /// Those of a command line without `--items`.
    pub(super) fn none() -> Self {
        Self {
            items: None,
            shard: None,
            retries: 2,
            max_failures: None,
            title: "raremap".into(),
        }
    }
}

/// Maps the scenes of `list`.
pub(super) fn predict_items(
    model: &Model,
    list: &Path,
    predict: PredictOptions,
    args: &PredictArgs,
) -> Result<ExitCode> {
    let text = std::fs::read_to_string(list).map_err(|source| FilesError::CannotRead {
        path: list.to_owned(),
        source,
    })?;
    let items = &args.items;
    let options = FleetOptions {
        predict,
        shard: items.shard,
        retries: items.retries,
        max_failures: items.max_failures,
        title: items.title.clone(),
    };
    let report = run_fleet(model, text.lines(), &args.out, &options, &mut FleetProgress::new())?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_report(&report, &args.out);
    }
    Ok(match report.too_many_failures {
        true => ExitCode::from(TOO_MANY_FAILURES_STATUS),
        false => ExitCode::SUCCESS,
    })
}

fn print_report(report: &FleetReport, out: &Path) {
    for failure in &report.failed {
        println!("failed: {} ({}): {}", failure.id, failure.code, failure.message);
    }
    println!(
        "{} mapped, {} finished before, {} failed",
        report.done.len(),
        report.skipped.len(),
        report.failed.len()
    );
    match &report.collection {
        Some(collection) => println!("the collection is {}", collection.display()),
        None if report.too_many_failures => {
            println!("more scenes failed than --max-failures allows; the others were not tried")
        }
        None => println!(
            "the results are in {}; the same command without --shard writes the collection",
            out.display()
        ),
    }
}

/// Shows a bar on a terminal, and a JSON line for each scene elsewhere.
struct FleetProgress {
    bar: Option<ProgressBar>,
    scene: String,
}

impl FleetProgress {
    fn new() -> Self {
        Self {
            bar: bar("{elapsed_precise} {wide_bar} scene {pos}/{len}, {eta} left, {msg}"),
            scene: String::new(),
        }
    }
}

impl Observer for FleetProgress {
    fn after(&mut self, step: Step<'_>) {
        let Some(bar) = &self.bar else { return };
        let message = match step {
            Step::Unpacked { file, .. } => format!("{}: unpacking {file}", self.scene),
            Step::Ran { done, total } => format!("{}: tile {done}/{total}", self.scene),
            Step::Wrote { file, .. } => format!("{}: {file}", self.scene),
        };
        bar.set_message(message);
    }

    fn stop(&self) -> Rc<dyn Fn() -> bool> {
        interrupted()
    }
}

impl FleetObserver for FleetProgress {
    fn after_scene(&mut self, step: FleetStep<'_>) {
        let (FleetStep::Began { id, ended, total } | FleetStep::Ended { id, ended, total, .. }) = step;
        if let Some(bar) = &self.bar {
            bar.set_length(total as u64);
            bar.set_position(ended as u64);
            bar.set_message(id.to_owned());
            self.scene = id.to_owned();
        } else if let FleetStep::Ended { failure, .. } = step {
            let code = failure.map(|failure| &failure.code);
            log::progress(&json!({ "event": "scene", "scene": id, "error": code, "done": ended, "total": total }));
        }
    }
}
