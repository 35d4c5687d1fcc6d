//! Undoing predictors, and bringing the samples of a block into this machine's byte order.

use crate::directory::header::ByteOrder;

/// The transformation that was applied to the samples before compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Predictor {
    /// Samples are stored as they are.
    None,
    /// Differences to the left neighbour (TIFF 6.0, section 14).
    Horizontal,
    /// Differences of byte planes (TIFF technical note 3).
    FloatingPoint,
}

/// How the samples of a block's rows are laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowLayout {
    /// Bytes of one row.
    pub(crate) row_bytes: usize,
    /// Bytes of one sample.
    pub(crate) sample_bytes: usize,
    /// Samples from one pixel to the next (bands if chunky, 1 if planar).
    pub(crate) stride: usize,
}

impl RowLayout {
    /// Samples in one row.
    pub(crate) fn samples(self) -> usize {
        self.row_bytes / self.sample_bytes.max(1)
    }
}

impl Predictor {
    /// Turns decoded bytes into samples of native byte order, in place.
    pub(crate) fn undo(self, block: &mut [u8], layout: RowLayout, byte_order: ByteOrder) {
        // The byte planes of the floating point predictor start with the most significant byte in every file.
        if self != Predictor::FloatingPoint {
            to_native(block, layout.sample_bytes, byte_order);
        }
        if self == Predictor::None || layout.row_bytes == 0 {
            return;
        }
        let mut planes = Vec::new();
        for row in block.chunks_exact_mut(layout.row_bytes) {
            match (self, layout.sample_bytes) {
                (Predictor::FloatingPoint, _) => undo_floating_point(row, layout, &mut planes),
                (_, 1) => undo_horizontal(row, layout.stride, |[a]: [u8; 1], [b]| [a.wrapping_add(b)]),
                (_, 2) => undo_horizontal(row, layout.stride, |a, b| {
                    u16::from_ne_bytes(a).wrapping_add(u16::from_ne_bytes(b)).to_ne_bytes()
                }),
                (_, 4) => undo_horizontal(row, layout.stride, |a, b| {
                    u32::from_ne_bytes(a).wrapping_add(u32::from_ne_bytes(b)).to_ne_bytes()
                }),
                (_, 8) => undo_horizontal(row, layout.stride, |a, b| {
                    u64::from_ne_bytes(a).wrapping_add(u64::from_ne_bytes(b)).to_ne_bytes()
                }),
                // The layout refuses other sizes when the file is opened.
                _ => {}
            }
        }
    }
}

fn to_native(block: &mut [u8], sample_bytes: usize, byte_order: ByteOrder) {
    let is_native = (byte_order == ByteOrder::LittleEndian) == cfg!(target_endian = "little");
    if !is_native && sample_bytes > 1 {
        block.chunks_exact_mut(sample_bytes).for_each(<[u8]>::reverse);
    }
}

fn undo_horizontal<const N: usize>(row: &mut [u8], stride: usize, add: impl Fn([u8; N], [u8; N]) -> [u8; N]) {
    let (samples, _) = row.as_chunks_mut::<N>();
    for index in stride..samples.len() {
        let (before, from) = samples.split_at_mut(index);
        if let (Some(left), Some(sample)) = (before.get(index - stride), from.first_mut()) {
            *sample = add(*sample, *left);
        }
    }
}

fn undo_floating_point(row: &mut [u8], layout: RowLayout, planes: &mut Vec<u8>) {
    undo_horizontal(row, layout.stride, |[a]: [u8; 1], [b]| [a.wrapping_add(b)]);
    planes.clear();
    planes.extend_from_slice(row);
    let samples = row.len() / layout.sample_bytes.max(1);
    for (plane_index, plane) in planes
        .chunks_exact(samples.max(1))
        .take(layout.sample_bytes)
        .enumerate()
    {
        let byte = if cfg!(target_endian = "little") {
            layout.sample_bytes - 1 - plane_index
        } else {
            plane_index
        };
        let targets = row.iter_mut().skip(byte).step_by(layout.sample_bytes);
        targets.zip(plane).for_each(|(to, from)| *to = *from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn horizontal_differences_are_summed_per_band() {
        let layout = RowLayout {
            row_bytes: 6,
            sample_bytes: 1,
            stride: 2,
        };
        let mut block = vec![10, 200, 1, 100, 255, 1, 1, 2, 3, 4, 5, 6];
        Predictor::Horizontal.undo(&mut block, layout, ByteOrder::LittleEndian);
        assert_eq!(block, [10, 200, 11, 44, 10, 45, 1, 2, 4, 6, 9, 12]);
    }

    #[test]
    fn horizontal_differences_of_big_endian_words_carry_over_bytes() {
        let layout = RowLayout {
            row_bytes: 6,
            sample_bytes: 2,
            stride: 1,
        };
        let mut block = vec![0x00, 0xFF, 0x00, 0x01, 0xFF, 0xFF];
        Predictor::Horizontal.undo(&mut block, layout, ByteOrder::BigEndian);
        let words: Vec<u16> = block
            .as_chunks::<2>()
            .0
            .iter()
            .map(|word| u16::from_ne_bytes(*word))
            .collect();
        assert_eq!(words, [255, 256, 255]);
    }

    #[test]
    fn floating_point_planes_are_joined_in_both_byte_orders() {
        let values = [1.5f32, -2.25, 1e-3];
        let mut stored = vec![0u8; 12];
        for (i, value) in values.iter().enumerate() {
            for (plane, byte) in value.to_be_bytes().into_iter().enumerate() {
                stored[plane * 3 + i] = byte;
            }
        }
        for i in (1..12).rev() {
            stored[i] = stored[i].wrapping_sub(stored[i - 1]);
        }
        let layout = RowLayout {
            row_bytes: 12,
            sample_bytes: 4,
            stride: 1,
        };
        for byte_order in [ByteOrder::LittleEndian, ByteOrder::BigEndian] {
            let mut block = stored.clone();
            Predictor::FloatingPoint.undo(&mut block, layout, byte_order);
            let floats: Vec<f32> = block
                .as_chunks::<4>()
                .0
                .iter()
                .map(|float| f32::from_ne_bytes(*float))
                .collect();
            assert_eq!(floats, values);
        }
    }
}
