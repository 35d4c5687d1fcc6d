//! What a file says about its image.

use serde::Serialize;

use crate::codec::Compression;
use crate::codec::predictor::Predictor;
use crate::directory::Directory;
use crate::directory::header::{ByteOrder, Header};
use crate::directory::metadata_reader::MetadataReader;
use crate::error::TiffError;
use crate::limits::Limits;
use crate::read::color::ColorInterpretation;
use crate::read::conversion::ColorConversion;
use crate::read::gdal_metadata;
use crate::read::geo_tags::read_geo_tags;
use crate::read::layout::Layout;
use crate::read::related::{Overview, RelatedImages};
use crate::samples::SampleType;
use crate::samples::nodata::parse_nodata;
use crate::tags;
use raremap_geo::Crs;
use raremap_geo::{GeoReference, GeoTags};
use raremap_io::RangeSource;

/// What a file says about its image.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RasterInfo {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Number of bands, including alpha.
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
    /// Whether each band is stored separately.
    pub planar: bool,
    /// Whether the blocks are tiles; otherwise they are strips.
    pub tiled: bool,
    /// Columns of a block.
    pub block_width: u32,
    /// Rows of a block, or of the pieces that are read if the whole image is one uncompressed strip.
    pub block_height: u32,
    /// Number of blocks that the file does not store: they hold nodata, or 0.
    pub sparse_block_count: u64,
    /// Smaller images of the same scene in this file. Overviews in a file beside it (`.ovr`) are not read.
    pub overviews: Vec<Overview>,
    /// Whether a mask in this file says which pixels are valid; nodata then marks none (as in GDAL).
    pub masked: bool,
    /// Number of images in this file that are neither overview nor mask. The first one is read.
    pub page_count: usize,
    /// The value that marks pixels without data (NaN stands for NaN); absent if no sample could have it.
    pub nodata: Option<f64>,
    /// What the file states as nodata, whether or not a sample could have it: blocks that are not stored hold the nearest value.
    pub stated_nodata: Option<f64>,
    /// Factor by which a stored value of each band is multiplied for its physical value, if the file gives one.
    pub scales: Vec<Option<f64>>,
    /// Offset that is added to that.
    pub offsets: Vec<Option<f64>>,
    /// The physical unit of each band.
    pub units: Vec<Option<String>>,
    /// Items that the file keeps about each band (GDAL's metadata: statistics and what writers add), by name.
    pub band_items: Vec<Vec<(String, String)>>,
    /// Items that the file keeps about the image, by name.
    pub items: Vec<(String, String)>,
    /// The name (GDAL: description) of each band.
    pub band_names: Vec<Option<String>>,
    /// The meaning of each band.
    pub color_interpretations: Vec<ColorInterpretation>,
    /// The first band that the file calls opacity; its samples tell whether it is.
    pub alpha_band: Option<usize>,
    /// Whether colours were multiplied by the opacity (ExtraSamples 1).
    pub premultiplied: bool,
    /// Colours of a paletted image, by value.
    pub color_map: Option<Vec<[u8; 3]>>,
    /// Where the image is; `None` if the file has no pixel-to-map transform.
    pub georeference: Option<GeoReference>,
    /// The coordinate reference system, even if the file has no transform.
    pub crs: Option<Crs>,
    /// Whether the file's own coordinates refer to pixel centres (PixelIsPoint); the transform refers to corners all the same.
    pub pixel_is_point: bool,
    /// Ground control points of a file that has them instead of a transform. They do not place any pixel, but are written to results.
    pub gcp_count: usize,
    /// The tags of such a file: its points and system.
    #[serde(skip)]
    pub ground_control: Option<GeoTags>,
    /// The tags of a coordinate reference system that the file names without placing the pixels in it.
    #[serde(skip)]
    pub(crate) unplaced_system: Option<GeoTags>,
    /// Centre wavelength of each band in nanometres, if the metadata say it.
    pub wavelengths_nm: Vec<Option<f64>>,
}

impl RasterInfo {
    pub(crate) async fn read<S: RangeSource>(
        reader: &mut MetadataReader<'_, S>,
        header: Header,
        directory: &Directory,
        layout: &Layout,
        related: &RelatedImages,
        limits: &Limits,
    ) -> Result<Self, TiffError> {
        // Damaged descriptive tags do not make the pixels unreadable.
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
        let text = String::from_utf8_lossy(&metadata);
        let metadata = gdal_metadata::decode(text.split('\0').next().unwrap_or_default(), layout.band_count);
        let mut color_interpretations = layout.color_interpretations(reader, directory, limits).await?;
        // If colours are converted, the metadata describe what is stored, such as inks.
        if matches!(layout.conversion, ColorConversion::None) {
            for (meaning, band) in color_interpretations.iter_mut().zip(&metadata.bands) {
                *meaning = band.color_interpretation.unwrap_or(*meaning);
            }
        }
        let extra_samples = directory.unsigned(reader, tags::EXTRA_SAMPLES, limits).await;
        let stated_nodata = parse_nodata(&nodata_text);
        let geo = read_geo_tags(reader, directory, limits).await;
        let of_bands = metadata.bands.into_iter();
        let [mut band_names, mut units] = [Vec::new(), Vec::new()];
        let [mut scales, mut offsets] = [Vec::new(), Vec::new()];
        let mut band_items = Vec::new();
        for band in of_bands {
            band_names.push(band.description);
            units.push(band.unit);
            scales.push(band.scale);
            offsets.push(band.offset);
            band_items.push(band.items);
        }
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
            block_height: layout.stored_block_height,
            sparse_block_count: layout.sparse_block_count(),
            overviews: related.overviews.clone(),
            masked: related.mask.is_some(),
            page_count: related.page_count,
            nodata: stated_nodata.filter(|nodata| can_hold(layout.sample_type, *nodata)),
            stated_nodata,
            scales,
            offsets,
            units,
            wavelengths_nm: wavelengths_nm(&metadata.items, &band_items),
            band_items,
            items: metadata.items,
            band_names,
            alpha_band: color_interpretations
                .iter()
                .position(|meaning| *meaning == ColorInterpretation::Alpha),
            color_interpretations,
            color_map: color_map.and_then(|values| colors(&values)),
            premultiplied: extra_samples.ok().flatten().is_some_and(|extra| extra.contains(&1)),
            crs: geo.crs(),
            pixel_is_point: geo.pixel_is_point(),
            gcp_count: geo.gcp_count(),
            ground_control: (geo.gcp_count() > 0).then(|| geo.clone()),
            unplaced_system: geo.crs().map(|_| geo.clone()),
            georeference: GeoReference::from_tags(geo),
        })
    }

    /// Sets the value that marks pixels without data.
    pub(crate) fn set_nodata(&mut self, nodata: f64) {
        self.stated_nodata = Some(nodata);
        self.nodata = Some(nodata).filter(|nodata| can_hold(self.sample_type, *nodata));
    }

    /// What the metadata say about the sensor, in no particular form.
    pub fn described(&self) -> Vec<String> {
        const KEYS: &[&str] = &[
            "SENSOR",
            "SATELLITE",
            "PLATFORM",
            "SPACECRAFT",
            "INSTRUMENT",
            "MISSION",
            "PRODUCT",
            "SCENE",
            "DESCRIPTION",
            "DATATYPE",
        ];
        let tells = |name: &str| {
            let name = name.to_uppercase();
            KEYS.iter().any(|key| name.contains(key))
        };
        let told = self.items.iter().filter(|(name, _)| tells(name));
        told.map(|(_, value)| value.clone()).collect()
    }
}

/// The wavelength of each band, by items of its own (`CENTRAL_WAVELENGTH_UM`, `wavelength` with its unit) or by those that ENVI's headers leave of the image
/// (`Band_1`).
fn wavelengths_nm(items: &[(String, String)], bands: &[Vec<(String, String)>]) -> Vec<Option<f64>> {
    let value = |items: &[(String, String)], wanted: &[&str]| {
        let is_wanted = |(name, _): &&(String, String)| wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted));
        items
            .iter()
            .find(is_wanted)
            .map(|(_, value)| value.trim().to_lowercase())
    };
    let to_nm = |number: f64, unit: &str| {
        let is_micrometres = unit.contains("micro")
            || unit.contains("um")
            || unit.contains('\u{b5}')
            || (unit.is_empty() && number < 30.0);
        if is_micrometres { 1000.0 * number } else { number }
    };
    let of_band = |(index, own): (usize, &Vec<(String, String)>)| {
        if let Some(micrometres) = value(own, &["CENTRAL_WAVELENGTH_UM"]) {
            return micrometres.parse::<f64>().ok().map(|number| 1000.0 * number);
        }
        let text = value(own, &["wavelength", "center_wavelength", "central_wavelength"]);
        let text = text.or_else(|| value(items, &[&format!("Band_{}", index + 1)]))?;
        let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
        let unit = value(own, &["wavelength_units", "wavelength_unit"]).unwrap_or_else(|| unit.to_owned());
        number.parse::<f64>().ok().map(|number| to_nm(number, &unit))
    };
    let is_wavelength = |nm: &f64| (200.0..20_000.0).contains(nm);
    bands
        .iter()
        .enumerate()
        .map(|band| of_band(band).filter(is_wavelength))
        .collect()
}

/// Whether samples of this type can be nodata with this value.
fn can_hold(sample_type: SampleType, nodata: f64) -> bool {
    match sample_type.integer_range() {
        Some((least, greatest)) => nodata >= least && nodata <= greatest,
        None => true,
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
    fn wavelengths_are_read_in_the_units_they_are_in() {
        let item = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let bands = [
            vec![item("CENTRAL_WAVELENGTH_UM", "0.56")],
            vec![item("wavelength", "0.665"), item("wavelength_units", "Micrometers")],
            vec![item("wavelength", "842")],
            vec![],
            vec![item("wavelength", "unknown")],
        ];
        let items = [item("Band_4", "1610.0 Nanometers"), item("Band_5", "x")];
        let expected = [Some(560.0), Some(665.0), Some(842.0), Some(1610.0), None];
        assert_eq!(wavelengths_nm(&items, &bands), expected);
    }

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
