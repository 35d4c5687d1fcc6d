//! How far a guess is to be trusted.

use serde::Serialize;

/// How much a guess of the band order can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The bands' names say so.
    Named,
    /// What the file says fits a known product, but others too; or the number of bands does.
    Likely,
    /// Nothing says so, or not for every band: a person should confirm it.
    Unknown,
}
