//! Byte ranges, wherever the bytes are: in memory, in a file, in a zip archive, on a server.
//!
//! A [`RangeSource`] provides ranges of its bytes, and never more than was asked for. [`Cached`] keeps the blocks of a slow source, [`Zip`]
//! opens a file in an archive as a source of its own, and a [`Scratch`] takes what does not fit in memory.
//!
//! ```
//! use raremap_io::{BytesSource, RangeSource};
//!
//! let source = BytesSource::new(vec![1, 2, 3, 4]);
//! let middle = pollster::block_on(source.fetch_range(1..3))?;
//! assert_eq!(middle.as_ref(), [2, 3]);
//! # Ok::<(), raremap_io::SourceError>(())
//! ```

mod cached;
mod error;
mod fetch;
#[cfg(not(target_arch = "wasm32"))]
mod files;
mod http;
mod pieces;
mod scratch;
mod source;
mod zip;

pub use cached::{CacheOptions, Cached};
pub use error::{ArchiveError, HttpProblem, IoError, LimitExceeded, SourceError, checked_len};
pub use fetch::{MAX_FETCH_BYTES, fetch_exactly};
#[cfg(not(target_arch = "wasm32"))]
pub use files::{Unwritten, write_whole, write_with};
pub use http::{HttpAnswer, RemoteFile};
pub use pieces::{PIECE_BYTES, PieceScratch, PieceStore};
#[cfg(not(target_arch = "wasm32"))]
pub use scratch::FileScratch;
pub use scratch::{MemoryScratch, Scratch};
#[cfg(not(target_arch = "wasm32"))]
pub use source::FileSource;
pub use source::{BytesSource, RangeSource};
pub use zip::{EntrySource, ScratchSource, Zip, ZipEntry, is_zip};
