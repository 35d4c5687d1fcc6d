//! What a step does with the gradients: sharpness, accumulation, clipping, the optimizer itself, and its learning rate.
pub mod accumulate;
mod adamw;
pub mod average;
pub mod clip;
#[cfg(test)]
mod golden;
pub mod parallel;
pub mod precision;
pub mod schedule;
pub mod sharpness;

use std::path::Path;

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdamConfig, GradientsParams, ModuleOptimizer, Optimizer as ParameterOptimizer, OptimizerRecord, SgdConfig,
};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use adamw::AdamW;
use sharpness::Sharpness;

use crate::error::{Result, ensure, failure};

/// The update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Adam with decoupled weight decay (arXiv:1711.05101).
    AdamW,
    /// Adam (arXiv:1412.6980); weight decay is added to the gradient, as in `torch.optim.Adam`.
    Adam,
    /// Stochastic gradient descent with momentum, as `torch.optim.SGD` without dampening; weight decay is added to the
    /// gradient.
    Sgd,
}

/// How weights follow their gradients. Norms and biases do not decay.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerSection {
    /// Update rule.
    pub kind: Kind,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Factor on the learning rate of everything after the encoder: decoder and heads.
    pub head_learning_rate_factor: f64,
    /// Decay of the weights, times the learning rate.
    pub weight_decay: f32,
    /// Decay of the average of gradients, for `adam` and `adamw`.
    pub beta_1: f32,
    /// Decay of the average of squared gradients, for `adam` and `adamw`.
    pub beta_2: f32,
    /// Momentum of `sgd`; 0 for none.
    pub momentum: f64,
    /// Nesterov's momentum, for `sgd`.
    pub nesterov: bool,
    /// Largest joint norm of the gradients; 0 leaves them as they are.
    pub clip_norm: f64,
    /// Batches whose gradients are averaged for one step.
    pub accumulate_steps: usize,
    /// Sharpness-aware minimization around the update rule; absent for a plain step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sharpness: Option<Sharpness>,
}

impl Default for OptimizerSection {
    /// The paper's recipe for pretrained encoders (arXiv:2105.15203, section 4.1), with one rate for all parameters.
    fn default() -> Self {
        Self {
            kind: Kind::AdamW,
            learning_rate: 6e-5,
            head_learning_rate_factor: 1.0,
            weight_decay: 0.01,
            beta_1: 0.9,
            beta_2: 0.999,
            momentum: 0.9,
            nesterov: false,
            clip_norm: 0.0,
            accumulate_steps: 1,
            sharpness: None,
        }
    }
}

impl OptimizerSection {
    /// # Errors
    /// Names the key whose value makes no sense.
    pub fn check(&self) -> Result<()> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let not_negative = |value: f64| value.is_finite() && value >= 0.0;
        ensure!(
            Recipe,
            positive(self.learning_rate),
            "optimizer.learning_rate is {}; it must be positive",
            self.learning_rate
        );
        ensure!(
            Recipe,
            positive(self.head_learning_rate_factor),
            "optimizer.head_learning_rate_factor is {}; it must be positive",
            self.head_learning_rate_factor
        );
        ensure!(
            Recipe,
            not_negative(f64::from(self.weight_decay)),
            "optimizer.weight_decay is {}; it must not be negative",
            self.weight_decay
        );
        for (key, value) in [
            ("beta_1", f64::from(self.beta_1)),
            ("beta_2", f64::from(self.beta_2)),
            ("momentum", self.momentum),
        ] {
            ensure!(
                Recipe,
                (0.0..1.0).contains(&value),
                "optimizer.{key} is {value}; it must be at least 0 and below 1"
            );
        }
        ensure!(
            Recipe,
            !self.nesterov || (self.kind == Kind::Sgd && self.momentum > 0.0),
            "optimizer.nesterov needs optimizer.kind = \"sgd\" and a momentum above 0"
        );
        ensure!(
            Recipe,
            not_negative(self.clip_norm),
            "optimizer.clip_norm is {}; it must not be negative",
            self.clip_norm
        );
        ensure!(
            Recipe,
            self.accumulate_steps > 0,
            "optimizer.accumulate_steps must be at least 1"
        );
        self.sharpness.as_ref().map_or(Ok(()), Sharpness::check)
    }

    /// Checks what [`Self::check`] cannot know without the dataset.
    ///
    /// # Errors
    /// CASM without rare classes, because its radius would never change.
    pub fn check_rare_classes(&self, rare_classes: usize) -> Result<()> {
        let needs_them = self.sharpness.as_ref().is_some_and(Sharpness::needs_rare_classes);
        ensure!(
            Recipe,
            !needs_them || rare_classes > 0,
            "optimizer.sharpness.kind is a CASM, whose radius follows the share of rare classes, but the network has none: no class of the dataset has rare = true, or model.auxiliary_head is false"
        );
        Ok(())
    }
}

/// Parameters that do not decay, by path: scales and shifts of norms, and biases.
const UNDECAYED: &str = r"(^|\.)(gamma|beta|bias)$";
/// The encoder's parameters, by path; every network uses this name. All others, whatever their names, count as decoder and heads.
const ENCODER: &str = r"(^|\.)encoder(\.|$)";

/// An update rule with its state, for a whole network.
#[derive(Clone)]
pub struct Optimizer {
    rule: ModuleOptimizer,
    encoder: ParamGroup,
    head_factor: f64,
}

impl Optimizer {
    /// Makes the optimizer of `section` for a network like `model`.
    ///
    /// # Errors
    /// A head learning-rate factor without a parameter that it applies to.
    pub fn new<M: Module>(section: &OptimizerSection, model: &M) -> Result<Self> {
        let decay = section.weight_decay;
        let rule = match section.kind {
            Kind::AdamW => {
                let rule = |decay| AdamW::new(section.beta_1, section.beta_2, decay);
                grouped(rule(decay), rule(0.0))
            }
            Kind::Adam => {
                let rule = |decay| {
                    AdamConfig::new()
                        .with_beta_1(section.beta_1)
                        .with_beta_2(section.beta_2)
                        .with_epsilon(EPSILON)
                        .with_weight_decay(coupled(decay))
                        .build()
                };
                grouped(rule(decay), rule(0.0))
            }
            Kind::Sgd => {
                // burn dampens by 0.1 unless it is told otherwise; torch does not.
                let momentum = (section.momentum > 0.0).then(|| {
                    MomentumConfig::new()
                        .with_momentum(section.momentum)
                        .with_dampening(0.0)
                        .with_nesterov(section.nesterov)
                });
                let rule = |decay| {
                    SgdConfig::new()
                        .with_momentum(momentum.clone())
                        .with_weight_decay(coupled(decay))
                        .build()
                };
                grouped(rule(decay), rule(0.0))
            }
        }?;
        let encoder = group(ENCODER)?;
        ensure!(
            Recipe,
            section.head_learning_rate_factor == 1.0 || matches_any(model, &encoder),
            "optimizer.head_learning_rate_factor is {}, but the network has no encoder from which its heads could differ",
            section.head_learning_rate_factor
        );
        Ok(Self {
            rule,
            encoder,
            head_factor: section.head_learning_rate_factor,
        })
    }

    /// Moves `model` one step along `gradients` at the learning rate `rate`; parameters without a gradient stay.
    pub fn step<M: Module>(&mut self, rate: f64, model: M, gradients: GradientsParams) -> M {
        let rates = ModuleLrScheduler::new(rate * self.head_factor)
            .with_group(self.encoder.clone(), rate)
            .step();
        self.rule.step(rates, model, gradients)
    }

    /// Writes the state (averages of gradients, counts of steps) to a file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.rule
            .save(path)
            .map_err(|error| failure!(Checkpoint, "cannot write {}: {error}", path.display()))
    }

    /// Restores the state from a file into this optimizer. The state belongs to parameters by their identity, which
    /// the model's file in the checkpoint restores.
    ///
    /// # Errors
    /// A file that cannot be read, or the state of another update rule.
    pub fn load(self, path: &Path) -> Result<Self> {
        let record =
            OptimizerRecord::load(path).map_err(|error| failure!(Checkpoint, "{}: {error}", path.display()))?;
        let tensors = record.len();
        let rule = self.rule.load_record(record);
        // burn leaves out what it cannot use, and would start those averages again.
        ensure!(
            Checkpoint,
            rule.to_record().len() == tensors,
            "{} is not the state of this optimizer",
            path.display()
        );
        Ok(Self { rule, ..self })
    }
}

/// Keeps Adam's quotient finite; torch's value.
const EPSILON: f32 = 1e-8;

fn coupled(decay: f32) -> Option<WeightDecayConfig> {
    (decay > 0.0).then(|| WeightDecayConfig::new(decay))
}

fn grouped<O: ParameterOptimizer>(decayed: O, undecayed: O) -> Result<ModuleOptimizer> {
    Ok(ModuleOptimizer::from(decayed).with_group(group(UNDECAYED)?, undecayed, None))
}

fn group(pattern: &str) -> Result<ParamGroup> {
    ParamGroup::from_regex(pattern).map_err(|error| failure!(Recipe, "{error:?}"))
}

fn matches_any<M: Module>(model: &M, group: &ParamGroup) -> bool {
    let mut search = Search {
        group,
        path: Vec::new(),
        found: false,
    };
    model.visit(&mut search);
    search.found
}

struct Search<'a> {
    group: &'a ParamGroup,
    path: Vec<String>,
    found: bool,
}

impl ModuleVisitor for Search<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found |= self.group.matches(&param.id, Some(&self.path.join(".")));
    }
}

#[cfg(test)]
mod tests {
    use super::golden::{Net, batch, gradients, values};
    use super::*;
    use crate::checkpoint::{load_module, save_module};
    use burn::tensor::Device;

    fn parse(text: &str) -> Result<OptimizerSection> {
        let section: OptimizerSection = toml::from_str(text)?;
        section.check().map(|()| section)
    }

    #[test]
    fn every_kind_can_be_written_and_read() {
        for kind in ["adamw", "adam", "sgd"] {
            let section = parse(&format!("kind = '{kind}'\n[sharpness]\nkind = 'sam'\n")).expect("valid");
            let text = toml::to_string(&section).expect("TOML");
            let again = parse(&text).expect("its own output");
            assert_eq!(again.kind, section.kind);
            assert_eq!(again.sharpness, section.sharpness);
        }
        assert!(parse("").expect("all defaults").sharpness.is_none());
    }

    #[test]
    fn values_without_sense_are_named() {
        for (text, key) in [
            ("learning_rate = 0.0", "optimizer.learning_rate"),
            ("learning_rate = nan", "optimizer.learning_rate"),
            ("head_learning_rate_factor = 0.0", "optimizer.head_learning_rate_factor"),
            ("weight_decay = -1.0", "optimizer.weight_decay"),
            ("beta_2 = 1.0", "optimizer.beta_2"),
            ("momentum = 1.0", "optimizer.momentum"),
            ("nesterov = true", "optimizer.nesterov"),
            ("clip_norm = -1.0", "optimizer.clip_norm"),
            ("accumulate_steps = 0", "optimizer.accumulate_steps"),
            ("kind = 'adamax'", "adamax"),
            ("momentun = 0.9", "momentun"),
            ("[sharpness]\nkind = 'sam'\nradius = -1.0", "optimizer.sharpness.radius"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(format!("{error:#}").contains(key), "{text}: {error:#}");
        }
    }

    #[test]
    fn casm_needs_rare_classes() {
        let section = parse("[sharpness]\nkind = 'casm_rare_density'").expect("valid");
        assert!(section.check_rare_classes(1).is_ok());
        assert!(section.check_rare_classes(0).is_err());
        let section = parse("[sharpness]\nkind = 'sam'").expect("valid");
        assert!(section.check_rare_classes(0).is_ok());
    }

    #[test]
    fn a_head_factor_needs_an_encoder() {
        let device = Device::flex().autodiff();
        let section = OptimizerSection {
            head_learning_rate_factor: 10.0,
            ..OptimizerSection::default()
        };
        let net = Net::init(&device);
        assert!(Optimizer::new(&section, &net).is_ok());
        let error = Optimizer::new(&section, &net.heads)
            .err()
            .expect("a bare convolution has no encoder");
        assert!(error.to_string().contains("head_learning_rate_factor"), "{error}");
    }

    #[test]
    fn a_saved_state_goes_on_bit_for_bit() {
        let device = Device::flex().autodiff();
        let folder = tempfile::tempdir().expect("a folder");
        for kind in [Kind::AdamW, Kind::Adam, Kind::Sgd] {
            let section = OptimizerSection {
                kind,
                learning_rate: 0.05,
                head_learning_rate_factor: 3.0,
                weight_decay: 0.1,
                ..OptimizerSection::default()
            };
            let step = |net: Net, optimizer: &mut Optimizer, index: usize| {
                let (_, gradients) = gradients(&net, &batch(index, &device));
                optimizer.step(section.learning_rate, net, gradients)
            };
            let mut net = Net::init(&device);
            let mut optimizer = Optimizer::new(&section, &net).expect("an optimizer");
            for index in 0..3 {
                net = step(net, &mut optimizer, index);
            }
            let (weights, state) = (folder.path().join("net.bpk"), folder.path().join("state.bpk"));
            save_module(&net, &weights).expect("written");
            optimizer.save(&state).expect("written");
            let mut other = Net::init(&device);
            load_module(&mut other, &weights).expect("read");
            let mut resumed = Optimizer::new(&section, &other)
                .and_then(|fresh| fresh.load(&state))
                .expect("read");
            for index in 3..6 {
                net = step(net, &mut optimizer, index);
                other = step(other, &mut resumed, index);
            }
            assert_eq!(values(&net), values(&other), "{kind:?}");
        }
    }

    #[test]
    fn the_state_of_another_rule_is_refused() {
        let device = Device::flex().autodiff();
        let net = Net::init(&device);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("optimizer.bpk");
        let mut optimizer = Optimizer::new(&OptimizerSection::default(), &net).expect("an optimizer");
        let (_, gradients) = gradients(&net, &batch(0, &device));
        let net = optimizer.step(0.1, net, gradients);
        optimizer.save(&path).expect("written");
        let sgd = OptimizerSection {
            kind: Kind::Sgd,
            ..OptimizerSection::default()
        };
        let other = Optimizer::new(&sgd, &net).expect("an optimizer");
        let error = other.load(&path).err().expect("AdamW's state");
        assert!(error.to_string().contains("optimizer.bpk"), "{error}");
    }

    #[test]
    fn a_missing_state_is_named() {
        let net = Net::init(&Device::flex().autodiff());
        let optimizer = Optimizer::new(&OptimizerSection::default(), &net).expect("an optimizer");
        let error = optimizer
            .load(Path::new("nowhere/optimizer.bpk"))
            .err()
            .expect("no file");
        assert!(error.to_string().contains("nowhere/optimizer.bpk"), "{error}");
    }
}
