//! Room outside wasm's memory: a private file of the browser (OPFS), or blobs where there is none.

use std::cell::RefCell;

use js_sys::{Array, ArrayBuffer, Function, Uint8Array};
use raremap_raster::{RasterError, Scratch, SourceError};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, FileReaderSync, FileSystemReadWriteOptions, FileSystemSyncAccessHandle};

/// A piece of the fallback; browsers move large blobs out of memory.
const PIECE_BYTES: usize = 1 << 20;

/// What a run and its files leave outside wasm's memory.
pub enum WebScratch {
    /// A file in the origin's private file system, opened by the worker.
    File(FileScratch),
    /// Blobs: for private windows and insecure pages, which have no such file system.
    Blobs(BlobScratch),
}

/// Gives scratches: over files that the worker has opened beforehand, as long as there are any.
#[derive(Clone)]
pub struct ScratchPool {
    take_file: Function,
}

impl ScratchPool {
    /// `take_file` gives an open and empty file that nobody else has, or nothing.
    pub fn new(take_file: Function) -> Self {
        Self { take_file }
    }

    /// An empty scratch.
    pub fn take(&self) -> WebScratch {
        let file = self.take_file.call0(&JsValue::NULL).ok();
        match file.and_then(|file| file.dyn_into::<FileSystemSyncAccessHandle>().ok()) {
            Some(handle) => WebScratch::File(FileScratch { handle, size_bytes: 0 }),
            None => WebScratch::Blobs(BlobScratch::default()),
        }
    }
}

impl Scratch for WebScratch {
    fn size_bytes(&self) -> u64 {
        match self {
            Self::File(file) => file.size_bytes,
            Self::Blobs(blobs) => blobs.size_bytes(),
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), RasterError> {
        if offset > self.size_bytes() {
            return Err(out_of_range(offset, bytes.len(), self.size_bytes()));
        }
        match self {
            Self::File(file) => file.write_at(offset, bytes),
            Self::Blobs(blobs) => blobs.write_at(offset, bytes),
        }
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), RasterError> {
        if offset.saturating_add(bytes.len() as u64) > self.size_bytes() {
            return Err(out_of_range(offset, bytes.len(), self.size_bytes()));
        }
        match self {
            Self::File(file) => file.read_at(offset, bytes),
            Self::Blobs(blobs) => blobs.read_at(offset, bytes),
        }
    }
}

fn out_of_range(start: u64, length: usize, size_bytes: u64) -> RasterError {
    let end = start.saturating_add(length as u64);
    SourceError::OutOfRange { start, end, size_bytes }.into()
}

fn failed(reason: JsValue) -> RasterError {
    // A full disk throws a QuotaExceededError, whose message is for people.
    let text = reason
        .dyn_ref::<js_sys::Error>()
        .map_or_else(|| format!("{reason:?}"), |error| String::from(error.message()));
    SourceError::Failed(format!("the browser's storage failed: {text}")).into()
}

/// A file that only this worker has open.
pub struct FileScratch {
    handle: FileSystemSyncAccessHandle,
    size_bytes: u64,
}

impl FileScratch {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), RasterError> {
        let mut done = 0;
        while done < bytes.len() {
            let at = options(offset + done as u64);
            let rest = &bytes[done..];
            let written = self.handle.write_with_u8_array_and_options(rest, &at).map_err(failed)? as usize;
            if written == 0 {
                return Err(SourceError::Failed("the browser's storage is full".into()).into());
            }
            done += written;
        }
        self.size_bytes = self.size_bytes.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), RasterError> {
        let expected = bytes.len() as u64;
        let mut done = 0;
        while done < bytes.len() {
            let at = options(offset + done as u64);
            let rest = &mut bytes[done..];
            let read = self.handle.read_with_u8_array_and_options(rest, &at).map_err(failed)? as usize;
            if read == 0 {
                let received = done as u64;
                return Err(SourceError::Changed { expected, received }.into());
            }
            done += read;
        }
        Ok(())
    }
}

fn options(at: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(at as f64);
    options
}

impl Drop for FileScratch {
    /// Gives the room back; the empty file is the worker's to remove.
    fn drop(&mut self) {
        let _ = self.handle.truncate_with_f64(0.0);
        self.handle.close();
    }
}

/// Pieces of equal size as blobs, and the last one in memory until it is full.
#[derive(Default)]
pub struct BlobScratch {
    sealed: Vec<Blob>,
    last: Vec<u8>,
    /// The piece that was read last: readers come row by row.
    read: RefCell<Option<(usize, Vec<u8>)>>,
}

impl BlobScratch {
    fn size_bytes(&self) -> u64 {
        self.sealed.len() as u64 * PIECE_BYTES as u64 + self.last.len() as u64
    }

    /// Calls `visit` with a sealed piece in memory.
    fn with_piece<T>(&self, index: usize, visit: impl FnOnce(&mut Vec<u8>) -> T) -> Result<T, RasterError> {
        let mut read = self.read.borrow_mut();
        if read.as_ref().is_none_or(|(held, _)| *held != index) {
            let reader = FileReaderSync::new().map_err(failed)?;
            let buffer: ArrayBuffer = reader.read_as_array_buffer(&self.sealed[index]).map_err(failed)?;
            *read = Some((index, Uint8Array::new(&buffer).to_vec()));
        }
        let (_, piece) = read.as_mut().ok_or_else(|| failed(JsValue::from_str("no piece")))?;
        Ok(visit(piece))
    }

    fn write_at(&mut self, mut offset: u64, mut bytes: &[u8]) -> Result<(), RasterError> {
        while !bytes.is_empty() {
            let (index, start) = place(offset);
            let count = bytes.len().min(PIECE_BYTES - start);
            let (now, later) = bytes.split_at(count);
            if index < self.sealed.len() {
                let blob = self.with_piece(index, |piece| {
                    piece[start..start + count].copy_from_slice(now);
                    blob_of(piece)
                })??;
                self.sealed[index] = blob;
            } else {
                self.last.resize(self.last.len().max(start + count), 0);
                self.last[start..start + count].copy_from_slice(now);
                if self.last.len() == PIECE_BYTES {
                    self.sealed.push(blob_of(&self.last)?);
                    self.last.clear();
                }
            }
            bytes = later;
            offset += count as u64;
        }
        Ok(())
    }

    fn read_at(&self, mut offset: u64, mut bytes: &mut [u8]) -> Result<(), RasterError> {
        while !bytes.is_empty() {
            let (index, start) = place(offset);
            let count = bytes.len().min(PIECE_BYTES - start);
            let (now, later) = bytes.split_at_mut(count);
            if index < self.sealed.len() {
                self.with_piece(index, |piece| now.copy_from_slice(&piece[start..start + count]))?;
            } else {
                now.copy_from_slice(&self.last[start..start + count]);
            }
            bytes = later;
            offset += count as u64;
        }
        Ok(())
    }
}

/// The piece of an offset, and where in it.
fn place(offset: u64) -> (usize, usize) {
    let piece = PIECE_BYTES as u64;
    ((offset / piece) as usize, (offset % piece) as usize)
}

fn blob_of(bytes: &[u8]) -> Result<Blob, RasterError> {
    // A copy first: a view of wasm's memory would be of what it holds later.
    let parts = Array::of1(&Uint8Array::from(bytes));
    Blob::new_with_u8_array_sequence(&parts).map_err(failed)
}
