//! The command as a person uses it, on a small made-up dataset: train, export, evaluate, predict.

use std::fs;
use std::path::Path;

use crate::support::{EDGE, RECIPE, fail, folder, raremap, run, succeed, write_tiff};
use raremap_tiff::OutputSamples;
use serde_json::Value;

#[test]
fn a_run_becomes_a_model_that_evaluates_and_predicts() {
    let (_keep, folder) = folder();
    succeed(&folder, &["train", "recipe.toml", "--out", "run"]);
    succeed(
        &folder,
        &[
            "export",
            "run",
            "--out",
            "shores.raremap",
            "--description",
            "finds shores",
        ],
    );
    // Before it is evaluated: there is no page here, and something has to be written.
    let refused = fail(&folder, &["export", "run", "--site", "site"]);
    assert!(
        refused.contains("dist is not a built page: it does not exist"),
        "{refused}"
    );
    assert!(!folder.join("site").exists());
    assert!(fail(&folder, &["export", "run"]).contains("--out"));
    let card = succeed(&folder, &["inspect", "shores.raremap", "--json"]);
    assert!(card.contains("finds shores"), "{card}");

    let evaluation = succeed(
        &folder,
        &["evaluate", "shores.raremap", "dataset.toml", "--split", "val", "--json"],
    );
    let evaluation: Value = serde_json::from_str(&evaluation).expect("JSON");
    assert_eq!(evaluation["pixels"], 2 * EDGE * EDGE);
    assert_eq!(evaluation["classes"][1]["name"], "water");
    assert_eq!(evaluation["confusion"].as_array().map(Vec::len), Some(2));
    assert_eq!(evaluation["rare"][0]["name"], "water");
    for figures in [&evaluation, &evaluation["with_threshold"]] {
        let mean_iou = figures["mean_iou"].as_f64().expect("a number");
        assert!((0.0..=1.0).contains(&mean_iou));
        assert!(figures["mean_iou_without_absent"].is_number());
    }
    assert_eq!(evaluation["at_chosen"]["chosen_on_this_split"], true);

    // Two splits, with a report; the thresholds of both are those that the card names, chosen on val.
    let both = [
        "evaluate",
        "shores.raremap",
        "dataset.toml",
        "--splits",
        "train,val",
        "--background",
        "land",
        "--bootstrap",
        "50",
        "--html",
        "report.html",
        "--json",
    ];
    let both: Value = serde_json::from_str(&succeed(&folder, &both)).expect("JSON");
    let card: Value = serde_json::from_str(&card).expect("JSON");
    let threshold = &both["chosen"]["rare"][0]["best_f1"];
    assert!(threshold.is_number(), "{both}");
    assert!(card.to_string().contains(&format!("\"best_f1\":{threshold}")), "{card}");
    for (split, here) in [("train", false), ("val", true)] {
        let figures = &both["splits"][split];
        assert_eq!(figures["at_chosen"]["chosen_on_this_split"], here);
        assert_eq!(&figures["at_chosen"]["rare"][0]["best_f1"]["threshold"], threshold);
        assert!(figures["curves"][0]["auxiliary"]["average_precision"].is_number());
        assert!(figures["intervals"]["main"]["mean_iou"]["low"].is_number());
        assert_eq!(figures["mean_iou_without_background"], figures["classes"][1]["iou"]);
    }
    let report = fs::read_to_string(folder.join("report.html")).expect("a report");
    for part in ["Split train", "Split val", "<svg", "data:image/png;base64,"] {
        assert!(report.contains(part), "{part}");
    }
    assert!(
        !report.contains("<script") && !report.contains("src=\"http"),
        "it needs nothing beside it"
    );
    let refused = fail(
        &folder,
        &["evaluate", "shores.raremap", "dataset.toml", "--splits", "val,nowhere"],
    );
    assert!(refused.contains("nowhere"), "{refused}");

    succeed(
        &folder,
        &[
            "predict",
            "shores.raremap",
            "data/images/5.tif",
            "--out",
            "out",
            "--bands",
            "green=1,nir=2",
        ],
    );
    for name in ["mask.tif", "probability.tif", "saliency.tif", "summary.json"] {
        assert!(folder.join("out").join(name).is_file(), "{name}");
    }
    let refused = fail(
        &folder,
        &["predict", "shores.raremap", "absent.tif", "--out", "out", "--json"],
    );
    let refused: Value = serde_json::from_str(&refused).expect("one JSON object");
    assert_eq!(refused["error"]["code"], "source_failed");
    assert!(
        refused["error"]["message"]
            .as_str()
            .is_some_and(|message| message.contains("absent.tif"))
    );
}

/// The recipe with another network, for one epoch.
fn write_recipe(folder: &Path, name: &str, network: &str) {
    let segformer = RECIPE
        .split_once("variant")
        .and_then(|(_, rest)| rest.split_once("[schedule]"));
    let (segformer, _) = segformer.expect("a section [model]");
    let recipe = RECIPE
        .replace(&format!("variant{segformer}"), &format!("{network}\n"))
        .replace("epochs = 6", "epochs = 1");
    fs::write(folder.join(name), recipe).expect("writes");
}

#[test]
fn other_families_are_trained_and_run_like_segformer() {
    let (_keep, folder) = folder();
    let networks = [
        ("unet", "family = 'unet'\nchannels = [4, 6, 8]\ndeep_supervision = true"),
        ("pspnet", "family = 'pspnet'\nwidth = 4\ndepths = [1, 1, 1, 1]"),
        (
            "single",
            "family = 'unet'\nchannels = [4, 6, 8]\nauxiliary_head = false",
        ),
        (
            "tuned",
            "family = 'unet'\nchannels = [4, 6, 8]\nstart_from = 'unet.raremap'\nstart_without = ['deep.']",
        ),
        (
            "deeper",
            "family = 'unet'\nchannels = [4, 6, 8]\nresidual = true\nstart_from = 'unet.raremap'",
        ),
    ];
    for (name, network) in networks {
        write_recipe(&folder, "recipe.toml", network);
        if name == "deeper" {
            let error = fail(&folder, &["train", "recipe.toml", "--out", name]);
            assert!(
                error.contains("decoder.0.conv.shortcut.conv.weight is missing"),
                "{error}"
            );
            continue;
        }
        let file = format!("{name}.raremap");
        succeed(&folder, &["train", "recipe.toml", "--out", name]);
        succeed(&folder, &["export", name, "--out", &file]);
        let evaluation = succeed(&folder, &["evaluate", &file, "dataset.toml", "--json"]);
        let evaluation: Value = serde_json::from_str(&evaluation).expect("JSON");
        let heads = if name == "single" { 0 } else { 1 };
        assert_eq!(evaluation["rare"].as_array().map(Vec::len), Some(heads), "{name}");
        let bands = ["--out", "out", "--bands", "green=1,nir=2"];
        succeed(
            &folder,
            &[&["predict", &file, "data/images/5.tif"], &bands[..]].concat(),
        );
        // Both were there before, from another model.
        for file in ["probability.tif", "review.geojson"] {
            assert_eq!(folder.join("out").join(file).is_file(), heads == 1, "{name}: {file}");
        }
        let expected = if heads == 0 { "single head" } else { "dual head" };
        let card = succeed(&folder, &["inspect", &file, "--json"]);
        assert!(card.contains(expected), "{name}: {card}");
    }
}

#[test]
fn bad_input_is_named_and_exits_with_2() {
    let (_keep, folder) = folder();
    let recipe = |from: &str, to: &str| fs::write(folder.join("bad.toml"), RECIPE.replace(from, to)).expect("writes");
    recipe("crop_px", "crop_size");
    assert!(fail(&folder, &["train", "bad.toml"]).contains("crop_size"));
    recipe("dataset.toml", "nowhere.toml");
    assert!(fail(&folder, &["train", "bad.toml"]).contains("nowhere.toml"));
    assert!(fail(&folder, &["evaluate", "dataset.toml", "dataset.toml"]).contains("dataset.toml"));

    // a place in two splits
    let splits = fs::read_to_string(folder.join("data/splits.csv")).expect("reads");
    fs::write(folder.join("data/splits.csv"), splits.replace("place5", "place0")).expect("writes");
    assert!(fail(&folder, &["train", "recipe.toml"]).contains("leak"));
    fs::write(folder.join("data/splits.csv"), splits).expect("writes");

    // an unknown class, then a mask of another size
    write_tiff(
        &folder.join("data/masks/1.tif"),
        [EDGE; 2],
        OutputSamples::U8(&[9; EDGE * EDGE]),
        None,
    );
    let error = fail(&folder, &["train", "recipe.toml"]);
    assert!(error.contains("1.tif") && error.contains("neither a class"), "{error}");
    let nan = vec![f32::NAN; EDGE * EDGE];
    let fine = vec![1.0f32; EDGE * EDGE];
    write_tiff(
        &folder.join("data/masks/1.tif"),
        [EDGE; 2],
        OutputSamples::U8(&[0; EDGE * EDGE]),
        None,
    );
    write_tiff(
        &folder.join("data/images/1.tif"),
        [EDGE; 2],
        OutputSamples::F32 {
            bands: vec![&nan, &fine],
        },
        None,
    );
    let error = fail(&folder, &["train", "recipe.toml"]);
    assert!(error.contains("1.tif"), "{error}");
}

#[test]
fn quiet_leaves_warnings_verbose_adds_what_is_done() {
    let (_keep, folder) = folder();
    let said = |flags: &[&str], out: &str| {
        let recipe = ["train", "recipe.toml", "--out", out];
        let output = run(&folder, &[&recipe[..], flags].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    assert!(said(&[], "usual").contains("\"epoch\""));
    assert_eq!(said(&["-q"], "quiet"), "");
    let output = raremap(&folder, &["inspect", "nothing.tif", "-v", "-q"])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(2));
    let output = raremap(&folder, &["inspect", "nothing.tif"])
        .env("RAREMAP_LOG", "loud=louder")
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("RAREMAP_LOG=loud=louder"));
}
