//! Decompresses one strip or tile into a buffer of the size that its layout expects, and never more.

#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "ccitt")]
mod fax;
#[cfg(feature = "jpeg")]
mod jpeg;
#[cfg(feature = "lerc")]
mod lerc;
#[cfg(feature = "lzma")]
mod lzma;
#[cfg(feature = "lzw")]
mod lzw;
#[cfg(feature = "jpeg")]
mod old_jpeg;
#[cfg(feature = "packbits")]
mod packbits;
pub(crate) mod predictor;
#[cfg(feature = "sgi_log")]
mod sgi_log;
#[cfg(feature = "webp")]
mod webp;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(feature = "jpeg")]
use std::sync::Arc;

use serde::Serialize;

use crate::directory::Directory;
use crate::directory::metadata_reader::MetadataReader;
use crate::error::{TiffError, Unsupported};
use crate::limits::Limits;
use crate::samples::SampleType;
use crate::tags;
use raremap_io::RangeSource;

#[cfg(feature = "jpeg")]
pub(crate) use old_jpeg::{Coded, OldImage, OldJpeg};

/// A compression that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Compression {
    /// No compression.
    None,
    /// Lempel-Ziv-Welch.
    Lzw,
    /// zlib ("Adobe" code 8 and the older 32946).
    Deflate,
    /// Byte runs.
    PackBits,
    /// Zstandard.
    Zstd,
    /// LZMA2 in an xz stream.
    Lzma,
    /// Limited Error Raster Compression, alone or inside of deflate or Zstandard.
    Lerc,
    /// WebP, lossy or lossless.
    WebP,
    /// JPEG (code 7).
    Jpeg,
    /// JPEG from before technical note 2 (code 6).
    OldJpeg,
    /// Logarithms of luminance: 16 bits, or 32 with colour (code 34676).
    SgiLog,
    /// CCITT modified Huffman runs, rows on bytes (or on 16-bit words).
    CcittRle,
    /// CCITT T.4, one- or two-dimensional.
    CcittGroup3,
    /// CCITT T.6.
    CcittGroup4,
}

impl Compression {
    /// Recognizes the value of the Compression tag; refuses what this build does not read.
    pub(crate) fn from_code(code: u16) -> Result<Self, TiffError> {
        let compression = match code {
            1 => Compression::None,
            2 | 32771 => Compression::CcittRle,
            3 => Compression::CcittGroup3,
            4 => Compression::CcittGroup4,
            5 => Compression::Lzw,
            6 => Compression::OldJpeg,
            7 => Compression::Jpeg,
            8 | 32946 => Compression::Deflate,
            32773 => Compression::PackBits,
            34676 => Compression::SgiLog,
            34887 => Compression::Lerc,
            34925 => Compression::Lzma,
            50000 => Compression::Zstd,
            50001 => Compression::WebP,
            _ => {
                let name = match code {
                    32809 => "ThunderScan",
                    34661 => "JBIG",
                    34677 => "SGI Log of 24 bits",
                    34712 => "JPEG 2000",
                    50002 | 52546 => "JPEG XL",
                    _ => "of an unknown kind",
                };
                return Err(Unsupported::Compression { code, name }.into());
            }
        };
        let (name, is_read) = compression.name_and_presence();
        if is_read {
            Ok(compression)
        } else {
            Err(Unsupported::LeftOut { code, name }.into())
        }
    }

    /// The usual name, and whether the feature that reads it is switched on.
    fn name_and_presence(self) -> (&'static str, bool) {
        match self {
            Compression::None => ("no compression", true),
            Compression::Lzw => ("LZW", cfg!(feature = "lzw")),
            Compression::Deflate => ("deflate", cfg!(feature = "deflate")),
            Compression::PackBits => ("PackBits", cfg!(feature = "packbits")),
            Compression::Zstd => ("Zstandard", cfg!(feature = "zstd")),
            Compression::Lzma => ("LZMA", cfg!(feature = "lzma")),
            Compression::Lerc => ("LERC", cfg!(feature = "lerc")),
            Compression::WebP => ("WebP", cfg!(feature = "webp")),
            Compression::Jpeg => ("JPEG", cfg!(feature = "jpeg")),
            Compression::OldJpeg => ("old-style JPEG", cfg!(feature = "jpeg")),
            Compression::SgiLog => ("SGI Log", cfg!(feature = "sgi_log")),
            Compression::CcittRle => ("CCITT modified Huffman", cfg!(feature = "ccitt")),
            Compression::CcittGroup3 => ("CCITT group 3", cfg!(feature = "ccitt")),
            Compression::CcittGroup4 => ("CCITT group 4", cfg!(feature = "ccitt")),
        }
    }

    /// Whether the Predictor tag has a meaning with this compression.
    pub(crate) fn has_predictor(self) -> bool {
        use Compression::{Deflate, Lzma, Lzw, Zstd};
        matches!(self, Lzw | Deflate | Zstd | Lzma)
    }

    /// How many times a block's decoded size is held while it is decoded: 16-bit planes and coefficients of JPEG, the image in WebP's own
    /// colours, values before they are bytes.
    pub(crate) fn working_copies(self) -> u64 {
        match self {
            Compression::Jpeg | Compression::OldJpeg => 5,
            Compression::WebP => 4,
            Compression::Lerc => 3,
            _ => 1,
        }
    }

    /// Whether blocks are rows of samples packed as the file says, rather than pictures of whole bytes.
    pub(crate) fn is_of_rows(self) -> bool {
        !matches!(
            self,
            Compression::Jpeg | Compression::OldJpeg | Compression::WebP | Compression::Lerc | Compression::SgiLog
        )
    }

    /// Whether the codec itself reads bytes in their own order, whatever the FillOrder tag says.
    pub(crate) fn ignores_fill_order(self) -> bool {
        matches!(self, Compression::Jpeg | Compression::OldJpeg)
    }
}

/// Why a block cannot be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CodecError {
    /// Its data is damaged; the text is the second half of a sentence.
    Damaged(String),
    /// Its data is of a kind that is not read.
    Unsupported(&'static str),
}

impl From<String> for CodecError {
    fn from(reason: String) -> Self {
        CodecError::Damaged(reason)
    }
}

impl From<&str> for CodecError {
    fn from(reason: &str) -> Self {
        CodecError::Damaged(reason.to_string())
    }
}

/// The size and kind of one block, as stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockShape {
    pub(crate) width: usize,
    pub(crate) rows: usize,
    /// Whether this is the last strip of its plane.
    pub(crate) is_last_strip: bool,
    /// Samples of one pixel in this block.
    pub(crate) samples: usize,
    pub(crate) bits: u16,
    pub(crate) sample_type: SampleType,
    /// Bytes with samples packed as the file says.
    pub(crate) packed_bytes: usize,
    /// Bytes with samples of whole bytes.
    pub(crate) unpacked_bytes: usize,
}

/// A decoded block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// Bytes as an uncompressed file holds them: packed, in the file's byte order, before the predictor is undone.
    Stored(Vec<u8>),
    /// Samples of whole bytes in native byte order.
    Samples(Vec<u8>),
}

/// A compression, with what else the directory says about it.
#[derive(Debug, Clone)]
pub(crate) enum BlockCodec {
    /// A codec that only handles bytes.
    Bytes(Compression),
    #[cfg(feature = "jpeg")]
    Jpeg {
        /// Empty without the JPEGTables tag.
        tables: Vec<u8>,
        /// Whether components are YCbCr, to be converted.
        to_rgb: bool,
    },
    #[cfg(feature = "jpeg")]
    OldJpeg(Option<Arc<OldJpeg>>),
    #[cfg(feature = "sgi_log")]
    SgiLog,
    #[cfg(feature = "webp")]
    WebP,
    #[cfg(feature = "lerc")]
    Lerc(lerc::Wrapping),
    #[cfg(feature = "ccitt")]
    Fax(fax::Options),
}

impl BlockCodec {
    /// Reads the tags that belong to the compression `code`.
    pub(crate) async fn read<S: RangeSource>(
        reader: &mut MetadataReader<'_, S>,
        directory: &Directory,
        limits: &Limits,
        code: u16,
        is_contiguous_ycbcr: bool,
    ) -> Result<Self, TiffError> {
        Ok(match Compression::from_code(code)? {
            #[cfg(feature = "jpeg")]
            Compression::Jpeg => {
                let tables = directory.unsigned(reader, tags::JPEG_TABLES, limits).await?;
                BlockCodec::Jpeg {
                    tables: tables.unwrap_or_default().iter().map(|byte| *byte as u8).collect(),
                    to_rgb: is_contiguous_ycbcr,
                }
            }
            #[cfg(feature = "webp")]
            Compression::WebP => BlockCodec::WebP,
            #[cfg(feature = "lerc")]
            Compression::Lerc => {
                let parameters = directory.unsigned(reader, tags::LERC_PARAMETERS, limits).await?;
                let wrapping = parameters.and_then(|values| values.get(1).copied()).unwrap_or(0);
                BlockCodec::Lerc(lerc::Wrapping::from_code(wrapping)?)
            }
            #[cfg(feature = "ccitt")]
            Compression::CcittRle => BlockCodec::Fax(fax::Options::runs(code == 32771)),
            #[cfg(feature = "ccitt")]
            Compression::CcittGroup3 => {
                let options = directory.first_unsigned(reader, tags::T4_OPTIONS, 0, limits).await?;
                BlockCodec::Fax(fax::Options::group3(options)?)
            }
            #[cfg(feature = "ccitt")]
            Compression::CcittGroup4 => BlockCodec::Fax(fax::Options::group4()),
            #[cfg(feature = "jpeg")]
            Compression::OldJpeg => BlockCodec::OldJpeg(None),
            #[cfg(feature = "sgi_log")]
            Compression::SgiLog => BlockCodec::SgiLog,
            compression => BlockCodec::Bytes(compression),
        })
    }

    /// Old-style JPEG with the contents of its tags.
    #[cfg(feature = "jpeg")]
    pub(crate) fn of_old_jpeg(old_jpeg: OldJpeg) -> Self {
        BlockCodec::OldJpeg(Some(Arc::new(old_jpeg)))
    }

    /// Decodes `compressed` into exactly the bytes that `shape` needs; data beyond them is ignored.
    pub(crate) fn decode(&self, compressed: &[u8], shape: &BlockShape) -> Result<Decoded, CodecError> {
        match self {
            #[cfg(feature = "jpeg")]
            BlockCodec::Jpeg { tables, to_rgb } => {
                jpeg::decode(tables, compressed, shape, *to_rgb).map(Decoded::Samples)
            }
            #[cfg(feature = "jpeg")]
            BlockCodec::OldJpeg(Some(old)) => old.decode(compressed, shape).map(Decoded::Samples),
            #[cfg(feature = "jpeg")]
            BlockCodec::OldJpeg(None) => Err(CodecError::Unsupported(
                "old-style JPEG outside of an image's own directory",
            )),
            #[cfg(feature = "sgi_log")]
            BlockCodec::SgiLog => sgi_log::decode(compressed, shape).map(Decoded::Samples),
            #[cfg(feature = "webp")]
            BlockCodec::WebP => webp::decode(compressed, shape).map(Decoded::Samples),
            // libtiff puts samples into a blob as a file of its byte order holds them.
            #[cfg(feature = "lerc")]
            BlockCodec::Lerc(wrapping) => lerc::decode(compressed, shape, *wrapping).map(Decoded::Stored),
            #[cfg(feature = "ccitt")]
            BlockCodec::Fax(options) => fax::decode(compressed, shape, *options).map(Decoded::Stored),
            BlockCodec::Bytes(compression) => {
                decode_bytes(*compression, compressed, shape.packed_bytes).map(Decoded::Stored)
            }
        }
    }
}

/// Decodes one of the compressions that only know bytes.
///
/// The buffer is only allocated if `compressed` is long enough to fill it at all.
fn decode_bytes(compression: Compression, compressed: &[u8], expected: usize) -> Result<Vec<u8>, CodecError> {
    let most = (compressed.len() as u64 + 1).saturating_mul(max_expansion(compression));
    if expected as u64 > most {
        return Err(format!("{} bytes cannot decode to the expected {expected}", compressed.len()).into());
    }
    #[cfg(feature = "deflate")]
    if compression == Compression::Deflate
        && let Some(decoded) = deflate::decode_whole(compressed, expected)
    {
        return Ok(decoded);
    }
    // Data that ends early, as with forged sizes, is found out before memory for all that was declared is taken.
    if expected > PROBED_FROM_BYTES {
        decode_into(compression, compressed, &mut vec![0; expected / 16])?;
    }
    let mut decoded = vec![0; expected];
    decode_into(compression, compressed, &mut decoded)?;
    Ok(decoded)
}

/// Blocks of at least this size are decoded in part first, which is a sixteenth more work for sizes that hardly any file has.
const PROBED_FROM_BYTES: usize = 16 << 20;

/// Fills `decoded`, or reports that the data does not.
fn decode_into(compression: Compression, compressed: &[u8], decoded: &mut [u8]) -> Result<(), CodecError> {
    let expected = decoded.len();
    let filled = match compression {
        #[cfg(feature = "packbits")]
        Compression::PackBits => packbits::decode(compressed, decoded),
        #[cfg(feature = "deflate")]
        Compression::Deflate => deflate::decode(compressed, decoded)?,
        #[cfg(feature = "lzw")]
        Compression::Lzw => lzw::decode(compressed, decoded)?,
        #[cfg(feature = "zstd")]
        Compression::Zstd => zstd::decode(compressed, decoded)?,
        #[cfg(feature = "lzma")]
        Compression::Lzma => lzma::decode(compressed, decoded)?,
        // `Compression::from_code` lets nothing else through than no compression.
        _ => {
            let filled = compressed.len().min(expected);
            decoded.iter_mut().zip(compressed).for_each(|(to, from)| *to = *from);
            filled
        }
    };
    if filled < expected {
        let data = match compression {
            Compression::Deflate => "its deflate data",
            Compression::Lzw => "its LZW data",
            _ => "it",
        };
        return Err(format!("{data} ends after {filled} of {expected} bytes").into());
    }
    Ok(())
}

/// The largest number of bytes that one compressed byte can decode to; what needs more is truncated, whatever it holds.
fn max_expansion(compression: Compression) -> u64 {
    match compression {
        Compression::PackBits => 64,
        Compression::Deflate => 1032,
        Compression::Lzw => 4096,
        // A block of 128 KiB of one byte takes four bytes.
        Compression::Zstd => 32 * 1024,
        // A repetition of 273 bytes takes a few hundredths of a bit at best.
        Compression::Lzma => 16 * 1024,
        _ => 1,
    }
}

/// Reads from `stream` until `decoded` is full or the stream ends; returns the number of bytes written.
#[cfg(any(feature = "zstd", feature = "lzma"))]
fn fill_from(mut stream: impl std::io::Read, decoded: &mut [u8], name: &str) -> Result<usize, CodecError> {
    let mut filled = 0;
    while let Some(room) = decoded.get_mut(filled..).filter(|room| !room.is_empty()) {
        match stream.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("its {name} stream is invalid: {error}").into()),
        }
    }
    Ok(filled)
}

#[cfg(all(test, feature = "deflate", feature = "lzw", feature = "packbits"))]
mod tests {
    use super::*;
    use std::io::Write;

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    }

    #[test]
    fn packbits_decodes_the_specifications_example() {
        let compressed = [
            0xFE, 0xAA, 0x02, 0x80, 0x00, 0x2A, 0xFD, 0xAA, 0x03, 0x80, 0x00, 0x2A, 0x22, 0xF7, 0xAA,
        ];
        let expected = [
            0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0xAA, 0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0x22, 0xAA, 0xAA, 0xAA, 0xAA,
            0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA,
        ];
        assert_eq!(
            decode_bytes(Compression::PackBits, &compressed, 24),
            Ok(expected.to_vec())
        );
        assert!(decode_bytes(Compression::PackBits, &compressed, 25).is_err());
        assert_eq!(
            decode_bytes(Compression::PackBits, &compressed, 4),
            Ok(expected[..4].to_vec())
        );
    }

    #[test]
    fn decoding_stops_at_the_expected_size() {
        let bomb = deflated(&vec![7; 1 << 20]);
        assert_eq!(decode_bytes(Compression::Deflate, &bomb, 100), Ok(vec![7; 100]));
    }

    #[test]
    fn a_forged_size_is_refused_before_allocating() {
        let error = decode_bytes(Compression::Deflate, &deflated(&[1, 2, 3]), 1 << 30);
        assert!(matches!(error, Err(CodecError::Damaged(reason)) if reason.contains("cannot decode")));
    }

    #[test]
    fn truncated_streams_are_errors() {
        let data: Vec<u8> = (0..5000u32).map(|i| (i * i % 251) as u8).collect();
        let deflate = deflated(&data);
        let lzw = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
            .encode(&data)
            .expect("encodes");
        for (compression, compressed) in [(Compression::Deflate, deflate), (Compression::Lzw, lzw)] {
            assert_eq!(decode_bytes(compression, &compressed, data.len()).as_ref(), Ok(&data));
            for length in [0, 1, 2, compressed.len() / 2, compressed.len() - 30] {
                let cut = compressed.get(..length).unwrap_or_default();
                assert!(
                    decode_bytes(compression, cut, data.len()).is_err(),
                    "{compression:?} cut to {length}"
                );
            }
        }
    }

    #[test]
    fn old_style_lzw_is_recognized() {
        let data: Vec<u8> = (0..3000u32).map(|i| (i / 7 % 200) as u8).collect();
        let old = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8)
            .encode(&data)
            .expect("encodes");
        assert_eq!(decode_bytes(Compression::Lzw, &old, data.len()), Ok(data));
    }
}
