//! One resolution of the image: it takes rows and returns tiles, and every second time a row for the next smaller one.

use super::CogImage;
use super::reduce::Reduction;
use crate::error::TiffError;
use crate::write::block::BlockEncoder;
use crate::write::description::WriteOptions;
use raremap_io::Scratch;

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
    encoder: BlockEncoder,
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
        Self {
            places,
            encoder: image.encoder(),
            reduction: Reduction::of(&image.samples, image.band_count()),
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
        if self.is_full() || self.taken.is_multiple_of(WriteOptions::TILE_PX) {
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
        let row_bytes = self.places.width as usize * self.encoder.pixel_bytes();
        for from_bytes in (0..row_bytes).step_by(self.encoder.row_bytes()) {
            let rows = self.rows.chunks_exact(row_bytes);
            let parts = rows.map(|row| row.get(from_bytes..).unwrap_or_default());
            let tile = self.encoder.encode(parts, WriteOptions::TILE_PX as usize)?;
            // `encode` refuses what does not fit.
            self.places.tiles.push((scratch.append(&tile)?, tile.len() as u32));
        }
        self.rows.clear();
        Ok(())
    }
}
