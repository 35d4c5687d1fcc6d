//! Compares the convolutional families with the same networks in torch, on the golden file of `tests/golden/systems.py`: logits in
//! evaluation mode, deep logits and gradients in training mode.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use raremap_model::{
    Architecture, DeepLabConfig, MaNetConfig, MultipathUNetConfig, Network, PspNetConfig, UNetConfig,
    UNetPlusPlusConfig, Upsampling,
};
use raremap_model::{apply_parameters, parameters_of};
use safetensors::SafeTensors;

const SHAPE: [usize; 4] = [3, 2, 64, 64];
const CLASSES: usize = 3;
const RARE: usize = 2;
/// One value in this many is in the file.
const STEP: usize = 13;
/// Largest difference as a share of the largest value.
const TOLERANCE: f32 = 2e-5;
const GRADIENT_TOLERANCE: f32 = 1e-3;

/// Uniform numbers in 0 to 1, made from integers as in the script.
fn hashed(index: usize) -> f64 {
    let mut x = index as u32;
    for multiplier in [0x7feb_352d, 0x846c_a68b] {
        x ^= x >> 16;
        x = x.wrapping_mul(multiplier);
    }
    f64::from(x ^ (x >> 15)) / 2f64.powi(32)
}

/// The parameter that is `order`-th by name.
fn parameter(order: usize, name: &str, shape: &[usize]) -> TensorData {
    let fan_in: usize = if shape.len() == 2 || name.ends_with("transposed.weight") {
        shape[0]
    } else {
        shape[1..].iter().product()
    };
    let bound = (3.0 / fan_in as f64).sqrt();
    let value = |index: usize| {
        let uniform = hashed(index + order * 65537);
        let value = if name.ends_with("gamma") || name.ends_with("running_var") {
            0.5 + uniform
        } else if shape.len() == 1 {
            uniform - 0.5
        } else {
            (2.0 * uniform - 1.0) * bound
        };
        value as f32
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
    TensorData::new(values, shape.to_vec())
}

fn filled(architecture: &Architecture, device: &Device) -> Network {
    let mut network = architecture.init(device);
    let mut parameters = parameters_of(&network).expect("readable");
    for (order, (name, data)) in parameters.iter_mut().enumerate() {
        *data = parameter(order, name, data.shape());
    }
    apply_parameters(&mut network, &parameters).expect("its own names");
    network
}

fn input(order: usize, device: &Device) -> Tensor<4> {
    let count: usize = SHAPE.iter().product();
    let values = (0..count).map(|index| (4.0 * hashed(index + 1_000_003 * (order + 1)) - 2.0) as f32);
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), SHAPE), device)
}

struct Golden<'a> {
    file: SafeTensors<'a>,
    name: &'a str,
}

impl Golden<'_> {
    fn floats(&self, key: &str) -> Vec<f32> {
        let name = format!("{}.{key}", self.name);
        let view = self
            .file
            .tensor(&name)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        view.data()
            .chunks(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    }

    /// Fails with the largest difference and where it is.
    fn assert_close(&self, key: &str, found: Tensor<4>, tolerance: f32) {
        let found = found.into_data().try_to_vec::<f32>().expect("f32");
        let found: Vec<f32> = found.into_iter().step_by(STEP).collect();
        let expected = self.floats(key);
        assert_eq!(found.len(), expected.len(), "{} {key}: lengths differ", self.name);
        let largest = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
        let distance = |index: usize| (found[index] - expected[index]).abs();
        let worst = (0..found.len())
            .max_by(|&a, &b| distance(a).total_cmp(&distance(b)))
            .expect("not empty");
        println!(
            "{} {key}: largest difference {:e} of {largest}",
            self.name,
            distance(worst)
        );
        assert!(
            distance(worst) <= tolerance * largest,
            "{} {key}: {} instead of {} at kept value {worst}",
            self.name,
            found[worst],
            expected[worst]
        );
    }
}

/// Squares of all gradients, and how many parameters have one.
struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: f32,
    parameters: usize,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.parameters += gradient.shape().num_elements();
            self.sum += gradient.powi_scalar(2).sum().into_scalar::<f32>();
        }
    }
}

fn agrees_with_torch(name: &str, order: usize, architecture: &Architecture) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/systems.safetensors");
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let golden = Golden {
        file: SafeTensors::deserialize(&bytes).expect("safetensors"),
        name,
    };
    let device = Device::flex();
    let logits = filled(architecture, &device).fold().forward(input(order, &device));
    golden.assert_close("main", logits.main, TOLERANCE);
    golden.assert_close("auxiliary", logits.auxiliary.expect("rare classes"), TOLERANCE);

    let device = device.autodiff();
    let network = filled(architecture, &device);
    let input = input(order, &device).require_grad();
    let logits = network.forward(input.clone());
    for (index, deep) in logits.deep.iter().enumerate() {
        golden.assert_close(&format!("deep.{index}"), deep.clone().inner(), TOLERANCE);
    }
    let square = |logits: Tensor<4>| logits.powi_scalar(2).mean();
    let both = square(logits.main) + square(logits.auxiliary.expect("rare classes"));
    let loss = logits.deep.into_iter().map(square).fold(both, |sum, part| sum + part);
    let gradients = loss.backward();
    golden.assert_close(
        "input_gradient",
        input.grad(&gradients).expect("a gradient"),
        GRADIENT_TOLERANCE,
    );
    let gradients = GradientsParams::from_grads(gradients, &network);
    let mut squares = Squares {
        gradients: &gradients,
        sum: 0.0,
        parameters: 0,
    };
    network.visit(&mut squares);
    assert_eq!(
        squares.parameters as f32,
        golden.floats("parameters")[0],
        "{name}: parameters"
    );
    let (found, expected) = (squares.sum.sqrt(), golden.floats("gradient_norm")[0]);
    assert!(
        (found / expected - 1.0).abs() < GRADIENT_TOLERANCE,
        "{name}: norm {found} instead of {expected}"
    );
}

fn unet(channels: Vec<usize>, upsampling: Upsampling) -> Architecture {
    let config = UNetConfig {
        channels,
        upsampling,
        residual: true,
        attention_gates: true,
        squeeze_excitation: true,
        aspp_rates: vec![1, 2],
        self_attention: true,
        deep_supervision: true,
        ..UNetConfig::new(SHAPE[1], CLASSES, RARE)
    };
    config.into()
}

#[test]
fn a_unet_with_every_option_and_nearest_upsampling() {
    agrees_with_torch("unet_nearest", 0, &unet(vec![4, 6, 8], Upsampling::Nearest));
}

#[test]
fn a_unet_with_every_option_and_transposed_convolutions() {
    agrees_with_torch("unet_transposed", 1, &unet(vec![4, 6, 6, 8], Upsampling::Transposed));
}

#[test]
fn unet_plus_plus() {
    let config = UNetPlusPlusConfig {
        channels: vec![4, 6, 8, 8],
        deep_supervision: true,
        ..UNetPlusPlusConfig::new(SHAPE[1], CLASSES, RARE)
    };
    agrees_with_torch("unet_plus_plus", 2, &config.into());
}

#[test]
fn the_multipath_unet() {
    let config = MultipathUNetConfig {
        channels: vec![4, 6, 8],
        ..MultipathUNetConfig::new(SHAPE[1], CLASSES, RARE)
    };
    agrees_with_torch("multipath_unet", 3, &config.into());
}

#[test]
fn deeplab() {
    let config = DeepLabConfig {
        width: 4,
        decoder_channels: 8,
        low_level_channels: 4,
        dropout: 0.0,
        ..DeepLabConfig::new(SHAPE[1], CLASSES, RARE)
    };
    agrees_with_torch("deeplab", 4, &config.into());
}

#[test]
fn pspnet() {
    let config = PspNetConfig {
        width: 4,
        deep_supervision: true,
        dropout: 0.0,
        ..PspNetConfig::new(SHAPE[1], CLASSES, RARE)
    };
    agrees_with_torch("pspnet", 5, &config.into());
}

#[test]
fn manet() {
    let config = MaNetConfig {
        width: 4,
        decoder_channels: [12, 8, 6, 4, 4],
        ..MaNetConfig::new(SHAPE[1], CLASSES, RARE)
    };
    agrees_with_torch("manet", 6, &config.into());
}
