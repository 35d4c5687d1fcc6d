//! Writes scenes of any size as GeoTIFF files, a block at a time.

use std::io::{Seek, Write};

use raremap_geo::{Affine, CrsKind, GeoReference};
use raremap_tiff::{
    BandOrder, BlockLayout, ImageDescription, Predictor, SampleType, TiffError, WriteOptions, write_blocks,
};

/// Where a raster lies: north up, on UTM or another projected grid in metres.
#[derive(Clone, Copy, Debug)]
pub struct NorthUpGrid {
    /// EPSG code of a projected CRS in metres.
    pub epsg: u16,
    /// Easting of the left edge.
    pub left_m: f64,
    /// Northing of the top edge.
    pub top_m: f64,
    /// Side of a pixel.
    pub pixel_m: f64,
}

impl NorthUpGrid {
    fn georeference(&self) -> Option<GeoReference> {
        let model_from_pixel = Affine {
            a: self.pixel_m,
            b: 0.0,
            c: self.left_m,
            d: 0.0,
            e: -self.pixel_m,
            f: self.top_m,
        };
        GeoReference::from_epsg(CrsKind::Projected, self.epsg, model_from_pixel)
    }
}

/// A raster whose pixels are computed when they are written.
#[derive(Clone, Copy)]
pub struct Raster<'a> {
    /// Columns.
    pub width_px: usize,
    /// Rows.
    pub height_px: usize,
    /// 8 or 16.
    pub bits: u16,
    /// Band names.
    pub bands: &'a [&'a str],
    /// The value that stands for no data.
    pub nodata: u16,
    /// Strips or tiles.
    pub blocks: BlockLayout,
    /// Order of the samples.
    pub band_order: BandOrder,
    /// Deflate, with differences to the left; `None` stores the samples as they are.
    pub deflate_level: Option<u8>,
    /// Reduced images that take the middle pixel of each block of 2, 4, 8...
    pub has_overviews: bool,
    /// Georeferencing.
    pub place: NorthUpGrid,
    /// Appends the bands of the pixel at a column and a row.
    pub pixel: &'a dyn Fn(usize, usize, &mut Vec<u16>),
}

impl Raster<'_> {
    /// Writes the whole file to a writer that is at its start.
    ///
    /// # Errors
    /// Those of `file`.
    pub fn write(&self, file: impl Write + Seek) -> Result<(), TiffError> {
        // The arguments' limits are far below.
        let (width, height) = (self.width_px as u32, self.height_px as u32);
        let sample_type = if self.bits == 8 {
            SampleType::U8
        } else {
            SampleType::U16
        };
        let description = ImageDescription {
            nodata: Some(f64::from(self.nodata)),
            band_names: self.bands.iter().map(|&name| name.to_owned()).collect(),
            ..ImageDescription::new(width, height, sample_type, self.bands.len())
        };
        let options = WriteOptions {
            blocks: self.blocks,
            band_order: self.band_order,
            deflate_level: self.deflate_level,
            predictor: match self.deflate_level {
                Some(_) => Predictor::Horizontal,
                None => Predictor::None,
            },
            has_overviews: self.has_overviews,
        };
        let place = self.place.georeference();
        let mut pixel = Vec::with_capacity(self.bands.len());
        write_blocks(file, &description, &options, place.as_ref(), |request, raw| {
            let columns = request.source_columns(width);
            for y in request.source_rows(height) {
                for x in columns.clone() {
                    pixel.clear();
                    (self.pixel)(x as usize, y as usize, &mut pixel);
                    let wanted = match request.band {
                        Some(band) => pixel.get(band..=band).unwrap_or_default(),
                        None => &pixel,
                    };
                    for sample in wanted {
                        let bytes = sample.to_le_bytes();
                        raw.extend_from_slice(if self.bits == 8 { &bytes[..1] } else { &bytes });
                    }
                }
            }
        })
    }
}
