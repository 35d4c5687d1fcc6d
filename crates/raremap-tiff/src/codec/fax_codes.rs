//! The code words of ITU-T T.4 and T.6.

use std::sync::OnceLock;

/// No code word is longer.
pub(super) const MAX_CODE_BITS: u32 = 13;
/// White runs of 0 to 63, then of 64 to 1728 in steps of 64: `(length in bits, code)`.
const WHITE: [(u8, u16); 91] = [
    (8, 0x35),
    (6, 0x7),
    (4, 0x7),
    (4, 0x8),
    (4, 0xB),
    (4, 0xC),
    (4, 0xE),
    (4, 0xF),
    (5, 0x13),
    (5, 0x14),
    (5, 0x7),
    (5, 0x8),
    (6, 0x8),
    (6, 0x3),
    (6, 0x34),
    (6, 0x35),
    (6, 0x2A),
    (6, 0x2B),
    (7, 0x27),
    (7, 0xC),
    (7, 0x8),
    (7, 0x17),
    (7, 0x3),
    (7, 0x4),
    (7, 0x28),
    (7, 0x2B),
    (7, 0x13),
    (7, 0x24),
    (7, 0x18),
    (8, 0x2),
    (8, 0x3),
    (8, 0x1A),
    (8, 0x1B),
    (8, 0x12),
    (8, 0x13),
    (8, 0x14),
    (8, 0x15),
    (8, 0x16),
    (8, 0x17),
    (8, 0x28),
    (8, 0x29),
    (8, 0x2A),
    (8, 0x2B),
    (8, 0x2C),
    (8, 0x2D),
    (8, 0x4),
    (8, 0x5),
    (8, 0xA),
    (8, 0xB),
    (8, 0x52),
    (8, 0x53),
    (8, 0x54),
    (8, 0x55),
    (8, 0x24),
    (8, 0x25),
    (8, 0x58),
    (8, 0x59),
    (8, 0x5A),
    (8, 0x5B),
    (8, 0x4A),
    (8, 0x4B),
    (8, 0x32),
    (8, 0x33),
    (8, 0x34),
    (5, 0x1B),
    (5, 0x12),
    (6, 0x17),
    (7, 0x37),
    (8, 0x36),
    (8, 0x37),
    (8, 0x64),
    (8, 0x65),
    (8, 0x68),
    (8, 0x67),
    (9, 0xCC),
    (9, 0xCD),
    (9, 0xD2),
    (9, 0xD3),
    (9, 0xD4),
    (9, 0xD5),
    (9, 0xD6),
    (9, 0xD7),
    (9, 0xD8),
    (9, 0xD9),
    (9, 0xDA),
    (9, 0xDB),
    (9, 0x98),
    (9, 0x99),
    (9, 0x9A),
    (6, 0x18),
    (9, 0x9B),
];

/// Black runs, likewise.
const BLACK: [(u8, u16); 91] = [
    (10, 0x37),
    (3, 0x2),
    (2, 0x3),
    (2, 0x2),
    (3, 0x3),
    (4, 0x3),
    (4, 0x2),
    (5, 0x3),
    (6, 0x5),
    (6, 0x4),
    (7, 0x4),
    (7, 0x5),
    (7, 0x7),
    (8, 0x4),
    (8, 0x7),
    (9, 0x18),
    (10, 0x17),
    (10, 0x18),
    (10, 0x8),
    (11, 0x67),
    (11, 0x68),
    (11, 0x6C),
    (11, 0x37),
    (11, 0x28),
    (11, 0x17),
    (11, 0x18),
    (12, 0xCA),
    (12, 0xCB),
    (12, 0xCC),
    (12, 0xCD),
    (12, 0x68),
    (12, 0x69),
    (12, 0x6A),
    (12, 0x6B),
    (12, 0xD2),
    (12, 0xD3),
    (12, 0xD4),
    (12, 0xD5),
    (12, 0xD6),
    (12, 0xD7),
    (12, 0x6C),
    (12, 0x6D),
    (12, 0xDA),
    (12, 0xDB),
    (12, 0x54),
    (12, 0x55),
    (12, 0x56),
    (12, 0x57),
    (12, 0x64),
    (12, 0x65),
    (12, 0x52),
    (12, 0x53),
    (12, 0x24),
    (12, 0x37),
    (12, 0x38),
    (12, 0x27),
    (12, 0x28),
    (12, 0x58),
    (12, 0x59),
    (12, 0x2B),
    (12, 0x2C),
    (12, 0x5A),
    (12, 0x66),
    (12, 0x67),
    (10, 0xF),
    (12, 0xC8),
    (12, 0xC9),
    (12, 0x5B),
    (12, 0x33),
    (12, 0x34),
    (12, 0x35),
    (13, 0x6C),
    (13, 0x6D),
    (13, 0x4A),
    (13, 0x4B),
    (13, 0x4C),
    (13, 0x4D),
    (13, 0x72),
    (13, 0x73),
    (13, 0x74),
    (13, 0x75),
    (13, 0x76),
    (13, 0x77),
    (13, 0x52),
    (13, 0x53),
    (13, 0x54),
    (13, 0x55),
    (13, 0x5A),
    (13, 0x5B),
    (13, 0x64),
    (13, 0x65),
];

/// Runs of either colour of 1792 to 2560 in steps of 64.
const LONG: [(u8, u16); 13] = [
    (11, 0x8),
    (11, 0xC),
    (11, 0xD),
    (12, 0x12),
    (12, 0x13),
    (12, 0x14),
    (12, 0x15),
    (12, 0x16),
    (12, 0x17),
    (12, 0x1C),
    (12, 0x1D),
    (12, 0x1E),
    (12, 0x1F),
];

/// Runs of one colour by the next [`MAX_CODE_BITS`] bits: `(length of the code, pixels)`, length 0 without a code.
pub(super) struct RunTable(Vec<(u8, u16)>);

impl RunTable {
    pub(super) fn white() -> &'static Self {
        static TABLE: OnceLock<RunTable> = OnceLock::new();
        TABLE.get_or_init(|| Self::new(&WHITE))
    }

    pub(super) fn black() -> &'static Self {
        static TABLE: OnceLock<RunTable> = OnceLock::new();
        TABLE.get_or_init(|| Self::new(&BLACK))
    }

    fn new(codes: &[(u8, u16)]) -> Self {
        let mut table = vec![(0, 0); 1 << MAX_CODE_BITS];
        let short = codes.iter().zip((0..64).chain((64..).step_by(64)));
        let long = LONG.iter().zip((1792..).step_by(64));
        for ((length, code), pixels) in short.chain(long) {
            let free_bits = MAX_CODE_BITS - u32::from(*length);
            let same_prefix = table
                .iter_mut()
                .skip(usize::from(*code) << free_bits)
                .take(1 << free_bits);
            same_prefix.for_each(|entry| *entry = (*length, pixels));
        }
        Self(table)
    }

    /// The code that the next [`MAX_CODE_BITS`] bits begin with.
    pub(super) fn get(&self, next_bits: u32) -> Option<(u32, u32)> {
        let (length, pixels) = self.0.get(next_bits as usize).copied()?;
        (length > 0).then_some((length.into(), pixels.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_the_beginning_of_another_one() {
        for codes in [WHITE, BLACK] {
            let all: Vec<_> = codes.iter().chain(&LONG).collect();
            let covered: u32 = all
                .iter()
                .map(|(length, _)| 1 << (MAX_CODE_BITS - u32::from(*length)))
                .sum();
            let table = RunTable::new(&codes);
            assert_eq!(
                table.0.iter().filter(|(length, _)| *length > 0).count(),
                covered as usize
            );
        }
    }

    #[test]
    fn the_codes_of_the_recommendation_are_found() {
        assert_eq!(RunTable::white().get(0b0_0110_1010_0000), Some((8, 0)));
        assert_eq!(RunTable::black().get(0b11_00000000000), Some((2, 2)));
        assert_eq!(RunTable::white().get(0b0_0000_0011_1111), Some((12, 2560)));
        assert_eq!(RunTable::white().get(1), None);
    }
}
