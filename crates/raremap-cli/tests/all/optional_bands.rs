//! A model with a band that scenes may lack: trained, exported, evaluated and run with it and without it.

use std::fs;
use std::path::Path;

use crate::support::{RECIPE, fail, folder, succeed};
use serde_json::Value;

/// Replaces a part of a file, which must be there.
fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("reads");
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).expect("writes");
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn codes(notices: &Value) -> Vec<&str> {
    let notices = notices.as_array().expect("a list").iter();
    notices.filter_map(|notice| notice["code"].as_str()).collect()
}

#[test]
fn a_model_works_with_an_optional_band_and_without_it() {
    let (_keep, folder) = folder();
    replace(
        &folder.join("dataset.toml"),
        r#"{ name = "nir", index = 2 }"#,
        r#"{ name = "nir", index = 2, optional = true }, { name = "has_nir", presence = "nir" }"#,
    );
    let recipe = RECIPE.replace("epochs = 6", "epochs = 18");
    fs::write(
        folder.join("recipe.toml"),
        format!("{recipe}\n    [augment.optional_bands]\n    none = 0.3\n"),
    )
    .expect("writes");
    succeed(&folder, &["train", "recipe.toml", "--out", "run"]);
    succeed(&folder, &["export", "run", "--out", "shores.raremap"]);
    let card = json(&succeed(&folder, &["inspect", "shores.raremap", "--json"]));
    assert!(card.to_string().contains("\"raremap:optional\":true"), "{card}");
    let shown = succeed(&folder, &["inspect", "shores.raremap"]);
    assert!(shown.contains("has_nir: 1 with nir, 0 without"), "{shown}");

    // Water is dark in the near infrared alone, so the model cannot tell it without.
    let water_iou = |more: &[&str]| {
        let arguments = [&["evaluate", "shores.raremap", "dataset.toml", "--json"][..], more].concat();
        let figures = json(&succeed(&folder, &arguments));
        let classes = figures["classes"].as_array().expect("a list").iter();
        let water = classes.clone().find(|class| class["name"] == "water").expect("water");
        water["iou"].as_f64().expect("a number")
    };
    let (with, without) = (water_iou(&[]), water_iou(&["--without-bands", "nir"]));
    assert!(with > 0.9 && without < with - 0.1, "{with} with, {without} without");
    let error = fail(
        &folder,
        &["evaluate", "shores.raremap", "dataset.toml", "--without-bands", "green"],
    );
    assert!(
        error.contains("green is not one of the model's optional bands (nir)"),
        "{error}"
    );

    let predict = |bands: &str| {
        let arguments = [
            "predict",
            "shores.raremap",
            "data/images/4.tif",
            "--out",
            "results",
            "--bands",
            bands,
            "--json",
        ];
        json(&succeed(&folder, &arguments))
    };
    let with = predict("green=1,nir=2");
    assert_eq!(codes(&with["notices"]), [""; 0], "{with}");
    assert_eq!(with["options"]["bands"].to_string(), r#"{"green":1,"nir":2}"#);
    let without = predict("green=1");
    assert_eq!(codes(&without["notices"]), ["optional_bands_missing"]);
    assert_eq!(without["options"]["bands"].to_string(), r#"{"green":1}"#);
    let error = fail(
        &folder,
        &[
            "predict",
            "shores.raremap",
            "data/images/4.tif",
            "--out",
            "results",
            "--bands",
            "nir=2",
        ],
    );
    assert!(error.contains("green is missing"), "{error}");
}
