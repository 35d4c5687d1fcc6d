//! LZW (TIFF 6.0, section 13).

/// Returns the number of bytes written.
pub(super) fn decode(compressed: &[u8], decoded: &mut [u8]) -> Result<usize, String> {
    // Old writers packed codes least significant bit first and widened them one code later; libtiff recognizes them by the clear code's
    // first two bytes.
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
            // What was decoded so far may already be everything that is needed.
            Err(_) if filled >= decoded.len() => break,
            Err(error) => return Err(format!("its LZW stream is invalid: {error}")),
        }
    }
    Ok(filled)
}
