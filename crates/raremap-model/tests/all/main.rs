//! The networks and their files from outside. One program: each one more would be linked on its own.

#[path = "../support/mod.rs"]
mod support;
#[path = "../../../../fuzz/src/weights.rs"]
mod weights;

mod damaged_weights;
mod tile;
mod weights_file;
