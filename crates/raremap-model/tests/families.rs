//! Every family of networks, tiny: it learns, and its weights survive the file.

mod support;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use raremap_model::{
    Architecture, DeepLabConfig, DualLogits, GoldenTile, MaNetConfig, ModelFile, MultipathUNetConfig, Network,
    PspNetConfig, SegformerConfig, UNetConfig, UNetPlusPlusConfig, Upsampling, Variant,
};

const CLASSES: usize = 3;
const RARE: usize = 2;
const EDGE: usize = 32;

fn segformer() -> Architecture {
    let config = SegformerConfig {
        dims: [8, 8, 10, 16],
        depths: [1, 1, 1, 1],
        decoder_dim: 16,
        drop_path: 0.0,
        dropout: 0.0,
        ..SegformerConfig::new(Variant::B0, 3, CLASSES, 1)
    };
    config.into()
}

fn unet_of_b() -> Architecture {
    let config = UNetConfig {
        channels: vec![4, 8, 16],
        residual: true,
        attention_gates: true,
        aspp_rates: vec![1, 2],
        self_attention: true,
        ..UNetConfig::squeezed(3, CLASSES, 1)
    };
    config.into()
}

fn unet_of_d() -> Architecture {
    let config = UNetConfig {
        channels: vec![4, 8, 8, 16],
        attention_gates: true,
        deep_supervision: true,
        ..UNetConfig::new(3, CLASSES, 1)
    };
    config.into()
}

fn multipath_unet() -> Architecture {
    let config = MultipathUNetConfig {
        channels: vec![8, 8],
        ..MultipathUNetConfig::new(3, CLASSES, 1)
    };
    config.into()
}

fn unet_plus_plus() -> Architecture {
    let config = UNetPlusPlusConfig {
        channels: vec![8, 8, 8],
        upsampling: Upsampling::Transposed,
        deep_supervision: true,
        ..UNetPlusPlusConfig::new(3, CLASSES, 1)
    };
    config.into()
}

fn deeplab() -> Architecture {
    let config = DeepLabConfig {
        width: 8,
        depths: [1, 1, 1, 1],
        decoder_channels: 16,
        low_level_channels: 8,
        dropout: 0.0,
        ..DeepLabConfig::new(3, CLASSES, 1)
    };
    config.into()
}

fn pspnet() -> Architecture {
    let config = PspNetConfig {
        width: 8,
        depths: [1, 1, 1, 1],
        deep_supervision: true,
        dropout: 0.0,
        ..PspNetConfig::new(3, CLASSES, 1)
    };
    config.into()
}

fn manet() -> Architecture {
    let config = MaNetConfig {
        width: 8,
        depths: [1, 1, 1, 1],
        decoder_channels: [16, 16, 8, 8, 8],
        ..MaNetConfig::new(3, CLASSES, 1)
    };
    config.into()
}

/// Two images of four quadrants, each quadrant of one class.
const QUADRANTS: [[usize; 4]; 2] = [[0, 1, 2, 0], [1, 2, 0, 1]];

/// The classes on a grid of `edge` cells an edge, `[2, 1, edge, edge]`.
fn labels(edge: usize, device: &Device) -> Tensor<4, Int> {
    let class = |image: usize, cell: usize| QUADRANTS[image][cell / edge / (edge / 2) * 2 + cell % edge / (edge / 2)];
    let values = (0..2).flat_map(|image| (0..edge * edge).map(move |cell| class(image, cell) as i64));
    Tensor::from_data(
        TensorData::new(values.collect::<Vec<i64>>(), [2, 1, edge, edge]),
        device,
    )
}

/// Each class is bright in its own band, under noise.
fn images(device: &Device) -> Tensor<4> {
    let classes = labels(EDGE, device);
    let bands = (0..3).map(|band| classes.clone().equal_scalar(band as i64).float());
    let noise = Tensor::random([2, 3, EDGE, EDGE], Distribution::Normal(0.0, 0.5), device);
    Tensor::cat(bands.collect(), 1) + noise
}

fn cross_entropy(logits: Tensor<4>) -> Tensor<1> {
    let [_, _, edge, _] = logits.dims();
    let labels = labels(edge, &logits.device());
    log_softmax(logits, 1).gather(1, labels).mean().neg()
}

fn loss(logits: DualLogits) -> Tensor<1> {
    let auxiliary = logits.auxiliary.expect("one rare class");
    let [_, _, edge, _] = auxiliary.dims();
    let absent = labels(edge, &auxiliary.device()).not_equal_elem(RARE as i64).float();
    let binary = (log_sigmoid(auxiliary.clone()) - absent * auxiliary).mean().neg();
    let deep = logits.deep.into_iter().map(cross_entropy);
    deep.fold(cross_entropy(logits.main) + binary, |sum, part| sum + part)
}

/// Names of parameters that a gradient should reach and does not.
struct Unreached<'a> {
    gradients: &'a GradientsParams,
    path: Vec<String>,
    found: Vec<String>,
    reached: usize,
}

impl ModuleVisitor for Unreached<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        match self.gradients.get::<D>(param.id) {
            Some(gradient) if gradient.clone().sum().into_scalar::<f32>().is_finite() => self.reached += 1,
            _ => self.found.push(self.path.join(".")),
        }
    }

    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

/// Trains on one batch until the classes are told apart, and checks that the first gradient reaches every parameter.
fn learns_one_batch(architecture: &Architecture, deep: usize) {
    let device = Device::flex().autodiff();
    device.seed(11);
    assert_eq!(architecture.validate(), Ok(()));
    let mut network = architecture.init(&device);
    let mut optimizer = AdamConfig::new().init();
    let images = images(&device);
    let (mut first, mut last) = (f32::NAN, f32::NAN);
    for step in 0..60 {
        let logits = network.forward(images.clone());
        assert_eq!(logits.deep.len(), deep);
        let loss = loss(logits);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        last = loss.into_scalar::<f32>() / (2 + deep) as f32;
        if step == 0 {
            first = last;
            let mut unreached = Unreached {
                gradients: &gradients,
                path: Vec::new(),
                found: Vec::new(),
                reached: 0,
            };
            network.visit(&mut unreached);
            assert!(
                unreached.found.is_empty(),
                "no gradient for {}",
                unreached.found.join(", ")
            );
            assert!(unreached.reached > 20, "{} parameters", unreached.reached);
        }
        network = optimizer.step(0.02, network, gradients);
    }
    println!("{}: loss {first} became {last}", architecture.family());
    assert!(last < 0.1 && first > 0.3, "the loss went from {first} to {last}");
    // What was learned is what runs: batch norm with its running statistics, SegFormer's decoder folded.
    let logits = network.valid().fold().forward(images.inner());
    let [_, _, edge, _] = logits.main.dims();
    assert_eq!(edge, EDGE / architecture.cell_px());
    let right = logits
        .main
        .argmax(1)
        .equal(labels(edge, &Device::flex()))
        .float()
        .mean()
        .into_scalar::<f32>();
    assert!(right > 0.9, "{right} of the cells are right");
}

fn tile_of(network: &Network, architecture: &Architecture) -> GoldenTile {
    let device = Device::flex();
    let input = Tensor::<4>::random([1, 3, EDGE, EDGE], Distribution::Normal(0.0, 1.0), &device);
    let logits = network.clone().fold().forward(input.clone());
    assert_eq!(
        logits.main.dims(),
        [1, CLASSES, EDGE / architecture.cell_px(), EDGE / architecture.cell_px()]
    );
    assert!(logits.deep.is_empty(), "deep logits are for training alone");
    GoldenTile {
        input: input.into_data(),
        main: logits.main.into_data(),
        auxiliary: logits.auxiliary.expect("one rare class").into_data(),
    }
}

/// Writes and reads a file: in float the logits are the same, in int8 close.
fn survives_the_file(architecture: &Architecture) {
    let device = Device::flex();
    device.seed(3);
    let network = architecture.init(&device);
    let golden = tile_of(&network, architecture);
    let exact = Tensor::<4>::from_data(golden.main.clone(), &device);
    let spread = exact.clone().abs().max().into_scalar::<f32>();
    let file = ModelFile::from_model(&network, support::card(architecture.clone()), golden).expect("a file");
    let mut sizes = Vec::new();
    for (int8, share) in [(false, 1e-5), (true, 0.05)] {
        let bytes = file.to_bytes(int8).expect("bytes");
        let read = ModelFile::from_bytes(&bytes).expect("valid");
        assert_eq!(&read.card.architecture, architecture);
        let input = Tensor::<4>::from_data(read.golden.input.clone(), &device);
        let found = read.build(&device).expect("builds").forward(input).main;
        let worst = (found - exact.clone()).abs().max().into_scalar::<f32>();
        println!("{}, int8 {int8}: {worst} of {spread}", architecture.family());
        assert!(
            worst <= share * spread,
            "largest difference {worst} of logits up to {spread}, int8 {int8}"
        );
        sizes.push(bytes.len());
    }
    assert!(sizes[1] < sizes[0], "int8 takes {} bytes, float {}", sizes[1], sizes[0]);
}

/// The tests of a family.
macro_rules! family {
    ($name:ident, $deep:literal) => {
        mod $name {
            #[test]
            fn learns_one_batch() {
                super::learns_one_batch(&super::$name(), $deep);
            }

            #[test]
            fn survives_the_file() {
                super::survives_the_file(&super::$name());
            }
        }
    };
}

family!(segformer, 0);
family!(unet_of_b, 0);
family!(unet_of_d, 2);
family!(multipath_unet, 0);
family!(unet_plus_plus, 1);
family!(deeplab, 0);
family!(pspnet, 1);
family!(manet, 0);
