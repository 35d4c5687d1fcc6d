//! The `raremap` command.

fn main() {}
