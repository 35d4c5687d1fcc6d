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

/// How the address of a file begins.
const FILE: &str = "file://";

/// A scene of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetScene {
    /// The name of the folder of its results.
    pub id: String,
    /// Its files, as absolute paths or addresses.
    pub(super) inputs: Vec<PathBuf>,
    /// Address or path of the STAC Item that it comes from, without a signature.
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

    /// Its files without the signatures of their addresses, which nobody else is to know.
    pub(super) fn unsigned_inputs(&self) -> Vec<PathBuf> {
        let unsigned = self.inputs.iter().map(|path| without_query(path).to_owned());
        unsigned.collect()
    }

    /// The file of the STAC Item that it comes from, if it is one here.
    pub(super) fn source_path(&self) -> Option<PathBuf> {
        let source = self.source.as_deref()?;
        path_of(source, None).ok().filter(|path| !is_address(path))
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

/// The scenes that `items` name, in the order of their ids, each once, and all items that are none. An item is a path, or as JSON a path, a list of the paths of one
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
        let source = links.find(|link| link.rel == "self");
        let source = source.map(|link| without_query(Path::new(&link.href)).to_string_lossy().into_owned());
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
            source,
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
    // A query may hold another address.
    let is_relative = !href.split('?').next().is_some_and(|path| path.contains("://"));
    let path = match item.filter(|_| is_relative) {
        Some(item) if is_address(Path::new(item)) => PathBuf::from(joined(item, href)),
        // What is relative to an address of a file is a part of one, too.
        Some(item) if item.starts_with(FILE) => path_of_file(&joined(item, href))?,
        _ if href.starts_with(FILE) => path_of_file(href)?,
        item => {
            let folder = item.and_then(|item| Path::new(item).parent());
            folder
                .unwrap_or(Path::new(""))
                .join(href.strip_prefix("./").unwrap_or(href))
        }
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
    std::path::absolute(&path).map_err(|error| format!("{href:?} is not a path: {error}"))
}

/// The address that `href` leads to from the one of an Item, whose query is no part of its place.
fn joined(item: &str, href: &str) -> String {
    let (scheme, rest) = item.split_once("://").unwrap_or_default();
    if href.starts_with("//") {
        return format!("{scheme}:{href}");
    }
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, folders) = place.split_once('/').unwrap_or((place, ""));
    let (path, query) = href.split_at(href.find(['?', '#']).unwrap_or(href.len()));
    let mut segments: Vec<&str> = Vec::new();
    if !path.starts_with('/') {
        segments.extend(folders.split('/'));
        // The Item's own name.
        segments.pop();
    }
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    format!("{scheme}://{host}/{}{query}", segments.join("/"))
}

/// The path of an address of a file, in which bytes may be written as `%20`.
fn path_of_file(address: &str) -> Result<PathBuf, String> {
    let path = address.strip_prefix(FILE).unwrap_or(address);
    let path = path.strip_prefix("localhost").unwrap_or(path);
    // On Windows, the letter of the drive follows.
    let path = if cfg!(windows) {
        path.trim_start_matches('/')
    } else {
        path
    };
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        let code = after
            .get(..2)
            .filter(|digits| *byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let code = code.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*byte));
        rest = if code.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
    }
    let path = String::from_utf8(bytes).map_err(|_| format!("{address} is not UTF-8"))?;
    Ok(path.into())
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

/// Tells scenes of one name apart by their files. Their order does not matter, so that a later call finds them again, and neither do signatures.
fn with_own_ids(scenes: Vec<Result<FleetScene, FleetFailure>>) -> Vec<Result<FleetScene, FleetFailure>> {
    let mut named = BTreeMap::<String, BTreeMap<Vec<PathBuf>, FleetScene>>::new();
    let mut all = Vec::new();
    for scene in scenes {
        match scene {
            Ok(scene) => {
                let same_name = named.entry(scene.id.clone()).or_default();
                same_name.entry(scene.unsigned_inputs()).or_insert(scene);
            }
            Err(failure) => all.push((failure.id.clone(), Err(failure))),
        }
    }
    for same_name in named.into_values() {
        let is_alone = same_name.len() == 1;
        for (inputs, mut scene) in same_name {
            if !is_alone {
                let paths: Vec<_> = inputs.iter().map(|path| path.to_string_lossy()).collect();
                let digest = Sha256::digest(paths.join("\n").as_bytes());
                let suffix: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
                scene.id = format!("{}-{suffix}", scene.id);
            }
            all.push((scene.id.clone(), Ok(scene)));
        }
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all.into_iter().map(|(_, scene)| scene).collect()
}
