//! Resolves classes as the loss settings name them.

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Result, ensure, failure};

/// A class in a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a class is given by its name or its index from 0")]
pub enum ClassRef {
    /// Position in the dataset's list, from 0.
    Index(usize),
    /// Name in the dataset's list.
    Name(String),
}

/// One positive number for all classes, or one for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a weight is a number, or a list of one number per class")]
pub enum PerClass {
    /// The same for all.
    All(f64),
    /// In the order of the classes.
    Each(Vec<f64>),
}

impl PerClass {
    /// Checks that all numbers are positive.
    ///
    /// # Errors
    /// Names `key` if one is not.
    pub fn check(&self, key: &str) -> Result<()> {
        let values = match self {
            Self::All(value) => std::slice::from_ref(value),
            Self::Each(values) => values,
        };
        ensure!(
            Recipe,
            values.iter().all(|value| value.is_finite() && *value > 0.0),
            "{key} must be positive: {values:?}"
        );
        Ok(())
    }

    /// One number for each of `count` classes.
    ///
    /// # Errors
    /// Names `key` if there are other than `count` numbers.
    pub fn resolve(&self, key: &str, count: usize) -> Result<Vec<f32>> {
        match self {
            Self::All(value) => Ok(vec![*value as f32; count]),
            Self::Each(values) => {
                ensure!(
                    Recipe,
                    values.len() == count,
                    "{key} has {} numbers for {count} classes",
                    values.len()
                );
                Ok(values.iter().map(|value| *value as f32).collect())
            }
        }
    }
}

/// What a term has to know about the dataset.
pub struct Classes<'a> {
    names: &'a [String],
    /// Pixels per class in the training split, 0 for a class that the loss ignores.
    pub pixels: Vec<u64>,
    /// Indices of the classes that the loss ignores.
    pub ignored: Vec<usize>,
    /// Where the terms keep their weights.
    pub device: &'a Device,
}

impl<'a> Classes<'a> {
    /// Resolves `ignore`.
    ///
    /// # Errors
    /// If a class is unknown, or if no class is left.
    pub fn new(pixels: &[u64], names: &'a [String], ignore: &[ClassRef], device: &'a Device) -> Result<Self> {
        ensure!(
            Recipe,
            pixels.len() == names.len(),
            "{} pixel counts for {} classes",
            pixels.len(),
            names.len()
        );
        let mut classes = Self {
            names,
            pixels: pixels.to_vec(),
            ignored: Vec::new(),
            device,
        };
        for class in ignore {
            let index = classes.index_of(class).context("loss.ignore_classes")?;
            if !classes.ignored.contains(&index) {
                classes.ignored.push(index);
            }
        }
        for &index in &classes.ignored {
            classes.pixels[index] = 0;
        }
        ensure!(
            Recipe,
            classes.ignored.len() < names.len(),
            "loss.ignore_classes leaves no class"
        );
        Ok(classes)
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    fn index_of(&self, class: &ClassRef) -> Result<usize> {
        match class {
            ClassRef::Index(index) => {
                ensure!(
                    Recipe,
                    *index < self.len(),
                    "there is no class {index}: classes count from 0 to {}",
                    self.len() - 1
                );
                Ok(*index)
            }
            ClassRef::Name(name) => {
                let found = self.names.iter().position(|known| known == name);
                found.ok_or_else(|| {
                    failure!(
                        Recipe,
                        "there is no class {name:?}: there are {}",
                        self.names.join(", ")
                    )
                })
            }
        }
    }

    /// For each class, whether a term counts it: those of `selection` (all if it is empty) that the loss does not ignore.
    ///
    /// # Errors
    /// If a class is unknown, or if none counts.
    pub fn counted(&self, selection: &[ClassRef]) -> Result<Vec<bool>> {
        let mut counted = vec![selection.is_empty(); self.len()];
        for class in selection {
            let index = self.index_of(class).context("classes")?;
            counted[index] = true;
        }
        for &index in &self.ignored {
            counted[index] = false;
        }
        ensure!(Recipe, counted.contains(&true), "classes: the loss ignores all of them");
        Ok(counted)
    }

    /// `values` on the device, `[classes]`.
    pub fn tensor(&self, values: &[f32]) -> Tensor<1> {
        Tensor::from_floats(values, self.device)
    }

    /// `values` on the device, `[1, classes, 1, 1]`.
    pub fn plane(&self, values: &[f32]) -> Tensor<4> {
        self.tensor(values).reshape([1, self.len(), 1, 1])
    }
}

/// 1 for true, 0 for false.
pub fn indicator(flags: &[bool]) -> Vec<f32> {
    flags.iter().map(|&flag| f32::from(u8::from(flag))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["background", "water", "wetland"].map(String::from).to_vec()
    }

    #[test]
    fn classes_are_found_by_name_or_index() {
        let (device, names) = (Device::flex(), names());
        let ignore = [ClassRef::Name("background".to_owned()), ClassRef::Index(0)];
        let classes = Classes::new(&[90, 9, 1], &names, &ignore, &device).expect("known");
        assert_eq!(classes.ignored, [0]);
        assert_eq!(classes.pixels, [0, 9, 1]);
        assert_eq!(classes.counted(&[]).expect("all"), [false, true, true]);
        let one = classes.counted(&[ClassRef::Index(2)]).expect("one");
        assert_eq!(one, [false, false, true]);
        assert!(classes.counted(&[ClassRef::Index(0)]).is_err(), "ignored");
    }

    #[test]
    fn an_unknown_class_is_named() {
        let (device, names) = (Device::flex(), names());
        let unknown = [ClassRef::Name("wetlands".to_owned())];
        let error = Classes::new(&[1, 1, 1], &names, &unknown, &device)
            .err()
            .expect("unknown");
        let text = format!("{error:#}");
        assert!(text.contains("ignore_classes") && text.contains("wetlands"), "{text}");
        let error = Classes::new(&[1, 1, 1], &names, &[ClassRef::Index(3)], &device)
            .err()
            .expect("out of range");
        assert!(format!("{error:#}").contains("no class 3"), "{error:#}");
        let all = [0, 1, 2].map(ClassRef::Index);
        assert!(Classes::new(&[1, 1, 1], &names, &all, &device).is_err());
    }
}
