//! Writes GeoTIFF files: tiled, deflate-compressed, with the georeference of the image that they were made from.

pub(crate) mod image;
pub(crate) mod image_tags;

use std::io::{Cursor, Seek, Write};

use tiff::encoder::{DirectoryEncoder, TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard};

use crate::error::TiffError;
use crate::tags;
use crate::write::image::{OutputImage, OutputSample, OutputSamples};
use crate::write::image_tags::{TILE_PX, tag, write_geo_tags, write_image_tags};
use raremap_geo::GeoReference;
use raremap_io::{IoError, LimitExceeded};

/// What classic TIFF can address.
const CLASSIC_BYTES: u64 = u32::MAX as u64;

/// Encodes an image in memory; see [`write_geotiff`].
pub fn encode_geotiff(image: &OutputImage<'_>, georeference: Option<&GeoReference>) -> Result<Vec<u8>, TiffError> {
    let mut bytes = Vec::new();
    write_geotiff(Cursor::new(&mut bytes), image, georeference)?;
    Ok(bytes)
}

/// Writes an image as tiles of 256 x 256, band by band and tile by tile, to a writer at its start.
///
/// The tags of `georeference` are written as they were read, so an image on the same grid keeps its place exactly. The file becomes a
/// BigTIFF if 4 GB might not be enough.
pub fn write_geotiff<W: Write + Seek>(
    writer: W,
    image: &OutputImage<'_>,
    georeference: Option<&GeoReference>,
) -> Result<(), TiffError> {
    image.check()?;
    let tile_bytes = u64::from(TILE_PX) * u64::from(TILE_PX) * u64::from(image.samples.bits_per_sample()) / 8;
    let worst_tile_bytes = tile_bytes + tile_bytes / 1000 + 64;
    let bands = image.samples.band_count() as u64;
    let worst_bytes = (tiles_across(image) * tiles_down(image))
        .saturating_mul(worst_tile_bytes)
        .saturating_mul(bands);
    if worst_bytes.saturating_add(1 << 20) > CLASSIC_BYTES {
        write_as::<W, TiffKindBig>(writer, image, georeference)
    } else {
        write_as::<W, TiffKindStandard>(writer, image, georeference)
    }
}

fn tiles_across(image: &OutputImage<'_>) -> u64 {
    u64::from(image.width.div_ceil(TILE_PX))
}

fn tiles_down(image: &OutputImage<'_>) -> u64 {
    u64::from(image.height.div_ceil(TILE_PX))
}

fn write_as<W: Write + Seek, K: TiffKind>(
    writer: W,
    image: &OutputImage<'_>,
    georeference: Option<&GeoReference>,
) -> Result<(), TiffError> {
    let mut encoder = TiffEncoder::<W, K>::new_generic(writer)?;
    let mut directory = encoder.image_directory()?;
    match &image.samples {
        OutputSamples::U8(band) => write_tiles(&mut directory, image, &[*band])?,
        OutputSamples::U16 { bands } => write_tiles(&mut directory, image, bands)?,
        OutputSamples::I16 { bands } => write_tiles(&mut directory, image, bands)?,
        OutputSamples::F32 { bands } => write_tiles(&mut directory, image, bands)?,
    }
    write_image_tags(&mut directory, image)?;
    if let Some(georeference) = georeference {
        write_geo_tags(&mut directory, &georeference.tags)?;
    }
    directory.finish()?;
    Ok(())
}

/// Writes the tiles of all bands and the tags that say where they are.
fn write_tiles<W: Write + Seek, K: TiffKind, T: OutputSample>(
    directory: &mut DirectoryEncoder<'_, W, K>,
    image: &OutputImage<'_>,
    bands: &[&[T]],
) -> Result<(), TiffError> {
    let (mut offsets, mut byte_counts) = (Vec::new(), Vec::new());
    let mut raw = Vec::new();
    for band in bands {
        for down in 0..tiles_down(image) {
            for across in 0..tiles_across(image) {
                collect_tile(band, image.width as usize, down as usize, across as usize, &mut raw);
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&raw).map_err(IoError::Write)?;
                let compressed = encoder.finish().map_err(IoError::Write)?;
                byte_counts.push(u32::try_from(compressed.len()).map_err(|_| too_large(compressed.len() as u64))?);
                offsets.push(K::convert_offset(directory.write_data(&compressed[..])?)?);
            }
        }
    }
    directory.write_tag(tag(tags::TILE_OFFSETS), K::convert_slice(&offsets))?;
    directory.write_tag(tag(tags::TILE_BYTE_COUNTS), &byte_counts[..])?;
    directory.write_tag(tag(tags::PREDICTOR), T::PREDICTOR)?;
    directory.write_tag(tag(tags::BITS_PER_SAMPLE), &vec![T::BITS; bands.len()][..])?;
    directory.write_tag(tag(tags::SAMPLE_FORMAT), &vec![T::FORMAT; bands.len()][..])?;
    Ok(())
}

fn too_large(needed: u64) -> TiffError {
    LimitExceeded {
        what: "a written tile",
        needed,
        limit: CLASSIC_BYTES,
    }
    .into()
}

/// Copies one tile, with its edge pixels repeated where it reaches over the image, and applies the predictor.
fn collect_tile<T: OutputSample>(band: &[T], width: usize, down: usize, across: usize, raw: &mut Vec<u8>) {
    let tile_px = TILE_PX as usize;
    raw.clear();
    let mut row_samples: Vec<T> = Vec::with_capacity(tile_px);
    for tile_row in 0..tile_px {
        let row = down * tile_px + tile_row;
        let column = across * tile_px;
        let stored = band.chunks_exact(width).nth(row).and_then(|row| row.get(column..));
        // Rows below the image repeat the last one, which is still in place.
        if let Some(stored) = stored {
            row_samples.clear();
            row_samples.extend(stored.iter().take(tile_px));
            let last = row_samples.last().copied().unwrap_or_default();
            row_samples.resize(tile_px, last);
        }
        T::append_row(&row_samples, raw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GeoTiff, Limits, Window};
    use pollster::block_on;
    use raremap_geo::{Affine, CrsKind};
    use raremap_io::BytesSource;

    fn mask(values: &[u8], width: u32, height: u32) -> OutputImage<'_> {
        OutputImage {
            width,
            height,
            samples: OutputSamples::U8(values),
            nodata: Some(255.0),
            color_table: Some(vec![(0, [1, 2, 3]), (5, [250, 128, 0])]),
            band_names: vec!["class".into()],
            metadata: vec![("MODEL".into(), "a < b".into())],
        }
    }

    fn utm() -> GeoReference {
        let transform = Affine {
            a: 10.0,
            b: 0.0,
            c: 4e5,
            d: 0.0,
            e: -10.0,
            f: 3e6,
        };
        GeoReference::from_epsg(CrsKind::Projected, 32643, transform).expect("a transform")
    }

    fn open(bytes: Vec<u8>) -> GeoTiff<BytesSource> {
        block_on(GeoTiff::open(BytesSource::new(bytes), Limits::default())).expect("opens")
    }

    #[test]
    fn a_mask_reads_back_with_its_place_colours_and_nodata() {
        let values: Vec<u8> = (0..300 * 270u32)
            .map(|i| if i % 11 == 0 { 255 } else { (i % 7) as u8 })
            .collect();
        let image = open(encode_geotiff(&mask(&values, 300, 270), Some(&utm())).expect("encodes"));
        let info = image.info();
        assert_eq!(
            (info.width, info.height, info.band_count, info.tiled),
            (300, 270, 1, true)
        );
        assert_eq!(info.georeference.as_ref(), Some(&utm()));
        assert_eq!(
            (info.nodata, info.band_names[0].as_deref()),
            (Some(255.0), Some("class"))
        );
        let colors = info.color_map.as_ref().expect("a colour map");
        assert_eq!((colors[0], colors[5], colors[6]), ([1, 2, 3], [250, 128, 0], [0, 0, 0]));
        let samples = block_on(image.read_window(
            Window {
                x: 0,
                y: 0,
                width: 300,
                height: 270,
            },
            &[0],
        ))
        .expect("reads");
        assert!(
            samples
                .values
                .iter()
                .zip(&values)
                .all(|(read, written)| *read == f32::from(*written))
        );
        assert!(
            samples
                .valid
                .iter()
                .zip(&values)
                .all(|(valid, written)| *valid == (*written != 255))
        );
    }

    #[test]
    fn bands_of_every_type_read_back_in_both_file_kinds() {
        let (width, height) = (70u32, 33u32);
        let count = (width * height) as usize;
        let floats: Vec<f32> = (0..count).map(|i| i as f32 * 0.37 - 9.0).collect();
        let words: Vec<i16> = (0..count).map(|i| (i as i16).wrapping_mul(77)).collect();
        let unsigned: Vec<u16> = (0..count).map(|i| (i as u16).wrapping_mul(999)).collect();
        let wanted: Vec<f32> = words.iter().map(|value| f32::from(*value)).collect();
        let wanted_unsigned: Vec<f32> = unsigned.iter().map(|value| f32::from(*value)).collect();
        let cases = [
            (
                OutputSamples::F32 {
                    bands: vec![&wanted, &floats],
                },
                &floats,
            ),
            (
                OutputSamples::I16 {
                    bands: vec![&words, &words],
                },
                &wanted,
            ),
            (
                OutputSamples::U16 {
                    bands: vec![&unsigned, &unsigned],
                },
                &wanted_unsigned,
            ),
        ];
        for (samples, wanted) in cases {
            let image = OutputImage {
                width,
                height,
                samples,
                nodata: Some(f64::NAN),
                color_table: None,
                band_names: Vec::new(),
                metadata: Vec::new(),
            };
            let (mut classic, mut big) = (Vec::new(), Vec::new());
            write_as::<_, TiffKindStandard>(Cursor::new(&mut classic), &image, None).expect("writes");
            write_as::<_, TiffKindBig>(Cursor::new(&mut big), &image, None).expect("writes");
            for (bytes, is_big) in [(classic, false), (big, true)] {
                let read = open(bytes);
                assert_eq!(
                    (read.info().is_big_tiff, read.info().georeference.is_none()),
                    (is_big, true)
                );
                assert!(read.info().stated_nodata.is_some_and(f64::is_nan));
                let whole = Window {
                    x: 0,
                    y: 0,
                    width,
                    height,
                };
                let samples = block_on(read.read_window(whole, &[1])).expect("reads");
                assert_eq!(&samples.values, wanted);
            }
        }
    }

    #[test]
    fn an_image_that_does_not_fit_together_is_refused() {
        let values = [0u8; 6];
        let good = mask(&values, 3, 2);
        assert!(encode_geotiff(&good, None).is_ok());
        let cases = [
            OutputImage {
                width: 4,
                ..mask(&values, 3, 2)
            },
            OutputImage {
                width: 0,
                ..mask(&values, 3, 2)
            },
            OutputImage {
                band_names: vec![String::new(); 2],
                ..mask(&values, 3, 2)
            },
            OutputImage {
                samples: OutputSamples::F32 { bands: vec![&[0.0; 6]] },
                ..mask(&values, 3, 2)
            },
            OutputImage {
                samples: OutputSamples::F32 { bands: vec![] },
                color_table: None,
                ..mask(&values, 3, 2)
            },
        ];
        for image in cases {
            assert_eq!(
                encode_geotiff(&image, None).map_err(|error| error.code()),
                Err("bad_output")
            );
        }
    }
}
