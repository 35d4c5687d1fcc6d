//! From a scene to its mask: window planning, normalization, blending, thresholds and areas.
//!
//! [`run_scene`] returns [`SceneLogits`], from which you can draw as many masks as you like: threshold, rare classes and top-k need no new
//! run. The same code runs natively and in the browser. Nothing here opens a file, chooses a device or knows about a page.

mod areas;
mod assignment;
mod band_names;
mod bands;
mod blend;
mod decide;
mod error;
mod golden;
mod logits;
mod matching;
mod memory;
mod network;
mod normalize;
mod opacity;
mod open;
mod pipeline;
mod plan;
mod prepare;
mod regions;
mod results;
mod rows;
mod saliency;
mod scaling;
mod statistics;
mod upsample;
mod validity;

pub use areas::{Ellipsoid, Ground, M2_PER_HA, PixelAreas};
pub use assignment::{parse_bands, refuse_missing_bands};
pub use bands::{BandClues, BandGuess, Certainty, guess_bands};
pub use decide::{ClassArea, DecideOptions, Decision, Summary};
pub use error::InferError;
pub use golden::{GOLDEN_TOLERANCE, check_golden};
pub use logits::{RowWatch, SceneLogits};
pub use matching::{MatchMode, Matching, match_statistics};
pub use memory::SceneInMemory;
pub use network::{BurnTileModel, TileLogits, TileModel};
pub use normalize::{Normalizer, normalized_difference};
pub use opacity::Opacity;
pub use open::open_product;
pub use pipeline::{Progress, RunHooks, RunOptions, pixel_areas, preview_for_statistics, run_in_memory, run_scene};
pub use plan::{MAX_TILE_PX, TILE_MULTIPLE, Tile, TilePlan, Tiling};
pub use prepare::{prepare_run, run_notes};
pub use results::{OutputFile, OutputKind, OutputOptions, PolygonsCrs, ProbabilitySamples, Results, SceneName};
pub use rows::{AuxiliaryRows, MaskRows};
pub use saliency::{SaliencyCut, SaliencyHistogram, logit, saliency, sigmoid};
pub use scaling::{not_resampled, pixel_size_m, reflectance_factor, resampling};
pub use statistics::{BandStatistics, Warning, band_statistics, compare_resolution, compare_statistics};
pub use upsample::{RowUpsampler, View};
