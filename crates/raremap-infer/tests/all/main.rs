//! Runs over whole scenes, from outside. One program: each one more would be linked on its own.

mod part;
mod preview;
mod resample;
mod scene;
