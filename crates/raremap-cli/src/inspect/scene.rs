//! What a GeoTIFF says about itself, and what its pixels are, for people.

use std::fmt::{self, Write as _};

use raremap_files::InspectedScene;
use raremap_geo::{Crs, CrsKind};
use raremap_tiff::SampleStatistics;

pub(super) fn write_report(out: &mut String, scene: &InspectedScene) -> fmt::Result {
    let info = &scene.info;
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
    if !scene.files_read.is_empty() {
        writeln!(out, "read beside   {}", scene.files_read.join(", "))?;
    }
    for (name, why) in &scene.files_not_read {
        writeln!(out, "not read      {name} ({why})")?;
    }
    write_bands(out, scene)?;
    let nodata = info
        .nodata
        .map_or_else(|| "not declared".to_owned(), |value| value.to_string());
    let mask = if info.masked {
        "; the file's mask counts instead"
    } else {
        ""
    };
    writeln!(out, "no data       {nodata}{mask}")?;
    write_place(out, scene)
}

fn write_bands(out: &mut String, scene: &InspectedScene) -> fmt::Result {
    let info = &scene.info;
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
        match scene.statistics.get(index) {
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
                scene.statistics_of()
            )?,
            _ => writeln!(out, "  {:<11} no valid pixel", scene.statistics_of())?,
        }
        if let Some(checksum) = scene.checksums.as_ref().and_then(|checksums| checksums.get(index)) {
            writeln!(out, "  checksum    {checksum}")?;
        }
    }
    Ok(())
}

fn write_place(out: &mut String, scene: &InspectedScene) -> fmt::Result {
    let info = &scene.info;
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
    if let Some(area) = scene.middle_pixel_m2() {
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
