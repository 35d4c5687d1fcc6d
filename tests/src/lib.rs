//! Tests that span crates; see `tests/README.md`.
