//! `raremap predict --items`: many scenes in one job, in shards, and after a job that was killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::support::{fail, raremap, run};
use raremap_geo::{Affine, CrsKind, GeoReference};
use raremap_tiff::{OutputImage, OutputSamples, encode_geotiff};
use serde_json::{Value, json};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/models/default.raremap");
const BANDS: [&str; 3] = ["green", "red", "nir"];

/// Land with a lake, 64 pixels high; what it looks like depends on `number`.
fn write_scene(path: &Path, number: usize, bands: &[&str]) {
    let (height, width) = (64, 70 + number);
    let is_lake = |pixel: usize| ((pixel % width) / 8).is_multiple_of(3 + number % 4);
    let noise = |pixel: usize| ((pixel * 7919 + number * 104_729) % 97) as u16;
    let plane = |band: &str| -> Vec<u16> {
        let [land, water] = match band {
            "green" => [900, 700],
            "red" => [800, 450],
            _ => [2800, 250],
        };
        let pixels = 0..height * width;
        pixels
            .map(|p| if is_lake(p) { water } else { land } + noise(p))
            .collect()
    };
    let planes: Vec<Vec<u16>> = bands.iter().map(|band| plane(band)).collect();
    let image = OutputImage {
        width: width as u32,
        height: height as u32,
        samples: OutputSamples::U16 {
            bands: planes.iter().map(Vec::as_slice).collect(),
        },
        nodata: Some(0.0),
        color_table: None,
        band_names: bands.iter().map(|band| (*band).into()).collect(),
        metadata: Vec::new(),
    };
    let affine = Affine {
        a: 10.0,
        b: 0.0,
        c: 3e5 + 1e4 * number as f64,
        d: 0.0,
        e: -10.0,
        f: 5e6,
    };
    let place = GeoReference::from_epsg(CrsKind::Projected, 32633, affine).expect("a place");
    fs::write(path, encode_geotiff(&image, Some(&place)).expect("encodes")).expect("writes");
}

/// Scenes, and a list of them in each form that a line may have.
fn fleet(count: usize) -> (tempfile::TempDir, PathBuf) {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path().to_owned();
    let mut lines = Vec::new();
    for number in 0..count {
        let name = format!("scene{number:02}.tif");
        write_scene(&folder.join(&name), number, &BANDS);
        lines.push(match number % 2 {
            0 => name,
            _ => json!(name).to_string(),
        });
    }
    for band in BANDS {
        write_scene(&folder.join(format!("{band}.tif")), 0, &[band]);
    }
    let asset = |band: &str| json!({ "href": format!("./{band}.tif"), "roles": ["data"] });
    lines.push(
        json!({
            "type": "Feature", "id": "bands", "properties": { "datetime": "2024-01-02T03:04:05Z" },
            "links": [{ "rel": "self", "href": folder.join("bands.json") }],
            "assets": { "nir": asset("nir"), "green": asset("green"), "red": asset("red") },
        })
        .to_string(),
    );
    fs::write(folder.join("items.jsonl"), lines.join("\n")).expect("writes");
    (temporary, folder)
}

/// The last of these is the folder of the results.
fn predict<'a>(more: &[&'a str], out: &'a str) -> Vec<&'a str> {
    let mut arguments = vec![
        "-q",
        "predict",
        MODEL,
        "--items",
        "items.jsonl",
        "--tile",
        "64",
        "--overlap",
        "0",
        "--json",
    ];
    arguments.extend(more);
    arguments.extend(["--out", out]);
    arguments
}

/// The exit code and the report.
fn report(folder: &Path, more: &[&str], out: &str) -> (Option<i32>, Value) {
    let output = run(folder, &predict(more, out));
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("JSON: {errors}"));
    (output.status.code(), report)
}

/// Bytes of all files of a folder, by their paths.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(below).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below").to_owned();
                files.insert(name, fs::read(path).expect("reads"));
            }
        }
    }
    files
}

/// Scenes whose folders are complete, while a job is at work.
fn finished_scenes(out: &Path) -> usize {
    let entries = fs::read_dir(out).into_iter().flatten().flatten();
    let finished = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    finished
        .filter(|entry| entry.path().join("scene.json").exists())
        .count()
}

fn count(list: &Value) -> usize {
    list.as_array().expect("a list").len()
}

#[test]
fn shards_of_items_and_one_job_make_the_same_bytes() {
    let (_keep, folder) = fleet(5);
    let (code, whole) = report(&folder, &[], "whole");
    assert_eq!(
        (code, count(&whole["done"]), &whole["failed"]),
        (Some(0), 6, &json!([]))
    );
    let whole = content(&folder.join("whole"));
    assert_eq!(whole.len(), 6 * 10 + 2, "{:?}", whole.keys());

    let mut mapped = 0;
    for shard in ["1/3", "0/3", "2/3"] {
        let (code, part) = report(&folder, &["--shard", shard], "parts");
        assert_eq!(
            (code, &part["collection"], &part["skipped"]),
            (Some(0), &Value::Null, &json!([]))
        );
        mapped += count(&part["done"]);
    }
    assert_eq!(mapped, 6);
    assert!(
        !folder.join("parts/collection.json").exists(),
        "no shard knows of the others"
    );
    let (code, last) = report(&folder, &[], "parts");
    assert_eq!((code, &last["done"], count(&last["skipped"])), (Some(0), &json!([]), 6));
    assert!(content(&folder.join("parts")) == whole);

    let collection: Value = serde_json::from_slice(&whole[Path::new("collection.json")]).expect("JSON");
    let links = collection["links"].as_array().expect("links");
    assert_eq!((links.len(), &links[1]["href"]), (7, &json!("./bands/item.json")));
    assert_eq!(
        collection["extent"]["temporal"]["interval"][0][1],
        "9999-12-31T23:59:59Z"
    );
    let item: Value = serde_json::from_slice(&whole[Path::new("bands/item.json")]).expect("JSON");
    assert_eq!(
        (&item["collection"], &item["properties"]["datetime"]),
        (&json!("raremap"), &json!("2024-01-02T03:04:05Z"))
    );
    let derived = json!({ "rel": "derived_from", "href": folder.join("bands.json"), "type": "application/geo+json" });
    assert!(
        item["links"].as_array().is_some_and(|links| links.contains(&derived)),
        "{item}"
    );

    // A scene is mapped anew if its file changed, and all are if the options did.
    write_scene(&folder.join("scene02.tif"), 3, &BANDS);
    let (_, changed) = report(&folder, &[], "parts");
    assert_eq!((&changed["done"], count(&changed["skipped"])), (&json!(["scene02"]), 5));
    assert_ne!(
        content(&folder.join("parts"))[Path::new("scene02/mask.tif")],
        whole[Path::new("scene02/mask.tif")]
    );
    let (_, other) = report(&folder, &["--threshold", "0.9"], "parts");
    assert_eq!(count(&other["done"]), 6);
}

#[test]
fn items_that_fail_are_listed_and_stop_no_other() {
    let (_keep, folder) = fleet(2);
    let list = folder.join("items.jsonl");
    let broken = fs::read(folder.join("scene00.tif")).expect("reads")[..300].to_vec();
    fs::write(folder.join("a_broken.tif"), broken).expect("writes");
    let good = fs::read_to_string(&list).expect("reads");
    let broken = [
        "a_broken.tif",
        "absent.tif",
        "{",
        r#"{"id": "empty", "assets": {}}"#,
        "s3://bucket/remote.tif",
    ];
    fs::write(&list, format!("{}\n\n{good}", broken.join("\n"))).expect("writes");
    let (code, all) = report(&folder, &["--retries", "1"], "out");
    assert_eq!((code, &all["done"]), (Some(0), &json!(["bands", "scene00", "scene01"])));
    let listed: Value =
        serde_json::from_slice(&fs::read(folder.join("out/failures.json")).expect("a list")).expect("JSON");
    let codes: Vec<_> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|failure| {
            (
                failure["id"].as_str().unwrap_or(""),
                failure["code"].as_str().unwrap_or(""),
            )
        })
        .collect();
    let [(broken, truncated), others @ ..] = codes.as_slice() else {
        panic!("{listed}");
    };
    assert!(*broken == "a_broken" && *truncated != "misuse", "{listed}");
    let expected = [
        ("absent", "source_failed"),
        ("empty", "item_without_data"),
        ("item_3", "item_malformed"),
        ("remote", "item_malformed"),
    ];
    assert_eq!(others, expected);
    assert!(
        !content(&folder.join("out"))
            .keys()
            .any(|name| name.to_string_lossy().contains(".partial"))
    );

    // With a limit, the job ends early and says so; without a shard's own collection, because it is not known to be whole.
    let (code, some) = report(&folder, &["--max-failures", "4", "--retries", "0"], "other");
    assert_eq!(
        (code, &some["too_many_failures"], &some["collection"]),
        (Some(1), &json!(true), &Value::Null)
    );
    assert_eq!(count(&some["failed"]), 5);
    assert!(!folder.join("other/collection.json").exists());
    let (code, _) = report(&folder, &["--max-failures", "5"], "other");
    assert_eq!(code, Some(0));
}

#[test]
fn a_job_of_items_that_is_killed_is_continued() {
    let (_keep, folder) = fleet(7);
    let (_, whole) = report(&folder, &[], "whole");
    assert_eq!(count(&whole["done"]), 8);
    let mut finished = 0;
    while finished < 5 {
        let job = raremap(&folder, &predict(&[], "out"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut job = job.expect("the command starts");
        let scenes = || finished_scenes(&folder.join("out"));
        while scenes() <= finished && job.try_wait().expect("a process").is_none() {
            std::thread::sleep(Duration::from_millis(3));
        }
        finished = scenes();
        job.kill().expect("a process");
        job.wait().expect("a process");
    }
    // What is left if a job is killed when a result has just taken its place.
    let is_scene = |name: &String| !name.starts_with('.');
    let names = fs::read_dir(folder.join("out")).expect("a folder").flatten();
    let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let partial = folder.join(format!(
        "out/.partial-{}-x7Gh2k",
        names.find(is_scene).expect("a scene")
    ));
    fs::create_dir(&partial).expect("a folder");
    fs::write(partial.join("lock"), "").expect("a file");
    let (code, last) = report(&folder, &[], "out");
    assert_eq!((code, count(&last["done"]) + count(&last["skipped"])), (Some(0), 8));
    assert!(count(&last["skipped"]) >= finished, "{last}");
    let (found, whole) = (content(&folder.join("out")), content(&folder.join("whole")));
    let differing: Vec<_> = found
        .keys()
        .chain(whole.keys())
        .filter(|name| found.get(*name) != whole.get(*name))
        .collect();
    assert!(differing.is_empty(), "{differing:?}");
}

#[test]
fn options_of_items_that_cannot_be_are_refused_before_any_scene() {
    let (_keep, folder) = fleet(1);
    let error = fail(&folder, &predict(&["--shard", "2/2"], "out"));
    assert!(error.contains("2 shards are numbered from 0 to 1"), "{error}");
    let error = fail(&folder, &predict(&["--rare", "sand"], "out"));
    assert!(error.contains("misuse"), "{error}");
    let error = fail(
        &folder,
        &[
            "predict",
            MODEL,
            "scene00.tif",
            "--items",
            "items.jsonl",
            "--out",
            "out",
        ],
    );
    assert!(error.contains("cannot be used with"), "{error}");
    let error = fail(
        &folder,
        &["predict", MODEL, "scene00.tif", "--shard", "0/2", "--out", "out"],
    );
    assert!(error.contains("cannot be used with"), "{error}");
    let error = fail(
        &folder,
        &["predict", MODEL, "--items", "absent.jsonl", "--out", "out", "--json"],
    );
    assert!(error.contains("source_failed"), "{error}");
    assert!(!folder.join("out").exists());
}

#[test]
fn what_is_no_earlier_result_is_never_replaced() {
    let (_keep, folder) = fleet(1);
    let product = folder.join("scenes/LC09");
    fs::create_dir_all(&product).expect("a folder");
    for band in BANDS {
        fs::copy(folder.join(format!("{band}.tif")), product.join(format!("{band}.tif"))).expect("copies");
    }
    let paths = BANDS.map(|band| format!("scenes/LC09/{band}.tif"));
    // The Item's own file is in a folder of its name, as in a catalogue of pystac; its files are elsewhere.
    let item = folder.join("scenes/own/own.json");
    fs::create_dir_all(folder.join("scenes/own")).expect("a folder");
    let item = json!({
        "id": "own", "links": [{ "rel": "self", "href": item }],
        "assets": { "image": { "href": folder.join("scene00.tif"), "roles": ["data"] } },
    });
    fs::write(folder.join("scenes/own/own.json"), item.to_string()).expect("writes");
    fs::create_dir_all(folder.join("scenes/scene00")).expect("a folder");
    fs::write(folder.join("scenes/scene00/notes.txt"), "mine").expect("writes");
    let lines = [json!(paths), item, json!("scene00.tif")].map(|line| line.to_string());
    fs::write(folder.join("items.jsonl"), lines.join("\n")).expect("writes");
    let before = content(&folder.join("scenes"));

    let (code, all) = report(&folder, &[], "scenes");
    assert_eq!((code, count(&all["failed"]), &all["done"]), (Some(0), 3, &json!([])));
    let reasons = [
        ("LC09", "green.tif is an input"),
        ("own", "own.json is an input"),
        ("scene00", "no earlier result"),
    ];
    for (failure, (id, reason)) in all["failed"].as_array().expect("a list").iter().zip(reasons) {
        assert_eq!((&failure["id"], &failure["code"]), (&json!(id), &json!("misuse")));
        assert!(
            failure["message"].as_str().is_some_and(|text| text.contains(reason)),
            "{failure}"
        );
    }
    let mut after = content(&folder.join("scenes"));
    after.remove(Path::new("collection.json"));
    after.remove(Path::new("failures.json"));
    assert!(after == before);
}
