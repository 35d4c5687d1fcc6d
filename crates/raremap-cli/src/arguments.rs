//! Parses the command line, and names the option in the error for a negative number.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command};

/// Options that take map positions, which may be negative; all other numbers are counts, sizes and shares.
const MAY_BE_NEGATIVE: [&str; 2] = ["left", "top"];

/// Why arguments are refused.
#[derive(Debug)]
pub enum Refused {
    /// By the parser: help, the version, and unknown arguments.
    ByParser(clap::Error),
    /// A negative value.
    Negative(String),
}

/// Parses `arguments`, the program's name first.
///
/// # Errors
/// [`Refused`] if nothing should run.
pub fn parse(command: Command, arguments: impl IntoIterator<Item = OsString>) -> Result<ArgMatches, Refused> {
    // Otherwise a negative number would be read as an unknown option.
    let command = command.mut_subcommands(|subcommand| {
        subcommand.mut_args(|argument| {
            let takes_value = argument.get_action().takes_values();
            if takes_value {
                argument.allow_negative_numbers(true)
            } else {
                argument
            }
        })
    });
    let matches = command.clone().try_get_matches_from(arguments).map_err(|error| {
        match (
            error.kind(),
            error.get(ContextKind::InvalidArg),
            error.get(ContextKind::InvalidValue),
        ) {
            (
                ErrorKind::ValueValidation | ErrorKind::InvalidValue,
                Some(ContextValue::String(argument)),
                Some(ContextValue::String(value)),
            ) if is_negative(value) => {
                // `--tile <TILE>`
                let name = argument.split(' ').next().unwrap_or(argument);
                Refused::Negative(sentence(name, value))
            }
            _ => Refused::ByParser(error),
        }
    })?;
    if let Some((name, of_subcommand)) = matches.subcommand()
        && let Some(subcommand) = command.find_subcommand(name)
    {
        for argument in subcommand.get_arguments() {
            let (id, Some(long)) = (argument.get_id().as_str(), argument.get_long()) else {
                continue;
            };
            if MAY_BE_NEGATIVE.contains(&long) {
                continue;
            }
            let values = of_subcommand.try_get_raw(id).ok().flatten();
            let values = values.into_iter().flatten().filter_map(|value| value.to_str());
            if let Some(value) = values.into_iter().find(|value| is_negative(value)) {
                return Err(Refused::Negative(sentence(&format!("--{long}"), value)));
            }
        }
    }
    Ok(matches)
}

fn is_negative(value: &str) -> bool {
    value.starts_with('-') && value.parse::<f64>().is_ok_and(|number| number < 0.0)
}

fn sentence(option: &str, value: &str) -> String {
    format!("{option} is {value}; it must not be negative")
}

#[cfg(test)]
mod tests {
    use clap::{Parser, Subcommand};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Sub,
    }

    #[derive(Debug, Subcommand)]
    enum Sub {
        Run {
            #[arg(long, default_value_t = 0.5)]
            share: f32,
            #[arg(long)]
            tile: Option<usize>,
            #[arg(long, default_value_t = 0.0)]
            left: f64,
            #[arg(long)]
            name: Option<String>,
        },
    }

    fn refused(arguments: &[&str]) -> Option<String> {
        let arguments = ["program", "run"].iter().chain(arguments).map(OsString::from);
        match parse(<Cli as clap::CommandFactory>::command(), arguments) {
            Ok(_) => None,
            Err(Refused::Negative(sentence)) => Some(sentence),
            Err(Refused::ByParser(error)) => Some(error.to_string()),
        }
    }

    #[test]
    fn numbers_below_zero_are_named_with_their_option() {
        assert_eq!(
            refused(&["--share", "-0.5"]).as_deref(),
            Some("--share is -0.5; it must not be negative")
        );
        assert_eq!(
            refused(&["--share=-5"]).as_deref(),
            Some("--share is -5; it must not be negative")
        );
        assert_eq!(
            refused(&["--tile", "-256"]).as_deref(),
            Some("--tile is -256; it must not be negative")
        );
        assert_eq!(refused(&["--left", "-180.5"]), None);
        assert_eq!(refused(&["--share", "0.25", "--tile", "64"]), None);
        assert_eq!(refused(&["--name", "-x"]).map(|text| text.contains("-x")), Some(true));
        assert!(refused(&["--tile", "x"]).is_some_and(|text| text.contains("invalid")));
    }
}
