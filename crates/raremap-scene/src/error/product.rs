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
    #[error("none of these files is a band: {files}{advice}", files = .0, advice = Advice(&.0.0))]
    NoBand(NameList),
    /// Files of several products were given at once.
    #[error(
        "these are files of several products, but only one product can be opened at a time: {files}{advice}",
        files = .0,
        advice = Advice(&.0.0)
    )]
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

/// How to join the parts of a large export.
const JOIN: &str = "These look like parts of one export that was split side by side. Join them first, for example with `gdalbuildvrt scene.vrt \
                    PART*.tif` and `gdal_translate scene.vrt scene.tif`, and open the result";

/// Advice for files whose names say that they are parts of one scene; empty for others.
struct Advice<'a>(&'a [String]);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match are_parts(self.0) {
            true => write!(formatter, ". {JOIN}"),
            false => Ok(()),
        }
    }
}

/// Whether names only differ by the row and the column at their end, as in split exports:
/// `scene-0000000000-0000012288.tif`, `scene_2_1.tif`.
fn are_parts(names: &[String]) -> bool {
    let mut parts = names.iter().map(|name| part_of(name));
    let Some(Some((first, _))) = parts.next() else {
        return false;
    };
    names.len() > 1 && parts.all(|part| part.is_some_and(|(stem, _)| stem == first))
}

/// The part of a file's name before its row and column, and these two.
fn part_of(name: &str) -> Option<(&str, [u64; 2])> {
    let (stem, _) = name.rsplit_once('.')?;
    let (rest, column) = stem.rsplit_once(['-', '_'])?;
    let (scene, row) = rest.rsplit_once(['-', '_'])?;
    let number = |text: &str| text.trim_start_matches(['r', 'c', 'x', 'y']).parse().ok();
    Some((scene, [number(row)?, number(column)?]))
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

impl GridDifference {
    /// Whether the file shows none of the reference's ground, with pixels of the same size.
    fn is_beside(&self) -> bool {
        let GridDifference::Extent {
            upper_left_px: [left, top],
            lower_right_px: [right, bottom],
            file,
            reference,
        } = self
        else {
            return false;
        };
        let axes = [
            (*left, *right, file[0], reference[0]),
            (*top, *bottom, file[1], reference[1]),
        ];
        // The offsets of both corners give the file's size in pixels of the reference.
        let is_same_pixel = |(near, far, own, other): (f64, f64, u32, u32)| {
            (f64::from(other) + far - near - f64::from(own)).abs() < 0.5
        };
        let is_apart =
            |(near, far, _, other): (f64, f64, u32, u32)| near > f64::from(other) - 1.0 || far < 1.0 - f64::from(other);
        axes.into_iter().all(is_same_pixel) && axes.into_iter().any(is_apart)
    }
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
            )
            .and_then(|()| match self.is_beside() {
                true => write!(formatter, ". {JOIN}"),
                false => Ok(()),
            }),
            GridDifference::Rotation => formatter.write_str("one of them is rotated or mirrored relative to the other"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> NameList {
        NameList(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn parts_of_a_split_export_are_told_to_be_joined() {
        for parts in [
            ["ndwi-0000000000-0000000000.tif", "ndwi-0000000000-0000012544.tif"],
            ["scene_1_1.tif", "scene_2_1.tif"],
            ["a_r0_c1.tif", "a_r0_c2.tif"],
        ] {
            let text = ProductError::NoBand(names(&parts)).to_string();
            assert!(text.contains("gdalbuildvrt"), "{text}");
            let text = ProductError::SeveralProducts(names(&parts)).to_string();
            assert!(text.contains("gdalbuildvrt"), "{text}");
        }
        for others in [
            ["a_1_1.tif", "b_1_2.tif"],
            ["LC08_B4.tif", "LC08_B5.tif"],
            ["x.tif", "y.tif"],
        ] {
            let text = ProductError::NoBand(names(&others)).to_string();
            assert!(!text.contains("gdalbuildvrt"), "{text}");
        }
    }

    #[test]
    fn grids_side_by_side_are_told_to_be_joined() {
        let difference = |left: f64, right: f64, width: u32| {
            GridDifference::Extent {
                upper_left_px: [left, 0.0],
                lower_right_px: [right, 0.0],
                file: [width, 50],
                reference: [100, 50],
            }
            .to_string()
        };
        assert!(difference(100.0, 80.0, 80).contains("gdalbuildvrt"));
        assert!(difference(-80.0, -100.0, 80).contains("gdalbuildvrt"));
        assert!(!difference(10.0, 10.0, 100).contains("gdalbuildvrt"), "they overlap");
        assert!(!difference(100.0, 0.0, 50).contains("gdalbuildvrt"), "other pixels");
    }
}
