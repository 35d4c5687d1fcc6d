//! A file that is made, and read in chunks.

use raremap_io::{IoError, Scratch};
use raremap_tiff::CogFile;
use serde::Serialize;

use crate::error::OutputError;
use crate::kind::OutputKind;

/// Returns an empty scratch.
pub(crate) type NewScratch<'s> = dyn FnMut() -> Result<Box<dyn Scratch>, OutputError> + 's;

/// A file that is made, read in chunks from its start.
pub struct OutputFile {
    pub(crate) kind: OutputKind,
    pub(crate) content: Content,
    pub(crate) notice: Option<String>,
}

pub(crate) enum Content {
    Cog(Box<CogFile<Box<dyn Scratch>>>),
    Kept { scratch: Box<dyn Scratch>, at: u64 },
    Bytes { bytes: Vec<u8>, at: usize },
}

impl OutputFile {
    /// Size of a chunk in bytes if the reader has no wish; no allocation is larger.
    pub const CHUNK_BYTES: usize = 4 << 20;

    pub(crate) fn of_bytes(kind: OutputKind, bytes: Vec<u8>) -> Self {
        Self {
            kind,
            content: Content::Bytes { bytes, at: 0 },
            notice: None,
        }
    }

    pub(crate) fn of_json(kind: OutputKind, value: &impl Serialize) -> Result<Self, OutputError> {
        let text = serde_json::to_string_pretty(value)?;
        Ok(Self::of_bytes(kind, (text + "\n").into_bytes()))
    }

    /// Which file it is.
    pub fn kind(&self) -> OutputKind {
        self.kind
    }

    /// What its reader should know, in words: that coordinates are not the requested ones.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Bytes of the file.
    pub fn size_bytes(&self) -> u64 {
        match &self.content {
            Content::Cog(file) => file.size_bytes(),
            Content::Kept { scratch, .. } => scratch.size_bytes(),
            Content::Bytes { bytes, .. } => bytes.len() as u64,
        }
    }

    /// Puts the next bytes into `chunk`, at most `most_bytes`; leaves it empty at the end.
    ///
    /// # Errors
    /// The scratch's own.
    pub fn read_chunk(&mut self, chunk: &mut Vec<u8>, most_bytes: usize) -> Result<(), OutputError> {
        match &mut self.content {
            Content::Cog(file) => file.read_chunk(chunk, most_bytes)?,
            Content::Kept { scratch, at } => {
                let left = scratch.size_bytes().saturating_sub(*at);
                let length = usize::try_from(left).map_or(most_bytes, |left| left.min(most_bytes));
                chunk.clear();
                chunk.resize(length, 0);
                scratch.read_at(*at, chunk)?;
                *at += length as u64;
            }
            Content::Bytes { bytes, at } => {
                let rest = bytes.get(*at..).unwrap_or_default();
                let length = rest.len().min(most_bytes);
                chunk.clear();
                chunk.extend(rest.iter().take(length));
                *at += length;
            }
        }
        Ok(())
    }

    /// The whole file in memory, for small scenes, and for callers that take no chunks.
    ///
    /// # Errors
    /// As [`OutputFile::read_chunk`].
    pub fn into_bytes(mut self) -> Result<Vec<u8>, OutputError> {
        let (mut bytes, mut chunk) = (Vec::new(), Vec::new());
        loop {
            self.read_chunk(&mut chunk, Self::CHUNK_BYTES)?;
            if chunk.is_empty() {
                return Ok(bytes);
            }
            bytes.append(&mut chunk);
        }
    }
}

/// Text on its way into a scratch, in pieces that are worth a write.
pub(crate) struct TextSink {
    scratch: Box<dyn Scratch>,
    text: String,
}

const SINK_BYTES: usize = 1 << 18;

impl TextSink {
    pub(crate) fn new(scratch: Box<dyn Scratch>) -> Self {
        Self {
            scratch,
            text: String::new(),
        }
    }

    /// Takes what `text` holds; `text` is then empty.
    pub(crate) fn take(&mut self, text: &mut String) -> Result<(), IoError> {
        self.text.push_str(text);
        text.clear();
        if self.text.len() >= SINK_BYTES {
            self.scratch.append(self.text.as_bytes())?;
            self.text.clear();
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Content, IoError> {
        self.scratch.append(self.text.as_bytes())?;
        Ok(Content::Kept {
            scratch: self.scratch,
            at: 0,
        })
    }
}
