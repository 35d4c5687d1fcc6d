//! Writes a file of any size, and asks for its blocks one by one.

use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;

use crate::error::{Misuse, TiffError};
use crate::write::block::BlockEncoder;
use crate::write::description::{BlockLayout, ImageDescription, LevelSize, WriteOptions, directory};
use crate::write::head::{FileKind, Head};
use raremap_geo::GeoReference;

/// A part of the image that a block needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRequest {
    /// 1 for the image itself; a pixel of an overview stands for a square of this many pixels a side.
    pub step_px: u32,
    /// Columns of this level that the image has.
    pub columns: Range<u32>,
    /// Rows of this level that the image has.
    pub rows: Range<u32>,
    /// The band that is wanted; `None` for all bands of each pixel.
    pub band: Option<usize>,
}

impl BlockRequest {
    /// For each column, the image's column in the middle of those that it stands for. `width` is that of the image.
    pub fn source_columns(&self, width: u32) -> impl Iterator<Item = u32> + Clone {
        middles(self.columns.clone(), self.step_px, width)
    }

    /// Likewise for the rows of an image of `height`.
    pub fn source_rows(&self, height: u32) -> impl Iterator<Item = u32> + Clone {
        middles(self.rows.clone(), self.step_px, height)
    }
}

fn middles(range: Range<u32>, step_px: u32, length: u32) -> impl Iterator<Item = u32> + Clone {
    let middle = move |at: u32| at.saturating_mul(step_px).saturating_add(step_px / 2);
    range.map(move |at| middle(at).min(length.saturating_sub(1)))
}

/// Writes an image to a writer at its start. It calls `fill` for each block, which appends the samples row by row, in little-endian order.
/// Overviews come first, the smallest before the others, and are asked for by their own columns and rows.
///
/// Header and directories come before the pixels. The tags of `georeference` are written as they were read, so an image on the same
/// grid keeps its place exactly. The file becomes a BigTIFF if 4 GB might not be enough.
///
/// # Errors
/// [`crate::Misuse::BadOutput`] for parts that do not fit together or a block of another length; errors of the writer.
pub fn write_blocks<W: Write + Seek>(
    writer: W,
    image: &ImageDescription,
    options: &WriteOptions,
    georeference: Option<&GeoReference>,
    fill: impl FnMut(&BlockRequest, &mut Vec<u8>),
) -> Result<(), TiffError> {
    image.check()?;
    options.check(image)?;
    let layout = Layout { image, options };
    let kind = layout.file_kind();
    write_as(kind, writer, layout, georeference, fill)
}

pub(crate) fn write_as<W: Write + Seek>(
    kind: FileKind,
    mut writer: W,
    layout: Layout<'_>,
    georeference: Option<&GeoReference>,
    mut fill: impl FnMut(&BlockRequest, &mut Vec<u8>),
) -> Result<(), TiffError> {
    let levels = layout.levels();
    let empty = levels.iter().map(|level| vec![(0, 0); layout.blocks_of(level)]);
    let mut places: Vec<Vec<(u64, u32)>> = empty.collect();
    let head = |places: &[Vec<(u64, u32)>]| -> Result<Head, TiffError> {
        let directories = levels.iter().zip(places).map(|(level, places)| {
            let lengths: Vec<u32> = places.iter().map(|(_, length)| *length).collect();
            let geo = georeference.map(|georeference| &georeference.tags);
            let mut directory = directory(layout.image, layout.options, level.size(), &lengths, geo)?;
            directory.offsets = places.iter().map(|(offset, _)| *offset).collect();
            Ok(directory)
        });
        Ok(Head::new(
            kind,
            String::new(),
            directories.collect::<Result<_, TiffError>>()?,
        ))
    };
    let mut offset = head(&places)?.size_bytes();
    writer.seek(SeekFrom::Start(offset))?;
    let mut raw = Vec::new();
    // The smallest overview comes first, so that a reader of the file's beginning has it.
    for (level, places) in levels.iter().zip(&mut places).rev() {
        for (index, place) in places.iter_mut().enumerate() {
            let (request, rows) = layout.request(level, index);
            raw.clear();
            fill(&request, &mut raw);
            let encoder = layout.encoder(level);
            let given_bytes = request.columns.len() * encoder.samples * encoder.sample_bytes;
            let wanted_bytes = given_bytes * request.rows.len();
            if raw.len() != wanted_bytes {
                let reason = format!("block {index} was given {} bytes instead of {wanted_bytes}", raw.len());
                return Err(Misuse::BadOutput { reason }.into());
            }
            let block = encoder.encode(raw.chunks_exact(given_bytes), rows)?;
            writer.write_all(&block)?;
            // `encode` refuses what does not fit.
            *place = (offset, block.len() as u32);
            offset += block.len() as u64;
        }
    }
    writer.seek(SeekFrom::Start(0))?;
    writer.write_all(&head(&places)?.bytes())?;
    writer.flush()?;
    Ok(())
}

/// An image at one resolution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    width: u32,
    height: u32,
    step_px: u32,
}

impl Level {
    fn size(&self) -> LevelSize {
        LevelSize {
            width: self.width,
            height: self.height,
            is_overview: self.step_px > 1,
        }
    }
}

/// Which block of a file holds what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout<'a> {
    pub(crate) image: &'a ImageDescription,
    pub(crate) options: &'a WriteOptions,
}

impl Layout<'_> {
    /// The whole image, then its overviews.
    fn levels(&self) -> Vec<Level> {
        let (width, height) = (self.image.width, self.image.height);
        let whole = Level {
            width,
            height,
            step_px: 1,
        };
        let half = |last: &Level| {
            let BlockLayout::Tiles(edge) = self.options.blocks else {
                return None;
            };
            let is_needed = self.options.has_overviews && last.width.max(last.height) > edge;
            is_needed.then(|| {
                let step_px = last.step_px * 2;
                Level {
                    width: width.div_ceil(step_px),
                    height: height.div_ceil(step_px),
                    step_px,
                }
            })
        };
        std::iter::successors(Some(whole), half).collect()
    }

    /// Columns and rows of a block.
    fn block_size(&self, level: &Level) -> [u32; 2] {
        match self.options.blocks {
            BlockLayout::Strips(rows) => [level.width, rows],
            BlockLayout::Tiles(edge) => [edge, edge],
        }
    }

    /// Blocks side by side, and above each other.
    fn block_counts(&self, level: &Level) -> [usize; 2] {
        let [columns, rows] = self.block_size(level);
        [level.width.div_ceil(columns), level.height.div_ceil(rows)].map(|count| count as usize)
    }

    fn planes(&self) -> usize {
        if self.options.is_by_band(self.image) {
            self.image.band_count
        } else {
            1
        }
    }

    fn blocks_of(&self, level: &Level) -> usize {
        let [across, down] = self.block_counts(level);
        across * down * self.planes()
    }

    fn encoder(&self, level: &Level) -> BlockEncoder {
        let [columns, _] = self.block_size(level);
        BlockEncoder {
            columns: columns as usize,
            samples: self.image.band_count / self.planes(),
            sample_bytes: self.image.sample_bytes(),
            predictor: self.options.predictor,
            deflate_level: self.options.deflate_level,
        }
    }

    /// What block `index` of a level holds, and how many rows it has: a strip ends with the image, a tile does not.
    fn request(&self, level: &Level, index: usize) -> (BlockRequest, usize) {
        let [across, down] = self.block_counts(level);
        let (plane, index) = (index / (across * down), index % (across * down));
        let [columns, rows] = self.block_size(level);
        let (left, top) = ((index % across) as u32 * columns, (index / across) as u32 * rows);
        let request = BlockRequest {
            step_px: level.step_px,
            columns: left..level.width.min(left.saturating_add(columns)),
            rows: top..level.height.min(top.saturating_add(rows)),
            band: (self.planes() > 1).then_some(plane),
        };
        let rows = match self.options.blocks {
            BlockLayout::Strips(_) => request.rows.len(),
            BlockLayout::Tiles(edge) => edge as usize,
        };
        (request, rows)
    }

    fn file_kind(&self) -> FileKind {
        let of_level = |level: Level| {
            let rows = match self.options.blocks {
                BlockLayout::Strips(rows) => rows.min(level.height),
                BlockLayout::Tiles(edge) => edge,
            };
            let block_bytes = self.encoder(&level).most_bytes(rows as usize);
            (self.blocks_of(&level) as u64).saturating_mul(block_bytes)
        };
        let most_bytes = self
            .levels()
            .into_iter()
            .map(of_level)
            .fold(1 << 20, u64::saturating_add);
        if most_bytes > u64::from(u32::MAX) {
            FileKind::Big
        } else {
            FileKind::Classic
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::predictor::Predictor;
    use crate::samples::SampleType;
    use crate::write::description::BandOrder;
    use crate::{GeoTiff, Limits, Window};
    use pollster::block_on;
    use raremap_io::BytesSource;
    use std::io::Cursor;

    const SIZE: [u32; 2] = [75, 101];

    fn sample(x: u32, y: u32, band: usize) -> u16 {
        (x * 7 + y * 131 + band as u32 * 9973) as u16
    }

    fn written(options: &WriteOptions) -> Vec<u8> {
        let [height, width] = SIZE;
        let image = ImageDescription::new(width, height, SampleType::U16, 3);
        let mut bytes = Vec::new();
        write_blocks(Cursor::new(&mut bytes), &image, options, None, |request, raw| {
            let bands = request.band.map_or(0..3, |band| band..band + 1);
            for y in request.source_rows(height) {
                for x in request.source_columns(width) {
                    bands
                        .clone()
                        .for_each(|band| raw.extend(sample(x, y, band).to_le_bytes()));
                }
            }
        })
        .expect("writes");
        bytes
    }

    #[test]
    fn every_layout_holds_the_same_samples() {
        let [height, width] = SIZE;
        for blocks in [BlockLayout::Strips(8), BlockLayout::Strips(200), BlockLayout::Tiles(32)] {
            for band_order in [BandOrder::ByPixel, BandOrder::ByBand] {
                for (deflate_level, predictor) in [(None, Predictor::None), (Some(1), Predictor::Horizontal)] {
                    let has_overviews = blocks == BlockLayout::Tiles(32);
                    let options = WriteOptions {
                        blocks,
                        band_order,
                        deflate_level,
                        predictor,
                        has_overviews,
                    };
                    let source = BytesSource::new(written(&options));
                    let file = block_on(GeoTiff::open(source, Limits::default())).expect("opens");
                    let all = Window {
                        x: 0,
                        y: 0,
                        width,
                        height,
                    };
                    let samples = block_on(file.read_window(all, &[0, 1, 2])).expect("reads");
                    let positions = (0..3).flat_map(|band| {
                        (0..height).flat_map(move |y| (0..width).map(move |x| f32::from(sample(x, y, band))))
                    });
                    assert!(samples.values.iter().copied().eq(positions), "{options:?}");
                    let overviews = if has_overviews { 2 } else { 0 };
                    assert_eq!(file.info().overviews.len(), overviews, "{options:?}");
                }
            }
        }
    }

    #[test]
    fn a_block_of_another_length_is_refused() {
        let image = ImageDescription::new(20, 20, SampleType::U8, 1);
        let options = WriteOptions::for_samples(SampleType::U8);
        for given in [0, 399, 401] {
            let file = Cursor::new(Vec::new());
            let result = write_blocks(file, &image, &options, None, |_, raw| raw.resize(given, 0));
            assert_eq!(result.map_err(|error| error.code()), Err("bad_output"), "{given}");
        }
    }

    #[test]
    fn options_that_do_not_fit_the_image_are_refused() {
        let usual = WriteOptions::for_samples(SampleType::F32);
        let image = ImageDescription::new(20, 20, SampleType::F32, 1);
        let cases = [
            WriteOptions {
                blocks: BlockLayout::Strips(0),
                ..usual
            },
            WriteOptions {
                blocks: BlockLayout::Tiles(100),
                ..usual
            },
            WriteOptions {
                blocks: BlockLayout::Strips(8),
                has_overviews: true,
                ..usual
            },
            WriteOptions {
                predictor: Predictor::Horizontal,
                ..usual
            },
            WriteOptions {
                deflate_level: None,
                predictor: Predictor::FloatingPoint,
                ..usual
            },
        ];
        for options in cases {
            let result = write_blocks(Cursor::new(Vec::new()), &image, &options, None, |_, _| {});
            assert_eq!(result.map_err(|error| error.code()), Err("bad_output"), "{options:?}");
        }
    }
}
