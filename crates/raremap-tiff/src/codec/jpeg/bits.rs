//! Huffman tables and the entropy-coded bits of a scan (ITU-T T.81, annexes C and F).

/// Codes of at most this length are found by one look into a table.
const LOOKUP_BITS: u32 = 9;

/// A Huffman table as a decoder needs it.
#[derive(Debug, Clone)]
pub(super) struct HuffmanTable {
    /// `(length, value)` by the next [`LOOKUP_BITS`] bits; length 0 where the code is longer.
    lookup: Vec<(u8, u8)>,
    /// The largest code of each length, -1 without one.
    max_code: [i32; 18],
    /// What to add to a code of each length to get the index of its value.
    value_offset: [i32; 18],
    values: Vec<u8>,
}

impl HuffmanTable {
    /// From the number of codes of each length 1 to 16 and their values in the order of the codes.
    pub(super) fn new(counts: &[u8], values: &[u8]) -> Result<Self, String> {
        let mut max_code = [-1; 18];
        let mut value_offset = [0; 18];
        let mut lookup = vec![(0, 0); 1 << LOOKUP_BITS];
        let (mut code, mut index) = (0i32, 0i32);
        for (length, count) in (1u32..=16).zip(counts) {
            let count = i32::from(*count);
            if code + count > 1 << length {
                return Err("a Huffman table has more codes than fit".into());
            }
            if let Some(offset) = value_offset.get_mut(length as usize) {
                *offset = index - code;
            }
            for _ in 0..count {
                let value = *values.get(index as usize).ok_or("a Huffman table is cut short")?;
                if length <= LOOKUP_BITS {
                    let first = (code << (LOOKUP_BITS - length)) as usize;
                    let same_prefix = lookup.iter_mut().skip(first).take(1 << (LOOKUP_BITS - length));
                    same_prefix.for_each(|entry| *entry = (length as u8, value));
                }
                code += 1;
                index += 1;
            }
            if count > 0
                && let Some(max) = max_code.get_mut(length as usize)
            {
                *max = code - 1;
            }
            code <<= 1;
        }
        Ok(Self {
            lookup,
            max_code,
            value_offset,
            values: values.to_vec(),
        })
    }
}

/// The bits of a scan, most significant first, without stuffed bytes; stops at the next marker.
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    position: usize,
    held: u64,
    held_bits: u32,
    /// Zero bits that were made up behind the end.
    padded_bits: u32,
}

/// Why a scan cannot be decoded.
pub(super) const TRUNCATED: &str = "its JPEG data ends early";

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8], position: usize) -> Self {
        Self {
            data,
            position,
            held: 0,
            held_bits: 0,
            padded_bits: 0,
        }
    }

    /// Has at least 32 bits at hand afterwards; those behind the end are zero.
    fn fill(&mut self) {
        while self.held_bits <= 48 {
            let byte = match (self.data.get(self.position), self.data.get(self.position + 1)) {
                (Some(0xFF), Some(0)) => {
                    self.position += 2;
                    0xFF
                }
                (Some(0xFF), _) | (None, _) => {
                    self.padded_bits += 8;
                    0
                }
                (Some(byte), _) => {
                    self.position += 1;
                    *byte
                }
            };
            self.held = (self.held << 8) | u64::from(byte);
            self.held_bits += 8;
        }
    }

    /// The next `count` (at most 16) bits.
    pub(super) fn bits(&mut self, count: u32) -> Result<i32, &'static str> {
        if count == 0 {
            return Ok(0);
        }
        if self.held_bits < count {
            self.fill();
        }
        let value = (self.held >> (self.held_bits - count)) & ((1 << count) - 1);
        self.skip(count)?;
        Ok(value as i32)
    }

    fn skip(&mut self, count: u32) -> Result<(), &'static str> {
        self.held_bits -= count;
        // Made-up bits are the last ones held: fewer held than made up means that one was used.
        if self.held_bits < self.padded_bits {
            return Err(TRUNCATED);
        }
        Ok(())
    }

    /// The next value by `table`.
    pub(super) fn symbol(&mut self, table: &HuffmanTable) -> Result<u8, &'static str> {
        if self.held_bits < 16 {
            self.fill();
        }
        let ahead = (self.held >> (self.held_bits - LOOKUP_BITS)) & ((1 << LOOKUP_BITS) - 1);
        let (length, value) = table.lookup.get(ahead as usize).copied().unwrap_or_default();
        if length > 0 {
            self.skip(u32::from(length))?;
            return Ok(value);
        }
        for length in LOOKUP_BITS + 1..=16 {
            let code = ((self.held >> (self.held_bits - length)) & ((1 << length) - 1)) as i32;
            if let (Some(max), Some(offset)) = (
                table.max_code.get(length as usize),
                table.value_offset.get(length as usize),
            ) && code <= *max
            {
                self.skip(length)?;
                let index = usize::try_from(code + offset).unwrap_or(usize::MAX);
                return table
                    .values
                    .get(index)
                    .copied()
                    .ok_or("its JPEG data has an invalid code");
            }
        }
        Err("its JPEG data has an invalid code")
    }

    /// A number of `size` bits whose first bit says its sign (T.81, EXTEND).
    pub(super) fn signed(&mut self, size: u32) -> Result<i32, &'static str> {
        let value = self.bits(size)?;
        Ok(if size > 0 && value < 1 << (size - 1) {
            value - (1 << size) + 1
        } else {
            value
        })
    }

    /// Drops the bits up to the next marker, which must be a restart marker, and steps over it.
    pub(super) fn restart(&mut self) -> Result<(), &'static str> {
        let next = self.next_marker();
        match self.data.get(next..next + 2) {
            Some([0xFF, 0xD0..=0xD7]) => {
                *self = Self::new(self.data, next + 2);
                Ok(())
            }
            _ => Err("its JPEG data lacks a restart marker"),
        }
    }

    /// Where the marker behind the bits that were read is; the end of the data where there is none.
    pub(super) fn next_marker(&self) -> usize {
        let mut position = self.position;
        loop {
            match (self.data.get(position), self.data.get(position + 1)) {
                (Some(0xFF), Some(0xFF)) => position += 1,
                (Some(0xFF), Some(0)) => position += 2,
                (Some(0xFF), Some(_)) => return position,
                (Some(_), _) => position += 1,
                (None, _) => return self.data.len(),
            }
        }
    }
}
