//! Sharpness-aware minimization takes the gradient at the worst point near the weights, and applies it to the weights.
//!
//! SAM (arXiv:2010.01412) climbs by a fixed radius: `theta+ = theta + e * g / (|g| + eps')`, with |g| over all parameters. CASM
//! lets the radius e follow the share of rare-class pixels in the batch.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::clip::global_norm;
use crate::error::{Result, ensure};

/// What the radius follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharpnessKind {
    /// Nothing: `e = e0`.
    Sam,
    /// `e = e0 (1 + kappa (1 - p_r))`, as published: it climbs farthest for batches without a rare pixel, and hardly varies if p_r is
    /// small.
    CasmAsWritten,
    /// `e = e0 min(cap, kappa p_r / f_r)`: at kappa 1, a batch with the split's own share of rare pixels climbs by e0, a richer one climbs
    /// farther, and one without them takes a plain step.
    CasmRareDensity,
}

/// The ascent before a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sharpness {
    /// What the radius follows.
    pub kind: SharpnessKind,
    /// e0, in the units of the weights' joint L2 norm.
    #[serde(default = "default_radius")]
    pub radius: f64,
    /// How strongly CASM's radius varies.
    #[serde(default = "default_kappa")]
    pub kappa: f64,
    /// Largest radius of `casm_rare_density`, in units of e0.
    #[serde(default = "default_cap")]
    pub cap: f64,
}

/// The SAM paper's choice for most of its experiments.
const fn default_radius() -> f64 {
    0.05
}
const fn default_kappa() -> f64 {
    1.0
}
const fn default_cap() -> f64 {
    2.0
}

impl Sharpness {
    /// # Errors
    /// Names the key whose value makes no sense.
    pub fn check(&self) -> Result<()> {
        for (key, value) in [("radius", self.radius), ("cap", self.cap)] {
            ensure!(
                Recipe,
                value.is_finite() && value > 0.0,
                "optimizer.sharpness.{key} is {value}; it must be positive"
            );
        }
        ensure!(
            Recipe,
            self.kappa.is_finite() && self.kappa >= 0.0,
            "optimizer.sharpness.kappa is {}; it must not be negative",
            self.kappa
        );
        ensure!(
            Recipe,
            self.kappa > 0.0 || self.kind != SharpnessKind::CasmRareDensity,
            "optimizer.sharpness.kappa = 0 leaves casm_rare_density without any ascent"
        );
        Ok(())
    }

    /// Whether the radius depends on rare classes.
    pub fn needs_rare_classes(&self) -> bool {
        self.kind != SharpnessKind::Sam
    }

    /// The radius for a batch in which `rare_share` (p_r, 0 to 1) of the valid pixels are rare, where `split_rare_share` (f_r) of the
    /// training split are ([`rare_share`] counts both). `None` for a plain step, without a second pass.
    pub fn radius_for(&self, rare_share: f64, split_rare_share: f64) -> Option<f64> {
        let radius = match self.kind {
            SharpnessKind::Sam => self.radius,
            SharpnessKind::CasmAsWritten => self.radius * (1.0 + self.kappa * (1.0 - rare_share)),
            SharpnessKind::CasmRareDensity if rare_share > 0.0 => {
                // The split has none but the batch has some, which were pasted. The quotient is infinite, the cap is not.
                self.radius * self.cap.min(self.kappa * rare_share / split_rare_share)
            }
            SharpnessKind::CasmRareDensity => 0.0,
        };
        (radius > 0.0).then_some(radius)
    }
}

/// The share of rare pixels among the valid ones, from counts by class; 0 if there are none.
pub fn rare_share(class_pixels: &[u64], rare: &[usize]) -> f64 {
    let valid: u64 = class_pixels.iter().sum();
    let found: u64 = rare.iter().filter_map(|&class| class_pixels.get(class)).sum();
    if valid == 0 { 0.0 } else { found as f64 / valid as f64 }
}

/// Keeps the ascent finite where all gradients are 0.
const EPSILON: f64 = 1e-12;

/// A copy of `model` at `theta + radius * g / (|g| + 1e-12)`, for the second pass; |g| is over all parameters.
///
/// The copy has the parameters' identities, so that its gradients are those of `model`'s parameters. It has its own running statistics:
/// batch norm normalizes the second pass by the batch, and nothing of that pass reaches `model`. Dropout repeats itself if the device gets
/// the same seed before both passes. The copy does not keep a strategy of gradient checkpointing.
pub fn ascend<M: Module>(model: &M, gradients: &GradientsParams, radius: f64) -> M {
    // This must not be clone(): clones of a batch norm share their running statistics.
    let copy = model.valid();
    let climbed = match global_norm(model, gradients) {
        Some(norm) => copy.map(&mut Ascent {
            gradients,
            factor: norm.add_scalar(EPSILON).recip().mul_scalar(radius),
        }),
        None => copy,
    };
    climbed.train()
}

struct Ascent<'a> {
    gradients: &'a GradientsParams,
    factor: Tensor<1>,
}

impl ModuleMapper for Ascent<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.gradients.get::<D>(param.id) {
            Some(gradient) => param.map(|weight| weight + gradient * self.factor.clone().reshape([1; D])),
            None => param,
        }
    }
}

/// The gradients to step by: those of `pass` at `model`, or, with a radius, those of a second `pass` at the ascended copy. Whatever else
/// the first pass gave (such as its loss) comes with them: it is the one at the weights themselves.
///
/// `pass` runs forward and backward, over all batches of the step if these are accumulated; it sets the device's seed itself, the same one
/// each time. The model's parameters are not touched: stepping it with these gradients is SAM's update.
///
/// # Errors
/// Those of `pass`.
pub fn sharpness_aware<M: Module, T>(
    model: &M,
    radius: Option<f64>,
    mut pass: impl FnMut(&M) -> Result<(T, GradientsParams)>,
) -> Result<(T, GradientsParams)> {
    let (first, gradients) = pass(model)?;
    match radius {
        None => Ok((first, gradients)),
        Some(radius) => {
            let (_, second) = pass(&ascend(model, &gradients, radius))?;
            Ok((first, second))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::{Batch, Net, Weights, batch, gradients, values};
    use super::super::{Optimizer, OptimizerSection};
    use super::*;
    use burn::tensor::Device;
    use raremap_model::{Segformer, SegformerConfig, Variant};

    fn sharpness(kind: SharpnessKind) -> Sharpness {
        Sharpness {
            kind,
            radius: 0.1,
            kappa: 0.5,
            cap: 3.0,
        }
    }

    fn close(found: Option<f64>, expected: f64) {
        let found = found.expect("a radius");
        assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
    }

    #[test]
    fn radii_follow_their_formulas() {
        let sam = sharpness(SharpnessKind::Sam);
        close(sam.radius_for(0.0, 0.0), 0.1);
        close(sam.radius_for(0.7, 0.1), 0.1);
        let written = sharpness(SharpnessKind::CasmAsWritten);
        close(written.radius_for(0.0, 0.1), 0.15);
        close(written.radius_for(0.2, 0.1), 0.14);
        close(written.radius_for(1.0, 0.1), 0.1);
        let density = sharpness(SharpnessKind::CasmRareDensity);
        assert_eq!(density.radius_for(0.0, 0.1), None, "a plain step");
        assert_eq!(density.radius_for(0.0, 0.0), None, "and nothing undefined");
        close(density.radius_for(0.1, 0.1), 0.05);
        close(density.radius_for(0.2, 0.1), 0.1);
        close(density.radius_for(0.9, 0.1), 0.3);
        close(density.radius_for(0.1, 0.0), 0.3);
    }

    #[test]
    fn the_share_of_rare_pixels_is_of_the_valid_ones() {
        assert_eq!(rare_share(&[6, 1, 0, 1], &[1, 3]), 0.25);
        assert_eq!(rare_share(&[6, 2], &[]), 0.0);
        assert_eq!(rare_share(&[0, 0], &[1]), 0.0);
        assert_eq!(rare_share(&[1], &[4]), 0.0, "a class that is not there");
    }

    #[test]
    fn the_ascent_is_along_the_gradient_by_the_radius_over_all_parameters() {
        let weights = Weights::ones();
        let mut gradients = GradientsParams::new();
        gradients.register(weights.first.id, Tensor::<1>::from([3.0, 0.0]));
        gradients.register(weights.second.id, Tensor::<2>::from([[0.0], [-4.0]]));
        let climbed = ascend(&weights, &gradients, 0.5);
        let first = climbed.first.val().inner().into_data();
        let second = climbed.second.val().inner().into_data();
        assert_eq!(first.try_to_vec::<f32>().expect("f32"), [1.3, 1.0]);
        assert_eq!(second.try_to_vec::<f32>().expect("f32"), [1.0, 0.6]);
        assert_eq!(climbed.first.id, weights.first.id);
        assert!(climbed.first.val().is_require_grad());
        let stayed = weights.first.val().inner().into_data();
        assert_eq!(stayed.try_to_vec::<f32>().expect("f32"), [1.0, 1.0]);
    }

    #[test]
    fn zero_gradients_climb_nowhere() {
        let weights = Weights::ones();
        let mut gradients = GradientsParams::new();
        gradients.register(weights.first.id, Tensor::<1>::from([0.0, 0.0]));
        let climbed = ascend(&weights, &gradients, 0.5).first.val().inner().into_data();
        assert_eq!(climbed.try_to_vec::<f32>().expect("f32"), [1.0, 1.0]);
    }

    /// The losses of all passes, and the net after `steps` steps.
    fn train(radius: Option<f64>, steps: usize) -> (Vec<f32>, Net) {
        let device = Device::flex().autodiff();
        let mut net = Net::init(&device);
        let section = OptimizerSection {
            learning_rate: 0.05,
            ..OptimizerSection::default()
        };
        let mut optimizer = Optimizer::new(&section, &net).expect("an optimizer");
        let mut losses = Vec::new();
        for index in 0..steps {
            let batch: Batch = batch(index, &device);
            let pass = |net: &Net| {
                let (loss, gradients) = gradients(net, &batch);
                losses.push(loss);
                Ok((loss, gradients))
            };
            let (loss, gradients) = sharpness_aware(&net, radius, pass).expect("both passes");
            let first = losses.len() - 1 - usize::from(radius.is_some());
            assert_eq!(loss, losses[first], "the loss at the weights, not at the ascended copy");
            net = optimizer.step(section.learning_rate, net, gradients);
        }
        (losses, net)
    }

    #[test]
    fn a_radius_of_0_is_the_plain_step_bit_for_bit() {
        let (plain_losses, plain) = train(None, 5);
        let (losses, net) = train(Some(0.0), 5);
        assert_eq!(losses.len(), 10, "two passes a step");
        assert_eq!(plain_losses, losses.iter().copied().step_by(2).collect::<Vec<_>>());
        assert_eq!(values(&plain), values(&net));
    }

    #[test]
    fn the_ascent_raises_the_loss_of_its_batch() {
        let (losses, _) = train(Some(0.3), 5);
        for pair in losses.chunks(2) {
            assert!(pair[1] > pair[0], "{pair:?}");
        }
    }

    #[test]
    fn a_second_pass_leaves_parameters_and_running_statistics_as_they_were() {
        let device = Device::flex().autodiff();
        let batch = batch(0, &device);
        let (plain, net) = (Net::init(&device), Net::init(&device));
        let (_, _) = gradients(&plain, &batch);
        let (_, first) = gradients(&net, &batch);
        let climbed = ascend(&net, &first, 0.7);
        let (_, _) = gradients(&climbed, &batch);
        assert_eq!(values(&net), values(&plain), "one plain pass");
        assert_ne!(values(&climbed)["running_mean"], values(&net)["running_mean"]);
        // The pass after it continues from there.
        let (_, _) = gradients(&plain, &batch);
        let (_, _) = gradients(&net, &batch);
        assert_eq!(values(&net), values(&plain));
    }

    #[test]
    fn a_whole_network_climbs_and_keeps_its_parameters_and_statistics() {
        let device = Device::flex().autodiff();
        let config = SegformerConfig {
            decoder_dim: 8,
            drop_path: 0.0,
            dropout: 0.0,
            ..SegformerConfig::new(Variant::B0, 3, 3, 1)
        };
        let model = Segformer::init(&config, &device);
        let pixels = Tensor::<4>::from_floats([[[[0.5; 64]; 64], [[-1.0; 64]; 64], [[2.0; 64]; 64]]], &device);
        let pass = |model: &Segformer| {
            let out = model.forward(pixels.clone());
            let auxiliary = out.auxiliary.expect("a rare class");
            let loss = (out.main + 1.0).powi_scalar(2).mean() + (auxiliary - 1.0).powi_scalar(2).mean();
            let value = loss.clone().inner().into_scalar::<f32>();
            (value, GradientsParams::from_grads(loss.backward(), model))
        };
        let running = |model: &Segformer| {
            let mean = model.decoder.batch_norm.running_mean.value_sync().inner();
            mean.into_data().try_to_vec::<f32>().expect("f32")
        };
        let (loss, first) = pass(&model);
        let before = running(&model);
        let climbed = ascend(&model, &first, 0.05);
        let (higher, second) = pass(&climbed);
        assert!(higher > loss, "{higher} after {loss}");
        assert_eq!(
            second.len(),
            first.len(),
            "a gradient for each parameter, by the same identity"
        );
        assert_eq!(running(&model), before);
        assert_ne!(running(&climbed), before);
    }

    #[test]
    fn batches_without_rare_pixels_take_plain_steps_under_rare_density() {
        let radius = sharpness(SharpnessKind::CasmRareDensity).radius_for(0.0, 0.1);
        let (losses, net) = train(radius, 4);
        let (plain_losses, plain) = train(None, 4);
        assert_eq!(losses, plain_losses, "one pass a step");
        assert_eq!(values(&net), values(&plain));
    }
}
