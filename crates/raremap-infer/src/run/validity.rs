//! Which pixels of a scene have values.

use std::ops::Range;

/// Whether each pixel of a scene of `[height, width]` has values.
///
/// It takes at most a bit per pixel, and most rows take next to nothing: once a row is [packed](Validity::pack), a row of few runs only
/// keeps the columns where they begin and end.
#[derive(Debug, Clone)]
pub struct Validity {
    width: usize,
    rows: Vec<Row>,
    packed_rows: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Row {
    /// 64 columns per word; empty if none is valid.
    Bits(Box<[u64]>),
    /// Columns at which validity changes, starting from invalid.
    Changes(Box<[u32]>),
}

impl Row {
    fn contains(&self, x: usize) -> bool {
        match self {
            Self::Bits(words) => words.get(x / 64).is_some_and(|word| word & (1 << (x % 64)) != 0),
            Self::Changes(changes) => changes.partition_point(|change| *change as usize <= x) % 2 == 1,
        }
    }
}

impl Validity {
    /// A map without a valid pixel.
    pub fn new([height, width]: [usize; 2]) -> Self {
        Self {
            width,
            rows: vec![Row::Bits(Box::default()); height],
            packed_rows: 0,
        }
    }

    /// Largest size of a scene's map in bytes, if its validity changes all the time.
    pub fn needed_bytes([height, width]: [usize; 2]) -> u64 {
        (height as u64).saturating_mul(width.div_ceil(64) as u64 * 8 + size_of::<Row>() as u64)
    }

    /// Marks a pixel as valid; pixels outside the scene are ignored.
    pub fn insert(&mut self, y: usize, x: usize) {
        let Some(row) = self.rows.get_mut(y).filter(|_| x < self.width) else {
            return;
        };
        if matches!(row, Row::Changes(_)) && row.contains(x) {
            return;
        }
        let words = self.width.div_ceil(64);
        if let Row::Bits(bits) = row
            && bits.len() == words
        {
            bits[x / 64] |= 1 << (x % 64);
            return;
        }
        let mut bits = vec![0; words];
        let valid = (0..self.width).filter(|column| *column == x || row.contains(*column));
        valid.for_each(|column| bits[column / 64] |= 1 << (column % 64));
        *row = Row::Bits(bits.into());
    }

    /// Packs the rows above `end`, which will get no more pixels.
    pub fn pack(&mut self, end: usize) {
        let end = end.min(self.rows.len());
        let Some(rows) = self.rows.get_mut(self.packed_rows..end) else {
            return;
        };
        for row in rows {
            let Row::Bits(words) = row else { continue };
            // These are the bits that differ from their left neighbour.
            let mut carried = 0;
            let changes = words.iter().map(|word| {
                let changed = word ^ (word << 1 | carried);
                carried = word >> 63;
                changed
            });
            let changes: Vec<u64> = changes.collect();
            let count: usize = changes.iter().map(|word| word.count_ones() as usize).sum();
            if count < words.len() {
                let columns = (0..64 * words.len()).filter(|x| changes[x / 64] & (1 << (x % 64)) != 0);
                *row = Row::Changes(columns.map(|x| x as u32).collect());
            }
        }
        self.packed_rows = end;
    }

    /// Whether a pixel is valid; no pixel outside the scene is.
    pub fn contains(&self, y: usize, x: usize) -> bool {
        x < self.width && self.rows.get(y).is_some_and(|row| row.contains(x))
    }

    /// Whether any pixel of a part is valid.
    pub fn has_any(&self, rows: Range<usize>, columns: Range<usize>) -> bool {
        rows.into_iter().any(|y| columns.clone().any(|x| self.contains(y, x)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_kept_apart_across_word_and_row_edges() {
        let mut validity = Validity::new([3, 70]);
        let pixels = [(0, 0), (0, 63), (0, 64), (1, 69), (2, 1)];
        for (y, x) in pixels {
            validity.insert(y, x);
        }
        validity.insert(0, 70);
        validity.insert(3, 0);
        assert!(validity.has_any(1..9, 3..99) && validity.has_any(2..3, 1..2));
        assert!(!validity.has_any(1..2, 0..69) && !validity.has_any(2..9, 2..99) && !validity.has_any(0..0, 0..70));
        for y in 0..4 {
            for x in 0..140 {
                assert_eq!(validity.contains(y, x), pixels.contains(&(y, x)), "{x}, {y}");
            }
        }
    }

    #[test]
    fn packing_changes_no_pixel_and_shrinks_rows_of_few_runs() {
        let size = [6, 1000];
        let is_valid = |y: usize, x: usize| match y {
            0 => true,
            1 => (3..=997).contains(&x),
            2 => false,
            3 => x % 2 == 1,
            4 => x < 64 || (128..130).contains(&x) || x == 999,
            _ => x == 0,
        };
        let mut validity = Validity::new(size);
        let pixels = || (0..6).flat_map(|y| (0..1000).map(move |x| (y, x)));
        pixels()
            .filter(|&(y, x)| is_valid(y, x))
            .for_each(|(y, x)| validity.insert(y, x));
        validity.pack(5);
        assert!(pixels().all(|(y, x)| validity.contains(y, x) == is_valid(y, x)));
        let is_small = |row: &Row| matches!(row, Row::Changes(changes) if changes.len() <= 6);
        assert_eq!(
            validity.rows.iter().map(is_small).collect::<Vec<_>>(),
            [true, true, false, false, true, false]
        );
        // Pixels that come late are not lost.
        validity.insert(1, 0);
        assert!(validity.contains(1, 0) && !validity.contains(1, 1) && validity.contains(1, 500));
    }
}
