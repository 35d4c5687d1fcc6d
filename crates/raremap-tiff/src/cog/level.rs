//! One resolution of the image: it takes rows and returns tiles, and every second time a row for the next smaller one.

use miniz_oxide::deflate::compress_to_vec_zlib;

use super::reduce::Reduction;
use super::{CogImage, CogSamples};
use crate::error::TiffError;
use crate::write::image_tags::TILE_PX;
use raremap_io::LimitExceeded;
use raremap_io::Scratch;

/// This is zlib's own default: for masks and probabilities, higher levels save less than 1 %.
const DEFLATE_LEVEL: u8 = 6;

/// Where the tiles of a level are in the scratch, row by row.
#[derive(Debug)]
pub(super) struct TilePlaces {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Offset in the scratch, and bytes.
    pub(super) tiles: Vec<(u64, u32)>,
}

#[derive(Debug)]
pub(super) struct Level {
    places: TilePlaces,
    pixel_bytes: usize,
    predictor: RowPredictor,
    reduction: Reduction,
    /// Rows of the current tiles.
    rows: Vec<u8>,
    taken: u32,
    /// An even row that waits for the odd one below it.
    waiting: Option<Vec<u8>>,
}

impl Level {
    pub(super) fn new(image: &CogImage, width: u32, height: u32) -> Self {
        let places = TilePlaces {
            width,
            height,
            tiles: Vec::new(),
        };
        let bands = image.band_count();
        Self {
            places,
            pixel_bytes: image.pixel_bytes(),
            predictor: RowPredictor::of(&image.samples, bands),
            reduction: Reduction::of(&image.samples, bands),
            rows: Vec::new(),
            taken: 0,
            waiting: None,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.taken == self.places.height
    }

    pub(super) fn rows_taken(&self) -> u32 {
        self.taken
    }

    pub(super) fn into_places(self) -> TilePlaces {
        self.places
    }

    /// Takes a row; returns a row of the next smaller level if this one completes it.
    pub(super) fn push(&mut self, row: &[u8], scratch: &mut impl Scratch) -> Result<Option<Vec<u8>>, TiffError> {
        self.rows.extend_from_slice(row);
        self.taken += 1;
        if self.is_full() || self.taken.is_multiple_of(TILE_PX) {
            self.write_tiles(scratch)?;
        }
        Ok(match self.waiting.take() {
            Some(above) => Some(self.reduction.reduce(&above, row)),
            None if self.is_full() => Some(self.reduction.reduce(row, &[])),
            None => {
                self.waiting = Some(row.to_vec());
                None
            }
        })
    }

    fn write_tiles(&mut self, scratch: &mut impl Scratch) -> Result<(), TiffError> {
        let row_bytes = self.places.width as usize * self.pixel_bytes;
        let tile_row_bytes = TILE_PX as usize * self.pixel_bytes;
        let mut tile = Vec::with_capacity(tile_row_bytes * TILE_PX as usize);
        let mut from_bytes = 0;
        while from_bytes < row_bytes {
            tile.clear();
            for row in self.rows.chunks_exact(row_bytes) {
                let start = tile.len();
                let stored = row.get(from_bytes..).unwrap_or_default();
                tile.extend_from_slice(stored.get(..tile_row_bytes).unwrap_or(stored));
                // A tile that reaches over the image repeats its last pixel, which costs next to nothing when compressed.
                while tile.len() - start < tile_row_bytes {
                    tile.extend_from_within(tile.len() - self.pixel_bytes..);
                }
                if let Some(row) = tile.get_mut(start..) {
                    self.predictor.apply(row);
                }
            }
            while tile.len() < tile_row_bytes * TILE_PX as usize {
                tile.extend_from_within(tile.len() - tile_row_bytes..);
            }
            let compressed = compress_to_vec_zlib(&tile, DEFLATE_LEVEL);
            let length = u32::try_from(compressed.len()).map_err(|_| LimitExceeded {
                what: "a written tile",
                needed: compressed.len() as u64,
                limit: u64::from(u32::MAX),
            })?;
            self.places.tiles.push((scratch.append(&compressed)?, length));
            from_bytes += tile_row_bytes;
        }
        self.rows.clear();
        Ok(())
    }
}

/// What is done to a tile's rows before compression.
#[derive(Debug, Clone, Copy)]
enum RowPredictor {
    /// Codes: their differences mean nothing.
    None,
    /// Differences to the left pixel's 8-bit sample of the same band (predictor 2).
    Horizontal { bands: usize },
    /// Differences of byte planes, most significant first (predictor 3; TIFF technical note 3).
    FloatingPoint { bands: usize },
}

impl RowPredictor {
    fn of(samples: &CogSamples, bands: usize) -> Self {
        match samples {
            CogSamples::Classes { .. } => RowPredictor::None,
            CogSamples::Scaled { .. } => RowPredictor::Horizontal { bands },
            CogSamples::Float => RowPredictor::FloatingPoint { bands },
        }
    }

    fn apply(self, row: &mut [u8]) {
        let stride = match self {
            RowPredictor::None => return,
            RowPredictor::Horizontal { bands } => bands,
            RowPredictor::FloatingPoint { bands } => {
                let samples = row.len() / 4;
                let mut planes = vec![0; row.len()];
                for (index, sample) in row.chunks_exact(4).enumerate() {
                    for (plane, byte) in sample.iter().rev().enumerate() {
                        planes[plane * samples + index] = *byte;
                    }
                }
                row.copy_from_slice(&planes);
                bands
            }
        };
        for index in (stride..row.len()).rev() {
            row[index] = row[index].wrapping_sub(row[index - stride]);
        }
    }
}
