//! Decompression of one strip or tile into a buffer of the size that its layout expects, never more.

use serde::Serialize;

use crate::error::{RasterError, Unsupported};

/// A compression that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// No compression.
    None,
    /// Lempel-Ziv-Welch.
    Lzw,
    /// zlib ("Adobe" code 8 and the older 32946).
    Deflate,
    /// Byte runs.
    PackBits,
}

impl Compression {
    /// Recognizes the value of the Compression tag.
    pub(crate) fn from_code(code: u16) -> Result<Self, RasterError> {
        let name = match code {
            1 => return Ok(Compression::None),
            5 => return Ok(Compression::Lzw),
            8 | 32946 => return Ok(Compression::Deflate),
            32773 => return Ok(Compression::PackBits),
            2 => "CCITT RLE",
            3 => "CCITT group 3 fax",
            4 => "CCITT group 4 fax",
            6 => "old-style JPEG",
            7 => "JPEG",
            32771 => "CCITT RLE with word alignment",
            32809 => "ThunderScan",
            34661 => "JBIG",
            34676 | 34677 => "SGI Log",
            34712 => "JPEG 2000",
            34887 => "LERC",
            34925 => "LZMA",
            50000 => "ZSTD",
            50001 => "WebP",
            50002 | 52546 => "JPEG XL",
            _ => "of an unknown kind",
        };
        Err(Unsupported::Compression { code, name }.into())
    }

    /// Whether the Predictor tag has a meaning with this compression.
    pub(crate) fn has_predictor(self) -> bool {
        matches!(self, Compression::Lzw | Compression::Deflate)
    }

    /// The most bytes that one compressed byte can decode to; what needs more is truncated, whatever it holds.
    fn max_expansion(self) -> u64 {
        match self {
            Compression::None => 1,
            Compression::PackBits => 64,
            Compression::Deflate => 1032,
            Compression::Lzw => 4096,
        }
    }

    /// Decodes `compressed` into exactly `expected` bytes; data beyond them is not looked at.
    ///
    /// The buffer is allocated only if `compressed` is long enough to fill it at all.
    pub(crate) fn decode(self, compressed: &[u8], expected: usize) -> Result<Vec<u8>, String> {
        let most = (compressed.len() as u64 + 1).saturating_mul(self.max_expansion());
        if expected as u64 > most {
            return Err(format!(
                "{} bytes cannot decode to the expected {expected}",
                compressed.len()
            ));
        }
        let mut decoded = vec![0; expected];
        let filled = match self {
            Compression::None => {
                let filled = compressed.len().min(expected);
                decoded.iter_mut().zip(compressed).for_each(|(to, from)| *to = *from);
                filled
            }
            Compression::PackBits => decode_packbits(compressed, &mut decoded),
            Compression::Deflate => decode_deflate(compressed, &mut decoded)?,
            Compression::Lzw => decode_lzw(compressed, &mut decoded)?,
        };
        if filled < expected {
            return Err(format!("it ends after {filled} of {expected} bytes"));
        }
        Ok(decoded)
    }
}

/// Gives the number of bytes written.
fn decode_packbits(mut compressed: &[u8], decoded: &mut [u8]) -> usize {
    let mut filled = 0;
    while let ([control, rest @ ..], Some(room)) = (compressed, decoded.get_mut(filled..)) {
        if room.is_empty() {
            break;
        }
        compressed = rest;
        let control = *control as i8;
        if control >= 0 {
            let length = (control as usize + 1).min(rest.len()).min(room.len());
            let (literal, after) = rest.split_at(length);
            room.iter_mut().zip(literal).for_each(|(to, from)| *to = *from);
            compressed = after;
            filled += length;
        } else if control != i8::MIN {
            let [value, after @ ..] = rest else { break };
            let length = (1 - isize::from(control)) as usize;
            let length = length.min(room.len());
            room.iter_mut().take(length).for_each(|to| *to = *value);
            compressed = after;
            filled += length;
        }
    }
    filled
}

fn decode_deflate(compressed: &[u8], decoded: &mut [u8]) -> Result<usize, String> {
    let mut decoder = flate2::Decompress::new(true);
    let mut filled = 0;
    loop {
        let consumed = usize::try_from(decoder.total_in()).unwrap_or(usize::MAX);
        let (Some(rest), Some(room)) = (compressed.get(consumed..), decoded.get_mut(filled..)) else {
            break;
        };
        let status = decoder
            .decompress(rest, room, flate2::FlushDecompress::None)
            .map_err(|error| format!("its deflate stream is invalid: {error}"))?;
        let now_filled = usize::try_from(decoder.total_out()).unwrap_or(usize::MAX);
        let progressed = now_filled > filled || decoder.total_in() as usize > consumed;
        filled = now_filled;
        if status != flate2::Status::Ok || filled >= decoded.len() || !progressed {
            break;
        }
    }
    Ok(filled)
}

fn decode_lzw(compressed: &[u8], decoded: &mut [u8]) -> Result<usize, String> {
    // Old writers packed codes least significant bit first and widened them one code later; libtiff tells them
    // by the clear code's first two bytes.
    let is_old_style = matches!(compressed, [0, second, ..] if second & 1 == 1);
    let mut decoder = if is_old_style {
        weezl::decode::Decoder::new(weezl::BitOrder::Lsb, 8)
    } else {
        weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
    };
    let (mut consumed, mut filled) = (0, 0);
    while let (Some(rest), Some(room)) = (compressed.get(consumed..), decoded.get_mut(filled..)) {
        if room.is_empty() {
            break;
        }
        let result = decoder.decode_bytes(rest, room);
        consumed += result.consumed_in;
        filled += result.consumed_out;
        match result.status {
            Ok(weezl::LzwStatus::Ok) if result.consumed_in + result.consumed_out > 0 => {}
            Ok(_) => break,
            // What was decoded so far may already be all that is needed.
            Err(_) if filled >= decoded.len() => break,
            Err(error) => return Err(format!("its LZW stream is invalid: {error}")),
        }
    }
    Ok(filled)
}

#[cfg(test)]
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
        assert_eq!(Compression::PackBits.decode(&compressed, 24), Ok(expected.to_vec()));
        assert!(Compression::PackBits.decode(&compressed, 25).is_err());
        assert_eq!(Compression::PackBits.decode(&compressed, 4), Ok(expected[..4].to_vec()));
    }

    #[test]
    fn decoding_stops_at_the_expected_size() {
        let bomb = deflated(&vec![7; 1 << 20]);
        assert_eq!(Compression::Deflate.decode(&bomb, 100), Ok(vec![7; 100]));
    }

    #[test]
    fn a_forged_size_is_refused_before_allocating() {
        let error = Compression::Deflate
            .decode(&deflated(&[1, 2, 3]), 1 << 30)
            .expect_err("too little data");
        assert!(error.contains("cannot decode"), "{error}");
    }

    #[test]
    fn truncated_streams_are_errors() {
        let data: Vec<u8> = (0..5000u32).map(|i| (i * i % 251) as u8).collect();
        let deflate = deflated(&data);
        let lzw = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
            .encode(&data)
            .expect("encodes");
        for (compression, compressed) in [(Compression::Deflate, deflate), (Compression::Lzw, lzw)] {
            assert_eq!(compression.decode(&compressed, data.len()).as_ref(), Ok(&data));
            for length in [0, 1, 2, compressed.len() / 2, compressed.len() - 30] {
                let cut = compressed.get(..length).unwrap_or_default();
                assert!(
                    compression.decode(cut, data.len()).is_err(),
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
        assert_eq!(Compression::Lzw.decode(&old, data.len()), Ok(data));
    }
}
