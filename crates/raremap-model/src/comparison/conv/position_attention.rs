//! Self-attention over the cells of a map.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::conv_norm::{convolve, pointwise};
use crate::embed::{map_from_tokens, tokens_from_map};

/// Channels per channel of queries and keys (arXiv:1809.02983, section 3.2).
const REDUCTION: usize = 8;

/// Every cell reads every other cell and adds what it found: `y = x + gain * V softmax(Q K^T)^T`, where `gain` is learned and starts at 0
/// (position attention of arXiv:1809.02983, section 3.2).
///
/// Memory grows with the square of the number of cells, so this is for coarse maps.
#[derive(Module, Debug)]
pub struct PositionAttention {
    /// 1 x 1, to an eighth of the channels.
    pub query: Conv2d,
    /// 1 x 1, to an eighth of the channels.
    pub key: Conv2d,
    /// 1 x 1.
    pub value: Conv2d,
    /// `[1]`
    pub gain: Param<Tensor<1>>,
}

impl PositionAttention {
    /// Makes a block for maps of `channels`.
    pub fn init(channels: usize, device: &Device) -> Self {
        let hidden = (channels / REDUCTION).max(1);
        Self {
            query: pointwise([channels, hidden], device),
            key: pointwise([channels, hidden], device),
            value: pointwise([channels, channels], device),
            gain: Initializer::Zeros.init([1], device),
        }
    }

    /// # Shapes
    /// - `map`, output: `[batch, channels, h, w]`
    pub fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = map.dims();
        let query = tokens_from_map(convolve(&self.query, map.clone()));
        let key = tokens_from_map(convolve(&self.key, map.clone()));
        let value = tokens_from_map(convolve(&self.value, map.clone()));
        let found = softmax(query.matmul(key.swap_dims(1, 2)), 2).matmul(value);
        map + map_from_tokens(found, [height, width]) * self.gain.val().reshape([1, 1, 1, 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_equal_scores_every_cell_reads_the_mean() {
        let device = Device::flex();
        let mut block = PositionAttention::init(1, &device);
        let map = || Tensor::<4>::from_data([[[[1.0, 2.0], [3.0, 6.0]]]], &device);
        assert_eq!(
            block.forward(map()).into_data(),
            map().into_data(),
            "nothing is added at first"
        );
        block.query.weight = Initializer::Zeros.init([1, 1, 1, 1], &device);
        block.value.weight = Initializer::Ones.init([1, 1, 1, 1], &device);
        block.gain = Initializer::Constant { value: 0.5 }.init([1], &device);
        let out = block.forward(map()).into_data().try_to_vec::<f32>().expect("f32");
        assert_eq!(out, [2.5, 3.5, 4.5, 7.5]);
    }
}
