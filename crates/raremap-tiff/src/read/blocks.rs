//! Fetches, decodes and keeps blocks (strips or tiles).

use std::collections::HashMap;
use std::sync::Arc;

use crate::codec::{CodecError, Decoded};
use crate::error::{Malformed, TiffError, Unsupported};
use crate::limits::Limits;
use crate::read::layout::{BlockBytes, Layout};
use crate::samples::{unpack_bits, widen_f24};
use raremap_io::MAX_FETCH_BYTES;
use raremap_io::checked_len;

/// Blocks at most this far apart in the file are fetched together.
const MAX_GAP_BYTES: u64 = 16 * 1024;

/// A block that a read touches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TouchedBlock {
    pub(crate) index: u64,
    /// The band of a planar file, else 0.
    pub(crate) plane: usize,
    pub(crate) down: u64,
    pub(crate) across: u64,
}

/// Blocks that are fetched together, by one request unless one block alone is longer.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) blocks: Vec<(TouchedBlock, BlockBytes)>,
}

/// Orders blocks by their position in the file and joins neighbours into one fetch each.
pub(crate) fn coalesce(mut blocks: Vec<(TouchedBlock, BlockBytes)>) -> Vec<Fetch> {
    blocks.sort_by_key(|(_, bytes)| bytes.offset);
    let mut fetches: Vec<Fetch> = Vec::new();
    for (block, bytes) in blocks {
        let end = bytes.offset.saturating_add(bytes.length);
        match fetches.last_mut() {
            Some(last)
                if bytes.offset <= last.end.saturating_add(MAX_GAP_BYTES)
                    && end.max(last.end) - last.start <= MAX_FETCH_BYTES =>
            {
                last.end = last.end.max(end);
                last.blocks.push((block, bytes));
            }
            _ => fetches.push(Fetch {
                start: bytes.offset,
                end,
                blocks: vec![(block, bytes)],
            }),
        }
    }
    fetches
}

/// Checks that a block's bytes are in the file and within the limits.
pub(crate) fn check_block_bytes(bytes: BlockBytes, size_bytes: u64, limits: &Limits) -> Result<(), TiffError> {
    let end = bytes.offset.saturating_add(bytes.length);
    if end > size_bytes {
        let offset = bytes.offset;
        return Err(Malformed::Truncated {
            what: "a block (strip or tile)",
            offset,
            end,
            size_bytes,
        }
        .into());
    }
    checked_len(
        "a compressed block (strip or tile)",
        bytes.length,
        limits.max_block_bytes,
    )?;
    Ok(())
}

/// Turns the stored bytes of a block into samples of native byte order, or of fewer than 8 bits each ([`Layout::stays_packed`]).
pub(crate) fn decode_block(layout: &Layout, block: TouchedBlock, stored: &[u8]) -> Result<Vec<u8>, TiffError> {
    let shape = layout.block_shape(block.down);
    let decoded = if layout.bits_reversed {
        let reversed: Vec<u8> = stored.iter().map(|byte| byte.reverse_bits()).collect();
        layout.codec.decode(&reversed, &shape)
    } else {
        layout.codec.decode(stored, &shape)
    };
    let samples = match decoded {
        Ok(Decoded::Samples(samples)) => samples,
        Ok(Decoded::Stored(stored)) => to_samples(layout, stored),
        Err(CodecError::Unsupported(feature)) => return Err(Unsupported::Feature { feature }.into()),
        Err(CodecError::Damaged(reason)) => {
            let block = block.index;
            return Err(Malformed::BadBlock { block, reason }.into());
        }
    };
    let conversion = layout.block_conversion();
    Ok(conversion.apply(samples, shape.width, shape.rows, shape.samples))
}

/// Undoes the predictor, brings samples into native byte order and unpacks them.
fn to_samples(layout: &Layout, mut stored: Vec<u8>) -> Vec<u8> {
    if layout.stays_packed() {
        return stored;
    }
    let row_layout = layout.stored_row_layout();
    if !layout.is_packed() {
        layout.predictor.undo(&mut stored, row_layout, layout.byte_order);
        return stored;
    }
    if layout.sample_type.is_float() {
        layout.predictor.undo(&mut stored, row_layout, layout.byte_order);
        return widen_f24(&stored);
    }
    if layout.bits_per_sample == 24 {
        // libtiff brings whole bytes into this machine's order, and GDAL reads them as if nothing had been done.
        layout.predictor.undo(&mut stored, row_layout, layout.byte_order);
    }
    let samples_per_row = row_layout.samples();
    unpack_bits(
        &stored,
        layout.bits_per_sample,
        layout.row_bytes() as usize,
        samples_per_row,
    )
}

/// What the cache counts for a block besides its bytes: an entry of a table that is at most half empty, and what the allocator adds to the
/// counted pointer and the vector. Strips of a few bytes each would otherwise fill the memory.
const ENTRY_BYTES: u64 = 128;

/// Decoded blocks; those that were used least recently are dropped first.
///
/// The newest block is kept even if it is over the bound by itself: an image in one large compressed strip would otherwise be decoded once
/// per window.
#[derive(Debug, Default)]
pub(crate) struct BlockCache {
    blocks: HashMap<u64, (u64, Arc<Vec<u8>>)>,
    clock: u64,
    held_bytes: u64,
}

impl BlockCache {
    pub(crate) fn get(&mut self, index: u64) -> Option<Arc<Vec<u8>>> {
        self.clock += 1;
        let (used, block) = self.blocks.get_mut(&index)?;
        *used = self.clock;
        Some(Arc::clone(block))
    }

    pub(crate) fn insert(&mut self, index: u64, block: Arc<Vec<u8>>, max_bytes: u64) {
        self.clock += 1;
        self.held_bytes += held_bytes(&block);
        if let Some((_, old)) = self.blocks.insert(index, (self.clock, block)) {
            self.held_bytes -= held_bytes(&old);
        }
        if self.held_bytes <= max_bytes {
            return;
        }
        // Dropping an eighth at a time keeps the cost of finding the oldest ones small per insertion. More would hurt: windows that walk
        // along the strips of a wide scene need most of the kept blocks again.
        let kept_bytes = max_bytes - max_bytes / 8;
        let mut by_age: Vec<(u64, u64)> = self.blocks.iter().map(|(index, (used, _))| (*used, *index)).collect();
        by_age.sort_unstable();
        by_age.pop();
        for (_, index) in by_age {
            if self.held_bytes <= kept_bytes {
                break;
            }
            if let Some((_, dropped)) = self.blocks.remove(&index) {
                self.held_bytes -= held_bytes(&dropped);
            }
        }
    }
}

fn held_bytes(block: &Vec<u8>) -> u64 {
    block.capacity() as u64 + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(index: u64, offset: u64, length: u64) -> (TouchedBlock, BlockBytes) {
        (
            TouchedBlock {
                index,
                plane: 0,
                down: 0,
                across: index,
            },
            BlockBytes { offset, length },
        )
    }

    #[test]
    fn neighbours_are_fetched_together_and_far_blocks_apart() {
        let far = 10 << 20;
        let fetches = coalesce(vec![
            block(2, far, 50),
            block(0, 100, 50),
            block(1, 150, 70),
            block(3, 120, 10),
        ]);
        let ranges: Vec<_> = fetches
            .iter()
            .map(|fetch| (fetch.start, fetch.end, fetch.blocks.len()))
            .collect();
        assert_eq!(ranges, [(100, 220, 3), (far, far + 50, 1)]);
    }

    #[test]
    fn a_fetch_of_many_blocks_stays_bounded() {
        let fetches = coalesce((0..10).map(|i| block(i, i << 20, 1 << 20)).collect());
        assert_eq!(
            fetches.iter().map(|fetch| fetch.blocks.len()).collect::<Vec<_>>(),
            [4, 4, 2]
        );
    }

    #[test]
    fn the_cache_drops_the_oldest_and_keeps_the_newest() {
        let mut cache = BlockCache::default();
        let block = Arc::new(vec![0u8; 1000]);
        cache.insert(1, Arc::clone(&block), 2500);
        cache.insert(2, Arc::clone(&block), 2500);
        assert!(cache.get(1).is_some());
        cache.insert(3, Arc::clone(&block), 2500);
        assert!(cache.get(2).is_none());
        assert!(cache.get(3).is_some());
        cache.insert(4, Arc::new(vec![0; 10_000]), 2500);
        assert!(cache.get(3).is_none());
        assert!(cache.get(4).is_some());
        assert_eq!(cache.held_bytes, 10_000 + ENTRY_BYTES);
    }
}
