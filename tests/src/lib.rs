//! Tests that span crates; see CONTRIBUTING.md, "Adding a test".
