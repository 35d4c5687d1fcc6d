#![doc = include_str!("../README.md")]

mod error;
mod fleet;
mod inspect;
mod model;
mod neighbours;
mod predict;
mod site;

pub use error::FilesError;
pub use fleet::{
    FleetFailure, FleetObserver, FleetOptions, FleetPlan, FleetReport, FleetScene, FleetStep, Shard, finish_fleet,
    fleet_scenes, map_scene, plan_fleet, run_fleet, write_failures,
};
pub use inspect::{Inspected, InspectedModel, InspectedScene, inspect};
pub use model::Model;
pub use predict::{Observer, Options, PredictOptions, Prediction, Report, Resample, Resampled, Step, Timings, predict};
pub use site::{Site, SiteOptions};
