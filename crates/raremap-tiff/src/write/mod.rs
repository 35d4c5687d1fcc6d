//! Writes GeoTIFF files: header and directories first, then the pixels.
//!
//! All files are little-endian, and their bytes only depend on the image and its description: not on a clock, a thread or another crate's
//! choice of a deflate library. [`crate::cog`] writes row by row, with overviews.

pub(crate) mod block;
pub(crate) mod description;
pub(crate) mod head;
pub(crate) mod image;
pub(crate) mod stream;

use std::io::{Cursor, Seek, Write};

use crate::error::TiffError;
use crate::write::description::WriteOptions;
use crate::write::image::OutputImage;
use crate::write::stream::write_blocks;
use raremap_geo::GeoReference;

/// Encodes an image in memory, in tiles, as [`WriteOptions::for_samples`] has it.
///
/// # Errors
/// As [`write_geotiff`].
pub fn encode_geotiff(image: &OutputImage<'_>, georeference: Option<&GeoReference>) -> Result<Vec<u8>, TiffError> {
    let mut bytes = Vec::new();
    let options = WriteOptions::for_samples(image.samples.sample_type());
    write_geotiff(Cursor::new(&mut bytes), image, &options, georeference)?;
    Ok(bytes)
}

/// Writes an image to a writer at its start, as [`write_blocks`] does.
///
/// # Errors
/// [`crate::Misuse::BadOutput`] for an image whose parts do not fit together, or not to the options; the writer's own errors.
pub fn write_geotiff<W: Write + Seek>(
    writer: W,
    image: &OutputImage<'_>,
    options: &WriteOptions,
    georeference: Option<&GeoReference>,
) -> Result<(), TiffError> {
    image.check()?;
    write_blocks(writer, &image.description(), options, georeference, |request, raw| {
        image.append(request, raw);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::head::FileKind;
    use crate::write::image::OutputSamples;
    use crate::write::stream::{BlockRequest, Layout, write_as};
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
            let description = image.description();
            let options = WriteOptions::for_samples(description.sample_type);
            let layout = Layout {
                image: &description,
                options: &options,
            };
            let written = |kind| {
                let mut bytes = Vec::new();
                let fill = |request: &BlockRequest, raw: &mut Vec<u8>| image.append(request, raw);
                write_as(kind, Cursor::new(&mut bytes), layout, None, fill).expect("writes");
                bytes
            };
            let (classic, big) = (written(FileKind::Classic), written(FileKind::Big));
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
