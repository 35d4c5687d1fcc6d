//! A plain TIFF writer of its own: every combination of layout that the reader claims, at any size, without sharing a
//! line with the code under test.

use std::io::Write;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Codec {
    None,
    Lzw,
    Deflate,
    PackBits,
}

/// How the values are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stored {
    Unsigned(u32),
    Signed(u32),
    Float(u32),
}

#[derive(Debug, Clone, Copy)]
pub struct Tiny {
    pub big_endian: bool,
    pub big_tiff: bool,
    pub planar: bool,
    /// Tile size, or `None` and the rows of a strip.
    pub tile: Option<(usize, usize)>,
    pub rows_per_strip: usize,
    pub codec: Codec,
    pub predictor: u16,
    pub stored: Stored,
    pub width: usize,
    pub height: usize,
    pub bands: usize,
    /// Blocks that are left out (offset and length 0).
    pub sparse_every: Option<usize>,
}

impl Default for Tiny {
    fn default() -> Self {
        Self {
            big_endian: false,
            big_tiff: false,
            planar: false,
            tile: None,
            rows_per_strip: 4,
            codec: Codec::None,
            predictor: 1,
            stored: Stored::Unsigned(8),
            width: 21,
            height: 19,
            bands: 3,
            sparse_every: None,
        }
    }
}

impl Tiny {
    /// The value of a pixel: within the range of every type, exact in each.
    pub fn value(&self, band: usize, row: usize, column: usize) -> f64 {
        let mixed = (band * 7919 + row * 131 + column * 17) % 120;
        match self.stored {
            Stored::Unsigned(bits) if bits <= 8 => mixed as f64,
            Stored::Unsigned(_) => (mixed * 401) as f64,
            Stored::Signed(8) => mixed as f64 - 60.0,
            Stored::Signed(_) => mixed as f64 * 401.0 - 20_000.0,
            Stored::Float(_) => mixed as f64 * 0.25 - 10.0,
        }
    }

    fn sample(&self, value: f64) -> Vec<u8> {
        let mut little = match self.stored {
            Stored::Unsigned(8) => (value as u8).to_le_bytes().to_vec(),
            Stored::Signed(8) => (value as i8).to_le_bytes().to_vec(),
            Stored::Unsigned(16) => (value as u16).to_le_bytes().to_vec(),
            Stored::Signed(16) => (value as i16).to_le_bytes().to_vec(),
            Stored::Unsigned(32) => (value as u32).to_le_bytes().to_vec(),
            Stored::Signed(32) => (value as i32).to_le_bytes().to_vec(),
            Stored::Float(32) => (value as f32).to_le_bytes().to_vec(),
            Stored::Float(64) => value.to_le_bytes().to_vec(),
            other => panic!("the tiny writer has no {other:?}"),
        };
        if self.big_endian {
            little.reverse();
        }
        little
    }

    /// One row of a block as stored, after the predictor.
    fn row(&self, values: &[f64], stride: usize) -> Vec<u8> {
        let mut samples: Vec<Vec<u8>> = values.iter().map(|value| self.sample(*value)).collect();
        match self.predictor {
            2 => {
                for i in (stride..samples.len()).rev() {
                    let (left, right) = (self.number(&samples[i - stride]), self.number(&samples[i]));
                    let size = samples[i].len();
                    let bytes = right.wrapping_sub(left).to_le_bytes();
                    samples[i] = bytes[..size].to_vec();
                    if self.big_endian {
                        samples[i].reverse();
                    }
                }
                samples.concat()
            }
            3 => {
                if !self.big_endian {
                    samples.iter_mut().for_each(|sample| sample.reverse());
                }
                let size = samples.first().map_or(0, Vec::len);
                let mut planes: Vec<u8> = (0..size).flat_map(|b| samples.iter().map(move |s| s[b])).collect();
                for i in (stride..planes.len()).rev() {
                    planes[i] = planes[i].wrapping_sub(planes[i - stride]);
                }
                planes
            }
            _ => samples.concat(),
        }
    }

    fn number(&self, sample: &[u8]) -> u64 {
        let shift = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if self.big_endian {
            sample.iter().fold(0, shift)
        } else {
            sample.iter().rev().fold(0, shift)
        }
    }

    fn compress(&self, raw: &[u8]) -> Vec<u8> {
        match self.codec {
            Codec::None => raw.to_vec(),
            Codec::Lzw => weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
                .encode(raw)
                .expect("encodes"),
            Codec::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(raw).expect("writes to memory");
                encoder.finish().expect("writes to memory")
            }
            // Literal runs alone are valid PackBits.
            Codec::PackBits => raw
                .chunks(128)
                .flat_map(|run| [&[run.len() as u8 - 1], run].concat())
                .collect(),
        }
    }

    fn blocks(&self) -> Vec<Vec<u8>> {
        let (block_width, block_height) = self.tile.unwrap_or((self.width, self.rows_per_strip));
        let planes = if self.planar { self.bands } else { 1 };
        let stride = if self.planar { 1 } else { self.bands };
        let mut blocks = Vec::new();
        for plane in 0..planes {
            for top in (0..self.height).step_by(block_height) {
                for left in (0..self.width).step_by(block_width) {
                    let rows = if self.tile.is_some() {
                        block_height
                    } else {
                        block_height.min(self.height - top)
                    };
                    let raw: Vec<u8> = (top..top + rows)
                        .flat_map(|row| {
                            let values: Vec<f64> = (left..left + block_width)
                                .flat_map(|column| (0..stride).map(move |band| (column, band.max(plane))))
                                .map(|(column, band)| self.value(band, row, column))
                                .collect();
                            self.row(&values, stride)
                        })
                        .collect();
                    blocks.push(self.compress(&raw));
                }
            }
        }
        blocks
    }

    /// The file; `extra` are more tags: (number, field type, count, value bytes in the file's byte order).
    pub fn encode(&self, extra: &[(u16, u16, u64, Vec<u8>)]) -> Vec<u8> {
        let blocks = self.blocks();
        let header_bytes = if self.big_tiff { 16 } else { 8 };
        let mut body = Vec::new();
        let (mut offsets, mut counts) = (Vec::new(), Vec::new());
        for (index, block) in blocks.iter().enumerate() {
            let is_sparse = self.sparse_every.is_some_and(|every| index % every == 0);
            offsets.push(if is_sparse {
                0
            } else {
                (header_bytes + body.len()) as u64
            });
            counts.push(if is_sparse { 0 } else { block.len() as u64 });
            if !is_sparse {
                body.extend_from_slice(block);
            }
        }
        let (bits, format) = match self.stored {
            Stored::Unsigned(bits) => (bits, 1),
            Stored::Signed(bits) => (bits, 2),
            Stored::Float(bits) => (bits, 3),
        };
        let codec = match self.codec {
            Codec::None => 1,
            Codec::Lzw => 5,
            Codec::Deflate => 8,
            Codec::PackBits => 32773,
        };
        let short = |tag: u16, values: &[u64]| (tag, 3, values.len() as u64, self.numbers(values, 2));
        let wide = |tag: u16, values: &[u64]| {
            let (field_type, size) = if self.big_tiff { (16, 8) } else { (4, 4) };
            (tag, field_type, values.len() as u64, self.numbers(values, size))
        };
        let mut tags = vec![
            short(256, &[self.width as u64]),
            wide(257, &[self.height as u64]),
            short(258, &vec![u64::from(bits); self.bands]),
            short(259, &[codec]),
            short(262, &[1]),
            short(277, &[self.bands as u64]),
            short(284, &[if self.planar { 2 } else { 1 }]),
            short(317, &[u64::from(self.predictor)]),
            short(339, &vec![format; self.bands]),
        ];
        match self.tile {
            Some((width, height)) => tags.extend([
                short(322, &[width as u64]),
                short(323, &[height as u64]),
                wide(324, &offsets),
                wide(325, &counts),
            ]),
            None => tags.extend([
                wide(273, &offsets),
                short(278, &[self.rows_per_strip as u64]),
                wide(279, &counts),
            ]),
        }
        tags.extend_from_slice(extra);
        tags.sort_by_key(|(tag, ..)| *tag);
        self.assemble(body, tags)
    }

    fn numbers(&self, values: &[u64], size: usize) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| {
                let bytes = value.to_le_bytes();
                let mut bytes = bytes[..size].to_vec();
                if self.big_endian {
                    bytes.reverse();
                }
                bytes
            })
            .collect()
    }

    fn assemble(&self, mut body: Vec<u8>, tags: Vec<(u16, u16, u64, Vec<u8>)>) -> Vec<u8> {
        let (header_bytes, word) = if self.big_tiff { (16, 8) } else { (8, 4) };
        let mut entries = Vec::new();
        for (tag, field_type, count, value) in tags {
            entries.extend(self.numbers(&[u64::from(tag)], 2));
            entries.extend(self.numbers(&[u64::from(field_type)], 2));
            entries.extend(self.numbers(&[count], word));
            if value.len() <= word {
                let mut inline = value;
                inline.resize(word, 0);
                entries.extend(inline);
            } else {
                entries.extend(self.numbers(&[(header_bytes + body.len()) as u64], word));
                body.extend(value);
            }
        }
        let entry_bytes = if self.big_tiff { 20 } else { 12 };
        let count = (entries.len() / entry_bytes) as u64;
        let mut file = if self.big_endian {
            b"MM".to_vec()
        } else {
            b"II".to_vec()
        };
        file.extend(self.numbers(&[if self.big_tiff { 43 } else { 42 }], 2));
        if self.big_tiff {
            file.extend(self.numbers(&[8, 0], 2));
        }
        file.extend(self.numbers(&[(header_bytes + body.len()) as u64], word));
        file.extend(body);
        file.extend(self.numbers(&[count], if self.big_tiff { 8 } else { 2 }));
        file.extend(entries);
        file.extend(self.numbers(&[0], word));
        file
    }
}
