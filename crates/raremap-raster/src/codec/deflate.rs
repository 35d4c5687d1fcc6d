//! zlib streams (RFC 1950).

/// Gives the number of bytes written.
pub(super) fn decode(compressed: &[u8], decoded: &mut [u8]) -> Result<usize, String> {
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
