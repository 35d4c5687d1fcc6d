//! `raremap bench`: what it measures and what it refuses.

use crate::support::{fail, folder, succeed};
use serde_json::Value;

#[test]
fn each_size_of_tile_has_its_times() {
    let (_folder, path) = folder();
    let printed = succeed(&path, &["bench", "--tile", "32,64", "--runs", "3", "--json"]);
    let measured: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(measured["device"], "cpu");
    for edge in ["32", "64"] {
        let times = &measured["tiles"][edge];
        let number = |value: &Value| value.as_f64().expect("a number");
        let [lower, upper] = [0, 1].map(|at| number(&times["quartiles_ms"][at]));
        let median = number(&times["median_ms"]);
        assert!(lower > 0.0 && lower <= median && median <= upper, "{times}");
        assert!(number(&times["first_ms"]) > 0.0);
    }
    let table = succeed(&path, &["bench", "--tile", "32", "--runs", "1"]);
    assert!(
        table.contains("SegFormer-B0 with random weights on cpu") && table.contains("median, ms"),
        "{table}"
    );
}

#[test]
fn impossible_sizes_and_missing_files_are_refused() {
    let (_folder, path) = folder();
    for (arguments, part) in [
        (&["bench", "--tile", "100"][..], "--tile is 100"),
        (&["bench", "--tile", "0"][..], "--tile is 0"),
        (&["bench", "--runs", "0"][..], "--runs is 0"),
        (&["bench", "nowhere.raremap"][..], "nowhere.raremap"),
    ] {
        let error = fail(&path, arguments);
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
}
