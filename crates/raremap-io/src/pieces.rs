//! A [`Scratch`] over a store in which every call is expensive, however few bytes it moves.

use std::cell::RefCell;

use crate::error::IoError;
use crate::scratch::{Scratch, check_range};

/// A store for whole pieces of [`PIECE_BYTES`], by their number.
pub trait PieceStore {
    /// Fills `piece` with one that was written before.
    ///
    /// # Errors
    /// [`SourceError`](crate::SourceError) if reading fails.
    fn read(&self, index: usize, piece: &mut [u8]) -> Result<(), IoError>;

    /// Stores a piece, replacing one of the same number. Pieces come in any order.
    ///
    /// # Errors
    /// [`SourceError`](crate::SourceError) if the store is full.
    fn write(&mut self, index: usize, piece: &[u8]) -> Result<(), IoError>;
}

/// Bytes of a piece.
pub const PIECE_BYTES: usize = 256 << 10;

/// Number of pieces that are in memory at a time. A row of a scene of 16,000 pixels is read from as many as it has blocks: 16.
const HELD_PIECES: usize = 24;

/// Reads and writes pieces, and keeps those in memory that were used last.
///
/// A call of the browser's file system takes about 2 ms, and what is kept there is written and read row by row.
pub struct PieceScratch<S> {
    held: RefCell<Held<S>>,
    size_bytes: u64,
}

struct Held<S> {
    store: S,
    /// Which pieces the store has; pieces that it does not have are 0.
    is_stored: Vec<bool>,
    /// Pieces in memory; the one that was used last is last.
    pieces: Vec<Piece>,
}

struct Piece {
    index: usize,
    bytes: Box<[u8]>,
    is_changed: bool,
}

impl<S: PieceStore> PieceScratch<S> {
    /// An empty scratch over an empty store.
    pub fn new(store: S) -> Self {
        Self {
            held: RefCell::new(Held {
                store,
                is_stored: Vec::new(),
                pieces: Vec::new(),
            }),
            size_bytes: 0,
        }
    }
}

impl<S: PieceStore> Held<S> {
    fn piece(&mut self, index: usize) -> Result<&mut Piece, IoError> {
        if let Some(at) = self.pieces.iter().position(|piece| piece.index == index) {
            self.pieces[at..].rotate_left(1);
        } else {
            let mut piece = if self.pieces.len() < HELD_PIECES {
                let bytes = vec![0; PIECE_BYTES].into();
                Piece {
                    index,
                    bytes,
                    is_changed: false,
                }
            } else {
                self.keep_oldest()?;
                self.pieces.remove(0)
            };
            if self.is_stored.get(index) == Some(&true) {
                self.store.read(index, &mut piece.bytes)?;
            } else {
                piece.bytes.fill(0);
            }
            self.pieces.push(Piece { index, ..piece });
        }
        let last = self.pieces.len() - 1;
        Ok(&mut self.pieces[last])
    }

    /// Writes the piece that was used longest ago to the store.
    fn keep_oldest(&mut self) -> Result<(), IoError> {
        if let Some(oldest) = self.pieces.first_mut().filter(|piece| piece.is_changed) {
            self.store.write(oldest.index, &oldest.bytes)?;
            oldest.is_changed = false;
            let stored = self.is_stored.len().max(oldest.index + 1);
            self.is_stored.resize(stored, false);
            self.is_stored[oldest.index] = true;
        }
        Ok(())
    }
}

/// Splits a range into parts that each lie in one piece: the piece, the position in it, and the number of bytes.
fn parts(mut offset: u64, mut length: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    std::iter::from_fn(move || {
        let (index, start) = (offset / PIECE_BYTES as u64, (offset % PIECE_BYTES as u64) as usize);
        let count = length.min(PIECE_BYTES - start);
        (offset, length) = (offset + count as u64, length - count);
        (count > 0).then_some((index as usize, start, count))
    })
}

impl<S: PieceStore> Scratch for PieceScratch<S> {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn write_at(&mut self, offset: u64, mut bytes: &[u8]) -> Result<(), IoError> {
        check_range(offset, 0, self.size_bytes)?;
        let end = offset + bytes.len() as u64;
        let held = self.held.get_mut();
        for (index, start, count) in parts(offset, bytes.len()) {
            let (now, later) = bytes.split_at(count);
            let piece = held.piece(index)?;
            piece.bytes[start..start + count].copy_from_slice(now);
            piece.is_changed = true;
            bytes = later;
        }
        self.size_bytes = self.size_bytes.max(end);
        Ok(())
    }

    fn read_at(&self, offset: u64, mut bytes: &mut [u8]) -> Result<(), IoError> {
        check_range(offset, bytes.len(), self.size_bytes)?;
        let mut held = self.held.borrow_mut();
        for (index, start, count) in parts(offset, bytes.len()) {
            let (now, later) = bytes.split_at_mut(count);
            now.copy_from_slice(&held.piece(index)?.bytes[start..start + count]);
            bytes = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SourceError;
    use crate::scratch::MemoryScratch;
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    #[derive(Default)]
    struct Counting {
        pieces: BTreeMap<usize, Vec<u8>>,
        room: Option<usize>,
        calls: Rc<Cell<usize>>,
    }

    impl PieceStore for Counting {
        fn read(&self, index: usize, piece: &mut [u8]) -> Result<(), IoError> {
            self.calls.set(self.calls.get() + 1);
            piece.copy_from_slice(&self.pieces[&index]);
            Ok(())
        }

        fn write(&mut self, index: usize, piece: &[u8]) -> Result<(), IoError> {
            self.calls.set(self.calls.get() + 1);
            if self.room.is_some_and(|room| self.pieces.len() >= room) {
                return Err(SourceError::Failed("full".into()).into());
            }
            self.pieces.insert(index, piece.to_vec());
            Ok(())
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// More than forty pieces, so that most of them are out of memory at any time.
        #[test]
        fn reads_give_what_was_written_wherever_it_is(
            steps in prop::collection::vec((any::<bool>(), 0.0..=1.0f64, 1..700_000usize), 1..60),
        ) {
            let mut scratch = PieceScratch::new(Counting::default());
            let mut expected = MemoryScratch::default();
            let filling = vec![7; 40 * PIECE_BYTES + 11];
            scratch.append(&filling).expect("room");
            expected.append(&filling).expect("room");
            for (step, (writes, place, length)) in steps.into_iter().enumerate() {
                let offset = (place * expected.size_bytes() as f64) as u64;
                if writes {
                    let bytes: Vec<u8> = (0..length).map(|i| (i * 31 + step) as u8).collect();
                    scratch.write_at(offset, &bytes).expect("room");
                    expected.write_at(offset, &bytes).expect("room");
                } else {
                    let length = length.min((expected.size_bytes() - offset) as usize);
                    let (mut found, mut known) = (vec![0; length], vec![0; length]);
                    scratch.read_at(offset, &mut found).expect("is written");
                    expected.read_at(offset, &mut known).expect("is written");
                    prop_assert!(found == known);
                }
                prop_assert_eq!(scratch.size_bytes(), expected.size_bytes());
            }
        }
    }

    #[test]
    fn rows_across_blocks_take_a_call_a_piece() {
        let calls = Rc::new(Cell::new(0));
        let mut scratch = PieceScratch::new(Counting {
            calls: calls.clone(),
            ..Counting::default()
        });
        // Sixteen blocks of 100 rows of 20,480 bytes, one after the other, are read row by row over all of them.
        let row = vec![1; 20_480];
        (0..1600).for_each(|_| {
            scratch.append(&row).expect("room");
        });
        let pieces = (1600 * row.len()).div_ceil(PIECE_BYTES);
        assert!(calls.get() <= pieces, "{} writes of {pieces} pieces", calls.get());
        calls.set(0);
        let mut read = vec![0; row.len()];
        for y in 0..100 {
            for block in 0..16 {
                scratch
                    .read_at((block * 100 + y) * 20_480, &mut read)
                    .expect("is written");
            }
        }
        assert!(
            calls.get() <= 2 * pieces,
            "{} reads and writes of {pieces} pieces",
            calls.get()
        );
    }

    #[test]
    fn a_full_store_is_an_error_and_bounds_are_those_of_any_scratch() {
        let mut full = PieceScratch::new(Counting {
            room: Some(2),
            ..Counting::default()
        });
        let failed = full.append(&vec![0; 30 * PIECE_BYTES]).expect_err("two pieces fit");
        assert_eq!(failed.code(), "source_failed");
        let mut scratch = PieceScratch::new(Counting::default());
        scratch.append(b"hello").expect("room");
        let gap = scratch.write_at(6, b"x").expect_err("leaves a gap");
        let beyond = scratch.read_at(1, &mut [0; 5]).expect_err("5 bytes are written");
        assert_eq!(
            (gap.code(), beyond.code()),
            ("source_out_of_range", "source_out_of_range")
        );
    }
}
