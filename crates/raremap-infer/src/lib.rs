//! From a scene to its mask: window planning, normalization, blending, thresholds and areas.
//!
//! [`run_scene`] gives [`SceneLogits`], from which masks are drawn as often as asked: threshold, rare classes and top-k need no new run.
//! The same code runs natively and in the browser; nothing here opens a file, chooses a device or knows of a page.

mod areas;
mod assignment;
mod band_names;
mod bands;
mod blend;
mod decide;
mod error;
mod golden;
mod logits;
mod memory;
mod network;
mod normalize;
mod opacity;
mod pipeline;
mod plan;
mod saliency;
mod statistics;
mod upsample;
mod validity;

pub use areas::{Ellipsoid, Ground, M2_PER_HA, PixelAreas};
pub use assignment::parse_bands;
pub use bands::{BandClues, BandGuess, Certainty, guess_bands};
pub use decide::{ClassArea, DecideOptions, Decision, Summary};
pub use error::InferError;
pub use golden::{GOLDEN_TOLERANCE, check_golden};
pub use logits::SceneLogits;
pub use memory::SceneInMemory;
pub use network::{BurnTileModel, TileLogits, TileModel};
pub use normalize::{Normalizer, normalized_difference};
pub use opacity::Opacity;
pub use pipeline::{Progress, RunHooks, RunOptions, pixel_areas, run_in_memory, run_scene};
pub use plan::{MAX_TILE_PX, TILE_MULTIPLE, Tile, TilePlan, Tiling};
pub use saliency::{SaliencyCut, SaliencyHistogram, logit, saliency, sigmoid};
pub use statistics::{BandStatistics, Warning, band_statistics, compare_resolution, compare_statistics};
pub use upsample::{RowUpsampler, View};
