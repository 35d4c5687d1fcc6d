#![doc = include_str!("../README.md")]
//!
//! The modules are the stages through which data flows, in this order: [`dataset`] reads samples, [`sample`] chooses crops, [`augment`]
//! varies them, [`loss`] scores what the network makes of them, [`optim`] makes steps, [`run`] drives it all, [`watch`] reports it, and
//! [`evaluate`] evaluates the result. Before a run come [`stats`], [`check`] and [`split`], after it [`export`], and around many of them
//! [`tune`] and [`ablate`]. [`synth`] makes scenes whose true classes are known.

// What it has to say are events of `tracing` and of a run.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod ablate;
pub mod augment;
pub mod check;
mod checkpoint;
pub mod config;
pub mod dataset;
mod error;
pub mod evaluate;
pub mod export;
pub mod loss;
pub mod metrics;
pub mod model_section;
pub mod optim;
mod overrides;
pub mod run;
pub mod sample;
pub mod split;
mod start;
pub mod stats;
pub mod synth;
pub mod tune;
pub mod watch;

pub use error::{Misplaced, Result, TrainError};
