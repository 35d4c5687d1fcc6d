//! The networks and their files from outside.

#[path = "../support/mod.rs"]
mod support;
#[path = "../../../../fuzz/src/weights.rs"]
mod weights;

mod damaged_weights;
mod tile;
mod weights_file;
