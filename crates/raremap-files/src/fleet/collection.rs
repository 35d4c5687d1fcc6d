//! The STAC collection (1.0.0) of the scenes that are mapped.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::FilesError;

/// Id of the collection, and of the one that its Items name.
pub(super) const ID: &str = "raremap";

#[derive(Serialize)]
struct Collection<'a> {
    r#type: &'static str,
    stac_version: &'static str,
    id: &'static str,
    title: &'a str,
    description: &'static str,
    license: &'static str,
    extent: Extent,
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Extent {
    spatial: Spatial,
    temporal: Temporal,
}

#[derive(Serialize)]
struct Spatial {
    bbox: [[f64; 4]; 1],
}

#[derive(Serialize)]
struct Temporal {
    interval: [[Option<String>; 2]; 1],
}

#[derive(Serialize)]
struct Link {
    rel: &'static str,
    href: String,
    r#type: &'static str,
}

/// What is read of an Item.
#[derive(Deserialize)]
struct Item {
    bbox: Option<[f64; 4]>,
    properties: Times,
}

#[derive(Deserialize)]
struct Times {
    datetime: Option<String>,
    start_datetime: Option<String>,
    end_datetime: Option<String>,
}

/// Writes the collection of the finished scenes `ids`, whose order does not matter, and returns its path.
///
/// # Errors
/// Names the Item that cannot be read, or the collection if it cannot be written.
pub(super) fn write_collection(out: &Path, ids: &[String], title: &str) -> Result<PathBuf, FilesError> {
    let mut ids: Vec<&String> = ids.iter().collect();
    ids.sort();
    let path = out.join("collection.json");
    let mut links = vec![Link {
        rel: "root",
        href: "./collection.json".into(),
        r#type: "application/json",
    }];
    let mut bbox: Option<[f64; 4]> = None;
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for id in ids {
        let path = out.join(id).join("item.json");
        let text = std::fs::read(&path).map_err(FilesError::cannot_read(&path))?;
        let item: Item = serde_json::from_slice(&text)?;
        links.push(Link {
            rel: "item",
            href: format!("./{id}/item.json"),
            r#type: "application/geo+json",
        });
        bbox = match (bbox, item.bbox) {
            (Some([west, south, east, north]), Some([w, s, e, n])) => {
                Some([west.min(w), south.min(s), east.max(e), north.max(n)])
            }
            (all, own) => all.or(own),
        };
        let Times {
            datetime,
            start_datetime,
            end_datetime,
        } = item.properties;
        starts.extend(datetime.clone().or(start_datetime));
        ends.extend(datetime.or(end_datetime));
    }
    let collection = Collection {
        r#type: "Collection",
        stac_version: "1.0.0",
        id: ID,
        title,
        description: "Land cover and rare classes, mapped by raremap",
        license: "other",
        extent: Extent {
            spatial: Spatial {
                bbox: [bbox.unwrap_or([-180.0, -90.0, 180.0, 90.0])],
            },
            temporal: Temporal {
                interval: [[starts.into_iter().min(), ends.into_iter().max()]],
            },
        },
        links,
    };
    super::json::write_json(&path, &collection)?;
    Ok(path)
}
