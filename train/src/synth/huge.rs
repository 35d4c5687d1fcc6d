//! Scenes of any size, streamed to their files.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use super::class::CLASSES;
use super::error::{SynthError, unwritten};
use super::liss4::{self, Calibration};
use super::mosaic::Mosaic;
use super::options::{Compression, Layout, Product, SynthOptions};
use super::sensor::TRUTH_NODATA;
use super::write::Raster;
use super::zip::write_zip;
use raremap_tiff::{BandOrder, BlockLayout};

/// Strips are short: wide scenes are delivered so.
const STRIP_ROWS: u32 = 8;
const TILE_PX: u32 = 256;
/// Cloud-optimized files usually have larger tiles.
const COG_TILE_PX: u32 = 512;
/// Scenes of gigabytes are written as fast as possible.
const DEFLATE_LEVEL: u8 = 1;

/// What was written: the files, and how many pixels of the truth are of which class.
pub struct Written {
    /// Paths, the truth last.
    pub files: Vec<PathBuf>,
    /// Pixels by class code.
    pub class_pixels: [u64; CLASSES.len()],
}

/// Writes a scene of `[width_px, height_px]` into the folder `out`, which is there, without ever holding it.
///
/// # Errors
/// Whatever the file system reports.
pub fn write(out: &Path, options: &SynthOptions, [width_px, height_px]: [usize; 2]) -> Result<Written, SynthError> {
    let place = options.grid();
    let mosaic = Mosaic::lay(options.seed, width_px, height_px, options.cuts_corners);
    let raster = Raster {
        width_px,
        height_px,
        bits: 16,
        bands: &["green", "red", "nir"],
        nodata: 0,
        blocks: match options.layout {
            Layout::Tiles => BlockLayout::Tiles(TILE_PX),
            Layout::Cog => BlockLayout::Tiles(COG_TILE_PX),
            _ => BlockLayout::Strips(STRIP_ROWS),
        },
        band_order: BandOrder::ByPixel,
        deflate_level: (options.compression == Compression::Deflate).then_some(DEFLATE_LEVEL),
        has_overviews: options.layout == Layout::Cog,
        place,
        pixel: &|x, y, row| row.extend(mosaic.pixel(x, y).0),
    };
    let mut files = Vec::new();
    let mut save = |name: &str, raster: &Raster<'_>| -> Result<(), SynthError> {
        let path = out.join(name);
        let file = File::create(&path).map_err(at(&path))?;
        raster
            .write(BufWriter::with_capacity(1 << 20, file))
            .map_err(unwritten(&path))?;
        files.push(path);
        Ok(())
    };
    match options.product {
        None => save("scene.tif", &raster)?,
        Some(Product::Liss4) => {
            let calibration = Calibration::new();
            for (band, name) in liss4::FILES.into_iter().enumerate() {
                let number = |x: usize, y: usize, row: &mut Vec<u16>| {
                    row.push(calibration.number(band, mosaic.pixel(x, y).0[band]));
                };
                save(
                    name,
                    &Raster {
                        bands: &[["green", "red", "nir"][band]],
                        pixel: &number,
                        ..raster
                    },
                )?;
            }
        }
    }
    let truth = |x: usize, y: usize, row: &mut Vec<u16>| row.push(u16::from(mosaic.pixel(x, y).1));
    save(
        "truth.tif",
        &Raster {
            bits: 8,
            bands: &["class"],
            nodata: u16::from(TRUTH_NODATA),
            blocks: BlockLayout::Tiles(TILE_PX),
            deflate_level: Some(DEFLATE_LEVEL),
            has_overviews: false,
            pixel: &truth,
            ..raster
        },
    )?;
    let mut class_pixels = [0; CLASSES.len()];
    for (x, y) in (0..height_px).flat_map(|y| (0..width_px).map(move |x| (x, y))) {
        if let Some(count) = class_pixels.get_mut(usize::from(mosaic.pixel(x, y).1)) {
            *count += 1;
        }
    }
    if options.product == Some(Product::Liss4) {
        let path = out.join(liss4::METADATA);
        let text = liss4::metadata(width_px, height_px, place.pixel_m, place.epsg);
        std::fs::write(&path, text).map_err(at(&path))?;
        files.insert(files.len() - 1, path);
        if options.zips {
            let zip = out.join(format!("{}.zip", liss4::PRODUCT_ID));
            let truth = files.pop();
            pack(&zip, &files)?;
            files = [zip].into_iter().chain(truth).collect();
        }
    }
    Ok(Written { files, class_pixels })
}

/// Puts files into an archive, in the product's folder, and removes them.
fn pack(archive: &Path, files: &[PathBuf]) -> Result<(), SynthError> {
    write_zip(archive, liss4::PRODUCT_ID, files).map_err(|(path, error)| SynthError::Write { path, error })?;
    files
        .iter()
        .try_for_each(|path| std::fs::remove_file(path).map_err(at(path)))
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> SynthError + '_ {
    move |error| SynthError::Write {
        path: path.to_owned(),
        error,
    }
}
