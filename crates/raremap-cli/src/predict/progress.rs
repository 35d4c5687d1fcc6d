//! Progress of one scene: a bar on a terminal, and JSON lines elsewhere, at most one a second. It shows nothing under `--quiet`.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use raremap_files::{Observer, Step};
use serde_json::json;
use tracing::Level;

use super::INTERRUPTED;
use crate::log;

/// A bar of that template, if there is a terminal to show it on.
pub(super) fn bar(template: &str) -> Option<ProgressBar> {
    let is_seen = std::io::IsTerminal::is_terminal(&std::io::stderr()) && tracing::enabled!(Level::INFO);
    is_seen.then(|| ProgressBar::new(0).with_style(style(template)))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Whether somebody pressed Ctrl-C.
pub(super) fn interrupted() -> Rc<dyn Fn() -> bool> {
    Rc::new(|| INTERRUPTED.load(Ordering::SeqCst))
}

/// Shows the tiles and the files of a scene.
pub(super) struct SceneProgress {
    bar: Option<ProgressBar>,
    last: Instant,
}

impl SceneProgress {
    pub(super) fn new() -> Self {
        Self {
            bar: bar("{elapsed_precise} {wide_bar} tile {pos}/{len}, {eta} left"),
            last: Instant::now(),
        }
    }

    /// Shows which file is being made, as often as it is called.
    fn file(&mut self, name: &str, done: usize, total: usize) {
        match &self.bar {
            Some(bar) => {
                if bar.length() != Some(total as u64) || bar.position() != done as u64 {
                    let template = "{elapsed_precise} {wide_bar} {msg}, file {pos} of {len}";
                    bar.set_style(style(template));
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

    /// Shows how many tiles are done.
    fn tile(&mut self, done: usize, total: usize) {
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
    }

    /// Says how much of a file in an archive is unpacked.
    fn unpacked(&mut self, file: &str, done: u64, total: u64) {
        if done == total || self.last.elapsed().as_secs() >= 1 {
            self.last = Instant::now();
            log::progress(&json!({ "event": "unpack", "file": file, "done": done, "total": total }));
        }
    }
}

impl Observer for SceneProgress {
    fn after(&mut self, step: Step<'_>) {
        match step {
            Step::Unpacked {
                file,
                done_bytes,
                total_bytes,
            } => self.unpacked(file, done_bytes, total_bytes),
            Step::Ran { done, total } => self.tile(done, total),
            Step::Wrote { file, done, total } => self.file(file, done, total),
        }
    }

    fn stop(&self) -> Rc<dyn Fn() -> bool> {
        interrupted()
    }
}
