//! The tags that georeference an image.

use raremap_geo::GeoTags;
use raremap_io::RangeSource;

use crate::directory::Directory;
use crate::directory::metadata_reader::MetadataReader;
use crate::limits::Limits;
use crate::tags;

/// Reads the tags of a georeference, verbatim.
pub(crate) async fn read_geo_tags<S: RangeSource>(
    reader: &mut MetadataReader<'_, S>,
    directory: &Directory,
    limits: &Limits,
) -> GeoTags {
    // A damaged tag counts as absent, because the pixels are still worth reading.
    let key_directory = directory
        .unsigned(reader, tags::GEO_KEY_DIRECTORY, limits)
        .await
        .ok()
        .flatten();
    GeoTags {
        pixel_scale: directory
            .floats(reader, tags::MODEL_PIXEL_SCALE, limits)
            .await
            .unwrap_or_default(),
        tie_points: directory
            .floats(reader, tags::MODEL_TIEPOINT, limits)
            .await
            .unwrap_or_default(),
        transformation: directory
            .floats(reader, tags::MODEL_TRANSFORMATION, limits)
            .await
            .unwrap_or_default(),
        key_directory: key_directory
            .unwrap_or_default()
            .into_iter()
            .map(|value| value as u16)
            .collect(),
        double_params: directory
            .floats(reader, tags::GEO_DOUBLE_PARAMS, limits)
            .await
            .unwrap_or_default(),
        ascii_params: directory
            .ascii(reader, tags::GEO_ASCII_PARAMS, limits)
            .await
            .unwrap_or_default(),
    }
}
