//! What a run says while it goes on: a progress bar on a terminal, JSON lines elsewhere, and always `log.jsonl`.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// The run's log.
pub struct Log {
    file: File,
    bar: Option<ProgressBar>,
}

impl Log {
    /// Opens `log.jsonl` in `run` for appending.
    pub fn open(run: &Path, total_steps: usize, done: usize) -> Result<Self> {
        let path = run.join("log.jsonl");
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total_steps as u64).with_position(done as u64);
            let template = "{elapsed_precise} {wide_bar} step {pos}/{len}, {eta} left  {msg}";
            bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Ok(Self { file, bar })
    }

    /// One step is done.
    pub fn step(&self, step: usize, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_position(step as u64);
            bar.set_message(message());
        }
    }

    /// Something worth keeping.
    pub fn event(&mut self, event: &Value) -> Result<()> {
        writeln!(self.file, "{event}").context("cannot write log.jsonl")?;
        match &self.bar {
            Some(bar) => bar.println(event.to_string()),
            None => eprintln!("{event}"),
        }
        Ok(())
    }
}
