//! What scene is made, and how it is stored.

use super::error::{MAX_STREAMED_PX, SynthError};
use super::write::NorthUpGrid;

/// A scene to make.
#[derive(Clone, Debug, PartialEq)]
pub struct SynthOptions {
    /// Seed of the landscape; every seed gives another one.
    pub seed: u64,
    /// Number of columns, 32 to 4096.
    pub width_px: usize,
    /// Number of rows, 32 to 4096.
    pub height_px: usize,
    /// Columns and rows of a scene of any size, 1 to 200,000; it is written while it is made, and replaces `width_px` and `height_px`.
    pub size_px: Option<[usize; 2]>,
    /// How the bands are stored; only strips, tiles and cog can be written while they are made, at any size.
    pub layout: Layout,
    /// Compression of a scene that is written while it is made.
    pub compression: Compression,
    /// Write the files of a product, including its metadata.
    pub product: Option<Product>,
    /// Put the product's files into one zip.
    pub zips: bool,
    /// Cut off the corners to nodata, as in a scene that was turned north up.
    pub cuts_corners: bool,
    /// EPSG code of a projected grid in metres.
    pub epsg: u16,
    /// Easting of the left edge in metres.
    pub left_m: f64,
    /// Northing of the top edge in metres.
    pub top_m: f64,
    /// Side of a pixel in metres, as stated in the file, above 0; the landscape is always drawn for 30.
    pub pixel_m: f64,
}

impl Default for SynthOptions {
    /// The scene of 512 x 512 pixels that the page has as its sample, in UTM zone 44 north.
    fn default() -> Self {
        Self {
            seed: 7,
            width_px: 512,
            height_px: 512,
            size_px: None,
            layout: Layout::Chunky,
            compression: Compression::None,
            product: None,
            zips: false,
            cuts_corners: false,
            epsg: 32644,
            left_m: 500_010.0,
            top_m: 2_899_980.0,
            pixel_m: 30.0,
        }
    }
}

/// How a scene's bands are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One file, the bands of a pixel together.
    Chunky,
    /// One file, band after band.
    Planar,
    /// As LISS-IV scenes are delivered: BAND2.tif (green), BAND3.tif (red), BAND4.tif (near infrared).
    Lissiv,
    /// Strips of a few rows, the bands of a pixel together.
    Strips,
    /// Tiles of 256 x 256 pixels.
    Tiles,
    /// Cloud-optimized: tiles of 512 x 512 pixels, overviews, tables at the front.
    Cog,
}

/// How the blocks are compressed if a scene is written while it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    None,
    /// Deflate with the horizontal predictor.
    Deflate,
}

/// Products, as they are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// LISS-IV of Resourcesat: 10-bit numbers in BAND2.tif, BAND3.tif and BAND4.tif, and BAND_META.txt.
    Liss4,
}

impl SynthOptions {
    /// Whether the scene is written while it is made.
    pub(super) fn is_streamed(&self) -> bool {
        let is_layout = matches!(self.layout, Layout::Strips | Layout::Tiles | Layout::Cog);
        is_layout || self.size_px.is_some() || self.product.is_some()
    }

    /// Columns and rows of such a scene, once it is known to be possible.
    pub(super) fn streamed_size(&self) -> Result<[usize; 2], SynthError> {
        let [width, height] = self.size_px.unwrap_or([self.width_px, self.height_px]);
        let sides = 1..=MAX_STREAMED_PX;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(SynthError::StreamedSize { width, height });
        }
        // Chunky is the default unless the caller chooses otherwise, and strips are chunky.
        if matches!(self.layout, Layout::Planar | Layout::Lissiv) {
            return Err(SynthError::Layout);
        }
        self.check_grid()?;
        Ok([width, height])
    }

    pub(super) fn check_grid(&self) -> Result<(), SynthError> {
        if raremap_geo::projected_unit_m(self.epsg) != Some(1.0) {
            return Err(SynthError::Epsg(self.epsg));
        }
        if self.pixel_m > 0.0 && self.pixel_m.is_finite() {
            Ok(())
        } else {
            Err(SynthError::Pixel(self.pixel_m))
        }
    }

    /// Where the scene lies.
    pub(super) fn grid(&self) -> NorthUpGrid {
        NorthUpGrid {
            epsg: self.epsg,
            left_m: self.left_m,
            top_m: self.top_m,
            pixel_m: self.pixel_m,
        }
    }
}
