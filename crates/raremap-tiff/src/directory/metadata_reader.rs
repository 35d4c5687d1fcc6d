//! Serves small reads of headers and directories from one chunk that is fetched ahead.

use bytes::Bytes;

use crate::error::{Malformed, RasterError, SourceError};
use crate::source::RangeSource;

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
    pub(crate) async fn bytes(&mut self, what: &'static str, offset: u64, length: u64) -> Result<Bytes, RasterError> {
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

/// No source has to provide more at a time, because a browser keeps a slice of a file twice until it is decoded.
pub(crate) const MAX_FETCH_BYTES: u64 = 4 << 20;

/// Fetches a range, in parts if it is long, and checks that the source kept its promise. The caller must already have bounded the length.
pub(crate) async fn fetch_exactly<S: RangeSource>(source: &S, start: u64, end: u64) -> Result<Bytes, RasterError> {
    if end.saturating_sub(start) <= MAX_FETCH_BYTES {
        return fetch_part(source, start, end).await;
    }
    let mut bytes = Vec::new();
    let mut next = start;
    while next < end {
        let part_end = next.saturating_add(MAX_FETCH_BYTES).min(end);
        let part = fetch_part(source, next, part_end).await?;
        if bytes.is_empty() {
            // Memory is not taken before the first part has come, so a source that fails costs nothing.
            bytes.reserve_exact(usize::try_from(end - start).unwrap_or(0));
        }
        bytes.extend_from_slice(&part);
        next = part_end;
    }
    Ok(bytes.into())
}

async fn fetch_part<S: RangeSource>(source: &S, start: u64, end: u64) -> Result<Bytes, RasterError> {
    let bytes = source.fetch_range(start..end).await?;
    let (expected, received) = (end.saturating_sub(start), bytes.len() as u64);
    if received == expected {
        Ok(bytes)
    } else {
        Err(SourceError::Changed { expected, received }.into())
    }
}
