//! A file the reader chose, read slice by slice and never as a whole.

use std::ops::Range;

use bytes::Bytes;
use js_sys::{ArrayBuffer, Uint8Array};
use raremap_io::{RangeSource, SourceError};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

/// Byte ranges of a `Blob`.
#[derive(Debug, Clone)]
pub struct BlobSource {
    blob: Blob,
    size_bytes: u64,
}

impl BlobSource {
    /// The blob's size is taken now: a file that changes later gives [`SourceError::Changed`].
    pub fn new(blob: Blob) -> Self {
        let size_bytes = blob.size() as u64;
        Self { blob, size_bytes }
    }
}

impl RangeSource for BlobSource {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        SourceError::check_range(&range, self.size_bytes)?;
        let Range { start, end } = range;
        let expected = end - start;
        let refused = |reason| SourceError::Failed(format!("{reason:?}"));
        let slice = self
            .blob
            .slice_with_f64_and_f64(start as f64, end as f64)
            .map_err(refused)?;
        // Browsers refuse to read a file that changed on disk, or give fewer bytes, down to none.
        let changed = |received| SourceError::Changed { expected, received };
        let buffer = JsFuture::from(slice.array_buffer()).await.map_err(|_| changed(0))?;
        let buffer: ArrayBuffer = buffer.dyn_into().map_err(refused)?;
        let received = u64::from(buffer.byte_length());
        if received != expected {
            return Err(changed(received));
        }
        Ok(Uint8Array::new(&buffer).to_vec().into())
    }
}
