//! Cards of models that are not there.

use raremap_model::{Band, BandSource, Card, Class, SegformerConfig, Training, Variant};

/// The card of a model that takes numbers as they are stored: bands with mean 0 and deviation 1, at 10 m, in tiles of 64 pixels.
///
/// The colour of a class is gray of its value. `rare` names the classes that the auxiliary head looks for.
pub fn card(bands: &[&str], classes: &[(u8, &str)], rare: &[&str]) -> Card {
    let band = |name: &&str| Band {
        name: (*name).to_owned(),
        source: BandSource::Scene,
        optional: false,
        mean: 0.0,
        std: 1.0,
    };
    let class = |(value, name): &(u8, &str)| Class {
        value: *value,
        name: (*name).to_owned(),
        color: [*value; 3],
    };
    Card {
        name: "toy".into(),
        description: String::new(),
        created: String::new(),
        bands: bands.iter().map(band).collect(),
        value_scaling: "none".into(),
        tile_px: 64,
        ground_resolution_m: 10.0,
        classes: classes.iter().map(class).collect(),
        rare_classes: rare.iter().map(|name| (*name).to_owned()).collect(),
        architecture: SegformerConfig::new(Variant::B0, bands.len(), classes.len(), rare.len()).into(),
        training: Training {
            dataset: String::new(),
            provenance: String::new(),
            class_pixels: vec![],
            ground_resolution_range_m: None,
        },
        metrics: Default::default(),
        quantization: String::new(),
    }
}
