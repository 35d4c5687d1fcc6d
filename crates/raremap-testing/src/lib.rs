//! What the tests of several crates share.

#[cfg(feature = "card")]
pub mod card;
pub mod ring;
