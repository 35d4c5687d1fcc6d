//! Files inside a zip archive, read where they are or unpacked once.

mod fetched;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use rawzip::{CompressionMethod, ErrorKind, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipArchiveEntryWayfinder, ZipLocator};

use crate::error::{ArchiveError, IoError, LimitExceeded, SourceError};
use crate::fetch::fetch_exactly;
use crate::scratch::Scratch;
use crate::source::RangeSource;
use fetched::Fetched;

/// Largest number of files that an archive may have.
const MAX_ENTRIES: u64 = 100_000;
/// Packed bytes that are read at a time.
const PIECE_BYTES: u64 = 4 << 20;
/// Unpacked bytes that are written at a time.
const UNPACKED_PIECE_BYTES: usize = 256 << 10;
/// Deflate makes at most this many bytes out of one.
const MOST_PER_BYTE: u64 = 1032;

/// A file inside an archive.
#[derive(Debug, Clone)]
pub struct ZipEntry {
    /// Its path, folders separated by `/`.
    pub path: String,
    /// Its size once unpacked.
    pub size_bytes: u64,
    packed_bytes: u64,
    method: CompressionMethod,
    is_encrypted: bool,
    crc32: u32,
    wayfinder: ZipArchiveEntryWayfinder,
}

impl ZipEntry {
    /// Whether it lies in the archive as it is and needs no unpacking.
    pub fn is_stored(&self) -> bool {
        self.method == CompressionMethod::STORE
    }
}

/// An open zip archive: its directory, and where its bytes come from.
#[derive(Debug)]
pub struct Zip<S> {
    source: Arc<S>,
    entries: Vec<ZipEntry>,
}

/// Whether the first bytes of a file are those of a zip archive.
pub fn is_zip(first_bytes: &[u8]) -> bool {
    matches!(first_bytes, [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..])
}

fn damaged(error: &rawzip::Error) -> IoError {
    let reason = match error.kind() {
        ErrorKind::MissingEndOfCentralDirectory => "its directory, at the end of the file, is missing".to_owned(),
        _ => error.to_string(),
    };
    ArchiveError::Damaged { reason }.into()
}

impl<S: RangeSource> Zip<S> {
    /// Reads the directory; no file is unpacked. ZIP64 is understood.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] for anything that is not a sound archive, [`LimitExceeded`] for an archive with too many files.
    pub async fn open(source: S) -> Result<Self, IoError> {
        let source = Arc::new(source);
        let entries = fetched::read(&*source, |fetched| {
            let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
            let archive = ZipLocator::new().locate_in_reader(fetched, &mut buffer, fetched.size_bytes());
            let archive = archive.map_err(|(_, error)| damaged(&error))?;
            list(&archive)
        })
        .await?;
        Ok(Self { source, entries })
    }

    /// The files, without folders.
    pub fn entries(&self) -> &[ZipEntry] {
        &self.entries
    }

    /// The bytes of a file: those of the archive itself if it is stored, otherwise unpacked into `scratch`, which is only called then.
    ///
    /// `progress` gets the number of packed bytes read so far, and of all. A stored file is not checked against its checksum, because it is
    /// not read as a whole.
    ///
    /// # Errors
    /// [`ArchiveError`] for a file that is damaged, encrypted or packed in another way, [`LimitExceeded`] for one over `max_bytes`.
    pub async fn open_entry<W: Scratch>(
        &self,
        index: usize,
        max_bytes: u64,
        scratch: impl FnOnce() -> Result<W, IoError>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<EntrySource<S, W>, IoError> {
        let Some(entry) = self.entries.get(index) else {
            let reason = format!("it has no file number {index}");
            return Err(ArchiveError::Damaged { reason }.into());
        };
        let range = self.data_range(entry).await?;
        if entry.is_stored() {
            return Ok(EntrySource::Stored {
                archive: Arc::clone(&self.source),
                range,
            });
        }
        let limit = max_bytes.min(entry.packed_bytes.saturating_mul(MOST_PER_BYTE));
        if entry.size_bytes > limit {
            return Err(LimitExceeded {
                what: "unpacking a file of the zip archive",
                needed: entry.size_bytes,
                limit,
            }
            .into());
        }
        let mut scratch = scratch()?;
        self.unpack(entry, range, &mut scratch, &mut progress).await?;
        Ok(EntrySource::Unpacked(ScratchSource(scratch)))
    }

    /// Finds where the packed bytes of a file are, after a check that they can be read.
    async fn data_range(&self, entry: &ZipEntry) -> Result<Range<u64>, IoError> {
        let name = || entry.path.clone();
        if entry.is_encrypted {
            return Err(ArchiveError::Encrypted { entry: name() }.into());
        }
        if !entry.is_stored() && entry.method != CompressionMethod::DEFLATE {
            let number = entry.method.as_u16();
            let method = entry
                .method
                .name()
                .map_or_else(|| format!("method {number}"), str::to_owned);
            return Err(ArchiveError::Method { entry: name(), method }.into());
        }
        let bad = |reason: &str| ArchiveError::DamagedEntry {
            entry: name(),
            reason: reason.to_owned(),
        };
        let range = fetched::read(&*self.source, |fetched| {
            let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
            let archive = ZipLocator::new().locate_in_reader(fetched, &mut buffer, fetched.size_bytes());
            let archive = archive.map_err(|(_, error)| damaged(&error))?;
            let found = archive
                .get_entry(entry.wayfinder)
                .map_err(|error| bad(&error.to_string()))?;
            Ok(found.compressed_data_range())
        });
        let (start, end) = range.await?;
        if start > end || end > self.source.size_bytes() {
            return Err(bad("it reaches over the end of the archive").into());
        }
        if entry.is_stored() && end - start != entry.size_bytes {
            return Err(bad("its two sizes differ, but it is not packed").into());
        }
        Ok(start..end)
    }

    async fn unpack(
        &self,
        entry: &ZipEntry,
        range: Range<u64>,
        scratch: &mut impl Scratch,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<(), IoError> {
        let bad = |reason: String| ArchiveError::DamagedEntry {
            entry: entry.path.clone(),
            reason,
        };
        let mut inflate = flate2::Decompress::new(false);
        let mut crc = flate2::Crc::new();
        let mut unpacked = vec![0; UNPACKED_PIECE_BYTES];
        let mut is_done = false;
        let total = range.end - range.start;
        let mut at = range.start;
        while at < range.end && !is_done {
            let end = range.end.min(at + PIECE_BYTES);
            let packed = fetch_exactly(&*self.source, at, end).await?;
            let mut rest = &packed[..];
            loop {
                let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
                let status = inflate.decompress(rest, &mut unpacked, flate2::FlushDecompress::None);
                let status = status.map_err(|error| bad(error.to_string()))?;
                // Both are at most the lengths of slices.
                let used = (inflate.total_in() - before_in) as usize;
                let made = (inflate.total_out() - before_out) as usize;
                rest = rest.get(used..).unwrap_or_default();
                if inflate.total_out() > entry.size_bytes {
                    return Err(bad(format!(
                        "it unpacks to more than the {} bytes that the directory says",
                        entry.size_bytes
                    ))
                    .into());
                }
                let piece = unpacked.get(..made).unwrap_or_default();
                crc.update(piece);
                scratch.append(piece)?;
                is_done = status == flate2::Status::StreamEnd;
                // Without progress it needs more bytes; if the output is full, it needs another round.
                if is_done || (used == 0 && made == 0) || (rest.is_empty() && made < unpacked.len()) {
                    break;
                }
            }
            at = end;
            progress(at - range.start, total);
        }
        if !is_done || inflate.total_out() != entry.size_bytes {
            let found = inflate.total_out();
            return Err(bad(format!("it ends after {found} of {} bytes", entry.size_bytes)).into());
        }
        if crc.sum() != entry.crc32 {
            return Err(bad("its checksum is wrong".to_owned()).into());
        }
        Ok(())
    }
}

fn list(archive: &ZipArchive<&Fetched<'_>>) -> Result<Vec<ZipEntry>, IoError> {
    let hint = archive.entries_hint();
    if hint > MAX_ENTRIES {
        return Err(LimitExceeded {
            what: "the number of files in the zip archive",
            needed: hint,
            limit: MAX_ENTRIES,
        }
        .into());
    }
    let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
    let mut records = archive.entries(&mut buffer);
    let mut entries = Vec::new();
    while let Some(record) = records.next_entry().map_err(|error| damaged(&error))? {
        if record.is_dir() {
            continue;
        }
        if entries.len() as u64 >= MAX_ENTRIES {
            return Err(LimitExceeded {
                what: "the number of files in the zip archive",
                needed: MAX_ENTRIES + 1,
                limit: MAX_ENTRIES,
            }
            .into());
        }
        entries.push(ZipEntry {
            // Names in other encodings keep their ASCII part, which tells the bands.
            path: String::from_utf8_lossy(record.file_path().as_bytes()).into_owned(),
            size_bytes: record.uncompressed_size_hint(),
            packed_bytes: record.compressed_size_hint(),
            method: record.compression_method(),
            is_encrypted: record.flags().is_encrypted(),
            crc32: record.crc32(),
            wayfinder: record.wayfinder(),
        });
    }
    Ok(entries)
}

/// The bytes of a file of an archive.
#[derive(Debug)]
pub enum EntrySource<S, W> {
    /// The bytes are read from the archive, where they are.
    Stored {
        /// The archive.
        archive: Arc<S>,
        /// The file's part of it.
        range: Range<u64>,
    },
    /// The bytes were unpacked before.
    Unpacked(ScratchSource<W>),
}

impl<S: RangeSource, W: Scratch> RangeSource for EntrySource<S, W> {
    fn size_bytes(&self) -> u64 {
        match self {
            EntrySource::Stored { range, .. } => range.end - range.start,
            EntrySource::Unpacked(scratch) => scratch.size_bytes(),
        }
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        match self {
            EntrySource::Stored { archive, range: own } => {
                SourceError::check_range(&range, self.size_bytes())?;
                archive
                    .fetch_range(own.start + range.start..own.start + range.end)
                    .await
            }
            EntrySource::Unpacked(scratch) => scratch.fetch_range(range).await,
        }
    }
}

/// What is in a [`Scratch`], as a source.
#[derive(Debug)]
pub struct ScratchSource<W>(pub W);

impl<W: Scratch> RangeSource for ScratchSource<W> {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        SourceError::check_range(&range, self.size_bytes())?;
        let length = usize::try_from(range.end - range.start);
        let mut bytes = vec![0; length.map_err(|error| SourceError::Failed(error.to_string()))?];
        self.0.read_at(range.start, &mut bytes).map_err(|error| match error {
            IoError::Source(error) => error,
            other => SourceError::Failed(other.to_string()),
        })?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests;
