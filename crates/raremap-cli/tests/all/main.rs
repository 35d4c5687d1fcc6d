//! The command, run as a user runs it, each time in a new folder.

mod bench;
mod command;
mod data;
mod faults;
mod inspect;
mod items;
mod optional_bands;
mod runs;
mod support;
mod tune;
mod tutorial;
