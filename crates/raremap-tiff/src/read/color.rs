//! What the bands mean as colours.

use serde::Serialize;

use crate::directory::Directory;
use crate::directory::metadata_reader::MetadataReader;
use crate::error::TiffError;
use crate::limits::Limits;
use crate::read::conversion::ColorConversion;
use crate::read::layout::Layout;
use crate::tags;
use raremap_io::RangeSource;

/// What the samples of a colour channel show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ColorInterpretation {
    /// Black to white, or the first band of a multispectral image.
    Gray,
    /// Index into the colour map.
    Palette,
    /// Red.
    Red,
    /// Green.
    Green,
    /// Blue.
    Blue,
    /// Opacity, as the file says: writers say so about the fourth band of any 8-bit file, whatever it holds.
    Alpha,
    /// Not said.
    Undefined,
}

impl ColorInterpretation {
    /// Recognizes GDAL's name for it; names without a variant here are [`ColorInterpretation::Undefined`].
    pub(crate) fn from_gdal(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "gray" => Self::Gray,
            "palette" => Self::Palette,
            "red" => Self::Red,
            "green" => Self::Green,
            "blue" => Self::Blue,
            "alpha" => Self::Alpha,
            _ => Self::Undefined,
        }
    }
}

impl Layout {
    /// The meaning of each band by PhotometricInterpretation and ExtraSamples.
    pub(crate) async fn color_interpretations<S: RangeSource>(
        &self,
        reader: &mut MetadataReader<'_, S>,
        directory: &Directory,
        limits: &Limits,
    ) -> Result<Vec<ColorInterpretation>, TiffError> {
        use ColorInterpretation::{Alpha, Blue, Gray, Green, Palette, Red, Undefined};
        let extra = directory
            .unsigned(reader, tags::EXTRA_SAMPLES, limits)
            .await?
            .unwrap_or_default();
        if !matches!(self.conversion, ColorConversion::None) {
            return Ok([Red, Green, Blue, Alpha].into_iter().take(self.band_count).collect());
        }
        let named: &[ColorInterpretation] = match self.photometric {
            1 => &[Gray],
            2 | 6 if self.band_count >= 3 => &[Red, Green, Blue],
            3 => &[Palette],
            _ => &[],
        };
        // A tag that is too short gives the first of the extra samples, and one that is too long the last ones, as in libtiff.
        let color_bands = match self.photometric {
            2 => 3,
            _ => 1,
        };
        let first_extra = self.band_count.saturating_sub(extra.len()).min(color_bands);
        Ok((0..self.band_count)
            .map(|band| {
                let extra = band.checked_sub(first_extra).and_then(|index| extra.get(index));
                // Corel writes 999 for an opacity that is not multiplied in.
                match (named.get(band), extra) {
                    (Some(meaning), _) => *meaning,
                    (None, Some(1 | 2 | 999)) => Alpha,
                    (None, _) => Undefined,
                }
            })
            .collect())
    }
}
