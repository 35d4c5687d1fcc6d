//! Colour spaces whose stored samples GDAL does not return as they are, and the conversions that it applies.

use crate::codec::Compression;
use crate::directory::Directory;
use crate::directory::metadata_reader::MetadataReader;
use crate::error::{TiffError, Unsupported};
use crate::limits::Limits;
use crate::read::lab::Lab;
use crate::samples::ycbcr::YCbCr;
use crate::tags;
use raremap_io::RangeSource;

/// How the stored samples of a pixel become its bands.
#[derive(Debug, Clone)]
pub(crate) enum ColorConversion {
    /// The samples are the bands.
    None,
    /// The first four are inks; the bands are red, green, blue and an opacity of 255.
    CmykToRgba,
    /// CIE L*a*b*; the bands are those of sRGB and an opacity of 255.
    LabToRgba(Box<Lab>),
    /// Luma and subsampled chroma (TIFF 6.0, section 21); the bands are red, green and blue.
    YCbCrToRgb(Box<YCbCr>),
}

/// What the directory says about the samples of a pixel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredPixel {
    pub(crate) photometric: u16,
    pub(crate) compression: Compression,
    pub(crate) samples: usize,
    pub(crate) bits: u16,
    pub(crate) planar: bool,
    pub(crate) tiled: bool,
}

impl ColorConversion {
    /// Finds the conversion of the colours that GDAL converts, which have 8 bits. Colours that GDAL does not read are refused.
    pub(crate) async fn read<S: RangeSource>(
        reader: &mut MetadataReader<'_, S>,
        directory: &Directory,
        limits: &Limits,
        pixel: StoredPixel,
    ) -> Result<Self, TiffError> {
        let is_jpeg = pixel.compression == Compression::Jpeg;
        let is_chunky = !pixel.planar;
        let name = match (pixel.photometric, pixel.bits) {
            (5, 8) if pixel.samples >= 4 => return Ok(ColorConversion::CmykToRgba),
            // The codec converts these.
            (6, _) if is_jpeg && is_chunky || pixel.compression == Compression::OldJpeg => {
                return Ok(ColorConversion::None);
            }
            (6, bits) => {
                let subsampling = subsampling(reader, directory, limits).await?;
                match (bits, pixel.samples) {
                    (8, 3) if is_chunky || subsampling == [1, 1] => {
                        let conversion = read_ycbcr(reader, directory, limits, subsampling).await?;
                        let conversion = if pixel.tiled {
                            conversion
                        } else {
                            conversion.in_strips()
                        };
                        return Ok(ColorConversion::YCbCrToRgb(Box::new(conversion)));
                    }
                    (_, samples) if subsampling == [1, 1] && (pixel.planar || samples == 3) => {
                        return Ok(ColorConversion::None);
                    }
                    _ => "YCbCr of this layout",
                }
            }
            (8, 8) if pixel.samples == 3 && is_chunky => {
                let white_point = directory.floats(reader, tags::WHITE_POINT, limits).await?;
                return Ok(ColorConversion::LabToRgba(Box::new(Lab::new(&white_point))));
            }
            (8, 8) if pixel.samples == 3 => "CIE L*a*b* in planes",
            // All other colours are returned as they are stored.
            _ => return Ok(ColorConversion::None),
        };
        let code = pixel.photometric;
        Err(Unsupported::Photometric { code, name }.into())
    }

    /// Bands that `samples` become.
    pub(crate) fn bands(&self, samples: usize) -> usize {
        match self {
            ColorConversion::None => samples,
            ColorConversion::CmykToRgba | ColorConversion::LabToRgba(_) => 4,
            ColorConversion::YCbCrToRgb(_) => 3,
        }
    }

    /// Stored bytes of a block whose bytes are not rows of samples.
    pub(crate) fn stored_bytes(&self, width: u32, rows: u32) -> Option<u64> {
        match self {
            ColorConversion::YCbCrToRgb(ycbcr) => Some(ycbcr.stored_bytes(width, rows)),
            _ => None,
        }
    }

    /// Converts a block of `width` columns.
    pub(crate) fn apply(&self, stored: Vec<u8>, width: usize, rows: usize, samples: usize) -> Vec<u8> {
        match self {
            ColorConversion::None => stored,
            ColorConversion::CmykToRgba => stored.chunks_exact(samples.max(1)).flat_map(rgba_of_cmyk).collect(),
            ColorConversion::LabToRgba(lab) => stored
                .as_chunks()
                .0
                .iter()
                .flat_map(|pixel| lab.to_rgba(*pixel))
                .collect(),
            ColorConversion::YCbCrToRgb(ycbcr) => ycbcr.to_rgb(&stored, width, rows),
        }
    }
}

/// Reads the meaning of the codes; `subsampling` is luma samples across and down for one of each chroma.
pub(crate) async fn read_ycbcr<S: RangeSource>(
    reader: &mut MetadataReader<'_, S>,
    directory: &Directory,
    limits: &Limits,
    subsampling: [usize; 2],
) -> Result<YCbCr, TiffError> {
    let coefficients = directory.floats(reader, tags::YCBCR_COEFFICIENTS, limits).await?;
    let reference = directory.floats(reader, tags::REFERENCE_BLACK_WHITE, limits).await?;
    let coefficients = match coefficients.as_slice() {
        [red, green, blue] if *green != 0.0 => [*red as f32, *green as f32, *blue as f32],
        _ => [0.299, 0.587, 0.114],
    };
    let reference = match reference.as_slice() {
        [a, b, c, d, e, f] => [*a, *b, *c, *d, *e, *f].map(|value| value as f32),
        _ => [0.0, 255.0, 128.0, 255.0, 128.0, 255.0],
    };
    Ok(YCbCr::new(subsampling, coefficients, reference))
}

/// YCbCrSubSampling: luma samples across and down for one of each chroma.
async fn subsampling<S: RangeSource>(
    reader: &mut MetadataReader<'_, S>,
    directory: &Directory,
    limits: &Limits,
) -> Result<[usize; 2], TiffError> {
    let values = directory.unsigned(reader, tags::YCBCR_SUBSAMPLING, limits).await?;
    match values.as_deref() {
        None => Ok([2, 2]),
        Some([across @ (1 | 2 | 4), down @ (1 | 2 | 4), ..]) => Ok([*across as usize, *down as usize]),
        Some(_) => Err(Unsupported::Feature {
            feature: "this YCbCrSubSampling",
        }
        .into()),
    }
}

fn rgba_of_cmyk(inks: &[u8]) -> [u8; 4] {
    let [cyan, magenta, yellow, black, ..] = inks else {
        return [0; 4];
    };
    let paper = 255 - u32::from(*black);
    let light = |ink: u8| (paper * (255 - u32::from(ink)) / 255) as u8;
    [light(*cyan), light(*magenta), light(*yellow), 255]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inks_absorb_light() {
        assert_eq!(rgba_of_cmyk(&[0, 50, 193, 63]), [192, 154, 46, 255]);
        assert_eq!(rgba_of_cmyk(&[0, 0, 0, 0, 9]), [255; 4]);
    }
}
