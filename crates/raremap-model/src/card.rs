//! The model's card: what it takes, what it gives, and where it comes from.
//!
//! On disk it is a STAC Item with the Machine Learning Model extension (MLM 1.4), so that other tools can read it; here it is typed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::architecture::Architecture;
use crate::error::WeightsError;

const STAC_VERSION: &str = "1.1.0";
const MLM_SCHEMA: &str = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json";
const CLASSIFICATION_SCHEMA: &str = "https://stac-extensions.github.io/classification/v2.0.0/schema.json";

/// Everything that a runtime and a reader need to know about a set of weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Identifier, such as `raremap-water12-b0`.
    pub name: String,
    /// One paragraph for people: what it is for, and what it is not for.
    pub description: String,
    /// RFC 3339 instant of the export.
    pub created: String,
    /// Channels of the input tensor, in order: scene bands first, then derived ones.
    pub bands: Vec<Band>,
    /// What the scene's numbers are, in words, such as `surface reflectance x 10000`.
    pub value_scaling: String,
    /// Tile edge to run with, in pixels, a multiple of 32; it is that of the training crops.
    pub tile_px: usize,
    /// Ground resolution of the training data, in metres per pixel.
    pub ground_resolution_m: f64,
    /// Classes by label value, in the order of the main head's channels.
    pub classes: Vec<Class>,
    /// Names of the rare classes, in the order of the auxiliary head's channels.
    pub rare_classes: Vec<String>,
    /// Network shape; on disk it is `mlm:hyperparameters`.
    pub architecture: Architecture,
    /// Where the training data comes from, and under what terms.
    pub training: Training,
    /// Figures on named splits, as `raremap evaluate` prints them.
    pub metrics: Value,
    /// How the weights were quantized, in words.
    pub quantization: String,
}

/// One channel of the input tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Common name, lower case: `green`, `red`, `nir`, or `ndwi` for a derived one.
    pub name: String,
    /// Where the channel's values come from.
    pub source: BandSource,
    /// Whether the model also works on scenes without this band. Only bands of the scene are marked; a normalized difference is there if both of
    /// its bands are.
    pub optional: bool,
    /// Mean over the valid pixels of the training split, in scene units; for presence and traits, the value that becomes 0.
    pub mean: f32,
    /// Standard deviation over the same pixels, positive; for presence and traits, the difference that becomes 1.
    pub std: f32,
}

/// Where a channel's values come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BandSource {
    /// A band of the scene, assigned by name.
    Scene,
    /// `(first - second) / (first + second)` of two scene bands, in -1..1; 0 if the sum is below 1.
    NormalizedDifference {
        /// Name of the scene band `first`.
        first: String,
        /// Name of the scene band `second`.
        second: String,
    },
    /// 1 if the scene has an optional band, and 0 if it does not.
    Presence {
        /// Name of the band.
        band: String,
    },
    /// The same number in every pixel: something that is known about the scene as a whole.
    Trait(SceneTrait),
    /// An optional band that the scene at hand does not have, or a band derived from one: the network gets the mean everywhere, as it often
    /// did in training. No card on disk says so; see [`Card::without`].
    Missing,
}

impl BandSource {
    /// How a derived channel is made from the scene, for people and, for a normalized difference, for GDAL; `None` for a band of the scene.
    pub fn expression(&self) -> Option<String> {
        match self {
            Self::Scene | Self::Missing => None,
            Self::NormalizedDifference { first, second } => {
                Some(format!("({first} - {second}) / ({first} + {second})"))
            }
            Self::Presence { band } => Some(format!("1 with {band}, 0 without")),
            Self::Trait(SceneTrait::Picture) => Some("1 for an 8-bit picture, 0 for reflectance".to_owned()),
            Self::Trait(SceneTrait::GroundResolution) => Some("log2 of the metres per pixel".to_owned()),
        }
    }
}

/// Something that is known about a scene as a whole, which a network is told as a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SceneTrait {
    /// 1 if the values are those of an 8-bit picture, whose stretch is unknown, and 0 if they are reflectances.
    Picture,
    /// Binary logarithm of the metres per pixel.
    GroundResolution,
}

/// One class of the main head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// Label value in masks.
    pub value: u8,
    /// Name in data and on the command line: `wetland`.
    pub name: String,
    /// Colour in masks, red, green, blue.
    pub color: [u8; 3],
}

/// Provenance of the training data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Name of the data set.
    pub dataset: String,
    /// Source and terms, in words.
    pub provenance: String,
    /// Pixels per class of the training split, in class order.
    pub class_pixels: Vec<u64>,
    /// Finest and coarsest ground resolution in training, in metres per pixel; absent if the only one was `ground_resolution_m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground_resolution_range_m: Option<[f64; 2]>,
}

impl Card {
    /// Value of invalid pixels in masks.
    pub const MASK_NODATA: u8 = 255;

    /// Names of the bands that the model reads from the scene, in order.
    pub fn scene_bands(&self) -> Vec<&str> {
        self.scene().map(|band| band.name.as_str()).collect()
    }

    /// Names of those of [`Card::scene_bands`] that every scene has to provide.
    pub fn required_bands(&self) -> Vec<&str> {
        let required = self.scene().filter(|band| !band.optional);
        required.map(|band| band.name.as_str()).collect()
    }

    /// Names of those of [`Card::scene_bands`] that a scene may lack.
    pub fn optional_bands(&self) -> Vec<&str> {
        let optional = self.scene().filter(|band| band.optional);
        optional.map(|band| band.name.as_str()).collect()
    }

    fn scene(&self) -> impl Iterator<Item = &Band> {
        self.bands.iter().filter(|band| band.source == BandSource::Scene)
    }

    /// The card for a scene that lacks some bands: these, and what is derived from them, are [`BandSource::Missing`].
    #[must_use]
    pub fn without(&self, missing: &[&str]) -> Self {
        let mut card = self.clone();
        for band in &mut card.bands {
            let is_missing = match &band.source {
                BandSource::Scene => missing.contains(&band.name.as_str()),
                BandSource::NormalizedDifference { first, second } => {
                    missing.contains(&first.as_str()) || missing.contains(&second.as_str())
                }
                // A channel that says that its band is missing is there.
                BandSource::Presence { .. } | BandSource::Trait(_) => false,
                BandSource::Missing => true,
            };
            if is_missing {
                band.source = BandSource::Missing;
            }
        }
        card
    }

    /// Finest and coarsest ground resolution of the training data, in metres per pixel.
    pub fn ground_resolution_range_m(&self) -> [f64; 2] {
        let only = [self.ground_resolution_m; 2];
        self.training.ground_resolution_range_m.unwrap_or(only)
    }

    /// Class indices (channels of the main head) of the rare classes, in the order of the auxiliary head.
    pub fn rare_class_indices(&self) -> Vec<usize> {
        self.rare_classes
            .iter()
            .filter_map(|name| self.classes.iter().position(|c| &c.name == name))
            .collect()
    }
}

/// Keys of a derived channel in a card on disk.
const NORMALIZED_DIFFERENCE: &str = "raremap:normalized_difference";
const PRESENCE: &str = "raremap:presence";
const TRAIT: &str = "raremap:trait";

/// Reads where the values of a channel come from.
fn source_of(band: &Value) -> Result<BandSource, WeightsError> {
    let stated = |key: &str| Some(&band[key]).filter(|value| !value.is_null());
    match (stated(NORMALIZED_DIFFERENCE), stated(PRESENCE), stated(TRAIT)) {
        (Some(pair), None, None) => {
            let (first, second) = read("bands", pair)?;
            Ok(BandSource::NormalizedDifference { first, second })
        }
        (None, Some(name), None) => {
            let band = read("bands", name)?;
            Ok(BandSource::Presence { band })
        }
        (None, None, Some(scene_trait)) => Ok(BandSource::Trait(read("bands", scene_trait)?)),
        (None, None, None) if band["expression"].is_null() => Ok(BandSource::Scene),
        _ => Err(malformed(
            "bands",
            "a channel is derived in a way that this version does not know",
        )),
    }
}

/// A tensor's shape for a tile of the card's size; the network takes any multiple of 32.
fn shape(channels: usize, stride: usize, tile_px: usize) -> Value {
    json!([-1, channels, tile_px / stride, tile_px / stride])
}

impl Card {
    /// The card as a STAC Item with MLM fields. Fields that MLM does not have are under `raremap:`.
    pub fn to_stac(&self) -> Value {
        let dim_order = json!(["batch", "channel", "height", "width"]);
        let bands: Vec<Value> = self
            .bands
            .iter()
            .map(|band| {
                let mut stated = json!({ "name": band.name });
                match &band.source {
                    BandSource::Scene if band.optional => stated["raremap:optional"] = true.into(),
                    BandSource::Scene | BandSource::Missing => {}
                    BandSource::NormalizedDifference { first, second } => {
                        stated["format"] = "gdal-calc".into();
                        stated[NORMALIZED_DIFFERENCE] = json!([first, second]);
                    }
                    BandSource::Presence { band } => stated[PRESENCE] = json!(band),
                    BandSource::Trait(scene_trait) => stated[TRAIT] = json!(scene_trait),
                }
                if let Some(expression) = band.source.expression() {
                    stated["expression"] = expression.into();
                }
                stated
            })
            .collect();
        let scaling: Vec<Value> = self
            .bands
            .iter()
            .map(|band| json!({ "type": "z-score", "mean": band.mean, "stddev": band.std }))
            .collect();
        let classes: Vec<Value> = self
            .classes
            .iter()
            .map(|class| {
                let [r, g, b] = class.color;
                let color = format!("{r:02X}{g:02X}{b:02X}");
                json!({ "value": class.value, "name": class.name, "title": class.name, "color_hint": color })
            })
            .collect();
        let rare: Vec<Value> = classes
            .iter()
            .filter(|class| self.rare_classes.iter().any(|name| class["name"] == name.as_str()))
            .cloned()
            .collect();
        let arch = &self.architecture;
        let output = |name: &str, channels: usize, classes: Vec<Value>, post: &str| {
            json!({
                "name": name,
                "tasks": ["semantic-segmentation"],
                "result": { "shape": shape(channels, arch.cell_px(), self.tile_px), "dim_order": dim_order, "data_type": "float32" },
                "classification:classes": classes,
                "post_processing_function": { "format": "text", "expression": post },
            })
        };
        json!({
            "type": "Feature",
            "stac_version": STAC_VERSION,
            "stac_extensions": [MLM_SCHEMA, CLASSIFICATION_SCHEMA],
            "id": self.name,
            "geometry": null,
            "links": [],
            "assets": {},
            "properties": {
                "datetime": self.created,
                "description": self.description,
                "gsd": self.ground_resolution_m,
                "mlm:name": self.name,
                "mlm:architecture": format!("{}, {}", arch.title(), if arch.num_rare() > 0 { "dual head" } else { "single head" }),
                "mlm:tasks": ["semantic-segmentation"],
                "mlm:framework": "burn",
                "mlm:pretrained": false,
                "mlm:accelerator_constrained": false,
                "mlm:hyperparameters": arch,
                "mlm:input": [{
                    "name": "tile",
                    "bands": bands,
                    "input": { "shape": shape(arch.in_channels(), 1, self.tile_px), "dim_order": dim_order, "data_type": "float32" },
                    "value_scaling": scaling,
                    "resize_type": null,
                    "pre_processing_function": { "format": "text", "expression": self.value_scaling },
                }],
                "mlm:output": [
                    output("main", arch.num_classes(), classes, "softmax over the channels"),
                    output("auxiliary", arch.num_rare(), rare, "sigmoid of each channel"),
                ],
                "raremap:rare_classes": self.rare_classes,
                "raremap:tile_px": self.tile_px,
                "raremap:training": self.training,
                "raremap:metrics": self.metrics,
                "raremap:quantization": self.quantization,
            },
        })
    }

    /// Reads what [`Card::to_stac`] wrote, and checks that it makes sense.
    ///
    /// # Errors
    /// [`WeightsError::Malformed`], which names the field.
    pub fn from_stac(item: &Value) -> Result<Self, WeightsError> {
        let properties = &item["properties"];
        let input = &properties["mlm:input"][0];
        let scaling: Vec<Scaling> = field(input, "value_scaling")?;
        let bands: Vec<Value> = field(input, "bands")?;
        if scaling.len() != bands.len() {
            return Err(malformed("value_scaling", "it needs one entry per band"));
        }
        let bands = bands.iter().zip(scaling).map(|(band, scaling)| {
            let source = source_of(band)?;
            Ok(Band {
                name: field(band, "name")?,
                optional: source == BandSource::Scene && band["raremap:optional"].as_bool().unwrap_or(false),
                source,
                mean: scaling.mean,
                std: scaling.stddev,
            })
        });
        let classes: Vec<StacClass> = field(&properties["mlm:output"][0], "classification:classes")?;
        let classes = classes.into_iter().map(|class| {
            let color = hex_color(&class.color_hint).ok_or_else(|| malformed("color_hint", &class.color_hint))?;
            Ok(Class {
                value: class.value,
                name: class.name,
                color,
            })
        });
        let card = Self {
            name: field(properties, "mlm:name")?,
            description: field(properties, "description")?,
            created: field(properties, "datetime")?,
            bands: bands.collect::<Result<_, WeightsError>>()?,
            value_scaling: field(&input["pre_processing_function"], "expression")?,
            tile_px: field(properties, "raremap:tile_px")?,
            ground_resolution_m: field(properties, "gsd")?,
            classes: classes.collect::<Result<_, WeightsError>>()?,
            rare_classes: field(properties, "raremap:rare_classes")?,
            architecture: field(properties, "mlm:hyperparameters")?,
            training: field(properties, "raremap:training")?,
            metrics: properties["raremap:metrics"].clone(),
            quantization: field(properties, "raremap:quantization")?,
        };
        card.validate().map(|()| card)
    }

    /// Checks that the parts fit each other.
    fn validate(&self) -> Result<(), WeightsError> {
        let arch = &self.architecture;
        arch.validate()
            .map_err(|why| malformed("mlm:hyperparameters", &why.to_string()))?;
        // This comes first: what follows compares each name with each, and a forged header may hold a hundred thousand.
        let counts = [
            ("bands", self.bands.len(), arch.in_channels()),
            ("classification:classes", self.classes.len(), arch.num_classes()),
            ("raremap:rare_classes", self.rare_classes.len(), arch.num_rare()),
        ];
        if let Some((name, found, wanted)) = counts.into_iter().find(|(_, found, wanted)| found != wanted) {
            return Err(malformed(
                name,
                &format!("it has {found}, but the network has {wanted}"),
            ));
        }
        let unique = |names: Vec<&str>| (0..names.len()).all(|i| !names[..i].contains(&names[i]));
        let (scene, optional) = (self.scene_bands(), self.optional_bands());
        let derived_known = self.bands.iter().all(|band| match &band.source {
            BandSource::Scene | BandSource::Trait(_) | BandSource::Missing => true,
            BandSource::NormalizedDifference { first, second } => {
                scene.contains(&first.as_str()) && scene.contains(&second.as_str())
            }
            BandSource::Presence { band } => optional.contains(&band.as_str()),
        });
        let finite = |band: &Band| band.mean.is_finite() && band.std.is_finite() && band.std > 0.0;
        let problems = [
            (
                !derived_known,
                "bands",
                "a derived band needs scene bands of the card, and presence an optional one",
            ),
            (
                self.required_bands().is_empty(),
                "bands",
                "each band of the scene is optional",
            ),
            (
                !unique(self.bands.iter().map(|b| b.name.as_str()).collect()),
                "bands",
                "a name occurs twice",
            ),
            (
                !self.bands.iter().all(finite),
                "value_scaling",
                "means must be finite and deviations positive",
            ),
            (
                !unique(self.classes.iter().map(|c| c.name.as_str()).collect()),
                "classes",
                "a name occurs twice",
            ),
            (
                self.classes.iter().any(|c| c.value == Self::MASK_NODATA),
                "classes",
                "255 is the masks' nodata",
            ),
            (
                self.rare_class_indices().len() != self.rare_classes.len(),
                "raremap:rare_classes",
                "an unknown class",
            ),
            (
                self.tile_px == 0 || !self.tile_px.is_multiple_of(32) || self.tile_px > 4096,
                "raremap:tile_px",
                "a multiple of 32",
            ),
        ];
        match problems.iter().find(|(wrong, ..)| *wrong) {
            Some((_, name, why)) => Err(malformed(name, why)),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Scaling {
    mean: f32,
    stddev: f32,
}

#[derive(Deserialize)]
struct StacClass {
    value: u8,
    name: String,
    color_hint: String,
}

fn malformed(name: &str, why: &str) -> WeightsError {
    WeightsError::Malformed(format!("the card's {name}: {why}"))
}

fn read<T: for<'de> Deserialize<'de>>(name: &str, value: &Value) -> Result<T, WeightsError> {
    T::deserialize(value).map_err(|error| malformed(name, &error.to_string()))
}

fn field<T: for<'de> Deserialize<'de>>(object: &Value, name: &str) -> Result<T, WeightsError> {
    read(name, &object[name])
}

fn hex_color(text: &str) -> Option<[u8; 3]> {
    let digits = (text.len() == 6 && text.is_ascii()).then_some(text)?;
    let channel = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    Some([channel(0)?, channel(2)?, channel(4)?])
}
