//! `raremap predict` computes a scene's mask, probabilities, polygons, review list and areas, as the page does; or those of many scenes.

mod items;
mod progress;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use raremap_device::Backend;
use raremap_files::{FilesError, Model, PredictOptions};
use raremap_infer::{DecideOptions, MatchMode, OpenOptions};
use raremap_model::Card;
use raremap_output::{OutputOptions, PolygonsCrs, ProbabilitySamples};
use serde_json::json;

use items::ItemsArgs;
use progress::SceneProgress;
use table::print_table;

/// Maps a scene: writes the mask, probabilities and saliency as cloud-optimized GeoTIFFs, polygons and a review list as GeoJSON, areas as
/// CSV and JSON, a STAC Item, and summary.json. With --items, maps many scenes.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A weights file.
    model: PathBuf,
    /// The scene: a GeoTIFF, the files of a product, or a folder or zip archive that contains them. Files and archives can be addresses
    /// (https://...).
    #[arg(required_unless_present = "items", conflicts_with = "items")]
    input: Vec<PathBuf>,
    #[command(flatten)]
    items: ItemsArgs,
    /// Folder for the results; created if it does not exist.
    #[arg(long)]
    out: PathBuf,
    /// Which band is which, by number from 1 or by file, such as green=2,red=3,nir=BAND4.tif [default: guessed].
    #[arg(long)]
    bands: Option<String>,
    /// A pixel takes a rare class if its probability is at least this; 1 switches this off.
    #[arg(long, default_value_t = 0.5)]
    threshold: f32,
    /// Rare classes to look for, separated by commas, or `none` [default: all of the model's].
    #[arg(long, value_delimiter = ',')]
    rare: Option<Vec<String>>,
    /// Share of the scene that top-k marks, in percent.
    #[arg(long, default_value_t = 20.0)]
    top_k: f32,
    /// Tile edge in pixels, a multiple of 32 [default: the model's].
    #[arg(long)]
    tile: Option<usize>,
    /// Pixels that neighbouring tiles share, a multiple of 32 [default: a quarter of the tile].
    #[arg(long)]
    overlap: Option<usize>,
    /// Whether to convert the numbers of a known product to reflectance, if its metadata say how and the model needs it.
    #[arg(long, value_enum, default_value = "auto")]
    reflectance: Reflectance,
    /// How to treat pixels that are 0 in all bands and touch the scene's edge, directly or through other such pixels, if neither a nodata
    /// value nor a mask says where there is data.
    #[arg(long, value_enum, default_value = "auto")]
    empty_border: EmptyBorder,
    /// Whether to run at the model's resolution: if the scene's differs by more than 25% (auto), always (on), or never (off). Results are
    /// on the scene's own grid.
    #[arg(long, value_enum, default_value = "off")]
    resample: Resample,
    /// How to match the values to the training data's: by a change of units if that explains the difference (auto or units), each band by its
    /// percentiles (percentiles), or not at all (off).
    #[arg(long = "match", value_enum, default_value = "auto")]
    matching: Match,
    /// Device to run on.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Backend,
    #[command(flatten)]
    files: FileArgs,
    /// Print the summary and any error as JSON.
    #[arg(long)]
    json: bool,
}

/// Options for the result files.
#[derive(Debug, Args)]
struct FileArgs {
    /// Samples of probability.tif and saliency.tif: u8 in steps of 1/254 (255 is no data), or f32.
    #[arg(long, value_enum, default_value = "u8")]
    probability: StoredAs,
    /// Coordinates of polygons.geojson and review.geojson: longitude and latitude, or the scene's own.
    #[arg(long, value_enum, default_value = "wgs84")]
    polygons_crs: Coordinates,
    /// Leave out polygons smaller than this, in hectares.
    #[arg(long, default_value_t = 0.0)]
    min_area_ha: f64,
    /// Largest number of places in the review list.
    #[arg(long, default_value_t = 200)]
    review_limit: usize,
    /// When the scene was taken, such as 2024-02-03T05:06:07Z, for the STAC Item [default: what the product says].
    #[arg(long)]
    datetime: Option<jiff::Timestamp>,
    /// When the files were made, for the STAC Item; without it, equal runs give equal files.
    #[arg(long)]
    created: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StoredAs {
    U8,
    F32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Coordinates {
    Wgs84,
    Scene,
}

impl FileArgs {
    fn options(&self) -> OutputOptions {
        OutputOptions {
            probability: match self.probability {
                StoredAs::U8 => ProbabilitySamples::U8,
                StoredAs::F32 => ProbabilitySamples::F32,
            },
            polygons_crs: match self.polygons_crs {
                Coordinates::Wgs84 => PolygonsCrs::Wgs84,
                Coordinates::Scene => PolygonsCrs::Scene,
            },
            min_area_ha: self.min_area_ha,
            review_limit: self.review_limit,
            datetime: self.datetime.map(|time| time.to_string()),
            created: self.created.map(|time| time.to_string()),
            ..OutputOptions::default()
        }
    }
}

/// What to do with the stored numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Reflectance {
    /// Convert them if it is known how.
    Auto,
    /// Use them as they are.
    Off,
}

/// How to treat zeros along the edge of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EmptyBorder {
    /// As missing data, because warping leaves such borders.
    Auto,
    /// As values.
    Off,
}

/// When to run at the model's resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Resample {
    /// If the scene's resolution differs by more than 25%.
    Auto,
    /// Always.
    On,
    /// Never; a warning says where it may help.
    Off,
}

/// How to change values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Match {
    /// Not at all; a warning says where it may help.
    Off,
    /// By a factor between units, if one explains the difference.
    Units,
    /// Each band by its own median and spread.
    Percentiles,
    /// By units if they explain the difference, otherwise not at all.
    Auto,
}

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The exit code of a process that SIGINT ended, as shells report it.
const INTERRUPTED_STATUS: u8 = 128 + 2;

/// Runs `raremap predict`. The exit code is 0 if there is a result, 2 with an error on standard error if there is none, and 130 after
/// Ctrl-C; with `--items`, 0 if no more scenes failed than are allowed, and 1 if more did.
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
    let error = match predict(args) {
        Ok(code) => return code,
        Err(error) => error,
    };
    let status = match error.downcast_ref() {
        Some(FilesError::Interrupted) => INTERRUPTED_STATUS,
        _ => 2,
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
    error.downcast_ref().map_or("misuse", FilesError::code)
}

fn predict(args: &PredictArgs) -> Result<ExitCode> {
    let model = Model::read(&args.model, args.device)?;
    let options = PredictOptions {
        bands: args.bands.clone(),
        decide: decide_options(args, model.card())?,
        tile_px: args.tile,
        overlap_px: args.overlap,
        opening: OpenOptions {
            to_reflectance: args.reflectance == Reflectance::Auto,
            empty_border: args.empty_border == EmptyBorder::Auto,
        },
        resample: match args.resample {
            Resample::Auto => raremap_files::Resample::Auto,
            Resample::On => raremap_files::Resample::Always,
            Resample::Off => raremap_files::Resample::Never,
        },
        matching: match_mode(args.matching),
        // The product's own time, if it has one, is known once it is open.
        output: args.files.options(),
    };
    if let Some(list) = &args.items.items {
        return items::predict_items(&model, list, options, args);
    }
    let done = raremap_files::predict(&model, &args.input, &args.out, &options, &mut SceneProgress::new())?;
    if args.json {
        print!("{}", done.summary);
    } else {
        print_table(&done.report, &args.out);
    }
    Ok(ExitCode::SUCCESS)
}

fn decide_options(args: &PredictArgs, card: &Card) -> Result<DecideOptions> {
    let rare: Vec<String> = match &args.rare {
        None => card.rare_classes.clone(),
        Some(names) if names.iter().all(|name| name == "none" || name.is_empty()) => Vec::new(),
        Some(names) => names.iter().map(|name| name.trim().to_owned()).collect(),
    };
    let mut known = BTreeSet::new();
    if let Some(name) = rare.iter().find(|name| !known.insert(*name)) {
        bail!("--rare names {name} twice");
    }
    Ok(DecideOptions {
        threshold: args.threshold,
        rare,
        top_k_percent: args.top_k,
    })
}

fn match_mode(asked: Match) -> Option<MatchMode> {
    match asked {
        Match::Off => None,
        Match::Units => Some(MatchMode::Units),
        Match::Percentiles => Some(MatchMode::Percentiles),
        Match::Auto => Some(MatchMode::Auto),
    }
}
