//! Which network a model has, and of what shape; cards and recipes state it.

use burn::tensor::Device;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::config::{SegformerConfig, Variant};
use crate::deeplab::DeepLabConfig;
use crate::manet::MaNetConfig;
use crate::multipath_unet::MultipathUNetConfig;
use crate::network::Network;
use crate::pspnet::PspNetConfig;
use crate::segformer::Segformer;
use crate::unet::UNetConfig;
use crate::unet_plus_plus::UNetPlusPlusConfig;

/// A network's family and its shape.
///
/// On disk it is the family's config with the key `family`. Without that key it is a SegFormer, the only family that the first cards knew.
/// Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "family")]
pub enum Architecture {
    /// SegFormer (arXiv:2105.15203).
    #[serde(rename = "segformer")]
    Segformer(SegformerConfig),
    /// U-Net (arXiv:1505.04597) with its options.
    #[serde(rename = "unet")]
    UNet(UNetConfig),
    /// U-Net with four encoder paths.
    #[serde(rename = "multipath_unet")]
    MultipathUNet(MultipathUNetConfig),
    /// U-Net++ (arXiv:1807.10165).
    #[serde(rename = "unet_plus_plus")]
    UNetPlusPlus(UNetPlusPlusConfig),
    /// DeepLabV3+ (arXiv:1802.02611).
    #[serde(rename = "deeplab")]
    DeepLab(DeepLabConfig),
    /// PSPNet (arXiv:1612.01105).
    #[serde(rename = "pspnet")]
    PspNet(PspNetConfig),
    /// MAnet (doi 10.1109/ACCESS.2020.3025372).
    #[serde(rename = "manet")]
    MaNet(MaNetConfig),
}

/// Values of the key `family`; the first one is the default.
pub const FAMILIES: [&str; 7] = [
    "segformer",
    "unet",
    "multipath_unet",
    "unet_plus_plus",
    "deeplab",
    "pspnet",
    "manet",
];

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let family = match fields.remove("family") {
            None => FAMILIES[0].to_owned(),
            Some(Value::String(family)) => family,
            Some(other) => return Err(D::Error::custom(format!("family is {other}; it must be a name"))),
        };
        let fields = Value::Object(fields);
        let architecture = match family.as_str() {
            "segformer" => SegformerConfig::deserialize(fields).map(Self::Segformer),
            "unet" => UNetConfig::deserialize(fields).map(Self::UNet),
            "multipath_unet" => MultipathUNetConfig::deserialize(fields).map(Self::MultipathUNet),
            "unet_plus_plus" => UNetPlusPlusConfig::deserialize(fields).map(Self::UNetPlusPlus),
            "deeplab" => DeepLabConfig::deserialize(fields).map(Self::DeepLab),
            "pspnet" => PspNetConfig::deserialize(fields).map(Self::PspNet),
            "manet" => MaNetConfig::deserialize(fields).map(Self::MaNet),
            _ => return Err(D::Error::custom(unknown_family(&family))),
        };
        architecture.map_err(|error| D::Error::custom(format!("family {family}: {error}")))
    }
}

fn unknown_family(family: &str) -> String {
    format!("family {family} is not one of {}", FAMILIES.join(", "))
}

/// Applies the same expression to every family's config.
macro_rules! of_config {
    ($architecture:expr, $config:ident => $value:expr) => {
        match $architecture {
            Architecture::Segformer($config) => $value,
            Architecture::UNet($config) => $value,
            Architecture::MultipathUNet($config) => $value,
            Architecture::UNetPlusPlus($config) => $value,
            Architecture::DeepLab($config) => $value,
            Architecture::PspNet($config) => $value,
            Architecture::MaNet($config) => $value,
        }
    };
}

impl Architecture {
    /// The family's default shape, for `in_channels` bands and `num_classes` classes, of which `num_rare` are rare.
    ///
    /// # Errors
    /// If there is no such family; the message lists those that there are.
    pub fn of_family(family: &str, in_channels: usize, num_classes: usize, num_rare: usize) -> Result<Self, String> {
        let (bands, classes, rare) = (in_channels, num_classes, num_rare);
        Ok(match family {
            "segformer" => Self::Segformer(SegformerConfig::new(Variant::B0, bands, classes, rare)),
            "unet" => Self::UNet(UNetConfig::new(bands, classes, rare)),
            "multipath_unet" => Self::MultipathUNet(MultipathUNetConfig::new(bands, classes, rare)),
            "unet_plus_plus" => Self::UNetPlusPlus(UNetPlusPlusConfig::new(bands, classes, rare)),
            "deeplab" => Self::DeepLab(DeepLabConfig::new(bands, classes, rare)),
            "pspnet" => Self::PspNet(PspNetConfig::new(bands, classes, rare)),
            "manet" => Self::MaNet(MaNetConfig::new(bands, classes, rare)),
            other => return Err(unknown_family(other)),
        })
    }

    /// The same architecture with one field of the family's config changed.
    ///
    /// # Errors
    /// If the family has no such field, or if the value has the wrong type; the message names the field.
    pub fn with_field(&self, name: &str, value: Value) -> Result<Self, String> {
        let mut fields = serde_json::to_value(self).map_err(|error| error.to_string())?;
        match fields.get_mut(name) {
            Some(field) if name != "family" => *field = value,
            _ => {
                let known = fields
                    .as_object()
                    .into_iter()
                    .flat_map(Map::keys)
                    .filter(|key| *key != "family");
                let known: Vec<&str> = known.map(String::as_str).collect();
                return Err(format!(
                    "{name} is not a key of family {}; its keys are {}",
                    self.family(),
                    known.join(", ")
                ));
            }
        }
        // All other fields are as they were written, so this one is wrong.
        Self::deserialize(fields).map_err(|error| format!("{name}: {error}"))
    }

    /// Value of the key `family`.
    pub const fn family(&self) -> &'static str {
        match self {
            Self::Segformer(_) => "segformer",
            Self::UNet(_) => "unet",
            Self::MultipathUNet(_) => "multipath_unet",
            Self::UNetPlusPlus(_) => "unet_plus_plus",
            Self::DeepLab(_) => "deeplab",
            Self::PspNet(_) => "pspnet",
            Self::MaNet(_) => "manet",
        }
    }

    /// The family's name for people.
    pub const fn title(&self) -> &'static str {
        match self {
            Self::Segformer(_) => "SegFormer",
            Self::UNet(_) => "U-Net",
            Self::MultipathUNet(_) => "multipath U-Net",
            Self::UNetPlusPlus(_) => "U-Net++",
            Self::DeepLab(_) => "DeepLabV3+",
            Self::PspNet(_) => "PSPNet",
            Self::MaNet(_) => "MAnet",
        }
    }

    /// Channels of the input.
    pub const fn in_channels(&self) -> usize {
        of_config!(self, config => config.in_channels)
    }

    /// Channels of the main head.
    pub const fn num_classes(&self) -> usize {
        of_config!(self, config => config.num_classes)
    }

    /// Channels of the auxiliary head; 0 without one.
    pub const fn num_rare(&self) -> usize {
        of_config!(self, config => config.num_rare)
    }

    /// Input pixels per cell of the logits, along each axis.
    pub const fn cell_px(&self) -> usize {
        match self {
            Self::Segformer(config) => config.cell_px(),
            Self::DeepLab(_) => DeepLabConfig::CELL_PX,
            Self::PspNet(_) => PspNetConfig::CELL_PX,
            Self::UNet(_) | Self::MultipathUNet(_) | Self::UNetPlusPlus(_) | Self::MaNet(_) => 1,
        }
    }

    /// Checks that the network can be built with every number, and names the first one with which it cannot.
    ///
    /// # Errors
    /// The field's name and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        of_config!(self, config => config.validate())
    }

    /// A network with random weights. The architecture must be valid ([`Architecture::validate`]).
    pub fn init(&self, device: &Device) -> Network {
        match self {
            Self::Segformer(config) => Network::Segformer(Segformer::init(config, device)),
            Self::UNet(config) => Network::UNet(config.init(device)),
            Self::MultipathUNet(config) => Network::MultipathUNet(config.init(device)),
            Self::UNetPlusPlus(config) => Network::UNetPlusPlus(config.init(device)),
            Self::DeepLab(config) => Network::DeepLab(config.init(device)),
            Self::PspNet(config) => Network::PspNet(config.init(device)),
            Self::MaNet(config) => Network::MaNet(config.init(device)),
        }
    }
}

impl From<SegformerConfig> for Architecture {
    fn from(config: SegformerConfig) -> Self {
        Self::Segformer(config)
    }
}

impl From<UNetConfig> for Architecture {
    fn from(config: UNetConfig) -> Self {
        Self::UNet(config)
    }
}

impl From<MultipathUNetConfig> for Architecture {
    fn from(config: MultipathUNetConfig) -> Self {
        Self::MultipathUNet(config)
    }
}

impl From<UNetPlusPlusConfig> for Architecture {
    fn from(config: UNetPlusPlusConfig) -> Self {
        Self::UNetPlusPlus(config)
    }
}

impl From<DeepLabConfig> for Architecture {
    fn from(config: DeepLabConfig) -> Self {
        Self::DeepLab(config)
    }
}

impl From<PspNetConfig> for Architecture {
    fn from(config: PspNetConfig) -> Self {
        Self::PspNet(config)
    }
}

impl From<MaNetConfig> for Architecture {
    fn from(config: MaNetConfig) -> Self {
        Self::MaNet(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of_family(family: &str) -> Architecture {
        Architecture::of_family(family, 3, 7, 2).expect("a family")
    }

    #[test]
    fn every_family_comes_back_from_what_a_card_states() {
        for family in FAMILIES {
            let architecture = of_family(family);
            assert_eq!(architecture.validate(), Ok(()), "{family}");
            assert_eq!(architecture.family(), family);
            let ends = (
                architecture.in_channels(),
                architecture.num_classes(),
                architecture.num_rare(),
            );
            assert_eq!(ends, (3, 7, 2), "{family}");
            let fields = serde_json::to_value(&architecture).expect("serializes");
            assert_eq!(fields["family"], family);
            assert_eq!(Architecture::deserialize(fields).expect("valid"), architecture);
        }
    }

    #[test]
    fn a_card_without_a_family_is_a_segformers() {
        let mut fields = serde_json::to_value(of_family("segformer")).expect("serializes");
        fields.as_object_mut().expect("an object").remove("family");
        assert_eq!(
            Architecture::deserialize(fields).expect("valid"),
            of_family("segformer")
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |key: &str, value: Value| {
            let mut fields = serde_json::to_value(of_family("unet")).expect("serializes");
            fields[key] = value;
            Architecture::deserialize(fields).expect_err("refused").to_string()
        };
        assert!(refused("family", json!("segformed")).contains("segformed"));
        assert!(refused("family", json!(7)).contains("family"));
        assert!(refused("chanels", json!([7])).contains("chanels"));
        let mut fields = serde_json::to_value(of_family("segformer")).expect("serializes");
        fields.as_object_mut().expect("an object").remove("dims");
        let error = Architecture::deserialize(fields).expect_err("incomplete").to_string();
        assert!(error.contains("dims"), "{error}");
    }

    #[test]
    fn one_field_can_be_changed_and_is_named_where_it_cannot() {
        let unet = of_family("unet");
        let narrow = unet.with_field("channels", json!([8, 16])).expect("a field");
        assert!(matches!(narrow, Architecture::UNet(config) if config.channels == [8, 16]));
        for (name, value) in [
            ("channels", json!("wide")),
            ("depths", json!([1])),
            ("family", json!("manet")),
        ] {
            let error = unet.with_field(name, value).expect_err("refused");
            assert!(error.starts_with(name), "{error}");
        }
    }
}
