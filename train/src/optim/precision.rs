//! Mixed precision (arXiv:1710.03740): forward and backward in half precision, weights and their updates in f32.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{Result, ensure};

/// What the forward and backward passes compute in. The weights that are stored and updated are always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compute {
    /// Single precision.
    #[default]
    F32,
    /// bfloat16: f32's range with 8 bits of precision. It needs no loss scaling.
    Bf16,
    /// IEEE half precision: 11 bits, but gradients under 6e-8 vanish and values over 65504 overflow, hence loss scaling.
    F16,
}

/// Precision of the arithmetic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrecisionSection {
    /// Precision of the forward and backward passes; batch norm, the loss and everything after the gradients stay f32.
    pub compute: Compute,
    /// Factor on the loss that `f16` starts with.
    pub loss_scale: f64,
}

impl Default for PrecisionSection {
    fn default() -> Self {
        Self {
            compute: Compute::F32,
            loss_scale: 65536.0,
        }
    }
}

impl PrecisionSection {
    /// Whether nothing differs from plain f32.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// # Errors
    /// Names the key whose value makes no sense.
    pub fn check(&self) -> Result<()> {
        ensure!(
            Recipe,
            self.loss_scale.is_finite() && self.loss_scale >= 1.0,
            "precision.loss_scale is {}; it must be at least 1",
            self.loss_scale
        );
        Ok(())
    }
}

impl Compute {
    /// The element type, if it is not f32.
    fn half(self) -> Option<FloatDType> {
        match self {
            Self::F32 => None,
            Self::Bf16 => Some(FloatDType::BF16),
            Self::F16 => Some(FloatDType::F16),
        }
    }

    /// # Errors
    /// If the device does not compute in this precision.
    pub fn check_device(self, device: &Device) -> Result<()> {
        if let Some(dtype) = self.half() {
            ensure!(
                Recipe,
                device.supports_dtype(dtype),
                "precision.compute is {}, which the device cannot compute in: use f32",
                self.name()
            );
        }
        Ok(())
    }

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// `model` as the forward and backward passes need it. Its parameters are casts of `model`'s inside the autodiff graph: after the
    /// backward pass, their gradients are found on `model`'s own parameters, in f32. Running statistics are shared with `model`.
    pub fn of_weights<M: Module>(self, model: &M) -> M {
        let copy = model.clone();
        match self.half() {
            None => copy,
            Some(dtype) => copy.map(&mut ToHalf {
                dtype,
                containers: Vec::new(),
            }),
        }
    }

    /// `input`, of any shape, as the weights of [`Self::of_weights`] need it.
    pub fn of_input<const D: usize>(self, input: Tensor<D>) -> Tensor<D> {
        match self.half() {
            None => input,
            Some(dtype) => input.cast(dtype),
        }
    }
}

/// Its statistics are sums over many pixels, and its running ones move by less than half precision can resolve.
const BATCH_NORM: &str = "Struct:BatchNorm";

struct ToHalf {
    dtype: FloatDType,
    containers: Vec<String>,
}

impl ModuleMapper for ToHalf {
    fn enter_module(&mut self, _name: &str, container_type: &str) {
        self.containers.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.containers.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.containers.last().is_some_and(|container| container == BATCH_NORM) {
            return param;
        }
        param.map(|weight| weight.cast(self.dtype))
    }
}

/// Steps without an overflow after which the factor doubles, as in PyTorch's `GradScaler`.
const GROW_AFTER_STEPS: u32 = 2000;

/// The factor on the loss that keeps f16's small gradients from vanishing. An overflow halves it, and 2000 steps without one double it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    factor: f64,
    steps_since_change: u32,
}

impl LossScale {
    /// The recipe's first factor; `None` if the precision needs none.
    pub fn new(section: &PrecisionSection) -> Option<Self> {
        (section.compute == Compute::F16).then_some(Self {
            factor: section.loss_scale,
            steps_since_change: 0,
        })
    }

    /// The factor of the next step.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// Records whether a step's gradients were all finite; if they were not, they must not reach the weights.
    ///
    /// # Errors
    /// If gradients are not finite at a factor of 1, where no smaller one would help.
    pub fn observe(&mut self, is_finite: bool) -> Result<()> {
        ensure!(
            Recipe,
            is_finite || self.factor > 1.0,
            "the gradients overflow f16 even without a factor on the loss: use precision.compute = \"bf16\" or \"f32\""
        );
        self.steps_since_change += 1;
        let change = match is_finite {
            false => (self.factor / 2.0).max(1.0),
            true if self.steps_since_change == GROW_AFTER_STEPS => self.factor * 2.0,
            true => return Ok(()),
        };
        *self = Self {
            factor: change,
            steps_since_change: 0,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::accumulate::scaled;
    use super::*;
    use burn::module::ModuleVisitor;
    use burn::optim::GradientsParams;
    use burn::tensor::Distribution;
    use raremap_model::{Architecture, Network, SegformerConfig, Variant};

    #[test]
    fn the_factor_is_halved_by_an_overflow_and_doubled_by_two_thousand_good_steps() {
        let section = PrecisionSection {
            compute: Compute::F16,
            loss_scale: 4.0,
        };
        let mut scale = LossScale::new(&section).expect("f16 needs one");
        let mut after = |is_finite: bool, steps: usize| {
            (0..steps).for_each(|_| scale.observe(is_finite).expect("there is room"));
            scale.factor()
        };
        assert_eq!(after(false, 1), 2.0);
        assert_eq!(after(true, 1999), 2.0);
        assert_eq!(after(true, 1), 4.0);
        assert_eq!(after(false, 2), 1.0);
        assert!(scale.observe(false).is_err(), "no smaller factor helps");
        for compute in [Compute::F32, Compute::Bf16] {
            assert_eq!(
                LossScale::new(&PrecisionSection {
                    compute,
                    ..section.clone()
                }),
                None
            );
        }
    }

    /// The gradients of a network whose dropout is off, by parameter in the order of the visit.
    fn gradients(model: &Network, input: &Tensor<4>, compute: Compute, factor: f64) -> Vec<Vec<f32>> {
        let logits = compute.of_weights(model).forward(compute.of_input(input.clone()));
        let main = logits.main.cast(FloatDType::F32);
        let auxiliary = logits.auxiliary.expect("a rare class").cast(FloatDType::F32);
        let loss = main.powi_scalar(2).mean() + auxiliary.powi_scalar(2).mean();
        let gradients = GradientsParams::from_grads(loss.mul_scalar(factor).backward(), model);
        let mut read = Read(scaled(model, gradients, 1.0 / factor), Vec::new());
        model.visit(&mut read);
        read.1
    }

    struct Read(GradientsParams, Vec<Vec<f32>>);

    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.0.remove::<D>(param.id) {
                // It is f32 already; the next line would fail otherwise.
                self.1.push(gradient.into_data().try_to_vec::<f32>().expect("f32"));
            }
        }
    }

    /// The norm of the difference, in units of the second's.
    fn difference(found: &[Vec<f32>], expected: &[Vec<f32>]) -> f64 {
        let norm =
            |values: &mut dyn Iterator<Item = f32>| values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        let (found, expected) = (found.concat(), expected.concat());
        assert_eq!(found.len(), expected.len());
        norm(&mut found.iter().zip(&expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied())
    }

    /// [`difference`] of each parameter, from small to large.
    fn differences(found: &[Vec<f32>], expected: &[Vec<f32>]) -> Vec<f64> {
        let one = |(found, expected): (&Vec<f32>, &Vec<f32>)| {
            difference(std::slice::from_ref(found), std::slice::from_ref(expected))
        };
        let mut differences: Vec<f64> = found.iter().zip(expected).map(one).collect();
        differences.sort_by(f64::total_cmp);
        differences
    }

    fn input(device: &Device) -> Tensor<4> {
        Tensor::random([2, 3, 64, 64], Distribution::Normal(0.0, 1.0), device)
    }

    #[test]
    fn gradients_in_half_precision_are_near_those_in_single_and_arrive_in_single() {
        let device = Device::flex().autodiff();
        device.seed(3);
        let segformer = SegformerConfig {
            dims: [8, 8, 20, 16],
            depths: [1; 4],
            decoder_dim: 16,
            dropout: 0.0,
            drop_path: 0.0,
            ..SegformerConfig::new(Variant::B0, 3, 3, 1)
        };
        let model = Architecture::from(segformer).init(&device);
        let input = input(&device);
        let single = gradients(&model, &input, Compute::F32, 1.0);
        let half = |compute, factor| differences(&gradients(&model, &input, compute, factor), &single);
        // This is the middle one: biases whose gradient is 0 by construction, such as the keys', only have rounding errors.
        let median = |differences: &[f64]| differences[differences.len() / 2];
        let (bf16, f16) = (half(Compute::Bf16, 1.0), half(Compute::F16, 1024.0));
        assert!((0.001..0.1).contains(&median(&bf16)), "bf16: {}", median(&bf16));
        assert!((0.001..0.06).contains(&median(&f16)), "f16: {}", median(&f16));
        let lost = |differences: &[f64]| differences.iter().filter(|&&difference| difference > 0.3).count();
        let unscaled = half(Compute::F16, 1.0);
        assert!(
            lost(&f16) < lost(&unscaled),
            "small gradients vanish unless the loss is scaled"
        );
    }

    #[test]
    fn networks_with_batch_norm_and_pooling_run_in_half_precision() {
        let device = Device::flex().autodiff();
        device.seed(3);
        for (family, key, value) in [
            ("unet", "channels", serde_json::json!([4, 6, 8])),
            ("pspnet", "width", serde_json::json!(4)),
        ] {
            let architecture = Architecture::of_family(family, 3, 3, 1).expect("a family");
            let model = architecture.with_field(key, value).expect("a field").init(&device);
            let input = input(&device);
            let single = gradients(&model, &input, Compute::F32, 1.0);
            // The heads' gradients are by far the largest. Flex sums f16 products in f16, over 8192 pixels here.
            for (compute, factor) in [(Compute::Bf16, 1.0), (Compute::F16, 64.0)] {
                let half = gradients(&model, &input, compute, factor);
                let difference = difference(&half, &single);
                assert!(
                    (1e-5..0.15).contains(&difference),
                    "{family}, {compute:?}: {difference}"
                );
            }
        }
    }
}
