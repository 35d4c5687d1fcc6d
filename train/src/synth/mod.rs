//! Makes satellite scenes whose true classes are known.
//!
//! A landscape is grown on a raster three times finer than the image's (relief, a meandering river and its tributaries,
//! lakes, reeds, roads, towns, fields, forest), given the reflectances that real scenes have, and photographed through
//! a sensor's point spread and noise. The same seed gives the same bytes on every machine.
//!
//! Scenes larger than memory ([`SynthOptions::size_px`]) are tiled with such landscapes, pixel by pixel as they are written.

mod class;
mod course;
mod cover;
mod erosion;
mod error;
mod fields;
mod grid;
mod ground;
mod huge;
mod liss4;
mod mosaic;
mod options;
mod random;
mod roads;
mod sensor;
mod settle;
mod spectra;
#[cfg(test)]
mod tests;
mod write;
mod zip;

use std::io::Cursor;
use std::path::{Path, PathBuf};

use raremap_tiff::{BandOrder, BlockLayout};

use error::{MAX_SIDE_PX, MIN_SIDE_PX, unwritten};
use sensor::{Scene, TRUTH_NODATA};
use write::Raster;

pub use error::SynthError;
pub use options::{Compression, Layout, Product, SynthOptions};

/// Rows of a strip of a small scene.
const STRIP_ROWS: u32 = 32;
/// Small scenes are committed and downloaded, so they are as small as possible.
const DEFLATE_LEVEL: u8 = 9;

/// What was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Synthesized {
    /// The files, and their sizes in bytes; the truth comes last.
    pub files: Vec<(PathBuf, u64)>,
    /// Names of the classes, and the share of the scene's pixels that each has, 0 to 1.
    pub class_shares: Vec<(&'static str, f64)>,
}

/// Makes a scene and writes it into the folder `out`, which is created if it is missing: `scene.tif`, or one file per band, and `truth.tif`,
/// whose values are the indices of [`Synthesized::class_shares`], and 255 without data.
///
/// # Errors
/// If an option is out of range, and whatever the file system reports.
pub fn synthesize(out: &Path, options: &SynthOptions) -> Result<Synthesized, SynthError> {
    if options.is_streamed() {
        let size = options.streamed_size()?;
        make_folder(out)?;
        let written = huge::write(out, options, size)?;
        let seen = written.class_pixels.iter().sum::<u64>().max(1) as f64;
        let bytes = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
        return Ok(Synthesized {
            files: written
                .files
                .into_iter()
                .map(|path| (path.clone(), bytes(&path)))
                .collect(),
            class_shares: named(written.class_pixels.map(|pixels| pixels as f64 / seen)),
        });
    }
    let (files, shares) = make(out, options)?;
    make_folder(out)?;
    let write = |(name, bytes): (&str, Vec<u8>)| {
        let path = out.join(name);
        match std::fs::write(&path, &bytes) {
            Ok(()) => Ok((path, bytes.len() as u64)),
            Err(error) => Err(SynthError::Write { path, error }),
        }
    };
    Ok(Synthesized {
        files: files.into_iter().map(write).collect::<Result<_, _>>()?,
        class_shares: named(shares),
    })
}

fn named(shares: [f64; class::CLASSES.len()]) -> Vec<(&'static str, f64)> {
    class::CLASSES.iter().map(|(_, name)| *name).zip(shares).collect()
}

fn make_folder(path: &Path) -> Result<(), SynthError> {
    std::fs::create_dir_all(path).map_err(|error| SynthError::Write {
        path: path.to_owned(),
        error,
    })
}

/// Files by name.
type Files = Vec<(&'static str, Vec<u8>)>;

/// The files of a scene, and the share of each class.
fn make(out: &Path, options: &SynthOptions) -> Result<(Files, [f64; class::CLASSES.len()]), SynthError> {
    let SynthOptions {
        width_px: width,
        height_px: height,
        ..
    } = *options;
    let sides = MIN_SIDE_PX..=MAX_SIDE_PX;
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(SynthError::Size { width, height });
    }
    options.check_grid()?;
    let scene = Scene::photograph(options.seed, width, height, options.cuts_corners);
    let place = options.grid();
    let encode = |bands: &[(&str, &[u16])], bits, band_order, nodata| {
        let names: Vec<&str> = bands.iter().map(|&(name, _)| name).collect();
        let raster = Raster {
            width_px: width,
            height_px: height,
            bits,
            bands: &names,
            nodata,
            blocks: BlockLayout::Strips(STRIP_ROWS),
            band_order,
            deflate_level: Some(DEFLATE_LEVEL),
            has_overviews: false,
            place,
            pixel: &|x, y, pixel| pixel.extend(bands.iter().map(|(_, samples)| samples[y * width + x])),
        };
        let mut file = Vec::new();
        raster.write(Cursor::new(&mut file)).map_err(unwritten(out))?;
        Ok(file)
    };
    let [green, red, nir] = &scene.bands;
    let all = [
        ("green", green.as_slice()),
        ("red", red.as_slice()),
        ("nir", nir.as_slice()),
    ];
    let truth: Vec<u16> = scene.truth.iter().map(|&code| u16::from(code)).collect();
    let mut files = match options.layout {
        Layout::Strips | Layout::Tiles | Layout::Cog => return Err(SynthError::Layout),
        Layout::Chunky => vec![("scene.tif", encode(&all, 16, BandOrder::ByPixel, 0)?)],
        Layout::Planar => vec![("scene.tif", encode(&all, 16, BandOrder::ByBand, 0)?)],
        Layout::Lissiv => ["BAND2.tif", "BAND3.tif", "BAND4.tif"]
            .into_iter()
            .zip(all)
            .map(|(name, band)| Ok((name, encode(&[band], 16, BandOrder::ByPixel, 0)?)))
            .collect::<Result<_, SynthError>>()?,
    };
    let truth = [("class", truth.as_slice())];
    let nodata = u16::from(TRUTH_NODATA);
    files.push(("truth.tif", encode(&truth, 8, BandOrder::ByPixel, nodata)?));
    Ok((files, scene.class_shares()))
}
