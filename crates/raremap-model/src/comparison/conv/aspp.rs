//! Atrous spatial pyramid pooling.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::conv_norm::{ConvNorm, ConvNormConfig};

/// Rates for an encoder of output stride 16 (arXiv:1706.05587, section 3.3).
pub const RATES: [usize; 3] = [6, 12, 18];

/// Looks at several scales at once (arXiv:1706.05587, section 3.3): a 1 x 1 convolution, 3 x 3 convolutions at several rates, and the mean
/// of the whole map, side by side, fused by a 1 x 1 convolution. Batch norm and ReLU follow each.
#[derive(Module, Debug)]
pub struct Aspp {
    /// The 1 x 1 convolution, then one per rate.
    pub branches: Vec<ConvNorm>,
    /// 1 x 1 convolution of the mean.
    pub pooled: ConvNorm,
    /// 1 x 1 convolution of all branches.
    pub project: ConvNorm,
}

impl Aspp {
    /// From `from` channels to `to`; each branch has `to` channels.
    pub fn init([from, to]: [usize; 2], rates: &[usize], device: &Device) -> Self {
        let point = ConvNormConfig::new([from, to], 1);
        let dilated = rates
            .iter()
            .map(|&rate| ConvNormConfig::new([from, to], 3).with_dilation(rate));
        let branches: Vec<ConvNorm> = std::iter::once(point)
            .chain(dilated)
            .map(|config| config.init(device))
            .collect();
        Self {
            project: ConvNormConfig::new([(branches.len() + 1) * to, to], 1).init(device),
            branches,
            pooled: point.init(device),
        }
    }

    /// # Shapes
    /// - `map`: `[batch, from, h, w]`
    /// - output: `[batch, to, h, w]`
    pub fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        let [batch, from, height, width] = map.dims();
        let mean = map.clone().reshape([batch, from, height * width]).mean_dim(2);
        let pooled = self.pooled.forward_relu(mean.reshape([batch, from, 1, 1]));
        let [_, to, ..] = pooled.dims();
        let branches = self.branches.iter().map(|branch| branch.forward_relu(map.clone()));
        let parts = branches.chain([pooled.expand([batch, to, height, width])]).collect();
        self.project.forward_relu(Tensor::cat(parts, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_is_a_branch_and_the_size_stays() {
        let device = Device::flex();
        let aspp = Aspp::init([8, 4], &RATES, &device);
        // 1 x 1, three 3 x 3, pooled 1 x 1, projection of 5 * 4 channels; six norms of 4 channels
        let weights = 8 * 4 + 3 * 9 * 8 * 4 + 8 * 4 + 20 * 4;
        assert_eq!(aspp.num_params(), weights + 6 * 4 * 4);
        assert_eq!(aspp.forward(Tensor::ones([2, 8, 2, 6], &device)).dims(), [2, 4, 2, 6]);
    }
}
