//! What the bands mean as colours.

use serde::Serialize;

use crate::directory::Directory;
use crate::error::{RasterError, Unsupported};
use crate::layout::Layout;
use crate::limits::Limits;
use crate::metadata_reader::MetadataReader;
use crate::source::RangeSource;
use crate::tags;

/// Colour spaces whose samples are no bands of an image: their conversion belongs to a picture viewer.
pub(crate) fn refuse_derived_colours(code: u16) -> Result<(), RasterError> {
    let name = match code {
        5 => "CMYK",
        6 => "YCbCr",
        8..=10 => "CIE L*a*b*",
        32844 | 32845 => "Log L or Log Luv",
        _ => return Ok(()),
    };
    Err(Unsupported::Photometric { code, name }.into())
}

/// What the samples of a colour channel show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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
    /// Opacity, by the file's own word: writers say so of the fourth band of any 8-bit file, whatever it holds.
    Alpha,
    /// Not said.
    Undefined,
}

impl Layout {
    /// The meaning of each band by PhotometricInterpretation and ExtraSamples.
    pub(crate) async fn color_interpretations<S: RangeSource>(
        &self,
        reader: &mut MetadataReader<'_, S>,
        directory: &Directory,
        limits: &Limits,
    ) -> Result<Vec<ColorInterpretation>, RasterError> {
        use ColorInterpretation::{Alpha, Blue, Gray, Green, Palette, Red, Undefined};
        let extra = directory
            .unsigned(reader, tags::EXTRA_SAMPLES, limits)
            .await?
            .unwrap_or_default();
        let named: &[ColorInterpretation] = match self.photometric {
            0 | 1 => &[Gray],
            2 if self.band_count >= 3 => &[Red, Green, Blue],
            3 => &[Palette],
            _ => &[],
        };
        let first_extra = self.band_count.saturating_sub(extra.len());
        Ok((0..self.band_count)
            .map(
                |band| match band.checked_sub(first_extra).and_then(|index| extra.get(index)) {
                    Some(1 | 2) => Alpha,
                    _ => named.get(band).copied().unwrap_or(Undefined),
                },
            )
            .collect())
    }
}
