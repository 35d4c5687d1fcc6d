//! Checks that the tests of several crates share.

pub mod ring;
