//! What a file says about its image.

use serde::Serialize;

use crate::codec::Compression;
use crate::color::ColorInterpretation;
use crate::directory::Directory;
use crate::error::RasterError;
use crate::gdal_metadata;
use crate::georeference::GeoReference;
use crate::header::{ByteOrder, Header};
use crate::layout::Layout;
use crate::limits::Limits;
use crate::metadata_reader::MetadataReader;
use crate::nodata::parse_nodata;
use crate::predict::Predictor;
use crate::samples::SampleType;
use crate::source::RangeSource;
use crate::tags;

/// What a file says about its image.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RasterInfo {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bands, alpha among them.
    pub band_count: usize,
    /// The type of all samples.
    pub sample_type: SampleType,
    /// Bits of one stored sample (below 8 they are packed).
    pub bits_per_sample: u16,
    /// The file's byte order.
    pub byte_order: ByteOrder,
    /// Whether this is a BigTIFF.
    pub is_big_tiff: bool,
    /// The compression of the blocks.
    pub compression: Compression,
    /// The predictor of the blocks.
    pub predictor: Predictor,
    /// Whether each band is stored apart.
    pub planar: bool,
    /// Whether the blocks are tiles (else strips).
    pub tiled: bool,
    /// Columns of a block.
    pub block_width: u32,
    /// Rows of a block: of the pieces that are read, where the whole image is one uncompressed strip.
    pub block_height: u32,
    /// The value that marks pixels without data (NaN stands for NaN).
    pub nodata: Option<f64>,
    /// The name (GDAL: description) of each band.
    pub band_names: Vec<Option<String>>,
    /// The meaning of each band.
    pub color_interpretations: Vec<ColorInterpretation>,
    /// The first band that the file calls opacity; whether it is, its samples say.
    pub alpha_band: Option<usize>,
    /// Colours of a paletted image, by value.
    pub color_map: Option<Vec<[u8; 3]>>,
    /// Where the image is; `None` where the file has no pixel-to-map transform.
    pub georeference: Option<GeoReference>,
}

impl RasterInfo {
    pub(crate) async fn read<S: RangeSource>(
        reader: &mut MetadataReader<'_, S>,
        header: Header,
        directory: &Directory,
        layout: &Layout,
        limits: &Limits,
    ) -> Result<Self, RasterError> {
        // Descriptive tags that are damaged do not make the pixels unreadable.
        let nodata_text = directory
            .ascii(reader, tags::GDAL_NODATA, limits)
            .await
            .unwrap_or_default();
        let metadata = directory
            .ascii(reader, tags::GDAL_METADATA, limits)
            .await
            .unwrap_or_default();
        let color_map = directory
            .unsigned(reader, tags::COLOR_MAP, limits)
            .await
            .unwrap_or_default();
        let color_interpretations = layout.color_interpretations(reader, directory, limits).await?;
        Ok(Self {
            width: layout.width,
            height: layout.height,
            band_count: layout.band_count,
            sample_type: layout.sample_type,
            bits_per_sample: layout.bits_per_sample,
            byte_order: layout.byte_order,
            is_big_tiff: header.is_big_tiff,
            compression: layout.compression,
            predictor: layout.predictor,
            planar: layout.planar,
            tiled: layout.tiled,
            block_width: layout.block_width,
            block_height: layout.block_height,
            nodata: parse_nodata(&nodata_text),
            band_names: gdal_metadata::band_names(&String::from_utf8_lossy(&metadata), layout.band_count),
            alpha_band: color_interpretations
                .iter()
                .position(|meaning| *meaning == ColorInterpretation::Alpha),
            color_interpretations,
            color_map: color_map.and_then(|values| colors(&values)),
            georeference: GeoReference::read(reader, directory, limits).await,
        })
    }
}

/// The ColorMap tag holds all reds, then all greens, then all blues, in 16 bits each.
fn colors(values: &[u64]) -> Option<Vec<[u8; 3]>> {
    let count = values.len() / 3;
    if count == 0 {
        return None;
    }
    // Some writers fill the tag with 8-bit values.
    let shift = if values.iter().all(|value| *value < 256) { 0 } else { 8 };
    let channel = |index: usize| {
        values
            .iter()
            .skip(index * count)
            .map(move |value| (value >> shift).min(255) as u8)
    };
    Some(
        channel(0)
            .zip(channel(1))
            .zip(channel(2))
            .take(count)
            .map(|((r, g), b)| [r, g, b])
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_maps_of_16_and_8_bits_are_read() {
        assert_eq!(
            colors(&[0, 65535, 256, 0, 512, 32768]),
            Some(vec![[0, 1, 2], [255, 0, 128]])
        );
        assert_eq!(colors(&[0, 255, 1, 0, 2, 128]), Some(vec![[0, 1, 2], [255, 0, 128]]));
        assert_eq!(colors(&[1, 2]), None);
    }
}
