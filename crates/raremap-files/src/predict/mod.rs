//! From the files of a scene to the files of its map.

mod input;
mod output;
mod report;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use pollster::block_on;
use raremap_geo::pixel_areas;
use raremap_infer::{
    BandChoice, BandGuess, DecideOptions, InferError, MatchMode, OpenOptions, Progress, RunHooks, RunOptions,
    SceneLogits, Tiling, Warning, card_for_bands, card_for_scene, guess_scene_bands, not_resampled, parse_bands,
    prepare_run, refuse_missing_bands, resampling, run_notes, run_scene,
};
use raremap_io::{IoError, Scratch, without_query};
use raremap_model::Card;
use raremap_output::{OutputOptions, Results, SceneName};
use raremap_scene::{ProductFacts, Scene, SceneError};
use serde_json::json;

use crate::error::{Context, FilesError};
use crate::model::Model;
use input::{InputScene, Opened, open_scene};
use output::{SUMMARY, check_folder, refuse_inputs, scratch_in, write_all, write_summary};
pub use report::{Options, Report, Resampled, Timings};

/// More bytes of logits than this go to a temporary file.
const MAX_LOGITS_BYTES: u64 = 128 << 20;

/// How to map a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictOptions {
    /// Which band is which, by number from 1 or by file, such as `green=2,red=3,nir=BAND4.tif`; guessed if it is not given.
    pub bands: Option<String>,
    /// How the mask is drawn.
    pub decide: DecideOptions,
    /// Tile edge in pixels, a multiple of 32; the model's if it is not given.
    pub tile_px: Option<usize>,
    /// Pixels that neighbouring tiles share, a multiple of 32; a quarter of the tile if it is not given.
    pub overlap_px: Option<usize>,
    /// What may be done to the scene as it is opened.
    pub opening: OpenOptions,
    /// When to run at the model's resolution.
    pub resample: Resample,
    /// How values are made like those of training, if they are.
    pub matching: Option<MatchMode>,
    /// How the files are written. Without a time, the scene has that of its product.
    pub output: OutputOptions,
}

impl PredictOptions {
    /// What the command does without options.
    pub fn new(card: &Card) -> Self {
        Self {
            bands: None,
            decide: DecideOptions::new(card),
            tile_px: None,
            overlap_px: None,
            opening: OpenOptions::default(),
            resample: Resample::Never,
            matching: Some(MatchMode::Auto),
            output: OutputOptions::default(),
        }
    }
}

/// When to run at the model's resolution. Results are on the scene's own grid in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resample {
    /// If the scene's resolution differs by more than 25 %.
    Auto,
    /// Always.
    Always,
    /// Never; a warning says where it may help.
    Never,
}

/// Something that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A part of a file in an archive was unpacked.
    Unpacked {
        /// The file in the archive.
        file: &'a str,
        /// Bytes so far.
        done_bytes: u64,
        /// Bytes of the whole file.
        total_bytes: u64,
    },
    /// The network ran over a tile.
    Ran {
        /// Tiles so far.
        done: usize,
        /// All tiles.
        total: usize,
    },
    /// A part of a result was written.
    Wrote {
        /// The file that is being written.
        file: &'static str,
        /// Files that are complete.
        done: usize,
        /// All files.
        total: usize,
    },
}

/// Whoever asked for a prediction.
pub trait Observer {
    /// Told what was done, often.
    fn after(&mut self, step: Step<'_>);

    /// A function that tells whether the job is to end. It is called between tiles, rows and parts of files, where nothing is half written.
    fn stop(&self) -> Rc<dyn Fn() -> bool>;
}

/// What a prediction did.
#[derive(Debug)]
pub struct Prediction {
    /// The content of `summary.json`.
    pub report: Report,
    /// `summary.json`, as it was written.
    pub summary: String,
}

/// Maps a scene: the files of one product, or a folder or zip archive that contains them. Files and archives may be on a server. Writes the mask, probabilities and saliency as
/// cloud-optimized GeoTIFFs, polygons and a review list as GeoJSON, areas as CSV and JSON, a STAC Item, and last `summary.json` into the
/// folder `out`, which is made if it does not exist.
///
/// # Errors
/// [`FilesError`]; no result is then half written. [`FilesError::Interrupted`] if the observer ended it.
pub fn predict(
    model: &Model,
    inputs: &[PathBuf],
    out: &Path,
    options: &PredictOptions,
    observer: &mut dyn Observer,
) -> Result<Prediction, FilesError> {
    let report = run(model, inputs, out, options, observer)?;
    let summary = write_summary(out, &report)?;
    Ok(Prediction { report, summary })
}

/// As [`predict`], but nothing in the files depends on who makes them, when, or in which folder. Returns their names.
///
/// # Errors
/// Those of [`predict`].
pub(crate) fn predict_repeatably(
    model: &Model,
    inputs: &[PathBuf],
    out: &Path,
    options: &PredictOptions,
    observer: &mut dyn Observer,
) -> Result<Vec<PathBuf>, FilesError> {
    let mut report = run(model, inputs, out, options, observer)?;
    report.timings = None;
    let names = report.outputs.iter().filter_map(|path| path.file_name());
    report.outputs = names.map(PathBuf::from).collect();
    write_summary(out, &report)?;
    report.outputs.push(SUMMARY.into());
    Ok(report.outputs)
}

/// Makes all files but the summary.
fn run(
    model: &Model,
    inputs: &[PathBuf],
    out: &Path,
    options: &PredictOptions,
    observer: &mut dyn Observer,
) -> Result<Report, FilesError> {
    let stop = observer.stop();
    // It may have been ended anywhere.
    block_on(map(model, inputs, out, options, observer)).map_err(|error| go_on(&*stop).err().unwrap_or(error))
}

fn go_on(stop: &dyn Fn() -> bool) -> Result<(), FilesError> {
    if stop() { Err(FilesError::Interrupted) } else { Ok(()) }
}

async fn map(
    model: &Model,
    inputs: &[PathBuf],
    out: &Path,
    asked: &PredictOptions,
    observer: &mut dyn Observer,
) -> Result<Report, FilesError> {
    let started = Instant::now();
    let card = model.card();
    let stop = observer.stop();
    let named = || named(inputs);
    let Opened { scene, doubts, files } = open_scene(inputs, out, card, asked.opening, observer).await?;
    let info = scene.scene_info();
    let card = &fitted_card(asked.bands.as_deref(), &scene, card).await.within(named)?;
    let guess = guess_scene_bands(&scene, &card.scene_bands()).await.within(named)?;
    let assignment = assign(asked.bands.as_deref(), &scene, card, &guess).within(named)?;
    let bands = assignment.complete(&card.scene_bands()).within(named)?;
    asked.decide.check(card)?;
    let mut output = asked.output.clone();
    output.datetime = output.datetime.or_else(|| scene.facts().acquired.clone());
    let areas = pixel_areas(info.georeference.as_ref(), [info.height, info.width]);
    output.check(areas.pixel_ha(0, 0).is_some())?;
    refuse_inputs(out, files.iter().map(PathBuf::as_path).chain([model.path()]))?;
    check_folder(out)?;
    let scene_name = scene_name(inputs, scene.facts());
    let usual = Tiling::of_tile(asked.tile_px.unwrap_or(card.tile_px));
    let tiling = Tiling {
        overlap_px: asked.overlap_px.unwrap_or(usual.overlap_px),
        ..usual
    };
    let mut warnings = doubts;
    let resample = match asked.resample {
        Resample::Auto => {
            warnings.extend(not_resampled(info, card));
            resampling(info, card, false)
        }
        Resample::Always => Some(resampling(info, card, true).ok_or(FilesError::UnknownPixelSize)?),
        Resample::Never => None,
    };
    let mut options = RunOptions {
        tiling,
        max_logit_bytes_in_memory: MAX_LOGITS_BYTES,
        resample,
        ..RunOptions::new(bands.clone())
    };

    let network = model.network().await?;
    let about_scene = prepare_run(&scene, card, &mut options, asked.matching, &assignment).await;
    warnings.splice(..0, about_scene.within(named)?);
    go_on(&*stop)?;
    let mut notices = scene.notices().to_vec();
    notices.extend(options.notices(card));
    let load_secs = started.elapsed().as_secs_f64();

    tracing::debug!(
        "model and scene are ready after {load_secs:.2} s: {} x {} pixels on {}",
        info.width,
        info.height,
        model.backend()
    );
    let started = Instant::now();
    let mut hooks = Hooks {
        observer: &mut *observer,
        stop: stop.clone(),
        out,
    };
    let mut logits = run_scene(&scene, network, card, &options, &mut hooks)
        .await
        // Temporary files are written beside the results, not in the scene.
        .map_err(|error| {
            let name = match error {
                InferError::Scene(SceneError::Io(IoError::Write(_))) => out.display().to_string(),
                _ => named(),
            };
            FilesError::In {
                name,
                source: Box::new(error.into()),
            }
        })?;
    go_on(&*stop)?;
    let stopped = stop.clone();
    logits.watch(Box::new(move |_, _| match stopped() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }));
    let run_secs = started.elapsed().as_secs_f64();
    tracing::debug!("the network ran for {run_secs:.2} s");

    let started = Instant::now();
    let decide = &asked.decide;
    let summary = logits.summary(decide)?;
    let decide_secs = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let files: Vec<&str> = scene.band_files().collect();
    let backend = model.backend().to_string();
    let notes = run_notes(card, &options, &files, &guess, &backend, &warnings, &notices);
    // The files say how the scene was run; what the map is like depends on the threshold, too.
    warnings.extend(summary.one_class());
    let results = Results {
        logits: &logits,
        card,
        model_sha256: model.sha256(),
        scene: &scene_name,
        georeference: info.georeference.as_ref(),
        ground_control: info.ground_control.as_ref(),
        decide,
        options: &output,
        notes: &notes,
    };
    let (outputs, remarks) = write_all(&results, out, &mut |file, done, total| {
        observer.after(Step::Wrote { file, done, total });
        go_on(&*stop)
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
    Ok(Report {
        model: json!({ "path": model.path(), "name": card.name, "sha256": model.sha256() }),
        input: json!({
            "paths": inputs.iter().map(|path| without_query(path)).collect::<Vec<_>>(),
            "bands": band_list(&scene),
            "width": info.width,
            "height": info.height,
            "epsg": info.georeference.as_ref().and_then(|georeference| georeference.crs.epsg),
        }),
        backend,
        options: Options {
            bands: numbered(card, &bands).collect(),
            threshold: decide.threshold,
            rare: decide.rare.clone(),
            top_k_percent: decide.top_k_percent,
            tile_px: tiling.tile_px,
            overlap_px: tiling.overlap_px,
            resampled: options.resample.map(|[rows, columns]| Resampled { rows, columns }),
            matched: options.matching,
        },
        band_assignment: describe(card, &assignment),
        areas: summary.classes,
        valid_pixels: summary.valid_pixels,
        nodata_pixels: summary.nodata_pixels,
        valid_hectares: summary.valid_hectares,
        top_k: summary.top_k,
        timings: Some(timings),
        warnings,
        notices,
        outputs,
    })
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
    let name = |path: &Path| Some(without_query(path).file_name()?.to_string_lossy().into_owned());
    // A path such as `.` has no name of its own.
    let full = |path: &Path| std::fs::canonicalize(path).ok();
    let names = inputs
        .iter()
        .filter_map(|path| name(path).or_else(|| name(&full(path)?)));
    let folder = || name(full(inputs.first()?)?.parent()?);
    SceneName::new(names.collect(), product.id.clone().or_else(folder).as_deref())
}

/// The bands that stand for the model's, counted from 1 as on the command line.
fn numbered<'a>(card: &'a Card, bands: &'a [usize]) -> impl Iterator<Item = (String, usize)> + 'a {
    let names = card.scene_bands().into_iter().map(str::to_owned);
    names.zip(bands.iter().map(|band| band + 1))
}

fn describe(card: &Card, assignment: &BandGuess) -> serde_json::Value {
    let choice = |choice: &BandChoice| {
        let bands: BTreeMap<String, usize> = numbered(card, &choice.bands).collect();
        json!({ "product": choice.product, "bands": bands })
    };
    let choices: Vec<serde_json::Value> = assignment.choices.iter().map(choice).collect();
    json!({ "certainty": assignment.certainty, "reason": assignment.reason, "choices": choices })
}

/// Each band with its name and file, counted from 1 as on the command line.
fn band_list(scene: &InputScene) -> serde_json::Value {
    let names = scene.scene_info().band_names.iter().zip(scene.band_files()).enumerate();
    names
        .map(|(index, (name, file))| json!({ "band": index + 1, "name": name, "file": file }))
        .collect()
}

/// The card without the optional bands that the scene does not have, as the caller or the scene itself says.
async fn fitted_card(spec: Option<&str>, scene: &InputScene, card: &Card) -> Result<Card, InferError> {
    match spec {
        Some(spec) => {
            let files: Vec<&str> = scene.band_files().collect();
            Ok(card_for_bands(card, &parse_bands(spec, &files, card)?)?.0)
        }
        None => card_for_scene(scene, card).await,
    }
}

fn assign(spec: Option<&str>, scene: &InputScene, card: &Card, guess: &BandGuess) -> Result<BandGuess, InferError> {
    let files: Vec<&str> = scene.band_files().collect();
    Ok(match spec {
        Some(spec) => BandGuess::assigned(
            parse_bands(spec, &files, card)?.into_iter().flatten().collect(),
            "The bands were assigned on the command line.",
        ),
        None => {
            refuse_missing_bands(scene, &card.required_bands())?;
            guess.clone()
        }
    })
}

/// Passes on what a run does.
struct Hooks<'a> {
    observer: &'a mut dyn Observer,
    stop: Rc<dyn Fn() -> bool>,
    /// Folder of the results; what does not fit into memory is kept on its disk during the run.
    out: &'a Path,
}

impl RunHooks for Hooks<'_> {
    async fn after_tile(&mut self, progress: Progress, _: &SceneLogits) -> ControlFlow<()> {
        let Progress { done, total, .. } = progress;
        self.observer.after(Step::Ran { done, total });
        match (self.stop)() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    async fn scratch(&mut self, _: u64) -> Result<Option<Box<dyn Scratch>>, InferError> {
        Ok(Some(scratch_in(self.out)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_a_name_is_called_what_it_leads_to() {
        let here = std::env::current_dir().expect("a folder");
        let name = here.file_name().expect("a name").to_string_lossy().into_owned();
        for path in [".", "src/.."] {
            assert_eq!(scene_name(&[path.into()], &ProductFacts::default()).name(), name);
        }
    }
}
