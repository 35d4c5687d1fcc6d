//! What the tests of weights files share.

use raremap_model::{Architecture, Band, BandSource, Card, Class, Training};
use serde_json::json;

/// A card for `architecture`, which must have three bands, three classes and one rare class.
pub fn card(architecture: Architecture) -> Card {
    let band = |name: &str, source| Band {
        name: name.into(),
        source,
        optional: false,
        mean: 1234.5,
        std: 0.1,
    };
    let difference = BandSource::NormalizedDifference {
        first: "green".into(),
        second: "nir".into(),
    };
    let class = |value, name: &str| Class {
        value,
        name: name.into(),
        color: [value, 0, 255],
    };
    Card {
        name: "tiny".into(),
        description: "for tests".into(),
        created: "2026-01-01T00:00:00Z".into(),
        bands: vec![
            band("green", BandSource::Scene),
            band("nir", BandSource::Scene),
            band("ndwi", difference),
        ],
        value_scaling: "reflectance x 10000".into(),
        tile_px: 128,
        ground_resolution_m: 30.0,
        classes: vec![class(0, "forest"), class(5, "water"), class(6, "wetland")],
        rare_classes: vec!["wetland".into()],
        architecture,
        training: Training {
            dataset: "none".into(),
            provenance: "none".into(),
            class_pixels: vec![3, 2, 1],
            ground_resolution_range_m: None,
        },
        metrics: json!({ "val": { "mean_iou": 0.5 } }),
        quantization: "int8".into(),
    }
}
