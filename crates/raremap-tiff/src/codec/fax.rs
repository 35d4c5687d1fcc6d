//! The bilevel codes of facsimile: modified Huffman runs, ITU-T T.4 (group 3) and T.6 (group 4).
//!
//! Black is 1, as in libtiff; what the photometric interpretation makes of it is the reader's business.

use super::fax_codes::{MAX_CODE_BITS, RunTable};
use super::{BlockShape, CodecError};
use crate::error::{TiffError, Unsupported};

/// How rows follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// One-dimensional rows that start on a multiple of so many bits.
    Aligned(u32),
    /// Rows behind end-of-line codes; two-dimensional ones have another bit that says how each is coded.
    Group3 { two_dimensional: bool },
    /// One-dimensional rows, nothing between them: what some writers call group 3.
    Unmarked,
    /// Two-dimensional rows, nothing between them.
    Group4,
}

/// How a file uses the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    rows: Rows,
}

impl Options {
    /// Compression 2, or 32771 with rows on words.
    pub(super) fn runs(on_words: bool) -> Self {
        let rows = Rows::Aligned(if on_words { 16 } else { 8 });
        Self { rows }
    }

    /// Compression 3, by its T4Options.
    pub(super) fn group3(options: u64) -> Result<Self, TiffError> {
        if options & 2 != 0 {
            return Err(Unsupported::Feature {
                feature: "the uncompressed mode of CCITT group 3",
            }
            .into());
        }
        let rows = Rows::Group3 {
            two_dimensional: options & 1 == 1,
        };
        Ok(Self { rows })
    }

    /// Compression 4.
    pub(super) fn group4() -> Self {
        Self { rows: Rows::Group4 }
    }
}

/// Why a row ends where it should not.
enum RowError {
    /// The data is used up, or says that it is.
    End,
    Invalid,
}

/// Decodes one strip or tile to rows of packed bits.
pub(super) fn decode(compressed: &[u8], shape: &BlockShape, options: Options) -> Result<Vec<u8>, CodecError> {
    if shape.bits != 1 || shape.samples != 1 {
        return Err("CCITT compression is of single bits only".into());
    }
    let row_bytes = shape.width.div_ceil(8);
    // A row takes a bit at least.
    if (shape.rows as u64) > (compressed.len() as u64 + 1) * 8 {
        return Err("it is too short for its rows".into());
    }
    let mut decoded = vec![0; shape.packed_bytes];
    let mut bits = Bits {
        data: compressed,
        position: 0,
    };
    let width = shape.width as u32;
    let mut order = options.rows;
    if matches!(order, Rows::Group3 { .. }) && !bits.has_end_of_line() {
        order = Rows::Unmarked;
    }
    let mut reference: Vec<u32> = Vec::new();
    for (row, out) in decoded.chunks_exact_mut(row_bytes.max(1)).enumerate() {
        let mut changes = Vec::new();
        let outcome = match order {
            Rows::Aligned(unit) => {
                bits.position = bits.position.next_multiple_of(unit as usize);
                bits.one_dimensional(width, &mut changes)
            }
            Rows::Group3 { two_dimensional } => bits.skip_to_end_of_line().and_then(|()| {
                if two_dimensional && !bits.flag() {
                    bits.two_dimensional(width, &reference, &mut changes)
                } else {
                    bits.one_dimensional(width, &mut changes)
                }
            }),
            Rows::Unmarked => bits.one_dimensional(width, &mut changes),
            Rows::Group4 => bits.two_dimensional(width, &reference, &mut changes),
        };
        match outcome {
            Ok(()) => {}
            // The next end of line is found again; what a damaged row lacks is white.
            Err(_) if matches!(order, Rows::Group3 { .. }) && !bits.is_at_end() => {}
            // A strip that ends early after all has white rows below, as libtiff has it.
            Err(RowError::End) if row > 0 && matches!(order, Rows::Group3 { .. } | Rows::Group4) => break,
            Err(RowError::End) => return Err(format!("its facsimile data ends in row {row} of {}", shape.rows).into()),
            Err(RowError::Invalid) => return Err(format!("its facsimile data has an invalid code in row {row}").into()),
        }
        blacken(out, &changes, width);
        reference = changes;
    }
    Ok(decoded)
}

/// Sets the bits between odd and even changes.
fn blacken(row: &mut [u8], changes: &[u32], width: u32) {
    let mut ends = changes.iter().copied();
    while let Some(start) = ends.next() {
        let end = ends.next().unwrap_or(width).min(width);
        let mut x = start;
        while x < end {
            let Some(byte) = row.get_mut((x / 8) as usize) else {
                break;
            };
            let count = (8 - x % 8).min(end - x);
            *byte |= ((0xFF00u32 >> count) as u8) >> (x % 8);
            x += count;
        }
    }
}

struct Bits<'a> {
    data: &'a [u8],
    /// In bits.
    position: usize,
}

impl Bits<'_> {
    /// The next `count` (at most 24) bits; zeros behind the end.
    fn peek(&self, count: u32) -> u32 {
        let byte = self.position / 8;
        let held = (0..4).fold(0, |held, index| {
            (held << 8) | u32::from(self.data.get(byte + index).copied().unwrap_or(0))
        });
        (held << (self.position % 8)) >> (32 - count)
    }

    fn is_at_end(&self) -> bool {
        self.position >= self.data.len() * 8
    }

    fn flag(&mut self) -> bool {
        let flag = self.peek(1) == 1;
        self.position += 1;
        flag
    }

    /// Whether there is an end-of-line code anywhere.
    fn has_end_of_line(&self) -> bool {
        let mut ahead = Bits {
            data: self.data,
            position: self.position,
        };
        ahead.skip_to_end_of_line().is_ok()
    }

    /// Steps over the next end-of-line code and what is before it.
    fn skip_to_end_of_line(&mut self) -> Result<(), RowError> {
        while self.peek(11) != 0 {
            self.position += 1;
        }
        while self.peek(1) == 0 {
            if self.is_at_end() {
                return Err(RowError::End);
            }
            self.position += 1;
        }
        self.position += 1;
        Ok(())
    }

    /// Moves `x` over a run of one colour: codes for multiples of 64 and a last one below.
    fn run(&mut self, is_black: bool, x: &mut u32) -> Result<(), RowError> {
        let table = if is_black { RunTable::black() } else { RunTable::white() };
        loop {
            let Some((length, pixels)) = table.get(self.peek(MAX_CODE_BITS)) else {
                let is_end = self.is_at_end() || self.peek(11) == 0;
                return Err(if is_end { RowError::End } else { RowError::Invalid });
            };
            if self.is_at_end() {
                return Err(RowError::End);
            }
            self.position += length as usize;
            *x = x.saturating_add(pixels);
            if pixels < 64 {
                return Ok(());
            }
        }
    }

    /// Moves `x` over a run and notes the change at its end; a run that leaves the row is left out.
    fn run_to_change(
        &mut self,
        is_black: bool,
        x: &mut u32,
        width: u32,
        changes: &mut Vec<u32>,
    ) -> Result<(), RowError> {
        let start = *x;
        let outcome = self.run(is_black, x);
        if *x > width {
            *x = start;
            if is_black {
                changes.push(start);
            }
            return Err(RowError::Invalid);
        }
        if outcome.is_ok() || *x > start || is_black {
            changes.push(*x);
        }
        outcome
    }

    fn one_dimensional(&mut self, width: u32, changes: &mut Vec<u32>) -> Result<(), RowError> {
        let (mut x, mut is_black) = (0u32, false);
        while x < width {
            self.run_to_change(is_black, &mut x, width, changes)?;
            is_black = !is_black;
        }
        Ok(())
    }

    /// `reference` and `changes` are the columns where colours change, from white on.
    fn two_dimensional(&mut self, width: u32, reference: &[u32], changes: &mut Vec<u32>) -> Result<(), RowError> {
        // Where the row has come to; it starts before its first pixel.
        let (mut x, mut is_black, mut is_start) = (0u32, false, true);
        let mut first = 0usize;
        while x < width {
            // b1: the first change of the reference row right of `x` and to the opposite colour, b2 the one after it.
            while let Some(before) = first.checked_sub(1).and_then(|index| reference.get(index))
                && *before > x
            {
                first -= 1;
            }
            while reference
                .get(first)
                .is_some_and(|change| *change < x || *change == x && !is_start)
                || first % 2 != usize::from(is_black)
            {
                first += 1;
                if first > reference.len() + 1 {
                    break;
                }
            }
            let b1 = reference.get(first).copied().unwrap_or(width);
            let b2 = reference.get(first + 1).copied().unwrap_or(width);
            if self.is_at_end() {
                return Err(RowError::End);
            }
            let next = self.peek(7);
            let (length, vertical) = match next {
                _ if next >> 6 == 0b1 => (1, Some(0)),
                _ if next >> 4 == 0b011 => (3, Some(1)),
                _ if next >> 4 == 0b010 => (3, Some(-1)),
                _ if next >> 1 == 0b000011 => (6, Some(2)),
                _ if next >> 1 == 0b000010 => (6, Some(-2)),
                0b0000011 => (7, Some(3)),
                0b0000010 => (7, Some(-3)),
                _ if next >> 3 == 0b0001 => (4, None),
                _ if next >> 4 == 0b001 => (3, None),
                0 => return Err(RowError::End),
                _ => return Err(RowError::Invalid),
            };
            self.position += length;
            match (length, vertical) {
                (_, Some(offset)) => {
                    let a1 = b1.checked_add_signed(offset).filter(|a1| *a1 >= x && *a1 <= width);
                    x = a1.ok_or(RowError::Invalid)?;
                    changes.push(x);
                    is_black = !is_black;
                }
                (4, None) => x = b2,
                (_, None) => {
                    for is_black in [is_black, !is_black] {
                        self.run_to_change(is_black, &mut x, width, changes)?;
                    }
                }
            }
            is_start = false;
        }
        Ok(())
    }
}
