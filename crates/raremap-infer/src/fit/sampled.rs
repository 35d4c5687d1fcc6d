//! How the values of a scene are distributed, from a sample of its pixels.

use raremap_scene::{Scene, percentiles};
use raremap_tiff::Samples;

use super::opacity::Opacity;
use super::statistics::{PreviewStatistics, band_statistics};
use crate::error::InferError;

/// The percentiles that are told, in percent.
pub const PERCENTS: [f64; 9] = [1.0, 2.0, 5.0, 25.0, 50.0, 75.0, 95.0, 98.0, 99.0];

/// Statistics of bands that were read together, reduced: of every n-th pixel, or of an overview.
#[derive(Debug, Clone, PartialEq)]
pub struct SampledStatistics {
    /// Number of pixels in the sample.
    pub pixels: usize,
    /// Share of them, from 0 to 1, at which a band has no data. They count in no band.
    pub nodata_share: f64,
    /// Each band.
    pub bands: Vec<SampledBand>,
}

/// The distribution of a band's values.
#[derive(Debug, Clone, PartialEq)]
pub struct SampledBand {
    /// The scene's band, from 0.
    pub band: usize,
    /// `None` if the sample has no data.
    pub statistics: Option<PreviewStatistics>,
    /// At [`PERCENTS`]; `None` if the sample has no data.
    pub percentiles: Option<[f32; PERCENTS.len()]>,
}

impl SampledStatistics {
    /// Reads these bands (0-based), reduced so that no side is longer than `max_px`.
    ///
    /// # Errors
    /// Those of reading the scene.
    pub async fn read(scene: &impl Scene, bands: &[usize], max_px: u32) -> Result<Self, InferError> {
        let opacity = Opacity::of(scene, bands).await?;
        let mut samples = scene.read_preview(max_px, &opacity.bands_to_read(bands)).await?;
        opacity.apply(&mut samples, bands.len());
        Ok(Self::of(&samples, bands))
    }

    /// Of samples of these bands of a scene.
    pub fn of(samples: &Samples, bands: &[usize]) -> Self {
        let pixels = samples.valid.len();
        let without = samples.valid.iter().filter(|valid| !**valid).count();
        let planes = samples.values.chunks_exact(pixels.max(1));
        let of_bands = bands.iter().zip(band_statistics(samples)).zip(planes);
        Self {
            pixels,
            nodata_share: without as f64 / pixels.max(1) as f64,
            bands: of_bands
                .map(|((&band, statistics), plane)| SampledBand {
                    band,
                    statistics,
                    percentiles: percentiles(plane, &samples.valid, PERCENTS),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_of_the_pixels_at_which_all_bands_have_data() {
        // 0 to 100 and ten times that, and a pixel without data.
        let values = |factor: f32| (0..=101u8).map(move |i| f32::from(i) * factor);
        let samples = Samples {
            bands: 2,
            height: 1,
            width: 102,
            values: values(1.0).chain(values(10.0)).collect(),
            valid: (0..102).map(|i| i != 101).collect(),
        };
        let found = SampledStatistics::of(&samples, &[4, 2]);
        assert_eq!((found.pixels, found.nodata_share), (102, 1.0 / 102.0));
        let [first, second] = &found.bands[..] else {
            panic!("{found:?}");
        };
        assert_eq!((first.band, second.band), (4, 2));
        let PreviewStatistics { mean, std, min, max } = first.statistics.expect("data");
        assert_eq!((mean, min, max), (50.0, 0.0, 100.0));
        // Of the whole numbers from 0 to n: sqrt(n (n + 2) / 12).
        assert!((std - 850f64.sqrt()).abs() < 1e-9, "{std}");
        assert_eq!(
            first.percentiles,
            Some([1.0, 2.0, 5.0, 25.0, 50.0, 75.0, 95.0, 98.0, 99.0])
        );
        assert_eq!(second.percentiles.map(|at| at[4]), Some(500.0));
    }

    #[test]
    fn a_sample_without_data_has_no_statistics() {
        let samples = Samples {
            bands: 1,
            height: 1,
            width: 2,
            values: vec![7.0; 2],
            valid: vec![false; 2],
        };
        let found = SampledStatistics::of(&samples, &[0]);
        assert_eq!((found.nodata_share, found.bands[0].statistics), (1.0, None));
        assert_eq!(found.bands[0].percentiles, None);
    }
}
