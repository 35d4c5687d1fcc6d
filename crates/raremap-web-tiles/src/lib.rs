#![doc = include_str!("../README.md")]
#![cfg(target_arch = "wasm32")]

mod error;
mod panic;
mod runner;

pub use error::{RunnerError, js_error};
pub use runner::{GoldenCheck, forward};
