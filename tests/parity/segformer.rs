//! Compares the network with Hugging Face's on the golden file of `tests/golden`: values to 1e-4, gradients to 1e-3.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use raremap_model::upsample_bilinear;
use raremap_model::{FoldedSegformer, Segformer, SegformerConfig, Variant};
use raremap_model::{from_hugging_face, load_hugging_face};
use safetensors::{Dtype, SafeTensors};

const VALUE_TOLERANCE: f32 = 1e-4;
const GRADIENT_TOLERANCE: f32 = 1e-3;
/// Gradients that are zero in exact arithmetic are compared to this share of the largest gradient of all.
const GRADIENT_FLOOR: f32 = 1e-5;

fn golden_bytes() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/segformer_tiny.safetensors");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn config() -> SegformerConfig {
    SegformerConfig {
        dims: [8, 16, 30, 48],
        decoder_dim: 16,
        drop_path: 0.0,
        dropout: 0.0,
        ..SegformerConfig::new(Variant::B0, 3, 7, 0)
    }
}

fn model(golden: &[u8], device: &Device) -> Segformer {
    let mut model = Segformer::init(&config(), device);
    let golden = SafeTensors::deserialize(golden).expect("safetensors");
    let checkpoint = golden
        .iter()
        .filter_map(|(name, view)| Some((name.strip_prefix("weights.")?, view)));
    let checkpoint = safetensors::serialize(checkpoint, None).expect("safetensors");
    load_hugging_face(&mut model, checkpoint).expect("the key table covers the checkpoint");
    model
}

fn floats(golden: &SafeTensors<'_>, name: &str) -> TensorData {
    let view = golden.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(view.dtype(), Dtype::F32, "{name}");
    let values: Vec<f32> = view
        .data()
        .chunks(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    TensorData::new(values, view.shape().to_vec())
}

fn input(golden: &SafeTensors<'_>, device: &Device) -> Tensor<4> {
    Tensor::from_data(floats(golden, "input"), device)
}

/// Fails with the largest difference and where it is.
fn assert_close(name: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{name}: lengths differ");
    let distance = |index: usize| (found[index] - expected[index]).abs();
    let worst = (0..found.len())
        .max_by(|&a, &b| distance(a).total_cmp(&distance(b)))
        .expect("not empty");
    println!("{name}: largest difference {:e} at {worst}", distance(worst));
    assert!(
        distance(worst) <= tolerance,
        "{name}: {} instead of {} at index {worst}, {} apart",
        found[worst],
        expected[worst],
        distance(worst)
    );
}

fn assert_tensor(name: &str, found: Tensor<4>, golden: &SafeTensors<'_>) {
    let expected = floats(golden, name);
    assert_eq!(found.dims()[..], expected.shape()[..], "{name}");
    let [found, expected] = [found.into_data(), expected].map(|data| data.try_to_vec::<f32>().expect("f32"));
    assert_close(name, &found, &expected, VALUE_TOLERANCE);
}

#[test]
fn stages_features_and_logits_are_hugging_faces() {
    let bytes = golden_bytes();
    let golden = SafeTensors::deserialize(&bytes).expect("safetensors");
    let device = Device::flex();
    let model = model(&bytes, &device);
    let stages = model.encoder.forward(input(&golden, &device));
    for (index, stage) in stages.iter().enumerate() {
        assert_tensor(&format!("stage.{index}"), stage.clone().into_map(), &golden);
    }
    assert_tensor("decoder", model.decoder.forward(&stages, None), &golden);
    assert_tensor("logits", model.forward(input(&golden, &device)).main, &golden);
}

#[test]
fn the_folded_network_gives_the_same_logits() {
    let bytes = golden_bytes();
    let golden = SafeTensors::deserialize(&bytes).expect("safetensors");
    let device = Device::flex();
    let folded = FoldedSegformer::fold(model(&bytes, &device));
    assert_tensor("logits", folded.forward(input(&golden, &device)).main, &golden);
}

/// Gradients by our parameter names, in our layout.
struct Gradients<'a> {
    gradients: &'a GradientsParams,
    path: Vec<String>,
    found: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl ModuleVisitor for Gradients<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let shape = gradient.dims().to_vec();
            let values = gradient.into_data().try_to_vec::<f32>().expect("f32");
            self.found.insert(self.path.join("."), (shape, values));
        }
    }
}

/// Our name of a Hugging Face parameter, including norms' `weight` and `bias`.
fn our_name(theirs: &str, known: &BTreeMap<String, (Vec<usize>, Vec<f32>)>) -> String {
    let pairs = from_hugging_face().expect("the table compiles").to_regex_pairs();
    let name = pairs.iter().fold(theirs.to_owned(), |name, (from, to)| {
        from.replace(&name, to.as_str()).into_owned()
    });
    if known.contains_key(&name) {
        return name;
    }
    let (path, leaf) = name.rsplit_once('.').expect("a dotted name");
    let leaf = if leaf == "weight" { "gamma" } else { "beta" };
    format!("{path}.{leaf}")
}

#[test]
fn one_cross_entropy_step_has_hugging_faces_loss_and_gradients() {
    let bytes = golden_bytes();
    let golden = SafeTensors::deserialize(&bytes).expect("safetensors");
    let device = Device::flex().autodiff();
    let model = model(&bytes, &device);
    let logits = model.forward(input(&golden, &device)).main;
    assert_tensor("logits_train", logits.clone().inner(), &golden);

    let labels = golden.tensor("labels").expect("labels");
    let shape = [2, 1, 64, 96];
    let classes: Vec<i32> = labels
        .data()
        .iter()
        .map(|&label| if label == 255 { 0 } else { i32::from(label) })
        .collect();
    let scored: Vec<f32> = labels
        .data()
        .iter()
        .map(|&label| f32::from(u8::from(label != 255)))
        .collect();
    let count: f32 = scored.iter().sum();
    let classes = Tensor::<4, Int>::from_data(TensorData::new(classes, shape), &device);
    let scored = Tensor::<4>::from_data(TensorData::new(scored, shape), &device);
    let picked = log_softmax(upsample_bilinear(logits, [64, 96]), 1).gather(1, classes);
    let loss = (picked * scored).sum().neg().div_scalar(count);
    let expected = floats(&golden, "loss").try_to_vec::<f32>().expect("f32");
    assert_close(
        "loss",
        &[loss.clone().inner().into_scalar::<f32>()],
        &expected,
        VALUE_TOLERANCE,
    );

    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let mut visitor = Gradients {
        gradients: &gradients,
        path: Vec::new(),
        found: BTreeMap::new(),
    };
    model.visit(&mut visitor);
    let found = visitor.found;
    let theirs: Vec<&str> = golden
        .names()
        .into_iter()
        .filter_map(|name| name.strip_prefix("grad."))
        .collect();
    assert_eq!(found.len(), theirs.len(), "as many gradients as parameters");
    let largest_of_all = found
        .values()
        .flat_map(|(_, values)| values)
        .fold(0.0f32, |most, value| most.max(value.abs()));
    for name in theirs {
        let expected = floats(&golden, &format!("grad.{name}"));
        let ours = our_name(name, &found);
        let (shape, values) = found.get(&ours).unwrap_or_else(|| panic!("{name} is not {ours}"));
        let mut expected_values = expected.try_to_vec::<f32>().expect("f32");
        if let [rows, columns] = expected.shape()[..] {
            // The only parameters with two axes are linear weights: torch has them as [out, in], we as [in, out].
            assert_eq!(shape[..], [columns, rows], "{name}");
            expected_values = (0..rows * columns)
                .map(|i| expected_values[i % rows * columns + i / rows])
                .collect();
        } else {
            assert_eq!(shape[..], expected.shape()[..], "{name}");
        }
        let largest = expected_values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let tolerance = GRADIENT_TOLERANCE * largest.max(GRADIENT_FLOOR * largest_of_all / GRADIENT_TOLERANCE);
        assert_close(name, values, &expected_values, tolerance);
    }

    // torch moves its running variance by the unbiased variance of the batch, burn by the biased one: (n - 1) / n of it.
    let pixels = 2.0 * 16.0 * 24.0;
    let norm = &model.decoder.batch_norm;
    for (name, state, share) in [
        ("running_mean", norm.running_mean.value_sync(), 1.0),
        ("running_var", norm.running_var.value_sync(), (pixels - 1.0) / pixels),
    ] {
        let of = |prefix: &str| {
            floats(&golden, &format!("{prefix}decode_head.batch_norm.{name}"))
                .try_to_vec::<f32>()
                .expect("f32")
        };
        let kept = of("weights.").into_iter().map(|before| 0.9 * before);
        let expected: Vec<f32> = kept
            .zip(of("after."))
            .map(|(kept, after)| kept + (after - kept) * share)
            .collect();
        let found = state.inner().into_data().try_to_vec::<f32>().expect("f32");
        assert_close(name, &found, &expected, 1e-5);
    }
}
