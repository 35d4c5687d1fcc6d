//! Writes progress, warnings and diagnostics to standard error.
//!
//! Results go to standard output. The error that ended the command is printed at every level.

use std::fmt;
use std::io;

use anyhow::{Context, Result};
use clap::ArgAction;
use serde_json::Value;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Says what is logged if no flag does: a level, or levels by module (`raremap_train=debug`).
const VARIABLE: &str = "RAREMAP_LOG";

/// How much the command prints.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Verbosity {
    /// Say more: -v what the command does, -vv every detail
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet", display_order = 100)]
    verbose: u8,
    /// Say less: -q only warnings and errors, -qq only errors
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 101)]
    quiet: u8,
}

impl Verbosity {
    /// Starts logging, to be called once.
    ///
    /// # Errors
    /// Where `RAREMAP_LOG` is not a list of levels.
    pub fn start(self) -> Result<()> {
        let variable = std::env::var(VARIABLE).ok();
        tracing_subscriber::registry()
            .with(layer().event_format(Plain).with_writer(io::stderr))
            .with(self.filter(variable.as_deref())?)
            .init();
        Ok(())
    }

    fn filter(self, variable: Option<&str>) -> Result<Targets> {
        let level = match (self.quiet, self.verbose) {
            (0, 0) => match variable.filter(|text| !text.trim().is_empty()) {
                Some(text) => {
                    return text
                        .parse()
                        .with_context(|| format!("{VARIABLE}={text} is not a list of levels"));
                }
                None => LevelFilter::INFO,
            },
            (0, 1) => LevelFilter::DEBUG,
            (0, _) => LevelFilter::TRACE,
            (1, _) => LevelFilter::WARN,
            _ => LevelFilter::ERROR,
        };
        // Libraries only log where the filter names them.
        Ok(Targets::new().with_target("raremap", level))
    }
}

/// Writes a line of machine-readable progress, unless the command is quiet.
pub fn progress(event: &Value) {
    if tracing::enabled!(Level::INFO) {
        eprintln!("{event}");
    }
}

/// Prints progress as it is, warnings and errors with their level, and diagnostics with the module that they come from.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        match *metadata.level() {
            Level::INFO => {}
            Level::WARN | Level::ERROR => writer.write_str("raremap: ")?,
            Level::DEBUG => write!(writer, "debug: {}: ", metadata.target())?,
            Level::TRACE => write!(writer, "trace: {}: ", metadata.target())?,
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_of(verbose: u8, quiet: u8, variable: Option<&str>) -> Option<Level> {
        let filter = Verbosity { verbose, quiet }.filter(variable).expect("levels");
        let levels = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
        levels
            .into_iter()
            .find(|level| filter.would_enable("raremap_train::run", level))
    }

    #[test]
    fn flags_come_before_the_variable() {
        assert_eq!(level_of(0, 0, None), Some(Level::INFO));
        assert_eq!(level_of(0, 0, Some("")), Some(Level::INFO));
        assert_eq!(level_of(0, 0, Some("warn")), Some(Level::WARN));
        assert_eq!(level_of(0, 0, Some("raremap_train::run=trace")), Some(Level::TRACE));
        assert_eq!(level_of(0, 0, Some("off")), None);
        assert_eq!(level_of(1, 0, Some("off")), Some(Level::DEBUG));
        assert_eq!(level_of(3, 0, None), Some(Level::TRACE));
        assert_eq!(level_of(0, 1, Some("trace")), Some(Level::WARN));
        assert_eq!(level_of(0, 2, None), Some(Level::ERROR));
    }

    #[test]
    fn a_level_that_is_none_is_refused_by_name() {
        let flags = Verbosity { verbose: 0, quiet: 0 };
        let error = flags.filter(Some("raremap=loud")).expect_err("no level");
        assert!(format!("{error:#}").contains("RAREMAP_LOG=raremap=loud"), "{error:#}");
    }

    #[test]
    fn libraries_do_not_speak_unasked() {
        let flags = Verbosity { verbose: 2, quiet: 0 };
        assert!(
            !flags
                .filter(None)
                .expect("levels")
                .would_enable("burn_core", &Level::ERROR)
        );
        assert!(
            flags
                .filter(None)
                .expect("levels")
                .would_enable("raremap", &Level::TRACE)
        );
    }
}
