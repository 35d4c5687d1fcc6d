//! Trains and evaluates models: datasets, crops, augmentation, losses, optimizers, runs, evaluation, and generated scenes.
//!
//! The modules are the stages through which data flows, in this order: [`dataset`] reads samples, [`sample`] chooses crops, [`augment`]
//! varies them, [`loss`] scores what the network makes of them, [`optim`] makes steps, [`run`] drives it all, and [`evaluate`] evaluates
//! the result.

pub mod ablate;
pub mod augment;
pub mod check;
pub mod checkpoint;
pub mod config;
pub mod dataset;
pub mod evaluate;
pub mod export;
pub mod loss;
pub mod metrics;
pub mod model_section;
pub mod optim;
pub mod overrides;
pub mod run;
pub mod sample;
pub mod split;
pub mod start;
pub mod stats;
pub mod synth;
pub mod tune;
pub mod watch;
