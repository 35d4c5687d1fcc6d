//! What a read may take of time and memory, whatever the file. A program of its own, because its allocator counts for all tests that run beside each other.

#[path = "../../../../fuzz/src/entries.rs"]
#[allow(dead_code, reason = "the tests use a part of what the fuzz targets share")]
mod entries;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tiny.rs"]
#[allow(dead_code, reason = "the tests use a part")]
mod tiny;

mod bombs;
mod measure;
mod mutations;
