//! What a GeoTIFF says about itself, and what its pixels are; docs/inspect.md describes the report.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use pollster::block_on;
use raremap_geo::{Crs, CrsKind};
use raremap_geo::{M2_PER_HA, pixel_areas};
use raremap_io::FileSource;
use raremap_scene::{NeighbourKind, SceneError, apply_neighbour, neighbour_kind};
use raremap_tiff::TiffError;
use raremap_tiff::{GeoTiff, Limits, RasterInfo, SampleStatistics};
use serde_json::{Map, Value, json};

use super::InspectArgs;
use crate::neighbours::with_neighbours;

/// Unless all pixels are asked for, statistics come from at most this many pixels on a side.
const PREVIEW_PX: u32 = 1024;

/// What is known about the bands' samples.
struct Samples {
    statistics: Vec<SampleStatistics>,
    /// Whether all pixels were read.
    exact: bool,
    checksums: Option<Vec<u16>>,
}

/// The report.
pub(super) fn inspect(args: &InspectArgs) -> Result<String> {
    let source = FileSource::open(&args.file)?;
    let mut scene = block_on(GeoTiff::open(source, Limits::default()))?;
    let beside = block_on(read_beside(&mut scene, &args.file));
    let samples = block_on(read_samples(&scene, args))?;
    if args.json {
        return Ok(serde_json::to_string_pretty(&report(scene.info(), &samples, &beside))? + "\n");
    }
    let mut text = String::new();
    write_report(&mut text, scene.info(), &samples, &beside)?;
    Ok(text)
}

async fn read_samples(scene: &GeoTiff<FileSource>, args: &InspectArgs) -> Result<Samples, TiffError> {
    let info = scene.info();
    if args.checksums || args.statistics || info.width.max(info.height) <= PREVIEW_PX {
        let summaries = scene.summarize_bands().await?;
        return Ok(Samples {
            statistics: summaries.iter().map(|band| band.statistics).collect(),
            exact: true,
            checksums: args
                .checksums
                .then(|| summaries.iter().map(|band| band.checksum).collect()),
        });
    }
    Ok(Samples {
        statistics: scene.sample_bands(PREVIEW_PX).await?,
        exact: false,
        checksums: None,
    })
}

/// Names of the files beside the image.
struct Beside {
    read: Vec<String>,
    /// Each with the reason.
    not_read: Vec<(String, String)>,
}

/// Applies the files beside the image to it.
async fn read_beside(scene: &mut GeoTiff<FileSource>, image: &Path) -> Beside {
    let (mut read, mut not_read) = (Vec::new(), Vec::new());
    let listed = with_neighbours(&[image.to_owned()]);
    let of = |other: &PathBuf| neighbour_kind(&image.to_string_lossy(), &other.to_string_lossy());
    let mut found: Vec<(NeighbourKind, &PathBuf)> = listed.iter().filter_map(|path| Some((of(path)?, path))).collect();
    found.sort_by_key(|(kind, _)| kind.order());
    for (kind, path) in found {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let source = FileSource::open(path).map_err(SceneError::from);
        match apply_neighbour(scene, kind, source, &Limits::default()).await {
            Ok(_) => read.push(name),
            Err(why) => not_read.push((name, why.to_string())),
        }
    }
    Beside { read, not_read }
}

/// A number, or a word where JSON has no number for it.
fn number(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else {
        json!(value.to_string().to_lowercase())
    }
}

fn report(info: &RasterInfo, samples: &Samples, beside: &Beside) -> Value {
    let transform = info.georeference.as_ref().map(|known| known.model_from_pixel);
    let items = |items: &[(String, String)]| -> Map<String, Value> {
        items.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
    };
    let band = |index: usize| {
        let mut band = json!({
            "band": index + 1,
            "name": info.band_names.get(index),
            "color_interpretation": info.color_interpretations.get(index),
            "scale": info.scales.get(index),
            "offset": info.offsets.get(index),
            "unit": info.units.get(index),
            "items": info.band_items.get(index).map(|all| items(all)),
            "statistics": samples.statistics.get(index),
        });
        if let (Some(checksums), Some(band)) = (&samples.checksums, band.as_object_mut()) {
            band.insert("checksum".to_owned(), json!(checksums.get(index)));
        }
        band
    };
    json!({
        "kind": "geotiff",
        "width": info.width,
        "height": info.height,
        "band_count": info.band_count,
        "sample_type": info.sample_type,
        "bits_per_sample": info.bits_per_sample,
        "nodata": info.nodata.map(number),
        "stated_nodata": info.stated_nodata.map(number),
        "palette": info.color_map.is_some(),
        "alpha_band": info.alpha_band.map(|band| band + 1),
        "premultiplied": info.premultiplied,
        "masked": info.masked,
        "layout": {
            "big_tiff": info.is_big_tiff,
            "byte_order": info.byte_order,
            "compression": info.compression,
            "predictor": info.predictor,
            "planar": info.planar,
            "tiled": info.tiled,
            "block_width": info.block_width,
            "block_height": info.block_height,
            "sparse_block_count": info.sparse_block_count,
            "page_count": info.page_count,
            "overviews": info.overviews,
        },
        "crs": info.crs,
        "model_from_pixel": transform.map(|t| [t.a, t.b, t.c, t.d, t.e, t.f]),
        "gdal_transform": transform.map(|t| [t.c, t.a, t.b, t.f, t.d, t.e]),
        "pixel_is_point": info.pixel_is_point,
        "gcp_count": info.gcp_count,
        "middle_pixel_m2": middle_pixel_m2(info),
        "bands": (0..info.band_count).map(band).collect::<Vec<_>>(),
        "statistics_of": statistics_of(samples),
        "items": items(&info.items),
        "files_read": beside.read,
        "files_not_read": beside.not_read.iter().map(|(name, _)| name).collect::<Vec<_>>(),
    })
}

fn statistics_of(samples: &Samples) -> &'static str {
    if samples.exact { "all pixels" } else { "a preview" }
}

fn middle_pixel_m2(info: &RasterInfo) -> Option<f64> {
    let areas = pixel_areas(info.georeference.as_ref(), [info.height, info.width]);
    let hectares = areas.pixel_ha(info.height as usize / 2, info.width as usize / 2);
    hectares.map(|hectares| hectares * M2_PER_HA)
}

fn write_report(out: &mut String, info: &RasterInfo, samples: &Samples, beside: &Beside) -> fmt::Result {
    let format = if info.is_big_tiff { "BigTIFF" } else { "TIFF" };
    let order = if info.planar { "planar" } else { "by pixel" };
    let blocks = if info.tiled { "tiles" } else { "strips" };
    writeln!(
        out,
        "{format} of {} x {} pixels, {} band(s) of {:?}",
        info.width, info.height, info.band_count, info.sample_type
    )?;
    writeln!(
        out,
        "stored        {order}, {blocks} of {} x {}",
        info.block_width, info.block_height
    )?;
    writeln!(
        out,
        "compression   {:?}, predictor {:?}, {:?}",
        info.compression, info.predictor, info.byte_order
    )?;
    if info.sparse_block_count > 0 {
        writeln!(out, "not stored    {} blocks", info.sparse_block_count)?;
    }
    if !info.overviews.is_empty() {
        let sizes = info
            .overviews
            .iter()
            .map(|overview| format!("{} x {}", overview.width, overview.height));
        writeln!(out, "overviews     {}", sizes.collect::<Vec<_>>().join(", "))?;
    }
    if info.page_count > 1 {
        writeln!(out, "pages         {}, of which the first is read", info.page_count)?;
    }
    if !beside.read.is_empty() {
        writeln!(out, "read beside   {}", beside.read.join(", "))?;
    }
    for (name, why) in &beside.not_read {
        writeln!(out, "not read      {name} ({why})")?;
    }
    write_bands(out, info, samples)?;
    let nodata = info
        .nodata
        .map_or_else(|| "not declared".to_owned(), |value| value.to_string());
    let mask = if info.masked {
        "; the file's mask counts instead"
    } else {
        ""
    };
    writeln!(out, "no data       {nodata}{mask}")?;
    write_place(out, info)
}

fn write_bands(out: &mut String, info: &RasterInfo, samples: &Samples) -> fmt::Result {
    for (index, name) in info.band_names.iter().enumerate() {
        let meaning = info
            .color_interpretations
            .get(index)
            .map(|meaning| format!("{meaning:?}").to_lowercase());
        writeln!(
            out,
            "band {:<8} {} ({})",
            index + 1,
            name.as_deref().unwrap_or("no name"),
            meaning.unwrap_or_default()
        )?;
        let of = |values: &[Option<f64>]| values.get(index).copied().flatten();
        if let (scale, offset) = (of(&info.scales), of(&info.offsets))
            && (scale.is_some() || offset.is_some())
        {
            writeln!(
                out,
                "  value       {} x stored + {}",
                scale.unwrap_or(1.0),
                offset.unwrap_or(0.0)
            )?;
        }
        match samples.statistics.get(index) {
            Some(SampleStatistics {
                valid_count,
                min: Some(min),
                max: Some(max),
                mean: Some(mean),
                std: Some(std),
                ..
            }) => writeln!(
                out,
                "  {:<11} {min} to {max}, mean {mean:.4}, deviation {std:.4}, {valid_count} valid",
                statistics_of(samples)
            )?,
            _ => writeln!(out, "  {:<11} no valid pixel", statistics_of(samples))?,
        }
        if let Some(checksum) = samples.checksums.as_ref().and_then(|checksums| checksums.get(index)) {
            writeln!(out, "  checksum    {checksum}")?;
        }
    }
    Ok(())
}

fn write_place(out: &mut String, info: &RasterInfo) -> fmt::Result {
    if let Some(crs) = &info.crs {
        writeln!(out, "system        {}", describe(crs))?;
    }
    if info.gcp_count > 0 {
        writeln!(
            out,
            "place         {} ground control points, which results keep and areas do not use",
            info.gcp_count
        )?;
    }
    let Some(georeference) = &info.georeference else {
        writeln!(out, "place         not georeferenced")?;
        return Ok(());
    };
    let (width, height) = (info.width, info.height);
    let corners = [(0, 0), (width, 0), (width, height), (0, height)];
    let corners = corners.map(|(column, row)| georeference.model_from_pixel.apply(f64::from(column), f64::from(row)));
    writeln!(
        out,
        "corners       {}",
        corners.map(|(x, y)| format!("{x:.6} {y:.6}")).join(", ")
    )?;
    if let Some(area) = middle_pixel_m2(info) {
        writeln!(
            out,
            "pixel         {area:.2} square metres in the middle, about {:.2} m wide",
            area.sqrt()
        )?;
    }
    Ok(())
}

fn describe(crs: &Crs) -> String {
    let code = crs
        .epsg
        .map_or_else(|| "no EPSG code".to_owned(), |epsg| format!("EPSG:{epsg}"));
    let unit = match (crs.kind, crs.linear_unit_m, crs.angular_unit_rad) {
        (CrsKind::Projected, Some(metres), _) => format!(", unit {metres} m"),
        (CrsKind::Geographic, _, Some(radians)) => format!(", unit {} degrees", radians.to_degrees()),
        _ => String::new(),
    };
    let name = crs.name.as_deref().unwrap_or("no name");
    format!("{code}, {:?}, {name}{unit}", crs.kind)
}
