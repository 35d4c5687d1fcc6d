//! Hears Ctrl-C and calls a progress callback while the interpreter does something else.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use raremap_files::{Observer, Step};
use raremap_infer::{InferError, Progress, RunHooks, SceneLogits};
use raremap_io::{FileScratch, IoError, Scratch};

use crate::error::Failure;

/// Signals are looked at no more often than this: rows and parts of files are done faster.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Whoever called from Python. Only the main thread of an interpreter hears Ctrl-C.
pub(crate) struct Watch<'a> {
    progress: Option<&'a Py<PyAny>>,
    raised: Rc<RefCell<Option<PyErr>>>,
    looked: Rc<Cell<Instant>>,
}

impl<'a> Watch<'a> {
    /// `progress` is called with the number of tiles that are done and that of all tiles.
    pub(crate) fn new(progress: Option<&'a Py<PyAny>>) -> Self {
        Self {
            progress,
            raised: Rc::default(),
            looked: Rc::new(Cell::new(Instant::now())),
        }
    }

    /// Why the run ended: what was raised, or `error`.
    pub(crate) fn why(&self, error: impl Into<Failure>) -> Failure {
        match self.raised.take() {
            Some(raised) => Failure::Raised(raised),
            None => error.into(),
        }
    }

    /// Fails with what was raised, if something was.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.raised.take().map_or(Ok(()), |raised| Err(Failure::Raised(raised)))
    }

    fn ran(&self, done: usize, total: usize) {
        let Some(progress) = self.progress else { return };
        if self.raised.borrow().is_none()
            && let Err(error) = Python::attach(|py| progress.call1(py, (done, total)))
        {
            self.raised.replace(Some(error));
        }
    }

    /// Whether the run is to end.
    pub(crate) fn stopped(&self) -> impl Fn() -> bool + 'static {
        let (raised, looked) = (Rc::clone(&self.raised), Rc::clone(&self.looked));
        move || {
            if raised.borrow().is_none() && looked.get().elapsed() >= BETWEEN_LOOKS {
                looked.set(Instant::now());
                if let Err(error) = Python::attach(|py| py.check_signals()) {
                    raised.replace(Some(error));
                }
            }
            raised.borrow().is_some()
        }
    }
}

impl Observer for Watch<'_> {
    fn after(&mut self, step: Step<'_>) {
        if let Step::Ran { done, total } = step {
            self.ran(done, total);
        }
    }

    fn stop(&self) -> Rc<dyn Fn() -> bool> {
        Rc::new(self.stopped())
    }
}

impl RunHooks for Watch<'_> {
    async fn after_tile(&mut self, progress: Progress, _: &SceneLogits) -> ControlFlow<()> {
        self.ran(progress.done, progress.total);
        match self.stopped()() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    async fn scratch(&mut self, _: u64) -> Result<Option<Box<dyn Scratch>>, InferError> {
        let file = tempfile::tempfile().map_err(IoError::Write)?;
        Ok(Some(Box::new(FileScratch::new(file))))
    }
}
