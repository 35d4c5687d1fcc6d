//! Space outside memory for what a large scene needs while its results are made.

use crate::error::{IoError, SourceError};

/// A growing array of bytes that need not be in memory: a temporary file, or a file in the browser's private file system (OPFS).
///
/// Reads and writes are synchronous, because both of these offer that; nobody else writes to it meanwhile.
pub trait Scratch {
    /// Number of bytes up to the end of the last write.
    fn size_bytes(&self) -> u64;

    /// Writes at an offset that is at most [`Scratch::size_bytes`], over what is there.
    ///
    /// # Errors
    /// [`IoError::Write`] or [`SourceError`] if the space is exhausted, [`SourceError`] where the offset is beyond the end.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError>;

    /// Fills `bytes` from an offset.
    ///
    /// # Errors
    /// [`SourceError`] if the range was not written, or if reading fails.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), IoError>;

    /// Writes at the end; returns the offset of what was written.
    ///
    /// # Errors
    /// As [`Scratch::write_at`].
    fn append(&mut self, bytes: &[u8]) -> Result<u64, IoError> {
        let offset = self.size_bytes();
        self.write_at(offset, bytes)?;
        Ok(offset)
    }
}

impl<S: Scratch + ?Sized> Scratch for Box<S> {
    fn size_bytes(&self) -> u64 {
        (**self).size_bytes()
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        (**self).write_at(offset, bytes)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), IoError> {
        (**self).read_at(offset, bytes)
    }
}

pub(crate) fn check_range(start: u64, length: usize, size_bytes: u64) -> Result<(), IoError> {
    Ok(SourceError::check_range(
        &(start..start.saturating_add(length as u64)),
        size_bytes,
    )?)
}

/// [`Scratch`] in memory, for scenes that are small, and for tests.
#[derive(Debug, Default)]
pub struct MemoryScratch {
    bytes: Vec<u8>,
}

impl MemoryScratch {
    /// Makes room for this many bytes at once: a scratch that grows is copied now and then, and meanwhile has up to three times its size.
    ///
    /// # Errors
    /// [`SourceError::Failed`] if there is not enough memory.
    pub fn with_room(bytes: u64) -> Result<Self, IoError> {
        let failed = |reason: String| IoError::from(SourceError::Failed(reason));
        let length = usize::try_from(bytes).map_err(|error| failed(error.to_string()))?;
        let mut room = Vec::new();
        room.try_reserve_exact(length)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { bytes: room })
    }
}

impl Scratch for MemoryScratch {
    fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        check_range(offset, 0, self.size_bytes())?;
        let start = offset as usize;
        let overwritten = bytes.len().min(self.bytes.len() - start);
        let (over, beyond) = bytes.split_at(overwritten);
        self.bytes[start..start + overwritten].copy_from_slice(over);
        let added = self.bytes.try_reserve(beyond.len());
        added.map_err(|error| SourceError::Failed(error.to_string()))?;
        self.bytes.extend_from_slice(beyond);
        Ok(())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), IoError> {
        check_range(offset, bytes.len(), self.size_bytes())?;
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }
}

/// [`Scratch`] in a file that the caller opened for reading and writing, and removes, such as a temporary file.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug)]
pub struct FileScratch {
    file: std::fs::File,
    size_bytes: u64,
}

#[cfg(not(target_arch = "wasm32"))]
impl FileScratch {
    /// Starts at the beginning of `file`, whatever it holds.
    pub fn new(file: std::fs::File) -> Self {
        Self { file, size_bytes: 0 }
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Scratch for FileScratch {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        use std::io::{Seek, SeekFrom, Write};
        check_range(offset, 0, self.size_bytes)?;
        self.file.seek(SeekFrom::Start(offset)).map_err(IoError::Write)?;
        self.file.write_all(bytes).map_err(IoError::Write)?;
        self.size_bytes = self.size_bytes.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), IoError> {
        use std::io::{Read, Seek, SeekFrom};
        check_range(offset, bytes.len(), self.size_bytes)?;
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset)).map_err(SourceError::Io)?;
        file.read_exact(bytes).map_err(SourceError::Io)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behaves(mut scratch: impl Scratch) {
        assert_eq!(scratch.append(b"hello ").expect("appends"), 0);
        assert_eq!(scratch.append(b"world").expect("appends"), 6);
        scratch.write_at(4, b"O-WORLD!").expect("writes over the end");
        let mut read = [0; 8];
        scratch.read_at(4, &mut read).expect("reads");
        assert_eq!((&read, scratch.size_bytes()), (b"O-WORLD!", 12));
        let beyond = scratch.read_at(5, &mut read).expect_err("12 bytes are written");
        assert_eq!(beyond.code(), "source_out_of_range");
        let gap = scratch.write_at(13, b"x").expect_err("leaves a gap");
        assert_eq!(gap.code(), "source_out_of_range");
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        behaves(MemoryScratch::default());
        behaves(MemoryScratch::with_room(100).expect("100 bytes"));
        assert!(MemoryScratch::with_room(u64::MAX).is_err());
        behaves(FileScratch::new(tempfile::tempfile().expect("a temporary file")));
    }
}
