//! What one directory says about its image: size, samples, and how the blocks (strips or tiles) cover it.

use crate::codec::predictor::{Predictor, RowLayout};
use crate::codec::{BlockCodec, BlockShape, Compression};
#[cfg(feature = "jpeg")]
use crate::codec::{Coded, OldImage, OldJpeg};
use crate::directory::header::{ByteOrder, Header};
use crate::directory::metadata_reader::MetadataReader;
use crate::directory::{Directory, bad_tag, missing_tag};
use crate::error::{TiffError, Unsupported};
use crate::limits::Limits;
use crate::read::conversion::{ColorConversion, StoredPixel, read_ycbcr};
use crate::samples::SampleType;
use crate::tags;
use raremap_io::RangeSource;
use raremap_io::checked_len;

/// Uncompressed strips are read in pieces of about this many bytes, because a preview of a large image only needs a row here and there.
const STRIP_PIECE_BYTES: u64 = 128 * 1024;

/// The largest number of blocks that an image may have if its table of offsets is too short.
const MAX_PADDED_BLOCKS: u64 = 1_000_000;

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
    pub(crate) codec: BlockCodec,
    /// Samples of a pixel in the file; `band_count` counts what they become.
    stored_samples: usize,
    pub(crate) conversion: ColorConversion,
    pub(crate) predictor: Predictor,
    pub(crate) planar: bool,
    pub(crate) tiled: bool,
    pub(crate) block_width: u32,
    pub(crate) block_height: u32,
    /// What the file says; an uncompressed strip may be read as several blocks.
    pub(crate) stored_block_height: u32,
    pub(crate) photometric: u16,
    pub(crate) bits_reversed: bool,
    offsets: Vec<u64>,
    /// Empty if the file does not say (some old writers).
    byte_counts: Vec<u64>,
    /// Offset of an uncompressed image in one strip, which is read in pieces.
    one_strip: Option<u64>,
    /// Number of blocks that an uncompressed strip is read as; 1 if the blocks are those of the file.
    pieces_per_strip: u32,
}

impl Layout {
    /// Reads the tags that say how the pixels are stored, and refuses what cannot be decoded.
    pub(crate) async fn read<S: RangeSource>(
        reader: &mut MetadataReader<'_, S>,
        header: Header,
        directory: &Directory,
        limits: &Limits,
    ) -> Result<Self, TiffError> {
        let width = dimension(reader, directory, tags::IMAGE_WIDTH, limits).await?;
        let height = dimension(reader, directory, tags::IMAGE_LENGTH, limits).await?;
        let compression_code = directory.first_unsigned(reader, tags::COMPRESSION, 1, limits).await?;
        let compression_code = u16::try_from(compression_code).unwrap_or(u16::MAX);
        let compression = Compression::from_code(compression_code)?;
        let mut photometric = directory.first_unsigned(reader, tags::PHOTOMETRIC, 1, limits).await? as u16;
        let is_old_jpeg = compression == Compression::OldJpeg;
        if is_old_jpeg && (photometric == 2 || !directory.has(tags::PHOTOMETRIC)) {
            // As libtiff found, its writers said red, green and blue but stored luma and chroma.
            photometric = 6;
        }
        let usual_samples = if is_old_jpeg && photometric == 6 { 3 } else { 1 };
        let samples = directory
            .first_unsigned(reader, tags::SAMPLES_PER_PIXEL, usual_samples, limits)
            .await?;
        let stored_samples = match u16::try_from(samples) {
            Ok(count) if count > 0 => usize::from(count),
            _ => return Err(bad_tag(tags::SAMPLES_PER_PIXEL, format!("{samples} bands"))),
        };
        let usual_bits = if is_old_jpeg { 8 } else { 1 };
        let (bits_per_sample, sample_type) = sample_type(reader, directory, stored_samples, usual_bits, limits).await?;
        if bits_per_sample < 8 && !compression.is_of_rows() {
            return Err(Unsupported::Feature {
                feature: "samples of fewer than 8 bits in JPEG, LERC or WebP",
            }
            .into());
        }
        let planar = match directory
            .first_unsigned(reader, tags::PLANAR_CONFIGURATION, 1, limits)
            .await?
        {
            1 => false,
            // With one band the two are the same.
            2 => stored_samples > 1,
            other => return Err(bad_tag(tags::PLANAR_CONFIGURATION, format!("unknown value {other}"))),
        };
        let mut tiled = directory.has(tags::TILE_WIDTH) || directory.has(tags::TILE_LENGTH);
        let pixel = StoredPixel {
            photometric,
            compression,
            samples: stored_samples,
            bits: bits_per_sample,
            planar,
            tiled,
        };
        let conversion = ColorConversion::read(reader, directory, limits, pixel).await?;
        let band_count = conversion.bands(stored_samples);
        let sample_type = match conversion {
            ColorConversion::None => sample_type,
            // Colours are unsigned, whatever the file says about its inks.
            _ => SampleType::U8,
        };
        let is_contiguous_ycbcr = photometric == 6 && !planar && stored_samples == 3;
        let mut codec = BlockCodec::read(reader, directory, limits, compression_code, is_contiguous_ycbcr).await?;
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
        let bits_reversed = !compression.ignores_fill_order()
            && directory.first_unsigned(reader, tags::FILL_ORDER, 1, limits).await? == 2;

        let (mut block_width, mut block_height) = if tiled {
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
        let (mut offsets, mut byte_counts) = block_tables(reader, directory, tiled, limits).await?;
        #[cfg(feature = "jpeg")]
        if is_old_jpeg {
            if planar || block_width < width {
                return Err(Unsupported::Feature {
                    feature: "old-style JPEG in planes or in tiles side by side",
                }
                .into());
            }
            let image = OldImage {
                samples: stored_samples,
                block_width,
                block_height,
                offsets: &offsets,
                byte_counts: &byte_counts,
            };
            // Each sample has its own chroma once the codec has repeated it.
            let colors = read_ycbcr(reader, directory, limits, [1, 1]).await?;
            let (old_jpeg, coded) = OldJpeg::read(reader, directory, limits, &image, colors).await?;
            codec = BlockCodec::of_old_jpeg(old_jpeg);
            match coded {
                Coded::Strips => {}
                Coded::StripsBehind(first) => {
                    if let (Some(offset), Some(count)) = (offsets.first_mut(), byte_counts.first_mut()) {
                        (*offset, *count) = (first.offset, first.length);
                    }
                }
                Coded::Image(bytes) => {
                    (block_width, block_height, tiled) = (width, height, false);
                    (offsets, byte_counts) = (vec![bytes.offset], vec![bytes.length]);
                }
            }
        }

        let mut layout = Self {
            width,
            height,
            band_count,
            bits_per_sample,
            sample_type,
            byte_order: header.byte_order,
            compression,
            codec,
            stored_samples,
            conversion,
            predictor,
            planar,
            tiled,
            block_width,
            block_height,
            stored_block_height: block_height,
            photometric,
            bits_reversed,
            offsets,
            byte_counts,
            one_strip: None,
            pieces_per_strip: 1,
        };
        let stored_blocks = layout.block_count();
        layout.read_one_strip_in_pieces();
        layout.read_strips_in_pieces();
        let unpacked = layout.samples_bytes(layout.block_height, layout.samples_per_pixel());
        let unpacked = unpacked.max(layout.samples_bytes(layout.block_height, layout.stored_samples_per_pixel()));
        let held = unpacked.saturating_mul(compression.working_copies());
        checked_len("a decoded block (strip or tile)", held, limits.max_block_bytes)?;
        let blocks = stored_blocks;
        // A table that is too short ends in blocks that are not stored, as in libtiff, which bounds how many.
        let is_short = (layout.offsets.len() as u64) < blocks;
        if layout.one_strip.is_none() && is_short && (layout.offsets.is_empty() || blocks > MAX_PADDED_BLOCKS) {
            let tag = if tiled { tags::TILE_OFFSETS } else { tags::STRIP_OFFSETS };
            return Err(bad_tag(
                tag,
                format!("{} entries for {blocks} blocks", layout.offsets.len()),
            ));
        }
        Ok(layout)
    }

    /// An uncompressed image in one strip need not be read as a whole for a few rows.
    fn read_one_strip_in_pieces(&mut self) {
        if self.tiled || self.compression != Compression::None || self.block_height < self.height || self.planar {
            return;
        }
        if !matches!(self.conversion, ColorConversion::None) {
            return;
        }
        let Some(offset) = self.offsets.first().copied() else {
            return;
        };
        // A sparse strip is left to the general path. A byte count that is too short says nothing about uncompressed data.
        if offset == 0 {
            return;
        }
        let rows = (STRIP_PIECE_BYTES / self.block_bytes(1).max(1)).clamp(1, u64::from(self.height));
        self.block_height = rows as u32;
        self.one_strip = Some(offset);
    }

    /// As [`Layout::read_one_strip_in_pieces`] for any number of strips and planes, where pieces of whole rows divide them.
    fn read_strips_in_pieces(&mut self) {
        let is_plain = self.compression == Compression::None && !self.tiled && self.one_strip.is_none();
        // Subsampled colours share bytes across rows.
        let is_converted = !matches!(self.block_conversion(), ColorConversion::None);
        if !is_plain || is_converted || self.block_bytes(self.block_height) <= STRIP_PIECE_BYTES {
            return;
        }
        let rows = self.block_height;
        let most = (STRIP_PIECE_BYTES / self.block_bytes(1).max(1)).clamp(1, u64::from(rows)) as u32;
        let is_alone = rows >= self.height;
        let divides = |piece: &u32| is_alone || rows.is_multiple_of(*piece);
        // Strips of a prime number of short rows stay as they are, rather than being read row by row.
        let Some(piece) = (most.div_ceil(4)..=most).rev().find(divides) else {
            return;
        };
        self.block_height = piece;
        self.pieces_per_strip = rows.div_ceil(piece);
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
        let planes = if self.planar { self.stored_samples as u64 } else { 1 };
        // Two 32-bit factors cannot overflow; a third can.
        (self.blocks_across() * self.blocks_down()).saturating_mul(planes)
    }

    /// Number of blocks that the file does not store, counted in the file's own blocks.
    pub(crate) fn sparse_block_count(&self) -> u64 {
        if self.one_strip.is_some() {
            return 0;
        }
        let pieces = u64::from(self.pieces_per_strip);
        let blocks = self.block_count() / self.blocks_down() * self.blocks_down().div_ceil(pieces);
        let listed = usize::try_from(blocks).unwrap_or(usize::MAX).min(self.offsets.len());
        blocks - (0..listed).filter(|position| self.is_stored(*position)).count() as u64
    }

    fn is_only_strip(&self) -> bool {
        !self.tiled && self.offsets.len() == 1
    }

    /// Whether the strip or tile at a position of the tables has data.
    fn is_stored(&self, position: usize) -> bool {
        match (self.offsets.get(position), self.byte_counts.get(position)) {
            (None, _) => false,
            // A count of 0 for the only strip means "not known", as in libtiff.
            (Some(offset), Some(0)) => *offset != 0 && self.is_only_strip(),
            (Some(_), Some(_)) => true,
            // A table that is too short ends in zeros, as in libtiff; without a table, only the offset tells.
            (Some(offset), None) => self.byte_counts.is_empty() && *offset > 0,
        }
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

    /// As [`Layout::samples_per_pixel`], before colours are converted.
    fn stored_samples_per_pixel(&self) -> usize {
        if self.planar { 1 } else { self.stored_samples }
    }

    /// Bytes of `rows` rows of a block once samples are whole bytes.
    fn samples_bytes(&self, rows: u32, samples_per_pixel: usize) -> u64 {
        (u64::from(self.block_width) * u64::from(rows))
            .saturating_mul(samples_per_pixel as u64)
            .saturating_mul(self.sample_type.bytes() as u64)
    }

    /// The block in block row `down`, as stored.
    pub(crate) fn block_shape(&self, down: u64) -> BlockShape {
        let rows = self.rows_in_block(down);
        let samples = self.stored_samples_per_pixel();
        // Opening the file checked the sizes against the limits and the platform.
        BlockShape {
            width: self.block_width as usize,
            rows: rows as usize,
            is_last_strip: !self.tiled && down + 1 == self.blocks_down(),
            samples,
            bits: self.bits_per_sample,
            sample_type: self.sample_type,
            packed_bytes: self.block_bytes(rows) as usize,
            unpacked_bytes: self.samples_bytes(rows, samples) as usize,
        }
    }

    /// What happens to the samples of one block. Colours in planes are converted when all planes are read.
    pub(crate) fn block_conversion(&self) -> &ColorConversion {
        if self.planar {
            &ColorConversion::None
        } else {
            &self.conversion
        }
    }

    /// How many planes a converted pixel takes, and the conversion; `None` if blocks hold bands.
    pub(crate) fn plane_conversion(&self) -> Option<(usize, &ColorConversion)> {
        let is_converted = !matches!(self.conversion, ColorConversion::None);
        (self.planar && is_converted).then_some((self.stored_samples, &self.conversion))
    }

    /// Whether samples share bytes.
    pub(crate) fn is_packed(&self) -> bool {
        usize::from(self.bits_per_sample) < 8 * self.sample_type.bytes()
    }

    /// Whether a decoded block keeps its samples packed, to be picked from it: as bytes, they would take up to eight times the memory.
    pub(crate) fn stays_packed(&self) -> bool {
        self.bits_per_sample < 8
    }

    /// Bytes of one stored row of a block: rows start on a byte.
    pub(crate) fn row_bytes(&self) -> u64 {
        let bits =
            u128::from(self.block_width) * self.stored_samples_per_pixel() as u128 * u128::from(self.bits_per_sample);
        u64::try_from(bits.div_ceil(8)).unwrap_or(u64::MAX)
    }

    /// Bytes of the first `rows` rows of a block as stored.
    pub(crate) fn block_bytes(&self, rows: u32) -> u64 {
        let converted = self.block_conversion().stored_bytes(self.block_width, rows);
        converted.unwrap_or_else(|| self.row_bytes().saturating_mul(u64::from(rows)))
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

    /// How stored rows are laid out before colours are converted, with samples of 24 bits in three bytes.
    pub(crate) fn stored_row_layout(&self) -> RowLayout {
        let sample_bytes = if self.bits_per_sample == 24 {
            3
        } else {
            self.sample_type.bytes()
        };
        let stride = self.stored_samples_per_pixel();
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
            let offset = strip.saturating_add(self.block_bytes(self.block_height).saturating_mul(down));
            return Some(BlockBytes {
                offset,
                length: expected,
            });
        }
        if self.pieces_per_strip > 1 {
            return self.locate_piece(index, down, expected);
        }
        let position = usize::try_from(index).ok()?;
        if !self.is_stored(position) {
            return None;
        }
        let offset = self.offsets.get(position).copied()?;
        let length = match self.byte_counts.get(position) {
            // The size of uncompressed data is known, whatever writers state.
            _ if self.compression == Compression::None => expected,
            Some(count) if *count > 0 => *count,
            // Without byte counts a block reaches to the end of the file at most.
            _ => source_bytes.saturating_sub(offset),
        };
        Some(BlockBytes { offset, length })
    }
}

impl Layout {
    /// Where a piece of an uncompressed strip is.
    fn locate_piece(&self, index: u64, down: u64, expected: u64) -> Option<BlockBytes> {
        let pieces = u64::from(self.pieces_per_strip);
        let plane = index / self.blocks_down();
        let strip = plane.saturating_mul(self.blocks_down().div_ceil(pieces)) + down / pieces;
        let position = usize::try_from(strip).ok()?;
        if !self.is_stored(position) {
            return None;
        }
        let above = self.block_bytes(self.block_height).saturating_mul(down % pieces);
        Some(BlockBytes {
            offset: self.offsets.get(position)?.saturating_add(above),
            length: expected,
        })
    }
}

async fn dimension<S: RangeSource>(
    reader: &mut MetadataReader<'_, S>,
    directory: &Directory,
    tag: tags::Tag,
    limits: &Limits,
) -> Result<u32, TiffError> {
    if !directory.has(tag) {
        return Err(missing_tag(tag));
    }
    let value = directory.first_unsigned(reader, tag, 0, limits).await?;
    match u32::try_from(value) {
        // Pixels are counted in 31 bits, as everywhere else in the GeoTIFF world.
        Ok(size) if size > 0 && size <= i32::MAX as u32 => Ok(size),
        _ => Err(bad_tag(tag, format!("the value {value} is not a valid size"))),
    }
}

async fn sample_type<S: RangeSource>(
    reader: &mut MetadataReader<'_, S>,
    directory: &Directory,
    stored_samples: usize,
    usual_bits: u64,
    limits: &Limits,
) -> Result<(u16, SampleType), TiffError> {
    let all_equal = |values: &[u64]| values.windows(2).all(|pair| pair.first() == pair.last());
    let mut bits = directory
        .unsigned(reader, tags::BITS_PER_SAMPLE, limits)
        .await?
        .unwrap_or_else(|| vec![usual_bits]);
    // One value stands for all bands, and fewer values than bands are an error; both as in libtiff.
    if bits.len() > 1 && bits.len() < stored_samples {
        let problem = format!("{} values for {stored_samples} bands", bits.len());
        return Err(bad_tag(tags::BITS_PER_SAMPLE, problem));
    }
    bits.truncate(stored_samples);
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
        _ => return Err(bad_tag(tags::BITS_PER_SAMPLE, "it gives no sample size".into())),
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
) -> Result<(Vec<u64>, Vec<u64>), TiffError> {
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
