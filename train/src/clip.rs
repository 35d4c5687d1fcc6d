//! Gradient clipping by the norm over all parameters.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use raremap_model::Network;

/// Scales all gradients by one factor, so that their joint L2 norm is at most `max_norm` (arXiv:1211.5063).
///
/// The factor stays on the device: nothing is read back.
pub fn clip_global_norm(model: &Network, gradients: GradientsParams, max_norm: f64) -> GradientsParams {
    let mut norm = SquaredNorm {
        gradients: &gradients,
        sum: None,
    };
    model.visit(&mut norm);
    let Some(squared) = norm.sum else { return gradients };
    let factor = squared
        .sqrt()
        .clamp_min(f32::MIN_POSITIVE)
        .recip()
        .mul_scalar(max_norm)
        .clamp_max(1.0);
    let mut scale = Scale { gradients, factor };
    model.visit(&mut scale);
    scale.gradients
}

struct SquaredNorm<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let squares = gradient.powi_scalar(2).sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + squares,
                None => squares,
            });
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: Tensor<1>,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let factor = self.factor.clone().reshape([1; D]);
            self.gradients.register(param.id, gradient * factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use raremap_model::{Architecture, SegformerConfig, Variant};

    fn norm(model: &Network, gradients: &GradientsParams) -> f32 {
        let mut visitor = SquaredNorm { gradients, sum: None };
        model.visit(&mut visitor);
        visitor.sum.expect("gradients").sqrt().into_scalar::<f32>()
    }

    #[test]
    fn the_joint_norm_is_bounded_and_small_gradients_are_left_alone() {
        let device = Device::flex().autodiff();
        let config = SegformerConfig {
            decoder_dim: 8,
            drop_path: 0.0,
            dropout: 0.0,
            ..SegformerConfig::new(Variant::B0, 3, 3, 1)
        };
        let model = Architecture::from(config).init(&device);
        let gradients = || {
            let out = model.forward(Tensor::ones([1, 3, 32, 32], &device));
            GradientsParams::from_grads((out.main + 1.0).powi_scalar(2).sum().backward(), &model)
        };
        let before = norm(&model, &gradients());
        let half = f64::from(before) / 2.0;
        let after = norm(&model, &clip_global_norm(&model, gradients(), half));
        assert!((after - before / 2.0).abs() < before * 1e-4, "{before} became {after}");
        let untouched = norm(&model, &clip_global_norm(&model, gradients(), f64::from(before) * 2.0));
        assert!(
            (untouched - before).abs() < before * 1e-5,
            "{before} became {untouched}"
        );
    }
}
