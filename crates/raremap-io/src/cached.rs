//! A block cache for sources where every request is expensive, such as remote files.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use crate::error::SourceError;
use crate::source::RangeSource;

/// How a [`Cached`] source makes requests, and how much it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOptions {
    /// Bytes per block; requests begin and end at multiples of it.
    pub block_bytes: u64,
    /// Largest number of bytes per request, unless one block is larger.
    pub max_request_bytes: u64,
    /// Largest number of bytes that are kept.
    pub max_held_bytes: u64,
}

impl Default for CacheOptions {
    /// Blocks of 64 KiB, requests of up to 1 MiB, 32 MiB kept.
    fn default() -> Self {
        Self {
            block_bytes: 64 << 10,
            max_request_bytes: 1 << 20,
            max_held_bytes: 32 << 20,
        }
    }
}

/// A source that keeps what it reads in blocks, and requests neighbouring blocks together.
///
/// Small reads that follow each other, as those of a directory or of a row of tiles, cost one request.
#[derive(Debug)]
pub struct Cached<S> {
    source: S,
    options: CacheOptions,
    blocks: Mutex<Blocks>,
}

#[derive(Debug, Default)]
struct Blocks {
    /// By block number: when the block was last used, and its bytes.
    held: BTreeMap<u64, (u64, Bytes)>,
    clock: u64,
    held_bytes: u64,
}

impl Blocks {
    fn get(&mut self, block: u64) -> Option<Bytes> {
        self.clock += 1;
        let (used, bytes) = self.held.get_mut(&block)?;
        *used = self.clock;
        Some(bytes.clone())
    }

    fn insert(&mut self, block: u64, bytes: Bytes, max_bytes: u64) {
        self.clock += 1;
        self.held_bytes += bytes.len() as u64;
        if let Some((_, old)) = self.held.insert(block, (self.clock, bytes)) {
            self.held_bytes -= old.len() as u64;
        }
        while self.held_bytes > max_bytes {
            let oldest = self
                .held
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(block, _)| *block);
            let Some((_, dropped)) = oldest.and_then(|oldest| self.held.remove(&oldest)) else {
                break;
            };
            self.held_bytes -= dropped.len() as u64;
        }
    }
}

impl<S: RangeSource> Cached<S> {
    /// Wraps a source; nothing is read yet. Options of 0 bytes count as 1.
    pub fn new(source: S, options: CacheOptions) -> Self {
        Self {
            source,
            options: CacheOptions {
                block_bytes: options.block_bytes.max(1),
                ..options
            },
            blocks: Mutex::default(),
        }
    }

    /// The source itself.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Puts bytes at the beginning of the source into the cache: those that came with the answer that told its size.
    pub fn remember_start(&self, bytes: &Bytes) {
        self.keep(0, bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Blocks> {
        // Blocks are whole, whoever panicked.
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the whole blocks of what was read from `start`, a multiple of the block size.
    fn keep(&self, start: u64, bytes: &Bytes) {
        let block_bytes = self.options.block_bytes;
        let mut blocks = self.lock();
        let mut at = start;
        let end = start + bytes.len() as u64;
        while at < end {
            let block_end = at.saturating_add(block_bytes).min(self.source.size_bytes());
            if block_end > end {
                break;
            }
            // These are differences within a slice. The bytes are copied, so that a block does not hold the whole answer.
            let block = Bytes::copy_from_slice(&bytes[(at - start) as usize..(block_end - start) as usize]);
            blocks.insert(at / block_bytes, block, self.options.max_held_bytes);
            at = block_end;
        }
    }
}

impl<S: RangeSource> RangeSource for Cached<S> {
    fn size_bytes(&self) -> u64 {
        self.source.size_bytes()
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        let size_bytes = self.size_bytes();
        SourceError::check_range(&range, size_bytes)?;
        let Range { start, end } = range;
        let block_bytes = self.options.block_bytes;
        let most_blocks = (self.options.max_request_bytes / block_bytes).max(1);
        let mut out = BytesMut::new();
        let mut block = start / block_bytes;
        while (block * block_bytes) < end {
            let held = self.lock().get(block);
            let (from, bytes) = match held {
                Some(bytes) => (block * block_bytes, bytes),
                None => {
                    let last = (end - 1) / block_bytes;
                    let is_missing = |block: &u64| !self.lock().held.contains_key(block);
                    let count = (block..=last)
                        .take(usize::try_from(most_blocks).unwrap_or(usize::MAX))
                        .take_while(is_missing)
                        .count();
                    let from = block * block_bytes;
                    let to = from.saturating_add(count.max(1) as u64 * block_bytes).min(size_bytes);
                    let bytes = self.source.fetch_range(from..to).await?;
                    if bytes.len() as u64 != to - from {
                        return Err(SourceError::Changed {
                            expected: to - from,
                            received: bytes.len() as u64,
                        });
                    }
                    self.keep(from, &bytes);
                    (from, bytes)
                }
            };
            let to = from + bytes.len() as u64;
            let (first, last) = (start.max(from), end.min(to));
            if start >= from && end <= to {
                // One block or one answer holds it all, so nothing is copied.
                return Ok(bytes.slice((first - from) as usize..(last - from) as usize));
            }
            out.extend_from_slice(
                bytes
                    .get((first - from) as usize..(last - from) as usize)
                    .unwrap_or_default(),
            );
            block = to.div_ceil(block_bytes);
        }
        Ok(out.freeze())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use pollster::block_on;

    use super::*;

    /// Bytes that count their requests, and may fall short.
    struct Counting {
        bytes: Vec<u8>,
        requests: RefCell<Vec<Range<u64>>>,
        short_by: usize,
    }

    impl RangeSource for Counting {
        fn size_bytes(&self) -> u64 {
            self.bytes.len() as u64
        }

        async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
            self.requests.borrow_mut().push(range.clone());
            let end = range.end as usize - self.short_by;
            Ok(Bytes::copy_from_slice(&self.bytes[range.start as usize..end]))
        }
    }

    fn cached(size: usize, max_held_bytes: u64) -> Cached<Counting> {
        let source = Counting {
            bytes: (0..size).map(|i| (i * 7 % 251) as u8).collect(),
            requests: RefCell::default(),
            short_by: 0,
        };
        let options = CacheOptions {
            block_bytes: 100,
            max_request_bytes: 400,
            max_held_bytes,
        };
        Cached::new(source, options)
    }

    /// Reads, compares, and returns the number of requests that it took.
    fn requests(cached: &Cached<Counting>, range: Range<u64>) -> Vec<[u64; 2]> {
        cached.source().requests.borrow_mut().clear();
        let found = block_on(cached.fetch_range(range.clone())).expect("a range");
        assert_eq!(
            found,
            cached.source().bytes[range.start as usize..range.end as usize],
            "{range:?}"
        );
        let requests = cached.source().requests.borrow();
        requests.iter().map(|range| [range.start, range.end]).collect()
    }

    #[test]
    fn neighbouring_blocks_are_one_request_and_known_ones_none() {
        let cached = cached(1050, 10_000);
        assert_eq!(requests(&cached, 110..120), [[100, 200]]);
        assert!(requests(&cached, 150..200).is_empty());
        assert_eq!(requests(&cached, 20..330), [[0, 100], [200, 400]]);
        assert!(requests(&cached, 0..400).is_empty());
        assert_eq!(requests(&cached, 1049..1050), [[1000, 1050]]);
        assert!(requests(&cached, 500..500).is_empty());
        assert_eq!(requests(&cached, 0..1050), [[400, 800], [800, 1000]]);
    }

    #[test]
    fn no_request_is_over_the_bound_and_no_more_is_held() {
        let cached = cached(5000, 300);
        let found = requests(&cached, 0..5000);
        assert_eq!(found.len(), 13);
        assert!(found.iter().all(|[start, end]| end - start <= 400));
        assert!(cached.lock().held_bytes <= 300);
        assert!(requests(&cached, 4950..5000).is_empty());
        assert_eq!(requests(&cached, 0..10), [[0, 100]]);
    }

    #[test]
    fn what_came_with_the_size_is_not_asked_for_again() {
        let cached = cached(1050, 10_000);
        let start = Bytes::copy_from_slice(&cached.source().bytes[..250]);
        cached.remember_start(&start);
        assert!(requests(&cached, 10..190).is_empty());
        assert_eq!(requests(&cached, 190..210), [[200, 300]]);
    }

    #[test]
    fn short_answers_and_ranges_outside_are_errors() {
        let mut cached = cached(1050, 10_000);
        assert!(matches!(
            block_on(cached.fetch_range(1000..1051)),
            Err(SourceError::OutOfRange { .. })
        ));
        cached.source.short_by = 1;
        let error = block_on(cached.fetch_range(0..10)).expect_err("99 bytes");
        assert!(matches!(
            error,
            SourceError::Changed {
                expected: 100,
                received: 99
            }
        ));
        assert_eq!(cached.lock().held_bytes, 0);
    }
}
