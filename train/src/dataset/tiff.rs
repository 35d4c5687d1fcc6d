//! Reads GeoTIFF pairs, whole or window by window.

use std::path::{Path, PathBuf};

use raremap_io::AnySource;
use raremap_tiff::{GeoTiff, Limits, Samples, Window};

use super::config::DatasetConfig;
use super::place;
use super::sample::{Image, Mask};
use crate::error::{Context, Result, ensure, failure};

/// A larger scene is not read as one sample: as float it would take a gigabyte with four bands.
const MAX_SAMPLE_PIXELS: u64 = 1 << 26;

/// The pair of files that was read last; it stays open, because the windows of a scene follow each other.
#[derive(Default)]
pub(super) struct OpenPair {
    pair: Option<(PathBuf, GeoTiff<AnySource>, PathBuf, GeoTiff<AnySource>)>,
}

impl OpenPair {
    /// Reads an image and its mask; `corner` is the `[row, column]` of a window of `window_px`.
    pub fn read(
        &mut self,
        config: &DatasetConfig,
        image: &Path,
        mask: &Path,
        corner: Option<[u32; 2]>,
    ) -> Result<(Image, Mask)> {
        let is_open = |pair: &(PathBuf, _, PathBuf, _)| pair.0 == image && pair.2 == mask;
        if !self.pair.as_ref().is_some_and(is_open) {
            let opened = (image.to_owned(), open(image)?, mask.to_owned(), open(mask)?);
            check_pair(config, &opened.0, &opened.1, &opened.2, &opened.3)?;
            self.pair = Some(opened);
        }
        let (_, image_file, _, mask_file) = self.pair.as_ref().ok_or_else(|| failure!(Sample, "no pair is open"))?;
        let bands: Vec<usize> = config.scene_bands().iter().map(|(_, index)| *index).collect();
        let window = window_of(config, image, image_file, corner)?;
        let pixels = read(image, image_file, window, &bands)?;
        let codes = read(mask, mask_file, window, &[0])?;
        // If the dataset has a nodata value, it corrects a mistake in what the file declares.
        let valid = match config.nodata {
            Some(_) => vec![true; pixels.valid.len()],
            None => pixels.valid,
        };
        let image = Image {
            height: pixels.height,
            width: pixels.width,
            values: pixels.values,
            valid,
        };
        let mask = Mask {
            height: codes.height,
            width: codes.width,
            codes: codes.values,
            labelled: codes.valid,
        };
        Ok((image, mask))
    }
}

/// `[height, width]` of a file.
pub(super) fn size_of(path: &Path) -> Result<[u32; 2]> {
    let file = open(path)?;
    Ok([file.info().height, file.info().width])
}

/// Opens a file and reads only its header and directory.
pub(super) fn open(path: &Path) -> Result<GeoTiff<AnySource>> {
    let open = async { GeoTiff::open(AnySource::open(path)?, Limits::default()).await };
    pollster::block_on(open).with_context(|| format!("cannot read {}", path.display()))
}

fn check_pair(
    config: &DatasetConfig,
    image: &Path,
    image_file: &GeoTiff<AnySource>,
    mask: &Path,
    mask_file: &GeoTiff<AnySource>,
) -> Result<()> {
    let (image_info, mask_info) = (image_file.info(), mask_file.info());
    ensure!(
        Sample,
        (image_info.width, image_info.height) == (mask_info.width, mask_info.height),
        "{} has {} x {} pixels, but its image has {} x {}",
        mask.display(),
        mask_info.width,
        mask_info.height,
        image_info.width,
        image_info.height
    );
    config.check_band_count(image_info.band_count, &image.display())?;
    Ok(place::compare(
        (image, image_info),
        (mask, mask_info),
        config.allow_shift_px,
    )?)
}

fn window_of(
    config: &DatasetConfig,
    path: &Path,
    file: &GeoTiff<AnySource>,
    corner: Option<[u32; 2]>,
) -> Result<Window> {
    let (width, height) = (file.info().width, file.info().height);
    let Some(([y, x], edge)) = corner.zip(config.window_px) else {
        ensure!(
            Sample,
            u64::from(width) * u64::from(height) <= MAX_SAMPLE_PIXELS,
            "{} has {width} x {height} pixels, too many for one sample (set window_px to cut it)",
            path.display()
        );
        return Ok(Window {
            x: 0,
            y: 0,
            width,
            height,
        });
    };
    ensure!(
        Sample,
        x < width && y < height,
        "{} has {width} x {height} pixels: the window at row {y}, column {x} lies outside",
        path.display()
    );
    Ok(Window {
        x,
        y,
        width: edge.min(width - x),
        height: edge.min(height - y),
    })
}

fn read(path: &Path, file: &GeoTiff<AnySource>, window: Window, bands: &[usize]) -> Result<Samples> {
    pollster::block_on(file.read_window(window, bands)).with_context(|| format!("cannot read {}", path.display()))
}
