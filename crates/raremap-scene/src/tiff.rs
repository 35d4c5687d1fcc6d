//! One file as a scene.

use raremap_io::RangeSource;
use raremap_tiff::{GeoTiff, Limits, Samples, Window};

use crate::error::SceneError;
use crate::scene::{Scene, SceneInfo};

/// A GeoTIFF as a [`Scene`].
#[derive(Debug)]
pub struct TiffScene<S> {
    tiff: GeoTiff<S>,
    info: SceneInfo,
}

impl<S> From<GeoTiff<S>> for TiffScene<S>
where
    S: RangeSource,
{
    fn from(tiff: GeoTiff<S>) -> Self {
        Self {
            info: SceneInfo::from(tiff.info()),
            tiff,
        }
    }
}

impl<S: RangeSource> TiffScene<S> {
    /// Opens a file; no pixels are read yet.
    ///
    /// # Errors
    /// As [`GeoTiff::open`].
    pub async fn open(source: S, limits: Limits) -> Result<Self, SceneError> {
        Ok(GeoTiff::open(source, limits).await?.into())
    }

    /// The file.
    pub fn tiff(&self) -> &GeoTiff<S> {
        &self.tiff
    }
}

impl<S: RangeSource> Scene for TiffScene<S> {
    fn scene_info(&self) -> &SceneInfo {
        &self.info
    }

    async fn read_window(&self, window: Window, bands: &[usize]) -> Result<Samples, SceneError> {
        Ok(self.tiff.read_window(window, bands).await?)
    }

    async fn read_preview(&self, max_px: u32, bands: &[usize]) -> Result<Samples, SceneError> {
        Ok(self.tiff.read_preview(max_px, bands).await?)
    }
}
