//! Converts luma and chroma (TIFF 6.0, section 21) to red, green and blue, with libtiff's arithmetic.

/// Units of `across * down` luma samples and one sample of each chroma, and their meaning.
#[derive(Debug, Clone)]
pub(crate) struct YCbCr {
    across: usize,
    down: usize,
    /// Whether the last bytes of a block are not read ([`YCbCr::bytes_read`]).
    drops_last_bytes: bool,
    luma: [i32; 256],
    red_of_cr: [i32; 256],
    green_of_cr: [i32; 256],
    green_of_cb: [i32; 256],
    blue_of_cb: [i32; 256],
}

impl YCbCr {
    /// Bytes of a block as stored.
    pub(crate) fn stored_bytes(&self, width: u32, rows: u32) -> u64 {
        let units = u64::from(width.div_ceil(self.across as u32)) * u64::from(rows.div_ceil(self.down as u32));
        units.saturating_mul((self.across * self.down + 2) as u64)
    }

    /// The same for strips, where libtiff does not read all units of 4 x 4 ([`YCbCr::bytes_read`]).
    pub(crate) fn in_strips(mut self) -> Self {
        self.drops_last_bytes = [self.across, self.down] == [4, 4];
        self
    }

    /// Tables in the 16-bit fixed point and 32-bit floats of libtiff.
    pub(crate) fn new([across, down]: [usize; 2], [red, green, blue]: [f32; 3], reference: [f32; 6]) -> Self {
        const HALF: i32 = 1 << 15;
        let fixed = |value: f32| (f64::from(value.clamp(0.0, 2.0)) * 65536.0 + 0.5) as i32;
        let (of_red, of_blue) = (2.0 - 2.0 * red, 2.0 - 2.0 * blue);
        let (red_cr, blue_cb) = (fixed(of_red), fixed(of_blue));
        let green_cr = -fixed(red * of_red / green);
        let green_cb = -fixed(blue * of_blue / green);
        let [y_black, y_white, cb_black, cb_white, cr_black, cr_white] = reference;
        let code = |code: i32, black: f32, white: f32, range: f32| {
            let span = if white - black == 0.0 { 1.0 } else { white - black };
            ((code.saturating_sub(black as i32) as f32 * range) / span).clamp(-4096.0, 4096.0) as i32
        };
        let table = |of: &dyn Fn(i32) -> i32| std::array::from_fn(|index| of(index as i32));
        let cr = |index: i32| code(index - 128, cr_black - 128.0, cr_white - 128.0, 127.0);
        let cb = |index: i32| code(index - 128, cb_black - 128.0, cb_white - 128.0, 127.0);
        Self {
            across,
            down,
            drops_last_bytes: false,
            luma: table(&|index| code(index, y_black, y_white, 255.0)),
            red_of_cr: table(&|index| red_cr.wrapping_mul(cr(index)).wrapping_add(HALF) >> 16),
            green_of_cr: table(&|index| green_cr.wrapping_mul(cr(index))),
            green_of_cb: table(&|index| green_cb.wrapping_mul(cb(index)).wrapping_add(HALF)),
            blue_of_cb: table(&|index| blue_cb.wrapping_mul(cb(index)).wrapping_add(HALF) >> 16),
        }
    }

    /// Red, green and blue of a pixel.
    pub(crate) fn rgb(&self, y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let of = |table: &[i32; 256], code: u8| table.get(usize::from(code)).copied().unwrap_or_default();
        let y = of(&self.luma, y);
        let green = of(&self.green_of_cb, cb).wrapping_add(of(&self.green_of_cr, cr)) >> 16;
        [y + of(&self.red_of_cr, cr), y + green, y + of(&self.blue_of_cb, cb)].map(|value| value.clamp(0, 255) as u8)
    }

    /// Number of bytes of a block that count; the others are read as 0.
    ///
    /// libtiff counts bytes by rows of pixels, rounded down. With an odd number of units of 4 x 4 (18 bytes in four rows) side by side, it loses
    /// the last chroma of each row of units. Readers should agree on pixels, so this one does the same.
    fn bytes_read(&self, width: usize, rows: usize) -> usize {
        let unit_bytes = self.across * self.down + 2;
        let row_of_units = width.div_ceil(self.across) * unit_bytes;
        let counted = match self.drops_last_bytes {
            true => row_of_units / self.down * self.down,
            false => row_of_units,
        };
        counted * rows.div_ceil(self.down)
    }

    pub(crate) fn to_rgb(&self, stored: &[u8], width: usize, rows: usize) -> Vec<u8> {
        let mut rgb = vec![0; width * rows * 3];
        let unit_bytes = self.across * self.down + 2;
        let units_across = width.div_ceil(self.across).max(1);
        let read = self.bytes_read(width, rows);
        for (index, unit) in stored.chunks_exact(unit_bytes).enumerate() {
            let (left, top) = (index % units_across * self.across, index / units_across * self.down);
            let (luma, chroma) = unit.split_at(self.across * self.down);
            let [cb, cr] = chroma else { continue };
            let [cb, cr] = [(cb, 2), (cr, 1)].map(|(code, from_end)| {
                let is_read = (index + 1) * unit_bytes - from_end < read;
                if is_read { *code } else { 0 }
            });
            for (place, y) in luma.iter().enumerate() {
                let (column, row) = (left + place % self.across, top + place / self.across);
                if column < width
                    && row < rows
                    && let Some(target) = rgb
                        .get_mut((row * width + column) * 3..)
                        .and_then(<[u8]>::first_chunk_mut)
                {
                    *target = self.rgb(*y, cb, cr);
                }
            }
        }
        rgb
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_is_shared_by_the_luma_samples_of_its_unit() {
        let reference = [0.0, 255.0, 128.0, 255.0, 128.0, 255.0];
        let ycbcr = YCbCr::new([2, 2], [0.299, 0.587, 0.114], reference);
        // There are three columns and one row; the rest of the units is padding.
        let rgb = ycbcr.to_rgb(&[76, 150, 0, 0, 128, 128, 29, 9, 9, 9, 255, 107], 3, 1);
        assert_eq!(rgb, [76, 76, 76, 150, 150, 150, 0, 0, 254]);
        assert_eq!(ycbcr.stored_bytes(3, 1), 12);
    }
}
