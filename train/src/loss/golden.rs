//! Every loss against the numbers of `tests/golden/losses.py`: value and gradient to 1e-5.

use std::collections::BTreeMap;

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use serde::Deserialize;

use super::properties::dual;
use super::{Labels, LossSection, Objective};

#[derive(Deserialize)]
struct Golden {
    names: Vec<String>,
    class_pixels: Vec<u64>,
    rare: Vec<usize>,
    labels: Numbers<i32>,
    main: Numbers<f32>,
    auxiliary: Numbers<f32>,
    deep: Numbers<f32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Numbers<T> {
    shape: [usize; 4],
    values: Vec<T>,
}

#[derive(Deserialize)]
struct Case {
    /// The recipe's section, TOML.
    section: String,
    value: f32,
    /// By the logits of which head.
    gradients: BTreeMap<String, Vec<f32>>,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("../../../tests/golden/losses.json")).expect("losses.json")
    }

    fn labels(&self, device: &Device) -> Labels {
        let Numbers { shape, values } = &self.labels;
        let classes: Vec<i32> = values.iter().map(|&label| label.max(0)).collect();
        let scored: Vec<bool> = values.iter().map(|&label| label >= 0).collect();
        Labels {
            classes: Tensor::from_data(TensorData::new(classes, *shape), device),
            scored: Tensor::from_data(TensorData::new(scored, *shape), device),
        }
    }
}

impl Numbers<f32> {
    fn leaf(&self, device: &Device) -> Tensor<4> {
        Tensor::from_data(TensorData::new(self.values.clone(), self.shape), device).require_grad()
    }
}

const TOLERANCE: f32 = 1e-5;

#[track_caller]
fn assert_gradient(section: &str, head: &str, leaf: &Tensor<4>, gradients: &Gradients, expected: &[f32]) {
    let found = leaf.grad(gradients).expect("gradient").into_data();
    let found: Vec<f32> = found.try_to_vec().expect("f32");
    assert_eq!(found.len(), expected.len());
    let difference = |(index, (a, b)): (usize, (&f32, &f32))| (index, (a - b).abs());
    let (index, worst) = found
        .iter()
        .zip(expected)
        .enumerate()
        .map(difference)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .expect("not empty");
    assert!(
        worst <= TOLERANCE,
        "{section}\ngradient of {head}: {} instead of {} at {index}",
        found[index],
        expected[index]
    );
}

#[test]
fn values_and_gradients_are_those_of_pytorch() {
    let golden = Golden::read();
    let device = Device::flex().autodiff();
    let labels = golden.labels(&device);
    assert_eq!(golden.cases.len(), 23);
    for case in &golden.cases {
        let section: LossSection = toml::from_str(&case.section).expect(&case.section);
        let objective = Objective::new(&section, &golden.class_pixels, &golden.names, &golden.rare, &device);
        let objective = objective.expect(&case.section);
        let (main, auxiliary) = (golden.main.leaf(&device), golden.auxiliary.leaf(&device));
        let deep = golden.deep.leaf(&device);
        let deeper: Vec<_> = case
            .gradients
            .contains_key("deep")
            .then(|| deep.clone())
            .into_iter()
            .collect();
        let loss = objective.evaluate(dual(main.clone(), Some(auxiliary.clone()), deeper), &labels, None);
        let gradients = loss.total.backward();
        let value = loss.total.into_scalar::<f32>();
        assert!(
            (value - case.value).abs() <= TOLERANCE,
            "{}\nvalue {value} instead of {}",
            case.section,
            case.value
        );
        for (head, expected) in &case.gradients {
            let leaf = match head.as_str() {
                "main" => &main,
                "auxiliary" => &auxiliary,
                _ => &deep,
            };
            assert_gradient(&case.section, head, leaf, &gradients, expected);
        }
    }
}
