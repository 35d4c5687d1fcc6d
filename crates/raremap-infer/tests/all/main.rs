//! Runs over whole scenes, from outside.

mod part;
mod preview;
mod resample;
mod scene;
mod traits;
