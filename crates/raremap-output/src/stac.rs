//! A STAC Item (1.0.0) of the results: what a catalogue of images needs to find them.

use std::collections::BTreeMap;

use raremap_model::Card;
use serde::Serialize;

use crate::error::OutputError;
use crate::file::OutputFile;
use crate::kind::OutputKind;
use crate::options::ProbabilitySamples;
use crate::results::Results;
use raremap_geo::{Footprint, Geometry};

const EXTENSIONS: [&str; 4] = [
    "https://stac-extensions.github.io/classification/v1.1.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
];
/// An Item must have a time. If nobody knows it, the interval is one that surely contains it.
const EARLIEST: &str = "0001-01-01T00:00:00Z";
const LATEST: &str = "9999-12-31T23:59:59Z";

#[derive(Debug, Serialize)]
struct Item<'a> {
    r#type: &'static str,
    stac_version: &'static str,
    stac_extensions: [&'static str; 4],
    id: String,
    geometry: Option<Geometry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bbox: Option<[f64; 4]>,
    properties: Properties<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<&'a str>,
    links: Vec<Link>,
    assets: BTreeMap<&'static str, Asset<'a>>,
}

#[derive(Debug, Serialize)]
struct Properties<'a> {
    datetime: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_datetime: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_datetime: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<&'a str>,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gsd: Option<f64>,
    #[serde(rename = "processing:level")]
    level: &'static str,
    #[serde(rename = "processing:software")]
    software: BTreeMap<&'static str, &'static str>,
    #[serde(rename = "processing:lineage")]
    lineage: String,
    #[serde(rename = "proj:epsg")]
    epsg: Option<u16>,
    #[serde(rename = "proj:shape")]
    shape: [usize; 2],
    #[serde(rename = "proj:transform", skip_serializing_if = "Option::is_none")]
    transform: Option<[f64; 6]>,
    #[serde(rename = "raremap:model")]
    model: &'a str,
    #[serde(rename = "raremap:model_sha256")]
    model_sha256: &'a str,
    #[serde(rename = "raremap:threshold")]
    threshold: f32,
    #[serde(rename = "raremap:rare_classes")]
    rare: &'a [String],
    #[serde(rename = "raremap:top_k_percent")]
    top_k_percent: f32,
    #[serde(rename = "raremap:complete")]
    complete: bool,
    /// The notes of the run, by the names that the item's other properties have.
    #[serde(flatten)]
    notes: BTreeMap<String, &'a str>,
}

#[derive(Debug, Serialize)]
struct Link {
    rel: &'static str,
    href: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Asset<'a> {
    href: &'static str,
    r#type: &'static str,
    title: &'static str,
    roles: [&'static str; 1],
    #[serde(rename = "raster:bands", skip_serializing_if = "Vec::is_empty")]
    bands: Vec<RasterBand>,
    #[serde(rename = "classification:classes", skip_serializing_if = "Vec::is_empty")]
    classes: Vec<ClassOf<'a>>,
}

#[derive(Debug, Serialize)]
struct RasterBand {
    data_type: &'static str,
    nodata: Nodata,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Nodata {
    Value(u8),
    Name(&'static str),
}

#[derive(Debug, Serialize)]
struct ClassOf<'a> {
    value: u8,
    name: String,
    description: &'a str,
    color_hint: String,
}

pub(crate) fn make(results: &Results<'_>) -> Result<OutputFile, OutputError> {
    let (logits, options) = (results.logits, results.options);
    let size = logits.size();
    let (geometry, bbox) = match Footprint::of(results.georeference, size) {
        Some(footprint) => (Some(footprint.geometry), Some(footprint.bbox)),
        None => (None, None),
    };
    let created = options.created.as_deref();
    let known = options.datetime.as_deref();
    let (datetime, interval) = match known.map(|known| (known, known.split_once('/'))) {
        Some((_, Some((start, end)))) => (None, Some([start, end])),
        Some((instant, None)) => (Some(instant), None),
        None => (None, Some([EARLIEST, created.unwrap_or(LATEST)])),
    };
    let stem = results.scene.stem();
    let digest = results.model_sha256.get(..8).unwrap_or_default();
    let transform = results.georeference.map(|georeference| {
        let m = georeference.model_from_pixel;
        [m.a, m.b, m.c, m.d, m.e, m.f]
    });
    let middle_ha = logits.areas().pixel_ha(size[0] / 2, size[1] / 2);
    let item = Item {
        r#type: "Feature",
        stac_version: "1.0.0",
        stac_extensions: EXTENSIONS,
        id: format!("{stem}-raremap-{digest}"),
        geometry,
        bbox,
        properties: Properties {
            datetime,
            start_datetime: interval.map(|[start, _]| start),
            end_datetime: interval.map(|[_, end]| end),
            created,
            title: format!("Land cover of {stem} by {}", results.card.name),
            gsd: middle_ha.map(|ha| round(raremap_geo::pixel_metres(ha), 4)),
            level: "L4",
            software: BTreeMap::from([("raremap", env!("CARGO_PKG_VERSION"))]),
            lineage: format!(
                "{} segmented by the model {} (SHA-256 {})",
                results.scene.name(),
                results.card.name,
                results.model_sha256
            ),
            epsg: results.georeference.and_then(|georeference| georeference.crs.epsg),
            shape: size,
            transform,
            model: &results.card.name,
            model_sha256: results.model_sha256,
            threshold: results.decide.threshold,
            rare: &results.decide.rare,
            top_k_percent: results.decide.top_k_percent,
            complete: logits.is_complete(),
            notes: results
                .notes
                .iter()
                .map(|(name, value)| (property(name), value.as_str()))
                .collect(),
        },
        collection: options.collection.as_ref().map(|collection| collection.id),
        links: links(results),
        assets: assets(results),
    };
    OutputFile::of_json(OutputKind::StacItem, &item)
}

fn links(results: &Results<'_>) -> Vec<Link> {
    let files = results.scene.references().map(|href| Link {
        rel: "derived_from",
        href,
        r#type: None,
        title: Some("The scene"),
    });
    let mut links: Vec<Link> = files.collect();
    let of_collection = results.options.collection.iter().flat_map(|collection| {
        ["root", "parent", "collection"].map(|rel| Link {
            rel,
            href: collection.href.to_owned(),
            r#type: Some("application/json"),
            title: None,
        })
    });
    links.extend(of_collection);
    links.extend(results.options.scene_item.clone().map(|href| Link {
        rel: "derived_from",
        href,
        r#type: Some("application/geo+json"),
        title: None,
    }));
    links
}

/// `raremap:bands` for `RAREMAP_BANDS`.
fn property(name: &str) -> String {
    let own = name.strip_prefix("RAREMAP_").unwrap_or(name);
    format!("raremap:{}", own.to_lowercase())
}

fn assets<'a>(results: &Results<'a>) -> BTreeMap<&'static str, Asset<'a>> {
    let kinds = results.kinds().into_iter().filter(|kind| *kind != OutputKind::StacItem);
    let asset = |kind: OutputKind| {
        let role = match kind {
            OutputKind::AreasCsv | OutputKind::AreasJson => "metadata",
            _ => "data",
        };
        let asset = Asset {
            href: kind.file_name(),
            r#type: kind.media_type(),
            title: kind.title(),
            roles: [role],
            bands: raster_bands(results, kind),
            classes: if kind == OutputKind::Mask {
                classes(results)
            } else {
                Vec::new()
            },
        };
        (kind.asset_key(), asset)
    };
    kinds.map(asset).collect()
}

fn raster_bands(results: &Results<'_>, kind: OutputKind) -> Vec<RasterBand> {
    let count = match kind {
        OutputKind::Mask => {
            return vec![RasterBand {
                data_type: "uint8",
                nodata: Nodata::Value(Card::MASK_NODATA),
                scale: None,
                offset: None,
            }];
        }
        OutputKind::Probability => results.logits.rare_classes().count(),
        OutputKind::Saliency => 1,
        _ => 0,
    };
    let band = || match results.options.probability {
        ProbabilitySamples::U8 => RasterBand {
            data_type: "uint8",
            nodata: Nodata::Value(crate::raster::NODATA_STEP),
            scale: Some(1.0 / f64::from(crate::raster::STEPS)),
            offset: Some(0.0),
        },
        ProbabilitySamples::F32 => RasterBand {
            data_type: "float32",
            nodata: Nodata::Name("nan"),
            scale: None,
            offset: None,
        },
    };
    (0..count).map(|_| band()).collect()
}

fn classes<'a>(results: &Results<'a>) -> Vec<ClassOf<'a>> {
    let class = |class: &'a raremap_model::Class| {
        let [red, green, blue] = class.color;
        // The extension allows letters, digits, - and _ in names.
        let is_allowed = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
        ClassOf {
            value: class.value,
            name: class
                .name
                .chars()
                .map(|c| if is_allowed(c) { c } else { '_' })
                .collect(),
            description: &class.name,
            color_hint: format!("{red:02X}{green:02X}{blue:02X}"),
        }
    };
    results.logits.classes().iter().map(class).collect()
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    libm::round(value * scale) / scale
}
