//! The bilevel codes of facsimile: modified Huffman runs, ITU-T T.4 (group 3) and T.6 (group 4).
//!
//! Black is 1, as in libtiff; the reader applies the photometric interpretation. The code words come from the
//! crate `fax`. Its decoders read intact group 4 and one-dimensional group 3; the ones here also read two-dimensional rows of
//! group 3, modified Huffman runs, and the intact part of damaged strips.

use std::convert::Infallible;

use fax::BitReader;
use fax::maps::{Mode, black, mode, white};

use super::{BlockShape, CodecError};
use crate::error::{TiffError, Unsupported};

/// How rows follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// One-dimensional rows that start on a multiple of so many bits.
    Aligned(u32),
    /// Rows behind end-of-line codes; two-dimensional ones have another bit that says how each is coded.
    Group3 { two_dimensional: bool },
    /// One-dimensional rows with nothing between them, which some writers call group 3.
    Unmarked,
    /// Two-dimensional rows, nothing between them.
    Group4,
}

/// How a file uses the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
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
            // A strip that still ends early has white rows at its end, as in libtiff.
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

impl BitReader for Bits<'_> {
    type Error = Infallible;

    /// Zeros after the end.
    fn peek(&self, bits: u8) -> Option<u16> {
        let byte = self.position / 8;
        let held = (0..4).fold(0, |held, index| {
            (held << 8) | u32::from(self.data.get(byte + index).copied().unwrap_or(0))
        });
        // Callers ask for at most 16 bits.
        Some(((held << (self.position % 8)).checked_shr(32 - u32::from(bits))?) as u16)
    }

    fn consume(&mut self, bits: u8) -> Result<(), Infallible> {
        self.position += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        (self.position.next_multiple_of(8) - self.position) as u8
    }
}

impl Bits<'_> {
    fn is_zero(&self, bits: u8) -> bool {
        self.peek(bits) == Some(0)
    }

    fn is_at_end(&self) -> bool {
        self.position >= self.data.len() * 8
    }

    fn flag(&mut self) -> bool {
        let flag = !self.is_zero(1);
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
        while !self.is_zero(11) {
            self.position += 1;
        }
        while self.is_zero(1) {
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
        loop {
            let start = self.position;
            let was_at_end = self.is_at_end();
            let code = if is_black {
                black::decode(self)
            } else {
                white::decode(self)
            };
            let Some(pixels) = code.filter(|_| !was_at_end).map(u32::from) else {
                self.position = start;
                let is_end = was_at_end || self.is_zero(11);
                return Err(if is_end { RowError::End } else { RowError::Invalid });
            };
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
            let start = self.position;
            match mode::decode(self) {
                Some(Mode::Vertical(offset)) => {
                    let a1 = b1
                        .checked_add_signed(offset.into())
                        .filter(|a1| *a1 >= x && *a1 <= width);
                    x = a1.ok_or(RowError::Invalid)?;
                    changes.push(x);
                    is_black = !is_black;
                }
                Some(Mode::Pass) => x = b2,
                Some(Mode::Horizontal) => {
                    for is_black in [is_black, !is_black] {
                        self.run_to_change(is_black, &mut x, width, changes)?;
                    }
                }
                end => {
                    self.position = start;
                    let is_end = matches!(end, Some(Mode::EOF));
                    return Err(if is_end { RowError::End } else { RowError::Invalid });
                }
            }
            is_start = false;
        }
        Ok(())
    }
}
