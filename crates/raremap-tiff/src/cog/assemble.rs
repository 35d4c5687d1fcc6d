//! Puts header and directories in front of the tiles, and returns the file in chunks.

use super::level::TilePlaces;
use super::{CogImage, CogSamples};
use crate::error::TiffError;
use crate::read::gdal_metadata;
use crate::tags::{self, Tag};
use crate::write::image_tags::TILE_PX;
use crate::write::image_tags::{color_map, nodata_text};
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
    pub(super) fn new(image: &CogImage, geo: Option<&GeoTags>, levels: Vec<TilePlaces>, scratch: S) -> Self {
        let framed = |length: u32| LEADER_BYTES + u64::from(length) + TRAILER_BYTES;
        let data_bytes: u64 = levels
            .iter()
            .flat_map(|level| &level.tiles)
            .map(|tile| framed(tile.1))
            .sum();
        let mut width = Width::Classic;
        let mut head = Head::lay_out(image, geo, &levels, width);
        if head.size_bytes() + data_bytes > u64::from(u32::MAX) {
            width = Width::Big;
            head = Head::lay_out(image, geo, &levels, width);
        }
        // The offsets of the tiles are known now that the start of the pixels is; the smallest overview comes first.
        let mut offsets = vec![Vec::new(); levels.len()];
        let mut offset = head.size_bytes();
        for (level, offsets) in levels.iter().zip(&mut offsets).rev() {
            for tile in &level.tiles {
                offsets.push(offset + LEADER_BYTES);
                offset += framed(tile.1);
            }
        }
        let tiles: Vec<(u64, u32)> = levels
            .iter()
            .rev()
            .flat_map(|level| level.tiles.iter().copied())
            .collect();
        Self {
            scratch,
            ready: head.write(&offsets),
            ready_at: 0,
            tiles: tiles.into_iter(),
            size_bytes: offset,
        }
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

/// Bytes of an offset and of a count in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Classic,
    Big,
}

impl Width {
    fn offset_bytes(self) -> usize {
        match self {
            Width::Classic => 4,
            Width::Big => 8,
        }
    }

    fn entry_bytes(self) -> usize {
        match self {
            Width::Classic => 12,
            Width::Big => 20,
        }
    }

    /// Entry count, entries, offset of the next directory.
    fn directory_bytes(self, entries: usize) -> usize {
        let count_bytes = if self == Width::Big { 8 } else { 2 };
        count_bytes + entries * self.entry_bytes() + self.offset_bytes()
    }

    fn put(self, bytes: &mut Vec<u8>, value: u64) {
        match self {
            // Anything that does not fit made the file a BigTIFF.
            Width::Classic => bytes.extend_from_slice(&(value as u32).to_le_bytes()),
            Width::Big => bytes.extend_from_slice(&value.to_le_bytes()),
        }
    }
}

/// A tag's value as it is stored.
#[derive(Debug)]
struct Entry {
    tag: u16,
    field_type: u16,
    count: u64,
    bytes: Vec<u8>,
}

impl Entry {
    fn ascii(tag: Tag, text: &[u8]) -> Self {
        let mut bytes = text.to_vec();
        bytes.push(0);
        Self {
            tag: tag.number,
            field_type: 2,
            count: bytes.len() as u64,
            bytes,
        }
    }

    fn shorts(tag: Tag, values: &[u16]) -> Self {
        Self {
            tag: tag.number,
            field_type: 3,
            count: values.len() as u64,
            bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    fn longs(tag: Tag, values: impl IntoIterator<Item = u32>) -> Self {
        let bytes: Vec<u8> = values.into_iter().flat_map(u32::to_le_bytes).collect();
        Self {
            tag: tag.number,
            field_type: 4,
            count: bytes.len() as u64 / 4,
            bytes,
        }
    }

    fn doubles(tag: Tag, values: &[f64]) -> Self {
        Self {
            tag: tag.number,
            field_type: 12,
            count: values.len() as u64,
            bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    fn offsets(tag: Tag, width: Width, values: &[u64]) -> Self {
        let mut bytes = Vec::with_capacity(values.len() * width.offset_bytes());
        values.iter().for_each(|value| width.put(&mut bytes, *value));
        Self {
            tag: tag.number,
            field_type: if width == Width::Big { 16 } else { 4 },
            count: values.len() as u64,
            bytes,
        }
    }
}

/// Everything before the pixels.
struct Head {
    width: Width,
    directories: Vec<Vec<Entry>>,
}

impl Head {
    fn lay_out(image: &CogImage, geo: Option<&GeoTags>, levels: &[TilePlaces], width: Width) -> Self {
        let directory = |(index, level): (usize, &TilePlaces)| {
            let mut entries = level_entries(image, level, width);
            if index == 0 {
                entries.extend(image_entries(image));
                entries.extend(geo.map(geo_entries).unwrap_or_default());
            } else {
                entries.push(Entry::longs(tags::NEW_SUBFILE_TYPE, [1]));
            }
            entries.sort_by_key(|entry| entry.tag);
            entries
        };
        Self {
            width,
            directories: levels.iter().enumerate().map(directory).collect(),
        }
    }

    fn preamble(&self) -> Vec<u8> {
        let mut bytes = match self.width {
            Width::Classic => b"II\x2a\0\0\0\0\0".to_vec(),
            Width::Big => b"II\x2b\0\x08\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        };
        let structure = format!(
            "GDAL_STRUCTURAL_METADATA_SIZE={:06} bytes\n{STRUCTURE}",
            STRUCTURE.len()
        );
        bytes.extend_from_slice(structure.as_bytes());
        align(&mut bytes);
        let first = bytes.len() as u64;
        let mut at = Vec::new();
        self.width.put(&mut at, first);
        let start = if self.width == Width::Big { 8 } else { 4 };
        bytes.splice(start..start + at.len(), at);
        bytes
    }

    /// Size of a directory in bytes, with its values that are not in it.
    fn directory_bytes(&self, entries: &[Entry]) -> usize {
        let outside = entries
            .iter()
            .map(|entry| entry.bytes.len())
            .filter(|bytes| *bytes > self.width.offset_bytes());
        let directory = self.width.directory_bytes(entries.len()).next_multiple_of(ALIGN_BYTES);
        directory + outside.map(|bytes| bytes.next_multiple_of(ALIGN_BYTES)).sum::<usize>()
    }

    fn size_bytes(&self) -> u64 {
        let directories = self
            .directories
            .iter()
            .map(|entries| self.directory_bytes(entries))
            .sum::<usize>();
        (self.preamble().len() + directories) as u64
    }

    fn write(mut self, offsets: &[Vec<u64>]) -> Vec<u8> {
        let mut bytes = self.preamble();
        for (entries, offsets) in self.directories.iter_mut().zip(offsets) {
            let entry = entries.iter_mut().find(|entry| entry.tag == tags::TILE_OFFSETS.number);
            if let Some(entry) = entry {
                *entry = Entry::offsets(tags::TILE_OFFSETS, self.width, offsets);
            }
        }
        let last = self.directories.len().saturating_sub(1);
        for (index, entries) in self.directories.iter().enumerate() {
            let start = bytes.len();
            let next = if index == last {
                0
            } else {
                (start + self.directory_bytes(entries)) as u64
            };
            let mut value_at = start + self.width.directory_bytes(entries.len()).next_multiple_of(ALIGN_BYTES);
            match self.width {
                Width::Classic => bytes.extend_from_slice(&(entries.len() as u16).to_le_bytes()),
                Width::Big => bytes.extend_from_slice(&(entries.len() as u64).to_le_bytes()),
            }
            let mut values = Vec::new();
            for entry in entries {
                bytes.extend_from_slice(&entry.tag.to_le_bytes());
                bytes.extend_from_slice(&entry.field_type.to_le_bytes());
                self.width.put(&mut bytes, entry.count);
                if entry.bytes.len() <= self.width.offset_bytes() {
                    let end = bytes.len() + self.width.offset_bytes();
                    bytes.extend_from_slice(&entry.bytes);
                    bytes.resize(end, 0);
                } else {
                    self.width.put(&mut bytes, value_at as u64);
                    let before = values.len();
                    values.extend_from_slice(&entry.bytes);
                    align(&mut values);
                    value_at += values.len() - before;
                }
            }
            self.width.put(&mut bytes, next);
            align(&mut bytes);
            bytes.append(&mut values);
        }
        bytes
    }
}

const ALIGN_BYTES: usize = 8;

/// Values start at multiples of eight: the specification requires two, and mapped memory likes eight.
fn align(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGN_BYTES), 0);
}

/// Tags that every level has.
fn level_entries(image: &CogImage, level: &TilePlaces, width: Width) -> Vec<Entry> {
    let bands = image.band_count();
    let (bits, format, predictor) = match image.samples {
        CogSamples::Classes { .. } => (8u16, 1u16, 1u16),
        CogSamples::Scaled { .. } => (8, 1, 2),
        CogSamples::Float => (32, 3, 3),
    };
    let nodata = match image.samples {
        CogSamples::Classes { nodata, .. } | CogSamples::Scaled { nodata, .. } => f64::from(nodata),
        CogSamples::Float => f64::NAN,
    };
    let mut entries = vec![
        Entry::longs(tags::IMAGE_WIDTH, [level.width]),
        Entry::longs(tags::IMAGE_LENGTH, [level.height]),
        Entry::shorts(tags::BITS_PER_SAMPLE, &vec![bits; bands]),
        Entry::shorts(tags::COMPRESSION, &[8]),
        // `check` refused more bands than the tag can count.
        Entry::shorts(tags::SAMPLES_PER_PIXEL, &[bands as u16]),
        Entry::shorts(tags::PLANAR_CONFIGURATION, &[1]),
        Entry::shorts(tags::PREDICTOR, &[predictor]),
        Entry::longs(tags::TILE_WIDTH, [TILE_PX]),
        Entry::longs(tags::TILE_LENGTH, [TILE_PX]),
        Entry::offsets(tags::TILE_OFFSETS, width, &vec![0; level.tiles.len()]),
        Entry::longs(tags::TILE_BYTE_COUNTS, level.tiles.iter().map(|tile| tile.1)),
        Entry::shorts(tags::SAMPLE_FORMAT, &vec![format; bands]),
        Entry::ascii(tags::GDAL_NODATA, nodata_text(nodata).as_bytes()),
    ];
    if let CogSamples::Classes { colors, .. } = &image.samples {
        entries.push(Entry::shorts(tags::PHOTOMETRIC, &[3]));
        entries.push(Entry::shorts(tags::COLOR_MAP, &color_map(colors)));
    } else {
        entries.push(Entry::shorts(tags::PHOTOMETRIC, &[1]));
    }
    if bands > 1 {
        entries.push(Entry::shorts(tags::EXTRA_SAMPLES, &vec![0; bands - 1]));
    }
    entries
}

/// Tags of the full image alone.
fn image_entries(image: &CogImage) -> Vec<Entry> {
    let scaling = match image.samples {
        CogSamples::Scaled { scale, offset, .. } => Some((scale, offset)),
        _ => None,
    };
    let xml = gdal_metadata::encode_scaled(&image.band_names, &image.metadata, scaling);
    vec![Entry::ascii(tags::GDAL_METADATA, xml.as_bytes())]
}

fn geo_entries(geo: &GeoTags) -> Vec<Entry> {
    let doubles = [
        (tags::MODEL_PIXEL_SCALE, &geo.pixel_scale),
        (tags::MODEL_TIEPOINT, &geo.tie_points),
        (tags::MODEL_TRANSFORMATION, &geo.transformation),
        (tags::GEO_DOUBLE_PARAMS, &geo.double_params),
    ];
    let filled = doubles.into_iter().filter(|(_, values)| !values.is_empty());
    let mut entries: Vec<Entry> = filled.map(|(tag, values)| Entry::doubles(tag, values)).collect();
    if !geo.key_directory.is_empty() {
        entries.push(Entry::shorts(tags::GEO_KEY_DIRECTORY, &geo.key_directory));
    }
    if !geo.ascii_params.is_empty() {
        entries.push(Entry::ascii(tags::GEO_ASCII_PARAMS, &geo.ascii_params));
    }
    entries
}
