#![doc = include_str!("../README.md")]

#[cfg(feature = "card")]
pub mod card;
pub mod ring;
