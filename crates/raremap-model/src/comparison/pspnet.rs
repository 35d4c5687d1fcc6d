//! PSPNet, which SegFormer and the U-Nets are compared with.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::comparison::conv::resnet::{ResNet, ResNetConfig};
use crate::config::{check_ends, check_rate};
use crate::conv_norm::{ConvNorm, ConvNormConfig, convolve, dropout, pointwise};
use crate::dual_logits::DualLogits;
use crate::error::ArchitectureError;
use crate::segformer::Heads;
use crate::upsample::upsample_bilinear;

/// Shape of a [`PspNet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PspNetConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the main head.
    pub num_classes: usize,
    /// Channels of the auxiliary head, one per rare class; 0 leaves the head and the attention block out.
    pub num_rare: usize,
    /// Channels of the encoder's first stage; the last has 8 times as many.
    pub width: usize,
    /// Residual blocks per stage of the encoder.
    pub depths: [usize; 4],
    /// Whether the encoder's third stage has a classifier of its own while training (the paper's section 3.3, where its loss has the weight
    /// 0.4).
    pub deep_supervision: bool,
    /// Dropout before the heads.
    pub dropout: f64,
}

/// Cells per edge of the pyramid's levels (arXiv:1612.01105, section 3.2).
const BINS: [usize; 4] = [1, 2, 3, 6];

impl PspNetConfig {
    /// Input pixels per cell of the logits.
    pub const CELL_PX: usize = 8;

    /// The paper's pyramid on a ResNet-18.
    pub const fn new(in_channels: usize, num_classes: usize, num_rare: usize) -> Self {
        Self {
            in_channels,
            num_classes,
            num_rare,
            width: 64,
            depths: [2, 2, 2, 2],
            deep_supervision: false,
            dropout: 0.1,
        }
    }

    const fn encoder(&self) -> ResNetConfig {
        ResNetConfig {
            in_channels: self.in_channels,
            width: self.width,
            depths: self.depths,
            output_stride: Self::CELL_PX,
        }
    }

    /// Checks that the network can be built with every number, and names the first one with which it cannot.
    ///
    /// # Errors
    /// The field's name and what it must be.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        check_ends(self.in_channels, self.num_classes, self.num_rare)?;
        self.encoder().validate()?;
        check_rate("dropout", self.dropout)
    }

    /// A network with random weights. The config must be valid ([`PspNetConfig::validate`]).
    pub fn init(&self, device: &Device) -> PspNet {
        let [_, _, third, deepest] = self.encoder().stage_channels();
        let narrow = deepest / BINS.len();
        let level = |_| ConvNormConfig::new([deepest, narrow], 1).init(device);
        PspNet {
            encoder: self.encoder().init(device),
            pyramid: BINS.iter().map(level).collect(),
            fuse: ConvNormConfig::new([deepest + BINS.len() * narrow, narrow], 3).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
            deep: self
                .deep_supervision
                .then(|| pointwise([third, self.num_classes], device)),
            heads: Heads::init(narrow, self.num_classes, self.num_rare, device),
        }
    }
}

/// Rows of the matrix that averages `from` samples into `to` bins. Bins overlap if the sizes do not divide: bin `i` covers samples `floor(i
/// from / to)` to `ceil((i + 1) from / to)`.
fn pooling_matrix(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0f32; to * from];
    for (bin, row) in values.chunks_mut(from).enumerate() {
        let covered = bin * from / to..((bin + 1) * from).div_ceil(to);
        let share = 1.0 / covered.len() as f32;
        row[covered].fill(share);
    }
    // The matrix is a constant and must not enter the autodiff graph.
    Tensor::from_data(TensorData::new(values, [to, from]), device).detach()
}

/// Means over a grid of `bins x bins`, by two matrix products, which every backend can differentiate.
fn pool_average(map: Tensor<4>, bins: usize) -> Tensor<4> {
    let [_, _, height, width] = map.dims();
    let device = map.device();
    let rows = pooling_matrix(height, bins, &device).cast(map.dtype()).unsqueeze::<4>();
    let columns = pooling_matrix(width, bins, &device).cast(map.dtype());
    let columns = columns.transpose().unsqueeze::<4>();
    rows.matmul(map).matmul(columns)
}

/// PSPNet (arXiv:1612.01105) on a ResNet of basic blocks with output stride 8: the last stage and its means over grids of 1, 2, 3 and 6
/// cells an edge, fused by a 3 x 3 convolution.
///
/// It has 12.6 M parameters with 3 bands, 5 classes and no rare head. Logits have a cell per 8 x 8 pixels, as in the paper before its last
/// upsampling.
#[derive(Module, Debug)]
pub struct PspNet {
    /// Output stride 8.
    pub encoder: ResNet,
    /// 1 x 1, one per grid, to a quarter of the channels.
    pub pyramid: Vec<ConvNorm>,
    /// 3 x 3, of the last stage and all grids.
    pub fuse: ConvNorm,
    dropout: Dropout,
    /// 1 x 1 classifier of the third stage.
    pub deep: Option<Conv2d>,
    /// Both heads.
    pub heads: Heads,
}

impl PspNet {
    /// # Shapes
    /// - `input`: `[batch, in_channels, h, w]`, normalized, h and w multiples of 32
    /// - output: logits with a cell per 8 x 8 pixels, `deep[0]` as well
    pub fn forward(&self, input: Tensor<4>) -> DualLogits {
        let training = input.device().is_autodiff();
        let maps = self.encoder.forward(input);
        let map = maps[4].clone();
        let [_, _, height, width] = map.dims();
        let mut parts = vec![map.clone()];
        for (&bins, level) in BINS.iter().zip(&self.pyramid) {
            let means = level.forward_relu(pool_average(map.clone(), bins));
            parts.push(upsample_bilinear(means, [height, width]));
        }
        let fused = self.fuse.forward_relu(Tensor::cat(parts, 1));
        let deep = self.deep.iter().filter(|_| training);
        DualLogits {
            deep: deep.map(|classifier| convolve(classifier, maps[3].clone())).collect(),
            ..self.heads.forward(dropout(&self.dropout, fused))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::conv::trainable;

    #[test]
    fn on_resnet_18_it_has_these_parameters() {
        let network = PspNetConfig::new(3, 5, 0).init(&Device::flex().autodiff());
        assert_eq!(trainable(&network), 12_620_229);
    }

    #[test]
    fn a_cell_covers_eight_by_eight_pixels() {
        let config = PspNetConfig {
            width: 4,
            depths: [1, 1, 1, 1],
            deep_supervision: true,
            ..PspNetConfig::new(5, 3, 2)
        };
        for (device, deep) in [(Device::flex().autodiff(), 1), (Device::flex(), 0)] {
            let logits = config.init(&device).forward(Tensor::ones([2, 5, 64, 32], &device));
            assert_eq!(logits.main.dims(), [2, 3, 8, 4]);
            assert_eq!(logits.auxiliary.expect("rare classes").dims(), [2, 2, 8, 4]);
            assert_eq!(logits.deep.len(), deep);
        }
    }

    #[test]
    fn bins_cover_every_sample_and_overlap_where_they_must() {
        let device = Device::flex();
        let map = Tensor::<4>::from_data([[[[0.0, 1.0, 2.0, 3.0]]]], &device).expand([1, 1, 3, 4]);
        let of = |bins: usize| {
            pool_average(map.clone(), bins)
                .into_data()
                .try_to_vec::<f32>()
                .expect("f32")
        };
        assert_eq!(of(1), [1.5]);
        assert_eq!(of(2), [0.5, 2.5, 0.5, 2.5]);
        // 4 samples in 3 bins: 0..2, 1..3, 2..4
        assert_eq!(of(3)[..3], [0.5, 1.5, 2.5]);
        // 4 samples in 6 bins: some twice
        assert_eq!(of(6)[..6], [0.0, 0.5, 1.0, 2.0, 2.5, 3.0]);
    }
}
