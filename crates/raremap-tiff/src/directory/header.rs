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
        (
            0,
            b"version https://git-lfs.github.com/spec/",
            "a Git LFS pointer in place of a file that was not fetched: `git lfs pull` fetches it",
        ),
        (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (0, b"\xff\xd8\xff", "a JPEG image"),
        (0, b"GIF8", "a GIF image"),
        (0, b"BM", "a BMP image"),
        (8, b"WEBP", "a WebP image"),
        (0, b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
        (0, b"\xff\x0a", "a JPEG XL image"),
        (4, b"ftypheic", "a HEIC image"),
        (4, b"ftypmif1", "a HEIC image"),
        (4, b"ftypavif", "an AVIF image"),
        (0, b"8BPS", "a Photoshop document"),
        (0, b"%PDF", "a PDF document"),
        (0, b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
        (0, b"\xff\x4f\xff\x51", "a JPEG 2000 codestream"),
        (0, b"PK\x03\x04", "a zip archive"),
        (0, b"\x1f\x8b\x08", "a gzip archive: unpack it first"),
        (257, b"ustar", "a tar archive: unpack it first"),
        (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (0, b"\x0e\x03\x13\x01", "an HDF4 file"),
        (0, b"CDF\x01", "a NetCDF file"),
        (0, b"CDF\x02", "a NetCDF file"),
        (0, b"CDF\x05", "a NetCDF file"),
        (0, b"GRIB", "a GRIB file"),
        (0, b"NITF", "a NITF file"),
        (0, b"EHFA_HEADER_TAG", "an ERDAS Imagine file (HFA)"),
        (0, b"msid", "a MrSID image"),
        (0, b"SQLite format 3\0", "a GeoPackage or another SQLite database"),
        (0, b"\x93NUMPY", "a NumPy array"),
        (0, b"BZh", "a bzip2 archive: unpack it first"),
        (0, b"\xfd7zXZ\0", "an xz archive: unpack it first"),
        (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
        (0, b"Rar!\x1a\x07", "a RAR archive: unpack it first"),
    ];
    let is_it = |(at, magic, _): &&(usize, &[u8], &str)| start.get(*at..).is_some_and(|rest| rest.starts_with(magic));
    let named = FORMATS.iter().find(is_it).map(|(.., name)| *name);
    named.or_else(|| foreign_text(start))
}

/// The name of a text that is not TIFF, by its first characters.
fn foreign_text(start: &[u8]) -> Option<&'static str> {
    // Only the valid part counts, because the last character may be cut.
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(start.get(..error.valid_up_to())?).ok()?,
        Err(_) => return None,
    };
    let text = text.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    let is_html = ["<!doctype html", "<html", "<head", "<body"]
        .iter()
        .any(|tag| text.starts_with(tag));
    if is_html || text.starts_with("<?xml") && text.contains("<html") {
        return Some("a web page (HTML): the address returned a page, perhaps a login page, instead of the file");
    }
    if text.contains("<vrtdataset") {
        return Some(
            "a GDAL virtual raster (VRT), which only names other files: open those, or make one file of them with \
             gdal_translate IN.vrt OUT.tif",
        );
    }
    match text.chars().next()? {
        '<' => Some("an XML document"),
        '{' | '[' => Some("a JSON document"),
        _ => None,
    }
}

/// Number of bytes that [`foreign_format`] needs.
pub const FOREIGN_FORMAT_BYTES: u64 = 262;

/// The first line of a file that looks like text, such as a server's error.
fn first_line(start: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(start.get(..start.len().min(60))?).ok()?;
    let line = text.lines().next()?.trim_end();
    let is_text = line.len() >= 8 && line.chars().all(|character| !character.is_control());
    is_text.then_some(line)
}

async fn not_a_tiff<S: RangeSource>(reader: &mut MetadataReader<'_, S>) -> Result<TiffError, TiffError> {
    let end = reader.size_bytes().min(FOREIGN_FORMAT_BYTES);
    let start = reader.bytes("the header", 0, end).await?;
    let what = match foreign_format(&start) {
        Some(format) => format!("it is {format}"),
        None if let Some(line) = first_line(&start) => format!("it is text that begins with \"{line}\""),
        None => {
            let first = start.iter().take(8).map(|byte| format!("{byte:02x}"));
            format!("it starts with {}", first.collect::<Vec<_>>().join(" "))
        }
    };
    Ok(Malformed::NotATiff { what }.into())
}
