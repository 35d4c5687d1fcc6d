//! `raremap inspect`: what a GeoTIFF or a weights file says about itself.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use raremap_infer::{M2_PER_HA, pixel_areas};
use raremap_model::weights::{MAX_HEADER_BYTES, read_card};
use raremap_model::{BandSource, Card, ModelFile};
use raremap_raster::{FileSource, GeoTiff, Limits, RasterInfo};
use serde_json::json;

/// Describes a GeoTIFF or a weights file.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The file.
    file: PathBuf,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// Runs `raremap inspect`.
pub fn run(args: &InspectArgs) -> Result<()> {
    let named = || args.file.display().to_string();
    let mut file = File::open(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    // A weights file's header comes first: what is none is refused without reading it all.
    let mut bytes = Vec::new();
    file.by_ref()
        .take(MAX_HEADER_BYTES as u64 + 8)
        .read_to_end(&mut bytes)
        .with_context(named)?;
    if matches!(
        bytes.get(..4),
        Some([b'I', b'I', 42 | 43, 0] | [b'M', b'M', 0, 42 | 43])
    ) {
        return inspect_scene(&args.file, args.json).with_context(named);
    }
    read_card(&bytes)
        .context("neither a GeoTIFF nor a weights file")
        .with_context(named)?;
    file.read_to_end(&mut bytes).with_context(named)?;
    inspect_model(&bytes, args.json).with_context(named)
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

fn inspect_scene(path: &Path, json: bool) -> Result<()> {
    let scene = pollster::block_on(GeoTiff::open(FileSource::open(path)?, Limits::default()))?;
    let info = scene.info();
    let pixel_ha = pixel_areas(info.georeference.as_ref()).pixel_ha(info.height as usize / 2, info.width as usize / 2);
    let pixel_m2 = pixel_ha.map(|hectares| hectares * M2_PER_HA);
    if json {
        let report = json!({ "kind": "geotiff", "info": info, "middle_pixel_m2": pixel_m2 });
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    print_scene(info, pixel_m2);
    Ok(())
}

fn print_scene(info: &RasterInfo, pixel_m2: Option<f64>) {
    let format = if info.is_big_tiff { "BigTIFF" } else { "TIFF" };
    let order = if info.planar { "planar" } else { "by pixel" };
    let blocks = if info.tiled { "tiles" } else { "strips" };
    let (width, height) = (info.width, info.height);
    println!(
        "{format} of {width} x {height} pixels, {} band(s) of {:?}",
        info.band_count, info.sample_type
    );
    println!(
        "stored        {order}, {blocks} of {} x {}",
        info.block_width, info.block_height
    );
    println!(
        "compression   {:?}, predictor {:?}, {:?}",
        info.compression, info.predictor, info.byte_order
    );
    for (index, name) in info.band_names.iter().enumerate() {
        let meaning = info
            .color_interpretations
            .get(index)
            .map(|meaning| format!("{meaning:?}"))
            .unwrap_or_default();
        println!(
            "band {:<8} {} ({})",
            index + 1,
            name.as_deref().unwrap_or("no name"),
            meaning.to_lowercase()
        );
    }
    println!(
        "no data       {}",
        info.nodata
            .map_or_else(|| "not declared".to_owned(), |value| value.to_string())
    );
    let Some(georeference) = &info.georeference else {
        println!("place         not georeferenced");
        return;
    };
    let crs = &georeference.crs;
    let code = crs
        .epsg
        .map_or_else(|| "no EPSG code".to_owned(), |epsg| format!("EPSG:{epsg}"));
    println!(
        "place         {code}, {:?}, {}",
        crs.kind,
        crs.name.as_deref().unwrap_or("no name")
    );
    let corners = [(0, 0), (width, 0), (width, height), (0, height)];
    let corners = corners.map(|(column, row)| georeference.model_from_pixel.apply(f64::from(column), f64::from(row)));
    println!(
        "corners       {}",
        corners.map(|(x, y)| format!("{x:.6} {y:.6}")).join(", ")
    );
    if let Some(area) = pixel_m2 {
        println!(
            "pixel         {area:.2} square metres in the middle, about {:.2} m wide",
            area.sqrt()
        );
    }
}
