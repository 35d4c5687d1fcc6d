//! Ranges of any length, fetched in parts.

use bytes::Bytes;

use crate::error::SourceError;
use crate::source::RangeSource;

/// No source has to provide more at a time, because a browser keeps a slice of a file twice until it is decoded.
pub const MAX_FETCH_BYTES: u64 = 4 << 20;

/// Fetches a range, in parts if it is long, and checks that the source returned all of it. The caller bounds the length.
///
/// # Errors
/// Those of the source, and [`SourceError::Changed`] if it returns another number of bytes.
pub async fn fetch_exactly<S: RangeSource>(source: &S, start: u64, end: u64) -> Result<Bytes, SourceError> {
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

async fn fetch_part<S: RangeSource>(source: &S, start: u64, end: u64) -> Result<Bytes, SourceError> {
    let bytes = source.fetch_range(start..end).await?;
    let (expected, received) = (end.saturating_sub(start), bytes.len() as u64);
    if received == expected {
        Ok(bytes)
    } else {
        Err(SourceError::Changed { expected, received })
    }
}
