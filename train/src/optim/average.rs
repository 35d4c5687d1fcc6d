//! Exponential moving average of the weights.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

/// Averaged weights and running statistics, on the model's device, by parameter.
///
/// [`Self::apply`] makes the model in which it is saved, and [`Self::new`] restores it from that.
#[derive(Debug, Clone, Default)]
pub struct Average {
    decay: f64,
    /// Tensors are flattened, because a map holds one rank.
    values: HashMap<ParamId, Tensor<1>>,
}

impl Average {
    /// An average that starts at `model`.
    pub fn new<M: Module>(decay: f64, model: &M) -> Self {
        let mut average = Self {
            decay,
            values: HashMap::new(),
        };
        average.update(model);
        average
    }

    /// Moves the average towards `model`: `a <- decay * a + (1 - decay) * w`.
    pub fn update<M: Module>(&mut self, model: &M) {
        // This needs valid(): until then, a visitor sees the running statistics as they were before the last forward pass.
        model.valid().visit(self);
    }

    /// `model` with the averaged weights, without autodiff.
    pub fn apply<M: Module>(&self, model: &M) -> M {
        // This needs a real copy: a clone would share its running statistics with the model in training.
        model.valid().map(&mut Put(&self.values))
    }
}

impl ModuleVisitor for Average {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let weight = param.val().inner().flatten::<1>(0, D - 1);
        let averaged = match self.values.remove(&param.id) {
            Some(old) => old.mul_scalar(self.decay) + weight.mul_scalar(1.0 - self.decay),
            None => weight,
        };
        self.values.insert(param.id, averaged);
    }
}

struct Put<'a>(&'a HashMap<ParamId, Tensor<1>>);

impl ModuleMapper for Put<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.get(&param.id) {
            Some(value) => param.map(|old| value.clone().reshape(old.shape())),
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::{Net, batch, gradients, values};
    use super::super::{Optimizer, OptimizerSection};
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn the_average_moves_by_one_minus_the_decay_and_the_model_stays() {
        let device = Device::flex().autodiff();
        let net = Net::init(&device);
        let before = values(&net);
        let mut average = Average::new(0.75, &net);
        assert_eq!(values(&average.apply(&net)), before, "it starts at the model");

        let section = OptimizerSection {
            learning_rate: 0.1,
            ..OptimizerSection::default()
        };
        let mut optimizer = Optimizer::new(&section, &net).expect("an optimizer");
        let (_, gradients) = gradients(&net, &batch(0, &device));
        let net = optimizer.step(section.learning_rate, net, gradients);
        average.update(&net);
        let (after, averaged) = (values(&net), values(&average.apply(&net)));
        assert_ne!(after, before);
        assert_eq!(values(&net), after, "applying it leaves the model alone");
        for ((name, averaged), (old, new)) in averaged.iter().zip(before.values().zip(after.values())) {
            for (averaged, (old, new)) in averaged.iter().zip(old.iter().zip(new)) {
                let expected = 0.75 * old + 0.25 * new;
                assert!((averaged - expected).abs() < 1e-6, "{name}: {averaged} for {expected}");
            }
        }
    }

    #[test]
    fn a_restored_average_goes_on_bit_for_bit() {
        let device = Device::flex().autodiff();
        let mut net = Net::init(&device);
        let mut optimizer = Optimizer::new(&OptimizerSection::default(), &net).expect("an optimizer");
        let mut average = Average::new(0.9, &net);
        let mut restored = None;
        for index in 0..6 {
            if index == 3 {
                restored = Some(Average::new(0.9, &average.apply(&net)));
            }
            let (_, gradients) = gradients(&net, &batch(index, &device));
            net = optimizer.step(0.1, net, gradients);
            average.update(&net);
            if let Some(restored) = &mut restored {
                restored.update(&net);
            }
        }
        let restored = restored.expect("restored half way");
        assert_eq!(values(&restored.apply(&net)), values(&average.apply(&net)));
    }
}
