//! The `[loss]` section of a recipe: weighted terms on the main head, and the auxiliary head's loss.

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Term;
use super::arbt::ArbtConfig;
use super::bce::BceConfig;
use super::binary_focal::BinaryFocalConfig;
use super::classes::{ClassRef, Classes, PerClass};
use super::consistency::ConsistencySection;
use super::cross_entropy::CrossEntropyConfig;
use super::dice::DiceConfig;
use super::focal::FocalConfig;
use super::jaccard::JaccardConfig;
use super::tversky::{FocalTverskyConfig, TverskyConfig};
use crate::error::{Context, Result, TrainError, bail, ensure};

/// What is minimized: `sum_k weight_k * term_k(main) + auxiliary_weight * BCE(auxiliary)`, and the same terms on deeper outputs if the
/// network has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossSection {
    /// Weight of the auxiliary saliency loss.
    pub auxiliary_weight: f64,
    /// Weight of a rare class's own pixels in the auxiliary loss: one number, or one per rare class.
    pub auxiliary_pos_weight: PerClass,
    /// Weight of the mean of the main terms over the deeper outputs (deep supervision), where the last output has 1.
    pub deep_supervision_weight: f64,
    /// Classes, by name or index, whose pixels count nowhere in the loss, as if the mask held the ignore value. (Some of the published
    /// recipes leave the background out.) Their output still competes with the others.
    pub ignore_classes: Vec<ClassRef>,
    /// Agreement with the averaged network; absent for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistency: Option<ConsistencySection>,
    /// Terms on the main head's logits, `[[loss.main]]`.
    pub main: Vec<WeightedTerm>,
}

impl Default for LossSection {
    /// Cross entropy without class weights, plus the auxiliary loss.
    fn default() -> Self {
        Self {
            auxiliary_weight: 1.0,
            auxiliary_pos_weight: PerClass::All(1.0),
            deep_supervision_weight: 0.5,
            ignore_classes: Vec::new(),
            consistency: None,
            main: vec![WeightedTerm {
                weight: 1.0,
                term: TermConfig::CrossEntropy(CrossEntropyConfig::default()),
            }],
        }
    }
}

impl LossSection {
    /// Checks what needs no dataset.
    ///
    /// # Errors
    /// If a value means nothing; the message names its key.
    pub fn check(&self) -> Result<()> {
        for (key, value) in [
            ("auxiliary_weight", self.auxiliary_weight),
            ("deep_supervision_weight", self.deep_supervision_weight),
        ] {
            ensure!(
                Recipe,
                value.is_finite() && value >= 0.0,
                "loss.{key} is {value}; it must not be negative"
            );
        }
        self.auxiliary_pos_weight.check("loss.auxiliary_pos_weight")?;
        ensure!(Recipe, !self.main.is_empty(), "loss.main needs at least one term");
        for WeightedTerm { weight, term } in &self.main {
            let place = || format!("loss.main, kind {}", term.name());
            ensure!(
                Recipe,
                weight.is_finite() && *weight > 0.0,
                "{}: weight is {weight}; it must be positive",
                place()
            );
            term.check().with_context(place)?;
        }
        Ok(())
    }
}

/// A term and its factor.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedTerm {
    /// Factor of the term's value, key `weight`; 1 if it is not given.
    pub weight: f64,
    /// Which term, key `kind`, and its settings.
    pub term: TermConfig,
}

/// A term by its `kind`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TermConfig {
    /// Cross entropy.
    CrossEntropy(CrossEntropyConfig),
    /// Focal loss on the softmax.
    Focal(FocalConfig),
    /// Binary cross entropy, one class against the rest.
    Bce(BceConfig),
    /// Focal loss on sigmoids, one class against the rest.
    BinaryFocal(BinaryFocalConfig),
    /// Soft Dice.
    Dice(DiceConfig),
    /// Soft Jaccard.
    Jaccard(JaccardConfig),
    /// Tversky.
    Tversky(TverskyConfig),
    /// Focal Tversky.
    FocalTversky(FocalTverskyConfig),
    /// Adaptive rare-class balanced Tversky.
    Arbt(ArbtConfig),
}

/// The values of `kind`.
const KINDS: [&str; 9] = [
    "cross_entropy",
    "focal",
    "bce",
    "binary_focal",
    "dice",
    "jaccard",
    "tversky",
    "focal_tversky",
    "arbt",
];

impl TermConfig {
    /// Reads the settings of a term: the table without `kind` and `weight`.
    fn read(kind: &str, settings: toml::Table) -> Result<Self> {
        fn config<C: DeserializeOwned>(settings: toml::Table) -> Result<C> {
            // An error of this deserializer names the key; one of serde's own tagged enums does not.
            Ok(toml::Value::Table(settings).try_into()?)
        }
        Ok(match kind {
            "cross_entropy" => Self::CrossEntropy(config(settings)?),
            "focal" => Self::Focal(config(settings)?),
            "bce" => Self::Bce(config(settings)?),
            "binary_focal" => Self::BinaryFocal(config(settings)?),
            "dice" => Self::Dice(config(settings)?),
            "jaccard" => Self::Jaccard(config(settings)?),
            "tversky" => Self::Tversky(config(settings)?),
            "focal_tversky" => Self::FocalTversky(config(settings)?),
            "arbt" => Self::Arbt(config(settings)?),
            _ => bail!(Recipe, "there is no such kind; the kinds are {}", KINDS.join(", ")),
        })
    }

    /// The value of `kind`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CrossEntropy(_) => "cross_entropy",
            Self::Focal(_) => "focal",
            Self::Bce(_) => "bce",
            Self::BinaryFocal(_) => "binary_focal",
            Self::Dice(_) => "dice",
            Self::Jaccard(_) => "jaccard",
            Self::Tversky(_) => "tversky",
            Self::FocalTversky(_) => "focal_tversky",
            Self::Arbt(_) => "arbt",
        }
    }

    fn check(&self) -> Result<()> {
        match self {
            Self::CrossEntropy(config) => config.check(),
            Self::Focal(config) => config.check(),
            Self::Bce(config) => config.check(),
            Self::BinaryFocal(config) => config.check(),
            Self::Dice(config) => config.check(),
            Self::Jaccard(config) => config.check(),
            Self::Tversky(config) => config.check(),
            Self::FocalTversky(config) => config.check(),
            Self::Arbt(config) => config.check(),
        }
    }

    /// The term, with its class weights on the device.
    pub(super) fn init(&self, classes: &Classes) -> Result<Box<dyn Term>> {
        let term: Box<dyn Term> = match self {
            Self::CrossEntropy(config) => Box::new(config.init(classes)?),
            Self::Focal(config) => Box::new(config.init(classes)?),
            Self::Bce(config) => Box::new(config.init(classes)?),
            Self::BinaryFocal(config) => Box::new(config.init(classes)?),
            Self::Dice(config) => Box::new(config.init(classes)?),
            Self::Jaccard(config) => Box::new(config.init(classes)?),
            Self::Tversky(config) => Box::new(config.init(classes)?),
            Self::FocalTversky(config) => Box::new(config.init(classes)?),
            Self::Arbt(config) => Box::new(config.init(classes)),
        };
        Ok(term)
    }
}

// serde's `flatten` and `deny_unknown_fields` exclude each other, so `weight` is taken out of the table by hand: a typo in a term's key
// must not pass as a default.
impl<'de> Deserialize<'de> for WeightedTerm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let weight = match table.remove("weight") {
            None => 1.0,
            Some(toml::Value::Float(weight)) => weight,
            Some(toml::Value::Integer(weight)) => weight as f64,
            Some(other) => {
                return Err(D::Error::custom(format!(
                    "loss.main: weight is {other}; it must be a number"
                )));
            }
        };
        let kind = match table.remove("kind") {
            Some(toml::Value::String(kind)) => kind,
            _ => {
                return Err(D::Error::custom(format!(
                    "loss.main: kind must be one of {}",
                    KINDS.join(", ")
                )));
            }
        };
        // toml's own message has a line break before the key.
        let message = |error: TrainError| error.to_string().trim_end().replace('\n', " ");
        let term = TermConfig::read(&kind, table)
            .map_err(|error| D::Error::custom(format!("loss.main, kind {kind}: {}", message(error))))?;
        Ok(Self { weight, term })
    }
}

impl Serialize for WeightedTerm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = toml::Table::try_from(&self.term).map_err(S::Error::custom)?;
        table.insert("weight".to_owned(), toml::Value::Float(self.weight));
        table.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::arbt::ArbtOrientation;

    fn parse(text: &str) -> Result<LossSection> {
        let section: LossSection = toml::from_str(text)?;
        section.check()?;
        Ok(section)
    }

    #[test]
    fn nothing_said_is_plain_cross_entropy_with_the_auxiliary_loss() {
        assert_eq!(parse("").expect("empty"), LossSection::default());
        let plain = parse("[[main]]\nkind = 'cross_entropy'").expect("plain");
        assert_eq!(plain, LossSection::default());
    }

    #[test]
    fn a_recipe_with_every_term_survives_writing_and_reading() {
        let text = "auxiliary_pos_weight = [2, 3.5]\nignore_classes = ['background', 3]\n\
            [[main]]\nkind = 'arbt'\nweight = 2\norientation = 'as_written'\neta = 0.5\n\
            [[main]]\nkind = 'bce'\nweight = 0.3\npos_weight = [1, 4]\n[[main]]\nkind = 'binary_focal'\nclasses = ['water']\n\
            [[main]]\nkind = 'dice'\n[[main]]\nkind = 'jaccard'\nactivation = 'sigmoid'\nneg_weight = 0.2\n\
            [[main]]\nkind = 'tversky'\n[[main]]\nkind = 'focal_tversky'\n[[main]]\nkind = 'focal'\ngamma = 0.5\n\
            [[main]]\nkind = 'cross_entropy'\nclass_weights = [1, 2.5]\n";
        let section = parse(text).expect("valid");
        assert_eq!(section.main.len(), 9);
        let TermConfig::Arbt(arbt) = &section.main[0].term else {
            panic!("{:?}", section.main[0]);
        };
        assert_eq!(section.main[0].weight, 2.0);
        assert_eq!((arbt.orientation, arbt.eta), (ArbtOrientation::AsWritten, 0.5));
        let written = toml::to_string(&section).expect("written");
        assert_eq!(parse(&written).expect("read again"), section, "{written}");
        let json = serde_json::to_string(&section).expect("written");
        assert_eq!(serde_json::from_str::<LossSection>(&json).expect("read again"), section);
    }

    #[test]
    fn a_mistake_is_an_error_that_names_the_key() {
        for (text, expected) in [
            ("auxilary_weight = 1", "auxilary_weight"),
            ("main = []", "loss.main needs at least one term"),
            ("[[main]]\nweight = 1", "kind"),
            ("[[main]]\nkind = 'dise'", "dise"),
            (
                "[[main]]\nkind = 'dice'\nweight = 'a'",
                "weight is \"a\"; it must be a number",
            ),
            (
                "[[main]]\nkind = 'dice'\nweight = 0",
                "kind dice: weight is 0; it must be positive",
            ),
            ("[[main]]\nkind = 'arbt'\neta = 'a'", "`eta`"),
            ("[[main]]\nkind = 'arbt'\norientaton = 'as_written'", "orientaton"),
            ("[[main]]\nkind = 'arbt'\norientation = 'inverted'", "orientation"),
            ("[[main]]\nkind = 'arbt'\nresidual_gamma = 0.5", "residual_gamma"),
            ("[[main]]\nkind = 'arbt'\nfn_weight_min = 0.8", "fn_weight_min"),
            ("[[main]]\nkind = 'focal'\ngama = 2", "gama"),
            ("[[main]]\nkind = 'focal'\ngamma = -1", "gamma"),
            ("[[main]]\nkind = 'binary_focal'\nalpha = 2", "alpha"),
            ("[[main]]\nkind = 'bce'\npos_weigth = 2", "pos_weigth"),
            ("[[main]]\nkind = 'bce'\npos_weight = 'much'", "pos_weight"),
            ("[[main]]\nkind = 'dice'\nsmoth = 1", "smoth"),
            ("[[main]]\nkind = 'jaccard'\nactivation = 'tanh'", "activation"),
            ("[[main]]\nkind = 'tversky'\nbeta = 0.7", "beta"),
            ("[[main]]\nkind = 'focal_tversky'\ngamma = 0", "gamma"),
            (
                "[[main]]\nkind = 'cross_entropy'\nclass_weights = 'inverted'",
                "class_weights",
            ),
            (
                "[[main]]\nkind = 'cross_entropy'\nclass_weight_cap = 0.5",
                "class_weight_cap",
            ),
            (
                "[[main]]\nkind = 'cross_entropy'\nlabel_smoothing = 1",
                "label_smoothing",
            ),
            ("deep_supervision_weight = -1", "deep_supervision_weight"),
            ("auxiliary_pos_weight = 0", "auxiliary_pos_weight"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(format!("{error:#}").contains(expected), "{text}: {error:#}");
        }
    }
}
