//! `raremap inspect` shows what a GeoTIFF or a weights file says about itself.

mod scene;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, Read, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use raremap_io::SourceError;
use raremap_model::{BandSource, Card, MAX_HEADER_BYTES, ModelFile, read_card};
use raremap_tiff::TiffError;
use raremap_tiff::foreign_format;
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
        Err(error) => return fail(args, code_of(&error), &format!("{error:#}")),
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

/// A stable name of the failure: for a GeoTIFF, the reader's own code.
fn code_of(error: &anyhow::Error) -> &'static str {
    let mut causes = error.chain();
    let of = |cause: &(dyn std::error::Error + 'static)| {
        let tiff = cause.downcast_ref::<TiffError>().map(TiffError::code);
        tiff.or_else(|| cause.downcast_ref::<SourceError>().map(SourceError::code))
    };
    if let Some(code) = causes.find_map(of) {
        return code;
    }
    if error.chain().any(|cause| cause.is::<std::io::Error>()) {
        return "source_failed";
    }
    "not_recognized"
}

/// The report.
fn inspect(args: &InspectArgs) -> Result<String> {
    let mut file = File::open(&args.file)?;
    // A weights file's header comes first, so anything else is refused without reading it all.
    let mut bytes = Vec::new();
    Read::by_ref(&mut file)
        .take(MAX_HEADER_BYTES as u64 + 8)
        .read_to_end(&mut bytes)?;
    let is_tiff = matches!(
        bytes.get(..4),
        Some([b'I', b'I', 42 | 43, 0] | [b'M', b'M', 0, 42 | 43])
    );
    if is_tiff || bytes.is_empty() {
        return scene::inspect(args);
    }
    if let Err(error) = read_card(&bytes) {
        // The raster reader recognizes what people mistake for a GeoTIFF.
        return match foreign_format(&bytes) {
            Some(_) => scene::inspect(args),
            None => Err(error).context("this is neither a GeoTIFF nor a weights file"),
        };
    }
    file.read_to_end(&mut bytes)?;
    inspect_model(&bytes, args.json)
}

fn inspect_model(bytes: &[u8], json: bool) -> Result<String> {
    let file = ModelFile::from_bytes(bytes)?;
    if json {
        let report =
            json!({ "kind": "model", "bytes": bytes.len(), "sha256": file.sha256, "card": file.card.to_stac() });
        return Ok(serde_json::to_string_pretty(&report)? + "\n");
    }
    let Card {
        name,
        description,
        created,
        bands,
        classes,
        rare_classes,
        training,
        ..
    } = &file.card;
    let mut out = String::new();
    writeln!(
        out,
        "{name}, a weights file of {} bytes, exported {created}",
        bytes.len()
    )?;
    if !description.is_empty() {
        writeln!(out, "{description}")?;
    }
    writeln!(out, "sha256        {}", file.sha256)?;
    writeln!(out, "quantization  {}", file.card.quantization)?;
    writeln!(out, "values        {}", file.card.value_scaling)?;
    writeln!(
        out,
        "tile          {} px of {} m",
        file.card.tile_px, file.card.ground_resolution_m
    )?;
    for band in bands {
        let source = match &band.source {
            BandSource::Scene => String::new(),
            BandSource::NormalizedDifference { first, second } => {
                format!(" = ({first} - {second}) / ({first} + {second})")
            }
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
    writeln!(out, "figures       {}", file.card.metrics)?;
    Ok(out)
}
