//! A small GeoTIFF writer: strips, deflate, horizontal predictor, chunky or planar, always little-endian.
//!
//! It is written by hand because the bytes have to be the same on every machine (the `tiff` crate writes in the machine's own byte order),
//! and because scenes need layouts that a mask never has.

use miniz_oxide::deflate::compress_to_vec_zlib;

/// How samples of several bands lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planar {
    /// All bands of a pixel together.
    Chunky,
    /// One band after the other.
    Separate,
}

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

/// A raster to be written.
#[derive(Debug)]
pub struct Raster<'a> {
    /// Columns.
    pub width_px: usize,
    /// Rows.
    pub height_px: usize,
    /// 8 or 16.
    pub bits: u16,
    /// Band names and samples; with 8 bits the samples are below 256.
    pub bands: Vec<(&'a str, &'a [u16])>,
    /// Layout of several bands.
    pub planar: Planar,
    /// The value that stands for no data.
    pub nodata: u16,
    /// Georeferencing.
    pub place: NorthUpGrid,
}

/// Rows of a strip.
const STRIP_ROWS: usize = 32;

const DEFLATE_LEVEL: u8 = 9;

/// Encodes a raster as a GeoTIFF file.
pub fn encode(raster: &Raster) -> Vec<u8> {
    let mut file = vec![b'I', b'I', 42, 0, 0, 0, 0, 0];
    let (mut offsets, mut counts) = (Vec::new(), Vec::new());
    let samples = raster.bands.len();
    let groups: Vec<Vec<&[u16]>> = match raster.planar {
        Planar::Chunky => vec![raster.bands.iter().map(|&(_, band)| band).collect()],
        Planar::Separate => raster.bands.iter().map(|&(_, band)| vec![band]).collect(),
    };
    for group in &groups {
        for first_row in (0..raster.height_px).step_by(STRIP_ROWS) {
            let rows = STRIP_ROWS.min(raster.height_px - first_row);
            let strip = compress_to_vec_zlib(&differences(raster, group, first_row, rows), DEFLATE_LEVEL);
            offsets.push(file.len() as u32);
            counts.push(strip.len() as u32);
            file.extend_from_slice(&strip);
        }
    }
    if file.len() % 2 == 1 {
        file.push(0);
    }
    let directory_offset = file.len() as u32;
    file.splice(4..8, directory_offset.to_le_bytes());
    let NorthUpGrid {
        epsg,
        left_m,
        top_m,
        pixel_m,
    } = raster.place;
    // GTModelType projected, GTRasterType pixel is area, ProjectedCSType.
    let geo_keys = [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, epsg];
    let planar = if raster.planar == Planar::Chunky || samples == 1 {
        1
    } else {
        2
    };
    let mut tags = vec![
        long(256, &[raster.width_px as u32]),
        long(257, &[raster.height_px as u32]),
        short(258, &vec![raster.bits; samples]),
        short(259, &[8]),
        short(262, &[1]),
        long(273, &offsets),
        short(277, &[samples as u16]),
        long(278, &[STRIP_ROWS as u32]),
        long(279, &counts),
        short(284, &[planar]),
        short(317, &[2]),
        short(339, &vec![1; samples]),
        double(33550, &[pixel_m, pixel_m, 0.0]),
        double(33922, &[0.0, 0.0, 0.0, left_m, top_m, 0.0]),
        short(34735, &geo_keys),
        ascii(42112, &band_names(raster)),
        ascii(42113, &raster.nodata.to_string()),
    ];
    if samples > 1 {
        tags.insert(11, short(338, &vec![0; samples - 1]));
    }
    write_directory(&mut file, directory_offset, &tags);
    file
}

/// The samples of a strip, each less its left neighbour of the same band (predictor 2).
fn differences(raster: &Raster, group: &[&[u16]], first_row: usize, rows: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rows * raster.width_px * group.len() * usize::from(raster.bits / 8));
    for row in first_row..first_row + rows {
        let start = row * raster.width_px;
        for column in 0..raster.width_px {
            for band in group {
                let left = if column == 0 { 0 } else { band[start + column - 1] };
                let difference = band[start + column].wrapping_sub(left).to_le_bytes();
                bytes.extend_from_slice(if raster.bits == 8 {
                    &difference[..1]
                } else {
                    &difference
                });
            }
        }
    }
    bytes
}

fn band_names(raster: &Raster) -> String {
    let mut xml = String::from("<GDALMetadata>\n");
    for (index, (name, _)) in raster.bands.iter().enumerate() {
        xml += &format!("  <Item name=\"DESCRIPTION\" sample=\"{index}\" role=\"description\">{name}</Item>\n");
    }
    xml + "</GDALMetadata>\n"
}

/// A directory entry: tag, field type, count and bytes.
type Entry = (u16, u16, u32, Vec<u8>);

fn short(tag: u16, values: &[u16]) -> Entry {
    (
        tag,
        3,
        values.len() as u32,
        values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    )
}

fn long(tag: u16, values: &[u32]) -> Entry {
    (
        tag,
        4,
        values.len() as u32,
        values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    )
}

fn double(tag: u16, values: &[f64]) -> Entry {
    (
        tag,
        12,
        values.len() as u32,
        values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    )
}

fn ascii(tag: u16, text: &str) -> Entry {
    (tag, 2, text.len() as u32 + 1, text.bytes().chain([0]).collect())
}

fn write_directory(file: &mut Vec<u8>, offset: u32, tags: &[Entry]) {
    let mut overflow_offset = offset + 2 + 12 * tags.len() as u32 + 4;
    let mut overflow = Vec::new();
    file.extend_from_slice(&(tags.len() as u16).to_le_bytes());
    for (tag, kind, count, bytes) in tags {
        file.extend_from_slice(&tag.to_le_bytes());
        file.extend_from_slice(&kind.to_le_bytes());
        file.extend_from_slice(&count.to_le_bytes());
        if bytes.len() <= 4 {
            let mut inline = bytes.clone();
            inline.resize(4, 0);
            file.extend_from_slice(&inline);
        } else {
            file.extend_from_slice(&overflow_offset.to_le_bytes());
            let padded = bytes.len() + bytes.len() % 2;
            overflow.extend_from_slice(bytes);
            overflow.resize(overflow.len() + padded - bytes.len(), 0);
            overflow_offset += padded as u32;
        }
    }
    file.extend_from_slice(&[0; 4]);
    file.extend_from_slice(&overflow);
}
