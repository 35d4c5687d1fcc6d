//! Which function makes which file.

use crate::error::OutputError;
use crate::file::{NewScratch, OutputFile};
use crate::kind::OutputKind;
use crate::results::Results;
use crate::{areas, polygons, raster, review, stac};

impl Results<'_> {
    /// Makes a file. `new_scratch` provides space outside memory, and is called up to twice.
    ///
    /// # Errors
    /// [`OutputError::InvalidOption`] and [`OutputError::NoRareClasses`] for what cannot be made, else those of reading the logits and of the
    /// scratch.
    pub fn make(&self, kind: OutputKind, new_scratch: &mut NewScratch<'_>) -> Result<OutputFile, OutputError> {
        self.decide.check(self.card)?;
        self.options.check(self.logits.areas().pixel_ha(0, 0).is_some())?;
        if !self.kinds().contains(&kind) {
            return Err(OutputError::NoRareClasses { kind });
        }
        match kind {
            OutputKind::Mask => raster::mask(self, new_scratch),
            OutputKind::Probability => raster::probability(self, new_scratch),
            OutputKind::Saliency => raster::saliency(self, new_scratch),
            OutputKind::Polygons => polygons::make(self, new_scratch),
            OutputKind::Review => review::make(self),
            OutputKind::AreasCsv => areas::csv(self),
            OutputKind::AreasJson => areas::json(self),
            OutputKind::StacItem => stac::make(self),
        }
    }
}
