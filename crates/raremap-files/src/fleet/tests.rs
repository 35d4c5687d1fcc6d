//! What a list of items means.

use std::collections::BTreeSet;
use std::fs;

use raremap_testing::card;
use serde_json::json;

use super::folder::{Partial, check_whole};
use super::*;

fn scenes(items: &[String]) -> Vec<Result<FleetScene, FleetFailure>> {
    let mut card = card::card(
        &["green", "red", "nir", "swir1"],
        &[(1, "land"), (2, "water")],
        &["water"],
    );
    card.bands[3].optional = true;
    fleet_scenes(items.iter().map(String::as_str), &card)
}

fn scene(item: impl ToString) -> FleetScene {
    let mut scenes = scenes(&[item.to_string()]);
    scenes.pop().expect("a scene").expect("it can be mapped")
}

fn failure(item: impl ToString) -> (String, String) {
    let mut scenes = scenes(&[item.to_string()]);
    let failure = scenes.pop().expect("a scene").expect_err("it cannot be mapped");
    (failure.id, failure.code)
}

fn inputs(scene: &FleetScene) -> Vec<&str> {
    scene.inputs.iter().filter_map(|path| path.to_str()).collect()
}

#[test]
fn a_line_is_a_path_or_json() {
    let plain = scene("/data/Scene 1.TIF");
    assert_eq!(
        (plain.id.as_str(), inputs(&plain)),
        ("Scene_1", vec!["/data/Scene 1.TIF"])
    );
    assert_eq!(plain, scene(json!("/data/Scene 1.TIF")));
    let product = scene(json!(["/data/LC09/B3.tif", "/data/LC09/B4.tif"]));
    assert_eq!((product.id.as_str(), inputs(&product).len()), ("LC09", 2));
    let relative = scene("scene.tif");
    assert!(relative.inputs[0].is_absolute() && relative.inputs[0].ends_with("scene.tif"));
    assert_eq!(scene("/..").id, "scene");
    assert_eq!(scene("/data/.SAFE").id, "scene");
    assert!(scenes(&[String::new(), "  ".into()]).is_empty());
}

#[test]
fn an_items_assets_are_found_from_its_place() {
    let item = |assets: serde_json::Value| {
        json!({ "id": "S2 A", "assets": assets, "properties": { "datetime": "2024-01-02T04:04:05.5+01:00" },
                "links": [{ "rel": "root", "href": "x" }, { "rel": "self", "href": "file:///cat/s2a/item.json" }] })
    };
    let one = scene(item(json!({
        "image": { "href": "./s2a.tif", "type": "image/tiff; application=geotiff" },
        "picture": { "href": "s2a.png", "roles": ["thumbnail"] },
    })));
    assert_eq!((one.id.as_str(), inputs(&one)), ("S2_A", vec!["/cat/s2a/s2a.tif"]));
    let asked = PredictOptions::new(&card::card(&["green"], &[(1, "land")], &[]));
    let options = one.options(&asked);
    assert_eq!(options.output.datetime.as_deref(), Some("2024-01-02T03:04:05.5Z"));
    assert_eq!(options.output.scene_item.as_deref(), Some("file:///cat/s2a/item.json"));
    assert_eq!(options.bands, None);

    // Keys count more than common names; what is no band of the model is left out.
    let bands = scene(item(json!({
        "a-nir": { "href": "nir.jp2", "roles": ["data"], "eo:bands": [{ "common_name": "nir" }] },
        "B04": { "href": "/other/B04.tif", "roles": ["data"], "bands": [{ "eo:common_name": "red" }] },
        "green": { "href": "green.tif", "roles": ["data"] },
        "nir": { "href": "nir.tif", "roles": ["data"], "eo:bands": [{ "common_name": "nir" }] },
        "scl": { "href": "scl.tif", "roles": ["data"] },
    })));
    assert_eq!(
        inputs(&bands),
        ["/cat/s2a/green.tif", "/other/B04.tif", "/cat/s2a/nir.tif"]
    );
    assert_eq!(
        bands.options(&asked).bands.as_deref(),
        Some("green=green.tif,red=B04.tif,nir=nir.tif")
    );
    let stated = PredictOptions {
        bands: Some("green=1,red=2,nir=3".into()),
        ..asked
    };
    assert_eq!(bands.options(&stated).bands, stated.bands, "the caller knows better");

    // If no asset is the red band, all are one product.
    let product = scene(item(json!({
        "green": { "href": "g.tif", "roles": ["data"] },
        "nir": { "href": "n.tif", "roles": ["data"] },
    })));
    assert_eq!((inputs(&product).len(), &product.bands), (2, &None));
}

#[test]
fn files_may_be_on_a_server() {
    let alone = scene("https://host/a/scene.tif?signature=x/y.z");
    assert_eq!(
        (alone.id.as_str(), inputs(&alone)),
        ("scene", vec!["https://host/a/scene.tif?signature=x/y.z"])
    );
    let product = scene(json!(["https://host/LC09/B3.tif", "https://host/LC09/B4.tif"]));
    assert_eq!(product.id, "LC09");
    let item = scene(json!({
        "id": "item", "links": [{ "rel": "self", "href": "https://host/cat/item.json" }],
        "assets": { "green": { "href": "./g.tif?key=1", "roles": ["data"] }, "red": { "href": "../r.tif", "roles": ["data"] },
                    "nir": { "href": "https://other/n.tif", "roles": ["data"] } },
    }));
    assert_eq!(
        inputs(&item),
        [
            "https://host/cat/g.tif?key=1",
            "https://host/r.tif",
            "https://other/n.tif"
        ]
    );
    let asked = PredictOptions::new(&card::card(&["green"], &[(1, "land")], &[]));
    assert_eq!(
        item.options(&asked).bands.as_deref(),
        Some("green=g.tif,red=r.tif,nir=n.tif")
    );
}

#[test]
fn items_that_are_no_scenes_are_failures_of_their_own() {
    let asset = |href: &str| json!({ "id": "a", "assets": { "image": { "href": href, "roles": ["data"] } } });
    let malformed = |id: &str| (id.to_owned(), "item_malformed".to_owned());
    assert_eq!(failure(asset("s3://bucket/a.tif")), malformed("a"));
    assert_eq!(failure("s3://bucket/b.tif"), malformed("b"));
    let mut timeless = asset("a.tif");
    timeless["properties"] = json!({ "datetime": "yesterday" });
    assert_eq!(failure(timeless), malformed("a"));
    assert_eq!(failure(json!({ "id": 7 })), malformed("7"));
    assert_eq!(failure(json!({ "assets": 3 })), malformed("scene"));
    assert_eq!(failure("{ no JSON"), malformed("item_1"));
    assert_eq!(failure("[]"), malformed("item_1"));
    assert_eq!(failure("[3]"), malformed("item_1"));
    let (id, code) = failure(json!({ "id": "x", "assets": {} }));
    assert_eq!((id.as_str(), code.as_str()), ("x", "item_without_data"));
}

#[test]
fn scenes_of_one_name_are_told_apart_whatever_their_order() {
    let ids = |items: &[&str]| -> Vec<String> {
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        scenes(&items)
            .into_iter()
            .map(|scene| scene.expect("a scene").id)
            .collect()
    };
    let apart = ids(&["/b/scene.tif", "/z.tif", "/a/scene.tif", "/a/scene.tif"]);
    assert_eq!(apart.len(), 3, "{apart:?}");
    assert!(apart[0].starts_with("scene-") && apart[1].starts_with("scene-") && apart[0] != apart[1]);
    assert_eq!(apart, ids(&["/a/scene.tif", "/b/scene.tif", "/z.tif"]));
    assert_eq!(ids(&["/a/scene.tif", "/a/scene.tif"]), ["scene"]);
    let signed = ["https://host/a/b.tif?key=1", "https://host/a/b.tif?key=2"];
    assert_eq!(ids(&signed), ["b"]);
    let other = "https://host/c/b.tif?key=1";
    assert_eq!(ids(&[signed[0], other]), ids(&[other, signed[1]]));
}

#[test]
fn every_item_that_is_no_scene_is_listed() {
    let empty = |id: &str| json!({ "id": id, "assets": {} }).to_string();
    let items = [
        empty("x"),
        json!({ "assets": 3 }).to_string(),
        empty("x"),
        json!({}).to_string(),
    ];
    let ids: Vec<_> = scenes(&items)
        .into_iter()
        .map(|scene| scene.expect_err("no scene").id)
        .collect();
    assert_eq!(ids, ["scene", "scene", "x", "x"]);
    let items = [empty("a"), "/data/a.tif".into()];
    let scenes = scenes(&items);
    assert!(
        scenes.len() == 2 && scenes.iter().flatten().all(|scene| scene.id == "a"),
        "{scenes:?}"
    );
}

#[test]
fn links_are_joined_as_addresses() {
    let joined = |base: &str, href: &str| {
        let item = json!({ "id": "item", "links": [{ "rel": "self", "href": base }],
                           "assets": { "image": { "href": href, "roles": ["data"] } } });
        let scene = scene(item);
        let source = scene.source.clone().unwrap_or_default();
        assert!(!source.contains("key"), "{source}");
        scene.inputs[0].to_string_lossy().into_owned()
    };
    let base = "https://host/cat/deep/item.json?key=x/y";
    assert_eq!(joined(base, "/b.tif?key=2"), "https://host/b.tif?key=2");
    assert_eq!(joined(base, "../b.tif"), "https://host/cat/b.tif");
    assert_eq!(joined(base, "../../../b.tif"), "https://host/b.tif");
    assert_eq!(
        joined(base, "b.tif?from=https://x/y"),
        "https://host/cat/deep/b.tif?from=https://x/y"
    );
    assert_eq!(joined(base, "//other/b.tif"), "https://other/b.tif");
    assert_eq!(joined(base, "./b.tif"), "https://host/cat/deep/b.tif");
    assert_eq!(joined(base, "https://other/a/../b.tif"), "https://other/a/../b.tif");
    assert_eq!(joined("file:///my%20cat/item.json", "b%20c.tif"), "/my cat/b c.tif");
    assert_eq!(joined("file:///cat/item.json", "file:///d/b%20c.tif"), "/d/b c.tif");
    assert_eq!(joined("file:///cat/item.json", "100%.tif"), "/cat/100%.tif");
    assert_eq!(joined("/my%20cat/item.json", "b.tif"), "/my%20cat/b.tif");
}

#[test]
fn a_record_holds_no_signature() {
    let folder = tempfile::tempdir().expect("a folder");
    record::write_record(folder.path(), &scene("https://host/a.tif?key=secret"), "digest").expect("writes");
    let text = fs::read_to_string(folder.path().join("scene.json")).expect("reads");
    assert!(
        text.contains("https://host/a.tif") && !text.contains("secret"),
        "{text}"
    );
}

#[test]
fn a_shard_is_a_part_of_several() {
    let shard = |text: &str| text.parse::<Shard>();
    assert_eq!(shard("1/3"), Ok(Shard { index: 1, count: 3 }));
    assert_eq!(shard("0/1"), Ok(Shard::ALL));
    for wrong in ["3/3", "0/0", "-1/3", "1", "a/b", "1/"] {
        assert!(shard(wrong).is_err(), "{wrong}");
    }
    assert_eq!(shard("3/3"), Err("3 shards are numbered from 0 to 2".into()));
}

#[test]
fn what_a_killed_job_left_is_removed_if_it_is_of_these_scenes() {
    let out = tempfile::tempdir().expect("a folder");
    for name in [".partial-a-x7Gh2k", ".partial-a-b-Kk8sQ1", "a", "other"] {
        fs::create_dir(out.path().join(name)).expect("a folder");
        fs::write(out.path().join(name).join("mask.tif"), "half").expect("a file");
    }
    let own = BTreeSet::from(["a", "c"]);
    let found = remove_left_overs(out.path(), &own).expect("removes");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a"]);
    let mut left: Vec<_> = fs::read_dir(out.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, [".partial-a-b-Kk8sQ1", "a", "other"]);
}

#[test]
fn a_folder_that_a_process_is_at_work_in_is_not_removed() {
    let out = tempfile::tempdir().expect("a folder");
    let own = BTreeSet::from(["a"]);
    let partial = Partial::new(out.path(), "a").expect("a folder");
    assert!(remove_left_overs(out.path(), &own).expect("looks").is_empty());
    assert_eq!(fs::read_dir(out.path()).expect("a folder").count(), 1);
    drop(partial);
    assert_eq!(fs::read_dir(out.path()).expect("a folder").count(), 0);
    // A killed process leaves the file, but not the lock.
    fs::create_dir(out.path().join(".partial-a-x7Gh2k")).expect("a folder");
    fs::write(out.path().join(".partial-a-x7Gh2k/lock"), "").expect("a file");
    assert_eq!(remove_left_overs(out.path(), &own).expect("removes").len(), 1);
    assert_eq!(fs::read_dir(out.path()).expect("a folder").count(), 0);
}

#[test]
fn a_result_without_one_of_its_files_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["mask.tif".into(), "summary.json".into()];
    for missing in ["mask.tif", "summary.json", "scene.json"] {
        for name in ["mask.tif", "summary.json", "scene.json"] {
            fs::write(folder.path().join(name), "").expect("writes");
        }
        check_whole(folder.path(), &names).expect("it is whole");
        fs::remove_file(folder.path().join(missing)).expect("removes");
        let error = check_whole(folder.path(), &names).expect_err("it is not whole");
        assert!(error.code() == "write_failed" && error.sentence().contains(missing));
    }
}

#[test]
fn an_older_result_stays_if_the_new_one_cannot_take_its_place() {
    let out = tempfile::tempdir().expect("a folder");
    let place = out.path().join("a");
    fs::create_dir(&place).expect("a folder");
    fs::write(place.join("mask.tif"), "old").expect("writes");
    let partial = Partial::new(out.path(), "a").expect("a folder");
    let error = partial
        .take_place(&out.path().join("absent"), &place)
        .expect_err("there is no new one");
    assert_eq!(error.code(), "write_failed");
    assert_eq!(fs::read_to_string(place.join("mask.tif")).expect("reads"), "old");
    assert_eq!(fs::read_dir(out.path()).expect("a folder").count(), 1);
}
