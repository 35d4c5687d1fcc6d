//! What a run shows while it lasts.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use raremap_infer::{InferError, Progress, RunHooks, SceneLogits};
use raremap_io::Scratch;
use serde_json::json;
use tracing::Level;

use super::output::scratch_in;
use super::{go_on, or_break};
use crate::log;

/// Shows a progress bar on a terminal, and JSON lines elsewhere, at most one a second. It shows nothing under `--quiet`.
pub(super) struct Reporter<'a> {
    bar: Option<ProgressBar>,
    last: Instant,
    /// Folder of the results; what does not fit into memory is kept on its disk during the run.
    out: &'a Path,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(out: &'a Path) -> Self {
        let is_seen = std::io::IsTerminal::is_terminal(&std::io::stderr()) && tracing::enabled!(Level::INFO);
        let bar = is_seen.then(|| {
            let template = "{elapsed_precise} {wide_bar} tile {pos}/{len}, {eta} left";
            ProgressBar::new(0)
                .with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            bar,
            last: Instant::now(),
            out,
        }
    }
}

impl Reporter<'_> {
    /// Shows which file is being made, as often as it is called.
    pub(super) fn file(&mut self, name: &str, done: usize, total: usize) {
        match &self.bar {
            Some(bar) => {
                if bar.length() != Some(total as u64) || bar.position() != done as u64 {
                    let template = "{elapsed_precise} {wide_bar} {msg}, file {pos} of {len}";
                    bar.set_style(
                        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
                    );
                    bar.set_length(total as u64);
                    bar.set_position(done as u64);
                }
                bar.set_message(name.to_owned());
            }
            None if self.last.elapsed().as_secs() >= 1 => {
                self.last = Instant::now();
                log::progress(&json!({ "event": "file", "file": name, "done": done, "total": total }));
            }
            None => {}
        }
    }
}

impl RunHooks for Reporter<'_> {
    async fn after_tile(&mut self, progress: Progress, _: &SceneLogits) -> ControlFlow<()> {
        let Progress { done, total, .. } = progress;
        match &self.bar {
            Some(bar) => {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            }
            None if done == total || self.last.elapsed().as_secs() >= 1 => {
                self.last = Instant::now();
                log::progress(&json!({ "event": "tile", "done": done, "total": total }));
            }
            None => {}
        }
        or_break(go_on())
    }

    async fn scratch(&mut self, _: u64) -> Result<Option<Box<dyn Scratch>>, InferError> {
        Ok(Some(scratch_in(self.out)?))
    }
}
