//! Puts header and directories in front of the tiles, and returns the file in chunks.

use super::CogImage;
use super::level::TilePlaces;
use crate::error::TiffError;
use crate::write::description::{LevelSize, directory};
use crate::write::head::{FileKind, Head};
use raremap_geo::GeoTags;
use raremap_io::Scratch;

/// What GDAL may rely on when it reads the file. Each line is true of every file written here, and of no file that was edited.
const STRUCTURE: &str = "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n\
                         BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n ";
/// Bytes around a tile: its size before it, and its last four bytes again behind it.
const LEADER_BYTES: u64 = 4;
const TRAILER_BYTES: u64 = 4;

/// A finished cloud-optimized GeoTIFF: its directories in memory, its tiles in the scratch.
#[derive(Debug)]
pub struct CogFile<S> {
    scratch: S,
    /// Bytes that are ready to be returned: the directories, then one tile after the other.
    ready: Vec<u8>,
    ready_at: usize,
    /// Tiles in the order of the file: (offset in the scratch, bytes).
    tiles: std::vec::IntoIter<(u64, u32)>,
    size_bytes: u64,
}

impl<S: Scratch> CogFile<S> {
    pub(super) fn new(
        image: &CogImage,
        geo: Option<&GeoTags>,
        levels: Vec<TilePlaces>,
        scratch: S,
    ) -> Result<Self, TiffError> {
        let (description, options) = (image.description(), image.options());
        let directories = levels.iter().enumerate().map(|(index, level)| {
            let lengths: Vec<u32> = level.tiles.iter().map(|tile| tile.1).collect();
            let size = LevelSize {
                width: level.width,
                height: level.height,
                is_overview: index > 0,
            };
            directory(&description, &options, size, &lengths, geo)
        });
        let note = format!(
            "GDAL_STRUCTURAL_METADATA_SIZE={:06} bytes\n{STRUCTURE}",
            STRUCTURE.len()
        );
        let directories = directories.collect::<Result<_, TiffError>>()?;
        let mut head = Head::new(FileKind::Classic, note, directories);
        let framed = |length: u32| LEADER_BYTES + u64::from(length) + TRAILER_BYTES;
        let tiles = levels.iter().flat_map(|level| &level.tiles);
        let data_bytes: u64 = tiles.map(|tile| framed(tile.1)).sum();
        if head.size_bytes() + data_bytes > u64::from(u32::MAX) {
            head = head.with_kind(FileKind::Big);
        }
        // The offsets of the tiles are known now that the start of the pixels is; the smallest overview comes first.
        let mut offset = head.size_bytes();
        for (level, directory) in levels.iter().zip(head.directories_mut()).rev() {
            for (tile, place) in level.tiles.iter().zip(&mut directory.offsets) {
                *place = offset + LEADER_BYTES;
                offset += framed(tile.1);
            }
        }
        let levels = levels.iter().rev();
        let tiles: Vec<(u64, u32)> = levels.flat_map(|level| level.tiles.iter().copied()).collect();
        Ok(Self {
            scratch,
            ready: head.bytes(),
            ready_at: 0,
            tiles: tiles.into_iter(),
            size_bytes: offset,
        })
    }

    /// Bytes of the file.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Puts the next bytes of the file into `chunk`, at most `most_bytes`; leaves it empty at the end.
    ///
    /// # Errors
    /// Those of the scratch.
    pub fn read_chunk(&mut self, chunk: &mut Vec<u8>, most_bytes: usize) -> Result<(), TiffError> {
        chunk.clear();
        while chunk.len() < most_bytes {
            let ready = self.ready.get(self.ready_at..).unwrap_or_default();
            let taken = ready.len().min(most_bytes - chunk.len());
            chunk.extend(ready.iter().take(taken));
            self.ready_at += taken;
            if self.ready_at == self.ready.len() {
                let Some((offset, length)) = self.tiles.next() else {
                    return Ok(());
                };
                self.ready_at = 0;
                self.ready.clear();
                self.ready.extend_from_slice(&length.to_le_bytes());
                self.ready.resize(LEADER_BYTES as usize + length as usize, 0);
                if let Some(tile) = self.ready.get_mut(LEADER_BYTES as usize..) {
                    self.scratch.read_at(offset, tile)?;
                }
                // A deflate stream has at least six bytes.
                self.ready
                    .extend_from_within(self.ready.len().saturating_sub(TRAILER_BYTES as usize)..);
            }
        }
        Ok(())
    }
}
