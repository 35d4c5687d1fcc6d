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
    let mut boxes = Vec::new();
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
        boxes.extend(item.bbox);
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
            spatial: Spatial { bbox: [box_of(&boxes)] },
            temporal: Temporal {
                interval: [[starts.into_iter().min(), ends.into_iter().max()]],
            },
        },
        links,
    };
    super::json::write_json(&path, &collection)?;
    Ok(path)
}

/// The box around `boxes`, of degrees. One whose west is greater than its east crosses 180 degrees.
fn box_of(boxes: &[[f64; 4]]) -> [f64; 4] {
    let crosses = |[west, _, east, _]: &[f64; 4]| west > east;
    let any_crosses = boxes.iter().any(crosses);
    // If one crosses, longitudes go on beyond 180 degrees, and those of the west follow there.
    let unwrapped = boxes.iter().map(|all| {
        let [west, south, east, north] = *all;
        match (crosses(all), any_crosses && west < 0.0) {
            (true, _) => [west, south, east + 360.0, north],
            (false, true) => [west + 360.0, south, east + 360.0, north],
            (false, false) => *all,
        }
    });
    let around = unwrapped
        .reduce(|[west, south, east, north], [w, s, e, n]| [west.min(w), south.min(s), east.max(e), north.max(n)]);
    let Some([west, south, east, north]) = around else {
        return [-180.0, -90.0, 180.0, 90.0];
    };
    if any_crosses && east - west >= 360.0 {
        return [-180.0, south, 180.0, north];
    }
    [west, south, if east > 180.0 { east - 360.0 } else { east }, north]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_around_boxes_may_cross_180_degrees() {
        assert_eq!(box_of(&[]), [-180.0, -90.0, 180.0, 90.0]);
        assert_eq!(
            box_of(&[[-10.0, 1.0, 5.0, 2.0], [20.0, 0.0, 30.0, 1.0]]),
            [-10.0, 0.0, 30.0, 2.0]
        );
        let crossing = [170.0, 0.0, -170.0, 5.0];
        assert_eq!(box_of(&[crossing]), crossing);
        assert_eq!(
            box_of(&[[-175.0, 1.0, -160.0, 6.0], crossing]),
            [170.0, 0.0, -160.0, 6.0]
        );
        assert_eq!(box_of(&[crossing, [100.0, 1.0, 175.0, 2.0]]), [100.0, 0.0, -170.0, 5.0]);
        // It is no longer known where none are.
        let whole = [-180.0, 0.0, 180.0, 5.0];
        assert_eq!(
            box_of(&[crossing, [-10.0, 1.0, 20.0, 2.0], [5.0, 1.0, 15.0, 2.0]]),
            whole
        );
    }
}
