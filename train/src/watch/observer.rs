//! Lets a caller see a run while it lasts.

use super::event::{Finding, RunEvent};
use super::history::History;

/// Sees what happens in a run, such as a progress bar does.
pub trait Observer {
    /// Takes an event that has just happened. All steps come, though not all are logged: `history` has those that are. `findings` is what is
    /// wrong with the run now.
    fn event(&mut self, event: &RunEvent, history: &History, findings: &[Finding]);
}

/// Nobody watches.
impl Observer for () {
    fn event(&mut self, _: &RunEvent, _: &History, _: &[Finding]) {}
}
