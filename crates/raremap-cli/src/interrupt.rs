//! What the subcommands that train share: they stop on Ctrl-C where they can continue, and start this command again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// A flag that Ctrl-C sets; to be called once.
///
/// # Errors
/// If the system does not let the signal be caught.
pub fn stop_on_interrupt() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let signal = Arc::clone(&stop);
    ctrlc::set_handler(move || signal.store(true, Ordering::SeqCst)).context("cannot catch Ctrl-C")?;
    Ok(stop)
}

/// The file of this command.
///
/// # Errors
/// If the system does not tell it.
pub fn own_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this command's own file")
}
