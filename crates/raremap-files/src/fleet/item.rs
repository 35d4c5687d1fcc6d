//! The scenes that a list names: paths, lists of paths, and STAC Items.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use raremap_io::{is_address, without_query};
use raremap_model::Card;
use raremap_output::ItemCollection;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::predict::PredictOptions;

/// A scene of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetScene {
    /// The name of the folder of its results.
    pub id: String,
    /// Its files, as absolute paths or addresses.
    pub(super) inputs: Vec<PathBuf>,
    /// Address of the STAC Item that it comes from.
    pub(super) source: Option<String>,
    /// Which of the Item's assets is which band, unless the caller says so.
    pub(super) bands: Option<String>,
    /// When the Item says that it was taken, unless the caller says so.
    datetime: Option<String>,
}

/// A scene that could not be mapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FleetFailure {
    /// The scene's name.
    pub id: String,
    /// A short name of the failure, which is stable between versions.
    pub code: String,
    /// What happened, for people.
    pub message: String,
}

impl FleetScene {
    fn of_paths(inputs: Vec<PathBuf>) -> Self {
        Self {
            id: folder_name(&name_of(&common_path(&inputs))),
            inputs,
            source: None,
            bands: None,
            datetime: None,
        }
    }

    /// How to map it, if the caller asks for `asked`.
    pub(super) fn options(&self, asked: &PredictOptions) -> PredictOptions {
        let mut options = asked.clone();
        options.bands = options.bands.or_else(|| self.bands.clone());
        options.output.datetime = options.output.datetime.or_else(|| self.datetime.clone());
        options.output.collection = Some(ItemCollection {
            id: super::collection::ID,
            href: "../collection.json",
        });
        options.output.scene_item = self.source.clone();
        options
    }
}

/// The scenes that `items` name, in the order of their ids, each once. An item is a path, or as JSON a path, a list of the paths of one
/// product, or a STAC Item.
pub fn fleet_scenes<'i>(
    items: impl IntoIterator<Item = &'i str>,
    card: &Card,
) -> Vec<Result<FleetScene, FleetFailure>> {
    let items = items.into_iter().map(str::trim).enumerate();
    let named = items.filter(|(_, item)| !item.is_empty());
    let scenes: Vec<_> = named.map(|(index, item)| scene_of(index + 1, item, card)).collect();
    with_own_ids(scenes)
}

fn scene_of(number: usize, item: &str, card: &Card) -> Result<FleetScene, FleetFailure> {
    let malformed = |id: String, message: String| FleetFailure {
        id,
        code: "item_malformed".into(),
        message,
    };
    let unnamed = |message: String| malformed(format!("item_{number}"), message);
    let item = if item.starts_with(['{', '[', '"']) {
        serde_json::from_str(item).map_err(|error| unnamed(format!("item {number} is not JSON: {error}")))?
    } else {
        Value::from(item)
    };
    match item {
        Value::Object(fields) => {
            let id = match fields.get("id") {
                Some(Value::String(id)) => folder_name(id),
                Some(id) => folder_name(&id.to_string()),
                None => folder_name(""),
            };
            let unusable = |error: String| malformed(id.clone(), format!("the STAC Item cannot be used: {error}"));
            let item = StacItem::deserialize(Value::Object(fields)).map_err(|error| unusable(error.to_string()))?;
            item.scene(id.clone(), card)
                .map_err(unusable)?
                .ok_or_else(|| FleetFailure {
                    id: id.clone(),
                    code: "item_without_data".into(),
                    message: "the STAC Item has no asset that is a GeoTIFF or has the role data".into(),
                })
        }
        paths => {
            let paths = match paths {
                Value::String(path) => Ok(vec![path]),
                other => Vec::<String>::deserialize(other),
            };
            let paths = paths.map_err(|_| unnamed(format!("item {number} is no path, list of paths or STAC Item")))?;
            let inputs = paths
                .iter()
                .map(|path| path_of(path, None))
                .collect::<Result<Vec<_>, _>>();
            let inputs = inputs.map_err(|error| {
                malformed(
                    folder_name(&name_of(Path::new(paths.first().map_or("", String::as_str)))),
                    error,
                )
            })?;
            if inputs.is_empty() {
                return Err(unnamed(format!("item {number} is an empty list")));
            }
            Ok(FleetScene::of_paths(inputs))
        }
    }
}

/// What is read of a STAC Item.
#[derive(Deserialize)]
struct StacItem {
    assets: BTreeMap<String, Asset>,
    links: Option<Vec<Link>>,
    properties: Option<Properties>,
}

#[derive(Deserialize)]
struct Asset {
    href: String,
    roles: Option<Vec<String>>,
    r#type: Option<String>,
    #[serde(rename = "eo:bands")]
    eo_bands: Option<Vec<AssetBand>>,
    bands: Option<Vec<AssetBand>>,
}

#[derive(Deserialize)]
struct AssetBand {
    common_name: Option<String>,
    #[serde(rename = "eo:common_name")]
    eo_common_name: Option<String>,
}

#[derive(Deserialize)]
struct Link {
    rel: String,
    href: String,
}

#[derive(Deserialize)]
struct Properties {
    datetime: Option<String>,
}

impl Asset {
    fn is_data(&self) -> bool {
        let has_role = self.roles.iter().flatten().any(|role| role == "data");
        has_role || self.r#type.as_ref().is_some_and(|kind| kind.starts_with("image/tiff"))
    }

    fn has_common_name(&self, name: &str) -> bool {
        let mut bands = self.eo_bands.iter().chain(&self.bands).flatten();
        bands.any(|band| {
            [&band.common_name, &band.eo_common_name]
                .into_iter()
                .flatten()
                .any(|own| own == name)
        })
    }
}

impl StacItem {
    /// The scene of its assets; `None` if it has none.
    fn scene(mut self, id: String, card: &Card) -> Result<Option<FleetScene>, String> {
        let mut links = self.links.into_iter().flatten();
        let source = links.find(|link| link.rel == "self").map(|link| link.href);
        self.assets.retain(|_, asset| asset.is_data());
        if self.assets.is_empty() {
            return Ok(None);
        }
        let path = |asset: &Asset| path_of(&asset.href, source.as_deref());
        let (inputs, bands) = match assigned(&self.assets, card) {
            Some(assigned) => {
                let paths = assigned
                    .iter()
                    .map(|(_, asset)| path(asset))
                    .collect::<Result<Vec<_>, _>>()?;
                let bands = assigned
                    .iter()
                    .zip(&paths)
                    .map(|((band, _), path)| format!("{band}={}", name_of(path)));
                (paths.clone(), Some(bands.collect::<Vec<_>>().join(",")))
            }
            None => (self.assets.values().map(path).collect::<Result<_, _>>()?, None),
        };
        let taken = self.properties.and_then(|properties| properties.datetime);
        let datetime = taken.map(|taken| match taken.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(time.to_string()),
            Err(_) => Err(format!(
                "its datetime is {taken:?}, which is no time such as 2024-02-03T05:06:07Z"
            )),
        });
        Ok(Some(FleetScene {
            id,
            inputs,
            source: source.clone(),
            bands,
            datetime: datetime.transpose()?,
        }))
    }
}

/// The asset of each band of the model, if there are several assets and they have all bands that the model needs. An asset's key counts more
/// than the common name of its band, because several assets may hold one band in several formats.
fn assigned<'a>(assets: &'a BTreeMap<String, Asset>, card: &'a Card) -> Option<Vec<(&'a str, &'a Asset)>> {
    if assets.len() == 1 {
        return None;
    }
    let find = |band: &str| {
        let of_key = assets.iter().find(|(key, _)| key.eq_ignore_ascii_case(band));
        let found = of_key.or_else(|| assets.iter().find(|(_, asset)| asset.has_common_name(band)));
        found.map(|(_, asset)| asset)
    };
    let needed = card.required_bands();
    let optional = card.optional_bands();
    let found = needed
        .iter()
        .chain(&optional)
        .filter_map(|band| Some((*band, find(band)?)));
    let found: Vec<_> = found.collect();
    let has = |band: &&str| found.iter().any(|(own, _)| own == band);
    needed.iter().all(has).then_some(found)
}

/// An absolute path or an address; relative ones begin at the Item, or at the working directory.
fn path_of(href: &str, item: Option<&str>) -> Result<PathBuf, String> {
    let without_scheme = |address: &str| address.strip_prefix("file://").unwrap_or(address).to_owned();
    let (own, base) = (without_scheme(href), item.map(without_scheme));
    let folder = base.as_deref().and_then(|base| Path::new(base).parent());
    let path = match own.contains("://") {
        true => PathBuf::from(&own),
        false => folder
            .unwrap_or(Path::new(""))
            .join(own.strip_prefix("./").unwrap_or(&own)),
    };
    if is_address(&path) {
        return Ok(path);
    }
    if path.to_string_lossy().contains("://") {
        return Err(format!(
            "{} is neither a file nor an address that begins with https://",
            path.display()
        ));
    }
    std::path::absolute(&path).map_err(|error| format!("{own:?} is not a path: {error}"))
}

fn name_of(path: &Path) -> String {
    let name = without_query(path).file_name();
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The folder that holds all of `paths`; of one path, the path itself.
fn common_path(paths: &[PathBuf]) -> PathBuf {
    let paths: Vec<&Path> = paths.iter().map(|path| without_query(path)).collect();
    let Some((first, others)) = paths.split_first() else {
        return PathBuf::new();
    };
    let common = |length: &usize| {
        let start: Vec<Component<'_>> = first.components().take(*length).collect();
        others
            .iter()
            .all(|other| other.components().take(*length).eq(start.iter().copied()))
    };
    let length = (1..=first.components().count()).take_while(common).last();
    first.components().take(length.unwrap_or(0)).collect()
}

/// A name that is a folder on every system, and no hidden one.
fn folder_name(name: &str) -> String {
    let lower = name.to_lowercase();
    let extension = [".tif", ".tiff", ".zip", ".safe"]
        .into_iter()
        .find(|extension| lower.ends_with(extension));
    // Lower case may have another length.
    let stem = extension
        .and_then(|extension| name.get(..name.len() - extension.len()))
        .unwrap_or(name);
    let is_allowed = |character: char| character.is_alphanumeric() || "_.-".contains(character);
    let allowed: String = stem.chars().map(|c| if is_allowed(c) { c } else { '_' }).collect();
    match allowed.trim_matches('.') {
        "" => "scene".into(),
        name => name.into(),
    }
}

/// Tells scenes of one name apart by their files. Their order does not matter, so that a later call finds them again.
fn with_own_ids(scenes: Vec<Result<FleetScene, FleetFailure>>) -> Vec<Result<FleetScene, FleetFailure>> {
    let id_of = |scene: &Result<FleetScene, FleetFailure>| match scene {
        Ok(scene) => scene.id.clone(),
        Err(failure) => failure.id.clone(),
    };
    let mut counts = BTreeMap::<String, usize>::new();
    for scene in &scenes {
        *counts.entry(id_of(scene)).or_default() += 1;
    }
    let apart = scenes.into_iter().map(|scene| {
        let count = counts.get(&id_of(&scene)).copied();
        scene.map(|mut scene| {
            if count > Some(1) {
                let paths: Vec<_> = scene.inputs.iter().map(|path| path.to_string_lossy()).collect();
                let digest = Sha256::digest(paths.join("\n").as_bytes());
                let suffix: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
                scene.id = format!("{}-{suffix}", scene.id);
            }
            scene
        })
    });
    let unique: BTreeMap<String, _> = apart.map(|scene| (id_of(&scene), scene)).collect();
    unique.into_values().collect()
}
