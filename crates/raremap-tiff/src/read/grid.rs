//! Reading every n-th row and column of a rectangle: a window is n = 1, a preview is more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Misuse, TiffError};
use crate::limits::Limits;
use crate::read::blocks::{BlockCache, TouchedBlock, check_block_bytes, coalesce, decode_block};
use crate::read::layout::{BlockBytes, Layout};
use crate::samples::nodata::StoredNodata;
use crate::samples::{SampleValue, Samples, StoredRow, pick_bits};
use raremap_io::LimitExceeded;
use raremap_io::RangeSource;
use raremap_io::checked_len;
use raremap_io::fetch_exactly;

/// Stored bytes that are fetched before they are decoded; this bounds the memory besides the result and the cache.
const BATCH_BYTES: u64 = 8 << 20;

/// How much one read may decode of blocks that together take more bytes than the file has.
const MAX_SHARED_DECODED_BYTES: u64 = 128 << 20;

/// Every `step`-th row or column from `start` on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) start: u32,
    pub(crate) step: u32,
    pub(crate) count: u32,
}

impl Axis {
    fn source(self, index: u32) -> u64 {
        u64::from(self.start) + u64::from(index) * u64::from(self.step)
    }

    /// The indices whose source positions lie in block `block` of blocks of `size`.
    fn indices_in_block(self, block: u64, size: u32) -> std::ops::Range<u32> {
        let start = block.saturating_mul(u64::from(size));
        self.first_at(start)..self.first_at(start.saturating_add(u64::from(size)))
    }

    /// The blocks of `size` that hold at least one source position, in order.
    fn touched_blocks(self, size: u32) -> impl Iterator<Item = u64> {
        let size = u64::from(size);
        let last = self.source(self.count.saturating_sub(1)) / size;
        let mut next = Some(self.source(0) / size);
        std::iter::from_fn(move || {
            let block = next.filter(|block| *block <= last)?;
            let index = self.first_at((block + 1).saturating_mul(size));
            next = (index < self.count).then(|| self.source(index) / size);
            Some(block)
        })
    }

    /// The first index whose source position is at or after `position`.
    fn first_at(self, position: u64) -> u32 {
        let distance = position
            .saturating_sub(u64::from(self.start))
            .div_ceil(u64::from(self.step));
        distance.min(u64::from(self.count)) as u32
    }

    /// Source pixels from the first to the last one.
    fn span(self) -> u64 {
        u64::from(self.count.saturating_sub(1)) * u64::from(self.step) + 1
    }
}

/// One read in progress: what is read, and from where.
pub(crate) struct GridRead<'a, S> {
    pub(crate) source: &'a S,
    pub(crate) limits: &'a Limits,
    pub(crate) layout: &'a Layout,
    pub(crate) cache: &'a Mutex<BlockCache>,
    pub(crate) rows: Axis,
    pub(crate) columns: Axis,
    pub(crate) bands: &'a [usize],
    pub(crate) nodata: StoredNodata,
}

impl<S: RangeSource> GridRead<'_, S> {
    /// Reads the wanted pixels of the wanted bands.
    pub(crate) async fn read<T: SampleValue>(&self) -> Result<Samples<T>, TiffError> {
        let Some((planes, conversion)) = self.layout.plane_conversion() else {
            return self.read_stored(self.layout.band_count).await;
        };
        let mut out: Samples<T> = self.allocate(self.layout.band_count)?;
        let all: Vec<usize> = (0..planes).collect();
        let read = GridRead {
            bands: &all,
            nodata: StoredNodata::NONE,
            ..*self
        };
        // Each has 8 bits.
        let stored: Samples<f32> = read.read_stored(planes).await?;
        let pixels = out.valid.len();
        let chunky: Vec<u8> = (0..pixels)
            .flat_map(|pixel| stored.values.iter().skip(pixel).step_by(pixels.max(1)))
            .map(|value| *value as u8)
            .collect();
        let converted = conversion.apply(chunky, out.width, out.height, planes);
        let (bands, width) = (self.layout.band_count, out.width);
        for (position, band) in self.bands.iter().enumerate() {
            for (row, line) in converted.chunks_exact((bands * width).max(1)).enumerate() {
                let values = line.iter().skip(*band).step_by(bands).map(|value| f64::from(*value));
                out.put(position, row, 0, values, Some(self.nodata));
            }
        }
        if self.nodata.is_zero() {
            out.invalidate_zero_pixels(self.bands.len());
        }
        Ok(out)
    }

    /// Fetches and decodes the touched blocks in bounded batches and copies the wanted pixels: those of the bands, or of the planes that bands
    /// are made from.
    async fn read_stored<T: SampleValue>(&self, band_count: usize) -> Result<Samples<T>, TiffError> {
        let layout = self.layout;
        let mut out = self.allocate(band_count)?;
        let planes = self.planes();
        let mut allowed_bytes = self.allowed_decoded_bytes(planes.len());
        let mut batch: Vec<(TouchedBlock, BlockBytes)> = Vec::new();
        let mut batch_bytes = 0;
        let (mut stored_bytes, mut decoded_bytes) = (0u64, 0u64);
        for down in self.rows.touched_blocks(layout.block_height) {
            for plane in &planes {
                for across in self.columns.touched_blocks(layout.block_width) {
                    let index = layout.block_index(*plane, down, across);
                    let block = TouchedBlock {
                        index,
                        plane: *plane,
                        down,
                        across,
                    };
                    let cached = lock(self.cache).get(index);
                    if let Some(decoded) = cached {
                        self.copy(block, &decoded, &mut out);
                        continue;
                    }
                    let Some(bytes) = layout.locate(index, down, self.source.size_bytes()) else {
                        self.fill_sparse(block, &mut out);
                        continue;
                    };
                    check_block_bytes(bytes, self.source.size_bytes(), self.limits)?;
                    let block_bytes = layout.block_bytes(layout.rows_in_block(down));
                    allowed_bytes = allowed_bytes.checked_sub(block_bytes).ok_or(LimitExceeded {
                        what: "decoding many times the area that was asked for",
                        needed: self.allowed_decoded_bytes(planes.len()).saturating_add(block_bytes),
                        limit: self.allowed_decoded_bytes(planes.len()),
                    })?;
                    stored_bytes = stored_bytes.saturating_add(bytes.length);
                    decoded_bytes = decoded_bytes.saturating_add(block_bytes);
                    self.check_overlap(stored_bytes, decoded_bytes)?;
                    if !batch.is_empty() && batch_bytes + bytes.length > BATCH_BYTES {
                        self.read_batch(std::mem::take(&mut batch), &mut out).await?;
                        batch_bytes = 0;
                    }
                    batch_bytes += bytes.length;
                    batch.push((block, bytes));
                }
            }
        }
        self.read_batch(batch, &mut out).await?;
        if self.nodata.is_zero() {
            out.invalidate_zero_pixels(self.bands.len());
        }
        Ok(out)
    }

    fn allocate<T: SampleValue>(&self, band_count: usize) -> Result<Samples<T>, TiffError> {
        if self.bands.is_empty() {
            return Err(Misuse::NoBands.into());
        }
        if let Some(band) = self.bands.iter().copied().find(|band| *band >= band_count) {
            return Err(Misuse::NoSuchBand { band, band_count }.into());
        }
        let pixels = u64::from(self.rows.count) * u64::from(self.columns.count);
        let bytes_per_pixel = (self.bands.len() * size_of::<T>() + 1) as u64;
        checked_len(
            "the result of a read",
            pixels.saturating_mul(bytes_per_pixel),
            self.limits.max_window_bytes,
        )?;
        Ok(Samples::new(
            self.bands.len(),
            self.rows.count as usize,
            self.columns.count as usize,
        ))
    }

    /// The planes of the file that hold the wanted bands.
    fn planes(&self) -> Vec<usize> {
        if !self.layout.planar {
            return vec![0];
        }
        let mut planes = self.bands.to_vec();
        planes.sort_unstable();
        planes.dedup();
        planes
    }

    /// Sound files decode little more than the area they cover; forged ones can require blocks of 256 MiB per pixel.
    fn allowed_decoded_bytes(&self, planes: usize) -> u64 {
        let samples = (self.layout.samples_per_pixel() * planes * self.layout.sample_type.bytes()) as u64;
        let area = self
            .rows
            .span()
            .saturating_mul(self.columns.span())
            .saturating_mul(samples);
        area.saturating_mul(4)
            .saturating_add(self.limits.max_extra_decoded_bytes)
    }

    /// Blocks may share bytes (writers store equal tiles once), but a small file whose blocks all point at the same bytes could keep a
    /// preview of a forged size busy for hours.
    fn check_overlap(&self, stored_bytes: u64, decoded_bytes: u64) -> Result<(), TiffError> {
        let limit = self.limits.max_extra_decoded_bytes.min(MAX_SHARED_DECODED_BYTES);
        if decoded_bytes > limit && stored_bytes > self.source.size_bytes() {
            return Err(LimitExceeded {
                what: "decoding the same bytes of the file for many blocks (strips or tiles)",
                needed: decoded_bytes,
                limit,
            }
            .into());
        }
        Ok(())
    }

    async fn read_batch<T: SampleValue>(
        &self,
        batch: Vec<(TouchedBlock, BlockBytes)>,
        out: &mut Samples<T>,
    ) -> Result<(), TiffError> {
        for fetch in coalesce(batch) {
            let fetched = fetch_exactly(self.source, fetch.start, fetch.end).await?;
            for (block, bytes) in fetch.blocks {
                // Both lie inside what was fetched, which is a slice of memory.
                let start = (bytes.offset - fetch.start) as usize;
                let stored = fetched.get(start..start + bytes.length as usize).unwrap_or_default();
                let decoded = Arc::new(decode_block(self.layout, block, stored)?);
                self.copy(block, &decoded, out);
                lock(self.cache).insert(block.index, decoded, self.limits.max_cache_bytes);
            }
        }
        Ok(())
    }

    /// The bands of the result that a block holds: (index in the result, index of the sample in a pixel).
    fn bands_of(&self, block: TouchedBlock) -> impl Iterator<Item = (usize, usize)> {
        let planar = self.layout.planar;
        self.bands
            .iter()
            .copied()
            .enumerate()
            .filter(move |(_, band)| !planar || *band == block.plane)
            .map(move |(position, band)| (position, if planar { 0 } else { band }))
    }

    fn copy<T: SampleValue>(&self, block: TouchedBlock, decoded: &[u8], out: &mut Samples<T>) {
        let layout = self.layout;
        let row_layout = layout.row_layout();
        let row_bytes = match layout.stays_packed() {
            // The block's size was checked against the limits when the file was opened.
            true => layout.row_bytes() as usize,
            false => row_layout.row_bytes,
        };
        let columns = self.columns.indices_in_block(block.across, layout.block_width);
        let block_x = block.across * u64::from(layout.block_width);
        let block_y = block.down * u64::from(layout.block_height);
        for (position, sample) in self.bands_of(block) {
            for row in self.rows.indices_in_block(block.down, layout.block_height) {
                // Differences inside one block, whose size is bounded.
                let row_start = (self.rows.source(row) - block_y) as usize * row_bytes;
                let bytes = decoded.get(row_start..row_start + row_bytes).unwrap_or_default();
                let first_pixel = (self.columns.source(columns.start) - block_x) as usize;
                let stored = StoredRow {
                    bytes,
                    sample_type: layout.sample_type,
                    first: first_pixel * row_layout.stride + sample,
                    stride: row_layout.stride.saturating_mul(self.columns.step as usize),
                    count: columns.len(),
                };
                let picked;
                let stored = if layout.stays_packed() {
                    picked = pick_bits(bytes, layout.bits_per_sample, stored.first, stored.stride, stored.count);
                    StoredRow {
                        bytes: &picked,
                        first: 0,
                        stride: 1,
                        ..stored
                    }
                } else {
                    stored
                };
                stored.copy_to(out, position, row as usize, columns.start as usize, self.nodata);
            }
        }
    }

    /// A block that is not stored holds nodata, or 0 if the file has no nodata (as in GDAL).
    fn fill_sparse<T: SampleValue>(&self, block: TouchedBlock, out: &mut Samples<T>) {
        let columns = self.columns.indices_in_block(block.across, self.layout.block_width);
        for (position, _) in self.bands_of(block) {
            for row in self.rows.indices_in_block(block.down, self.layout.block_height) {
                let values = std::iter::repeat_n(self.nodata.fill, columns.len());
                out.put(
                    position,
                    row as usize,
                    columns.start as usize,
                    values,
                    Some(self.nodata),
                );
            }
        }
    }
}

/// A poisoned lock still guards a usable cache: entries are whole or absent.
fn lock(cache: &Mutex<BlockCache>) -> MutexGuard<'_, BlockCache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_names_the_blocks_and_indices_it_touches() {
        let axis = Axis {
            start: 5,
            step: 10,
            count: 4,
        };
        assert_eq!(axis.touched_blocks(8).collect::<Vec<_>>(), [0, 1, 3, 4]);
        assert_eq!(axis.touched_blocks(100).collect::<Vec<_>>(), [0]);
        assert_eq!(axis.indices_in_block(0, 8), 0..1);
        assert_eq!(axis.indices_in_block(2, 8), 2..2);
        assert_eq!(axis.indices_in_block(3, 8), 2..3);
        assert_eq!(axis.indices_in_block(0, 16), 0..2);
        assert_eq!(axis.span(), 31);
    }
}
