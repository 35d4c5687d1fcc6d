//! Finds the band that says where a scene has data.

use raremap_scene::{Scene, SceneError, SceneInfo};
use raremap_tiff::{SampleType, Samples, Window};

use crate::error::InferError;

/// Longer side of the preview on which the decision is made; it is the same for all callers, so that they agree.
const PREVIEW_PX: u32 = 512;
/// Of the samples that are not 0, at least this share must be fully opaque: resampling leaves a few in between at the edges.
const OPAQUE_SHARE: f64 = 0.9;

/// Where a scene has data, beyond what its samples say. It is decided once per scene, and is the same before and during a run.
///
/// Writers call the fourth band of any 8-bit file opacity, whatever it holds. It only counts as opacity if it looks like it: on a preview
/// of the whole scene, its samples are 0 or fully opaque, except for a few at the edges. Otherwise it is a band like any other. An opacity
/// of 0 makes a pixel invalid; any other leaves the pixel as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opacity {
    band: Option<usize>,
    zero_is_nodata: bool,
}

impl Opacity {
    /// Checks the scene's opacity band, if it has one that is not among the `assigned` bands.
    ///
    /// # Errors
    /// Those of reading a preview. A scene without an opacity band is not read.
    pub async fn of(scene: &impl Scene, assigned: &[usize]) -> Result<Self, InferError> {
        let info = scene.scene_info();
        let candidate = info.alpha_band.filter(|alpha| !assigned.contains(alpha));
        let band = match candidate {
            Some(alpha) => {
                let preview = scene.read_preview(PREVIEW_PX, &[alpha]).await?;
                looks_like_opacity(&preview.values, info).then_some(alpha)
            }
            None => None,
        };
        Ok(Self {
            band,
            zero_is_nodata: info.nodata == Some(0.0),
        })
    }

    /// Whether a scene has a band that is called opacity and holds something else: many values, few of them fully opaque.
    ///
    /// # Errors
    /// As [`Opacity::of`].
    pub async fn is_contradicted(scene: &impl Scene) -> Result<bool, InferError> {
        let info = scene.scene_info();
        let Some(alpha) = info.alpha_band else {
            return Ok(false);
        };
        let preview = scene.read_preview(PREVIEW_PX, &[alpha]).await?;
        let first = preview.values.first().copied();
        let varies = preview.values.iter().any(|value| Some(*value) != first);
        Ok(varies && !looks_like_opacity(&preview.values, info))
    }

    /// The bands to read in place of `bands`; [`Opacity::apply`] undoes the difference.
    pub fn bands_to_read(&self, bands: &[usize]) -> Vec<usize> {
        bands.iter().copied().chain(self.band).collect()
    }

    /// Marks pixels as invalid in samples read with [`Opacity::bands_to_read`], and drops the opacity from them.
    ///
    /// A nodata value of 0 must be in the first `judged` bands: neither opacity nor bands for display count.
    pub fn apply(&self, samples: &mut Samples, judged: usize) {
        if self.band.is_some() {
            samples.bands = samples.bands.saturating_sub(1);
            let opacity = samples.values.split_off(samples.bands * samples.valid.len());
            for (valid, opacity) in samples.valid.iter_mut().zip(opacity) {
                *valid &= opacity != 0.0;
            }
        }
        if self.zero_is_nodata {
            samples.invalidate_zero_pixels(judged);
        }
    }
}

/// A scene whose opacity has become validity. The bands that are read are its others, and those that are read decide about a nodata of 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opaque<'a, S> {
    pub(crate) scene: &'a S,
    pub(crate) opacity: Opacity,
}

impl<S: Scene> Scene for Opaque<'_, S> {
    fn scene_info(&self) -> &SceneInfo {
        self.scene.scene_info()
    }

    async fn read_window(&self, window: Window, bands: &[usize]) -> Result<Samples, SceneError> {
        let mut samples = self
            .scene
            .read_window(window, &self.opacity.bands_to_read(bands))
            .await?;
        self.opacity.apply(&mut samples, bands.len());
        Ok(samples)
    }

    async fn read_preview(&self, max_px: u32, bands: &[usize]) -> Result<Samples, SceneError> {
        let mut samples = self
            .scene
            .read_preview(max_px, &self.opacity.bands_to_read(bands))
            .await?;
        self.opacity.apply(&mut samples, bands.len());
        Ok(samples)
    }
}

fn looks_like_opacity(samples: &[f32], info: &SceneInfo) -> bool {
    let full = match info.sample_type {
        // There are at most 16 bits.
        SampleType::U8 | SampleType::U16 => 2f32.powi(i32::from(info.bits_per_sample)) - 1.0,
        SampleType::I8 => f32::from(i8::MAX),
        SampleType::I16 => f32::from(i16::MAX),
        SampleType::U32 => u32::MAX as f32,
        SampleType::I32 => i32::MAX as f32,
        SampleType::U64 => u64::MAX as f32,
        SampleType::I64 => i64::MAX as f32,
        SampleType::F16 | SampleType::F32 | SampleType::F64 => 1.0,
    };
    // Some writers keep to 255 in wider types.
    let is_opaque = |sample: &&f32| **sample == full || **sample == 255.0;
    let seen = || samples.iter().filter(|sample| **sample != 0.0);
    seen().filter(is_opaque).count() as f64 >= OPAQUE_SHARE * seen().count() as f64
}
