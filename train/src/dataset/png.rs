//! PNG pairs: images of 8 or 16 bits, masks by gray value, palette index or class colour.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use png::{BitDepth, ColorType, Decoder, Limits, Transformations};

use super::classes::color_of;
use super::config::DatasetConfig;
use super::sample::{Image, Mask};
use crate::error::{Context, Result, bail, ensure, failure};

/// A decoded file has at most this many bytes, so that a forged header cannot exhaust memory.
const MAX_BYTES: usize = 1 << 30;

/// Samples of a file, pixel by pixel.
struct Pixels {
    height: usize,
    width: usize,
    channels: usize,
    /// `[h, w, channels]`
    samples: Vec<u16>,
    has_opacity: bool,
    is_color: bool,
}

/// Reads the bands that the dataset names. Opacity is the last band. If no band of the dataset uses it, an opacity of 0 makes a pixel
/// invalid. A palette image gives its colours.
pub(super) fn read_image(config: &DatasetConfig, path: &Path) -> Result<Image> {
    let pixels = decode(path, Transformations::EXPAND)?;
    config.check_band_count(pixels.channels, &path.display())?;
    let bands = config.scene_bands();
    let mut values = Vec::with_capacity(bands.len() * pixels.height * pixels.width);
    for (_, band) in &bands {
        let plane = pixels.samples.iter().skip(*band).step_by(pixels.channels);
        values.extend(plane.map(|&sample| f32::from(sample)));
    }
    let opacity = pixels.channels - 1;
    let is_mask = pixels.has_opacity && bands.iter().all(|(_, band)| *band != opacity);
    let valid = pixels
        .samples
        .chunks_exact(pixels.channels)
        .map(|pixel| !is_mask || pixel[opacity] != 0);
    Ok(Image {
        height: pixels.height,
        width: pixels.width,
        values,
        valid: valid.collect(),
    })
}

/// Reads a mask: gray values and palette indices are class values; colours are looked up among the classes.
pub(super) fn read_mask(config: &DatasetConfig, path: &Path) -> Result<Mask> {
    let pixels = decode(path, Transformations::IDENTITY)?;
    let mut codes = Vec::with_capacity(pixels.height * pixels.width);
    let mut labelled = Vec::with_capacity(pixels.height * pixels.width);
    let mut colors = Vec::new();
    for class in &config.classes {
        colors.push((color_of(class)?.map(u16::from), class.value));
    }
    for pixel in pixels.samples.chunks_exact(pixels.channels) {
        labelled.push(!pixels.has_opacity || pixel.last() != Some(&0));
        let code = match pixel {
            [r, g, b, ..] if pixels.is_color => {
                let known = colors.iter().find(|(color, _)| color == &[*r, *g, *b]);
                match known {
                    Some((_, value)) => u16::from(*value),
                    None if labelled.last() == Some(&false) => 0,
                    None => bail!(
                        Sample,
                        "{} contains the colour {r:02X}{g:02X}{b:02X}, which no class has",
                        path.display()
                    ),
                }
            }
            [value, ..] => *value,
            [] => 0,
        };
        codes.push(f32::from(code));
    }
    Ok(Mask {
        height: pixels.height,
        width: pixels.width,
        codes,
        labelled,
    })
}

fn decode(path: &Path, transformations: Transformations) -> Result<Pixels> {
    let decode = || -> Result<Pixels> {
        let limits = Limits { bytes: MAX_BYTES };
        let mut decoder = Decoder::new_with_limits(BufReader::new(File::open(path)?), limits);
        decoder.set_transformations(transformations);
        let mut reader = decoder.read_info()?;
        let size = reader.output_buffer_size().filter(|size| *size <= MAX_BYTES);
        let mut bytes = vec![0; size.ok_or_else(|| failure!(Sample, "it is too large"))?];
        let frame = reader.next_frame(&mut bytes)?;
        let (height, width) = (frame.height as usize, frame.width as usize);
        let channels = frame.color_type.samples();
        let row_samples = width * channels;
        ensure!(Sample, row_samples > 0 && height > 0, "it has no pixel");
        let mut samples = Vec::with_capacity(row_samples * height);
        for row in bytes.chunks_exact(frame.line_size).take(height) {
            match frame.bit_depth {
                BitDepth::Sixteen => samples.extend(row.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]]))),
                BitDepth::Eight => samples.extend(row.iter().map(|&b| u16::from(b))),
                // Samples are packed, the first one in the highest bits; each row starts a new byte.
                depth => {
                    let bits = depth as usize;
                    let of_byte =
                        |byte: u8| (0..8 / bits).map(move |i| (byte >> (8 - bits * (i + 1))) & (0xff >> (8 - bits)));
                    let unpacked = row.iter().flat_map(|&byte| of_byte(byte));
                    samples.extend(unpacked.take(row_samples).map(u16::from));
                }
            }
        }
        ensure!(Sample, samples.len() == row_samples * height, "the file is cut short");
        Ok(Pixels {
            height,
            width,
            channels,
            samples,
            has_opacity: matches!(frame.color_type, ColorType::GrayscaleAlpha | ColorType::Rgba),
            is_color: matches!(frame.color_type, ColorType::Rgb | ColorType::Rgba),
        })
    };
    decode().with_context(|| format!("cannot read {}", path.display()))
}
