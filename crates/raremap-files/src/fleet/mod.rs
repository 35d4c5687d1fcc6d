//! Many scenes: each is mapped into a folder of its own, whole or not at all, and what is finished is not done again.

mod collection;
mod folder;
mod item;
mod json;
mod record;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pollster::block_on;
use serde::Serialize;

use crate::error::FilesError;
use crate::model::Model;
use crate::predict::{Observer, PredictOptions};
pub use folder::{finish_fleet, map_scene, write_failures};
use folder::{is_done, make_folder, remove_left_overs};
pub use item::{FleetFailure, FleetScene, fleet_scenes};

/// A part of the scenes: every `count`-th, from the `index`-th, which counts from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// All scenes.
    pub const ALL: Self = Self { index: 0, count: 1 };
}

impl FromStr for Shard {
    type Err = String;

    /// Reads `INDEX/COUNT`.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match numbers {
            Some((index, count)) if index < count => Ok(Self { index, count }),
            Some((_, 0)) => Err("there must be at least one shard".into()),
            Some((_, count)) => Err(format!("{count} shards are numbered from 0 to {}", count - 1)),
            None => Err("it is not INDEX/COUNT, such as 0/100".into()),
        }
    }
}

/// How to map many scenes.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetOptions {
    /// How to map each of them.
    pub predict: PredictOptions,
    /// Which of them to map; all if it is not given.
    pub shard: Option<Shard>,
    /// How often a scene is tried again if its failure [may pass](FilesError::may_pass).
    pub retries: usize,
    /// The job ends as soon as more scenes have failed; if it is not given, it never does.
    pub max_failures: Option<usize>,
    /// Title of the collection.
    pub title: String,
}

/// What became of the scenes of a list, or of a shard of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FleetReport {
    /// The STAC collection of all scenes that are mapped. A shard writes none.
    pub collection: Option<PathBuf>,
    /// Scenes that this job mapped.
    pub done: Vec<String>,
    /// Scenes that an earlier job had mapped from the same inputs, with the same model and options.
    pub skipped: Vec<String>,
    /// Scenes that could not be mapped.
    pub failed: Vec<FleetFailure>,
    /// Whether the job ended early, because more scenes failed than were allowed.
    pub too_many_failures: bool,
}

/// The scenes of a job, before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetPlan {
    /// Scenes to map: in the order of their ids, those last during which an earlier job was killed.
    pub todo: Vec<FleetScene>,
    /// Ids of those that are finished.
    pub skipped: Vec<String>,
    /// Items that are no scenes.
    pub failed: Vec<FleetFailure>,
}

/// Something that became of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FleetStep<'a> {
    /// A scene is begun.
    Began {
        /// The scene.
        id: &'a str,
        /// Scenes that are done or have failed so far.
        ended: usize,
        /// All scenes that the job maps.
        total: usize,
    },
    /// A scene is done, or has failed for good.
    Ended {
        /// The scene.
        id: &'a str,
        /// Why it failed, if it did.
        failure: Option<&'a FleetFailure>,
        /// Scenes that are done or have failed so far, this one included.
        ended: usize,
        /// All scenes that the job maps.
        total: usize,
    },
}

/// Whoever asked for a fleet.
pub trait FleetObserver: Observer {
    /// Told what became of a scene.
    fn after_scene(&mut self, step: FleetStep<'_>);
}

/// Finds out which scenes of a shard are still to be mapped into `out`, which is made if it does not exist. What jobs that were killed have left of
/// these is removed.
///
/// # Errors
/// `misuse` for options that no scene could be mapped with; [`FilesError::CannotWrite`] if there is no such folder.
pub fn plan_fleet(
    scenes: Vec<Result<FleetScene, FleetFailure>>,
    shard: Shard,
    model: &Model,
    out: &Path,
    options: &PredictOptions,
) -> Result<FleetPlan, FilesError> {
    options.decide.check(model.card())?;
    make_folder(out)?;
    let mut plan = FleetPlan {
        todo: Vec::new(),
        skipped: Vec::new(),
        failed: Vec::new(),
    };
    for scene in scenes.into_iter().skip(shard.index).step_by(shard.count) {
        match scene {
            Err(failure) => plan.failed.push(failure),
            Ok(scene) if is_done(&scene, model, out, options)? => plan.skipped.push(scene.id),
            Ok(scene) => plan.todo.push(scene),
        }
    }
    // Of a finished scene, too: a job may have been killed when the result had just taken its place.
    let own = plan.todo.iter().map(|scene| &scene.id).chain(&plan.skipped);
    let killed = remove_left_overs(out, &own.map(String::as_str).collect())?;
    // If a scene ends every process that maps it, the next one gets the others done before.
    plan.todo.sort_by_key(|scene| killed.contains(&scene.id));
    Ok(plan)
}

/// Maps the scenes that `items` name ([`fleet_scenes`]), or a shard of them, one after the other into folders of `out`. A job for all scenes then
/// writes the STAC collection and `failures.json`. Shards may run at the same time and on several machines; a job for all scenes, which finds
/// theirs finished, writes the collection afterwards.
///
/// # Errors
/// [`FilesError::Interrupted`] if the observer ended it, and what concerns no scene by itself: the options, the model, the device, the folder.
/// A scene that fails does not end the job, but is listed in the report.
pub fn run_fleet<'i>(
    model: &Model,
    items: impl IntoIterator<Item = &'i str>,
    out: &Path,
    options: &FleetOptions,
    observer: &mut dyn FleetObserver,
) -> Result<FleetReport, FilesError> {
    let scenes = fleet_scenes(items, model.card());
    let plan = plan_fleet(
        scenes,
        options.shard.unwrap_or(Shard::ALL),
        model,
        out,
        &options.predict,
    )?;
    let total = plan.todo.len();
    let mut report = FleetReport {
        collection: None,
        done: Vec::new(),
        skipped: plan.skipped,
        failed: plan.failed,
        too_many_failures: false,
    };
    if total > 0 {
        // A device that computes other numbers is no fault of the scenes.
        block_on(model.network())?;
    }
    let mut todo: VecDeque<(FleetScene, usize)> = plan.todo.into_iter().map(|scene| (scene, 0)).collect();
    loop {
        report.too_many_failures = options.max_failures.is_some_and(|most| report.failed.len() > most);
        if report.too_many_failures {
            break;
        }
        let Some((scene, tries)) = todo.pop_front() else { break };
        let id = scene.id.clone();
        let ended = total - todo.len() - 1;
        observer.after_scene(FleetStep::Began { id: &id, ended, total });
        let failure = match map_scene(model, &scene, out, &options.predict, observer) {
            Ok(()) => None,
            Err(FilesError::Interrupted) => return Err(FilesError::Interrupted),
            Err(error) if error.may_pass() && tries < options.retries => {
                tracing::warn!("{id}: {}; it is tried again after the other scenes", error.sentence());
                todo.push_back((scene, tries + 1));
                continue;
            }
            Err(error) => Some(FleetFailure {
                id: id.clone(),
                code: error.code().into(),
                message: error.sentence(),
            }),
        };
        observer.after_scene(FleetStep::Ended {
            id: &id,
            failure: failure.as_ref(),
            ended: ended + 1,
            total,
        });
        match failure {
            Some(failure) => report.failed.push(failure),
            None => report.done.push(id),
        }
    }
    report.done.sort();
    if options.shard.is_none() {
        if report.too_many_failures {
            write_failures(out, &report.failed)?;
        } else {
            let ids: Vec<String> = report.done.iter().chain(&report.skipped).cloned().collect();
            report.collection = Some(finish_fleet(out, &ids, &report.failed, &options.title)?);
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests;
