//! Space outside wasm's memory: a file in the browser's private file system (OPFS), or blobs where there is none.

use std::collections::BTreeMap;

use js_sys::{Array, ArrayBuffer, Uint8Array};
use raremap_io::{IoError, PIECE_BYTES, PieceScratch, PieceStore, SourceError};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, FileReaderSync, FileSystemReadWriteOptions, FileSystemSyncAccessHandle};

use crate::hooks::SessionHooks;

/// What a run and its files keep outside wasm's memory.
pub type WebScratch = PieceScratch<Store>;

/// Makes scratches over files that the worker has opened beforehand, as long as there are any.
#[derive(Clone)]
pub struct ScratchPool {
    hooks: SessionHooks,
}

impl ScratchPool {
    /// The worker's hooks return the files, or nothing.
    pub fn new(hooks: SessionHooks) -> Self {
        Self { hooks }
    }

    /// An empty scratch.
    pub fn take(&self) -> WebScratch {
        let file = self.hooks.take_scratch_file().ok();
        let handle = file.and_then(|file| file.dyn_into::<FileSystemSyncAccessHandle>().ok());
        PieceScratch::new(Store {
            file: handle.map(OwnFile),
            is_full: false,
            blobs: BTreeMap::new(),
        })
    }
}

/// Where the pieces are: in a file, and in blobs once the file is full.
///
/// Private windows keep such files in memory, and Chromium's end at about 1.5 GB; some browsers have none there, and insecure pages never
/// have any.
pub struct Store {
    /// A file in the origin's private file system, opened by the worker.
    file: Option<OwnFile>,
    is_full: bool,
    /// Browsers move large blobs out of memory.
    blobs: BTreeMap<usize, Blob>,
}

impl PieceStore for Store {
    fn read(&self, index: usize, piece: &mut [u8]) -> Result<(), IoError> {
        let Some(blob) = self.blobs.get(&index) else {
            let file = self.file.as_ref();
            let file = file.ok_or_else(|| failed(JsValue::from_str("a piece is missing")))?;
            return file.read(index, piece);
        };
        let reader = FileReaderSync::new().map_err(failed)?;
        let buffer: ArrayBuffer = reader.read_as_array_buffer(blob).map_err(failed)?;
        Uint8Array::new(&buffer).copy_to(piece);
        Ok(())
    }

    fn write(&mut self, index: usize, piece: &[u8]) -> Result<(), IoError> {
        if let Some(file) = self.file.as_ref().filter(|_| !self.is_full) {
            if file.write(index, piece).is_ok() {
                self.blobs.remove(&index);
                return Ok(());
            }
            self.is_full = true;
        }
        // The bytes are copied first, because a view of wasm's memory would show what it holds later.
        let parts = Array::of1(&Uint8Array::from(piece));
        let blob = Blob::new_with_u8_array_sequence(&parts).map_err(failed)?;
        self.blobs.insert(index, blob);
        Ok(())
    }
}

fn failed(reason: JsValue) -> IoError {
    // A full disk throws a QuotaExceededError, whose message is for people.
    let text = reason
        .dyn_ref::<js_sys::Error>()
        .map_or_else(|| format!("{reason:?}"), |error| String::from(error.message()));
    SourceError::Failed(format!("the browser's storage failed: {text}")).into()
}

/// A file that only this worker has open.
pub struct OwnFile(FileSystemSyncAccessHandle);

impl OwnFile {
    fn write(&self, index: usize, piece: &[u8]) -> Result<(), IoError> {
        let mut done = 0;
        while done < piece.len() {
            let at = options(index, done);
            let rest = &piece[done..];
            let written = self.0.write_with_u8_array_and_options(rest, &at).map_err(failed)? as usize;
            // Chromium answers with a negative error code as an unsigned number if a private window's file cannot grow.
            if written == 0 || written > rest.len() {
                return Err(SourceError::Failed("the browser's storage is full".into()).into());
            }
            done += written;
        }
        Ok(())
    }

    fn read(&self, index: usize, piece: &mut [u8]) -> Result<(), IoError> {
        let expected = piece.len() as u64;
        let mut done = 0;
        while done < piece.len() {
            let at = options(index, done);
            let rest = &mut piece[done..];
            let room = rest.len();
            let read = self.0.read_with_u8_array_and_options(rest, &at).map_err(failed)? as usize;
            if read == 0 || read > room {
                let received = done as u64;
                return Err(SourceError::Changed { expected, received }.into());
            }
            done += read;
        }
        Ok(())
    }
}

fn options(index: usize, done: usize) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(index as f64 * PIECE_BYTES as f64 + done as f64);
    options
}

impl Drop for OwnFile {
    /// Frees the space; the worker removes the empty file.
    fn drop(&mut self) {
        let _ = self.0.truncate_with_f64(0.0);
        self.0.close();
    }
}
