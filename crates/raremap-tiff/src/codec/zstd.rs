//! Zstandard frames (RFC 8878).

use super::{CodecError, fill_from};

/// The largest window that is allocated.
const MAX_WINDOW_BYTES: u64 = 64 << 20;
/// The longest block of a frame, which bounds a smaller window, too.
const MAX_BLOCK_BYTES: u64 = 128 << 10;
/// The exponent of a window of 1 KiB, the smallest one.
const LEAST_WINDOW_LOG: u32 = 10;

/// Returns the number of bytes written.
pub(super) fn decode(compressed: &[u8], decoded: &mut [u8]) -> Result<usize, CodecError> {
    let (head, rest) = with_narrow_window(compressed, decoded.len() as u64);
    let source = std::io::Read::chain(head.as_slice(), rest);
    let stream = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(source, MAX_WINDOW_BYTES)
        .map_err(|error| format!("its ZSTD stream is invalid: {error}"))?;
    fill_from(stream, decoded, "ZSTD")
}

/// The frame's first bytes and the rest of it, with a window no larger than the decoded data needs, because nothing lies further back.
/// Level 22 asks for 128 MiB whatever the length.
fn with_narrow_window(compressed: &[u8], decoded_bytes: u64) -> (Vec<u8>, &[u8]) {
    // Magic number, frame header descriptor, and the window's, which a frame of a single segment does not have.
    const SINGLE_SEGMENT: u8 = 1 << 5;
    let needed = decoded_bytes.max(MAX_BLOCK_BYTES).checked_next_power_of_two();
    match (compressed.split_at_checked(6), needed) {
        (Some(([magic @ .., descriptor, window], rest)), Some(needed)) if descriptor & SINGLE_SEGMENT == 0 => {
            // The upper five bits are the exponent, and the lower three are the eighths of it that are added.
            let narrow = (needed.ilog2().saturating_sub(LEAST_WINDOW_LOG) << 3).min(u32::from(*window)) as u8;
            ([magic, &[*descriptor, narrow]].concat(), rest)
        }
        _ => (Vec::new(), compressed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of one block as it is, of three bytes.
    fn frame(descriptor: u8, window: u8) -> Vec<u8> {
        let last_raw_block = (3u32 << 3 | 1).to_le_bytes();
        let magic = 0xFD2F_B528_u32.to_le_bytes();
        [&magic[..], &[descriptor, window], &last_raw_block[..3], b"abc"].concat()
    }

    #[test]
    fn a_window_that_is_wider_than_the_image_is_not_allocated() {
        // 128 MiB as of level 22, and the largest that can be written.
        for window in [17 << 3, 0xFF] {
            let mut decoded = [0; 3];
            assert_eq!(decode(&frame(0, window), &mut decoded).expect("decodes"), 3);
            assert_eq!(&decoded, b"abc");
            let wide = [0, 0, 0, 0, 0, window, 7];
            let narrow = (vec![0, 0, 0, 0, 0, 7 << 3], &wide[6..]);
            assert_eq!(with_narrow_window(&wide, 3), narrow);
        }
        // A narrow one stays, and the size of a single segment is no window.
        assert_eq!(with_narrow_window(&[0, 0, 0, 0, 0, 8], 1 << 20).0, [0, 0, 0, 0, 0, 8]);
        assert!(with_narrow_window(&[0, 0, 0, 0, 0x20, 0xFF], 3).0.is_empty());
        assert!(decode(&[0x28, 0xB5], &mut [0; 3]).is_err());
    }
}
