//! Computes the norm of the gradients over all parameters, and clips by it.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The joint L2 norm of all gradients, `[1]`, on their device; the caller decides whether to read it back. `None` without gradients.
pub fn global_norm<M: Module>(model: &M, gradients: &GradientsParams) -> Option<Tensor<1>> {
    let mut norm = SquaredNorm { gradients, sum: None };
    model.visit(&mut norm);
    norm.sum.map(Tensor::sqrt)
}

/// Scales all gradients by one factor, so that their joint L2 norm is at most `max_norm` (arXiv:1211.5063); 0 leaves them as they are. Also
/// returns the norm before that ([`global_norm`]), for the log.
///
/// The factor stays on the device: nothing is read back. It is exactly `min(1, max_norm / norm)`; torch's
/// `clip_grad_norm_` adds 1e-6 to the norm.
pub fn clip_global_norm<M: Module>(
    model: &M,
    gradients: GradientsParams,
    max_norm: f64,
) -> (GradientsParams, Option<Tensor<1>>) {
    let norm = global_norm(model, &gradients);
    match &norm {
        Some(length) if max_norm > 0.0 => {
            let inverse = length.clone().clamp_min(f32::MIN_POSITIVE).recip();
            let factor = inverse.mul_scalar(max_norm).clamp_max(1.0);
            let mut scale = Scale { gradients, factor };
            model.visit(&mut scale);
            (scale.gradients, norm)
        }
        _ => (gradients, norm),
    }
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
    use super::super::golden::Weights;
    use super::*;

    fn given(weights: &Weights) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        gradients.register(weights.first.id, Tensor::<1>::from([3.0, 0.0]));
        gradients.register(weights.second.id, Tensor::<2>::from([[0.0], [-4.0]]));
        gradients
    }

    fn read(norm: Option<Tensor<1>>) -> f32 {
        norm.expect("gradients").into_scalar::<f32>()
    }

    #[test]
    fn the_norm_is_over_all_parameters_and_bounds_them_together() {
        let weights = Weights::ones();
        let (gradients, norm) = clip_global_norm(&weights, given(&weights), 2.5);
        assert_eq!(read(norm), 5.0, "3, 4, 5");
        let first = gradients.get::<1>(weights.first.id).expect("kept");
        assert_eq!(first.into_data().try_to_vec::<f32>().expect("f32"), [1.5, 0.0]);
        assert_eq!(read(global_norm(&weights, &gradients)), 2.5);
    }

    #[test]
    fn short_gradients_and_a_bound_of_0_change_nothing() {
        let weights = Weights::ones();
        for bound in [0.0, 5.0, 10.0] {
            let (gradients, norm) = clip_global_norm(&weights, given(&weights), bound);
            assert_eq!(read(norm), 5.0);
            let second = gradients.get::<2>(weights.second.id).expect("kept");
            assert_eq!(second.into_data().try_to_vec::<f32>().expect("f32"), [0.0, -4.0]);
        }
        assert!(clip_global_norm(&weights, GradientsParams::new(), 1.0).1.is_none());
    }

    #[test]
    fn zero_gradients_stay_zero() {
        let weights = Weights::ones();
        let mut gradients = GradientsParams::new();
        gradients.register(weights.first.id, Tensor::<1>::from([0.0, 0.0]));
        let (gradients, _) = clip_global_norm(&weights, gradients, 1.0);
        let first = gradients.get::<1>(weights.first.id).expect("kept");
        assert_eq!(first.into_data().try_to_vec::<f32>().expect("f32"), [0.0, 0.0]);
    }
}
