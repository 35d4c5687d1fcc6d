//! Where the bytes come from.

use std::future::Future;
use std::ops::Range;

use bytes::Bytes;

use crate::error::SourceError;

/// Something that provides ranges of its bytes: a file, a `Blob`, a remote object.
///
/// Futures need not be `Send`, because a `Blob` is read on the thread that owns it. What reads from a source is `Send` if the source's own
/// futures are.
pub trait RangeSource {
    /// How many bytes there are.
    fn size_bytes(&self) -> u64;

    /// Returns exactly the bytes of `range`, or an error.
    fn fetch_range(&self, range: Range<u64>) -> impl Future<Output = Result<Bytes, SourceError>>;
}

impl<S: RangeSource> RangeSource for &S {
    fn size_bytes(&self) -> u64 {
        (**self).size_bytes()
    }

    fn fetch_range(&self, range: Range<u64>) -> impl Future<Output = Result<Bytes, SourceError>> {
        (**self).fetch_range(range)
    }
}

/// Bytes in memory.
#[derive(Debug, Clone)]
pub struct BytesSource(Bytes);

impl BytesSource {
    /// Wraps bytes without copying them.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }
}

impl RangeSource for BytesSource {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        SourceError::check_range(&range, self.size_bytes())?;
        // Both ends are at most the length, which is a usize.
        Ok(self.0.slice(range.start as usize..range.end as usize))
    }
}

/// A file of the local file system, read range by range.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug)]
pub struct FileSource {
    file: std::sync::Mutex<std::fs::File>,
    size_bytes: u64,
}

#[cfg(not(target_arch = "wasm32"))]
impl FileSource {
    /// Opens a file. Its length is taken now, so a file that shrinks later gives [`SourceError::Changed`].
    ///
    /// # Errors
    /// [`SourceError::Io`] if the file cannot be opened.
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self, SourceError> {
        let file = std::fs::File::open(path)?;
        let size_bytes = file.metadata()?.len();
        Ok(Self {
            file: std::sync::Mutex::new(file),
            size_bytes,
        })
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl RangeSource for FileSource {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        use std::io::{Read, Seek, SeekFrom};

        SourceError::check_range(&range, self.size_bytes)?;
        let Range { start, end } = range;
        // A poisoned lock holds nothing worse than a file position, and every read seeks first.
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        let received = (&mut *file).take(end - start).read_to_end(&mut bytes)? as u64;
        if received != end - start {
            return Err(SourceError::Changed {
                expected: end - start,
                received,
            });
        }
        Ok(bytes.into())
    }
}
