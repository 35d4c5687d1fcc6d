//! A finished result as files: those that `raremap predict` writes, and a picture of the mask.

use raremap_infer::{OutputKind, Results, View};
use raremap_raster::MemoryScratch;

use crate::error::SessionError;

/// Encodes one file, by the name that `raremap predict` gives it (`mask.tif`, `polygons.geojson`), by the page's own names for the rasters
/// (`mask-tif`, `probability-tif`, `saliency-tif`), or `mask-png`.
///
/// # Errors
/// [`SessionError`] for an unknown kind, options out of range, and an incomplete result.
pub fn encode(kind: &str, results: &Results<'_>) -> Result<Vec<u8>, SessionError> {
    if !results.logits.is_complete() {
        return Err(SessionError::misuse("the result is incomplete: the run was cancelled"));
    }
    if kind == "mask-png" {
        return encode_png(results);
    }
    let named = match kind {
        "mask-tif" => Some(OutputKind::Mask),
        "probability-tif" => Some(OutputKind::Probability),
        "saliency-tif" => Some(OutputKind::Saliency),
        name => OutputKind::of_file_name(name),
    };
    let named = named.ok_or_else(|| SessionError::misuse(format!("there is no file {kind}")))?;
    let made = results.make(named, &mut || Ok(Box::new(MemoryScratch::default())))?;
    Ok(made.into_bytes()?)
}

/// A palette PNG: the values are the mask's, the colours are the classes', and no data is transparent.
fn encode_png(results: &Results<'_>) -> Result<Vec<u8>, SessionError> {
    let logits = results.logits;
    let [height, width] = logits.size();
    let mut palette = [[0; 3]; 256];
    let mut opacity = [0; 256];
    for class in logits.classes() {
        palette[usize::from(class.value)] = class.color;
        opacity[usize::from(class.value)] = u8::MAX;
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_trns(opacity.to_vec());
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&logits.mask(results.decide, &View::whole(logits.size()))?)?;
    writer.finish()?;
    Ok(bytes)
}
