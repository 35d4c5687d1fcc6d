//! Markers, tables and the frame (ITU-T T.81, annex B).

use super::bits::HuffmanTable;
use super::idct::{BlockSize, inverse_dct};
use super::parts::{Component, Frame, Tables};
use super::scan::{Scan, ScanComponent, ZIGZAG, decode_scan};
use crate::codec::CodecError;

/// Scans that one image may have: a progressive file has about ten, a forged one thousands.
const MAX_SCANS: usize = 200;

/// What the frame of a block must look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) width: usize,
    pub(super) height: usize,
    /// A last strip may be coded with more rows than it has.
    pub(super) may_be_higher: bool,
    pub(super) components: usize,
    pub(super) bits: u16,
    /// Whether the transform doubles halved components; otherwise their samples are repeated.
    pub(super) doubles_chroma: bool,
}

impl Tables {
    /// Reads the tables of the JPEGTables tag.
    pub(super) fn read(data: &[u8]) -> Result<Self, CodecError> {
        let mut tables = Tables::default();
        if !data.is_empty() {
            read_stream(&mut tables, data, None)?;
        }
        Ok(tables)
    }

    fn define_quant(&mut self, mut segment: &[u8]) -> Result<(), &'static str> {
        const SHORT: &str = "its quantization table is cut short";
        while let [kind, rest @ ..] = segment {
            let (is_wide, index) = (kind >> 4 != 0, usize::from(kind & 15));
            let (entries, after) = rest.split_at_checked(if is_wide { 128 } else { 64 }).ok_or(SHORT)?;
            let mut table = [0; 64];
            for (k, natural) in ZIGZAG.iter().enumerate() {
                let value = if is_wide {
                    entries.get(2 * k..2 * k + 2).map_or(0, big_endian)
                } else {
                    entries.get(k).map_or(0, |byte| u16::from(*byte))
                };
                if let Some(target) = table.get_mut(usize::from(*natural)) {
                    *target = value;
                }
            }
            *self
                .quant
                .get_mut(index)
                .ok_or("its quantization table has no valid number")? = Some(table);
            segment = after;
        }
        Ok(())
    }

    fn define_huffman(&mut self, mut segment: &[u8]) -> Result<(), String> {
        while let [kind, rest @ ..] = segment {
            let (counts, rest) = rest.split_at_checked(16).ok_or("a Huffman table is cut short")?;
            let total = counts.iter().map(|count| usize::from(*count)).sum();
            let (values, after) = rest.split_at_checked(total).ok_or("a Huffman table is cut short")?;
            let table = HuffmanTable::new(counts, values)?;
            let tables = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables
                .get_mut(usize::from(kind & 15))
                .ok_or("a Huffman table has no valid number")? = Some(table);
            segment = after;
        }
        Ok(())
    }
}

fn big_endian(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |value, byte| (value << 8) | u16::from(*byte))
}

/// Reads markers up to the end of the image; decodes the frame if one is expected.
pub(super) fn read_stream(
    tables: &mut Tables,
    data: &[u8],
    expected: Option<Expected>,
) -> Result<Option<Frame>, CodecError> {
    let mut frame: Option<Frame> = None;
    let mut scans = 0;
    let mut position = match data {
        [0xFF, 0xD8, ..] => 2,
        _ => return Err("its JPEG data does not start as such".into()),
    };
    // The interval does not carry over from the tables of the file.
    tables.restart_interval = 0;
    loop {
        // Fill bytes and stray ones are skipped, as everywhere.
        while data.get(position).is_some_and(|byte| *byte != 0xFF) {
            position += 1;
        }
        while data.get(position) == Some(&0xFF) {
            position += 1;
        }
        let Some(marker) = data.get(position).copied() else {
            break;
        };
        position += 1;
        match marker {
            0x00 | 0x01 | 0xD0..=0xD8 => continue,
            0xD9 => break,
            _ => {}
        }
        let length = data.get(position..position + 2).map_or(0, big_endian);
        let segment = data
            .get(position + 2..position + usize::from(length))
            .ok_or("a segment of its JPEG data is cut short")?;
        position += usize::from(length);
        match (marker, expected) {
            (0xDB, _) => tables.define_quant(segment)?,
            (0xC4, _) => tables.define_huffman(segment)?,
            (0xDD, _) => tables.restart_interval = segment.get(..2).map_or(0, |bytes| big_endian(bytes).into()),
            (0xC0..=0xC2, Some(expected)) if frame.is_none() => {
                frame = Some(Frame::read(segment, marker == 0xC2, expected)?);
            }
            (0xC0..=0xC2, Some(_)) => return Err("its JPEG data has two frames".into()),
            (0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF, _) => {
                return Err(CodecError::Unsupported(match marker {
                    0xC3 => "lossless JPEG",
                    0xC9..=0xCB => "arithmetic coding in JPEG",
                    _ => "hierarchical JPEG",
                }));
            }
            (0xDA, Some(_)) => {
                let frame = frame.as_mut().ok_or("its JPEG data has a scan before the frame")?;
                scans += 1;
                if scans > MAX_SCANS {
                    return Err("its JPEG data has too many scans".into());
                }
                let scan = frame.read_scan_header(segment, tables)?;
                position = decode_scan(frame, &scan, tables, data, position)?;
                if !frame.is_progressive && frame.components.iter().all(|component| component.is_seen) {
                    break;
                }
            }
            _ => {}
        }
    }
    if let Some(frame) = &mut frame {
        if !frame.components.iter().all(|component| component.is_seen) {
            return Err("its JPEG data ends before all bands are there".into());
        }
        if frame.is_progressive {
            frame.transform_coefficients();
        }
    }
    Ok(frame)
}

impl Frame {
    fn read(segment: &[u8], is_progressive: bool, expected: Expected) -> Result<Self, CodecError> {
        let [bits, h1, h2, w1, w2, count, rest @ ..] = segment else {
            return Err("the frame of its JPEG data is cut short".into());
        };
        let (height, width) = (
            usize::from(big_endian(&[*h1, *h2])),
            usize::from(big_endian(&[*w1, *w2])),
        );
        let mismatch = |what: &str, is: usize, should: usize| {
            CodecError::Damaged(format!("its JPEG data has {is} {what} instead of {should}"))
        };
        if usize::from(*count) != expected.components {
            return Err(mismatch("bands", (*count).into(), expected.components));
        }
        if u16::from(*bits) != expected.bits || !matches!(bits, 8 | 12) {
            return Err(mismatch("bits per sample", (*bits).into(), expected.bits.into()));
        }
        if width == 0 || width > expected.width {
            return Err(mismatch("columns", width, expected.width));
        }
        if height == 0 || height > expected.height && !(expected.may_be_higher && width == expected.width) {
            return Err(mismatch("rows", height, expected.height));
        }
        let factors: Vec<[u8; 4]> = rest
            .as_chunks::<3>()
            .0
            .iter()
            .take(expected.components)
            .map(|[id, sampling, table]| [*id, sampling >> 4, sampling & 15, *table])
            .collect();
        let valid = |factor: &[u8; 4]| matches!(factor, [_, 1..=4, 1..=4, 0..=3]);
        if factors.len() < expected.components || !factors.iter().all(valid) {
            return Err("the frame of its JPEG data is invalid".into());
        }
        let largest = |of: usize| {
            factors
                .iter()
                .filter_map(|factor| factor.get(of))
                .max()
                .map_or(1, |max| usize::from(*max))
        };
        let (across, down) = (largest(1), largest(2));
        let (mcus_across, mcus_down) = (width.div_ceil(8 * across), height.div_ceil(8 * down));
        let mut components = Vec::new();
        for [id, component_across, component_down, table] in factors {
            let (h, v) = (usize::from(component_across), usize::from(component_down));
            if !across.is_multiple_of(h) || !down.is_multiple_of(v) {
                return Err(CodecError::Unsupported("JPEG with fractional sampling factors"));
            }
            let (blocks_across, blocks_down) = (mcus_across * h, mcus_down * v);
            // Halved components are doubled by the transform, what is left by repetition.
            let is_doubled = |ratio: usize| expected.doubles_chroma && ratio.is_multiple_of(2);
            let doubled = |ratio: usize| if is_doubled(ratio) { 16 } else { 8 };
            let block_size = BlockSize {
                width: doubled(across / h),
                height: doubled(down / v),
            };
            components.push(Component {
                id,
                across: h,
                down: v,
                quant_table: table.into(),
                quant: [0; 64],
                own_blocks: [(width * h).div_ceil(across * 8), (height * v).div_ceil(down * 8)],
                block_size,
                repeat: [across / h * 8 / block_size.width, down / v * 8 / block_size.height],
                blocks_across,
                blocks_down,
                samples: vec![0; blocks_across * blocks_down * block_size.width * block_size.height],
                coefficients: vec![[0; 64]; if is_progressive { blocks_across * blocks_down } else { 0 }],
                is_seen: false,
            });
        }
        Ok(Self {
            bits: *bits,
            width,
            height,
            is_progressive,
            mcus_across,
            mcus_down,
            components,
        })
    }

    fn read_scan_header(&mut self, segment: &[u8], tables: &Tables) -> Result<Scan, &'static str> {
        const INVALID: &str = "a scan of its JPEG data is invalid";
        let [count, rest @ ..] = segment else {
            return Err(INVALID);
        };
        let (named, rest) = rest.split_at_checked(2 * usize::from(*count)).ok_or(INVALID)?;
        let [first, last, approximation, ..] = rest else {
            return Err(INVALID);
        };
        let mut components = Vec::new();
        for [id, table] in named.as_chunks::<2>().0 {
            let found = self
                .components
                .iter_mut()
                .enumerate()
                .find(|(_, component)| component.id == *id);
            let (index, component) = found.ok_or(INVALID)?;
            if !component.is_seen {
                let quant = tables.quant.get(component.quant_table).copied().flatten();
                component.quant = quant.ok_or("its JPEG data uses a quantization table that is not defined")?;
                component.is_seen = true;
            }
            components.push(ScanComponent {
                component: index,
                dc_table: usize::from(table >> 4),
                ac_table: usize::from(table & 15),
            });
        }
        let is_valid = !self.is_progressive
            || (*first <= *last && *last <= 63 && (*first > 0 || *last == 0) && (*first == 0 || components.len() == 1));
        if components.is_empty() || !is_valid || approximation & 15 > 13 {
            return Err(INVALID);
        }
        Ok(Scan {
            components,
            spectral: [*first, *last],
            approximation_high: approximation >> 4,
            approximation_low: approximation & 15,
        })
    }

    fn transform_coefficients(&mut self) {
        let bits = self.bits;
        for component in &mut self.components {
            let blocks = std::mem::take(&mut component.coefficients);
            for (index, block) in blocks.iter().enumerate() {
                let samples = inverse_dct(block, &component.quant, bits, component.block_size);
                let across = component.blocks_across.max(1);
                component.put_block(&samples, [index / across, index % across]);
            }
            debug_assert_eq!(blocks.len(), component.blocks_across * component.blocks_down);
        }
    }
}
