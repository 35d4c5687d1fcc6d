//! `raremap inspect`: what a GeoTIFF or a weights file says about itself.

mod scene;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use raremap_model::weights::{MAX_HEADER_BYTES, read_card};
use raremap_model::{BandSource, Card, ModelFile};
use raremap_raster::RasterError;
use serde_json::json;

/// Describes a GeoTIFF or a weights file.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The file.
    file: PathBuf,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    /// Read all pixels of a GeoTIFF and add GDAL's 16-bit checksum of each band; statistics are exact then.
    #[arg(long)]
    checksums: bool,
    /// Read all pixels of a GeoTIFF for exact statistics (else they are of every n-th pixel of a large one).
    #[arg(long)]
    statistics: bool,
}

/// Runs `raremap inspect`: 0 where the file is read, 2 with one line on standard error where it is not.
pub fn run(args: &InspectArgs) -> ExitCode {
    let Err(error) = inspect(args) else {
        return ExitCode::SUCCESS;
    };
    let (code, file) = (code_of(&error), args.file.display());
    // A sentence of several lines would be several errors to who reads lines.
    let message = format!("{error:#}").replace(['\n', '\r'], " ");
    if args.json {
        let report = json!({ "error": { "code": code, "message": message, "file": file.to_string() } });
        eprintln!("{report}");
    } else {
        eprintln!("raremap: {code}: {file}: {message}");
    }
    ExitCode::from(2)
}

/// A stable name of the failure: the reader's own, for a GeoTIFF.
fn code_of(error: &anyhow::Error) -> &'static str {
    let mut causes = error.chain();
    if let Some(code) = causes.find_map(|cause| cause.downcast_ref::<RasterError>().map(RasterError::code)) {
        return code;
    }
    if error.chain().any(|cause| cause.is::<std::io::Error>()) {
        return "source_failed";
    }
    "not_recognized"
}

fn inspect(args: &InspectArgs) -> Result<()> {
    let mut file = File::open(&args.file)?;
    // A weights file's header comes first: what is none is refused without reading it all.
    let mut bytes = Vec::new();
    file.by_ref()
        .take(MAX_HEADER_BYTES as u64 + 8)
        .read_to_end(&mut bytes)?;
    if matches!(
        bytes.get(..4),
        Some([b'I', b'I', 42 | 43, 0] | [b'M', b'M', 0, 42 | 43])
    ) {
        return scene::inspect(args);
    }
    read_card(&bytes).context("neither a GeoTIFF nor a weights file")?;
    file.read_to_end(&mut bytes)?;
    inspect_model(&bytes, args.json)
}

fn inspect_model(bytes: &[u8], json: bool) -> Result<()> {
    let file = ModelFile::from_bytes(bytes)?;
    if json {
        let report =
            json!({ "kind": "model", "bytes": bytes.len(), "sha256": file.sha256, "card": file.card.to_stac() });
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
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
    println!("{name}, a weights file of {} bytes, exported {created}", bytes.len());
    if !description.is_empty() {
        println!("{description}");
    }
    println!("sha256        {}", file.sha256);
    println!("quantization  {}", file.card.quantization);
    println!("values        {}", file.card.value_scaling);
    println!(
        "tile          {} px of {} m",
        file.card.tile_px, file.card.ground_resolution_m
    );
    for band in bands {
        let source = match &band.source {
            BandSource::Scene => String::new(),
            BandSource::NormalizedDifference { first, second } => {
                format!(" = ({first} - {second}) / ({first} + {second})")
            }
        };
        println!(
            "band          {}{source}, mean {} and deviation {}",
            band.name, band.mean, band.std
        );
    }
    for class in classes {
        let rare = if rare_classes.contains(&class.name) {
            ", rare"
        } else {
            ""
        };
        let [r, g, b] = class.color;
        println!(
            "class         {} {} #{r:02x}{g:02x}{b:02x}{rare}",
            class.value, class.name
        );
    }
    println!("trained on    {}: {}", training.dataset, training.provenance);
    println!("figures       {}", file.card.metrics);
    Ok(())
}
