//! `raremap tune` as a person uses it, on a small made-up dataset: search, interrupt, go on, train the result.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::{fail, raremap, run, write_tiff};
use raremap_tiff::OutputSamples;
use serde_json::Value;

const EDGE: usize = 32;

const RECIPE: &str = r#"
    name = "pond"
    dataset = "dataset.toml"
    [model]
    variant = "b0"
    decoder_dim = 8
    [schedule]
    epochs = 1
    batch_size = 2
    crop_px = 32
    [optimizer]
    learning_rate = 1.0e-3
    [[loss.main]]
    kind = "cross_entropy"
"#;

const SEARCH: &str = r#"
    trials = 3
    startup_trials = 1
    margin = 0.5
    [space]
    "optimizer.learning_rate" = { log = [1e-4, 1e-2] }
    "loss.main.0.class_weights" = { choice = ["none", "inverse_sqrt"] }
"#;

/// One band in which a pond is dark, three images, a recipe and a search.
fn folder() -> tempfile::TempDir {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path();
    fs::create_dir_all(folder.join("images")).expect("a folder");
    fs::create_dir_all(folder.join("masks")).expect("a folder");
    let mut splits = "image,place,split\n".to_owned();
    for (index, split) in ["train", "train", "val"].into_iter().enumerate() {
        let pond = |pixel: usize| pixel % EDGE < 6 + index && pixel / EDGE < 12;
        let values: Vec<f32> = (0..EDGE * EDGE)
            .map(|p| if pond(p) { 1.0 } else { 9.0 } + (p * 7919 % 97) as f32 / 97.0)
            .collect();
        let mask: Vec<u8> = (0..EDGE * EDGE).map(|p| u8::from(pond(p))).collect();
        let bands = vec![values.as_slice()];
        let image = folder.join(format!("images/{index}.tif"));
        write_tiff(&image, [EDGE; 2], OutputSamples::F32 { bands }, None);
        let mask_file = folder.join(format!("masks/{index}.tif"));
        write_tiff(&mask_file, [EDGE; 2], OutputSamples::U8(&mask), None);
        splits += &format!("{index},place{index},{split}\n");
    }
    fs::write(folder.join("splits.csv"), splits).expect("writes");
    let dataset = r#"
        name = "ponds"
        provenance = "made up"
        root = "."
        images = "images"
        masks = "masks"
        splits = "splits.csv"
        value_scaling = "none"
        ground_resolution_m = 30.0
        ignore = 255
        bands = [{ name = "nir", index = 1 }]
        classes = [{ value = 0, name = "land", color = "008000" }, { value = 1, name = "water", color = "0000FF", rare = true }]
    "#;
    fs::write(folder.join("dataset.toml"), dataset).expect("writes");
    fs::write(folder.join("recipe.toml"), RECIPE).expect("writes");
    fs::write(folder.join("search.toml"), SEARCH).expect("writes");
    temporary
}

#[test]
fn an_interrupted_search_goes_on_and_its_result_is_a_recipe() {
    let temporary = folder();
    let folder = temporary.path();
    let arguments = ["tune", "recipe.toml", "search.toml", "--out", "tuned"];
    // Ctrl-C to this process alone, while the second trial runs
    let mut child = raremap(folder, &arguments)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let first = lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.starts_with("trial 0"))
        .expect("a trial ends");
    assert!(first.contains("rare_recall"), "{first}");
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill");
    assert!(interrupt.success());
    let said: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(child.wait().expect("ends").success(), "{said:?}");
    assert!(said.iter().any(|line| line.contains("--resume")), "{said:?}");
    let trials = || {
        fs::read_to_string(folder.join("tuned/trials.jsonl"))
            .expect("trials")
            .lines()
            .count()
    };
    assert!((1..3).contains(&trials()), "{said:?}");

    assert!(fail(folder, &arguments).contains("--resume"));
    let output = run(folder, &[&arguments[..], &["--resume"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(trials(), 3);
    let table: Value =
        serde_json::from_slice(&fs::read(folder.join("tuned/trials.json")).expect("a table")).expect("JSON");
    let verdicts: Vec<_> = table["trials"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|trial| &trial["verdict"])
        .collect();
    assert_eq!(
        verdicts.iter().filter(|verdict| **verdict == "best").count(),
        1,
        "{verdicts:?}"
    );
    assert!(verdicts.iter().all(|verdict| *verdict != "failed"), "{table}");
    assert_eq!(table["trials"][0]["values"]["optimizer.learning_rate"], 1e-3);
    let rates: Vec<_> = (0..3)
        .map(|trial| table["trials"][trial]["values"]["optimizer.learning_rate"].as_f64())
        .collect();
    assert!(rates[1] != rates[2] && rates[1] != rates[0], "{rates:?}");
    let page = fs::read_to_string(folder.join("tuned/trials.html")).expect("a page");
    assert!(page.contains("optimizer.learning_rate") && page.matches("<tr").count() == 4);

    // a search whose space has changed does not go on, one that wants no more trials ends at once
    fs::write(folder.join("search.toml"), SEARCH.replace("0.5", "0.4")).expect("writes");
    assert!(fail(folder, &[&arguments[..], &["--resume"]].concat()).contains("is not what"));

    let output = run(folder, &["train", "tuned/best.toml", "--out", "final"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = fs::read_to_string(folder.join("final/report.html")).expect("a report");
    assert_eq!(
        report.matches("data:image/png").count(),
        4,
        "image, label, prediction, saliency"
    );
}

#[test]
fn mistakes_in_a_search_are_named_before_anything_is_trained() {
    let temporary = folder();
    let folder = temporary.path();
    for (from, to, named) in [
        ("optimizer.learning_rate", "optimizer.learning_rat", "learning_rat"),
        ("\"inverse_sqrt\"", "\"inverse_cube\"", "inverse_cube"),
        ("trials = 3", "objective = \"recall.watr\"", "recall.water"),
        ("trials = 3", "trails = 3", "trails"),
    ] {
        fs::write(folder.join("search.toml"), SEARCH.replace(from, to)).expect("writes");
        let error = fail(folder, &["tune", "recipe.toml", "search.toml", "--out", "tuned"]);
        assert!(error.contains(named) && error.contains("search.toml"), "{error}");
    }
    assert!(!folder.join("tuned").exists());
}
