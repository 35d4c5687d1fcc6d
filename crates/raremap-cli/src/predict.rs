//! `raremap predict` computes a scene's mask, probabilities, polygons, review list and areas, as the page does.

mod arguments;
mod input;
mod output;
mod progress;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use raremap_geo::pixel_areas;
use raremap_infer::{
    BandChoice, BandGuess, BurnTileModel, GOLDEN_TOLERANCE, InferError, OpenOptions, RunOptions, Tiling, Warning,
    check_golden, guess_scene_bands, not_resampled, parse_bands, prepare_run, refuse_missing_bands, resampling,
    run_notes, run_scene,
};
use raremap_io::{IoError, SourceError, Unwritten};
use raremap_model::{Card, ModelFile, WeightsError};
use raremap_output::{OutputError, Results, SceneName};
use raremap_scene::{ProductFacts, Scene, SceneError};
use serde_json::json;

pub use arguments::PredictArgs;

use arguments::{EmptyBorder, Reflectance, Resample, decide_options, match_mode};
use input::{InputScene, Opened, open_scene};
use output::{CannotWrite, check_folder, refuse_inputs, write_all, write_summary};
use progress::Reporter;
use report::{Options, Report, Resampled, Timings, print_table};

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Ctrl-C came before the results were complete.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; the results are incomplete")]
struct Interrupted;

/// The exit code of a process that SIGINT ended, as shells report it.
const INTERRUPTED_STATUS: u8 = 128 + 2;

/// Ends with [`Interrupted`] if Ctrl-C was pressed.
fn go_on() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        bail!(Interrupted);
    }
    Ok(())
}

fn or_break(outcome: Result<()>) -> ControlFlow<()> {
    match outcome {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// Runs `raremap predict`. The exit code is 0 if there is a result, 2 with an error on standard error if there is none, and 130 after
/// Ctrl-C.
///
/// The first Ctrl-C ends the run where nothing is left half written; a second one ends it at once.
pub fn run(args: &PredictArgs) -> ExitCode {
    let caught = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED_STATUS.into());
        }
    });
    if let Err(error) = caught {
        tracing::warn!("cannot catch Ctrl-C: {error}");
    }
    let Err(error) = pollster::block_on(predict(args)) else {
        return ExitCode::SUCCESS;
    };
    // The run may have ended anywhere.
    let error = go_on().err().unwrap_or(error);
    let status = if error.is::<Interrupted>() {
        INTERRUPTED_STATUS
    } else {
        2
    };
    let message = format!("{error:#}");
    if args.json {
        eprintln!(
            "{}",
            json!({ "error": { "code": code_of(&error), "message": message } })
        );
    } else {
        eprintln!("raremap: {message}");
    }
    ExitCode::from(status)
}

/// A stable name of the failure.
fn code_of(error: &anyhow::Error) -> &'static str {
    if error.is::<Interrupted>() {
        return "interrupted";
    }
    if error.is::<CannotWrite>() || error.is::<Unwritten>() {
        return "write_failed";
    }
    let of = |cause: &(dyn std::error::Error + 'static)| {
        let infer = cause.downcast_ref::<InferError>().map(InferError::code);
        let scene = || cause.downcast_ref::<SceneError>().map(SceneError::code);
        infer
            .or_else(|| cause.downcast_ref::<OutputError>().map(OutputError::code))
            .or_else(scene)
            .or_else(|| cause.downcast_ref::<IoError>().map(IoError::code))
            .or_else(|| cause.downcast_ref::<SourceError>().map(SourceError::code))
            .or_else(|| cause.downcast_ref::<WeightsError>().map(WeightsError::code))
            .or_else(|| cause.is::<std::io::Error>().then_some("source_failed"))
    };
    error.chain().find_map(of).unwrap_or("misuse")
}

async fn predict(args: &PredictArgs) -> Result<()> {
    let started = Instant::now();
    let bytes = std::fs::read(&args.model).with_context(|| format!("cannot read {}", args.model.display()))?;
    let file = ModelFile::from_bytes(&bytes).with_context(|| args.model.display().to_string())?;
    let card = &file.card;
    let named = || named(&args.input);
    let opening = OpenOptions {
        to_reflectance: args.reflectance == Reflectance::Auto,
        empty_border: args.empty_border == EmptyBorder::Auto,
    };
    let Opened { scene, doubts, files } = open_scene(&args.input, &args.out, card, opening).await?;
    let info = scene.scene_info();
    let guess = guess_scene_bands(&scene, &card.scene_bands())
        .await
        .with_context(named)?;
    let assignment = assign(args.bands.as_deref(), &scene, card, &guess).with_context(named)?;
    let bands = assignment.complete(&card.scene_bands()).with_context(named)?;
    let decide = decide_options(args, card)?;
    decide.check(card)?;
    let file_options = args.files.options(scene.facts());
    let areas = pixel_areas(info.georeference.as_ref(), [info.height, info.width]);
    file_options.check(areas.pixel_ha(0, 0).is_some())?;
    refuse_inputs(&args.out, files.iter().chain([&args.model]).map(PathBuf::as_path))?;
    check_folder(&args.out)?;
    let scene_name = scene_name(&args.input, scene.facts());
    let usual = Tiling::of_tile(args.tile.unwrap_or(card.tile_px));
    let tiling = Tiling {
        overlap_px: args.overlap.unwrap_or(usual.overlap_px),
        ..usual
    };
    let mut warnings = doubts;
    let resample = match args.resample {
        Resample::Auto => {
            warnings.extend(not_resampled(info, card));
            resampling(info, card, false)
        }
        Resample::On => Some(
            resampling(info, card, true)
                .context("the size of the scene's pixels on the ground is not known, so it cannot be resampled")?,
        ),
        Resample::Off => None,
    };
    let mut options = RunOptions {
        tiling,
        max_logit_bytes_in_memory: MAX_LOGITS_BYTES,
        resample,
        ..RunOptions::new(bands.clone())
    };

    let network = file
        .build(&args.device.device()?)
        .with_context(|| args.model.display().to_string())?;
    let model = BurnTileModel::new(network, card.architecture.in_channels());
    check_golden(&model, &file.golden, GOLDEN_TOLERANCE).await?;
    let matching = match_mode(args.matching);
    let about_scene = prepare_run(&scene, card, &mut options, matching, &assignment).await;
    warnings.splice(..0, about_scene.with_context(named)?);
    go_on()?;
    let mut notices = scene.notices().to_vec();
    notices.extend(options.notices(card));
    let load_secs = started.elapsed().as_secs_f64();

    tracing::debug!(
        "model and scene are ready after {load_secs:.2} s: {} x {} pixels on {}",
        info.width,
        info.height,
        args.device
    );
    let started = Instant::now();
    let mut reporter = Reporter::new(&args.out);
    let mut logits = run_scene(&scene, &model, card, &options, &mut reporter)
        .await
        // Temporary files are written beside the results, not in the scene.
        .map_err(|error| match error {
            InferError::Scene(SceneError::Io(IoError::Write(_))) => {
                anyhow::Error::new(error).context(args.out.display().to_string())
            }
            _ => anyhow::Error::new(error).context(named()),
        })?;
    go_on()?;
    logits.watch(Box::new(|_, _| or_break(go_on())));
    let run_secs = started.elapsed().as_secs_f64();
    tracing::debug!("the network ran for {run_secs:.2} s");

    let started = Instant::now();
    let summary = logits.summary(&decide)?;
    let decide_secs = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let files: Vec<&str> = scene.band_files().collect();
    let notes = run_notes(
        card,
        &options,
        &files,
        &guess,
        &args.device.to_string(),
        &warnings,
        &notices,
    );
    // The files say how the scene was run; what the map is like depends on the threshold, too.
    warnings.extend(summary.one_class());
    let results = Results {
        logits: &logits,
        card,
        model_sha256: &file.sha256,
        scene: &scene_name,
        georeference: info.georeference.as_ref(),
        ground_control: info.ground_control.as_ref(),
        decide: &decide,
        options: &file_options,
        notes: &notes,
    };
    let (outputs, remarks) = write_all(&results, &args.out, &mut |file, done, total| {
        reporter.file(file, done, total);
        go_on()
    })?;
    warnings.extend(remarks.into_iter().map(|message| Warning {
        code: "outputs",
        message,
    }));
    let tiles = logits.tiles().0;
    let timings = Timings {
        load_secs,
        run_secs,
        decide_secs,
        write_secs: started.elapsed().as_secs_f64(),
        tiles,
        secs_per_tile: run_secs / tiles.max(1) as f64,
    };
    let numbered = |bands: &[usize]| {
        card.scene_bands()
            .into_iter()
            .zip(bands.iter().map(|band| band + 1))
            .collect()
    };
    let choice = |choice: &BandChoice| {
        let bands: BTreeMap<&str, usize> = numbered(&choice.bands);
        json!({ "product": choice.product, "bands": bands })
    };
    let choices: Vec<serde_json::Value> = assignment.choices.iter().map(choice).collect();
    let report = Report {
        model: json!({ "path": args.model, "name": card.name, "sha256": file.sha256 }),
        input: json!({
            "paths": args.input,
            "bands": band_list(&scene),
            "width": info.width,
            "height": info.height,
            "epsg": info.georeference.as_ref().and_then(|georeference| georeference.crs.epsg),
        }),
        backend: args.device.to_string(),
        options: Options {
            bands: numbered(&bands),
            threshold: decide.threshold,
            rare: &decide.rare,
            top_k_percent: decide.top_k_percent,
            tile_px: tiling.tile_px,
            overlap_px: tiling.overlap_px,
            resampled: options.resample.map(|[rows, columns]| Resampled { rows, columns }),
            matched: options.matching.as_ref(),
        },
        band_assignment: json!({ "certainty": assignment.certainty, "reason": assignment.reason, "choices": choices }),
        areas: &summary.classes,
        valid_pixels: summary.valid_pixels,
        nodata_pixels: summary.nodata_pixels,
        valid_hectares: summary.valid_hectares,
        top_k: &summary.top_k,
        timings,
        warnings: &warnings,
        notices: &notices,
        outputs,
    };
    let text = serde_json::to_string_pretty(&report)? + "\n";
    write_summary(&args.out, &text)?;
    if args.json {
        print!("{text}");
    } else {
        print_table(&report, &args.out);
    }
    Ok(())
}

/// The inputs, as a message names them.
fn named(inputs: &[PathBuf]) -> String {
    let first = inputs
        .first()
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    match inputs.len() {
        0 | 1 => first,
        count => format!("{first} and {} more", count - 1),
    }
}

/// The inputs, as result files name them. Several files whose product has no name are told apart by their folder.
fn scene_name(inputs: &[PathBuf], product: &ProductFacts) -> SceneName {
    let name = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
    // A path such as `.` has no name of its own.
    let full = |path: &Path| std::fs::canonicalize(path).ok();
    let names = inputs
        .iter()
        .filter_map(|path| name(path).or_else(|| name(&full(path)?)));
    let folder = || name(full(inputs.first()?)?.parent()?);
    SceneName::new(names.collect(), product.id.clone().or_else(folder).as_deref())
}

/// Each band with its name and file, counted from 1 as on the command line.
fn band_list(scene: &InputScene) -> serde_json::Value {
    let names = scene.scene_info().band_names.iter().zip(scene.band_files()).enumerate();
    names
        .map(|(index, (name, file))| json!({ "band": index + 1, "name": name, "file": file }))
        .collect()
}

fn assign(spec: Option<&str>, scene: &InputScene, card: &Card, guess: &BandGuess) -> Result<BandGuess> {
    let files: Vec<&str> = scene.band_files().collect();
    let needed = card.scene_bands();
    Ok(match spec {
        Some(spec) => BandGuess::assigned(
            parse_bands(spec, &files, &needed)?,
            "The bands were assigned on the command line.",
        ),
        None => {
            refuse_missing_bands(scene, &needed)?;
            guess.clone()
        }
    })
}

/// More bytes of logits than this go to a temporary file.
const MAX_LOGITS_BYTES: u64 = 64 << 20;
