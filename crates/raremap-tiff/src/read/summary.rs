//! Statistics and checksums of whole bands, in bounded memory.

use serde::Serialize;

use crate::error::TiffError;
use crate::read::checksum::GdalChecksum;
use crate::read::info::RasterInfo;
use crate::read::{GeoTiff, Window};
use raremap_io::RangeSource;

/// Bands are read in windows of at most this many bytes, unless one block is larger.
const WINDOW_BYTES: u64 = 16 << 20;

/// The distribution of a band's valid samples.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct SampleStatistics {
    /// Number of samples that are not nodata, masked, NaN or infinite.
    pub valid_count: u64,
    /// The smallest of them; `None` if there are none.
    pub min: Option<f64>,
    /// The largest of them.
    pub max: Option<f64>,
    /// Their mean.
    pub mean: Option<f64>,
    /// Their standard deviation (of the population, as in GDAL).
    pub std: Option<f64>,
}

impl SampleStatistics {
    /// Adds samples, each with its validity.
    pub fn update(&mut self, samples: &[f64], valid: &[bool]) {
        let valid_samples = || {
            samples
                .iter()
                .zip(valid)
                .filter(|(_, valid)| **valid)
                .map(|(sample, _)| *sample)
        };
        let (mut count, mut sum, mut min, mut max) = (0u64, 0.0, f64::INFINITY, f64::NEG_INFINITY);
        for sample in valid_samples() {
            count += 1;
            sum += sample;
            min = min.min(sample);
            max = max.max(sample);
        }
        if count == 0 {
            return;
        }
        let mean = sum / count as f64;
        let squares: f64 = valid_samples().map(|sample| (sample - mean).powi(2)).sum();
        // Two means and sums of squares are joined as by Chan, Golub and LeVeque (1979).
        let (before, old_mean) = (self.valid_count as f64, self.mean.unwrap_or(mean));
        let old_squares = self.std.map_or(0.0, |std| std * std * before);
        let total = before + count as f64;
        let shift = mean - old_mean;
        let joined = old_squares + squares + shift * shift * before * count as f64 / total;
        *self = Self {
            valid_count: self.valid_count + count,
            min: Some(self.min.map_or(min, |old| old.min(min))),
            max: Some(self.max.map_or(max, |old| old.max(max))),
            mean: Some(old_mean + shift * count as f64 / total),
            std: Some((joined / total).sqrt()),
        };
    }
}

/// What reading a whole band tells.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BandSummary {
    /// The distribution of its samples.
    pub statistics: SampleStatistics,
    /// GDAL's checksum of all its samples, valid or not.
    pub checksum: u16,
}

impl<S: RangeSource> GeoTiff<S> {
    /// Reads all bands completely, in windows of whole blocks.
    ///
    /// # Errors
    /// Those of [`GeoTiff::read_window`].
    pub async fn summarize_bands(&self) -> Result<Vec<BandSummary>, TiffError> {
        let info = self.info();
        let mut bands = vec![
            (
                SampleStatistics::default(),
                GdalChecksum::new(info.sample_type, info.width)
            );
            info.band_count
        ];
        // Bands of one block are read one after the other, each by its own nodata, so that the block is decoded once and kept.
        let all: Vec<usize> = (0..info.band_count).collect();
        let passes = all.chunks(if info.planar { 1 } else { info.band_count });
        for pass in passes {
            for window in windows(info) {
                for band in pass {
                    let Some((statistics, checksum)) = bands.get_mut(*band) else {
                        continue;
                    };
                    let samples = self.read_window_as::<f64>(window, &[*band]).await?;
                    statistics.update(&samples.values, &samples.valid);
                    checksum.update(window, &samples.values);
                }
            }
        }
        let summaries = bands.into_iter().map(|(statistics, checksum)| BandSummary {
            statistics,
            checksum: checksum.value(),
        });
        Ok(summaries.collect())
    }

    /// Statistics of every n-th pixel: of the image's preview with at most `max_px` on a side.
    ///
    /// # Errors
    /// Those of [`GeoTiff::read_preview`].
    pub async fn sample_bands(&self, max_px: u32) -> Result<Vec<SampleStatistics>, TiffError> {
        let mut bands = Vec::new();
        for band in 0..self.info().band_count {
            let samples = self.read_preview(max_px, &[band]).await?;
            let values: Vec<f64> = samples.values.iter().map(|value| f64::from(*value)).collect();
            let mut statistics = SampleStatistics::default();
            statistics.update(&values, &samples.valid);
            bands.push(statistics);
        }
        Ok(bands)
    }
}

/// Windows that cover the image, of whole blocks if those are small; of larger blocks, slices one after the other.
fn windows(info: &RasterInfo) -> impl Iterator<Item = Window> {
    let (width, height) = (info.width, info.height);
    let pixel_bytes = 8 * info.band_count as u64;
    let most_pixels = WINDOW_BYTES / pixel_bytes.min(WINDOW_BYTES);
    let blocks = |most: u64, block: u32, size: u32| {
        let whole_blocks = (most / u64::from(block)).max(1).saturating_mul(u64::from(block));
        whole_blocks.min(u64::from(size)) as u32
    };
    let columns = blocks(most_pixels / u64::from(info.block_height), info.block_width, width);
    let rows = blocks(most_pixels / u64::from(columns), info.block_height, height);
    let slice = (WINDOW_BYTES / 8 / u64::from(columns)).clamp(1, u64::from(rows)) as u32;
    let starts = |from: u32, to: u32, step: u32| (from..to).step_by(step.max(1) as usize);
    starts(0, height, rows).flat_map(move |top| {
        let bottom = top.saturating_add(rows).min(height);
        starts(0, width, columns).flat_map(move |x| {
            starts(top, bottom, slice).map(move |y| Window {
                x,
                y,
                width: columns.min(width - x),
                height: slice.min(bottom - y),
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_joined_from_parts_are_those_of_the_whole() {
        let samples: Vec<f64> = (0..1000).map(|i| f64::from(i * 37 % 101) - 3.0).collect();
        let valid: Vec<bool> = (0..1000).map(|i| i % 7 != 0).collect();
        let mut whole = SampleStatistics::default();
        whole.update(&samples, &valid);
        let mut parts = SampleStatistics::default();
        for (samples, valid) in samples.chunks(130).zip(valid.chunks(130)) {
            parts.update(samples, valid);
        }
        let chosen: Vec<f64> = samples
            .iter()
            .zip(&valid)
            .filter(|(_, v)| **v)
            .map(|(s, _)| *s)
            .collect();
        let mean = chosen.iter().sum::<f64>() / chosen.len() as f64;
        let variance = chosen.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / chosen.len() as f64;
        for statistics in [whole, parts] {
            assert_eq!(statistics.valid_count, chosen.len() as u64);
            assert_eq!((statistics.min, statistics.max), (Some(-3.0), Some(97.0)));
            let close = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() < 1e-10);
            assert!(
                close(statistics.mean, mean) && close(statistics.std, variance.sqrt()),
                "{statistics:?}"
            );
        }
    }

    #[test]
    fn windows_cover_every_pixel_once_and_stay_small() {
        let image = crate::write::image::OutputImage {
            width: 2,
            height: 1,
            samples: crate::write::image::OutputSamples::U8(&[1, 2]),
            nodata: None,
            color_table: None,
            band_names: Vec::new(),
            metadata: Vec::new(),
        };
        let bytes = crate::write::encode_geotiff(&image, None).expect("encodes");
        let source = raremap_io::BytesSource::new(bytes);
        let opened = pollster::block_on(GeoTiff::open(source, crate::limits::Limits::default())).expect("opens");
        let mut info = opened.info().clone();
        (info.width, info.height, info.band_count) = (20_000, 7_001, 3);
        for (block_width, block_height) in [(256, 256), (20_000, 1), (20_000, 7_001), (4096, 4096), (20_000, 300)] {
            (info.block_width, info.block_height) = (block_width, block_height);
            let mut area = 0;
            for window in windows(&info) {
                let pixels = u64::from(window.width) * u64::from(window.height);
                assert!(pixels * 8 <= WINDOW_BYTES, "{window:?}");
                assert!(window.x + window.width <= 20_000 && window.y + window.height <= 7_001);
                area += pixels;
            }
            assert_eq!(area, 20_000 * 7_001, "blocks of {block_width} x {block_height}");
        }
    }

    #[test]
    fn nothing_valid_has_no_mean() {
        let mut statistics = SampleStatistics::default();
        statistics.update(&[1.0, f64::NAN], &[false, false]);
        assert_eq!(statistics, SampleStatistics::default());
    }
}
