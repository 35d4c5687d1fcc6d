//! The tags that every written file has.

use crate::codec::predictor::Predictor;
use crate::error::{Misuse, TiffError};
use crate::read::gdal_metadata;
use crate::samples::SampleType;
use crate::tags;
use crate::write::head::{Directory, Entry};
use raremap_geo::GeoTags;

/// The description of an image in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageDescription {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Type of all samples: unsigned of 8 bits, unsigned or signed of 16, floating point of 32.
    pub sample_type: SampleType,
    /// How many bands there are.
    pub band_count: usize,
    /// The value that marks pixels without data.
    pub nodata: Option<f64>,
    /// Colours of an 8-bit image, by value.
    pub color_table: Option<Vec<(u8, [u8; 3])>>,
    /// Names of the first bands; may be empty.
    pub band_names: Vec<String>,
    /// Names and values for the file's metadata, as GDAL shows them.
    pub metadata: Vec<(String, String)>,
    /// Scale and offset: the quantity is `stored * scale + offset`.
    pub scaling: Option<(f64, f64)>,
}

impl ImageDescription {
    /// Describes an image by only what is needed to read it.
    pub fn new(width: u32, height: u32, sample_type: SampleType, band_count: usize) -> Self {
        Self {
            width,
            height,
            sample_type,
            band_count,
            nodata: None,
            color_table: None,
            band_names: Vec::new(),
            metadata: Vec::new(),
            scaling: None,
        }
    }

    /// Refuses parts that do not fit together.
    pub(crate) fn check(&self) -> Result<(), TiffError> {
        let bad = |reason: String| Err(Misuse::BadOutput { reason }.into());
        let (width, height, bands) = (self.width, self.height, self.band_count);
        if width == 0 || height == 0 || width > i32::MAX as u32 || height > i32::MAX as u32 {
            return bad(format!("its size is {width} x {height}"));
        }
        if bands == 0 || bands > usize::from(u16::MAX) {
            return bad(format!("it has {bands} bands"));
        }
        if self.band_names.len() > bands {
            return bad(format!("it has {} band names for {bands} bands", self.band_names.len()));
        }
        if self.color_table.is_some() && (self.sample_type != SampleType::U8 || bands != 1) {
            return bad("only an image of one 8-bit band has a colour table".into());
        }
        self.format().map(|_| ())
    }

    /// BitsPerSample and SampleFormat.
    fn format(&self) -> Result<(u16, u16), TiffError> {
        match self.sample_type {
            SampleType::U8 => Ok((8, 1)),
            SampleType::U16 => Ok((16, 1)),
            SampleType::I16 => Ok((16, 2)),
            SampleType::F32 => Ok((32, 3)),
            other => Err(Misuse::BadOutput {
                reason: format!("samples of type {other:?} are not written"),
            }
            .into()),
        }
    }

    pub(crate) fn sample_bytes(&self) -> usize {
        match self.sample_type {
            SampleType::U8 => 1,
            SampleType::F32 => 4,
            _ => 2,
        }
    }
}

/// Where the samples of several bands are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BandOrder {
    /// All bands of a pixel together.
    ByPixel,
    /// One band after the other.
    ByBand,
}

/// How an image is cut into blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockLayout {
    /// Strips of this many rows.
    Strips(u32),
    /// Square tiles of this edge, a multiple of 16.
    Tiles(u32),
}

/// How the pixels lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// Strips or tiles.
    pub blocks: BlockLayout,
    /// Order of the samples; it makes no difference for one band.
    pub band_order: BandOrder,
    /// Deflate, from 1 (fast) to 9 (small); `None` stores the samples as they are.
    pub deflate_level: Option<u8>,
    /// Transformation of samples before they are compressed.
    pub predictor: Predictor,
    /// Whether the file has images of a half, a quarter... of the size, down to one tile.
    pub has_overviews: bool,
}

impl WriteOptions {
    /// This is zlib's own default: for masks and probabilities, higher levels save less than 1 %.
    pub const DEFLATE_LEVEL: u8 = 6;
    /// Edge of a tile.
    pub const TILE_PX: u32 = 256;

    /// Tiles of 256 x 256, one band after the other, with deflate. The predictor helps if neighbours are similar, but not for class codes.
    pub fn for_samples(sample_type: SampleType) -> Self {
        Self {
            blocks: BlockLayout::Tiles(Self::TILE_PX),
            band_order: BandOrder::ByBand,
            deflate_level: Some(Self::DEFLATE_LEVEL),
            predictor: match sample_type {
                SampleType::U16 | SampleType::I16 => Predictor::Horizontal,
                _ => Predictor::None,
            },
            has_overviews: false,
        }
    }

    pub(crate) fn check(&self, image: &ImageDescription) -> Result<(), TiffError> {
        let bad = |reason: &str| {
            let reason = reason.to_owned();
            Err(Misuse::BadOutput { reason }.into())
        };
        match self.blocks {
            BlockLayout::Strips(0) => return bad("its strips have no rows"),
            BlockLayout::Tiles(edge) if edge == 0 || edge % 16 != 0 => {
                return bad("the edge of its tiles is not a multiple of 16");
            }
            BlockLayout::Strips(_) if self.has_overviews => return bad("only an image in tiles can have overviews"),
            _ => {}
        }
        let is_float = image.sample_type == SampleType::F32;
        match self.predictor {
            Predictor::Horizontal if is_float => bad("horizontal differences need integer samples"),
            Predictor::FloatingPoint if !is_float => bad("differences of byte planes need floating point samples"),
            Predictor::Horizontal | Predictor::FloatingPoint if self.deflate_level.is_none() => {
                bad("a predictor has no effect without compression")
            }
            _ => Ok(()),
        }
    }

    /// Whether each block holds one band.
    pub(crate) fn is_by_band(&self, image: &ImageDescription) -> bool {
        self.band_order == BandOrder::ByBand && image.band_count > 1
    }
}

/// One image of a file: the whole, or a smaller overview.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LevelSize {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) is_overview: bool,
}

/// The directory of one level, with the lengths of its blocks; the offsets come later.
pub(crate) fn directory(
    image: &ImageDescription,
    options: &WriteOptions,
    level: LevelSize,
    lengths: &[u32],
    geo: Option<&GeoTags>,
) -> Result<Directory, TiffError> {
    let bands = image.band_count;
    let (bits, format) = image.format()?;
    let predictor: u16 = match options.predictor {
        Predictor::None => 1,
        Predictor::Horizontal => 2,
        Predictor::FloatingPoint => 3,
    };
    let mut entries = vec![
        Entry::longs(tags::IMAGE_WIDTH, [level.width]),
        Entry::longs(tags::IMAGE_LENGTH, [level.height]),
        Entry::shorts(tags::BITS_PER_SAMPLE, &vec![bits; bands]),
        Entry::shorts(
            tags::COMPRESSION,
            &[if options.deflate_level.is_some() { 8 } else { 1 }],
        ),
        Entry::shorts(tags::PHOTOMETRIC, &[if image.color_table.is_some() { 3 } else { 1 }]),
        // `check` refused more bands than the tag can count.
        Entry::shorts(tags::SAMPLES_PER_PIXEL, &[bands as u16]),
        Entry::shorts(
            tags::PLANAR_CONFIGURATION,
            &[if options.is_by_band(image) { 2 } else { 1 }],
        ),
        Entry::shorts(tags::PREDICTOR, &[predictor]),
        Entry::shorts(tags::SAMPLE_FORMAT, &vec![format; bands]),
    ];
    let (offsets_tag, lengths_tag) = match options.blocks {
        BlockLayout::Strips(rows) => {
            entries.push(Entry::longs(tags::ROWS_PER_STRIP, [rows]));
            (tags::STRIP_OFFSETS, tags::STRIP_BYTE_COUNTS)
        }
        BlockLayout::Tiles(edge) => {
            entries.push(Entry::longs(tags::TILE_WIDTH, [edge]));
            entries.push(Entry::longs(tags::TILE_LENGTH, [edge]));
            (tags::TILE_OFFSETS, tags::TILE_BYTE_COUNTS)
        }
    };
    entries.push(Entry::longs(lengths_tag, lengths.iter().copied()));
    if let Some(colors) = &image.color_table {
        entries.push(Entry::shorts(tags::COLOR_MAP, &color_map(colors)));
    }
    if bands > 1 {
        entries.push(Entry::shorts(tags::EXTRA_SAMPLES, &vec![0; bands - 1]));
    }
    if let Some(nodata) = image.nodata {
        entries.push(Entry::ascii(tags::GDAL_NODATA, nodata_text(nodata).as_bytes()));
    }
    if level.is_overview {
        entries.push(Entry::longs(tags::NEW_SUBFILE_TYPE, [1]));
    } else {
        if !image.band_names.is_empty() || !image.metadata.is_empty() || image.scaling.is_some() {
            let xml = gdal_metadata::encode(&image.band_names, &image.metadata, image.scaling);
            entries.push(Entry::ascii(tags::GDAL_METADATA, xml.as_bytes()));
        }
        entries.extend(geo.map(geo_entries).unwrap_or_default());
    }
    Ok(Directory {
        entries,
        offsets_tag,
        offsets: vec![0; lengths.len()],
    })
}

fn geo_entries(geo: &GeoTags) -> Vec<Entry> {
    let doubles = [
        (tags::MODEL_PIXEL_SCALE, &geo.pixel_scale),
        (tags::MODEL_TIEPOINT, &geo.tie_points),
        (tags::MODEL_TRANSFORMATION, &geo.transformation),
        (tags::GEO_DOUBLE_PARAMS, &geo.double_params),
    ];
    let filled = doubles.into_iter().filter(|(_, values)| !values.is_empty());
    let mut entries: Vec<Entry> = filled.map(|(tag, values)| Entry::doubles(tag, values)).collect();
    if !geo.key_directory.is_empty() {
        entries.push(Entry::shorts(tags::GEO_KEY_DIRECTORY, &geo.key_directory));
    }
    if !geo.ascii_params.is_empty() {
        entries.push(Entry::ascii(tags::GEO_ASCII_PARAMS, &geo.ascii_params));
    }
    entries
}

/// All reds, all greens, all blues, in 16 bits; values without a colour are black.
fn color_map(colors: &[(u8, [u8; 3])]) -> Vec<u16> {
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
fn nodata_text(nodata: f64) -> String {
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
