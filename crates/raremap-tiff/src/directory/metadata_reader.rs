//! Serves small reads of headers and directories from one chunk that is fetched ahead.

use bytes::Bytes;

use crate::error::{Malformed, TiffError};
use raremap_io::{RangeSource, fetch_exactly};

/// How many bytes are fetched at once while reading directories; one fetch is enough for most files.
const READ_AHEAD_BYTES: u64 = 32 * 1024;

/// Serves small reads of a source from one chunk that is fetched ahead.
pub(crate) struct MetadataReader<'a, S> {
    source: &'a S,
    chunk_start: u64,
    chunk: Bytes,
}

impl<'a, S: RangeSource> MetadataReader<'a, S> {
    pub(crate) fn new(source: &'a S) -> Self {
        Self {
            source,
            chunk_start: 0,
            chunk: Bytes::new(),
        }
    }

    /// How long the source is.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.source.size_bytes()
    }

    /// Returns `length` bytes at `offset`; the caller must already have bounded `length`.
    pub(crate) async fn bytes(&mut self, what: &'static str, offset: u64, length: u64) -> Result<Bytes, TiffError> {
        let size_bytes = self.source.size_bytes();
        let end = offset.saturating_add(length);
        if end > size_bytes {
            return Err(Malformed::Truncated {
                what,
                offset,
                end,
                size_bytes,
            }
            .into());
        }
        let chunk_end = self.chunk_start + self.chunk.len() as u64;
        if offset < self.chunk_start || end > chunk_end {
            let fetch_end = offset.saturating_add(length.max(READ_AHEAD_BYTES)).min(size_bytes);
            self.chunk = fetch_exactly(self.source, offset, fetch_end).await?;
            self.chunk_start = offset;
        }
        // They lie inside the chunk, so the differences fit a usize.
        let start = (offset - self.chunk_start) as usize;
        Ok(self.chunk.slice(start..start + length as usize))
    }
}
