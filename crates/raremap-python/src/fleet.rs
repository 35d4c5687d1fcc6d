//! Many scenes: what is to be done, one scene at a time, and the collection at the end. Who runs them is decided in Python.

use std::path::PathBuf;

use pyo3::prelude::*;
use raremap_files::{FilesError, FleetFailure, FleetScene, Shard, fleet_scenes};

use crate::error::Failure;
use crate::model::Model;
use crate::options::FileOptions;
use crate::watch::Watch;

/// Id of a scene that could not be mapped, the code of the failure, and what happened.
type SceneFailure = (String, String, String);
/// Ids of scenes to map with what [`map_scene`] needs, ids of finished scenes, and items that are no scenes.
type Plan = (Vec<(String, String)>, Vec<String>, Vec<SceneFailure>);

/// Finds out which of the scenes that `items` name, each as JSON, are still to be mapped into `out`.
#[pyfunction]
pub(crate) fn plan_fleet(
    py: Python<'_>,
    model: &Bound<'_, Model>,
    items: Vec<String>,
    out: PathBuf,
    options: FileOptions,
) -> PyResult<Plan> {
    let model = &model.get().model;
    let options = options.predict(model.card())?;
    let plan = py.detach(|| -> Result<Plan, FilesError> {
        let scenes = fleet_scenes(items.iter().map(String::as_str), model.card());
        let plan = raremap_files::plan_fleet(scenes, Shard::ALL, model, &out, &options)?;
        let todo = plan.todo.into_iter().map(|scene| {
            let text = serde_json::to_string(&scene)?;
            Ok((scene.id, text))
        });
        let failed = plan
            .failed
            .into_iter()
            .map(|failure| (failure.id, failure.code, failure.message));
        Ok((todo.collect::<Result<_, FilesError>>()?, plan.skipped, failed.collect()))
    });
    Ok(plan.map_err(Failure::from)?)
}

/// Maps a scene of [`plan_fleet`] into its folder of `out`. Returns why it failed, if it did, and whether another try may succeed.
#[pyfunction]
pub(crate) fn map_scene(
    py: Python<'_>,
    model: &Bound<'_, Model>,
    scene: String,
    out: PathBuf,
    options: FileOptions,
) -> PyResult<Option<(SceneFailure, bool)>> {
    let model = &model.get().model;
    let options = options.predict(model.card())?;
    let failure = py.detach(|| -> Result<_, Failure> {
        let scene: FleetScene = serde_json::from_str(&scene).map_err(FilesError::from)?;
        let mut watch = Watch::new(None);
        let Err(error) = raremap_files::map_scene(model, &scene, &out, &options, &mut watch) else {
            return Ok(None);
        };
        match watch.why(error) {
            Failure::Files(error) => Ok(Some((
                (scene.id, error.code().into(), error.sentence()),
                error.may_pass(),
            ))),
            raised => Err(raised),
        }
    });
    Ok(failure?)
}

/// Writes the STAC collection of the finished scenes `ids`, and the list of the failed ones. Returns the collection's path.
#[pyfunction]
pub(crate) fn finish_fleet(
    py: Python<'_>,
    out: PathBuf,
    ids: Vec<String>,
    failures: Vec<SceneFailure>,
    title: String,
) -> PyResult<PathBuf> {
    let failures = listed(failures);
    let collection = py.detach(|| raremap_files::finish_fleet(&out, &ids, &failures, &title));
    Ok(collection.map_err(Failure::from)?)
}

/// Lists the failed scenes, in a folder whose collection is not written.
#[pyfunction]
pub(crate) fn write_failures(py: Python<'_>, out: PathBuf, failures: Vec<SceneFailure>) -> PyResult<()> {
    let failures = listed(failures);
    let written = py.detach(|| raremap_files::write_failures(&out, &failures));
    Ok(written.map_err(Failure::from)?)
}

fn listed(failures: Vec<SceneFailure>) -> Vec<FleetFailure> {
    let failures = failures
        .into_iter()
        .map(|(id, code, message)| FleetFailure { id, code, message });
    failures.collect()
}
