//! One strip or tile on its way into a file: filled up to its size, differences taken, compressed.

use miniz_oxide::deflate::compress_to_vec_zlib;

use crate::codec::predictor::Predictor;
use crate::error::TiffError;
use raremap_io::LimitExceeded;

/// How the blocks of an image are stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockEncoder {
    /// Columns of a block.
    pub(crate) columns: usize,
    /// Samples of a pixel in a block.
    pub(crate) samples: usize,
    pub(crate) sample_bytes: usize,
    pub(crate) predictor: Predictor,
    /// 1 to 9; `None` leaves the samples as they are.
    pub(crate) deflate_level: Option<u8>,
}

impl BlockEncoder {
    pub(crate) fn pixel_bytes(&self) -> usize {
        self.samples * self.sample_bytes
    }

    pub(crate) fn row_bytes(&self) -> usize {
        self.columns * self.pixel_bytes()
    }

    /// Encodes a block of `rows` rows. The rows given are little-endian, with the samples of a pixel together, and at least one pixel long.
    /// A block that reaches over the image repeats its last pixel and its last row, which costs next to nothing when compressed.
    ///
    /// # Errors
    /// Fails if the block takes 4 GiB or more.
    pub(crate) fn encode<'a>(&self, given: impl Iterator<Item = &'a [u8]>, rows: usize) -> Result<Vec<u8>, TiffError> {
        let (row_bytes, pixel_bytes) = (self.row_bytes(), self.pixel_bytes());
        let mut block = Vec::with_capacity(rows * row_bytes);
        for row in given.take(rows) {
            let start = block.len();
            block.extend_from_slice(row.get(..row_bytes).unwrap_or(row));
            while block.len() - start < row_bytes {
                block.extend_from_within(block.len() - pixel_bytes..);
            }
            if let Some(row) = block.get_mut(start..) {
                self.predict(row);
            }
        }
        while block.len() < rows * row_bytes {
            block.extend_from_within(block.len() - row_bytes..);
        }
        let encoded = match self.deflate_level {
            Some(level) => compress_to_vec_zlib(&block, level),
            None => block,
        };
        match u32::try_from(encoded.len()) {
            Ok(_) => Ok(encoded),
            Err(_) => Err(LimitExceeded {
                what: "a written strip or tile",
                needed: encoded.len() as u64,
                limit: u64::from(u32::MAX),
            }
            .into()),
        }
    }

    /// What a block takes at most: deflate stores what it cannot pack.
    pub(crate) fn most_bytes(&self, rows: usize) -> u64 {
        let plain = rows as u64 * self.row_bytes() as u64;
        plain.saturating_add(plain / 1000 + 64)
    }

    fn predict(&self, row: &mut [u8]) {
        match (self.predictor, self.sample_bytes) {
            (Predictor::None, _) => {}
            // Differences of 8-bit samples, to the left pixel's of the same band.
            (Predictor::Horizontal, 1) => subtract_left(row, self.samples),
            (Predictor::Horizontal, _) => {
                let (words, _) = row.as_chunks_mut::<2>();
                for index in (self.samples..words.len()).rev() {
                    let [own, left] = [index, index - self.samples].map(|at| u16::from_le_bytes(words[at]));
                    words[index] = own.wrapping_sub(left).to_le_bytes();
                }
            }
            // Differences of byte planes, most significant first (TIFF technical note 3).
            (Predictor::FloatingPoint, bytes) => {
                let samples = row.len() / bytes;
                let mut planes = vec![0; row.len()];
                for (index, sample) in row.chunks_exact(bytes).enumerate() {
                    for (plane, byte) in sample.iter().rev().enumerate() {
                        planes[plane * samples + index] = *byte;
                    }
                }
                row.copy_from_slice(&planes);
                subtract_left(row, self.samples);
            }
        }
    }
}

fn subtract_left(row: &mut [u8], stride: usize) {
    for index in (stride..row.len()).rev() {
        row[index] = row[index].wrapping_sub(row[index - stride]);
    }
}
