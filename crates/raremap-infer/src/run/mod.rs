//! The network over a whole scene, window by window.

pub(crate) mod blend;
pub(crate) mod logits;
pub(crate) mod memory;
pub(crate) mod normalize;
pub(crate) mod pipeline;
pub(crate) mod plan;
pub(crate) mod prepare;
pub(crate) mod saliency;
pub(crate) mod upsample;
pub(crate) mod validity;
pub(crate) mod windows;
