//! What a prediction reports: the content of `summary.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use raremap_infer::{ClassArea, Matching, SaliencyCut, Warning};
use raremap_scene::Notice;
use serde::Serialize;

/// What `summary.json` holds.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Path, name and digest of the weights file.
    pub model: serde_json::Value,
    /// Paths, bands, size and coordinate reference system of the scene.
    pub input: serde_json::Value,
    /// Where the network ran.
    pub backend: String,
    /// What the run was asked to do.
    pub options: Options,
    /// How it is known which band is which, and what else they could be.
    pub band_assignment: serde_json::Value,
    /// Pixels, percent and hectares of each class.
    pub areas: Vec<ClassArea>,
    /// Pixels with data.
    pub valid_pixels: u64,
    /// Pixels without data.
    pub nodata_pixels: u64,
    /// Ground area of the pixels with data; `None` without georeferencing.
    pub valid_hectares: Option<f64>,
    /// The most salient share of the scene.
    pub top_k: SaliencyCut,
    /// How long it took. A scene of a fleet does not say, because its files do not depend on who made them, or when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
    /// What a person should know before trusting the map.
    pub warnings: Vec<Warning>,
    /// What was done with the files.
    pub notices: Vec<Notice>,
    /// The files that were written; their names alone, if the scene is one of a fleet.
    pub outputs: Vec<PathBuf>,
}

/// What the run was asked to do, with defaults filled in. Bands count from 1, as on the command line.
#[derive(Debug, Clone, Serialize)]
pub struct Options {
    /// Band of each of the model's scene bands.
    pub bands: BTreeMap<String, usize>,
    /// Lowest probability with which a pixel takes a rare class.
    pub threshold: f32,
    /// The rare classes that were looked for.
    pub rare: Vec<String>,
    /// Share of the scene that top-k marks, in percent.
    pub top_k_percent: f32,
    /// Edge of a tile.
    pub tile_px: usize,
    /// Pixels that neighbouring tiles share.
    pub overlap_px: usize,
    /// Scene pixels per pixel of the grid that the model ran on; absent if that is the scene's own.
    pub resampled: Option<Resampled>,
    /// How values were changed before the run; absent if they were not.
    pub matched: Option<Matching>,
}

/// Scene pixels per pixel of the model's grid.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Resampled {
    /// Along columns.
    pub rows: f64,
    /// Along rows.
    pub columns: f64,
}

/// How long a prediction took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Timings {
    /// Opening the scene, and building and checking the network if no earlier run did.
    pub load_secs: f64,
    /// Running the network.
    pub run_secs: f64,
    /// Drawing the mask, for the areas.
    pub decide_secs: f64,
    /// Writing the files.
    pub write_secs: f64,
    /// Number of tiles that were run.
    pub tiles: usize,
    /// Running the network over one tile, on average.
    pub secs_per_tile: f64,
}
