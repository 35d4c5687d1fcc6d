//! Properties that hold for every term, and for the terms together.

use burn::tensor::{Device, Tensor, TensorData};
use raremap_model::DualLogits;

use super::{Labels, Loss, LossSection, Objective};

/// One row of pixels.
#[derive(Clone)]
pub struct Batch {
    channels: usize,
    /// `[channels, pixels]`
    logits: Vec<f32>,
    /// Nothing where not scored.
    labels: Vec<Option<usize>>,
    /// The training split's pixels per class.
    pub pixels: Vec<u64>,
}

/// A value and its gradient by the main logits.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub value: f32,
    pub gradient: Vec<f32>,
}

impl Batch {
    /// `logits` is `[channels, pixels]`; all classes are equally frequent.
    pub fn row(channels: usize, logits: &[f32], labels: &[Option<usize>]) -> Self {
        assert_eq!(logits.len(), channels * labels.len());
        Self {
            channels,
            logits: logits.to_vec(),
            labels: labels.to_vec(),
            pixels: vec![100; channels],
        }
    }

    fn logits(&self, device: &Device) -> Tensor<4> {
        let shape = [1, self.channels, 1, self.labels.len()];
        Tensor::from_data(TensorData::new(self.logits.clone(), shape), device)
    }

    fn labels(&self, device: &Device) -> Labels {
        let shape = [1, 1, 1, self.labels.len()];
        let classes: Vec<i32> = self.labels.iter().map(|l| l.unwrap_or(0) as i32).collect();
        let scored: Vec<bool> = self.labels.iter().map(Option::is_some).collect();
        Labels {
            classes: Tensor::from_data(TensorData::new(classes, shape), device),
            scored: Tensor::from_data(TensorData::new(scored, shape), device),
        }
    }

    fn objective(&self, section: &str, rare: &[usize], device: &Device) -> Objective {
        let section: LossSection = toml::from_str(section).expect(section);
        let names: Vec<String> = (0..self.channels).map(|class| format!("class{class}")).collect();
        Objective::new(&section, &self.pixels, &names, rare, device).expect("valid")
    }
}

/// Value and gradient of a section without an auxiliary head.
fn evaluate_section(section: &str, batch: &Batch) -> Outcome {
    let device = Device::flex().autodiff();
    let logits = batch.logits(&device).require_grad();
    let objective = batch.objective(section, &[], &device);
    let loss = objective.evaluate(dual(logits.clone(), None, Vec::new()), &batch.labels(&device), None);
    let gradients = loss.total.backward();
    let gradient = logits.grad(&gradients).expect("gradient").into_data();
    Outcome {
        value: scalar(loss.total),
        gradient: gradient.try_to_vec().expect("f32"),
    }
}

/// Value and gradient of one term.
pub fn evaluate(term: &str, batch: &Batch) -> Outcome {
    evaluate_section(&format!("[[main]]\n{term}"), batch)
}

/// Value of one term.
pub fn value(term: &str, batch: &Batch) -> f32 {
    evaluate(term, batch).value
}

pub fn dual(main: Tensor<4>, auxiliary: Option<Tensor<4>>, deep: Vec<Tensor<4>>) -> DualLogits {
    DualLogits { main, auxiliary, deep }
}

fn scalar(value: Tensor<1>) -> f32 {
    value.into_scalar()
}

/// Every kind, with the settings that take another path through the code.
const TERMS: [&str; 20] = [
    "kind = 'cross_entropy'",
    "kind = 'cross_entropy'\nclass_weights = 'inverse'\nlabel_smoothing = 0.1",
    "kind = 'focal'",
    "kind = 'focal'\ngamma = 0.5\nclass_weights = 'inverse_sqrt'",
    "kind = 'bce'",
    "kind = 'bce'\npos_weight = 5\nneg_weight = 0.5",
    "kind = 'binary_focal'",
    "kind = 'binary_focal'\ngamma = 0.5\npos_weight = 3",
    "kind = 'dice'",
    "kind = 'dice'\nactivation = 'sigmoid'\nsmooth = 1e-6",
    "kind = 'jaccard'\nneg_weight = 0.2",
    "kind = 'jaccard'\nactivation = 'sigmoid'\nsmooth = 1e-6\nneg_weight = 0.2",
    "kind = 'tversky'",
    "kind = 'tversky'\nactivation = 'sigmoid'\nsmooth = 1e-6",
    "kind = 'focal_tversky'",
    "kind = 'focal_tversky'\nactivation = 'sigmoid'\ngamma = 3\nsmooth = 1e-6",
    "kind = 'arbt'",
    "kind = 'arbt'\norientation = 'as_written'",
    "kind = 'arbt'\nresidual_gamma = 1",
    "kind = 'arbt'\nresidual_gamma = 1.5\nresidual_weight = 3\neta = 0.3",
];

/// Three classes, five pixels, one of them not scored.
fn mixed() -> Batch {
    let logits = [
        0.5, -1.0, 2.0, 0.3, -0.7, //
        1.5, 0.2, -2.0, 0.9, 1.1, //
        -0.4, 0.8, 0.1, -1.6, 0.6,
    ];
    Batch {
        pixels: vec![900, 90, 10],
        ..Batch::row(3, &logits, &[Some(0), Some(2), None, Some(1), Some(0)])
    }
}

#[test]
fn a_tile_without_labels_costs_nothing_and_has_no_gradient() {
    for term in TERMS {
        let batch = Batch {
            labels: vec![None; 5],
            ..mixed()
        };
        let outcome = evaluate(term, &batch);
        assert_eq!(outcome.value, 0.0, "{term}");
        assert!(outcome.gradient.iter().all(|g| *g == 0.0), "{term}: {outcome:?}");
    }
}

#[test]
fn pixels_not_scored_change_nothing() {
    for term in TERMS {
        let batch = mixed();
        let mut noisy = mixed();
        for (channel, noise) in [(0, -30.0), (1, 100.0), (2, 7.0)] {
            noisy.logits[channel * 5 + 2] = noise;
        }
        let outcome = evaluate(term, &batch);
        assert!(outcome.value > 0.0, "{term}: {}", outcome.value);
        assert_eq!(outcome, evaluate(term, &noisy), "{term}");
        assert!((0..3).all(|channel| outcome.gradient[channel * 5 + 2] == 0.0), "{term}");
        assert!(outcome.gradient.iter().any(|g| *g != 0.0), "{term}");
    }
}

#[test]
fn a_step_against_the_gradient_lowers_the_loss() {
    for term in TERMS {
        let before = evaluate(term, &mixed());
        let mut stepped = mixed();
        for (logit, gradient) in stepped.logits.iter_mut().zip(&before.gradient) {
            *logit -= 0.01 * gradient;
        }
        let after = value(term, &stepped);
        assert!(after < before.value, "{term}: {} became {after}", before.value);
    }
}

#[test]
fn everything_stays_finite() {
    let saturated = |labels: &[Option<usize>]| {
        let logits = [1e4, -1e4, -1e4, 1e4, -1e4, 1e4, 1e4, 0.0, -1e4, -1e4, -1e4, 1e4];
        Batch::row(3, &logits, labels)
    };
    let batches = [
        ("right and wrong", saturated(&[Some(0), Some(2), None, Some(1)])),
        ("all right", saturated(&[Some(0), Some(1), Some(1), Some(2)])),
        ("one class", saturated(&[Some(1); 4])),
        (
            "one class, missed",
            Batch::row(2, &[1e4, 1e4, -1e4, -1e4], &[Some(1); 2]),
        ),
        (
            "one class, found",
            Batch::row(2, &[1e4, 1e4, -1e4, -1e4], &[Some(0); 2]),
        ),
        ("one channel", Batch::row(1, &[1e4, -1e4], &[Some(0); 2])),
        (
            "one channel, not saturated",
            Batch::row(1, &[0.5, -2.0], &[Some(0), None]),
        ),
    ];
    for term in TERMS {
        for (name, batch) in &batches {
            for pixels in [vec![100; batch.channels], vec![0; batch.channels]] {
                let outcome = evaluate(
                    term,
                    &Batch {
                        pixels,
                        ..batch.clone()
                    },
                );
                assert!(outcome.value.is_finite(), "{term}, {name}: {}", outcome.value);
                assert!(
                    outcome.gradient.iter().all(|g| g.is_finite()),
                    "{term}, {name}: {outcome:?}"
                );
            }
        }
    }
}

#[test]
fn a_class_that_the_split_lacks_stays_finite() {
    for term in TERMS {
        let outcome = evaluate(
            term,
            &Batch {
                pixels: vec![900, 100, 0],
                ..mixed()
            },
        );
        assert!(outcome.value.is_finite(), "{term}");
        assert!(outcome.gradient.iter().all(|g| g.is_finite()), "{term}: {outcome:?}");
    }
}

#[test]
fn a_class_in_neither_labels_nor_prediction_adds_no_term() {
    let without = Batch::row(2, &[0.5, -1.0, 0.3, 1.5], &[Some(0), Some(1)]);
    let with = Batch {
        pixels: vec![100, 100, 0],
        ..Batch::row(3, &[0.5, -1.0, 0.3, 1.5, -60.0, -60.0], &[Some(0), Some(1)])
    };
    for kind in ["dice", "jaccard", "tversky", "focal_tversky", "arbt"] {
        let term = format!("kind = '{kind}'");
        let (with, without) = (value(&term, &with), value(&term, &without));
        assert!((with - without).abs() < 1e-6, "{kind}: {with}, not {without}");
    }
}

#[test]
fn a_class_in_the_prediction_alone_counts() {
    // Both pixels are class 0; class 1 has more than half a pixel of probability.
    let batch = Batch::row(2, &[0.0, 0.0, 0.0, 0.0], &[Some(0); 2]);
    let found = value("kind = 'dice'\nsmooth = 1e-6", &batch);
    // class 0: 2 * 1 / (1 + 2); class 1: nothing found of 1
    let expected = ((1.0 - 2.0 / 3.0) + 1.0) / 2.0;
    assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
}

#[test]
fn an_ignored_class_is_as_good_as_not_scored() {
    for term in TERMS {
        let ignored = evaluate_section(&format!("ignore_classes = ['class0']\n[[main]]\n{term}"), &mixed());
        let mut masked = mixed();
        masked.labels = vec![None, Some(2), None, Some(1), None];
        masked.pixels[0] = 0;
        let expected = evaluate(term, &masked);
        // Overlap terms also leave the ignored class's own index out.
        let overlap = ["dice", "jaccard", "tversky"].iter().any(|kind| term.contains(kind));
        if !overlap {
            assert_eq!(ignored, expected, "{term}");
        }
        assert!([0, 2, 4].iter().all(|pixel| ignored.gradient[*pixel] == 0.0), "{term}");
    }
}

#[test]
fn terms_add_up_with_their_weights() {
    let batch = mixed();
    let (first, second) = ("kind = 'bce'", "kind = 'arbt'");
    let both = evaluate_section(
        &format!("[[main]]\n{first}\nweight = 0.3\n[[main]]\n{second}\nweight = 2"),
        &batch,
    );
    let (a, b) = (evaluate(first, &batch), evaluate(second, &batch));
    assert!((both.value - 0.3 * a.value - 2.0 * b.value).abs() < 1e-5);
    for ((sum, a), b) in both.gradient.iter().zip(a.gradient).zip(b.gradient) {
        assert!((sum - 0.3 * a - 2.0 * b).abs() < 1e-6, "{sum}, not 0.3 * {a} + 2 * {b}");
    }
}

/// Two pixels of the classes 0 and 1, with logits (0, 0) and (0, ln 3), and an auxiliary head for class 1 with logits 0
/// and ln 3.
fn two_heads(section: &str, deep: &[[f32; 2]]) -> Loss {
    let device = Device::flex();
    let three = 3f32.ln();
    let batch = Batch::row(2, &[0.0, 0.0, 0.0, three], &[Some(0), Some(1)]);
    let auxiliary = Tensor::from_data(TensorData::new(vec![0.0, three], [1, 1, 1, 2]), &device);
    let deep: Vec<_> = deep
        .iter()
        .map(|logits| Tensor::from_data(TensorData::new(logits.to_vec(), [1, 2, 1, 1]), &device))
        .collect();
    let objective = batch.objective(section, &[1], &device);
    objective.evaluate(
        dual(batch.logits(&device), Some(auxiliary), deep),
        &batch.labels(&device),
        None,
    )
}

#[test]
fn the_auxiliary_loss_is_added_with_its_weight() {
    let loss = two_heads("auxiliary_weight = 2", &[]);
    let main = -(0.5f32.ln() + 0.75f32.ln()) / 2.0;
    assert!((scalar(loss.main) - main).abs() < 1e-6);
    assert!((scalar(loss.auxiliary.expect("auxiliary")) - main).abs() < 1e-6);
    assert!((scalar(loss.total) - 3.0 * main).abs() < 1e-6);
    assert!(loss.deep.is_none());
    let (kind, term) = loss.terms.into_iter().next().expect("one term");
    assert_eq!(kind, "cross_entropy");
    assert!((scalar(term) - main).abs() < 1e-6);
}

#[test]
fn own_pixels_of_a_rare_class_have_their_weight() {
    for weight in ["5", "[5]"] {
        let loss = two_heads(&format!("auxiliary_pos_weight = {weight}"), &[]);
        let expected = -(0.5f32.ln() + 5.0 * 0.75f32.ln()) / 2.0;
        assert!((scalar(loss.auxiliary.expect("auxiliary")) - expected).abs() < 1e-6);
    }
}

#[test]
fn deeper_outputs_are_averaged_and_added_with_their_weight() {
    let three = 3f32.ln();
    let loss = two_heads(
        "auxiliary_weight = 0\ndeep_supervision_weight = 0.4",
        &[[0.0, 0.0], [three, 0.0]],
    );
    // One cell for both pixels: probabilities of their classes 1/2 and 1/2, then 3/4 and 1/4.
    let deep = (2f32.ln() - (0.75f32.ln() + 0.25f32.ln()) / 2.0) / 2.0;
    let main = scalar(loss.main);
    assert!((scalar(loss.deep.expect("deep")) - deep).abs() < 1e-6);
    assert!((scalar(loss.total) - main - 0.4 * deep).abs() < 1e-6);
}

#[test]
fn extreme_saliency_stays_finite_and_a_tile_without_labels_costs_nothing() {
    let device = Device::flex().autodiff();
    let batch = Batch::row(2, &[0.0; 4], &[Some(0), Some(1)]);
    let unlabelled = Batch {
        labels: vec![None; 2],
        ..batch.clone()
    };
    for (batch, empty) in [(&batch, false), (&unlabelled, true)] {
        let logits = Tensor::<4>::from_data(TensorData::new(vec![1e4f32, -1e4], [1, 1, 1, 2]), &device).require_grad();
        let objective = batch.objective("", &[1], &device);
        let heads = dual(batch.logits(&device), Some(logits.clone()), Vec::new());
        let loss = objective.evaluate(heads, &batch.labels(&device), None);
        let gradients = loss.total.backward();
        let gradient = logits.grad(&gradients).expect("gradient").abs().sum();
        let (value, gradient) = (scalar(loss.total), gradient.into_scalar::<f32>());
        assert!(value.is_finite() && gradient.is_finite(), "{value}, {gradient}");
        assert_eq!((value == 0.0, gradient == 0.0), (empty, empty));
    }
}

#[test]
fn a_recipe_that_does_not_fit_the_dataset_is_an_error_that_names_the_key() {
    let device = Device::flex();
    let names = ["land", "water"].map(String::from);
    for (text, expected) in [
        ("ignore_classes = ['sea']", "ignore_classes"),
        ("ignore_classes = ['water']", "auxiliary head"),
        ("auxiliary_pos_weight = [1, 2]", "auxiliary_pos_weight"),
        (
            "[[main]]\nkind = 'focal'\nclass_weights = [1, 2, 3]",
            "kind focal: class_weights",
        ),
        ("[[main]]\nkind = 'bce'\npos_weight = [1, 2, 3]", "kind bce: pos_weight"),
        (
            "[[main]]\nkind = 'dice'\nclasses = ['ice']",
            "kind dice: classes: there is no class \"ice\"",
        ),
    ] {
        let section: LossSection = toml::from_str(text).expect(text);
        let error = Objective::new(&section, &[9, 1], &names, &[1], &device)
            .err()
            .expect(text);
        assert!(format!("{error:#}").contains(expected), "{text}: {error:#}");
    }
}
