//! The tags of a written file.

use std::io::{Seek, Write};

use tiff::encoder::{DirectoryEncoder, TiffKind};
use tiff::tags::{Tag, Type};

use crate::error::TiffError;
use crate::read::gdal_metadata;
use crate::tags;
use crate::write::image::OutputImage;
use raremap_geo::GeoTags;

/// Tiles are square.
pub(crate) const TILE_PX: u32 = 256;

/// Writes all tags that do not depend on the samples' type and place.
pub(crate) fn write_image_tags<W: Write + Seek, K: TiffKind>(
    directory: &mut DirectoryEncoder<'_, W, K>,
    image: &OutputImage<'_>,
) -> Result<(), TiffError> {
    let bands = image.samples.band_count();
    directory.write_tag(tag(tags::IMAGE_WIDTH), image.width)?;
    directory.write_tag(tag(tags::IMAGE_LENGTH), image.height)?;
    directory.write_tag(tag(tags::COMPRESSION), 8u16)?;
    directory.write_tag(
        tag(tags::PHOTOMETRIC),
        if image.color_table.is_some() { 3u16 } else { 1 },
    )?;
    // `check` refused more bands than the tag can count.
    directory.write_tag(tag(tags::SAMPLES_PER_PIXEL), bands as u16)?;
    directory.write_tag(tag(tags::PLANAR_CONFIGURATION), if bands > 1 { 2u16 } else { 1 })?;
    directory.write_tag(tag(tags::TILE_WIDTH), TILE_PX)?;
    directory.write_tag(tag(tags::TILE_LENGTH), TILE_PX)?;
    if bands > 1 {
        directory.write_tag(tag(tags::EXTRA_SAMPLES), &vec![0u16; bands - 1][..])?;
    }
    if let Some(colors) = &image.color_table {
        directory.write_tag(tag(tags::COLOR_MAP), &color_map(colors)[..])?;
    }
    if !image.band_names.is_empty() || !image.metadata.is_empty() {
        let xml = gdal_metadata::encode(&image.band_names, &image.metadata);
        directory.write_tag(tag(tags::GDAL_METADATA), &xml[..])?;
    }
    if let Some(nodata) = image.nodata {
        directory.write_tag(tag(tags::GDAL_NODATA), &nodata_text(nodata)[..])?;
    }
    Ok(())
}

pub(crate) fn write_geo_tags<W: Write + Seek, K: TiffKind>(
    directory: &mut DirectoryEncoder<'_, W, K>,
    geo: &GeoTags,
) -> Result<(), TiffError> {
    let doubles = [
        (tags::MODEL_PIXEL_SCALE, &geo.pixel_scale),
        (tags::MODEL_TIEPOINT, &geo.tie_points),
        (tags::MODEL_TRANSFORMATION, &geo.transformation),
        (tags::GEO_DOUBLE_PARAMS, &geo.double_params),
    ];
    for (number, values) in doubles {
        if !values.is_empty() {
            directory.write_tag(tag(number), &values[..])?;
        }
    }
    if !geo.key_directory.is_empty() {
        directory.write_tag(tag(tags::GEO_KEY_DIRECTORY), &geo.key_directory[..])?;
    }
    if !geo.ascii_params.is_empty() {
        // As bytes: the encoder's own text type refuses the UTF-8 that some writers put here.
        let mut text = geo.ascii_params.clone();
        text.push(0);
        let entry = directory.write_entry_bytes(Type::ASCII, &text)?;
        directory.extend_from(&tiff::Directory::from_iter([(tag(tags::GEO_ASCII_PARAMS), entry)]));
    }
    Ok(())
}

pub(crate) fn tag(tag: tags::Tag) -> Tag {
    Tag::from_u16_exhaustive(tag.number)
}

/// All reds, all greens, all blues, in 16 bits; values without a colour are black.
pub(crate) fn color_map(colors: &[(u8, [u8; 3])]) -> Vec<u16> {
    let mut map = vec![0u16; 3 * 256];
    for (value, rgb) in colors {
        for (channel, level) in rgb.iter().enumerate() {
            if let Some(entry) = map.get_mut(channel * 256 + usize::from(*value)) {
                *entry = u16::from(*level) * 257;
            }
        }
    }
    map
}

/// The spelling that GDAL itself would write, as far as readers care.
pub(crate) fn nodata_text(nodata: f64) -> String {
    if nodata.is_nan() {
        "nan".into()
    } else if nodata.fract() == 0.0 && nodata.abs() < 1e15 {
        format!("{nodata}")
    } else {
        format!("{nodata:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodata_is_spelled_briefly() {
        let spelled = [-9999.0, 0.5, f64::NAN, f64::from(f32::MIN), 255.0].map(nodata_text);
        assert_eq!(spelled, ["-9999", "0.5", "nan", "-3.4028234663852886e38", "255"]);
    }
}
