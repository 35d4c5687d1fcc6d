//! The first bytes of the file: its byte order, and whether it is a BigTIFF.

use serde::Serialize;

use crate::directory::metadata_reader::MetadataReader;
use crate::error::{Malformed, TiffError};
use raremap_io::RangeSource;

/// The order of the bytes in a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ByteOrder {
    /// Least significant byte first ("II").
    LittleEndian,
    /// Most significant byte first ("MM").
    BigEndian,
}

impl ByteOrder {
    /// Reads an unsigned number of up to eight bytes.
    pub(crate) fn unsigned(self, bytes: &[u8]) -> u64 {
        let shift_in = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
        match self {
            ByteOrder::LittleEndian => bytes.iter().rev().fold(0, shift_in),
            ByteOrder::BigEndian => bytes.iter().fold(0, shift_in),
        }
    }
}

/// What the first bytes of the file say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) byte_order: ByteOrder,
    pub(crate) is_big_tiff: bool,
    pub(crate) first_directory: u64,
}

/// Reads the header of a classic TIFF or a BigTIFF.
pub(crate) async fn read_header<S: RangeSource>(reader: &mut MetadataReader<'_, S>) -> Result<Header, TiffError> {
    let size_bytes = reader.size_bytes();
    if size_bytes == 0 {
        return Err(Malformed::Empty.into());
    }
    let start = reader.bytes("the header", 0, size_bytes.min(16)).await?;
    let truncated = |end: u64| Malformed::Truncated {
        what: "the header",
        offset: 0,
        end,
        size_bytes,
    };

    let byte_order = match start.get(..2) {
        Some(b"II") => ByteOrder::LittleEndian,
        Some(b"MM") => ByteOrder::BigEndian,
        _ => return Err(not_a_tiff(reader).await?),
    };
    let number = |from: usize, to: usize| {
        start
            .get(from..to)
            .map(|bytes| byte_order.unsigned(bytes))
            .ok_or_else(|| truncated(to as u64))
    };
    match number(2, 4)? {
        42 => Ok(Header {
            byte_order,
            is_big_tiff: false,
            first_directory: number(4, 8)?,
        }),
        43 if number(4, 6)? == 8 && number(6, 8)? == 0 => Ok(Header {
            byte_order,
            is_big_tiff: true,
            first_directory: number(8, 16)?,
        }),
        _ => Err(not_a_tiff(reader).await?),
    }
}

/// The name of a format that is not TIFF but that people mistake for it, by the first [`FOREIGN_FORMAT_BYTES`] of a file.
pub fn foreign_format(start: &[u8]) -> Option<&'static str> {
    const FORMATS: &[(usize, &[u8], &str)] = &[
        (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (0, b"\xff\xd8\xff", "a JPEG image"),
        (0, b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
        (0, b"\xff\x4f\xff\x51", "a JPEG 2000 codestream"),
        (0, b"PK\x03\x04", "a zip archive"),
        (0, b"\x1f\x8b\x08", "a gzip archive: unpack it first"),
        (257, b"ustar", "a tar archive: unpack it first"),
        (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (0, b"\x0e\x03\x13\x01", "an HDF4 file"),
    ];
    let is_it = |(at, magic, _): &&(usize, &[u8], &str)| start.get(*at..).is_some_and(|rest| rest.starts_with(magic));
    FORMATS.iter().find(is_it).map(|(.., name)| *name)
}

/// Number of bytes that [`foreign_format`] needs.
pub const FOREIGN_FORMAT_BYTES: u64 = 262;

async fn not_a_tiff<S: RangeSource>(reader: &mut MetadataReader<'_, S>) -> Result<TiffError, TiffError> {
    let end = reader.size_bytes().min(FOREIGN_FORMAT_BYTES);
    let start = reader.bytes("the header", 0, end).await?;
    let what = match foreign_format(&start) {
        Some(format) => format!("it is {format}"),
        None => {
            let first = start.iter().take(8).map(|byte| format!("{byte:02x}"));
            format!("it starts with {}", first.collect::<Vec<_>>().join(" "))
        }
    };
    Ok(Malformed::NotATiff { what }.into())
}
