//! Small RGB pictures and their PNG files.

use std::path::Path;

use raremap_io::write_whole;

use crate::error::{Context, Result, ensure, failure};

/// 8-bit RGB, row by row from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// `height * width * 3` bytes.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Computes pixels from their index (`row * width + column`).
    pub fn from_fn(width: usize, height: usize, color: impl FnMut(usize) -> [u8; 3]) -> Self {
        Self {
            width,
            height,
            rgb: (0..width * height).flat_map(color).collect(),
        }
    }

    /// Draws classes in their colours; a label without one (ignored, nodata) is grey.
    ///
    /// # Shapes
    /// - `labels`: `[height, width]`
    pub fn of_classes(width: usize, height: usize, labels: &[u8], colors: &[[u8; 3]]) -> Self {
        let color = |index: usize| labels.get(index).and_then(|&label| colors.get(usize::from(label)));
        Self::from_fn(width, height, |index| color(index).copied().unwrap_or([128; 3]))
    }

    /// Draws bands of one image as red, green and blue, each stretched from its 2nd to its 98th percentile; the same band may be used three
    /// times. Values that are not finite are black.
    ///
    /// # Shapes
    /// - `bands[i]`: `[height, width]`
    pub fn of_bands(width: usize, height: usize, bands: [&[f32]; 3]) -> Self {
        let ranges = bands.map(|band| {
            let mut sorted: Vec<f32> = band.iter().copied().filter(|value| value.is_finite()).collect();
            sorted.sort_unstable_by(f32::total_cmp);
            let at = |share: f64| sorted.get(((sorted.len().max(1) - 1) as f64 * share) as usize).copied();
            let (low, high) = (at(0.02).unwrap_or(0.0), at(0.98).unwrap_or(1.0));
            (low, (high - low).max(f32::MIN_POSITIVE))
        });
        Self::from_fn(width, height, |index| {
            std::array::from_fn(|channel| {
                let value = bands[channel].get(index).copied().unwrap_or(f32::NAN);
                let (low, span) = ranges[channel];
                // A cast of NaN gives 0, and casts saturate.
                ((value - low) / span * 255.0) as u8
            })
        })
    }

    /// Draws probabilities, 0 to 1, from black over orange to white.
    ///
    /// # Shapes
    /// - `probability`: `[height, width]`
    pub fn of_probability(width: usize, height: usize, probability: &[f32]) -> Self {
        Self::from_fn(width, height, |index| {
            let p = probability.get(index).copied().unwrap_or(0.0).clamp(0.0, 1.0);
            [p * 2.0, p * 2.0 - 0.6, p * 3.0 - 2.0].map(|part| (part.clamp(0.0, 1.0) * 255.0).round() as u8)
        })
    }

    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// If the sizes do not fit the bytes.
    pub fn encode_png(&self) -> Result<Vec<u8>> {
        ensure!(
            Drawing,
            self.rgb.len() == self.width * self.height * 3 && !self.rgb.is_empty(),
            "a picture of {} x {} has {} bytes",
            self.width,
            self.height,
            self.rgb.len()
        );
        let mut bytes = Vec::new();
        let side =
            |px: usize| u32::try_from(px).map_err(|_| failure!(Drawing, "{px} pixels are too many for a picture"));
        let mut encoder = png::Encoder::new(&mut bytes, side(self.width)?, side(self.height)?);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb)?;
        writer.finish()?;
        Ok(bytes)
    }

    /// Width and height in a PNG file's header.
    ///
    /// # Errors
    /// If the bytes are not a PNG.
    pub fn size_of_png(bytes: &[u8]) -> Result<(u32, u32)> {
        let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info()?;
        Ok((reader.info().width, reader.info().height))
    }

    /// Writes a PNG file.
    ///
    /// # Errors
    /// If the picture is empty, or if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        Ok(write_whole(
            path,
            &self.encode_png().with_context(|| path.display().to_string())?,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_show_classes_bands_and_probabilities() {
        let classes = Picture::of_classes(3, 1, &[1, 0, 255], &[[1, 2, 3], [4, 5, 6]]);
        assert_eq!(classes.rgb, [4, 5, 6, 1, 2, 3, 128, 128, 128]);
        let band = [0.0, 10.0, f32::NAN, 5.0];
        let bands = Picture::of_bands(2, 2, [&band, &band, &[7.0; 4]]);
        assert_eq!(bands.rgb[..3], [0, 0, 0]);
        assert_eq!(bands.rgb[6..8], [0, 0], "nodata is black");
        assert_eq!(bands.rgb[3], 255);
        assert_eq!(
            Picture::of_probability(3, 1, &[0.0, 1.0, 0.5]).rgb,
            [0, 0, 0, 255, 255, 255, 255, 102, 0]
        );
    }

    #[test]
    fn a_png_reads_back_and_a_wrong_size_is_refused() {
        let picture = Picture::from_fn(2, 3, |index| [index as u8, 7, 9]);
        let bytes = picture.encode_png().expect("encodes");
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .expect("a PNG");
        let mut read = vec![0; 2 * 3 * 3];
        reader.next_frame(&mut read).expect("a frame");
        assert_eq!(read, picture.rgb);
        assert!(Picture { width: 9, ..picture }.encode_png().is_err());
    }
}
