//! Compares ten steps of each optimizer, and the learning rates, with PyTorch's (`tests/golden/optimizers.py`). Also holds the small
//! networks that this module's other tests use.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::optim::GradientsParams;
use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::Value;

use super::clip::{clip_global_norm, global_norm};
use super::schedule::{LearningRateSection, Plateau};
use super::sharpness::{rare_share, sharpness_aware};
use super::{Optimizer, OptimizerSection};
use crate::watch::Mode;

/// Two parameters of different rank.
#[derive(Module, Debug)]
pub struct Weights {
    pub first: Param<Tensor<1>>,
    pub second: Param<Tensor<2>>,
}

impl Weights {
    pub fn ones() -> Self {
        let device = Device::flex().autodiff();
        Self {
            first: Param::from_tensor(Tensor::ones([2], &device)),
            second: Param::from_tensor(Tensor::ones([2, 1], &device)),
        }
    }
}

/// Convolution, batch norm, ReLU, 1 x 1 convolution.
#[derive(Module, Debug)]
pub struct Net {
    pub encoder: Encoder,
    pub heads: Conv2d,
}

/// What comes before the heads.
#[derive(Module, Debug)]
pub struct Encoder {
    conv: Conv2d,
    norm: BatchNorm,
}

/// Pixels `[batch, bands, h, w]` and labels `[batch, 1, h, w]`.
pub struct Batch {
    pixels: Tensor<4>,
    labels: Tensor<4, Int>,
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../tests/golden/optimizers.json")).expect("JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap_or_else(|| panic!("a list, not {value}"));
    list.iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number, not {value}"))
}

fn tensor<const D: usize>(value: &Value, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values: Vec<f32> = numbers(value).into_iter().map(|number| number as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

impl Net {
    /// The golden file's weights.
    pub fn init(device: &Device) -> Self {
        let golden = golden();
        let weights = &golden["weights"];
        let mut conv = Conv2dConfig::new([2, 4], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_bias(false)
            .init(device);
        conv.weight = Param::from_tensor(tensor(&weights["conv"], [4, 2, 3, 3], device));
        let mut norm = BatchNormConfig::new(4).init(device);
        norm.gamma = Param::from_tensor(tensor(&weights["gamma"], [4], device));
        norm.beta = Param::from_tensor(tensor(&weights["beta"], [4], device));
        let mut heads = Conv2dConfig::new([4, 3], [1, 1]).init(device);
        heads.weight = Param::from_tensor(tensor(&weights["head"], [3, 4, 1, 1], device));
        heads.bias = Some(Param::from_tensor(tensor(&weights["head_bias"], [3], device)));
        Self {
            encoder: Encoder { conv, norm },
            heads,
        }
    }

    fn forward(&self, pixels: Tensor<4>) -> Tensor<4> {
        let Encoder { conv, norm } = &self.encoder;
        self.heads.forward(relu(norm.forward(conv.forward(pixels))))
    }
}

/// The golden file's batch `step`, 0 to 9.
pub fn batch(step: usize, device: &Device) -> Batch {
    let golden = golden();
    let labels: Vec<i32> = numbers(&golden["labels"][step])
        .into_iter()
        .map(|label| label as i32)
        .collect();
    Batch {
        pixels: tensor(&golden["pixels"][step], [2, 2, 5, 5], device),
        labels: Tensor::from_data(TensorData::new(labels, [2, 1, 5, 5]), device),
    }
}

/// Cross entropy and its gradients.
pub fn gradients(net: &Net, batch: &Batch) -> (f32, GradientsParams) {
    let logits = net.forward(batch.pixels.clone());
    let loss = log_softmax(logits, 1).gather(1, batch.labels.clone()).mean().neg();
    let value = loss.clone().inner().into_scalar::<f32>();
    (value, GradientsParams::from_grads(loss.backward(), net))
}

/// Everything that training changes, by the golden file's names.
pub fn values(net: &Net) -> BTreeMap<&'static str, Vec<f32>> {
    let net = net.valid();
    let read = |data: TensorData| data.try_to_vec::<f32>().expect("f32");
    let bias = net.heads.bias.as_ref().expect("a bias").val();
    BTreeMap::from([
        ("conv", read(net.encoder.conv.weight.val().into_data())),
        ("gamma", read(net.encoder.norm.gamma.val().into_data())),
        ("beta", read(net.encoder.norm.beta.val().into_data())),
        ("head", read(net.heads.weight.val().into_data())),
        ("head_bias", read(bias.into_data())),
        (
            "running_mean",
            read(net.encoder.norm.running_mean.value_sync().into_data()),
        ),
        (
            "running_var",
            read(net.encoder.norm.running_var.value_sync().into_data()),
        ),
    ])
}

/// A run's settings, as the recipe would hold them.
fn section(golden: &Value, run: &Value) -> OptimizerSection {
    let mut section = run["optimizer"].clone();
    if let Some(betas) = section.as_object_mut().and_then(|keys| keys.remove("betas")) {
        section["beta_1"] = betas[0].clone();
        section["beta_2"] = betas[1].clone();
    }
    for key in ["learning_rate", "head_learning_rate_factor", "clip_norm"] {
        section[key] = golden[key].clone();
    }
    if let Some(sharpness) = run.get("sharpness") {
        section["sharpness"] = sharpness.clone();
    }
    let section: OptimizerSection = serde_json::from_value(section).expect("an optimizer section");
    section.check().expect("sensible");
    section
}

/// Largest difference relative to `1e-2 + |expected|`, and where it is.
struct Worst(f64, String);

impl Worst {
    fn compare(&mut self, found: f64, expected: f64, place: impl FnOnce() -> String) {
        let difference = (found - expected).abs() / (1e-2 + expected.abs());
        if difference.is_nan() || difference > self.0 {
            *self = Self(difference, format!("{}: {found} for {expected}", place()));
        }
    }
}

/// Compares ten steps in float32 with ten in float64.
const TOLERANCE: f64 = 1e-5;

fn assert_ten_steps_agree(name: &str) {
    let golden = golden();
    let run = &golden["runs"][name];
    let section = section(&golden, run);
    let device = Device::flex().autodiff();
    let mut net = Net::init(&device);
    let mut optimizer = Optimizer::new(&section, &net).expect("an optimizer");
    let rare = number(&golden["rare"]) as usize;
    let count = |labels: &Value, counts: &mut [u64]| {
        for label in numbers(labels) {
            counts[label as usize] += 1;
        }
    };
    let mut split = [0; 3];
    for step in 0..10 {
        count(&golden["labels"][step], &mut split);
    }
    let mut worst = Worst(0.0, String::new());
    for step in 0..10 {
        let mut counts = [0; 3];
        count(&golden["labels"][step], &mut counts);
        let radius = section
            .sharpness
            .as_ref()
            .and_then(|sharpness| sharpness.radius_for(rare_share(&counts, &[rare]), rare_share(&split, &[rare])));
        worst.compare(radius.unwrap_or(0.0), number(&run["radii"][step]), || {
            format!("radius of step {step}")
        });
        let batch = batch(step, &device);
        let pass = |net: &Net| {
            let (loss, gradients) = gradients(net, &batch);
            let norm = global_norm(net, &gradients).expect("gradients").into_scalar::<f32>();
            Ok(((loss, norm), gradients))
        };
        let ((loss, norm), gradients) = sharpness_aware(&net, radius, pass).expect("the passes");
        worst.compare(f64::from(loss), number(&run["losses"][step]), || {
            format!("loss of step {step}")
        });
        worst.compare(f64::from(norm), number(&run["norms"][step]), || {
            format!("norm of step {step}")
        });
        let (gradients, _) = clip_global_norm(&net, gradients, section.clip_norm);
        net = optimizer.step(section.learning_rate, net, gradients);
    }
    for (tensor, found) in values(&net) {
        let expected = numbers(&run["final"][tensor]);
        assert_eq!(found.len(), expected.len(), "{tensor}");
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            worst.compare(f64::from(*found), expected, || format!("{tensor}[{index}]"));
        }
    }
    println!("{name}: largest difference {:.2e} in {}", worst.0, worst.1);
    assert!(worst.0 <= TOLERANCE, "{name}: {:.2e} in {}", worst.0, worst.1);
}

#[test]
fn ten_steps_of_adamw_are_torchs() {
    assert_ten_steps_agree("adamw");
}

#[test]
fn ten_steps_of_adam_are_torchs() {
    assert_ten_steps_agree("adam");
}

#[test]
fn ten_steps_of_sgd_are_torchs() {
    assert_ten_steps_agree("sgd_plain");
    assert_ten_steps_agree("sgd");
    assert_ten_steps_agree("sgd_nesterov");
}

#[test]
fn ten_steps_of_sam_are_the_papers() {
    assert_ten_steps_agree("sam");
}

#[test]
fn ten_steps_of_casm_are_their_formulas() {
    assert_ten_steps_agree("casm_as_written");
    assert_ten_steps_agree("casm_rare_density");
}

#[test]
fn learning_rates_are_torchs() {
    let golden = golden();
    let table = &golden["schedules"];
    let warmup = number(&table["warmup_steps"]) as usize;
    for (name, warmup_steps, decay) in [
        ("polynomial", warmup, "kind = 'polynomial'\npower = 0.9"),
        ("cosine", warmup, "kind = 'cosine'\nfloor = 0.1"),
        (
            "one_cycle",
            0,
            "kind = 'one_cycle'\nrising = 0.3\nstart_divisor = 10.0\nend_divisor = 100.0",
        ),
        ("step", 0, "kind = 'step'\nevery_epochs = 2\ngamma = 0.3"),
        ("constant", warmup, "kind = 'constant'"),
    ] {
        let text = format!("warmup_steps = {warmup_steps}\n[decay]\n{decay}");
        let section: LearningRateSection = toml::from_str(&text).expect("a section");
        section.check().expect("sensible");
        let total = number(&table["total_steps"]) as usize;
        let per_epoch = number(&table["steps_per_epoch"]) as usize;
        let schedule = section.schedule(number(&table["peak"]), total, per_epoch);
        let expected = numbers(&table["rates"][name]);
        assert_eq!(expected.len(), total);
        for (step, expected) in expected.into_iter().enumerate() {
            let rate = schedule.rate(step, &Plateau::default());
            assert!(
                (rate - expected).abs() < 1e-12,
                "{name}, step {step}: {rate} for {expected}"
            );
        }
    }
}

#[test]
fn rates_on_a_plateau_are_torchs() {
    let golden = golden();
    let table = &golden["schedules"];
    for case in table["plateaus"].as_array().expect("cases") {
        let text = format!(
            "[decay]\nkind = 'reduce_on_plateau'\nmode = {}\nfactor = 0.5\npatience = 2\nmin_delta = 0.01\nfloor = 0.2",
            case["mode"]
        );
        let section: LearningRateSection = toml::from_str(&text).expect("a section");
        let schedule = section.schedule(number(&table["peak"]), 100, 4);
        let mut plateau = Plateau::default();
        let (metrics, rates) = (numbers(&case["metrics"]), numbers(&case["rates"]));
        assert_eq!(metrics.len(), rates.len());
        for (index, (metric, expected)) in metrics.into_iter().zip(rates).enumerate() {
            schedule.observe(&mut plateau, metric, Mode::Max);
            let rate = schedule.rate(index, &plateau);
            assert!(
                (rate - expected).abs() < 1e-12,
                "evaluation {index}: {rate} for {expected}"
            );
        }
    }
}
