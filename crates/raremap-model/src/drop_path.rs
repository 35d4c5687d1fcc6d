//! Stochastic depth (arXiv:1603.09382).

use burn::module::Module;
use burn::tensor::{Distribution, Tensor};

/// While training, drops a residual branch for some samples, and scales the kept ones by the inverse keep probability.
#[derive(Module, Debug)]
pub struct DropPath {
    rate: f64,
}

impl DropPath {
    /// `rate` in 0..1.
    pub const fn new(rate: f64) -> Self {
        Self { rate }
    }

    /// # Shapes
    /// - `branch`, output: `[batch, tokens, channels]`
    pub fn forward(&self, branch: Tensor<3>) -> Tensor<3> {
        let device = branch.device();
        if self.rate == 0.0 || !device.is_autodiff() {
            return branch;
        }
        let keep = 1.0 - self.rate;
        let [batch, ..] = branch.dims();
        let kept: Tensor<3> = Tensor::random([batch, 1, 1], Distribution::Bernoulli(keep), &device);
        let factor = kept.detach().div_scalar(keep).cast(branch.dtype());
        branch * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn inference_keeps_every_branch() {
        let branch = Tensor::<3>::ones([64, 2, 2], &Device::flex());
        let out = DropPath::new(0.9).forward(branch);
        assert_eq!(out.mean().into_scalar::<f32>(), 1.0);
    }

    #[test]
    fn training_drops_whole_samples_and_keeps_the_mean() {
        let device = Device::flex().autodiff();
        device.seed(1);
        let out = DropPath::new(0.25).forward(Tensor::<3>::ones([4000, 2, 1], &device));
        let values = out.into_data().try_to_vec::<f32>().expect("f32");
        for sample in values.chunks(2) {
            assert_eq!(sample[0], sample[1], "a sample is dropped whole");
            assert!(
                sample[0] == 0.0 || (sample[0] - 1.0 / 0.75).abs() < 1e-6,
                "found {}",
                sample[0]
            );
        }
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!((mean - 1.0).abs() < 0.05, "mean {mean}");
    }
}
