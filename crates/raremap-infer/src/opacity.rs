//! The band that says where a scene has data.

use raremap_raster::{GeoTiff, RangeSource, RasterInfo, SampleType, Samples};

use crate::error::InferError;

/// Longer side of the preview that the decision is made on: the same for all callers, so that they agree.
const PREVIEW_PX: u32 = 512;
/// Of the samples that are not 0, at least this share is fully opaque: resampling leaves a few in between at the edges.
const OPAQUE_SHARE: f64 = 0.9;

/// Where a scene has data, beyond what its samples say: decided once per scene, and the same before and during a run.
///
/// Writers call the fourth band of any 8-bit file opacity, whatever it holds. It is taken for that only where it looks like it: on a
/// preview of the whole scene its samples are 0 or fully opaque, but for a few at the edges. Else it is a band like any other. An opacity
/// of 0 makes a pixel invalid, any other leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opacity {
    band: Option<usize>,
    zero_is_nodata: bool,
}

impl Opacity {
    /// Looks at the scene's opacity band, if it has one that is not among the `assigned`.
    ///
    /// # Errors
    /// Those of reading a preview; a scene without an opacity band is not read.
    pub async fn of<S: RangeSource>(scene: &GeoTiff<S>, assigned: &[usize]) -> Result<Self, InferError> {
        let info = scene.info();
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

    /// The bands to read in place of `bands`: [`Opacity::apply`] undoes the difference.
    pub fn bands_to_read(&self, bands: &[usize]) -> Vec<usize> {
        bands.iter().copied().chain(self.band).collect()
    }

    /// Lowers the validity of samples read with [`Opacity::bands_to_read`] and drops the opacity from them.
    ///
    /// A nodata value of 0 is judged by the first `judged` bands: neither opacity nor bands for display count.
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

fn looks_like_opacity(samples: &[f32], info: &RasterInfo) -> bool {
    let full = match info.sample_type {
        // At most 16 bits.
        SampleType::U8 | SampleType::U16 => 2f32.powi(i32::from(info.bits_per_sample)) - 1.0,
        SampleType::I8 => f32::from(i8::MAX),
        SampleType::I16 => f32::from(i16::MAX),
        SampleType::U32 => u32::MAX as f32,
        SampleType::I32 => i32::MAX as f32,
        SampleType::F16 | SampleType::F32 | SampleType::F64 => 1.0,
    };
    // Some writers keep to 255 in wider types.
    let is_opaque = |sample: &&f32| **sample == full || **sample == 255.0;
    let seen = || samples.iter().filter(|sample| **sample != 0.0);
    seen().filter(is_opaque).count() as f64 >= OPAQUE_SHARE * seen().count() as f64
}
