//! Faults of real datasets, which `check` reports, and `train` before its first step; and lists as spreadsheets write them.

use std::fs;
use std::path::Path;

use crate::support;
use crate::support::{EDGE, RECIPE, fail, folder, raremap, run, succeed};
use raremap_geo::{GeoReference, GeoTags};
use raremap_tiff::{OutputImage, OutputSamples, encode_geotiff};
use serde_json::Value;

/// The findings of `check`, as (severity, kind, what was seen).
fn findings(folder: &Path) -> Vec<(String, String, String)> {
    let output = run(folder, &["check", "dataset.toml", "--json"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("JSON: {errors}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().expect("a list").iter();
    findings
        .map(|finding| {
            (
                text(&finding["severity"]),
                text(&finding["kind"]),
                text(&finding["seen"]),
            )
        })
        .collect()
}

/// What findings of one kind say.
fn seen(folder: &Path, kind: &str) -> Vec<String> {
    let found = findings(folder).into_iter().filter(|(_, of, _)| of == kind);
    found.map(|(_, _, seen)| seen).collect()
}

fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).expect("reads");
    assert!(text.contains(from), "{from} is not in {file}");
    fs::write(path, text.replace(from, to)).expect("writes");
}

/// A short run of a small network.
fn short_recipe(folder: &Path) {
    let recipe = RECIPE
        .replace(
            "variant = \"b0\"\n    decoder_dim = 16\n    input_upsampling = 2",
            "family = \"unet\"\n    channels = [4, 8]",
        )
        .replace("epochs = 6", "epochs = 1")
        .replace("evaluate_every_epochs = 3", "evaluate_every_epochs = 1");
    fs::write(folder.join("recipe.toml"), recipe).expect("writes");
}

/// UTM 33 north, 30 m, in `epsg`.
fn at(left_m: f64, top_m: f64, epsg: u16) -> GeoReference {
    GeoReference::from_tags(GeoTags {
        pixel_scale: vec![30.0, 30.0, 0.0],
        tie_points: vec![0.0, 0.0, 0.0, left_m, top_m, 0.0],
        key_directory: vec![1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, epsg],
        ..GeoTags::default()
    })
    .expect("a place")
}

/// Gives all images one place and all masks another.
fn georeference(folder: &Path, image: &GeoReference, mask: &GeoReference) {
    support::shores(folder, Some([image, mask]));
}

/// Writes a mask whose file names a nodata value.
fn write_mask(folder: &Path, index: usize, codes: &[u8], nodata: Option<f64>) {
    let image = OutputImage {
        width: EDGE as u32,
        height: EDGE as u32,
        samples: OutputSamples::U8(codes),
        nodata,
        color_table: None,
        band_names: Vec::new(),
        metadata: Vec::new(),
    };
    let bytes = encode_geotiff(&image, None).expect("encodes");
    fs::write(folder.join(format!("data/masks/{index}.tif")), bytes).expect("writes");
}

#[test]
fn masks_that_lie_elsewhere_are_refused_by_check_and_before_the_first_step() {
    let (_keep, folder) = folder();
    short_recipe(&folder);
    let image = at(500_000.0, 5_000_000.0, 32633);
    for (mask, difference) in [
        (at(500_300.0, 5_000_000.0, 32633), "it is shifted by 10 px to the right"),
        (
            at(500_015.0, 4_999_985.0, 32633),
            "it is shifted by 0.5 px to the right and 0.5 px down",
        ),
        (
            at(500_000.0, 5_000_000.0, 32634),
            "it is in EPSG:32634, the image in EPSG:32633",
        ),
    ] {
        georeference(&folder, &image, &mask);
        let output = run(&folder, &["check", "dataset.toml"]);
        assert_eq!(output.status.code(), Some(1));
        let seen = seen(&folder, "misplaced-mask");
        assert_eq!(seen.len(), 1, "one fault of six masks: {seen:?}");
        assert!(
            seen[0].contains(difference) && seen[0].contains("masks/0.tif"),
            "{seen:?}"
        );
        let error = fail(&folder, &["train", "recipe.toml"]);
        assert!(error.contains(difference) && error.contains(".tif"), "{error}");
        assert!(!folder.join("runs").exists(), "no run was begun");
    }
    georeference(&folder, &image, &at(500_015.0, 4_999_985.0, 32633));
    change(
        &folder,
        "dataset.toml",
        "ignore = 255",
        "ignore = 255\nallow_shift_px = 0.75",
    );
    assert_eq!(seen(&folder, "misplaced-mask"), [""; 0]);
    georeference(&folder, &image, &image);
    change(
        &folder,
        "dataset.toml",
        "allow_shift_px = 0.75",
        "allow_shift_px = -1.0",
    );
    assert!(fail(&folder, &["check", "dataset.toml"]).contains("allow_shift_px is -1; it must be 0 or more"));
}

#[test]
fn classes_that_no_mask_can_have_are_refused_by_their_key() {
    let (_keep, folder) = folder();
    short_recipe(&folder);
    let text = fs::read_to_string(folder.join("dataset.toml")).expect("reads");
    for (from, to, expected) in [
        ("value = 5", "value = 255", "classes: water has the value 255"),
        ("value = 5", "value = 256", "the value 256 does not fit into a mask"),
        ("value = 5", "value = -1", "the value -1 does not fit into a mask"),
        ("ignore = 255", "ignore = 300", "the value 300 does not fit into a mask"),
        (
            "name = \"water\"",
            "name = \"land\"",
            "classes: the name land is used twice",
        ),
        (
            "value = 5",
            "value = 0",
            "classes: land and water both have the value 0",
        ),
        (
            "color = \"0000FF\"",
            "color = \"008000\"",
            "classes: land and water both have the color 008000",
        ),
        (
            "color = \"0000FF\"",
            "color = \"blue\"",
            "classes: the color of water must be RRGGBB",
        ),
        (
            "name = \"nir\", index",
            "name = \"green\", index",
            "bands: the name green is used twice",
        ),
    ] {
        // If a class has 255, the ignore value is another one.
        let text = text.replace(from, to);
        let text = if to == "value = 255" {
            text.replace("ignore = 255", "ignore = 254")
        } else {
            text
        };
        fs::write(folder.join("dataset.toml"), text).expect("writes");
        for command in [["check", "dataset.toml"], ["train", "recipe.toml"]] {
            let error = fail(&folder, &command);
            assert!(error.contains(expected), "{command:?} {to}: {error}");
            assert!(error.contains("dataset.toml"), "{error}");
        }
        assert!(!folder.join("runs").exists());
    }
    let many: Vec<String> = (0..255)
        .map(|value| {
            format!(
                "{{ value = {}, name = \"c{value}\", color = \"{value:06x}\" }}",
                value.min(254)
            )
        })
        .collect();
    let (before, _) = text.split_once("classes = ").expect("classes");
    fs::write(
        folder.join("dataset.toml"),
        format!("{before}\nclasses = [{}]", many.join(", ")),
    )
    .expect("writes");
    assert!(fail(&folder, &["check", "dataset.toml"]).contains("classes: there are 255"));
}

#[test]
fn classes_without_a_labelled_pixel_are_said_with_their_cause() {
    let (_keep, folder) = folder();
    short_recipe(&folder);
    // 0 is land, and the masks say that it means no data.
    for index in 0..6 {
        let shore = 16 + 6 * index;
        let codes: Vec<u8> = (0..EDGE * EDGE).map(|p| if p % EDGE < shore { 5 } else { 0 }).collect();
        write_mask(&folder, index, &codes, Some(0.0));
    }
    let water: usize = (0..4).map(|index| EDGE * (16 + 6 * index)).sum();
    let expected = format!(
        "land has 0 of {water} labelled pixels in split train (4 images): {} pixels have its value 0, but the masks' files say that this \
         means no data",
        4 * EDGE * EDGE - water
    );
    let found = seen(&folder, "vanished-class");
    assert!(found.contains(&expected), "{found:?}");
    assert_eq!(
        run(&folder, &["check", "dataset.toml"]).status.code(),
        Some(0),
        "a warning"
    );
    let output = raremap(&folder, &["train", "recipe.toml"]).output().expect("starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(&expected), "{said}");

    // Only the training split has water.
    for index in 4..6 {
        write_mask(&folder, index, &[0; EDGE * EDGE], None);
    }
    let found = seen(&folder, "vanished-class");
    let elsewhere = format!(
        "the rare class water has 0 of 8192 labelled pixels in split val (2 images): its pixels are in other splits ({water} in train)"
    );
    assert!(found.contains(&elsewhere), "{found:?}");
}

#[test]
fn without_a_labelled_validation_pixel_figures_are_null_and_it_is_said() {
    let (_keep, folder) = folder();
    short_recipe(&folder);
    for index in 4..6 {
        write_mask(&folder, index, &[255; EDGE * EDGE], None);
    }
    let found = seen(&folder, "nothing-labelled");
    assert!(found.len() == 1 && found[0].contains("split val"), "{found:?}");
    let output = run(&folder, &["train", "recipe.toml", "--out", "run"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("none of the 2 image(s) of split val has a labelled pixel"),
        "{said}"
    );
    assert!(said.contains("there will be no figures"), "{said}");
    let written = fs::read_to_string(folder.join("run/evaluation.json")).expect("reads");
    let written: Value = serde_json::from_str(&written).expect("JSON");
    let evaluation = &written["evaluation"];
    assert_eq!(evaluation["pixels"], 0);
    for figure in ["mean_iou", "mean_iou_without_absent", "accuracy", "mean_rare_recall"] {
        assert!(evaluation[figure].is_null(), "{figure}: {evaluation}");
    }
    assert!(folder.join("run/best.bpk").is_file(), "the newest weights are kept");

    // Then there is nothing to learn.
    for index in 0..4 {
        write_mask(&folder, index, &[255; EDGE * EDGE], None);
    }
    let error = fail(&folder, &["train", "recipe.toml", "--out", "other"]);
    assert!(error.contains("nothing can be learned"), "{error}");
    assert!(!folder.join("other").exists());
}

#[test]
fn lists_are_read_as_spreadsheets_and_people_write_them() {
    let (_keep, folder) = folder();
    let rows: Vec<[String; 3]> = (0..6)
        .map(|index| {
            let split = if index < 4 { "train" } else { "val" };
            [index.to_string(), format!("place{index}"), split.to_owned()]
        })
        .collect();
    let stats = |text: &str| {
        fs::write(folder.join("data/splits.csv"), text).expect("writes");
        succeed(&folder, &["stats", "dataset.toml", "--json"])
    };
    let list = |header: &str, line: &dyn Fn(&[String; 3]) -> String| {
        rows.iter().fold(header.to_owned(), |text, row| text + &line(row))
    };
    let plain = stats(&list("image,place,split\n", &|row| format!("{}\n", row.join(","))));
    let semicolons = list("\u{feff}Image;Place;Split\r\n", &|row| format!("{}\r\n", row.join(";"))) + ";;\r\n";
    let tabs = list("split\tplace\timage\n", &|[image, place, split]| {
        format!("{split}\t{place}\t{image}\n")
    });
    let spaces = list("image, place, split\n", &|row| format!("{}\n", row.join(", ")));
    let files = list("image,place,split\n", &|[image, place, split]| {
        format!("{image}.tif,{place},{split}\n")
    });
    let paths = list("image,place,split\n", &|[image, place, split]| {
        format!("images\\{image}.TIF,{place},{split}\n")
    });
    let words = list("image,place,split\n", &|[image, place, split]| {
        let split = if split == "train" { "Train" } else { "Validation" };
        format!("{image},{place},{split}\n")
    });
    for (name, text) in [
        ("semicolons", semicolons),
        ("tabs", tabs),
        ("spaces", spaces),
        ("files", files),
        ("paths", paths),
        ("words", words),
    ] {
        assert_eq!(stats(&text), plain, "{name}");
    }
    // Files whose names end in capitals.
    let rename = |kind: &str, extension: &str| {
        for index in 0..6 {
            let file = folder.join(format!("data/{kind}/{index}.tif"));
            fs::rename(&file, file.with_extension(extension)).expect("renames");
        }
    };
    rename("images", "TIF");
    rename("masks", "tiff");
    assert_eq!(
        stats(&list("image,place,split\n", &|row| format!("{}\n", row.join(",")))),
        plain
    );
    fs::write(folder.join("data/splits.csv"), "file;place;split\n").expect("writes");
    let error = fail(&folder, &["stats", "dataset.toml"]);
    assert!(
        error.contains("has no column `image`: its first line names file, place, split"),
        "{error}"
    );
}

#[test]
fn the_root_is_beside_the_dataset_and_errors_name_whole_paths() {
    let (_keep, folder) = folder();
    fs::create_dir(folder.join("elsewhere")).expect("a folder");
    let from_elsewhere = succeed(&folder.join("elsewhere"), &["stats", "../dataset.toml", "--json"]);
    assert_eq!(from_elsewhere, succeed(&folder, &["stats", "dataset.toml", "--json"]));
    // A folder of the same name in the working folder is another one.
    fs::create_dir(folder.join("elsewhere/data")).expect("a folder");
    assert_eq!(
        succeed(&folder.join("elsewhere"), &["stats", "../dataset.toml", "--json"]),
        from_elsewhere
    );
    // Older files are relative to the working folder.
    fs::create_dir(folder.join("configs")).expect("a folder");
    fs::copy(folder.join("dataset.toml"), folder.join("configs/dataset.toml")).expect("copies");
    assert_eq!(
        succeed(&folder, &["stats", "configs/dataset.toml", "--json"]),
        from_elsewhere
    );

    change(&folder, "dataset.toml", "masks = \"masks\"", "masks = \"labels\"");
    let whole = folder.join("data").join("labels");
    let error = fail(&folder, &["stats", "dataset.toml"]);
    assert!(error.contains(&whole.display().to_string()), "{error}");
}

#[test]
fn files_that_are_no_images_are_named_for_what_they_are() {
    let (_keep, folder) = folder();
    for (bytes, name) in [
        (
            &b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"[..],
            "a Git LFS pointer",
        ),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page (HTML)"),
        (
            b"<VRTDataset rasterXSize=\"64\" rasterYSize=\"64\"></VRTDataset>",
            "a GDAL virtual raster (VRT)",
        ),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image"),
    ] {
        fs::write(folder.join("data/masks/2.tif"), bytes).expect("writes");
        let error = fail(&folder, &["stats", "dataset.toml"]);
        assert!(error.contains("masks/2.tif") && error.contains(name), "{error}");
        let found = seen(&folder, "unusable-file");
        assert!(found.len() == 1 && found[0].contains(name), "{found:?}");
    }
}

#[test]
fn options_below_zero_get_a_sentence() {
    let (_keep, folder) = folder();
    for (arguments, expected) in [
        (
            ["predict", "m.raremap", "s.tif", "--out", "o", "--threshold", "-0.5"],
            "--threshold is -0.5; it must not be negative",
        ),
        (
            ["predict", "m.raremap", "s.tif", "--out", "o", "--tile", "-256"],
            "--tile is -256; it must not be negative",
        ),
    ] {
        assert_eq!(fail(&folder, &arguments).trim(), format!("raremap: {expected}"));
    }
}
