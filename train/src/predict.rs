//! `raremap predict`: a scene's mask, probabilities, saliency and areas, as the page computes them.

mod output;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use raremap_infer::{
    BandGuess, BurnTileModel, Certainty, ClassArea, DecideOptions, GOLDEN_TOLERANCE, Opacity, Progress, RunHooks,
    RunOptions, SaliencyCut, SceneLogits, Tiling, Warning, check_golden, compare_resolution, compare_statistics,
    guess_bands, parse_bands, pixel_areas, run_scene,
};
use raremap_model::{Card, ModelFile};
use raremap_raster::{FileSource, GeoTiff, Limits, RasterInfo};
use serde::Serialize;
use serde_json::json;

use crate::device::Backend;
use crate::files::write_whole;
use output::{Writer, print_table};

/// Segments a GeoTIFF: writes mask.tif, probability.tif, saliency.tif and summary.json.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A weights file.
    model: PathBuf,
    /// The scene, a GeoTIFF.
    input: PathBuf,
    /// Folder for the results; it is made if it is not there.
    #[arg(long)]
    out: PathBuf,
    /// Which band is which, counted from 1, such as green=2,red=3,nir=4; guessed by default.
    #[arg(long)]
    bands: Option<String>,
    /// Probability from which a pixel takes a rare class; 1 switches this off.
    #[arg(long, default_value_t = 0.5)]
    threshold: f32,
    /// Rare classes to look for, separated by commas; all of the model's by default, `none` for none.
    #[arg(long, value_delimiter = ',')]
    rare: Option<Vec<String>>,
    /// Share of the scene that top-k marks, in percent.
    #[arg(long, default_value_t = 20.0)]
    top_k: f32,
    /// Tile edge in pixels, a multiple of 32; the model's by default.
    #[arg(long)]
    tile: Option<usize>,
    /// Pixels that neighbouring tiles share, a multiple of 32; a quarter of the tile by default.
    #[arg(long)]
    overlap: Option<usize>,
    /// Where to run.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Backend,
    /// Print the summary as JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// What `summary.json` holds.
#[derive(Debug, Serialize)]
struct Report<'a> {
    model: serde_json::Value,
    input: serde_json::Value,
    backend: String,
    options: Options<'a>,
    band_assignment: serde_json::Value,
    /// Per class: pixels, percent, hectares.
    areas: &'a [ClassArea],
    valid_pixels: u64,
    nodata_pixels: u64,
    valid_hectares: Option<f64>,
    top_k: &'a SaliencyCut,
    timings: Timings,
    warnings: &'a [Warning],
    outputs: Vec<PathBuf>,
}

/// What the run was asked for, defaults filled in. Bands count from 1, as on the command line.
#[derive(Debug, Serialize)]
struct Options<'a> {
    bands: BTreeMap<&'a str, usize>,
    threshold: f32,
    rare: &'a [String],
    top_k_percent: f32,
    tile_px: usize,
    overlap_px: usize,
}

#[derive(Debug, Serialize)]
struct Timings {
    load_secs: f64,
    run_secs: f64,
    decide_secs: f64,
    write_secs: f64,
    tiles: usize,
    secs_per_tile: f64,
}

/// Runs `raremap predict`.
pub fn run(args: &PredictArgs) -> Result<()> {
    pollster::block_on(predict(args))
}

async fn predict(args: &PredictArgs) -> Result<()> {
    let started = Instant::now();
    let bytes = std::fs::read(&args.model).with_context(|| format!("cannot read {}", args.model.display()))?;
    let file = ModelFile::from_bytes(&bytes).with_context(|| args.model.display().to_string())?;
    let card = &file.card;
    let named = || args.input.display().to_string();
    let source = FileSource::open(&args.input).with_context(named)?;
    let scene = GeoTiff::open(source, Limits::default()).await.with_context(named)?;
    let info = scene.info();
    let assignment = assign(args.bands.as_deref(), info, card).with_context(named)?;
    let decide = decide_options(args, card);
    decide.check(card)?;
    let usual = Tiling::of_tile(args.tile.unwrap_or(card.tile_px));
    let tiling = Tiling {
        overlap_px: args.overlap.unwrap_or(usual.overlap_px),
        ..usual
    };
    let options = RunOptions {
        tiling,
        ..RunOptions::new(assignment.bands.clone())
    };

    let network = file
        .build(&args.device.device()?)
        .with_context(|| args.model.display().to_string())?;
    let model = BurnTileModel::new(network, card.architecture.in_channels());
    check_golden(&model, &file.golden, GOLDEN_TOLERANCE).await?;
    let warnings = warnings(&scene, card, &assignment).await.with_context(named)?;
    let load_secs = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let logits = run_scene(&scene, &model, card, &options, &mut Reporter::new())
        .await
        .with_context(named)?;
    let run_secs = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let decision = logits.decide(&decide)?;
    let decide_secs = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let outputs = Writer {
        out: &args.out,
        info,
        file: &file,
    }
    .write_all(&logits, &decision.mask)?;
    let tiles = logits.tiles().0;
    let timings = Timings {
        load_secs,
        run_secs,
        decide_secs,
        write_secs: started.elapsed().as_secs_f64(),
        tiles,
        secs_per_tile: run_secs / tiles.max(1) as f64,
    };
    let bands = card
        .scene_bands()
        .into_iter()
        .zip(assignment.bands.iter().map(|band| band + 1))
        .collect();
    let summary = &decision.summary;
    let report = Report {
        model: json!({ "path": args.model, "name": card.name, "sha256": file.sha256 }),
        input: json!({
            "path": args.input,
            "width": info.width,
            "height": info.height,
            "epsg": info.georeference.as_ref().and_then(|georeference| georeference.crs.epsg),
        }),
        backend: args.device.to_string(),
        options: Options {
            bands,
            threshold: decide.threshold,
            rare: &decide.rare,
            top_k_percent: decide.top_k_percent,
            tile_px: tiling.tile_px,
            overlap_px: tiling.overlap_px,
        },
        band_assignment: json!({ "certainty": assignment.certainty, "reason": assignment.reason }),
        areas: &summary.classes,
        valid_pixels: summary.valid_pixels,
        nodata_pixels: summary.nodata_pixels,
        valid_hectares: summary.valid_hectares,
        top_k: &summary.top_k,
        timings,
        warnings: &warnings,
        outputs,
    };
    let text = serde_json::to_string_pretty(&report)?;
    write_whole(&args.out.join("summary.json"), text.as_bytes())?;
    if args.json {
        println!("{text}");
    } else {
        print_table(&report, &args.out);
    }
    Ok(())
}

fn assign(spec: Option<&str>, info: &RasterInfo, card: &Card) -> Result<BandGuess> {
    let needed = card.scene_bands();
    Ok(match spec {
        Some(spec) => BandGuess {
            bands: parse_bands(spec, info.band_count, &needed)?,
            certainty: Certainty::Named,
            reason: "Assigned on the command line.".into(),
        },
        None => guess_bands(info.into(), &needed)?,
    })
}

fn decide_options(args: &PredictArgs, card: &Card) -> DecideOptions {
    let rare = match &args.rare {
        None => card.rare_classes.clone(),
        Some(names) if names.iter().all(|name| name == "none" || name.is_empty()) => Vec::new(),
        Some(names) => names.iter().map(|name| name.trim().to_owned()).collect(),
    };
    DecideOptions {
        threshold: args.threshold,
        rare,
        top_k_percent: args.top_k,
    }
}

/// Longer side of the preview that statistics are taken from.
const PREVIEW_PX: u32 = 512;

async fn warnings(scene: &GeoTiff<FileSource>, card: &Card, assignment: &BandGuess) -> Result<Vec<Warning>> {
    let info = scene.info();
    let opacity = Opacity::of(scene, &assignment.bands).await?;
    let read = opacity.bands_to_read(&assignment.bands);
    let mut preview = scene.read_preview(PREVIEW_PX, &read).await?;
    opacity.apply(&mut preview, assignment.bands.len());
    let mut warnings = compare_statistics(&preview, card);
    let areas = pixel_areas(info.georeference.as_ref());
    warnings.extend(compare_resolution(
        areas.pixel_ha(info.height as usize / 2, info.width as usize / 2),
        card,
    ));
    if assignment.certainty != Certainty::Named {
        let needed = card.scene_bands();
        let bands: Vec<String> = needed
            .iter()
            .zip(&assignment.bands)
            .map(|(name, band)| format!("{name}={}", band + 1))
            .collect();
        let message = format!("{} Used: --bands {}", assignment.reason, bands.join(","));
        warnings.push(Warning {
            code: "bands_guessed",
            message,
        });
    }
    if info.georeference.is_none() {
        let message =
            "The scene is not georeferenced: areas are in pixels, and the results have no place on a map.".into();
        warnings.push(Warning {
            code: "no_georeference",
            message,
        });
    }
    Ok(warnings)
}

/// A progress bar on a terminal, JSON lines elsewhere, at most one a second.
struct Reporter {
    bar: Option<ProgressBar>,
    last: Instant,
}

impl Reporter {
    fn new() -> Self {
        let bar = std::io::IsTerminal::is_terminal(&std::io::stderr()).then(|| {
            let template = "{elapsed_precise} {wide_bar} tile {pos}/{len}, {eta} left";
            ProgressBar::new(0)
                .with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            bar,
            last: Instant::now(),
        }
    }
}

impl RunHooks for Reporter {
    async fn after_tile(&mut self, progress: Progress, _: &SceneLogits) -> ControlFlow<()> {
        let Progress { done, total, .. } = progress;
        match &self.bar {
            Some(bar) => {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            }
            None if done == total || self.last.elapsed().as_secs() >= 1 => {
                self.last = Instant::now();
                eprintln!("{}", json!({ "event": "tile", "done": done, "total": total }));
            }
            None => {}
        }
        ControlFlow::Continue(())
    }
}
