//! Writing GeoTIFF files: tiled, deflate-compressed, with the georeference of the image they were made from.

use std::io::{Cursor, Seek, Write};

use tiff::encoder::{DirectoryEncoder, TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard};
use tiff::tags::{Tag, Type};

use crate::error::{LimitExceeded, Misuse, RasterError, WriteError};
use crate::gdal_metadata;
use crate::georeference::{GeoReference, GeoTags};
use crate::output::{OutputImage, OutputSample, OutputSamples};
use crate::tags;

const TILE_PX: u32 = 256;
/// What classic TIFF can address.
const CLASSIC_BYTES: u64 = u32::MAX as u64;

/// Encodes an image in memory; see [`write_geotiff`].
pub fn encode_geotiff(image: &OutputImage<'_>, georeference: Option<&GeoReference>) -> Result<Vec<u8>, RasterError> {
    let mut bytes = Vec::new();
    write_geotiff(Cursor::new(&mut bytes), image, georeference)?;
    Ok(bytes)
}

/// Writes an image as tiles of 256 x 256, band by band, tile by tile, to a writer that stands at its start.
///
/// The tags of `georeference` are written as they were read: an image on the same grid keeps its place exactly. The file
/// becomes a BigTIFF where 4 GB might not be enough.
pub fn write_geotiff<W: Write + Seek>(
    writer: W,
    image: &OutputImage<'_>,
    georeference: Option<&GeoReference>,
) -> Result<(), RasterError> {
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
) -> Result<(), RasterError> {
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
) -> Result<(), RasterError> {
    let (mut offsets, mut byte_counts) = (Vec::new(), Vec::new());
    let mut raw = Vec::new();
    for band in bands {
        for down in 0..tiles_down(image) {
            for across in 0..tiles_across(image) {
                collect_tile(band, image.width as usize, down as usize, across as usize, &mut raw);
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&raw).map_err(WriteError::Io)?;
                let compressed = encoder.finish().map_err(WriteError::Io)?;
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

fn too_large(needed: u64) -> RasterError {
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

fn write_image_tags<W: Write + Seek, K: TiffKind>(
    directory: &mut DirectoryEncoder<'_, W, K>,
    image: &OutputImage<'_>,
) -> Result<(), RasterError> {
    let bands = image.samples.band_count();
    directory.write_tag(tag(tags::IMAGE_WIDTH), image.width)?;
    directory.write_tag(tag(tags::IMAGE_LENGTH), image.height)?;
    directory.write_tag(tag(tags::COMPRESSION), 8u16)?;
    directory.write_tag(
        tag(tags::PHOTOMETRIC),
        if image.color_table.is_some() { 3u16 } else { 1 },
    )?;
    // `check` refused more bands than the tag can count.
    directory.write_tag(tag(tags::SAMPLES_PER_PIXEL), bands as u16)?;
    directory.write_tag(tag(tags::PLANAR_CONFIGURATION), if bands > 1 { 2u16 } else { 1 })?;
    directory.write_tag(tag(tags::TILE_WIDTH), TILE_PX)?;
    directory.write_tag(tag(tags::TILE_LENGTH), TILE_PX)?;
    if bands > 1 {
        directory.write_tag(tag(tags::EXTRA_SAMPLES), &vec![0u16; bands - 1][..])?;
    }
    if let Some(colors) = &image.color_table {
        directory.write_tag(tag(tags::COLOR_MAP), &color_map(colors)[..])?;
    }
    if !image.band_names.is_empty() || !image.metadata.is_empty() {
        let xml = gdal_metadata::encode(&image.band_names, &image.metadata);
        directory.write_tag(tag(tags::GDAL_METADATA), &xml[..])?;
    }
    if let Some(nodata) = image.nodata {
        directory.write_tag(tag(tags::GDAL_NODATA), &nodata_text(nodata)[..])?;
    }
    Ok(())
}

fn write_geo_tags<W: Write + Seek, K: TiffKind>(
    directory: &mut DirectoryEncoder<'_, W, K>,
    geo: &GeoTags,
) -> Result<(), RasterError> {
    let doubles = [
        (tags::MODEL_PIXEL_SCALE, &geo.pixel_scale),
        (tags::MODEL_TIEPOINT, &geo.tie_points),
        (tags::MODEL_TRANSFORMATION, &geo.transformation),
        (tags::GEO_DOUBLE_PARAMS, &geo.double_params),
    ];
    for (number, values) in doubles {
        if !values.is_empty() {
            directory.write_tag(tag(number), &values[..])?;
        }
    }
    if !geo.key_directory.is_empty() {
        directory.write_tag(tag(tags::GEO_KEY_DIRECTORY), &geo.key_directory[..])?;
    }
    if !geo.ascii_params.is_empty() {
        // As bytes: the encoder's own text type refuses the UTF-8 that some writers put here.
        let mut text = geo.ascii_params.clone();
        text.push(0);
        let entry = directory.write_entry_bytes(Type::ASCII, &text)?;
        directory.extend_from(&tiff::Directory::from_iter([(tag(tags::GEO_ASCII_PARAMS), entry)]));
    }
    Ok(())
}

fn tag(tag: tags::Tag) -> Tag {
    Tag::from_u16_exhaustive(tag.number)
}

/// All reds, all greens, all blues, in 16 bits; values without a colour are black.
fn color_map(colors: &[(u8, [u8; 3])]) -> Vec<u16> {
    let mut map = vec![0u16; 3 * 256];
    for (value, rgb) in colors {
        for (channel, level) in rgb.iter().enumerate() {
            if let Some(entry) = map.get_mut(channel * 256 + usize::from(*value)) {
                *entry = u16::from(*level) * 257;
            }
        }
    }
    map
}

/// The spelling that GDAL itself would write, as far as readers care.
fn nodata_text(nodata: f64) -> String {
    if nodata.is_nan() {
        "nan".into()
    } else if nodata.fract() == 0.0 && nodata.abs() < 1e15 {
        format!("{nodata}")
    } else {
        format!("{nodata:?}")
    }
}

impl OutputImage<'_> {
    fn check(&self) -> Result<(), RasterError> {
        let bad = |reason: String| Err(Misuse::BadOutput { reason }.into());
        let (width, height) = (self.width, self.height);
        if width == 0 || height == 0 {
            return bad(format!("its size is {width} x {height}"));
        }
        let bands = self.samples.band_count();
        if bands == 0 || bands > usize::from(u16::MAX) {
            return bad(format!("it has {bands} bands"));
        }
        let pixels = u64::from(width) * u64::from(height);
        if let Some((band, length)) = self
            .samples
            .lengths()
            .enumerate()
            .find(|(_, length)| *length as u64 != pixels)
        {
            return bad(format!(
                "band {band} has {length} samples for {width} x {height} pixels"
            ));
        }
        if self.band_names.len() > bands {
            return bad(format!("{} band names for {bands} bands", self.band_names.len()));
        }
        if self.color_table.is_some() && !matches!(self.samples, OutputSamples::U8(_)) {
            return bad("only 8-bit images have a colour table".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Affine, BytesSource, CrsKind, GeoTiff, Limits, Window};
    use pollster::block_on;

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
                assert!(read.info().nodata.is_some_and(f64::is_nan));
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

    #[test]
    fn nodata_is_spelled_briefly() {
        let spelled = [-9999.0, 0.5, f64::NAN, f64::from(f32::MIN), 255.0].map(nodata_text);
        assert_eq!(spelled, ["-9999", "0.5", "nan", "-3.4028234663852886e38", "255"]);
    }
}
