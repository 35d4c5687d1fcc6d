//! Results of whole runs. One program: each one more would be linked on its own.

mod layer;
mod results;
