//! The scans of a frame: sequential and progressive Huffman coding (ITU-T T.81, annexes F and G).

use super::bits::{BitReader, HuffmanTable};
use super::idct::inverse_dct;
use super::parts::{Frame, Tables};

/// Coefficients are coded in this order: `ZIGZAG[k]` is the natural index of the k-th.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// One component of a scan.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanComponent {
    /// Index in the frame.
    pub(super) component: usize,
    pub(super) dc_table: usize,
    pub(super) ac_table: usize,
}

/// What the header of a scan says.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) components: Vec<ScanComponent>,
    /// First and last coefficient of the scan's band, in zigzag order.
    pub(super) spectral: [u8; 2],
    /// The bit position that the previous scan of this band ended with, 0 if this is the first one.
    pub(super) approximation_high: u8,
    /// The bit position of this scan.
    pub(super) approximation_low: u8,
}

/// What is carried from block to block between restarts.
struct State<'a> {
    reader: BitReader<'a>,
    /// DC of the last block of each component of the scan.
    predictions: Vec<i32>,
    /// Blocks that follow without any new coefficient.
    end_of_band_run: u32,
}

/// Decodes the scan whose data begins at `position`; gives where the next marker is.
pub(super) fn decode_scan(
    frame: &mut Frame,
    scan: &Scan,
    tables: &Tables,
    data: &[u8],
    position: usize,
) -> Result<usize, String> {
    let mut state = State {
        reader: BitReader::new(data, position),
        predictions: vec![0; scan.components.len()],
        end_of_band_run: 0,
    };
    let single = match scan.components.as_slice() {
        [alone] => {
            // A scan of one component has its own blocks alone, without those that only fill up an MCU.
            frame
                .components
                .get(alone.component)
                .map(|component| component.own_blocks)
        }
        _ => None,
    };
    let [mcus_across, mcus_down] = single.unwrap_or([frame.mcus_across, frame.mcus_down]);
    let mut until_restart = tables.restart_interval;
    for mcu_row in 0..mcus_down {
        for mcu_column in 0..mcus_across {
            if tables.restart_interval > 0 {
                if until_restart == 0 {
                    state.reader.restart()?;
                    state.predictions.fill(0);
                    state.end_of_band_run = 0;
                    until_restart = tables.restart_interval;
                }
                until_restart -= 1;
            }
            for (slot, of_scan) in scan.components.iter().enumerate() {
                let (across, down) = match (single, frame.components.get(of_scan.component)) {
                    (None, Some(component)) => (component.across, component.down),
                    _ => (1, 1),
                };
                for y in 0..down {
                    for x in 0..across {
                        let block = [mcu_row * down + y, mcu_column * across + x];
                        decode_block(frame, scan, tables, &mut state, (slot, *of_scan), block)?;
                    }
                }
            }
        }
    }
    Ok(state.reader.next_marker())
}

fn decode_block(
    frame: &mut Frame,
    scan: &Scan,
    tables: &Tables,
    state: &mut State<'_>,
    (slot, of_scan): (usize, ScanComponent),
    [row, column]: [usize; 2],
) -> Result<(), String> {
    let (progressive, bits) = (frame.is_progressive, frame.bits);
    let Some(component) = frame.components.get_mut(of_scan.component) else {
        return Ok(());
    };
    let dc_table = || tables.dc.get(of_scan.dc_table).and_then(Option::as_ref).ok_or(NO_TABLE);
    let ac_table = || tables.ac.get(of_scan.ac_table).and_then(Option::as_ref).ok_or(NO_TABLE);
    let mut sequential = [0i16; 64];
    let coefficients = if progressive {
        let index = row * component.blocks_across + column;
        match component.coefficients.get_mut(index) {
            Some(block) => block,
            None => return Ok(()),
        }
    } else {
        &mut sequential
    };
    let reader = &mut state.reader;
    let mut prediction = 0;
    let prediction = state.predictions.get_mut(slot).unwrap_or(&mut prediction);
    let low = u32::from(scan.approximation_low);
    let [first, last] = scan.spectral.map(usize::from);
    match (progressive, first, scan.approximation_high) {
        (false, ..) => {
            let dc = decode_dc(reader, dc_table()?, prediction)?;
            set(coefficients, 0, dc);
            decode_ac(reader, ac_table()?, coefficients)?;
        }
        (true, 0, 0) => {
            let dc = decode_dc(reader, dc_table()?, prediction)?;
            set(coefficients, 0, dc.wrapping_shl(low));
        }
        (true, 0, _) => {
            if reader.bits(1)? == 1
                && let Some(dc) = coefficients.first_mut()
            {
                *dc |= 1i16.wrapping_shl(low);
            }
        }
        (true, _, 0) => first_ac(
            reader,
            ac_table()?,
            coefficients,
            [first, last],
            low,
            &mut state.end_of_band_run,
        )?,
        (true, ..) => refine_ac(
            reader,
            ac_table()?,
            coefficients,
            [first, last],
            low,
            &mut state.end_of_band_run,
        )?,
    }
    if !progressive {
        let samples = inverse_dct(&sequential, &component.quant, bits, component.block_size);
        component.put_block(&samples, [row, column]);
    }
    Ok(())
}

const NO_TABLE: &str = "its JPEG data uses a Huffman table that is not defined";

/// Writes the coefficient at zigzag position `k`.
fn set(coefficients: &mut [i16; 64], k: usize, value: i32) {
    let natural = ZIGZAG.get(k).copied().unwrap_or_default();
    if let Some(target) = coefficients.get_mut(usize::from(natural)) {
        *target = value as i16;
    }
}

fn decode_dc(reader: &mut BitReader<'_>, table: &HuffmanTable, prediction: &mut i32) -> Result<i32, &'static str> {
    let size = u32::from(reader.symbol(table)?);
    if size > 15 {
        return Err("its JPEG data has an invalid coefficient");
    }
    *prediction = prediction.wrapping_add(reader.signed(size)?);
    Ok(*prediction)
}

fn decode_ac(reader: &mut BitReader<'_>, table: &HuffmanTable, block: &mut [i16; 64]) -> Result<(), &'static str> {
    let mut k = 1;
    while k < 64 {
        let symbol = reader.symbol(table)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 {
            if run < 15 {
                break;
            }
            k += 16;
            continue;
        }
        k += run;
        let value = reader.signed(size)?;
        if k < 64 {
            set(block, k, value);
        }
        k += 1;
    }
    Ok(())
}

fn first_ac(
    reader: &mut BitReader<'_>,
    table: &HuffmanTable,
    block: &mut [i16; 64],
    [first, last]: [usize; 2],
    low: u32,
    end_of_band_run: &mut u32,
) -> Result<(), &'static str> {
    if *end_of_band_run > 0 {
        *end_of_band_run -= 1;
        return Ok(());
    }
    let mut k = first;
    while k <= last {
        let symbol = reader.symbol(table)?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 {
            if run < 15 {
                *end_of_band_run = (1 << run) - 1 + reader.bits(run)? as u32;
                break;
            }
            k += 16;
            continue;
        }
        k += run as usize;
        let value = reader.signed(size)?;
        if k <= last {
            set(block, k, value.wrapping_shl(low));
        }
        k += 1;
    }
    Ok(())
}

fn refine_ac(
    reader: &mut BitReader<'_>,
    table: &HuffmanTable,
    block: &mut [i16; 64],
    [first, last]: [usize; 2],
    low: u32,
    end_of_band_run: &mut u32,
) -> Result<(), &'static str> {
    let bit = 1i16.wrapping_shl(low);
    let mut k = first;
    if *end_of_band_run == 0 {
        while k <= last {
            let symbol = reader.symbol(table)?;
            let (mut zeros_left, size) = (u32::from(symbol >> 4), symbol & 15);
            let mut new_value = 0;
            if size != 0 {
                new_value = if reader.bits(1)? == 1 { bit } else { -bit };
            } else if zeros_left < 15 {
                *end_of_band_run = (1 << zeros_left) + reader.bits(zeros_left)? as u32;
                break;
            }
            while k <= last {
                let natural = ZIGZAG.get(k).copied().unwrap_or_default();
                let Some(value) = block.get_mut(usize::from(natural)) else {
                    break;
                };
                if *value != 0 {
                    refine(reader, value, bit)?;
                } else if zeros_left == 0 {
                    *value = new_value;
                    break;
                } else {
                    zeros_left -= 1;
                }
                k += 1;
            }
            k += 1;
        }
    }
    if *end_of_band_run > 0 {
        for natural in ZIGZAG.iter().take(last + 1).skip(k) {
            if let Some(value) = block.get_mut(usize::from(*natural))
                && *value != 0
            {
                refine(reader, value, bit)?;
            }
        }
        *end_of_band_run -= 1;
    }
    Ok(())
}

/// Adds one more bit to a coefficient that is known to be other than zero.
fn refine(reader: &mut BitReader<'_>, value: &mut i16, bit: i16) -> Result<(), &'static str> {
    if reader.bits(1)? == 1 && *value & bit == 0 {
        *value = value.wrapping_add(if *value >= 0 { bit } else { -bit });
    }
    Ok(())
}
