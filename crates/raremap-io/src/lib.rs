#![doc = include_str!("../README.md")]

mod cached;
mod error;
mod fetch;
#[cfg(not(target_arch = "wasm32"))]
mod files;
mod http;
mod pieces;
#[cfg(feature = "http")]
mod remote;
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
#[cfg(feature = "http")]
pub use remote::{AnySource, HttpSource, is_address, without_query};
#[cfg(not(target_arch = "wasm32"))]
pub use scratch::FileScratch;
pub use scratch::{MemoryScratch, Scratch};
#[cfg(not(target_arch = "wasm32"))]
pub use source::FileSource;
pub use source::{BytesSource, RangeSource};
pub use zip::{EntrySource, ScratchSource, Zip, ZipEntry, is_zip};
