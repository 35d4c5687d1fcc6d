//! How far a guess is to be trusted.

use serde::Serialize;

/// How much a guess of the band order can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The bands' names say so.
    Named,
    /// The file's description, or only the number of bands, fits a known product, but others may fit, too.
    Likely,
    /// The file does not say, or not for every band: a person should confirm it.
    Unknown,
}
