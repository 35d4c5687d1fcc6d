//! Why files do not make one scene.

use std::fmt;

/// Files that cannot be taken together as one scene.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProductError {
    /// No file is one that can be read as an image.
    #[error("there is no GeoTIFF among {0}")]
    NoImage(NameList),
    /// There are images, but none is a band.
    #[error("none of these files is a band: {0}")]
    NoBand(NameList),
    /// Files of several products were given at once.
    #[error("these are files of several products, but only one product can be opened at a time: {0}")]
    SeveralProducts(NameList),
    /// The bands are stored as JPEG 2000.
    #[error(
        "{file} is a JPEG 2000 file, which is not supported: convert the bands to GeoTIFF, for example with gdal_translate"
    )]
    Jpeg2000 {
        /// The first such file.
        file: String,
    },
    /// A file does not lie on the grid of the others.
    #[error("{file} does not lie on the grid of {reference}: {difference}")]
    GridMismatch {
        /// The file.
        file: String,
        /// The file that it was compared with, which has the smallest pixels.
        reference: String,
        /// What differs.
        difference: GridDifference,
    },
}

impl ProductError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            ProductError::NoImage(_) => "no_image_among_files",
            ProductError::NoBand(_) => "no_band_among_files",
            ProductError::SeveralProducts(_) => "several_products",
            ProductError::Jpeg2000 { .. } => "unsupported_jpeg_2000",
            ProductError::GridMismatch { .. } => "grids_differ",
        }
    }
}

/// Names for a sentence, of which only the first few are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameList(pub Vec<String>);

impl fmt::Display for NameList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let names = &self.0;
        if names.is_empty() {
            return formatter.write_str("no files");
        }
        let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
        formatter.write_str(&shown.join(", "))?;
        match names.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}

/// How the grids of two files differ. Positions and sizes are in pixels of the reference.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum GridDifference {
    /// Without a place on the ground, grids are only equal if their sizes are.
    Size {
        /// Columns and rows of the file.
        file: [u32; 2],
        /// Columns and rows of the reference.
        reference: [u32; 2],
    },
    /// One has a place on the ground, and the other has none.
    Georeference {
        /// Whether it is the file that has none.
        file_has_none: bool,
    },
    /// Different coordinate reference systems.
    Crs {
        /// That of the file.
        file: String,
        /// That of the reference.
        reference: String,
    },
    /// Different extents.
    Extent {
        /// How far the file's upper left corner is to the right of the reference's, and below it.
        upper_left_px: [f64; 2],
        /// The same for the lower right corner.
        lower_right_px: [f64; 2],
        /// Columns and rows of the file.
        file: [u32; 2],
        /// Columns and rows of the reference.
        reference: [u32; 2],
    },
    /// The corners are the same in another order, or in one that no rectangle has: one file is rotated or mirrored.
    Rotation,
}

impl fmt::Display for GridDifference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |[width, height]: &[u32; 2]| format!("{width} x {height}");
        match self {
            GridDifference::Size { file, reference } => {
                write!(
                    formatter,
                    "it has {} pixels instead of {}, and no place on the ground",
                    size(file),
                    size(reference)
                )
            }
            GridDifference::Georeference { file_has_none: true } => {
                formatter.write_str("it has no place on the ground, but the other has one")
            }
            GridDifference::Georeference { file_has_none: false } => {
                formatter.write_str("it has a place on the ground, but the other has none")
            }
            GridDifference::Crs { file, reference } => {
                write!(formatter, "its coordinate reference system is {file}, not {reference}")
            }
            GridDifference::Extent {
                upper_left_px: [left, top],
                lower_right_px: [right, bottom],
                file,
                reference,
            } => write!(
                formatter,
                "its upper left corner is off by {left:+.2} columns and {top:+.2} rows, its lower right corner by {right:+.2} columns and \
                 {bottom:+.2} rows ({} pixels; the other has {})",
                size(file),
                size(reference)
            ),
            GridDifference::Rotation => formatter.write_str("one of them is rotated or mirrored relative to the other"),
        }
    }
}
