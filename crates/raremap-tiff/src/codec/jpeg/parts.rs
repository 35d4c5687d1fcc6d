//! The parts of a JPEG stream: tables, components and the frame that holds them.

use super::bits::HuffmanTable;
use super::idct::{BlockSamples, BlockSize};

/// Tables that stay in force until they are replaced.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    /// In natural order.
    pub(super) quant: [Option<[u16; 64]>; 4],
    pub(super) dc: [Option<HuffmanTable>; 4],
    pub(super) ac: [Option<HuffmanTable>; 4],
    /// MCUs between restart markers, 0 without them.
    pub(super) restart_interval: u32,
}

/// One component: its geometry and its decoded samples.
#[derive(Debug)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors.
    pub(super) across: usize,
    pub(super) down: usize,
    pub(super) quant_table: usize,
    pub(super) quant: [u16; 64],
    /// Columns and rows of blocks that belong to the image.
    pub(super) own_blocks: [usize; 2],
    /// Size that a block is transformed to.
    pub(super) block_size: BlockSize,
    /// How often a transformed sample is repeated across and down.
    pub(super) repeat: [usize; 2],
    /// Blocks including those that fill up the last MCU.
    pub(super) blocks_across: usize,
    pub(super) blocks_down: usize,
    pub(super) samples: Vec<u16>,
    /// Only in progressive frames.
    pub(super) coefficients: Vec<[i16; 64]>,
    pub(super) is_seen: bool,
}

impl Component {
    fn stride(&self) -> usize {
        self.blocks_across * self.block_size.width
    }

    pub(super) fn put_block(&mut self, block: &BlockSamples, [row, column]: [usize; 2]) {
        let (BlockSize { width, height }, stride) = (self.block_size, self.stride());
        for (y, line) in block.chunks_exact(width).take(height).enumerate() {
            let start = (row * height + y) * stride + column * width;
            if let Some(target) = self.samples.get_mut(start..start + width) {
                target.copy_from_slice(line);
            }
        }
    }

    /// Row `y` of the image.
    pub(super) fn copy_row(&self, y: usize, out: &mut [u16]) {
        let [across, down] = self.repeat;
        let row = self.samples.get(y / down * self.stride()..).unwrap_or_default();
        if across == 1 {
            out.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
            return;
        }
        for (to, from) in out.chunks_mut(across).zip(row) {
            to.fill(*from);
        }
    }
}

/// The image of one strip or tile.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bits: u8,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) is_progressive: bool,
    pub(super) mcus_across: usize,
    pub(super) mcus_down: usize,
    pub(super) components: Vec<Component>,
}
