//! Writes GeoTIFF files of any size, block by block as they are made.
//!
//! All tables stand at the front, because their size is known before the first block is. A cloud-optimized GeoTIFF needs that, and the
//! other layouts allow it.

use std::io::{self, Seek, SeekFrom, Write};

use miniz_oxide::deflate::compress_to_vec_zlib;

use super::write::NorthUpGrid;

/// How pixels lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// Strips of so many rows.
    Strips(usize),
    /// Square tiles of this edge, a multiple of 16.
    Tiles(usize),
}

/// A raster whose pixels are computed when they are written.
pub struct Streamed<'a> {
    /// Columns.
    pub width_px: usize,
    /// Rows.
    pub height_px: usize,
    /// 8 or 16.
    pub bits: u16,
    /// Band names; the bands of a pixel are stored together.
    pub bands: &'a [&'a str],
    /// The value that stands for no data.
    pub nodata: u16,
    /// Layout.
    pub blocks: Blocks,
    /// Deflate with the horizontal predictor.
    pub is_compressed: bool,
    /// Reduced images that take the middle pixel of each block of 2, 4, 8...
    pub has_overviews: bool,
    /// Georeferencing.
    pub place: NorthUpGrid,
    /// Appends the bands of the pixel at a column and a row.
    pub pixel: &'a dyn Fn(usize, usize, &mut Vec<u16>),
}

const DEFLATE_LEVEL: u8 = 1;
/// A file that may become longer than this is written as BigTIFF.
const MOST_CLASSIC_BYTES: u64 = 4_000_000_000;

/// The image at one resolution.
struct Level {
    width: usize,
    height: usize,
    step: usize,
}

impl Level {
    fn block_counts(&self, blocks: Blocks) -> [usize; 2] {
        let [rows, columns] = self.block_size(blocks);
        [self.height.div_ceil(rows), self.width.div_ceil(columns)]
    }

    fn block_size(&self, blocks: Blocks) -> [usize; 2] {
        match blocks {
            Blocks::Strips(rows) => [rows, self.width],
            Blocks::Tiles(edge) => [edge, edge],
        }
    }
}

/// Where the blocks of a level are.
type Table = Vec<(u64, u64)>;

impl Streamed<'_> {
    /// Writes the whole file.
    ///
    /// # Errors
    /// Those of `file`.
    pub fn write(&self, file: &mut (impl Write + Seek)) -> io::Result<()> {
        let levels = self.levels();
        let empty = |level: &Level| {
            let [down, across] = level.block_counts(self.blocks);
            vec![(0, 0); down * across]
        };
        let mut tables: Vec<Table> = levels.iter().map(empty).collect();
        let most_bytes = levels
            .iter()
            .map(|level| (level.width * level.height) as u64)
            .sum::<u64>()
            * u64::from(self.bits / 8)
            * self.bands.len() as u64
            * 11
            / 10;
        let is_big = most_bytes > MOST_CLASSIC_BYTES;
        let mut offset = self.head(&levels, &tables, is_big).len() as u64;
        file.seek(SeekFrom::Start(offset))?;
        // The smallest overview comes first, so that a reader of the file's beginning has it.
        for (level, table) in levels.iter().zip(&mut tables).rev() {
            let [down, across] = level.block_counts(self.blocks);
            for (index, place) in (0..down * across).zip(table) {
                let block = self.block(level, index / across, index % across);
                file.write_all(&block)?;
                *place = (offset, block.len() as u64);
                offset += block.len() as u64;
            }
        }
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&self.head(&levels, &tables, is_big))?;
        file.flush()
    }

    fn levels(&self) -> Vec<Level> {
        let mut levels = vec![Level {
            width: self.width_px,
            height: self.height_px,
            step: 1,
        }];
        let Blocks::Tiles(edge) = self.blocks else {
            return levels;
        };
        while self.has_overviews
            && let Some(last) = levels.last().filter(|last| last.width.max(last.height) > edge)
        {
            let step = last.step * 2;
            levels.push(Level {
                width: self.width_px.div_ceil(step),
                height: self.height_px.div_ceil(step),
                step,
            });
        }
        levels
    }

    /// The bytes of a block as stored. Tiles over the edge repeat the last pixel.
    fn block(&self, level: &Level, down: usize, across: usize) -> Vec<u8> {
        let [rows, columns] = level.block_size(self.blocks);
        let rows = match self.blocks {
            Blocks::Strips(_) => rows.min(level.height - down * rows),
            Blocks::Tiles(_) => rows,
        };
        let source = |position: usize, limit: usize| (position * level.step + level.step / 2).min(limit - 1);
        let mut row = Vec::with_capacity(columns * self.bands.len());
        let mut bytes = Vec::with_capacity(rows * columns * self.bands.len() * usize::from(self.bits / 8));
        let first_row = down * level.block_size(self.blocks)[0];
        for y in first_row..first_row + rows {
            row.clear();
            for x in across * columns..(across + 1) * columns {
                (self.pixel)(source(x, self.width_px), source(y, self.height_px), &mut row);
            }
            if self.is_compressed {
                let bands = self.bands.len();
                (bands..row.len())
                    .rev()
                    .for_each(|i| row[i] = row[i].wrapping_sub(row[i - bands]));
            }
            match self.bits {
                8 => bytes.extend(row.iter().map(|value| *value as u8)),
                _ => bytes.extend(row.iter().flat_map(|value| value.to_le_bytes())),
            }
        }
        if self.is_compressed {
            compress_to_vec_zlib(&bytes, DEFLATE_LEVEL)
        } else {
            bytes
        }
    }

    /// Builds header and directories; they are as long for one table of offsets as for any other.
    fn head(&self, levels: &[Level], tables: &[Table], is_big: bool) -> Vec<u8> {
        let mut head = match is_big {
            true => vec![b'I', b'I', 43, 0, 8, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0],
            false => vec![b'I', b'I', 42, 0, 8, 0, 0, 0],
        };
        for (number, (level, table)) in levels.iter().zip(tables).enumerate() {
            let is_last = number + 1 == levels.len();
            append_directory(&mut head, &self.entries(level, table, is_big), is_big, is_last);
        }
        head
    }

    fn entries(&self, level: &Level, table: &Table, is_big: bool) -> Vec<Entry> {
        let samples = self.bands.len();
        let offsets = |values: &mut dyn Iterator<Item = u64>| match is_big {
            true => Value::Long8(values.collect()),
            false => Value::Long(values.map(|value| value as u32).collect()),
        };
        let positions = offsets(&mut table.iter().map(|(offset, _)| *offset));
        let lengths = offsets(&mut table.iter().map(|(_, length)| *length));
        let NorthUpGrid {
            epsg,
            left_m,
            top_m,
            pixel_m,
        } = self.place;
        let pixel_m = pixel_m * level.step as f64;
        let mut entries = vec![
            (254, Value::Long(vec![u32::from(level.step > 1)])),
            (256, Value::Long(vec![level.width as u32])),
            (257, Value::Long(vec![level.height as u32])),
            (258, Value::Short(vec![self.bits; samples])),
            (259, Value::Short(vec![if self.is_compressed { 8 } else { 1 }])),
            (262, Value::Short(vec![1])),
            (277, Value::Short(vec![samples as u16])),
            (284, Value::Short(vec![1])),
            (317, Value::Short(vec![if self.is_compressed { 2 } else { 1 }])),
            (338, Value::Short(vec![0; samples - 1])),
            (339, Value::Short(vec![1; samples])),
            (42113, Value::Ascii(self.nodata.to_string())),
        ];
        match self.blocks {
            Blocks::Strips(rows) => {
                entries.extend([(273, positions), (278, Value::Long(vec![rows as u32])), (279, lengths)])
            }
            Blocks::Tiles(edge) => entries.extend([
                (322, Value::Long(vec![edge as u32])),
                (323, Value::Long(vec![edge as u32])),
                (324, positions),
                (325, lengths),
            ]),
        }
        if level.step == 1 {
            let mut names = String::from("<GDALMetadata>\n");
            for (index, name) in self.bands.iter().enumerate() {
                names +=
                    &format!("  <Item name=\"DESCRIPTION\" sample=\"{index}\" role=\"description\">{name}</Item>\n");
            }
            // GTModelType projected, GTRasterType pixel is area, ProjectedCSType.
            let geo_keys = vec![1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, epsg];
            entries.extend([
                (33550, Value::Double(vec![pixel_m, pixel_m, 0.0])),
                (33922, Value::Double(vec![0.0, 0.0, 0.0, left_m, top_m, 0.0])),
                (34735, Value::Short(geo_keys)),
                (42112, Value::Ascii(names + "</GDALMetadata>\n")),
            ]);
        }
        entries.retain(|(_, value)| value.count() > 0);
        entries.sort_by_key(|(tag, _)| *tag);
        entries
    }
}

/// A directory entry: tag and value.
type Entry = (u16, Value);

enum Value {
    Ascii(String),
    Short(Vec<u16>),
    Long(Vec<u32>),
    Long8(Vec<u64>),
    Double(Vec<f64>),
}

impl Value {
    fn count(&self) -> usize {
        match self {
            Self::Ascii(text) => text.len() + 1,
            Self::Short(values) => values.len(),
            Self::Long(values) => values.len(),
            Self::Long8(values) => values.len(),
            Self::Double(values) => values.len(),
        }
    }

    fn field_type(&self) -> u16 {
        match self {
            Self::Ascii(_) => 2,
            Self::Short(_) => 3,
            Self::Long(_) => 4,
            Self::Double(_) => 12,
            Self::Long8(_) => 16,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Ascii(text) => text.bytes().chain([0]).collect(),
            Self::Short(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Long(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Long8(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Double(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }
}

/// Appends a directory with its values after it; the next directory follows, unless this is the last.
fn append_directory(head: &mut Vec<u8>, entries: &[Entry], is_big: bool, is_last: bool) {
    let number = |value: u64| -> Vec<u8> {
        match is_big {
            true => value.to_le_bytes().to_vec(),
            false => (value as u32).to_le_bytes().to_vec(),
        }
    };
    let (count_bytes, inline_bytes) = if is_big { (8, 8) } else { (2, 4) };
    let entry_bytes = 4 + 2 * inline_bytes;
    let values_at = head.len() + count_bytes + entries.len() * entry_bytes + inline_bytes;
    let mut values = Vec::new();
    head.extend_from_slice(&(entries.len() as u64).to_le_bytes()[..count_bytes]);
    for (tag, value) in entries {
        head.extend_from_slice(&tag.to_le_bytes());
        head.extend_from_slice(&value.field_type().to_le_bytes());
        head.extend_from_slice(&number(value.count() as u64));
        let mut bytes = value.bytes();
        if bytes.len() <= inline_bytes {
            bytes.resize(inline_bytes, 0);
            head.extend_from_slice(&bytes);
        } else {
            head.extend_from_slice(&number((values_at + values.len()) as u64));
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            values.extend_from_slice(&bytes);
        }
    }
    let next = if is_last { 0 } else { values_at + values.len() };
    head.extend_from_slice(&number(next as u64));
    head.extend_from_slice(&values);
}
