//! PackBits (TIFF 6.0, section 9).

/// Returns the number of bytes written.
pub(super) fn decode(mut compressed: &[u8], decoded: &mut [u8]) -> usize {
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
