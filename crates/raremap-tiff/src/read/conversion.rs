//! Colour spaces whose stored samples GDAL does not return as they are, and the conversions that it applies.

use crate::codec::Compression;
use crate::directory::Directory;
use crate::directory::metadata_reader::MetadataReader;
use crate::error::{TiffError, Unsupported};
use crate::limits::Limits;
use crate::read::lab::Lab;
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

/// Units of `across * down` luma samples and one of each chroma, and what they mean.
#[derive(Debug, Clone)]
pub(crate) struct YCbCr {
    across: usize,
    down: usize,
    luma: [i32; 256],
    red_of_cr: [i32; 256],
    green_of_cr: [i32; 256],
    green_of_cb: [i32; 256],
    blue_of_cb: [i32; 256],
}

/// What the directory says about the samples of a pixel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredPixel {
    pub(crate) photometric: u16,
    pub(crate) compression: Compression,
    pub(crate) samples: usize,
    pub(crate) bits: u16,
    pub(crate) planar: bool,
}

impl ColorConversion {
    /// Finds the conversion, or refuses colour spaces whose conversion is a picture viewer's task.
    pub(crate) async fn read<S: RangeSource>(
        reader: &mut MetadataReader<'_, S>,
        directory: &Directory,
        limits: &Limits,
        pixel: StoredPixel,
    ) -> Result<Self, TiffError> {
        let is_jpeg = pixel.compression == Compression::Jpeg;
        let name = match (pixel.photometric, pixel.bits) {
            (5, 8) if pixel.samples >= 4 && !pixel.planar => return Ok(ColorConversion::CmykToRgba),
            // Other sizes are returned as they are, by GDAL too.
            (5, bits) if bits != 8 => return Ok(ColorConversion::None),
            (5, _) => "CMYK of this layout",
            // The codec converts these.
            (6, _) if is_jpeg && !pixel.planar => return Ok(ColorConversion::None),
            (6, 8) if pixel.samples == 3 && !pixel.planar => {
                let conversion = YCbCr::read(reader, directory, limits).await?;
                return Ok(ColorConversion::YCbCrToRgb(Box::new(conversion)));
            }
            (6, _) => "YCbCr of this layout",
            (8, 8) if pixel.samples == 3 && !pixel.planar => {
                let white_point = directory.floats(reader, tags::WHITE_POINT, limits).await?;
                return Ok(ColorConversion::LabToRgba(Box::new(Lab::new(&white_point))));
            }
            (8..=10, _) => "CIE L*a*b* of this layout",
            (32844 | 32845, _) => "Log L or Log Luv",
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
            ColorConversion::YCbCrToRgb(ycbcr) => {
                let units =
                    u64::from(width.div_ceil(ycbcr.across as u32)) * u64::from(rows.div_ceil(ycbcr.down as u32));
                Some(units.saturating_mul((ycbcr.across * ycbcr.down + 2) as u64))
            }
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

fn rgba_of_cmyk(inks: &[u8]) -> [u8; 4] {
    let [cyan, magenta, yellow, black, ..] = inks else {
        return [0; 4];
    };
    let paper = 255 - u32::from(*black);
    let light = |ink: u8| (paper * (255 - u32::from(ink)) / 255) as u8;
    [light(*cyan), light(*magenta), light(*yellow), 255]
}

impl YCbCr {
    async fn read<S: RangeSource>(
        reader: &mut MetadataReader<'_, S>,
        directory: &Directory,
        limits: &Limits,
    ) -> Result<Self, TiffError> {
        let subsampling = directory.unsigned(reader, tags::YCBCR_SUBSAMPLING, limits).await?;
        let subsampling = subsampling.unwrap_or_else(|| vec![2, 2]);
        let (Some(across @ (1 | 2 | 4)), Some(down @ (1 | 2 | 4))) =
            (subsampling.first().copied(), subsampling.get(1).copied())
        else {
            return Err(Unsupported::Feature {
                feature: "this YCbCrSubSampling",
            }
            .into());
        };
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
        Ok(Self::new([across as usize, down as usize], coefficients, reference))
    }

    /// Tables in the 16-bit fixed point and 32-bit floats of libtiff.
    fn new([across, down]: [usize; 2], [red, green, blue]: [f32; 3], reference: [f32; 6]) -> Self {
        const HALF: i32 = 1 << 15;
        let fixed = |value: f32| (f64::from(value.clamp(0.0, 2.0)) * 65536.0 + 0.5) as i32;
        let (of_red, of_blue) = (2.0 - 2.0 * red, 2.0 - 2.0 * blue);
        let (red_cr, blue_cb) = (fixed(of_red), fixed(of_blue));
        let green_cr = -fixed(red * of_red / green);
        let green_cb = -fixed(blue * of_blue / green);
        let [y_black, y_white, cb_black, cb_white, cr_black, cr_white] = reference;
        let code = |code: i32, black: f32, white: f32, range: f32| {
            let span = if white - black == 0.0 { 1.0 } else { white - black };
            ((code.saturating_sub(black as i32) as f32 * range) / span).clamp(-4096.0, 4096.0) as i32
        };
        let table = |of: &dyn Fn(i32) -> i32| std::array::from_fn(|index| of(index as i32));
        let cr = |index: i32| code(index - 128, cr_black - 128.0, cr_white - 128.0, 127.0);
        let cb = |index: i32| code(index - 128, cb_black - 128.0, cb_white - 128.0, 127.0);
        Self {
            across,
            down,
            luma: table(&|index| code(index, y_black, y_white, 255.0)),
            red_of_cr: table(&|index| red_cr.wrapping_mul(cr(index)).wrapping_add(HALF) >> 16),
            green_of_cr: table(&|index| green_cr.wrapping_mul(cr(index))),
            green_of_cb: table(&|index| green_cb.wrapping_mul(cb(index)).wrapping_add(HALF)),
            blue_of_cb: table(&|index| blue_cb.wrapping_mul(cb(index)).wrapping_add(HALF) >> 16),
        }
    }

    fn rgb(&self, y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let of = |table: &[i32; 256], code: u8| table.get(usize::from(code)).copied().unwrap_or_default();
        let y = of(&self.luma, y);
        let green = of(&self.green_of_cb, cb).wrapping_add(of(&self.green_of_cr, cr)) >> 16;
        [y + of(&self.red_of_cr, cr), y + green, y + of(&self.blue_of_cb, cb)].map(|value| value.clamp(0, 255) as u8)
    }

    fn to_rgb(&self, stored: &[u8], width: usize, rows: usize) -> Vec<u8> {
        let mut rgb = vec![0; width * rows * 3];
        let unit_bytes = self.across * self.down + 2;
        let units_across = width.div_ceil(self.across).max(1);
        for (index, unit) in stored.chunks_exact(unit_bytes).enumerate() {
            let (left, top) = (index % units_across * self.across, index / units_across * self.down);
            let (luma, chroma) = unit.split_at(self.across * self.down);
            let [cb, cr] = chroma else { continue };
            for (place, y) in luma.iter().enumerate() {
                let (column, row) = (left + place % self.across, top + place / self.across);
                if column < width
                    && row < rows
                    && let Some(target) = rgb
                        .get_mut((row * width + column) * 3..)
                        .and_then(<[u8]>::first_chunk_mut)
                {
                    *target = self.rgb(*y, *cb, *cr);
                }
            }
        }
        rgb
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inks_absorb_light() {
        assert_eq!(rgba_of_cmyk(&[0, 50, 193, 63]), [192, 154, 46, 255]);
        assert_eq!(rgba_of_cmyk(&[0, 0, 0, 0, 9]), [255; 4]);
    }

    #[test]
    fn chroma_is_shared_by_the_luma_samples_of_its_unit() {
        let reference = [0.0, 255.0, 128.0, 255.0, 128.0, 255.0];
        let ycbcr = YCbCr::new([2, 2], [0.299, 0.587, 0.114], reference);
        // There are three columns and one row; the rest of the units is padding.
        let rgb = ycbcr.to_rgb(&[76, 150, 0, 0, 128, 128, 29, 9, 9, 9, 255, 107], 3, 1);
        assert_eq!(rgb, [76, 76, 76, 150, 150, 150, 0, 0, 254]);
        assert_eq!(
            ColorConversion::YCbCrToRgb(Box::new(ycbcr)).stored_bytes(3, 1),
            Some(12)
        );
    }
}
