//! What a prediction reports: `summary.json`, and a table for people.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use raremap_infer::{ClassArea, Matching, SaliencyCut, Warning};
use raremap_scene::Notice;
use serde::Serialize;

/// What `summary.json` holds.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    pub model: serde_json::Value,
    pub input: serde_json::Value,
    pub backend: String,
    pub options: Options<'a>,
    pub band_assignment: serde_json::Value,
    /// Pixels, percent and hectares of each class.
    pub areas: &'a [ClassArea],
    pub valid_pixels: u64,
    pub nodata_pixels: u64,
    pub valid_hectares: Option<f64>,
    pub top_k: &'a SaliencyCut,
    pub timings: Timings,
    pub warnings: &'a [Warning],
    /// What was done with the files.
    pub notices: &'a [Notice],
    pub outputs: Vec<PathBuf>,
}

/// What the run was asked to do, with defaults filled in. Bands count from 1, as on the command line.
#[derive(Debug, Serialize)]
pub struct Options<'a> {
    pub bands: BTreeMap<&'a str, usize>,
    pub threshold: f32,
    pub rare: &'a [String],
    pub top_k_percent: f32,
    pub tile_px: usize,
    pub overlap_px: usize,
    /// Scene pixels per pixel of the grid that the model ran on; absent if that is the scene's own.
    pub resampled: Option<Resampled>,
    /// How values were changed before the run; absent if they were not.
    pub matched: Option<&'a Matching>,
}

/// Scene pixels per pixel of the model's grid.
#[derive(Debug, Serialize)]
pub struct Resampled {
    pub rows: f64,
    pub columns: f64,
}

#[derive(Debug, Serialize)]
pub struct Timings {
    pub load_secs: f64,
    pub run_secs: f64,
    pub decide_secs: f64,
    pub write_secs: f64,
    pub tiles: usize,
    pub secs_per_tile: f64,
}

/// The summary for people.
pub fn print_table(report: &Report<'_>, out: &Path) {
    let hectares = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    println!("{:<16} {:>12} {:>9} {:>14}", "class", "pixels", "percent", "hectares");
    for class in report.areas {
        let name = if class.rare {
            format!("{} (rare)", class.name)
        } else {
            class.name.clone()
        };
        println!(
            "{name:<16} {:>12} {:>9.3} {:>14}",
            class.pixels,
            class.percent,
            hectares(class.hectares)
        );
    }
    println!(
        "{:<16} {:>12} {:>9} {:>14}",
        "all",
        report.valid_pixels,
        "",
        hectares(report.valid_hectares)
    );
    if report.nodata_pixels > 0 {
        println!("{:<16} {:>12}", "no data", report.nodata_pixels);
    }
    let top_k = report.top_k;
    println!(
        "\ntop {} %: {} pixels of saliency {:.4} and more",
        top_k.percent, top_k.pixels, top_k.threshold
    );
    let Timings {
        tiles,
        run_secs,
        secs_per_tile,
        ..
    } = report.timings;
    println!(
        "{tiles} tiles in {run_secs:.2} s on {}, {:.0} ms each",
        report.backend,
        secs_per_tile * 1000.0
    );
    for notice in report.notices {
        println!("note: {}", notice.message);
    }
    for warning in report.warnings {
        println!("warning: {}", warning.message);
    }
    println!("the results are in {}", out.display());
}
