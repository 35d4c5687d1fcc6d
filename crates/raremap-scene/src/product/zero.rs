//! Handles products whose files, by convention, have 0 where there is no data.

use crate::error::SceneError;
use crate::scene::{Scene, SceneInfo};
use raremap_tiff::Samples;
use raremap_tiff::Window;

/// What 0 means in a product, whether or not its files declare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroFill {
    /// 0 is a value like any other.
    Never,
    /// A pixel has no data where all bands are 0.
    AllBands,
    /// A band that is 0 has no data, because measured values of this product begin at 1. This does not apply to files that declare another value.
    AnyBand,
    /// The same, even if the files declare another value.
    AlwaysAnyBand,
}

/// A scene whose pixels are invalid where the bands that are read are 0, if its product marks missing data that way.
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
        // An opacity of 0 is handled elsewhere.
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
