//! What can be segmented: samples of several bands on one grid, wherever they are stored.

use std::future::Future;

use serde::Serialize;

use crate::error::SceneError;
use raremap_geo::{GeoReference, GeoTags};
use raremap_tiff::ColorInterpretation;
use raremap_tiff::RasterInfo;
use raremap_tiff::Window;
use raremap_tiff::{SampleType, Samples};

/// Bands on one grid: a file, several files of one product, or another scene on another grid.
///
/// Futures need not be `Send`, as those of [`raremap_io::RangeSource`].
pub trait Scene {
    /// What is known about the scene without reading its samples.
    fn scene_info(&self) -> &SceneInfo;

    /// Reads `bands` (0-based, in any order) of a window that lies inside the scene.
    ///
    /// # Errors
    /// [`raremap_tiff::Misuse`] for a window or a band that does not exist, otherwise errors of reading the sources.
    fn read_window(&self, window: Window, bands: &[usize]) -> impl Future<Output = Result<Samples, SceneError>>;

    /// Reads the whole scene, reduced so that neither side is longer than `max_px`; memory stays bounded by the result and a few blocks.
    ///
    /// # Errors
    /// As [`Scene::read_window`].
    fn read_preview(&self, max_px: u32, bands: &[usize]) -> impl Future<Output = Result<Samples, SceneError>>;
}

impl<S: Scene> Scene for &S {
    fn scene_info(&self) -> &SceneInfo {
        (**self).scene_info()
    }

    fn read_window(&self, window: Window, bands: &[usize]) -> impl Future<Output = Result<Samples, SceneError>> {
        (**self).read_window(window, bands)
    }

    fn read_preview(&self, max_px: u32, bands: &[usize]) -> impl Future<Output = Result<Samples, SceneError>> {
        (**self).read_preview(max_px, bands)
    }
}

/// What is known about a scene without reading its samples; nothing here depends on how a file stores them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SceneInfo {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The type that holds the samples of all bands as they are stored.
    pub sample_type: SampleType,
    /// Bits of one stored sample.
    pub bits_per_sample: u16,
    /// The value that marks pixels without data (NaN stands for NaN), if all bands that have one share it. [`Samples::valid`] already takes
    /// it into account; only a value of 0 must be checked again by callers that read bands which do not count.
    pub nodata: Option<f64>,
    /// The name of each band.
    pub band_names: Vec<Option<String>>,
    /// The meaning of each band as a colour.
    pub color_interpretations: Vec<ColorInterpretation>,
    /// The first band that is called opacity; its samples tell whether it is.
    pub alpha_band: Option<usize>,
    /// Where the scene is; `None` without a pixel-to-map transform.
    pub georeference: Option<GeoReference>,
    /// Ground control points and their system, of a scene that has no transform. They are written to results, but do not place any pixel.
    #[serde(skip)]
    pub ground_control: Option<GeoTags>,
    /// Whether a mask says which pixels are valid.
    pub masked: bool,
    /// Centre wavelength of each band in nanometres; empty, or `None`, if it is not known.
    pub wavelengths_nm: Vec<Option<f64>>,
    /// Texts that may name the sensor, such as file names and metadata, the most specific first.
    pub described: Vec<String>,
}

impl SceneInfo {
    /// Number of bands, including one called opacity.
    pub fn band_count(&self) -> usize {
        self.band_names.len()
    }
}

impl From<&RasterInfo> for SceneInfo {
    fn from(info: &RasterInfo) -> Self {
        Self {
            width: info.width,
            height: info.height,
            sample_type: info.sample_type,
            bits_per_sample: info.bits_per_sample,
            // If a mask says which pixels are valid, nodata marks none.
            nodata: info.nodata.filter(|_| !info.masked),
            band_names: info.band_names.clone(),
            color_interpretations: info.color_interpretations.clone(),
            alpha_band: info.alpha_band,
            georeference: info.georeference.clone(),
            ground_control: info.ground_control.clone(),
            masked: info.masked,
            wavelengths_nm: info.wavelengths_nm.clone(),
            described: info.described(),
        }
    }
}
