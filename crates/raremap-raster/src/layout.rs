//! What one directory says about its image: size, samples, and how the blocks (strips or tiles) cover it.

use crate::codec::Compression;
use crate::color::refuse_derived_colours;
use crate::directory::{Directory, bad_tag, missing_tag};
use crate::error::{RasterError, Unsupported};
use crate::header::{ByteOrder, Header};
use crate::limits::{Limits, checked_len};
use crate::metadata_reader::MetadataReader;
use crate::predict::{Predictor, RowLayout};
use crate::samples::SampleType;
use crate::source::RangeSource;
use crate::tags;

/// Uncompressed images in one strip are read in pieces of about this many bytes.
const STRIP_PIECE_BYTES: u64 = 256 * 1024;

/// Where the data of one block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockBytes {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The image of one directory.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) band_count: usize,
    pub(crate) bits_per_sample: u16,
    pub(crate) sample_type: SampleType,
    pub(crate) byte_order: ByteOrder,
    pub(crate) compression: Compression,
    pub(crate) predictor: Predictor,
    pub(crate) planar: bool,
    pub(crate) tiled: bool,
    pub(crate) block_width: u32,
    pub(crate) block_height: u32,
    pub(crate) photometric: u16,
    pub(crate) bits_reversed: bool,
    offsets: Vec<u64>,
    /// Empty where the file does not say (some old writers) or where one strip is read in pieces.
    byte_counts: Vec<u64>,
    one_strip: Option<BlockBytes>,
}

impl Layout {
    /// Reads the tags that say how the pixels are stored, and refuses what cannot be decoded.
    pub(crate) async fn read<S: RangeSource>(
        reader: &mut MetadataReader<'_, S>,
        header: Header,
        directory: &Directory,
        limits: &Limits,
    ) -> Result<Self, RasterError> {
        let width = dimension(reader, directory, tags::IMAGE_WIDTH, limits).await?;
        let height = dimension(reader, directory, tags::IMAGE_LENGTH, limits).await?;
        let compression_code = directory.first_unsigned(reader, tags::COMPRESSION, 1, limits).await?;
        let compression = Compression::from_code(u16::try_from(compression_code).unwrap_or(u16::MAX))?;
        let samples = directory
            .first_unsigned(reader, tags::SAMPLES_PER_PIXEL, 1, limits)
            .await?;
        let band_count = match u16::try_from(samples) {
            Ok(count) if count > 0 => usize::from(count),
            _ => return Err(bad_tag(tags::SAMPLES_PER_PIXEL, format!("{samples} bands"))),
        };
        let (bits_per_sample, sample_type) = sample_type(reader, directory, limits).await?;
        let photometric = directory.first_unsigned(reader, tags::PHOTOMETRIC, 1, limits).await? as u16;
        refuse_derived_colours(photometric)?;
        let planar = match directory
            .first_unsigned(reader, tags::PLANAR_CONFIGURATION, 1, limits)
            .await?
        {
            1 => false,
            // With one band the two are the same.
            2 => band_count > 1,
            other => return Err(bad_tag(tags::PLANAR_CONFIGURATION, format!("unknown value {other}"))),
        };
        let predictor = match directory.first_unsigned(reader, tags::PREDICTOR, 1, limits).await? {
            _ if !compression.has_predictor() => Predictor::None,
            0 | 1 => Predictor::None,
            2 if usize::from(bits_per_sample) == 8 * sample_type.bytes() => Predictor::Horizontal,
            3 if sample_type.is_float() => Predictor::FloatingPoint,
            other => {
                let predictor = u16::try_from(other).unwrap_or(u16::MAX);
                return Err(Unsupported::Predictor {
                    predictor,
                    bits: bits_per_sample,
                }
                .into());
            }
        };
        let bits_reversed = directory.first_unsigned(reader, tags::FILL_ORDER, 1, limits).await? == 2;

        let tiled = directory.has(tags::TILE_WIDTH) || directory.has(tags::TILE_LENGTH);
        let (block_width, block_height) = if tiled {
            (
                dimension(reader, directory, tags::TILE_WIDTH, limits).await?,
                dimension(reader, directory, tags::TILE_LENGTH, limits).await?,
            )
        } else {
            let rows = directory
                .first_unsigned(reader, tags::ROWS_PER_STRIP, u64::from(height), limits)
                .await?;
            let rows = u32::try_from(rows).unwrap_or(u32::MAX).min(height);
            if rows == 0 {
                return Err(bad_tag(tags::ROWS_PER_STRIP, "0 rows".into()));
            }
            (width, rows)
        };
        let (offsets, byte_counts) = block_tables(reader, directory, tiled, limits).await?;

        let mut layout = Self {
            width,
            height,
            band_count,
            bits_per_sample,
            sample_type,
            byte_order: header.byte_order,
            compression,
            predictor,
            planar,
            tiled,
            block_width,
            block_height,
            photometric,
            bits_reversed,
            offsets,
            byte_counts,
            one_strip: None,
        };
        layout.read_one_strip_in_pieces();
        let unpacked = layout
            .block_bytes(layout.block_height)
            .saturating_mul(if layout.is_packed() { 8 } else { 1 });
        checked_len("a decoded block (strip or tile)", unpacked, limits.max_block_bytes)?;
        let blocks = layout.block_count();
        if layout.one_strip.is_none() && (layout.offsets.len() as u64) < blocks {
            let tag = if tiled { tags::TILE_OFFSETS } else { tags::STRIP_OFFSETS };
            return Err(bad_tag(
                tag,
                format!("{} entries for {blocks} blocks", layout.offsets.len()),
            ));
        }
        Ok(layout)
    }

    /// An uncompressed image in one strip needs no reading of the whole strip for a few rows.
    fn read_one_strip_in_pieces(&mut self) {
        if self.tiled || self.compression != Compression::None || self.block_height < self.height || self.planar {
            return;
        }
        let (Some(offset), whole) = (self.offsets.first().copied(), self.block_bytes(self.height)) else {
            return;
        };
        // Sparse (0) and short strips are left to the general path, which reports them.
        let length = self.byte_counts.first().copied().unwrap_or(whole);
        if offset == 0 || length < whole {
            return;
        }
        let rows = (STRIP_PIECE_BYTES / self.block_bytes(1).max(1)).clamp(1, u64::from(self.height));
        self.block_height = rows as u32;
        self.one_strip = Some(BlockBytes { offset, length });
    }

    /// Blocks from left to right.
    pub(crate) fn blocks_across(&self) -> u64 {
        u64::from(self.width.div_ceil(self.block_width))
    }

    /// Blocks from top to bottom.
    pub(crate) fn blocks_down(&self) -> u64 {
        u64::from(self.height.div_ceil(self.block_height))
    }

    fn block_count(&self) -> u64 {
        let planes = if self.planar { self.band_count as u64 } else { 1 };
        // Two 32-bit factors cannot overflow; a third can.
        (self.blocks_across() * self.blocks_down()).saturating_mul(planes)
    }

    /// The index of a block in the file's order.
    pub(crate) fn block_index(&self, plane: usize, down: u64, across: u64) -> u64 {
        (plane as u64).saturating_mul(self.blocks_across() * self.blocks_down()) + down * self.blocks_across() + across
    }

    /// Rows that the block in block row `down` holds: the last strip is shorter, tiles never are.
    pub(crate) fn rows_in_block(&self, down: u64) -> u32 {
        if self.tiled {
            return self.block_height;
        }
        let above = down.saturating_mul(u64::from(self.block_height));
        u64::from(self.block_height).min(u64::from(self.height).saturating_sub(above)) as u32
    }

    /// Samples from one pixel of a block to the next.
    pub(crate) fn samples_per_pixel(&self) -> usize {
        if self.planar { 1 } else { self.band_count }
    }

    /// Whether samples share bytes.
    pub(crate) fn is_packed(&self) -> bool {
        usize::from(self.bits_per_sample) < 8 * self.sample_type.bytes()
    }

    /// Bytes of one stored row of a block: rows start on a byte.
    pub(crate) fn row_bytes(&self) -> u64 {
        let bits = u128::from(self.block_width) * self.samples_per_pixel() as u128 * u128::from(self.bits_per_sample);
        u64::try_from(bits.div_ceil(8)).unwrap_or(u64::MAX)
    }

    /// Bytes of the first `rows` rows of a block as stored.
    pub(crate) fn block_bytes(&self, rows: u32) -> u64 {
        self.row_bytes().saturating_mul(u64::from(rows))
    }

    /// How rows are laid out once samples are whole bytes.
    pub(crate) fn row_layout(&self) -> RowLayout {
        let sample_bytes = self.sample_type.bytes();
        let stride = self.samples_per_pixel();
        // The block's size was checked against the limits when the file was opened.
        RowLayout {
            row_bytes: self.block_width as usize * stride * sample_bytes,
            sample_bytes,
            stride,
        }
    }

    /// Where a block's bytes are; `None` for a sparse block, which the file does not store.
    pub(crate) fn locate(&self, index: u64, down: u64, source_bytes: u64) -> Option<BlockBytes> {
        let expected = self.block_bytes(self.rows_in_block(down));
        if let Some(strip) = self.one_strip {
            let offset = strip
                .offset
                .saturating_add(self.block_bytes(self.block_height).saturating_mul(down));
            return Some(BlockBytes {
                offset,
                length: expected,
            });
        }
        let position = usize::try_from(index).ok()?;
        let offset = self.offsets.get(position).copied()?;
        let length = match self.byte_counts.get(position) {
            Some(count) => *count,
            // Without byte counts a block reaches to the end of what it can need, or of the file.
            None if self.compression == Compression::None => expected,
            None => source_bytes.saturating_sub(offset),
        };
        if offset == 0 || length == 0 {
            return None;
        }
        let needed = if self.compression == Compression::None {
            length.min(expected)
        } else {
            length
        };
        Some(BlockBytes { offset, length: needed })
    }
}

async fn dimension<S: RangeSource>(
    reader: &mut MetadataReader<'_, S>,
    directory: &Directory,
    tag: tags::Tag,
    limits: &Limits,
) -> Result<u32, RasterError> {
    let values = directory
        .unsigned(reader, tag, limits)
        .await?
        .ok_or_else(|| missing_tag(tag))?;
    match values.first().map(|value| u32::try_from(*value)) {
        // Pixels are counted in 31 bits, as everywhere else in the GeoTIFF world.
        Some(Ok(size)) if size > 0 && size <= i32::MAX as u32 => Ok(size),
        _ => Err(bad_tag(tag, format!("the value {values:?} is no size"))),
    }
}

async fn sample_type<S: RangeSource>(
    reader: &mut MetadataReader<'_, S>,
    directory: &Directory,
    limits: &Limits,
) -> Result<(u16, SampleType), RasterError> {
    let all_equal = |values: &[u64]| values.windows(2).all(|pair| pair.first() == pair.last());
    let bits = directory
        .unsigned(reader, tags::BITS_PER_SAMPLE, limits)
        .await?
        .unwrap_or_else(|| vec![1]);
    if !all_equal(&bits) {
        return Err(Unsupported::MixedBands {
            what: "bits per sample",
        }
        .into());
    }
    let formats = directory
        .unsigned(reader, tags::SAMPLE_FORMAT, limits)
        .await?
        .unwrap_or_else(|| vec![1]);
    if !all_equal(&formats) {
        return Err(Unsupported::MixedBands { what: "sample format" }.into());
    }
    let bits = match bits.first().map(|bits| u16::try_from(*bits)) {
        Some(Ok(bits)) if bits > 0 => bits,
        _ => return Err(bad_tag(tags::BITS_PER_SAMPLE, "no size of a sample".into())),
    };
    Ok((
        bits,
        SampleType::from_tags(bits, formats.first().copied().unwrap_or(1))?,
    ))
}

async fn block_tables<S: RangeSource>(
    reader: &mut MetadataReader<'_, S>,
    directory: &Directory,
    tiled: bool,
    limits: &Limits,
) -> Result<(Vec<u64>, Vec<u64>), RasterError> {
    // Some writers use the strip tags for tiles, which libtiff reads as well.
    let (offsets_tag, counts_tag) = if tiled && directory.has(tags::TILE_OFFSETS) {
        (tags::TILE_OFFSETS, tags::TILE_BYTE_COUNTS)
    } else {
        (tags::STRIP_OFFSETS, tags::STRIP_BYTE_COUNTS)
    };
    let offsets = directory
        .unsigned(reader, offsets_tag, limits)
        .await?
        .ok_or_else(|| missing_tag(offsets_tag))?;
    let byte_counts = directory
        .unsigned(reader, counts_tag, limits)
        .await?
        .unwrap_or_default();
    Ok((offsets, byte_counts))
}
