//! Results of whole runs.

mod layer;
mod results;
