//! Which network, and of what shape: what a card and a recipe state.

use burn::tensor::Device;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::config::SegformerConfig;
use crate::network::Network;
use crate::segformer::Segformer;

/// A network's family and its shape.
///
/// On disk it is the family's config with the key `family`; without that key it is a SegFormer, the only family that the first
/// cards knew. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "family", rename_all = "snake_case")]
pub enum Architecture {
    /// SegFormer (arXiv:2105.15203).
    Segformer(SegformerConfig),
}

/// Values of the key `family`.
const FAMILIES: [&str; 1] = ["segformer"];

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let family = match fields.remove("family") {
            None => "segformer".to_owned(),
            Some(Value::String(family)) => family,
            Some(other) => return Err(D::Error::custom(format!("family is {other}; it must be a name"))),
        };
        let fields = Value::Object(fields);
        let architecture = match family.as_str() {
            "segformer" => SegformerConfig::deserialize(fields).map(Self::Segformer),
            other => {
                let known = FAMILIES.join(", ");
                return Err(D::Error::custom(format!("family {other} is none of {known}")));
            }
        };
        architecture.map_err(|error| D::Error::custom(format!("family {family}: {error}")))
    }
}

impl Architecture {
    /// Channels of the input.
    pub const fn in_channels(&self) -> usize {
        match self {
            Self::Segformer(config) => config.in_channels,
        }
    }

    /// Channels of the main head.
    pub const fn num_classes(&self) -> usize {
        match self {
            Self::Segformer(config) => config.num_classes,
        }
    }

    /// Channels of the auxiliary head; 0 without one.
    pub const fn num_rare(&self) -> usize {
        match self {
            Self::Segformer(config) => config.num_rare,
        }
    }

    /// Input pixels per cell of the logits, along each axis.
    pub const fn cell_px(&self) -> usize {
        match self {
            Self::Segformer(config) => config.cell_px(),
        }
    }

    /// The family's name for people.
    pub const fn title(&self) -> &'static str {
        match self {
            Self::Segformer(_) => "SegFormer",
        }
    }

    /// Whether every number is one the network can be built with; names the first that is not.
    ///
    /// # Errors
    /// The field's name and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        match self {
            Self::Segformer(config) => config.validate(),
        }
    }

    /// A network with random weights. The architecture must be valid ([`Architecture::validate`]).
    pub fn init(&self, device: &Device) -> Network {
        match self {
            Self::Segformer(config) => Network::Segformer(Segformer::init(config, device)),
        }
    }
}

impl From<SegformerConfig> for Architecture {
    fn from(config: SegformerConfig) -> Self {
        Self::Segformer(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variant;
    use serde_json::json;

    fn segformer() -> Architecture {
        SegformerConfig::new(Variant::B0, 3, 7, 2).into()
    }

    #[test]
    fn a_card_without_a_family_is_a_segformers() {
        let mut fields = serde_json::to_value(segformer()).expect("serializes");
        assert_eq!(fields["family"], "segformer");
        fields.as_object_mut().expect("an object").remove("family");
        assert_eq!(Architecture::deserialize(fields).expect("valid"), segformer());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |key: &str, value: Value| {
            let mut fields = serde_json::to_value(segformer()).expect("serializes");
            fields[key] = value;
            Architecture::deserialize(fields).expect_err("refused").to_string()
        };
        assert!(refused("family", json!("segformed")).contains("segformed"));
        assert!(refused("family", json!(7)).contains("family"));
        assert!(refused("depht", json!(7)).contains("depht"));
        let mut fields = serde_json::to_value(segformer()).expect("serializes");
        fields.as_object_mut().expect("an object").remove("dims");
        let error = Architecture::deserialize(fields).expect_err("incomplete").to_string();
        assert!(error.contains("dims"), "{error}");
    }
}
