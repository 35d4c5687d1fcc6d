//! Files that have 0 where there is no data, without saying so.

use crate::error::SceneError;
use crate::scene::{Scene, SceneInfo};
use raremap_tiff::Samples;
use raremap_tiff::Window;

/// A scene whose pixels are invalid if all bands that are read are 0, provided that its product fills it like that.
///
/// This happens before interpolation; otherwise the fill would be mixed into the pixels at the edge, and these into the fill.
#[derive(Debug)]
pub(super) struct ZeroFilled<S> {
    pub(super) scene: S,
    pub(super) is_filled: bool,
}

impl<S: Scene> ZeroFilled<S> {
    fn without_fill(&self, mut samples: Samples) -> Samples {
        if self.is_filled {
            let pixels = samples.valid.len();
            for (pixel, valid) in samples.valid.iter_mut().enumerate() {
                *valid &= samples
                    .values
                    .iter()
                    .skip(pixel)
                    .step_by(pixels)
                    .any(|value| *value != 0.0);
            }
        }
        samples
    }
}

impl<S: Scene> Scene for ZeroFilled<S> {
    fn scene_info(&self) -> &SceneInfo {
        self.scene.scene_info()
    }

    async fn read_window(&self, window: Window, bands: &[usize]) -> Result<Samples, SceneError> {
        Ok(self.without_fill(self.scene.read_window(window, bands).await?))
    }

    async fn read_preview(&self, max_px: u32, bands: &[usize]) -> Result<Samples, SceneError> {
        Ok(self.without_fill(self.scene.read_preview(max_px, bands).await?))
    }
}
