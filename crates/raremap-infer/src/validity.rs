//! Which pixels of a scene have values, one bit each.

/// A bit per pixel of a scene of `[height, width]`.
#[derive(Debug, Clone)]
pub struct Validity {
    width: usize,
    words_per_row: usize,
    words: Vec<u64>,
}

impl Validity {
    /// A map with no valid pixel.
    pub fn new([height, width]: [usize; 2]) -> Self {
        let words_per_row = width.div_ceil(64);
        Self {
            width,
            words_per_row,
            words: vec![0; height * words_per_row],
        }
    }

    /// Bytes that a map of a scene keeps.
    pub fn needed_bytes([height, width]: [usize; 2]) -> u64 {
        (height as u64).saturating_mul(width.div_ceil(64) as u64 * 8)
    }

    /// Marks a pixel as valid; pixels outside the scene are ignored.
    pub fn insert(&mut self, y: usize, x: usize) {
        if x < self.width
            && let Some(word) = self.words.get_mut(y * self.words_per_row + x / 64)
        {
            *word |= 1 << (x % 64);
        }
    }

    /// Whether a pixel is valid; no pixel outside the scene is.
    pub fn contains(&self, y: usize, x: usize) -> bool {
        let word = self.words.get(y * self.words_per_row + x / 64).copied().unwrap_or(0);
        x < self.width && word & (1 << (x % 64)) != 0
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
        for y in 0..4 {
            for x in 0..140 {
                assert_eq!(validity.contains(y, x), pixels.contains(&(y, x)), "{x}, {y}");
            }
        }
    }
}
