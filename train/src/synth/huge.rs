//! Scenes of any size, streamed to their files.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use super::class::CLASSES;
use super::liss4::{self, Calibration};
use super::mosaic::Mosaic;
use super::sensor::TRUTH_NODATA;
use super::stream::{Blocks, Streamed};
use super::write::Place;
use super::zip::ZipWriter;
use super::{Compression, Layout, Product, SynthArgs, SynthError};

/// Strips are short: wide scenes are delivered so.
const STRIP_ROWS: usize = 8;
const TILE_PX: usize = 256;
/// Cloud-optimized files usually have larger tiles.
const COG_TILE_PX: usize = 512;

/// What was written: the files, and how many pixels of the truth are of which class.
pub struct Written {
    /// Paths, the truth last.
    pub files: Vec<PathBuf>,
    /// Pixels by class code.
    pub class_pixels: [u64; CLASSES.len()],
}

/// Writes a scene of `size` (columns, rows) into a folder that is there, without ever holding it.
///
/// # Errors
/// Whatever the file system reports.
pub fn write(arguments: &SynthArgs, [width_px, height_px]: [usize; 2], place: Place) -> Result<Written, SynthError> {
    let mosaic = Mosaic::lay(arguments.seed, width_px, height_px, arguments.footprint);
    let raster = Streamed {
        width_px,
        height_px,
        bits: 16,
        bands: &["green", "red", "nir"],
        nodata: 0,
        blocks: match arguments.layout {
            Layout::Tiles => Blocks::Tiles(TILE_PX),
            Layout::Cog => Blocks::Tiles(COG_TILE_PX),
            _ => Blocks::Strips(STRIP_ROWS),
        },
        is_compressed: arguments.compression == Compression::Deflate,
        has_overviews: arguments.layout == Layout::Cog,
        place,
        pixel: &|x, y, row| row.extend(mosaic.pixel(x, y).0),
    };
    let mut files = Vec::new();
    let mut save = |name: &str, raster: &Streamed<'_>| -> Result<(), SynthError> {
        let path = arguments.out.join(name);
        let file = File::create(&path).map_err(at(&path))?;
        raster
            .write(&mut BufWriter::with_capacity(1 << 20, file))
            .map_err(at(&path))?;
        files.push(path);
        Ok(())
    };
    match arguments.product {
        None => save("scene.tif", &raster)?,
        Some(Product::Liss4) => {
            let calibration = Calibration::new();
            for (band, name) in liss4::FILES.into_iter().enumerate() {
                let number = |x: usize, y: usize, row: &mut Vec<u16>| {
                    row.push(calibration.number(band, mosaic.pixel(x, y).0[band]));
                };
                save(
                    name,
                    &Streamed {
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
        &Streamed {
            bits: 8,
            bands: &["class"],
            nodata: u16::from(TRUTH_NODATA),
            blocks: Blocks::Tiles(TILE_PX),
            is_compressed: true,
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
    if arguments.product == Some(Product::Liss4) {
        let path = arguments.out.join(liss4::METADATA);
        let text = liss4::metadata(width_px, height_px, place.pixel_m, place.epsg);
        std::fs::write(&path, text).map_err(at(&path))?;
        files.insert(files.len() - 1, path);
        if arguments.zip {
            let zip = arguments.out.join(format!("{}.zip", liss4::PRODUCT_ID));
            let truth = files.pop();
            pack(&zip, &files)?;
            files = [zip].into_iter().chain(truth).collect();
        }
    }
    Ok(Written { files, class_pixels })
}

/// Puts files into an archive, in the product's folder, and removes them.
fn pack(archive: &Path, files: &[PathBuf]) -> Result<(), SynthError> {
    let file = File::create(archive).map_err(at(archive))?;
    let mut zip = ZipWriter::new(BufWriter::with_capacity(1 << 20, file));
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let content = File::open(path).map_err(at(path))?;
        zip.append(&format!("{}/{name}", liss4::PRODUCT_ID), content)
            .map_err(at(archive))?;
    }
    zip.finish().map_err(at(archive))?;
    files
        .iter()
        .try_for_each(|path| std::fs::remove_file(path).map_err(at(path)))
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> SynthError + '_ {
    move |source| SynthError::Write {
        path: path.to_owned(),
        source,
    }
}
