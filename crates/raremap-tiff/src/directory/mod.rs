//! One image file directory (IFD); every length is checked before anything is allocated.

pub(crate) mod header;
pub(crate) mod metadata_reader;

use bytes::Bytes;

use crate::directory::header::{ByteOrder, Header};
use crate::directory::metadata_reader::MetadataReader;
use crate::error::{Malformed, TiffError};
use crate::limits::Limits;
use crate::tags::{self, Tag};
use raremap_io::RangeSource;
use raremap_io::checked_len;

/// The tags whose length grows with the image; for any other tag, more than [`MAX_SMALL_TAG_BYTES`] is a forgery.
const BLOCK_TABLES: [Tag; 4] = [
    tags::STRIP_OFFSETS,
    tags::STRIP_BYTE_COUNTS,
    tags::TILE_OFFSETS,
    tags::TILE_BYTE_COUNTS,
];
const MAX_SMALL_TAG_BYTES: u64 = 4 << 20;

/// One entry of a directory: its type, its count and where its value is.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u16,
    field_type: u16,
    count: u64,
    /// Offset of the value in the file (values that fit are inside the entry itself).
    value_offset: u64,
}

/// One image file directory.
#[derive(Debug)]
pub(crate) struct Directory {
    byte_order: ByteOrder,
    entries: Vec<Entry>,
    /// Offset of the next directory, 0 at the end of the chain.
    pub(crate) next: u64,
}

impl Directory {
    /// Reads the entries at `offset`; values are read when they are needed.
    pub(crate) async fn read<S: RangeSource>(
        reader: &mut MetadataReader<'_, S>,
        header: Header,
        offset: u64,
        limits: &Limits,
    ) -> Result<Self, TiffError> {
        let byte_order = header.byte_order;
        let (count_bytes, entry_bytes, inline_bytes) = if header.is_big_tiff { (8, 20, 8) } else { (2, 12, 4) };
        if offset == 0 {
            return Err(Malformed::NoImage { offset }.into());
        }
        let count = byte_order.unsigned(&reader.bytes("a directory", offset, count_bytes).await?);
        checked_len("a directory's entries", count, limits.max_directory_entries)?;

        let first_entry = offset.saturating_add(count_bytes);
        let table = reader.bytes("a directory", first_entry, count * entry_bytes).await?;
        let mut entries = Vec::new();
        let mut entry_offset = first_entry;
        for raw in table.chunks_exact(entry_bytes as usize) {
            let (Some(tag), Some(field_type), Some(value_count)) =
                (raw.get(0..2), raw.get(2..4), raw.get(4..4 + inline_bytes as usize))
            else {
                continue;
            };
            let mut entry = Entry {
                tag: byte_order.unsigned(tag) as u16,
                field_type: byte_order.unsigned(field_type) as u16,
                count: byte_order.unsigned(value_count),
                value_offset: entry_offset + 4 + inline_bytes,
            };
            let fits = type_bytes(entry.field_type)
                .and_then(|size| size.checked_mul(entry.count))
                .is_some_and(|length| length <= inline_bytes);
            if !fits && let Some(pointer) = raw.get(4 + inline_bytes as usize..) {
                entry.value_offset = byte_order.unsigned(pointer);
            }
            // If a tag is given twice, the first one counts, as in libtiff.
            if !entries.iter().any(|known: &Entry| known.tag == entry.tag) {
                entries.push(entry);
            }
            entry_offset += entry_bytes;
        }
        // A file that is cut right after its last entry is still readable; it has no next directory.
        let next = match reader.bytes("a directory", entry_offset, inline_bytes).await {
            Ok(bytes) => byte_order.unsigned(&bytes),
            Err(TiffError::Malformed(_)) => 0,
            Err(error) => return Err(error),
        };
        Ok(Self {
            byte_order,
            entries,
            next,
        })
    }

    fn entry(&self, tag: Tag) -> Option<Entry> {
        self.entries.iter().find(|entry| entry.tag == tag.number).copied()
    }

    /// Whether the tag is present, whatever it holds.
    pub(crate) fn has(&self, tag: Tag) -> bool {
        self.entry(tag).is_some()
    }

    async fn value<S: RangeSource>(
        &self,
        reader: &mut MetadataReader<'_, S>,
        tag: Tag,
        limits: &Limits,
        most_values: u64,
    ) -> Result<Option<(Entry, Bytes)>, TiffError> {
        let Some(entry) = self.entry(tag) else { return Ok(None) };
        let Some(size) = type_bytes(entry.field_type) else {
            return Err(bad_tag(tag, format!("its field type {} is unknown", entry.field_type)));
        };
        let limit = if BLOCK_TABLES.contains(&tag) {
            limits.max_tag_bytes
        } else {
            limits.max_tag_bytes.min(MAX_SMALL_TAG_BYTES)
        };
        let length = size.saturating_mul(entry.count.min(most_values));
        checked_len(tag.name, length, limit)?;
        let bytes = reader.bytes(tag.name, entry.value_offset, length).await?;
        Ok(Some((entry, bytes)))
    }

    /// The tag's values as unsigned numbers, of whatever integer type; `None` if the tag is absent.
    pub(crate) async fn unsigned<S: RangeSource>(
        &self,
        reader: &mut MetadataReader<'_, S>,
        tag: Tag,
        limits: &Limits,
    ) -> Result<Option<Vec<u64>>, TiffError> {
        self.first_values(reader, tag, limits, u64::MAX).await
    }

    async fn first_values<S: RangeSource>(
        &self,
        reader: &mut MetadataReader<'_, S>,
        tag: Tag,
        limits: &Limits,
        most_values: u64,
    ) -> Result<Option<Vec<u64>>, TiffError> {
        let Some((entry, bytes)) = self.value(reader, tag, limits, most_values).await? else {
            return Ok(None);
        };
        let (size, is_signed) = match entry.field_type {
            BYTE | UNDEFINED => (1, false),
            SHORT => (2, false),
            LONG | IFD => (4, false),
            LONG8 | IFD8 => (8, false),
            SBYTE => (1, true),
            SSHORT => (2, true),
            SLONG => (4, true),
            SLONG8 => (8, true),
            other => {
                return Err(bad_tag(
                    tag,
                    format!("its field type is {other}, but it must be an unsigned integer"),
                ));
            }
        };
        // Numbers of every size take eight bytes once read.
        checked_len(tag.name, (bytes.len() / size) as u64 * 8, limits.max_tag_bytes)?;
        let numbers = bytes.chunks_exact(size).map(|number| self.byte_order.unsigned(number));
        let numbers: Vec<u64> = numbers.collect();
        let sign = 1u64 << (8 * size - 1);
        if is_signed && let Some(number) = numbers.iter().find(|number| **number & sign != 0) {
            let negative = number.wrapping_sub(sign).wrapping_sub(sign) as i64;
            return Err(bad_tag(tag, format!("the value {negative} is negative")));
        }
        Ok(Some(numbers))
    }

    /// The tag's first value, or `default` if the tag is absent.
    pub(crate) async fn first_unsigned<S: RangeSource>(
        &self,
        reader: &mut MetadataReader<'_, S>,
        tag: Tag,
        default: u64,
        limits: &Limits,
    ) -> Result<u64, TiffError> {
        match self.first_values(reader, tag, limits, 1).await? {
            None => Ok(default),
            Some(values) => values
                .first()
                .copied()
                .ok_or_else(|| bad_tag(tag, "it has no value".into())),
        }
    }

    /// The tag's values as floating-point numbers, of whatever numeric type; empty if the tag is absent.
    pub(crate) async fn floats<S: RangeSource>(
        &self,
        reader: &mut MetadataReader<'_, S>,
        tag: Tag,
        limits: &Limits,
    ) -> Result<Vec<f64>, TiffError> {
        let Some((entry, bytes)) = self.value(reader, tag, limits, u64::MAX).await? else {
            return Ok(Vec::new());
        };
        let unsigned = |number: &[u8]| self.byte_order.unsigned(number);
        let signed = |number: &[u8]| {
            // The sign bit is moved to the top and back, which repeats it.
            let unused_bits = 64 - 8 * number.len();
            (unsigned(number) << unused_bits) as i64 >> unused_bits
        };
        let ratio = |above: f64, below: f64| if below == 0.0 { f64::NAN } else { above / below };
        let convert = |number: &[u8]| match entry.field_type {
            FLOAT => f64::from(f32::from_bits(unsigned(number) as u32)),
            DOUBLE => f64::from_bits(unsigned(number)),
            RATIONAL => {
                let (above, below) = number.split_at(4);
                ratio(unsigned(above) as f64, unsigned(below) as f64)
            }
            SRATIONAL => {
                let (above, below) = number.split_at(4);
                ratio(signed(above) as f64, signed(below) as f64)
            }
            SBYTE | SSHORT | SLONG | SLONG8 => signed(number) as f64,
            _ => unsigned(number) as f64,
        };
        match (type_bytes(entry.field_type), entry.field_type) {
            (None, other) | (_, other @ (ASCII | UNDEFINED)) => Err(bad_tag(
                tag,
                format!("its field type is {other}, but it must be a number"),
            )),
            (Some(size), _) => {
                checked_len(tag.name, entry.count.saturating_mul(8), MAX_SMALL_TAG_BYTES)?;
                Ok(bytes.chunks_exact(size as usize).map(convert).collect())
            }
        }
    }

    /// The tag's bytes without the closing NUL; empty if the tag is absent.
    pub(crate) async fn ascii<S: RangeSource>(
        &self,
        reader: &mut MetadataReader<'_, S>,
        tag: Tag,
        limits: &Limits,
    ) -> Result<Vec<u8>, TiffError> {
        let Some((entry, bytes)) = self.value(reader, tag, limits, u64::MAX).await? else {
            return Ok(Vec::new());
        };
        if !matches!(entry.field_type, ASCII | BYTE | UNDEFINED) {
            return Err(bad_tag(
                tag,
                format!("its field type is {}, but it must be text", entry.field_type),
            ));
        }
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Ok(bytes.iter().take(end).copied().collect())
    }
}

const BYTE: u16 = 1;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const SBYTE: u16 = 6;
const UNDEFINED: u16 = 7;
const SSHORT: u16 = 8;
const SLONG: u16 = 9;
const SRATIONAL: u16 = 10;
const FLOAT: u16 = 11;
const DOUBLE: u16 = 12;
const IFD: u16 = 13;
const LONG8: u16 = 16;
const SLONG8: u16 = 17;
const IFD8: u16 = 18;

/// Bytes of one value of a field type; `None` for types that the specifications do not know.
fn type_bytes(field_type: u16) -> Option<u64> {
    match field_type {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 | 17 | 18 => Some(8),
        _ => None,
    }
}

/// An error about a tag's value.
pub(crate) fn bad_tag(tag: Tag, reason: String) -> TiffError {
    Malformed::BadTag {
        tag: tag.number,
        name: tag.name,
        reason,
    }
    .into()
}

/// An error about a tag that is absent.
pub(crate) fn missing_tag(tag: Tag) -> TiffError {
    Malformed::MissingTag {
        tag: tag.number,
        name: tag.name,
    }
    .into()
}
