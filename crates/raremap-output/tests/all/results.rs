//! The files of a run: what they say of the mask, and what GDAL says of them.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::process::Command;
use std::rc::Rc;

use geographiclib_rs::{Geodesic, PolygonArea, Winding};
use pollster::block_on;
use raremap_geo::{Affine, CrsKind, GeoReference};
use raremap_infer::{DecideOptions, InferError, RunOptions, SceneLogits, Tiling, View, run_scene};
use raremap_io::{BytesSource, MemoryScratch};
use raremap_model::{Card, TileError, TileLogits, TileModel};
use raremap_output::{OutputKind, OutputOptions, PolygonsCrs, ProbabilitySamples, Results, SceneName};
use raremap_scene::TiffScene;
use raremap_testing::card as testing;
use raremap_tiff::{GeoTiff, Limits, OutputImage, OutputSamples, encode_geotiff};
use serde_json::{Value, json};

const NODATA: f32 = -1000.0;
const SIZE: [usize; 2] = [300, 430];

fn card() -> Card {
    let classes = [(10, "land"), (20, "open water"), (30, "reed")];
    let mut card = testing::card(&["main", "rare"], &classes, &["reed"]);
    for class in &mut card.classes {
        class.color = [class.value, 0, 255 - class.value];
    }
    card
}

/// Main logits: land 0, water the first band, reed -100; the auxiliary logit of reed is the second band. A cell sees its first pixel.
struct Toy;

impl TileModel for Toy {
    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        let (rows, columns) = (height / 4, width / 4);
        let plane = |band: usize| -> Vec<f32> {
            let at = |cell: usize| band * height * width + cell / columns * 4 * width + cell % columns * 4;
            (0..rows * columns).map(|cell| input[at(cell)]).collect()
        };
        let filled = |value: f32| vec![value; rows * columns];
        Ok(TileLogits {
            main: [filled(0.0), plane(0), filled(-100.0)].concat(),
            auxiliary: plane(1),
        })
    }
}

/// Patches of all sizes, with holes, and a part without data.
fn scene(place: Option<&GeoReference>) -> Vec<u8> {
    let [height, width] = SIZE;
    let value = |band: usize, y: usize, x: usize| {
        if (x + 2 * y) % 97 < 3 || (y > 250 && x < 60) {
            return NODATA;
        }
        let (y, x) = (y as f32, x as f32);
        match band {
            0 => 3.0 * (x * 0.11).sin() * (y * 0.07).cos() + 2.0 * (x * 0.9 + y * 1.3).sin(),
            _ => 4.0 * (x * 0.031 + y * 0.02).sin() - 3.0 + (x * 0.7).cos() * (y * 0.5).sin(),
        }
    };
    let plane = |band: usize| {
        (0..height * width)
            .map(|i| value(band, i / width, i % width))
            .collect::<Vec<f32>>()
    };
    let (first, second) = (plane(0), plane(1));
    let image = OutputImage {
        width: width as u32,
        height: height as u32,
        samples: OutputSamples::F32 {
            bands: vec![&first, &second],
        },
        nodata: Some(f64::from(NODATA)),
        color_table: None,
        band_names: vec![],
        metadata: vec![],
    };
    encode_geotiff(&image, place).expect("a small image")
}

fn run(place: Option<&GeoReference>) -> SceneLogits {
    block_on(async {
        let image = TiffScene::open(BytesSource::new(scene(place)), Limits::default())
            .await
            .expect("opens");
        let options = RunOptions {
            tiling: Tiling {
                tile_px: 64,
                overlap_px: 32,
            },
            ..RunOptions::new(vec![0, 1])
        };
        run_scene(&image, &Toy, &card(), &options, &mut ()).await.expect("runs")
    })
}

fn place(kind: CrsKind, epsg: u16, [a, e, c, f]: [f64; 4]) -> GeoReference {
    let transform = Affine {
        a,
        b: 0.0,
        c,
        d: 0.0,
        e,
        f,
    };
    GeoReference::from_epsg(kind, epsg, transform).expect("a transform")
}

fn utm() -> GeoReference {
    place(CrsKind::Projected, 32643, [5.8, -5.8, 399_960.0, 3_100_020.0])
}

fn decide() -> DecideOptions {
    DecideOptions {
        top_k_percent: 5.0,
        ..DecideOptions::new(&card())
    }
}

fn file(logits: &SceneLogits, place: Option<&GeoReference>, options: &OutputOptions, kind: OutputKind) -> Vec<u8> {
    let (card, decide) = (card(), decide());
    let results = Results {
        logits,
        card: &card,
        model_sha256: "0123456789abcdef",
        scene: &SceneName::new(vec!["some scene.tif".into()], None),
        georeference: place,
        ground_control: None,
        decide: &decide,
        options,
        notes: &[("RAREMAP_BANDS".into(), "green=1,red=2".into())],
    };
    let made = results
        .make(kind, &mut || Ok(Box::new(MemoryScratch::default())))
        .expect("a file");
    let size_bytes = made.size_bytes();
    let bytes = made.into_bytes().expect("bytes");
    assert_eq!(bytes.len() as u64, size_bytes);
    bytes
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

fn scene_crs() -> OutputOptions {
    OutputOptions {
        polygons_crs: PolygonsCrs::Scene,
        ..OutputOptions::default()
    }
}

/// Twice the signed area of a ring.
fn doubled_area(ring: &Value) -> f64 {
    let ring = ring.as_array().expect("a ring");
    let number = |position: &Value, axis: usize| position[axis].as_f64().expect("a number");
    ring.windows(2)
        .map(|pair| number(&pair[0], 0) * number(&pair[1], 1) - number(&pair[1], 0) * number(&pair[0], 1))
        .sum()
}

#[test]
fn polygons_have_the_pixels_and_areas_of_the_mask() {
    let (logits, place) = (run(Some(&utm())), utm());
    let collection = parsed(&file(&logits, Some(&place), &scene_crs(), OutputKind::Polygons));
    assert_eq!(
        collection["crs"]["properties"]["name"],
        json!("urn:ogc:def:crs:EPSG::32643")
    );
    assert_eq!(
        collection["metadata"]["RAREMAP_MODEL_SHA256"],
        json!("0123456789abcdef")
    );
    let summary = logits.summary(&decide()).expect("a summary");
    let features = collection["features"].as_array().expect("features");
    assert!(features.len() > 50, "{}", features.len());
    for class in &summary.classes {
        let of_class = features
            .iter()
            .filter(|feature| feature["properties"]["class"] == json!(class.value));
        let (mut pixels, mut hectares, mut from_rings) = (0, 0.0, 0.0);
        for feature in of_class {
            let properties = &feature["properties"];
            assert_eq!(properties["name"], json!(class.name));
            pixels += properties["pixels"].as_u64().expect("a count");
            hectares += properties["area_ha"].as_f64().expect("an area");
            let probability = properties["mean_probability"].as_f64().expect("a probability");
            assert!((0.0..=1.0).contains(&probability) && (class.name != "open water" || probability > 0.5));
            for (index, ring) in feature["geometry"]["coordinates"]
                .as_array()
                .expect("rings")
                .iter()
                .enumerate()
            {
                let doubled = doubled_area(ring);
                assert!(
                    (doubled > 0.0) == (index == 0),
                    "outer rings counterclockwise, holes clockwise"
                );
                from_rings += doubled / 2e4;
            }
        }
        assert_eq!(pixels, class.pixels);
        let expected = class.hectares.expect("an area");
        assert!(
            // The rings are in map coordinates, whose scale is not quite 1.
            (hectares - expected).abs() < 1e-3 && (from_rings - expected).abs() <= 2e-3 * expected,
            "{hectares} {from_rings}"
        );
    }
}

#[test]
fn small_polygons_are_left_out_where_that_is_asked_for() {
    let (logits, place) = (run(Some(&utm())), utm());
    let options = OutputOptions {
        min_area_ha: 0.05,
        ..OutputOptions::default()
    };
    let areas = |options: &OutputOptions| -> Vec<f64> {
        let collection = parsed(&file(&logits, Some(&place), options, OutputKind::Polygons));
        let features = collection["features"].as_array().expect("features");
        features
            .iter()
            .map(|feature| feature["properties"]["area_ha"].as_f64().expect("an area"))
            .collect()
    };
    let (all, large) = (areas(&OutputOptions::default()), areas(&options));
    assert!(large.len() < all.len());
    assert_eq!(all.iter().filter(|area| **area >= 0.05).count(), large.len());
}

#[test]
fn polygons_in_degrees_agree_with_geodesic_areas_and_share_their_corners() {
    let (logits, place) = (run(Some(&utm())), utm());
    let collection = parsed(&file(
        &logits,
        Some(&place),
        &OutputOptions::default(),
        OutputKind::Polygons,
    ));
    assert_eq!(collection.get("crs"), None);
    let wgs84 = Geodesic::wgs84();
    let mut edges = std::collections::BTreeMap::<[String; 2], i32>::new();
    let mut total = [0.0, 0.0];
    for feature in collection["features"].as_array().expect("features") {
        let mut area_m2 = 0.0;
        for (index, ring) in feature["geometry"]["coordinates"]
            .as_array()
            .expect("rings")
            .iter()
            .enumerate()
        {
            assert!((doubled_area(ring) > 0.0) == (index == 0));
            let ring = ring.as_array().expect("a ring");
            assert!(ring.len() >= 5 && ring.first() == ring.last());
            let mut polygon = PolygonArea::new(&wgs84, Winding::CounterClockwise);
            for pair in ring.windows(2) {
                polygon.add_point(
                    pair[0][1].as_f64().expect("latitude"),
                    pair[0][0].as_f64().expect("longitude"),
                );
                let [from, to] = [pair[0].to_string(), pair[1].to_string()];
                let (edge, way) = if from < to { ([from, to], 1) } else { ([to, from], -1) };
                *edges.entry(edge).or_default() += way;
            }
            area_m2 += polygon.compute(true).1;
        }
        let hectares = feature["properties"]["area_ha"].as_f64().expect("an area");
        // Areas are written with four decimals.
        assert!(
            (area_m2 / 1e4 - hectares).abs() < 1e-4 + 1e-5 * hectares,
            "{area_m2} m2, {hectares} ha"
        );
        total = [total[0] + area_m2 / 1e4, total[1] + hectares];
    }
    assert!((total[0] / total[1] - 1.0).abs() < 1e-5, "{total:?}");
    // What lies between two regions is passed once each way: no gap, no overlap. What is left is the outline of the data.
    let shared = edges.values().filter(|ways| **ways == 0).count();
    assert!(shared > 1000 && edges.values().all(|ways| ways.abs() <= 1), "{shared}");
}

/// Reads the mask and the polygons and compares: regions as GDAL finds them, and the polygons drawn again.
const COMPARE: &str = r#"
import json, sys, warnings
warnings.filterwarnings("error")
import numpy as np, rasterio
from rasterio import features
mask_file, polygons_file = sys.argv[1:3]
with rasterio.open(mask_file) as image:
    mask, valid, transform = image.read(1), image.read_masks(1) > 0, image.transform

def ring_key(ring):
    points = [(round(x, 6), round(y, 6)) for x, y in ring[:-1]]
    count = len(points)
    def turns(i):
        (ax, ay), (bx, by), (cx, cy) = points[i - 1], points[i], points[(i + 1) % count]
        return abs((bx - ax) * (cy - by) - (by - ay) * (cx - bx)) > 1e-3
    corners = [points[i] for i in range(count) if turns(i)]
    start = corners.index(min(corners))
    turned = corners[start:] + corners[:start]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(turned, turned[1:] + turned[:1]))
    return tuple(turned if area > 0 else [turned[0]] + turned[:0:-1])

def key(value, geometry):
    rings = [ring_key(ring) for ring in geometry["coordinates"]]
    return (int(value), rings[0], tuple(sorted(rings[1:])))

ours = json.load(open(polygons_file))["features"]
found = {key(f["properties"]["class"], f["geometry"]) for f in ours}
gdal = {key(value, geometry) for geometry, value in features.shapes(mask, mask=valid, connectivity=4, transform=transform)}
again = features.rasterize([(f["geometry"], f["properties"]["class"]) for f in ours], mask.shape, fill=255, transform=transform)
print(json.dumps({"ours": len(ours), "gdal": len(gdal), "common": len(found & gdal), "different_pixels": int((again != mask).sum()),
                  "bounds": [float(np.min([p for f in ours for r in f["geometry"]["coordinates"] for p in r], axis=0)[i]) for i in (0, 1)]}))
"#;

#[test]
fn polygons_are_the_regions_that_gdal_finds() {
    let Some(python) = std::env::var_os("RAREMAP_PYTHON") else {
        println!(
            "skipped: RAREMAP_PYTHON does not name a Python with rasterio (./test installs one, ./test --quick does not)"
        );
        return;
    };
    let (logits, place) = (run(Some(&utm())), utm());
    let folder = tempfile::tempdir().expect("a folder");
    let paths = [OutputKind::Mask, OutputKind::Polygons].map(|kind| {
        let path = folder.path().join(kind.file_name());
        std::fs::write(&path, file(&logits, Some(&place), &scene_crs(), kind)).expect("writes");
        path
    });
    let output = Command::new(python)
        .args(["-c", COMPARE])
        .args(&paths)
        .output()
        .expect("the interpreter starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let compared = parsed(&output.stdout);
    println!("{compared}");
    assert_eq!(compared["different_pixels"], json!(0));
    assert_eq!(
        (&compared["common"], &compared["gdal"]),
        (&compared["ours"], &compared["ours"])
    );
}

#[test]
fn areas_agree_with_geodesics_in_degrees_metres_and_feet() {
    let cases = [
        utm(),
        place(CrsKind::Geographic, 4326, [6e-5, -6e-5, 76.5, 12.25]),
        place(CrsKind::Geographic, 4326, [6e-5, -6e-5, 25.0, 69.5]),
        place(CrsKind::Projected, 3857, [10.0, -10.0, 8.5e6, 5e6]),
        feet(),
    ];
    for place in cases {
        let logits = run(Some(&place));
        let summary = logits.summary(&decide()).expect("a summary");
        let collection = parsed(&file(
            &logits,
            Some(&place),
            &OutputOptions::default(),
            OutputKind::Polygons,
        ));
        let wgs84 = Geodesic::wgs84();
        for class in &summary.classes {
            let mut reference = 0.0;
            let features = collection["features"].as_array().expect("features");
            for feature in features
                .iter()
                .filter(|feature| feature["properties"]["class"] == json!(class.value))
            {
                for ring in feature["geometry"]["coordinates"].as_array().expect("rings") {
                    let mut polygon = PolygonArea::new(&wgs84, Winding::CounterClockwise);
                    for position in ring.as_array().expect("a ring").iter().skip(1) {
                        polygon.add_point(
                            position[1].as_f64().expect("a number"),
                            position[0].as_f64().expect("a number"),
                        );
                    }
                    reference += polygon.compute(true).1 / 1e4;
                }
            }
            let found = class.hectares.expect("an area");
            assert!(
                (found / reference - 1.0).abs() < 1e-4,
                "{:?}: {found} ha, not {reference}",
                place.crs.epsg
            );
        }
    }
}

/// New York's Long Island zone, in US survey feet.
fn feet() -> GeoReference {
    place(CrsKind::Projected, 2263, [30.0, -30.0, 980_000.0, 200_000.0])
}

#[test]
fn the_area_table_adds_up() {
    let (logits, place) = (run(Some(&utm())), utm());
    let csv = String::from_utf8(file(
        &logits,
        Some(&place),
        &OutputOptions::default(),
        OutputKind::AreasCsv,
    ))
    .expect("text");
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(
        lines[0],
        [
            "class", "value", "color", "rare", "pixels", "percent", "area_ha", "complete"
        ]
    );
    assert_eq!(lines[3][..4], ["reed", "30", "#1e00e1", "true"]);
    let pixels = |line: &[&str]| line[4].parse::<u64>().expect("a count");
    let classes: u64 = lines[1..4].iter().map(|line| pixels(line)).sum();
    assert_eq!((lines[4][0], pixels(&lines[4])), ("valid", classes));
    assert_eq!((lines[6][0], pixels(&lines[6])), ("scene", (SIZE[0] * SIZE[1]) as u64));
    assert!(lines.iter().skip(1).all(|line| line.len() == 8 && line[7] == "true"));
    let json = parsed(&file(
        &logits,
        Some(&place),
        &OutputOptions::default(),
        OutputKind::AreasJson,
    ));
    assert_eq!(
        (&json["valid_pixels"], &json["complete"]),
        (&json!(classes), &json!(true))
    );
    assert_eq!(
        (&json["model"]["sha256"], &json["notes"][0]["name"]),
        (&json!("0123456789abcdef"), &json!("RAREMAP_BANDS"))
    );
    assert_eq!(json["classes"][1]["pixels"].as_u64(), Some(pixels(&lines[2])));
}

#[test]
fn the_review_list_ranks_regions_by_saliency_and_area() {
    let (logits, place) = (run(Some(&utm())), utm());
    let list = |limit: usize| {
        let options = OutputOptions {
            review_limit: limit,
            ..scene_crs()
        };
        parsed(&file(&logits, Some(&place), &options, OutputKind::Review))["features"]
            .as_array()
            .expect("features")
            .clone()
    };
    let all = list(100_000);
    let cut = logits
        .saliency_histogram()
        .expect("a histogram")
        .cut(5.0)
        .expect("a cut");
    let total: u64 = all
        .iter()
        .map(|feature| feature["properties"]["pixels"].as_u64().expect("a count"))
        .sum();
    assert_eq!(total, cut.pixels, "every marked pixel is in a region");
    let saliency = logits.saliency(&View::whole(SIZE)).expect("saliency");
    let mut last = f64::INFINITY;
    for (index, feature) in all.iter().enumerate() {
        let properties = &feature["properties"];
        let number = |name: &str| properties[name].as_f64().expect("a number");
        assert_eq!(properties["rank"], json!(index + 1));
        assert!(number("score") <= last, "scores fall");
        last = number("score");
        assert!((number("mean_saliency") * number("area_ha") - last).abs() < 1e-3 * last.max(0.01));
        let position = &feature["geometry"]["coordinates"];
        let column = ((position[0].as_f64().expect("x") - 399_960.0) / 5.8) as usize;
        let row = ((3_100_020.0 - position[1].as_f64().expect("y")) / 5.8) as usize;
        let here = saliency[row * SIZE[1] + column];
        assert!((f64::from(here) - number("max_saliency")).abs() < 1e-4 && cut.marks(here));
        let bounds: Vec<f64> = feature["bbox"]
            .as_array()
            .expect("a box")
            .iter()
            .filter_map(Value::as_f64)
            .collect();
        assert!(bounds[0] < bounds[2] && bounds[1] < bounds[3]);
    }
    assert!(all.len() > 3);
    assert_eq!(list(3), all[..3]);
    assert_eq!(list(0).len(), 0);
}

#[test]
fn the_item_says_what_the_files_are_and_not_what_nobody_knows() {
    let (logits, place) = (run(Some(&utm())), utm());
    let item = parsed(&file(
        &logits,
        Some(&place),
        &OutputOptions::default(),
        OutputKind::StacItem,
    ));
    let properties = &item["properties"];
    assert_eq!(
        (&item["stac_version"], &item["id"]),
        (&json!("1.0.0"), &json!("some scene-raremap-01234567"))
    );
    assert_eq!(
        (&properties["datetime"], &properties["start_datetime"]),
        (&Value::Null, &json!("0001-01-01T00:00:00Z"))
    );
    assert_eq!(
        (&properties["processing:level"], &properties["proj:epsg"]),
        (&json!("L4"), &json!(32643))
    );
    assert_eq!(properties["proj:shape"], json!(SIZE));
    assert_eq!(
        (&item["links"][0]["rel"], &item["links"][0]["href"]),
        (&json!("derived_from"), &json!("some%20scene.tif"))
    );
    assert_eq!(properties["raremap:bands"], json!("green=1,red=2"));
    let bbox: Vec<f64> = item["bbox"]
        .as_array()
        .expect("a box")
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    assert!(
        (bbox[0] - 73.978).abs() < 0.01 && (bbox[3] - 28.023).abs() < 0.01,
        "{bbox:?}"
    );
    assert!(doubled_area(&item["geometry"]["coordinates"][0]) > 0.0);
    let assets = item["assets"].as_object().expect("assets");
    assert_eq!(assets.len(), 7);
    assert_eq!(assets["mask"]["classification:classes"][1]["name"], json!("open_water"));
    assert_eq!(assets["probability"]["raster:bands"][0]["scale"], json!(1.0 / 254.0));
    let known = OutputOptions {
        datetime: Some("2024-02-03T05:06:07Z".into()),
        created: Some("2025-01-01T00:00:00Z".into()),
        ..OutputOptions::default()
    };
    let item = parsed(&file(&logits, Some(&place), &known, OutputKind::StacItem));
    assert_eq!(item["properties"]["datetime"], json!("2024-02-03T05:06:07Z"));
    assert_eq!(item["properties"].get("start_datetime"), None);
    let day = OutputOptions {
        datetime: Some("2024-02-03T00:00:00Z/2024-02-03T23:59:59Z".into()),
        ..OutputOptions::default()
    };
    let item = parsed(&file(&logits, Some(&place), &day, OutputKind::StacItem));
    let properties = &item["properties"];
    assert_eq!(
        (
            &properties["datetime"],
            &properties["start_datetime"],
            &properties["end_datetime"]
        ),
        (
            &Value::Null,
            &json!("2024-02-03T00:00:00Z"),
            &json!("2024-02-03T23:59:59Z")
        )
    );
    let nowhere = parsed(&file(&run(None), None, &OutputOptions::default(), OutputKind::StacItem));
    assert_eq!((&nowhere["geometry"], nowhere.get("bbox")), (&Value::Null, None));
}

#[test]
fn a_system_that_cannot_be_converted_leaves_the_scenes_own_and_says_so() {
    let place = place(CrsKind::Projected, 27700, [10.0, -10.0, 4e5, 3e5]);
    let logits = run(Some(&place));
    let (card, decide, options) = (card(), decide(), OutputOptions::default());
    let results = Results {
        logits: &logits,
        card: &card,
        model_sha256: "",
        scene: &SceneName::new(vec!["scene".into()], None),
        georeference: Some(&place),
        ground_control: None,
        decide: &decide,
        options: &options,
        notes: &[],
    };
    let made = results
        .make(OutputKind::Polygons, &mut || Ok(Box::new(MemoryScratch::default())))
        .expect("a file");
    assert!(
        made.notice().is_some_and(|notice| notice.contains("EPSG:27700")),
        "{:?}",
        made.notice()
    );
    let collection = parsed(&made.into_bytes().expect("bytes"));
    assert_eq!(
        collection["crs"]["properties"]["name"],
        json!("urn:ogc:def:crs:EPSG::27700")
    );
}

#[test]
fn files_are_the_same_every_time() {
    let (logits, place) = (run(Some(&utm())), utm());
    for kind in OutputKind::ALL {
        let make = |logits: &SceneLogits| file(logits, Some(&place), &OutputOptions::default(), kind);
        assert!(
            make(&logits) == make(&run(Some(&utm()))),
            "{} differs",
            kind.file_name()
        );
        assert_eq!(OutputKind::of_file_name(kind.file_name()), Some(kind));
    }
}

#[test]
fn a_pass_tells_its_rows_and_ends_where_it_is_told_to() {
    let (mut logits, place) = (run(Some(&utm())), utm());
    let passes = Rc::new(RefCell::new(vec![0]));
    let told = Rc::clone(&passes);
    logits.watch(Box::new(move |row, rows| {
        assert_eq!(rows, SIZE[0]);
        let mut told = told.borrow_mut();
        let last = told.last_mut().expect("a pass");
        if row >= *last {
            *last = row;
        } else {
            told.push(row);
        }
        ControlFlow::Continue(())
    }));
    let summary = logits.summary(&decide()).expect("areas");
    assert_eq!(passes.borrow().as_slice(), [SIZE[0] - 1]);
    // All but the item, which is written of what is known.
    for kind in OutputKind::ALL.into_iter().filter(|kind| *kind != OutputKind::StacItem) {
        *passes.borrow_mut() = vec![0];
        file(&logits, Some(&place), &OutputOptions::default(), kind);
        let passes = passes.borrow();
        assert!(
            (1..=2).contains(&passes.len()) && passes.iter().all(|last| *last == SIZE[0] - 1),
            "{}: {passes:?}",
            kind.file_name()
        );
    }
    logits.watch(Box::new(|row, _| match row {
        0..100 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    }));
    let stopped = logits.summary(&decide()).expect_err("it was stopped");
    assert!(matches!(stopped, InferError::Stopped), "{stopped}");
    logits.watch(Box::new(|_, _| ControlFlow::Continue(())));
    assert_eq!(logits.summary(&decide()).expect("areas"), summary);
}

#[test]
fn probabilities_are_written_in_steps_or_as_they_are() {
    let (logits, place) = (run(Some(&utm())), utm());
    let expected = logits.probability(0, &View::whole(SIZE)).expect("probabilities");
    for (probability, error) in [
        (ProbabilitySamples::U8, 0.5 / 254.0 + 1e-6),
        (ProbabilitySamples::F32, 0.0),
    ] {
        let options = OutputOptions {
            probability,
            ..OutputOptions::default()
        };
        let bytes = file(&logits, Some(&place), &options, OutputKind::Probability);
        let image = block_on(GeoTiff::open(BytesSource::new(bytes), Limits::default())).expect("opens");
        let whole = raremap_tiff::Window {
            x: 0,
            y: 0,
            width: SIZE[1] as u32,
            height: SIZE[0] as u32,
        };
        let samples = block_on(image.read_window(whole, &[0])).expect("reads");
        let scale = if probability == ProbabilitySamples::U8 {
            254.0
        } else {
            1.0
        };
        for ((found, expected), valid) in samples.values.iter().zip(&expected).zip(&samples.valid) {
            assert_eq!(*valid, !expected.is_nan());
            assert!(
                !valid || (found / scale - expected).abs() <= error,
                "{found} {expected}"
            );
        }
    }
}
