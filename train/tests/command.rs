//! The command as a person uses it, on a small made-up dataset: train, interrupt, resume, export, evaluate, predict.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use raremap_raster::{OutputImage, OutputSamples, encode_geotiff};
use serde_json::Value;

const EDGE: usize = 64;

fn raremap(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raremap"));
    command.current_dir(folder).args(arguments);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    raremap(folder, arguments).output().expect("the command starts")
}

fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

fn fail(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8(output.stderr).expect("text")
}

fn write(path: &Path, samples: OutputSamples<'_>, nodata: Option<f64>) {
    let image = OutputImage {
        width: EDGE as u32,
        height: EDGE as u32,
        samples,
        nodata,
        color_table: None,
        band_names: Vec::new(),
        metadata: Vec::new(),
    };
    fs::write(path, encode_geotiff(&image, None).expect("encodes")).expect("writes");
}

/// Two bands; the left part is water, dark in the near infrared; the rest is land. How much is water differs by image.
fn dataset(folder: &Path) {
    for name in ["images", "masks"] {
        fs::create_dir_all(folder.join("data").join(name)).expect("a folder");
    }
    let mut splits = "image,place,split\n".to_owned();
    for index in 0..6 {
        let shore = 16 + 6 * index;
        let water = |pixel: usize| pixel % EDGE < shore;
        let noise = |pixel: usize| ((pixel * 7919 + index * 104_729) % 97) as f32;
        let green: Vec<f32> = (0..EDGE * EDGE).map(|p| 800.0 + noise(p)).collect();
        let nir: Vec<f32> = (0..EDGE * EDGE)
            .map(|p| if water(p) { 300.0 } else { 2500.0 } + noise(p))
            .collect();
        let mask: Vec<u8> = (0..EDGE * EDGE).map(|p| if water(p) { 5 } else { 0 }).collect();
        let file = |kind: &str| folder.join(format!("data/{kind}/{index}.tif"));
        write(
            &file("images"),
            OutputSamples::F32 {
                bands: vec![&green, &nir],
            },
            None,
        );
        write(&file("masks"), OutputSamples::U8(&mask), Some(255.0));
        splits += &format!("{index},place{index},{}\n", if index < 4 { "train" } else { "val" });
    }
    fs::write(folder.join("data/splits.csv"), splits).expect("writes");
    fs::write(
        folder.join("dataset.toml"),
        r#"
            name = "shores"
            provenance = "made up"
            root = "data"
            images = "images"
            masks = "masks"
            splits = "splits.csv"
            value_scaling = "reflectance x 10000"
            ground_resolution_m = 30.0
            ignore = 255
            bands = [{ name = "green", index = 1 }, { name = "nir", index = 2 },
                     { name = "ndwi", normalized_difference = ["green", "nir"] }]
            classes = [{ value = 0, name = "land", color = "008000" },
                       { value = 5, name = "water", color = "0000FF", rare = true }]
        "#,
    )
    .expect("writes");
}

const RECIPE: &str = r#"
    name = "shores"
    dataset = "dataset.toml"
    seed = 3
    [model]
    variant = "b0"
    decoder_dim = 16
    input_upsampling = 2
    [schedule]
    epochs = 6
    batch_size = 2
    crop_px = 32
    evaluate_every_epochs = 3
    ema_decay = 0.5
    [learning_rate]
    warmup_steps = 2
    [optimizer]
    learning_rate = 1.0e-3
    clip_norm = 1.0
    [augment]
    symmetries = true
    gain = 0.1
    zoom = 0.3
"#;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let temporary = tempfile::tempdir().expect("a folder");
    let path = temporary.path().to_owned();
    dataset(&path);
    fs::write(path.join("recipe.toml"), RECIPE).expect("writes");
    (temporary, path)
}

/// Loss of each epoch, as logged.
fn losses(run: &Path) -> Vec<f64> {
    let log = fs::read_to_string(run.join("log.jsonl")).expect("a log");
    let events = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    events
        .filter(|event| event["event"] == "epoch")
        .map(|event| event["loss"].as_f64().expect("a loss"))
        .collect()
}

#[test]
fn an_interrupted_run_goes_on_as_if_it_had_not_been() {
    let (_keep, folder) = folder();
    succeed(&folder, &["train", "recipe.toml", "--out", "whole"]);
    let whole = losses(&folder.join("whole"));
    assert_eq!(whole.len(), 6);

    // Ctrl-C after the first epoch
    let mut child = raremap(&folder, &["train", "recipe.toml", "--out", "parts"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.contains("\"epoch\""))
        .expect("an epoch ends");
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill");
    assert!(interrupt.success());
    let stopped = lines.map_while(Result::ok).any(|line| line.contains("\"stopped\""));
    assert!(
        child.wait().expect("ends").success() && stopped,
        "it saves a checkpoint and says so"
    );

    let refused = fail(&folder, &["train", "recipe.toml", "--out", "parts"]);
    assert!(refused.contains("--resume"), "{refused}");
    succeed(&folder, &["train", "recipe.toml", "--out", "parts", "--resume"]);
    assert_eq!(losses(&folder.join("parts")), whole);
}

#[test]
fn replicas_share_the_steps_and_resume_bit_for_bit() {
    let (_keep, folder) = folder();
    // Dropout and stochastic depth draw from one generator for all threads; sharpness makes two passes; batches accumulate.
    let sharp = RECIPE
        .replace("epochs = 6", "epochs = 4\ncheckpoint_every_steps = 1")
        .replace("batch_size = 2", "batch_size = 4")
        .replace(
            "clip_norm = 1.0",
            "clip_norm = 1.0\naccumulate_steps = 2\nsharpness = { kind = 'sam' }",
        );
    fs::write(folder.join("recipe.toml"), sharp).expect("writes");
    let train =
        |out: &'static str, devices: &'static str| vec!["train", "recipe.toml", "--out", out, "--devices", devices];
    succeed(&folder, &train("whole", "0,0"));
    succeed(&folder, &train("again", "0,0"));
    let whole = losses(&folder.join("whole"));
    assert_eq!(whole.len(), 4);
    assert_eq!(
        losses(&folder.join("again")),
        whole,
        "no matter which replica is done first"
    );
    let log = fs::read_to_string(folder.join("whole/log.jsonl")).expect("a log");
    assert!(log.contains("2 x cpu"), "{log}");

    let mut child = raremap(&folder, &train("parts", "0,0"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    lines
        .map_while(Result::ok)
        .find(|line| line.contains("\"epoch\""))
        .expect("an epoch ends");
    child.kill().expect("kill -9");
    child.wait().expect("ends");
    let mut resume = train("parts", "0,0");
    resume.push("--resume");
    succeed(&folder, &resume);
    assert_eq!(losses(&folder.join("parts")).last(), whole.last());

    let uneven = fail(&folder, &train("uneven", "0,0,0"));
    assert!(
        uneven.contains("batch_size") && uneven.contains("3 devices"),
        "{uneven}"
    );
}

#[test]
fn half_precision_trains_like_single() {
    let (_keep, folder) = folder();
    let train = |name: &str, settings: &[&str]| {
        // Without dropout: masks are drawn in the precision of what they mask.
        let mut arguments = vec!["train", "recipe.toml", "--out", name];
        for setting in ["schedule.epochs=2", "model.dropout=0", "model.drop_path=0"].iter().chain(settings) {
            arguments.extend(["--set", *setting]);
        }
        succeed(&folder, &arguments);
        losses(&folder.join(name))
    };
    let single = train("f32", &[]);
    let recipe = fs::read_to_string(folder.join("f32/recipe.toml")).expect("a recipe");
    assert!(!recipe.contains("[precision]"), "the checkpoints of older runs fit");
    for compute in ["bf16", "f16"] {
        let setting = format!("precision.compute={compute}");
        let half = train(compute, &[&setting]);
        for (half, single) in half.iter().zip(&single) {
            assert!((half / single - 1.0).abs() < 0.03, "{compute}: {half} for {single}");
        }
        assert_ne!(half, single);
    }
}

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
    write(
        &folder.join("data/masks/1.tif"),
        OutputSamples::U8(&[9; EDGE * EDGE]),
        None,
    );
    let error = fail(&folder, &["train", "recipe.toml"]);
    assert!(error.contains("1.tif") && error.contains("no class"), "{error}");
    let nan = vec![f32::NAN; EDGE * EDGE];
    let fine = vec![1.0f32; EDGE * EDGE];
    write(
        &folder.join("data/masks/1.tif"),
        OutputSamples::U8(&[0; EDGE * EDGE]),
        None,
    );
    write(
        &folder.join("data/images/1.tif"),
        OutputSamples::F32 {
            bands: vec![&nan, &fine],
        },
        None,
    );
    let error = fail(&folder, &["train", "recipe.toml"]);
    assert!(error.contains("1.tif"), "{error}");
}
