//! Exponential moving average of the weights.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use raremap_model::Network;

/// Averaged weights and running statistics, on the model's device, by parameter.
#[derive(Debug, Clone, Default)]
pub struct Average {
    decay: f64,
    /// Flattened, because a map holds one rank.
    values: HashMap<ParamId, Tensor<1>>,
}

impl Average {
    /// An average that starts at `model`.
    pub fn new(decay: f64, model: &Network) -> Self {
        let mut average = Self {
            decay,
            values: HashMap::new(),
        };
        average.update(model);
        average
    }

    /// Moves the average towards `model`: `a <- decay * a + (1 - decay) * w`.
    pub fn update(&mut self, model: &Network) {
        model.visit(self);
    }

    /// `model` with the averaged weights, without autodiff.
    pub fn apply(&self, model: &Network) -> Network {
        // A copy of its own: a clone would share its running statistics with the model in training.
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
