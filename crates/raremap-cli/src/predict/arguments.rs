//! The options of `raremap predict`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use raremap_device::Backend;
use raremap_infer::{DecideOptions, MatchMode};
use raremap_model::Card;
use raremap_output::{OutputOptions, PolygonsCrs, ProbabilitySamples};
use raremap_scene::ProductFacts;

/// Maps a scene: writes the mask, probabilities and saliency as cloud-optimized GeoTIFFs, polygons and a review list as GeoJSON, areas as
/// CSV and JSON, a STAC Item, and summary.json.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A weights file.
    pub(super) model: PathBuf,
    /// The scene: a GeoTIFF, the files of a product, or a folder or zip archive that contains them.
    #[arg(required = true)]
    pub(super) input: Vec<PathBuf>,
    /// Folder for the results; created if it does not exist.
    #[arg(long)]
    pub(super) out: PathBuf,
    /// Which band is which, by number from 1 or by file, such as green=2,red=3,nir=BAND4.tif [default: guessed].
    #[arg(long)]
    pub(super) bands: Option<String>,
    /// A pixel takes a rare class if its probability is at least this; 1 switches this off.
    #[arg(long, default_value_t = 0.5)]
    pub(super) threshold: f32,
    /// Rare classes to look for, separated by commas, or `none` [default: all of the model's].
    #[arg(long, value_delimiter = ',')]
    pub(super) rare: Option<Vec<String>>,
    /// Share of the scene that top-k marks, in percent.
    #[arg(long, default_value_t = 20.0)]
    pub(super) top_k: f32,
    /// Tile edge in pixels, a multiple of 32 [default: the model's].
    #[arg(long)]
    pub(super) tile: Option<usize>,
    /// Pixels that neighbouring tiles share, a multiple of 32 [default: a quarter of the tile].
    #[arg(long)]
    pub(super) overlap: Option<usize>,
    /// Whether to convert the numbers of a known product to reflectance, if its metadata say how and the model needs it.
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) reflectance: Reflectance,
    /// How to treat pixels at the edge of the scene, and those connected to them, that are 0 in all bands, if neither a nodata value nor a
    /// mask says where there is data.
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) empty_border: EmptyBorder,
    /// Whether to run at the model's resolution: if the scene's differs by more than 25 % (auto), always (on), or never (off). Results are
    /// on the scene's own grid.
    #[arg(long, value_enum, default_value = "off")]
    pub(super) resample: Resample,
    /// How to make the values like those of training: by units if they explain the difference (auto), each band by its percentiles, or not
    /// at all (off).
    #[arg(long = "match", value_enum, default_value = "auto")]
    pub(super) matching: Match,
    /// Device to run on.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(super) device: Backend,
    #[command(flatten)]
    pub(super) files: FileArgs,
    /// Print the summary and any error as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Options for the result files.
#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// Samples of probability.tif and saliency.tif: u8 in steps of 1/254 (255 is no data), or f32.
    #[arg(long, value_enum, default_value = "u8")]
    pub(super) probability: StoredAs,
    /// Coordinates of polygons.geojson and review.geojson: longitude and latitude, or the scene's own.
    #[arg(long, value_enum, default_value = "wgs84")]
    pub(super) polygons_crs: Coordinates,
    /// Leave out polygons smaller than this, in hectares.
    #[arg(long, default_value_t = 0.0)]
    pub(super) min_area_ha: f64,
    /// Largest number of places in the review list.
    #[arg(long, default_value_t = 200)]
    pub(super) review_limit: usize,
    /// When the scene was taken, such as 2024-02-03T05:06:07Z, for the STAC Item [default: what the product says].
    #[arg(long)]
    pub(super) datetime: Option<jiff::Timestamp>,
    /// When the files were made, for the STAC Item; without it, equal runs give equal files.
    #[arg(long)]
    pub(super) created: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StoredAs {
    U8,
    F32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Coordinates {
    Wgs84,
    Scene,
}

impl FileArgs {
    /// The options of the result files; the time is the product's unless one is given.
    pub(super) fn options(&self, product: &ProductFacts) -> OutputOptions {
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
            datetime: self
                .datetime
                .map(|time| time.to_string())
                .or_else(|| product.acquired.clone()),
            created: self.created.map(|time| time.to_string()),
        }
    }
}

/// What to do with the stored numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Reflectance {
    /// Convert them if it is known how.
    Auto,
    /// Use them as they are.
    Off,
}

/// How to treat zeros along the edge of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum EmptyBorder {
    /// As missing data, because warping leaves such borders.
    Auto,
    /// As values.
    Off,
}

/// When to run at the model's resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Resample {
    /// If the scene's resolution differs by more than 25 %.
    Auto,
    /// Always.
    On,
    /// Never; a warning says where it may help.
    Off,
}

/// How to change values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Match {
    /// Not at all; a warning says where it may help.
    Off,
    /// By a factor between units, if one explains the difference.
    Units,
    /// Each band by its own median and spread.
    Percentiles,
    /// By units if they explain the difference, otherwise not at all.
    Auto,
}

/// Which pixels take which class.
///
/// # Errors
/// If a rare class is named twice.
pub(super) fn decide_options(args: &PredictArgs, card: &Card) -> Result<DecideOptions> {
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

/// How values are changed; `None` for not at all.
pub(super) fn match_mode(asked: Match) -> Option<MatchMode> {
    match asked {
        Match::Off => None,
        Match::Units => Some(MatchMode::Units),
        Match::Percentiles => Some(MatchMode::Percentiles),
        Match::Auto => Some(MatchMode::Auto),
    }
}
