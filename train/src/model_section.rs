//! The section `[model]` of a recipe: which network to train, and which weights to start from.

use std::path::PathBuf;

use raremap_model::{Architecture, FAMILIES, SegformerConfig, Variant};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Result, bail, ensure, failure};

/// Network shape and first weights.
///
/// `family` is one of [`FAMILIES`], `segformer` by default; a SegFormer's `variant` is `b0` to `b5`. Every other key is a field of the
/// family's config in `raremap_model` and replaces that family's (or variant's) own value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelSection {
    /// Weights to start from, relative to the working folder: another run's `best.bpk`, or a `.raremap` file. Of several files, the mean of their weights
    /// (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", section 3): they must have been trained from one another or from the same weights.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "one_or_several")]
    pub start_from: Vec<PathBuf>,
    /// Parameters whose names begin like this stay random nevertheless, such as `heads.` for other classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start_without: Vec<String>,
    /// Whether the rare classes have a head of their own, and with it the attention block.
    #[serde(default = "yes")]
    pub auxiliary_head: bool,
    /// All other keys.
    #[serde(flatten)]
    network: Map<String, Value>,
}

/// Fields of every family that a recipe cannot set.
const OF_THE_DATASET: [&str; 3] = ["in_channels", "num_classes", "num_rare"];

/// A path, or a list of paths.
mod one_or_several {
    use std::path::PathBuf;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "model.start_from must be a path or a list of paths")]
    enum Paths {
        One(PathBuf),
        Several(Vec<PathBuf>),
    }

    pub fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        match paths {
            [path] => path.serialize(serializer),
            paths => paths.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
        Ok(match Paths::deserialize(deserializer)? {
            Paths::One(path) => vec![path],
            Paths::Several(paths) if paths.is_empty() => {
                return Err(D::Error::custom(
                    "model.start_from is an empty list; leave it out to start from random weights",
                ));
            }
            Paths::Several(paths) => paths,
        })
    }
}

const fn yes() -> bool {
    true
}

impl ModelSection {
    /// Checks that a network can be made from the section, whatever the dataset.
    ///
    /// # Errors
    /// Names the key that is unknown or wrong.
    pub fn check(&self) -> Result<()> {
        ensure!(
            Recipe,
            !self.start_from.is_empty() || self.start_without.is_empty(),
            "model.start_without needs model.start_from"
        );
        self.architecture(1, 1, 0).map(|_| ())
    }

    /// Makes the network for a dataset of `bands` input channels and `classes` classes, of which `rare` are rare.
    ///
    /// # Errors
    /// As [`ModelSection::check`].
    pub fn architecture(&self, bands: usize, classes: usize, rare: usize) -> Result<Architecture> {
        let rare = if self.auxiliary_head { rare } else { 0 };
        let mut fields = self.network.clone();
        let family = match fields.remove("family") {
            None => FAMILIES[0].to_owned(),
            Some(Value::String(family)) => family,
            Some(other) => bail!(
                Recipe,
                "model.family is {other}; it must be one of {}",
                FAMILIES.join(", ")
            ),
        };
        let mut architecture = Architecture::of_family(&family, bands, classes, rare)
            .map_err(|why| failure!(Recipe, "model.family: {why}"))?;
        if let Architecture::Segformer(_) = architecture {
            let variant = fields
                .remove("variant")
                .ok_or_else(|| failure!(Recipe, "model.variant is missing; set it to one of b0 to b5"))?;
            let variant = Variant::deserialize(variant).map_err(|error| failure!(Recipe, "model.variant: {error}"))?;
            architecture = SegformerConfig::new(variant, bands, classes, rare).into();
        }
        for (name, value) in fields {
            ensure!(
                Recipe,
                !OF_THE_DATASET.contains(&name.as_str()),
                "model.{name} follows from the dataset, so leave it out"
            );
            architecture = architecture
                .with_field(&name, value)
                .map_err(|why| failure!(Recipe, "model.{why}"))?;
        }
        architecture.validate().map_err(|why| failure!(Recipe, "model.{why}"))?;
        Ok(architecture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> Result<ModelSection> {
        let section: ModelSection = toml::from_str(text)?;
        section.check().map(|()| section)
    }

    #[test]
    fn a_variant_can_be_made_smaller() {
        let text = "variant = 'b0'\ndims = [16, 32, 80, 128]\ndepths = [1, 1, 1, 1]\ndecoder_dim = 64\ndropout = 0";
        let small = section(text)
            .and_then(|section| section.architecture(5, 7, 2))
            .expect("valid");
        let expected = SegformerConfig {
            dims: [16, 32, 80, 128],
            depths: [1; 4],
            decoder_dim: 64,
            dropout: 0.0,
            ..SegformerConfig::new(Variant::B0, 5, 7, 2)
        };
        assert_eq!(small, expected.into());
    }

    #[test]
    fn every_family_has_a_default() {
        for family in FAMILIES.iter().filter(|family| **family != "segformer") {
            let section = section(&format!("family = '{family}'")).expect("valid");
            let architecture = section.architecture(4, 2, 1).expect("valid");
            assert_eq!((architecture.family(), architecture.num_rare()), (*family, 1));
        }
    }

    #[test]
    fn without_the_auxiliary_head_no_class_is_rare() {
        let section = section("variant = 'b0'\nauxiliary_head = false").expect("valid");
        assert_eq!(section.architecture(3, 7, 2).expect("valid").num_rare(), 0);
    }

    #[test]
    fn it_comes_back_from_the_resolved_recipe() {
        let text = "family = 'unet'\nchannels = [8, 16]\nupsampling = 'nearest'\nstart_from = 'a.raremap'\nstart_without = ['heads.']";
        let written = section(text).expect("valid");
        let read = section(&toml::to_string(&written).expect("serializes")).expect("valid");
        assert_eq!(format!("{read:?}"), format!("{written:?}"));
        assert_eq!(
            read.architecture(3, 7, 2).expect("valid"),
            written.architecture(3, 7, 2).expect("valid")
        );
    }

    #[test]
    fn weights_to_start_from_are_one_file_or_several() {
        let paths = |text: &str| section(&format!("variant = 'b0'\n{text}")).expect("valid").start_from;
        assert!(paths("").is_empty());
        for text in ["start_from = 'a.raremap'", "start_from = [\"a.raremap\", \"b.bpk\"]"] {
            let written = section(&format!("variant = 'b0'\n{text}")).expect("valid");
            assert_eq!(written.start_from[0], PathBuf::from("a.raremap"));
            let resolved = toml::to_string(&written).expect("serializes");
            assert!(resolved.contains(&text.replace('\'', "\"")), "{resolved}");
        }
        for text in ["start_from = []", "start_from = 3"] {
            let error = toml::from_str::<ModelSection>(&format!("variant = 'b0'\n{text}")).expect_err("refused");
            assert!(error.to_string().contains("model.start_from"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, name) in [
            ("family = 'unett'", "unett"),
            ("family = 3", "model.family"),
            ("decoder_dim = 64", "model.variant"),
            ("variant = 'b9'", "model.variant"),
            ("variant = 'b0'\ndecoder_dm = 64", "model.decoder_dm"),
            ("variant = 'b0'\ndecoder_dim = -1", "model.decoder_dim"),
            ("variant = 'b0'\nnum_classes = 3", "model.num_classes"),
            ("variant = 'b0'\ndims = [16, 33, 80, 128]", "33 channels"),
            ("family = 'unet'\nvariant = 'b0'", "model.variant"),
            ("family = 'unet'\nchannels = 'wide'", "model.channels"),
            ("family = 'unet'\nupsampling = 'cubic'", "model.upsampling"),
            ("family = 'unet'\nstart_without = ['heads.']", "model.start_without"),
        ] {
            let error = format!("{:#}", section(text).expect_err(text));
            assert!(error.contains(name), "{text}: {error}");
        }
    }
}
