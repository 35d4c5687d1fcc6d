#![doc = include_str!("../README.md")]

mod decide;
mod error;
mod fit;
mod run;

pub use decide::{ClassArea, DecideOptions, Decision, MaskRows, NO_CLASS, Summary};
pub use error::InferError;
pub use fit::assignment::{parse_bands, refuse_missing_bands};
pub use fit::bands::{BandChoice, BandClues, BandGuess, common_names, guess_bands, guess_scene_bands};
pub use fit::certainty::Certainty;
pub use fit::matching::{MatchMode, Matching, eight_bit_step, match_statistics};
pub use fit::opacity::Opacity;
pub use fit::open::{OpenOptions, open_product};
pub use fit::optional::{card_for_bands, card_for_scene};
pub use fit::preview::{Display, Look, Preview, Reduced};
pub use fit::reflectance::reflectance_factor;
pub use fit::sampled::{PERCENTS, SampledBand, SampledStatistics};
pub use fit::scaling::{not_resampled, pixel_size_m, resampling};
pub use fit::statistics::{PreviewStatistics, Warning, band_statistics, compare_resolution, compare_statistics};
pub use run::logits::{AuxiliaryRows, RowWatch, SceneLogits};
pub use run::memory::SceneInMemory;
pub use run::normalize::{Normalizer, SceneTraits, normalized_difference};
pub use run::pipeline::{Progress, RunHooks, RunOptions, preview_for_statistics, run_in_memory, run_plan, run_scene};
pub use run::plan::{MAX_TILE_PX, PlanPart, TILE_MULTIPLE, Tile, TilePlan, Tiling};
pub use run::prepare::{about_place, prepare_run, run_notes};
pub use run::saliency::{SaliencyCut, SaliencyHistogram, logit, saliency, sigmoid};
pub use run::upsample::{RowUpsampler, View};
