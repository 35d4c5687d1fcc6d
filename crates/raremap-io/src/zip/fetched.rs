//! Runs a parser that reads synchronously over a source that does not: what it lacks is fetched, and it starts again.

use std::cell::Cell;
use std::io;

use bytes::Bytes;
use rawzip::ReaderAt;

use crate::error::{IoError, LimitExceeded};
use crate::fetch::fetch_exactly;
use crate::source::RangeSource;

/// Number of bytes that are fetched at once; the directory of a product's archive is smaller.
const CHUNK_BYTES: u64 = 64 << 10;
/// Largest number of bytes that are fetched for one parse: a directory of [`super::MAX_ENTRIES`] files.
const MAX_BYTES: u64 = 32 << 20;

/// What was fetched from a source.
pub(super) struct Fetched<'a> {
    chunks: &'a [(u64, Bytes)],
    missing: &'a Cell<Option<u64>>,
    size_bytes: u64,
}

impl Fetched<'_> {
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

impl ReaderAt for Fetched<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.size_bytes || buffer.is_empty() {
            return Ok(0);
        }
        for (start, bytes) in self.chunks {
            let at = offset.checked_sub(*start).and_then(|at| usize::try_from(at).ok());
            if let Some(bytes) = at.and_then(|at| bytes.get(at..)).filter(|bytes| !bytes.is_empty()) {
                let count = bytes.len().min(buffer.len());
                let (target, source) = (&mut buffer[..count], &bytes[..count]);
                target.copy_from_slice(source);
                return Ok(count);
            }
        }
        self.missing.set(Some(offset));
        Err(io::Error::from(io::ErrorKind::WouldBlock))
    }
}

/// Runs `parse` until nothing is missing.
pub(super) async fn read<T>(
    source: &impl RangeSource,
    parse: impl Fn(&Fetched<'_>) -> Result<T, IoError>,
) -> Result<T, IoError> {
    let size_bytes = source.size_bytes();
    // The end comes first, because that is where an archive's directory is.
    let end_start = size_bytes.saturating_sub(CHUNK_BYTES) / CHUNK_BYTES * CHUNK_BYTES;
    let end = fetch_exactly(source, end_start, size_bytes).await?;
    let mut fetched_bytes = end.len() as u64;
    let mut chunks = vec![(end_start, end)];
    loop {
        let missing = Cell::new(None);
        let result = parse(&Fetched {
            chunks: &chunks,
            missing: &missing,
            size_bytes,
        });
        let Some(offset) = missing.get() else {
            return result;
        };
        if fetched_bytes >= MAX_BYTES {
            return Err(LimitExceeded {
                what: "the directory of the zip archive",
                needed: fetched_bytes + CHUNK_BYTES,
                limit: MAX_BYTES,
            }
            .into());
        }
        let start = offset / CHUNK_BYTES * CHUNK_BYTES;
        let chunk = fetch_exactly(source, start, size_bytes.min(start + CHUNK_BYTES)).await?;
        fetched_bytes += chunk.len() as u64;
        chunks.push((start, chunk));
    }
}
