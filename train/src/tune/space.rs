//! What a search covers: its TOML file, its parameters, and the values they take.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::{Context, Result, ensure};

/// Values of a trial, by dotted key of the recipe.
pub type Values = BTreeMap<String, Value>;

/// The search's TOML file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    /// Number of trials, including the baseline.
    #[serde(default = "twenty")]
    pub trials: usize,
    /// Seed of the proposals.
    #[serde(default)]
    pub seed: u64,
    /// Figure to maximize, by its dotted name, of the weights that a run saves as its best.
    #[serde(default = "rare_recall")]
    pub objective: String,
    /// How far mean IoU may be below the baseline's.
    #[serde(default = "hundredth")]
    pub margin: f64,
    /// Number of random trials before the model of the good ones is used.
    #[serde(default = "six")]
    pub startup_trials: usize,
    /// Starts with short runs, and runs the best of them for longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halving: Option<HalvingSection>,
    /// Parameters, by dotted key of the recipe.
    pub space: BTreeMap<String, Parameter>,
}

/// Successive halving (arXiv:1502.07943), decided as each result comes (arXiv:1810.05934).
///
/// Each length is a run of its own with its own complete learning-rate schedule: the figures of a run that was cut short would not tell
/// what a short run gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HalvingSection {
    /// Epochs of the shortest runs.
    pub min_epochs: usize,
    /// Factor between lengths; one in this many continues.
    #[serde(default = "three")]
    pub factor: usize,
}

/// The values that a key may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// Between two positive numbers, uniform in the logarithm.
    Log([f64; 2]),
    /// Between two numbers.
    Uniform([f64; 2]),
    /// A whole number from the first to the last, including both.
    Integer([i64; 2]),
    /// One value of a list.
    Choice(Vec<Value>),
}

fn twenty() -> usize {
    20
}
fn three() -> usize {
    3
}
fn six() -> usize {
    6
}
fn hundredth() -> f64 {
    0.01
}
fn rare_recall() -> String {
    "rare_recall".to_owned()
}

impl SearchConfig {
    /// Reads and checks a search file.
    ///
    /// # Errors
    /// If the file is not a search; the message names the file and the key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let config: Self = toml::from_str(&text).with_context(|| format!("{} is not a search", path.display()))?;
        config
            .check()
            .with_context(|| format!("{} cannot be searched", path.display()))?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        ensure!(Search, self.trials > 0, "trials must be positive");
        ensure!(
            Search,
            (0.0..1.0).contains(&self.margin),
            "margin must be at least 0 and below 1"
        );
        ensure!(Search, !self.space.is_empty(), "space must name at least one parameter");
        for (key, parameter) in &self.space {
            parameter.check().with_context(|| format!("space.{key:?}"))?;
        }
        if let Some(halving) = &self.halving {
            ensure!(Search, halving.min_epochs > 0, "halving.min_epochs must be positive");
            ensure!(Search, halving.factor >= 2, "halving.factor must be at least 2");
            ensure!(
                Search,
                !self.space.contains_key("schedule.epochs"),
                "halving chooses schedule.epochs, so the space cannot contain it"
            );
        }
        Ok(())
    }

    /// Lengths of runs in epochs, shortest first; without halving, only `epochs`.
    pub fn rungs(&self, epochs: usize) -> Vec<usize> {
        let mut rungs = Vec::new();
        if let Some(halving) = &self.halving {
            let mut length = halving.min_epochs;
            while length < epochs {
                rungs.push(length);
                length = length.saturating_mul(halving.factor);
            }
        }
        rungs.push(epochs);
        rungs
    }
}

impl Parameter {
    fn check(&self) -> Result<()> {
        match self {
            Self::Log([low, high]) => {
                ensure!(
                    Search,
                    *low > 0.0 && low < high && high.is_finite(),
                    "log needs two positive numbers, the lower one first"
                );
            }
            Self::Uniform([low, high]) => {
                ensure!(
                    Search,
                    low < high && (high - low).is_finite(),
                    "uniform needs two numbers, the lower one first"
                );
            }
            Self::Integer([low, high]) => ensure!(
                Search,
                low < high,
                "integer needs two whole numbers, the lower one first"
            ),
            Self::Choice(values) => ensure!(Search, values.len() >= 2, "choice needs at least two values"),
        }
        Ok(())
    }

    /// The axis on which the search moves, from the first to below the second.
    pub fn axis(&self) -> [f64; 2] {
        match self {
            Self::Log([low, high]) => [low.ln(), high.ln()],
            Self::Uniform(range) => *range,
            Self::Integer([low, high]) => [*low as f64, *high as f64 + 1.0],
            Self::Choice(values) => [0.0, values.len() as f64],
        }
    }

    /// The value at a place on the axis.
    pub fn value(&self, at: f64) -> Value {
        match self {
            Self::Log([low, high]) => Value::Float(at.exp().clamp(*low, *high)),
            Self::Uniform([low, high]) => Value::Float(at.clamp(*low, *high)),
            Self::Integer([low, high]) => Value::Integer((at.floor() as i64).clamp(*low, *high)),
            // A cast saturates, and there is a last value.
            Self::Choice(values) => values[(at as usize).min(values.len() - 1)].clone(),
        }
    }

    /// The place of a value on the axis; `None` for a value that the parameter cannot take.
    pub fn place(&self, value: &Value) -> Option<f64> {
        let number = || match value {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            _ => None,
        };
        let at = match self {
            Self::Log(_) => number().filter(|number| *number > 0.0)?.ln(),
            Self::Uniform(_) | Self::Integer(_) => number()?,
            Self::Choice(values) => values.iter().position(|other| other == value)? as f64,
        };
        let [low, high] = self.axis();
        // The last value lies on the end of the axis, which is open.
        let inside = (low - 1e-9..=high + 1e-9).contains(&at);
        inside.then(|| at.clamp(low, high.next_down()))
    }

    /// Values that are enough to find out whether the recipe takes the parameter.
    pub fn extremes(&self) -> Vec<Value> {
        match self {
            Self::Choice(values) => values.clone(),
            _ => self.axis().map(|at| self.value(at)).into(),
        }
    }
}

/// The value at a dotted key.
pub fn get<'a>(recipe: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((section, rest)) => get(recipe.get(section)?.as_table()?, rest),
        None => recipe.get(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SearchConfig> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("search.toml");
        std::fs::write(&path, text)?;
        SearchConfig::read(&path)
    }

    #[test]
    fn a_search_is_read_and_its_mistakes_are_named() {
        let space = "[space]\n\"optimizer.learning_rate\" = { log = [1e-4, 1e-2] }\n\"schedule.warmup_steps\" = { integer = [0, 3] }\n\
                     \"loss.class_weights\" = { choice = ['none', 'inverse'] }\n";
        let config = parse(space).expect("valid");
        assert_eq!((config.trials, config.objective.as_str()), (20, "rare_recall"));
        assert_eq!(config.rungs(30), [30]);
        let halving = parse(&format!("halving = {{ min_epochs = 2 }}\n{space}")).expect("valid");
        assert_eq!(halving.rungs(30), [2, 6, 18, 30]);
        assert_eq!(halving.rungs(2), [2]);
        for (text, named) in [
            ("trial = 3\n[space]\n", "trial"),
            ("[space]\n", "space"),
            ("[space]\na = { log = [0.0, 1.0] }\n", "space.\"a\""),
            ("[space]\na = { integer = [3, 1] }\n", "integer"),
            ("[space]\na = { normal = [3, 1] }\n", "normal"),
            (
                "halving = { min_epochs = 2 }\n[space]\n\"schedule.epochs\" = { integer = [1, 3] }\n",
                "schedule.epochs",
            ),
        ] {
            let error = format!("{:#}", parse(text).expect_err(text));
            assert!(error.contains(named) && error.contains("search.toml"), "{error}");
        }
    }

    #[test]
    fn values_and_places_on_the_axis_agree() {
        let log = Parameter::Log([1e-4, 1e-2]);
        let Value::Float(middle) = log.value((log.axis()[0] + log.axis()[1]) / 2.0) else {
            panic!("a float")
        };
        assert!((middle - 1e-3).abs() < 1e-12);
        let integer = Parameter::Integer([2, 4]);
        assert_eq!(integer.value(4.99), Value::Integer(4));
        let choice = Parameter::Choice(vec!["a".into(), "b".into()]);
        assert_eq!(choice.value(1.5), "b".into());
        for parameter in [log, integer, choice, Parameter::Uniform([-1.0, 1.0])] {
            let [low, high] = parameter.axis();
            for value in parameter.extremes() {
                let at = parameter.place(&value).expect("on the axis");
                assert!((low..high).contains(&at), "{at} of {parameter:?}");
                match (parameter.value(at), value) {
                    (Value::Float(back), Value::Float(value)) => assert!((back - value).abs() < 1e-9, "{back} {value}"),
                    (back, value) => assert_eq!(back, value),
                }
            }
            assert_eq!(parameter.place(&Value::Boolean(true)), None);
        }
        assert_eq!(
            Parameter::Uniform([0.0, 1.0]).place(&Value::Float(3.0)),
            None,
            "outside"
        );
    }

    #[test]
    fn dotted_keys_reach_into_sections() {
        let recipe: Table = toml::from_str("[optimizer]\nlearning_rate = 2.0\n").expect("TOML");
        assert_eq!(get(&recipe, "optimizer.learning_rate"), Some(&Value::Float(2.0)));
        assert_eq!(get(&recipe, "optimizer.momentum"), None);
        assert_eq!(get(&recipe, "loss.dice.wait"), None);
    }
}
