//! placeholder
#[derive(Debug, clap::Args)]
pub struct TuneArgs {}
pub fn run(_: &TuneArgs) -> anyhow::Result<()> { anyhow::bail!("x") }
