//! Does the scene fit the model? Asked before a run.

pub(crate) mod assignment;
pub(crate) mod bands;
pub(crate) mod certainty;
pub(crate) mod matching;
pub(crate) mod opacity;
pub(crate) mod open;
pub(crate) mod optional;
pub(crate) mod preview;
pub(crate) mod reflectance;
pub(crate) mod sampled;
pub(crate) mod scaling;
pub(crate) mod statistics;
