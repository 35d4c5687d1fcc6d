//! `raremap inspect` shows what a GeoTIFF or a weights file says about itself.

mod scene;

use std::fmt::{self, Write as _};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use raremap_files::{FilesError, Inspected, InspectedModel};
use raremap_model::Card;
use serde_json::json;

/// Describes a GeoTIFF or a weights file.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The file.
    file: PathBuf,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    /// Read all pixels of a GeoTIFF, and add GDAL's 16-bit checksum of each band; statistics are then exact.
    #[arg(long)]
    checksums: bool,
    /// Read all pixels of a GeoTIFF for exact statistics; without it, those of a large file come from every n-th pixel.
    #[arg(long)]
    statistics: bool,
}

/// Runs `raremap inspect`. The exit code is 0 if the file was read, and 2 with one line on standard error if it was not, or if the report
/// cannot be written.
pub fn run(args: &InspectArgs) -> ExitCode {
    let text = match inspect(args) {
        Ok(text) => text,
        Err(error) => {
            let code = error.code();
            return fail(args, code, &format!("{:#}", anyhow::Error::new(error)));
        }
    };
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough, as `head` has.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(args, "output_failed", &format!("the report cannot be written: {error}")),
    }
}

fn fail(args: &InspectArgs, code: &str, message: &str) -> ExitCode {
    let file = args.file.display();
    // The sentence is put on one line, because whoever reads lines would take several for several errors.
    let message = message.replace(['\n', '\r'], " ");
    if args.json {
        let report = json!({ "error": { "code": code, "message": message, "file": file.to_string() } });
        eprintln!("{report}");
    } else {
        eprintln!("raremap: {code}: {file}: {message}");
    }
    ExitCode::from(2)
}

/// The report.
fn inspect(args: &InspectArgs) -> Result<String, FilesError> {
    let inspected = raremap_files::inspect(&args.file, args.checksums, args.statistics)?;
    if args.json {
        return Ok(serde_json::to_string_pretty(&inspected.to_json())? + "\n");
    }
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = match &inspected {
        Inspected::Scene(scene) => scene::write_report(&mut text, scene),
        Inspected::Model(model) => write_model(&mut text, model),
        _ => Ok(()),
    };
    Ok(text)
}

fn write_model(out: &mut String, model: &InspectedModel) -> fmt::Result {
    let Card {
        name,
        description,
        created,
        bands,
        classes,
        rare_classes,
        training,
        ..
    } = &model.card;
    writeln!(
        out,
        "{name}, a weights file of {} bytes, exported {created}",
        model.bytes
    )?;
    if !description.is_empty() {
        writeln!(out, "{description}")?;
    }
    writeln!(out, "sha256        {}", model.sha256)?;
    writeln!(out, "quantization  {}", model.card.quantization)?;
    writeln!(out, "values        {}", model.card.value_scaling)?;
    writeln!(
        out,
        "tile          {} px of {} m",
        model.card.tile_px, model.card.ground_resolution_m
    )?;
    for band in bands {
        let source = match band.source.expression() {
            Some(expression) => format!(": {expression}"),
            None if band.optional => " (optional)".to_owned(),
            None => String::new(),
        };
        writeln!(
            out,
            "band          {}{source}, mean {} and deviation {}",
            band.name, band.mean, band.std
        )?;
    }
    for class in classes {
        let rare = if rare_classes.contains(&class.name) {
            ", rare"
        } else {
            ""
        };
        let [r, g, b] = class.color;
        writeln!(
            out,
            "class         {} {} #{r:02x}{g:02x}{b:02x}{rare}",
            class.value, class.name
        )?;
    }
    writeln!(out, "trained on    {}: {}", training.dataset, training.provenance)?;
    writeln!(out, "figures       {}", model.card.metrics)
}
