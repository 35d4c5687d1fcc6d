//! About a thousand small files, as GDAL and others write them, sane and not: what is read of each is what GDAL reads.
//!
//! `RAREMAP_PYTHON` names a Python with rasterio; without it this test says that it was skipped.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use pollster::block_on;
use raremap_io::FileSource;
use raremap_tiff::TiffError;
use raremap_tiff::{BandSummary, GeoTiff, Limits, SampleStatistics, SampleType, Samples, Window};
use serde_json::{Value, json};

/// Where reading differs from GDAL on purpose: the start of the file's name, what differs, and why.
const DELIBERATE: [(&str, &str, &str); 15] = [
    (
        "nodata-named-",
        "valid",
        "\"-nan\" and \"nan(ind)\" mean NaN; GDAL reads 0",
    ),
    (
        "nodata-named-",
        "nodata",
        "\"-nan\" and \"nan(ind)\" mean NaN; GDAL reads 0",
    ),
    (
        "nodata-type-short",
        "valid",
        "a number is no text; GDAL takes it for a control character, and that for 0",
    ),
    ("nodata-type-short", "nodata", "a number is no text"),
    (
        "nodata-in-metadata",
        "valid",
        "NODATA_VALUES, one for each band, is not read",
    ),
    ("bits-missing", "colours", "GDAL makes a palette of any one-bit image"),
    (
        "offsets-fewer",
        "checksums",
        "a block without an offset is not stored; GDAL reads the file's first bytes",
    ),
    ("place-scale-nan", "transform", "a transform that is not finite is none"),
    ("place-infinite", "transform", "a transform that is not finite is none"),
    (
        "crs-4979",
        "EPSG",
        "heights are not read: the system is that of the map",
    ),
    (
        "keys-",
        "extra EPSG",
        "codes and names are taken as they are, without a register that knows which exist",
    ),
    (
        "crs-",
        "extra EPSG",
        "GDAL drops the code where a name beside it contradicts",
    ),
    ("keys-", "missing EPSG", "GDAL finds systems by their parameters"),
    ("crs-", "missing EPSG", "GDAL finds systems by their parameters"),
    ("keys-", "missing unit", "GDAL takes metres where nothing says so"),
];

#[test]
fn files_of_every_kind_read_as_in_gdal() {
    let Some(python) = std::env::var_os("RAREMAP_PYTHON") else {
        println!(
            "skipped: RAREMAP_PYTHON does not name a Python with rasterio (./test installs one, ./test --quick does not)"
        );
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/variants.py");
    let output = Command::new(python)
        .arg(script)
        .arg(folder.path())
        .output()
        .expect("the interpreter starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rasterio failed: {errors}");
    let lines = String::from_utf8(output.stdout).expect("the script writes UTF-8");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in lines.lines() {
        let gdal: Value = serde_json::from_str(line).expect("the script writes JSON");
        let name = gdal["file"].as_str().expect("a name");
        let path = folder.path().join(format!("{name}.tif"));
        let outcome = match (block_on(compare(&path, &gdal)), gdal["error"].as_str()) {
            (Err(_), Some(_)) => "error, as in GDAL",
            (Ok(_), Some(_)) => "read though GDAL does not",
            (Err(error), None) => {
                wrong.push(format!("{name}: refused though GDAL reads it: {error}"));
                "refused though GDAL reads it"
            }
            (Ok(differences), None) if differences.is_empty() => "equal",
            (Ok(differences), None) => {
                let before = wrong.len();
                let undeliberate = differences.into_iter().filter(|(what, _)| !is_deliberate(name, what));
                wrong.extend(undeliberate.map(|(what, detail)| format!("{name}: {what}: {detail}")));
                if wrong.len() > before {
                    "WRONG"
                } else {
                    "differs on purpose"
                }
            }
        };
        *counts.entry(outcome).or_default() += 1;
    }
    println!("{counts:#?}");
    assert!(wrong.is_empty(), "read otherwise than in GDAL:\n{}", wrong.join("\n"));
    assert!(counts.get("equal").is_some_and(|equal| *equal > 900), "{counts:?}");
}

fn is_deliberate(name: &str, what: &str) -> bool {
    DELIBERATE
        .iter()
        .any(|(start, difference, _)| name.starts_with(start) && what == *difference)
}

type Differences = Vec<(&'static str, String)>;

/// What differs between this reader and what the script told of GDAL.
async fn compare(path: &Path, gdal: &Value) -> Result<Differences, TiffError> {
    let image = GeoTiff::open(FileSource::open(path)?, Limits::default()).await?;
    let info = image.info();
    let whole = Window {
        x: 0,
        y: 0,
        width: info.width,
        height: info.height,
    };
    let summaries = image.summarize_bands().await?;
    let checksums: Vec<u16> = summaries.iter().map(|summary| summary.checksum).collect();
    let mut valid = Vec::new();
    for band in 0..info.band_count {
        let samples = image.read_window_as::<f64>(whole, &[band]).await?;
        valid.push(crc(samples.valid.iter().map(|valid| u8::from(*valid))));
    }
    if gdal["error"].is_string() {
        return Ok(Vec::new());
    }
    let mut differences = Vec::new();
    let mut check = |what, ours: Value, theirs: &Value| {
        if ours != *theirs {
            differences.push((what, format!("{ours} instead of {theirs}")));
        }
    };
    let bands = info.band_count;
    check("size", json!([info.height, info.width]), &gdal["size"]);
    check("type", json!(vec![type_name(info.sample_type); bands]), &gdal["dtypes"]);
    check("checksums", json!(checksums), &gdal["checksums"]);
    compare_statistics(&summaries, &gdal["statistics"], &mut check);
    // Whether an opacity band is one is judged elsewhere.
    if !gdal["flags"].to_string().contains("alpha") {
        check("valid", json!(valid), &gdal["valid"]);
    }
    let meanings: Vec<String> = info
        .color_interpretations
        .iter()
        .map(|meaning| format!("{meaning:?}").to_lowercase())
        .collect();
    check("colours", json!(meanings), &gdal["interpretations"]);
    check("names", json!(info.band_names), &gdal["descriptions"]);
    let or =
        |values: &[Option<f64>], default: f64| values.iter().map(|value| value.unwrap_or(default)).collect::<Vec<_>>();
    // Of "two" C's `atof` makes 0.
    if gdal["file"] != "metadata-1" {
        check("scales", json!(or(&info.scales, 1.0)), &gdal["scales"]);
        check("offsets", json!(or(&info.offsets, 0.0)), &gdal["offsets"]);
    }
    check("control points", json!(info.gcp_count), &gdal["gcps"]);
    check(
        "overviews",
        json!(info.overviews.len()),
        &json!(gdal["overviews"].as_array().map_or(0, Vec::len)),
    );
    let nodata = info.nodata.map(|value| match info.sample_type {
        SampleType::F32 => f64::from(value as f32),
        _ => value,
    });
    let theirs = match &gdal["nodata"] {
        Value::String(text) => Some(text.parse().expect("NaN or infinity")),
        number => number.as_f64(),
    };
    let is_same = match (nodata, theirs) {
        (Some(ours), Some(theirs)) => {
            ours == theirs || ours.is_nan() && theirs.is_nan() || (ours - theirs).abs() <= 1e-15 * ours.abs()
        }
        (ours, theirs) => ours == theirs,
    };
    if !is_same {
        differences.push(("nodata", format!("{nodata:?} instead of {theirs:?}")));
    }
    compare_place(&image, gdal, &mut differences);
    for level in gdal["levels"].as_array().into_iter().flatten() {
        compare_overview(&image, level, &mut differences).await?;
    }
    Ok(differences)
}

fn compare_statistics(ours: &[BandSummary], theirs: &Value, check: &mut impl FnMut(&'static str, Value, &Value)) {
    for (band, summary) in ours.iter().enumerate() {
        let SampleStatistics {
            valid_count,
            min,
            max,
            mean,
            std,
            ..
        } = summary.statistics;
        let theirs = &theirs[band];
        if theirs.is_null() {
            continue;
        }
        check("valid count", json!(valid_count), &theirs[0]);
        for (index, ours) in (1..).zip([min, max, mean, std]) {
            let theirs = &theirs[index];
            let is_close = match (ours, theirs.as_f64()) {
                (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-6 * ours.abs().max(theirs.abs()).max(1e-30),
                (ours, theirs) => ours == theirs,
            };
            if !is_close {
                check("statistics", json!(ours), theirs);
            }
        }
    }
}

fn compare_place(image: &GeoTiff<FileSource>, gdal: &Value, differences: &mut Differences) {
    let info = image.info();
    let ours = info
        .georeference
        .as_ref()
        .map_or([1.0, 0.0, 0.0, 0.0, 1.0, 0.0], |known| {
            let t = known.model_from_pixel;
            [t.a, t.b, t.c, t.d, t.e, t.f]
        });
    let theirs: Vec<f64> = gdal["transform"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|value| value.as_f64().unwrap_or(f64::NAN))
        .collect();
    let is_close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
    if theirs.len() != 6 || !ours.iter().zip(&theirs).all(is_close) {
        differences.push(("transform", format!("{ours:?} instead of {theirs:?}")));
    }
    let crs = info.crs.as_ref();
    let epsg = crs.and_then(|crs| crs.epsg);
    let theirs = gdal["epsg"].as_u64().and_then(|code| u16::try_from(code).ok());
    match (epsg, theirs) {
        (Some(ours), Some(theirs)) if ours != theirs => {
            differences.push(("EPSG", format!("{ours} instead of {theirs}")))
        }
        (Some(ours), None) => differences.push(("extra EPSG", format!("{ours}, GDAL has {}", gdal["crs"]))),
        (None, Some(theirs)) => differences.push(("missing EPSG", format!("{theirs}, have {crs:?}"))),
        _ => {}
    }
    let Some(theirs) = gdal["unit"].as_f64() else { return };
    match crs.and_then(|crs| crs.linear_unit_m) {
        None => differences.push(("missing unit", format!("{theirs}, have {crs:?}"))),
        Some(ours) if (ours - theirs).abs() > 1e-9 => differences.push(("unit", format!("{ours} instead of {theirs}"))),
        Some(_) => {}
    }
}

/// A preview of an overview's size is the overview.
async fn compare_overview(
    image: &GeoTiff<FileSource>,
    level: &Value,
    differences: &mut Differences,
) -> Result<(), TiffError> {
    let size = |index: usize| level["size"][index].as_u64().unwrap_or_default();
    let [height, width] = [size(0), size(1)];
    if level["dtype"] != type_name(image.info().sample_type) {
        return Ok(());
    }
    let preview: Samples<f32> = image.read_preview(width.max(height) as u32, &[0]).await?;
    let pixels = crc(preview.values.iter().flat_map(|value| f64::from(*value).to_le_bytes()));
    let valid = crc(preview.valid.iter().map(|valid| u8::from(*valid)));
    let ours = json!([preview.height, preview.width, pixels, valid]);
    let theirs = json!([height, width, level["pixels"], level["valid"]]);
    if ours != theirs {
        differences.push(("overview", format!("{ours} instead of {theirs}")));
    }
    Ok(())
}

fn crc(bytes: impl Iterator<Item = u8>) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(&bytes.collect::<Vec<u8>>());
    crc.sum()
}

fn type_name(sample_type: SampleType) -> &'static str {
    match sample_type {
        SampleType::U8 => "uint8",
        SampleType::I8 => "int8",
        SampleType::U16 => "uint16",
        SampleType::I16 => "int16",
        SampleType::U32 => "uint32",
        SampleType::I32 => "int32",
        SampleType::U64 => "uint64",
        SampleType::I64 => "int64",
        SampleType::F16 | SampleType::F32 => "float32",
        SampleType::F64 => "float64",
    }
}
