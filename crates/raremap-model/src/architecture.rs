//! Which network a model has, and of what shape; cards and recipes state it.

use burn::tensor::Device;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

#[cfg(feature = "comparison")]
use crate::comparison::{
    deeplab::DeepLabConfig, manet::MaNetConfig, multipath_unet::MultipathUNetConfig, pspnet::PspNetConfig,
    unet::UNetConfig, unet_plus_plus::UNetPlusPlusConfig,
};
use crate::config::{SegformerConfig, Variant};
use crate::error::ArchitectureError;
use crate::network::Network;
use crate::segformer::Segformer;

/// The table of families: everything that differs between them by name alone. Each row is a variant of [`Architecture`] with its config,
/// the value of the key `family`, the name for people, the default config, the pixels per cell and the network.
macro_rules! families {
    ($($(#[doc = $doc:literal])+ $(#[cfg($cfg:meta)])? $variant:ident($config:ty), $family:literal, $title:literal,
        |$bands:ident, $classes:ident, $rare:ident| $default:expr, |$shape:ident| $cell_px:expr, |$built:ident, $device:ident| $init:expr;)+) => {
        /// A network's family and its shape.
        ///
        /// On disk it is the family's config with the key `family`. Without that key it is a SegFormer, the only family that the first
        /// cards knew. Unknown keys are errors.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(tag = "family")]
        #[non_exhaustive]
        pub enum Architecture {
            $($(#[doc = $doc])+ $(#[cfg($cfg)])? #[serde(rename = $family)] $variant($config),)+
        }

        /// Values of the key `family` in this build; the first one is the default.
        pub const FAMILIES: &[&str] = &[$($(#[cfg($cfg)])? $family,)+];

        impl Architecture {
            /// A config of the family, or the config's error.
            fn of_fields<E: Error>(family: &str, fields: Value) -> Result<Self, E> {
                let architecture = match family {
                    $($(#[cfg($cfg)])? $family => <$config>::deserialize(fields).map(Self::$variant),)+
                    _ => return Err(E::custom(unknown_family(family))),
                };
                architecture.map_err(|error| E::custom(format!("family {family}: {error}")))
            }

            /// The family's default shape, for `in_channels` bands and `num_classes` classes, of which `num_rare` are rare.
            ///
            /// # Errors
            /// [`ArchitectureError::UnknownFamily`], which lists the families that there are.
            pub fn of_family(family: &str, in_channels: usize, num_classes: usize, num_rare: usize) -> Result<Self, ArchitectureError> {
                match family {
                    $($(#[cfg($cfg)])? $family => {
                        let ($bands, $classes, $rare) = (in_channels, num_classes, num_rare);
                        Ok(Self::$variant($default))
                    })+
                    _ => Err(unknown_family(family)),
                }
            }

            /// Value of the key `family`.
            pub const fn family(&self) -> &'static str {
                match self { $($(#[cfg($cfg)])? Self::$variant(_) => $family,)+ }
            }

            /// The family's name for people.
            pub const fn title(&self) -> &'static str {
                match self { $($(#[cfg($cfg)])? Self::$variant(_) => $title,)+ }
            }

            /// Channels of the input.
            pub const fn in_channels(&self) -> usize {
                match self { $($(#[cfg($cfg)])? Self::$variant(config) => config.in_channels,)+ }
            }

            /// Channels of the main head.
            pub const fn num_classes(&self) -> usize {
                match self { $($(#[cfg($cfg)])? Self::$variant(config) => config.num_classes,)+ }
            }

            /// Channels of the auxiliary head; 0 without one.
            pub const fn num_rare(&self) -> usize {
                match self { $($(#[cfg($cfg)])? Self::$variant(config) => config.num_rare,)+ }
            }

            /// Input pixels per cell of the logits, along each axis.
            pub const fn cell_px(&self) -> usize {
                match self { $($(#[cfg($cfg)])? Self::$variant($shape) => $cell_px,)+ }
            }

            /// Checks that the network can be built with every number, and names the first one with which it cannot.
            ///
            /// # Errors
            /// [`ArchitectureError::OutOfRange`].
            pub fn validate(&self) -> Result<(), ArchitectureError> {
                match self { $($(#[cfg($cfg)])? Self::$variant(config) => config.validate(),)+ }
            }

            /// A network with random weights. The architecture must be valid ([`Architecture::validate`]).
            pub fn init(&self, device: &Device) -> Network {
                match self {
                    $($(#[cfg($cfg)])? Self::$variant($built) => {
                        let $device = device;
                        Network::$variant($init)
                    })+
                }
            }
        }

        $($(#[cfg($cfg)])? impl From<$config> for Architecture {
            fn from(config: $config) -> Self {
                Self::$variant(config)
            }
        })+
    };
}

families! {
    /// SegFormer (arXiv:2105.15203).
    Segformer(SegformerConfig), "segformer", "SegFormer",
        |bands, classes, rare| SegformerConfig::new(Variant::B0, bands, classes, rare), |shape| shape.cell_px(), |config, device| Segformer::init(config, device);
    /// U-Net (arXiv:1505.04597) with its options.
    #[cfg(feature = "comparison")]
    UNet(UNetConfig), "unet", "U-Net",
        |bands, classes, rare| UNetConfig::new(bands, classes, rare), |_shape| 1, |config, device| config.init(device);
    /// U-Net with four encoder paths.
    #[cfg(feature = "comparison")]
    MultipathUNet(MultipathUNetConfig), "multipath_unet", "multipath U-Net",
        |bands, classes, rare| MultipathUNetConfig::new(bands, classes, rare), |_shape| 1, |config, device| config.init(device);
    /// U-Net++ (arXiv:1807.10165).
    #[cfg(feature = "comparison")]
    UNetPlusPlus(UNetPlusPlusConfig), "unet_plus_plus", "U-Net++",
        |bands, classes, rare| UNetPlusPlusConfig::new(bands, classes, rare), |_shape| 1, |config, device| config.init(device);
    /// DeepLabV3+ (arXiv:1802.02611).
    #[cfg(feature = "comparison")]
    DeepLab(DeepLabConfig), "deeplab", "DeepLabV3+",
        |bands, classes, rare| DeepLabConfig::new(bands, classes, rare), |_shape| DeepLabConfig::CELL_PX, |config, device| config.init(device);
    /// PSPNet (arXiv:1612.01105).
    #[cfg(feature = "comparison")]
    PspNet(PspNetConfig), "pspnet", "PSPNet",
        |bands, classes, rare| PspNetConfig::new(bands, classes, rare), |_shape| PspNetConfig::CELL_PX, |config, device| config.init(device);
    /// MAnet (doi 10.1109/ACCESS.2020.3025372).
    #[cfg(feature = "comparison")]
    MaNet(MaNetConfig), "manet", "MAnet",
        |bands, classes, rare| MaNetConfig::new(bands, classes, rare), |_shape| 1, |config, device| config.init(device);
}

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let family = match fields.remove("family") {
            None => FAMILIES[0].to_owned(),
            Some(Value::String(family)) => family,
            Some(other) => return Err(D::Error::custom(format!("family is {other}; it must be a name"))),
        };
        Self::of_fields(&family, Value::Object(fields))
    }
}

fn unknown_family(family: &str) -> ArchitectureError {
    ArchitectureError::UnknownFamily {
        family: family.to_owned(),
        known: FAMILIES,
    }
}

impl Architecture {
    /// The same architecture with one field of the family's config changed.
    ///
    /// # Errors
    /// If the family has no such field, or if the value has the wrong type; the message names the field.
    pub fn with_field(&self, name: &str, value: Value) -> Result<Self, ArchitectureError> {
        let wrong_type = |error: serde_json::Error| ArchitectureError::WrongType {
            key: name.to_owned(),
            reason: error.to_string(),
        };
        let mut fields = serde_json::to_value(self).map_err(wrong_type)?;
        match fields.get_mut(name) {
            Some(field) if name != "family" => *field = value,
            _ => {
                let known = fields
                    .as_object()
                    .into_iter()
                    .flat_map(Map::keys)
                    .filter(|key| *key != "family");
                return Err(ArchitectureError::UnknownKey {
                    family: self.family(),
                    key: name.to_owned(),
                    known: known.cloned().collect(),
                });
            }
        }
        // All other fields are as they were written, so this one is wrong.
        Self::deserialize(fields).map_err(wrong_type)
    }
}

#[cfg(all(test, feature = "comparison"))]
mod tests {
    use super::*;
    use serde_json::json;

    fn of_family(family: &str) -> Architecture {
        Architecture::of_family(family, 3, 7, 2).expect("a family")
    }

    #[test]
    fn every_family_comes_back_from_what_a_card_states() {
        for &family in FAMILIES {
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
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}
