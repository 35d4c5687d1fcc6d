//! Runs the command as a user does, in folders of their own. One program: each one more would be linked on its own.

#[path = "../support/mod.rs"]
mod support;

mod bench;
mod command;
mod data;
mod faults;
mod inspect;
mod items;
mod optional_bands;
mod runs;
mod tune;
mod tutorial;
