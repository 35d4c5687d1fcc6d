//! Files that have 0 where there is no data, by their product's convention.

use crate::error::SceneError;
use crate::scene::{Scene, SceneInfo};
use raremap_tiff::Samples;
use raremap_tiff::Window;

/// What 0 means in a product whose files need not say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroFill {
    /// A value like others.
    Never,
    /// No data where all bands have it.
    AllBands,
    /// No data in any band: the product's numbers of measured ground begin at 1. Not in files that declare another value.
    AnyBand,
    /// The same, whatever else the files declare.
    AlwaysAnyBand,
}

/// A scene whose pixels are not valid where bands that are read are 0, if that is how its product fills it.
///
/// This happens before interpolation; otherwise the fill would be mixed into the pixels at the edge, and these into the fill.
#[derive(Debug)]
pub(super) struct ZeroFilled<S> {
    pub(super) scene: S,
    pub(super) fill: ZeroFill,
}

impl<S: Scene> ZeroFilled<S> {
    fn without_fill(&self, mut samples: Samples, bands: &[usize]) -> Samples {
        let pixels = samples.valid.len();
        let alpha = self.scene.scene_info().alpha_band;
        // An opacity of 0 is judged by others.
        let planes = || {
            let planes = samples.values.chunks_exact(pixels.max(1)).zip(bands);
            planes.filter(|(_, band)| Some(**band) != alpha).map(|(plane, _)| plane)
        };
        let mut empty = match self.fill {
            ZeroFill::Never => return samples,
            ZeroFill::AllBands => vec![planes().next().is_some(); pixels],
            ZeroFill::AnyBand | ZeroFill::AlwaysAnyBand => vec![false; pixels],
        };
        for plane in planes() {
            for (empty, value) in empty.iter_mut().zip(plane) {
                match self.fill {
                    ZeroFill::AllBands => *empty &= *value == 0.0,
                    _ => *empty |= *value == 0.0,
                }
            }
        }
        samples
            .valid
            .iter_mut()
            .zip(empty)
            .for_each(|(valid, empty)| *valid &= !empty);
        samples
    }
}

impl<S: Scene> Scene for ZeroFilled<S> {
    fn scene_info(&self) -> &SceneInfo {
        self.scene.scene_info()
    }

    async fn read_window(&self, window: Window, bands: &[usize]) -> Result<Samples, SceneError> {
        Ok(self.without_fill(self.scene.read_window(window, bands).await?, bands))
    }

    async fn read_preview(&self, max_px: u32, bands: &[usize]) -> Result<Samples, SceneError> {
        Ok(self.without_fill(self.scene.read_preview(max_px, bands).await?, bands))
    }
}
