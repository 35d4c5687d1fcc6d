//! Every file of other readers' test suites: the same pixels, transform and EPSG code as GDAL, or a typed error.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support;
use pollster::block_on;
use raremap_io::FileSource;
use raremap_tiff::TiffError;
use raremap_tiff::{GdalChecksum, GeoTiff, Limits, Window};

/// Nothing in the corpus is larger than a photograph; an unoptimized build on a busy machine still reads one in this
/// time.
const MAX_SECS_PER_FILE: u64 = 60;

#[test]
fn real_files_read_as_in_gdal_or_fail_with_a_typed_error() {
    let Some(folder) = support::data_folder("tiff") else {
        return;
    };
    let manifest = std::fs::read_to_string(folder.join("manifest.csv")).expect("the manifest is readable");
    let mut outcomes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records(&manifest) {
        let started = Instant::now();
        let (outcome, detail) = judge(&folder, &record);
        let took = started.elapsed();
        assert!(
            took < Duration::from_secs(MAX_SECS_PER_FILE),
            "{} took {took:?}",
            record["file"]
        );
        outcomes
            .entry(outcome)
            .or_default()
            .push(format!("{}: {detail}", record["file"]));
    }
    for (outcome, files) in &outcomes {
        println!("{:4} {outcome}", files.len());
        if !outcome.starts_with("exact") {
            files.iter().for_each(|file| println!("       {file}"));
        }
    }
    let wrong: Vec<_> = outcomes
        .iter()
        .filter(|(outcome, _)| outcome.starts_with("WRONG"))
        .collect();
    assert!(wrong.is_empty(), "files that read otherwise than in GDAL: {wrong:#?}");
    let exact = outcomes.get("exact").map_or(0, Vec::len);
    assert!(
        exact >= MIN_EXACT_FILES,
        "only {exact} files read exactly, there were {MIN_EXACT_FILES}"
    );
}

/// Files of the corpus that are known to read exactly; fewer is a regression.
const MIN_EXACT_FILES: usize = 456;

type Record = HashMap<String, String>;

fn judge(folder: &Path, record: &Record) -> (String, String) {
    let gdal_reads = record["gdal_error"].is_empty() && !record["gdal_checksums"].is_empty();
    let image = match open_and_read(&folder.join(&record["file"])) {
        Ok(image) => image,
        Err(error) => {
            let kind = match &error {
                TiffError::Unsupported(_) => "typed unsupported".to_string(),
                _ if gdal_reads => format!("refused though GDAL reads it ({})", error.code()),
                _ => "error, as in GDAL".to_string(),
            };
            return (kind, error.to_string());
        }
    };
    if !gdal_reads {
        return ("read though GDAL does not".to_string(), record["gdal_error"].clone());
    }
    let checksums = image.checksums.iter().map(u16::to_string).collect::<Vec<_>>().join(" ");
    if checksums != record["gdal_checksums"] {
        return (
            "WRONG pixels".to_string(),
            format!("{checksums} instead of {}", record["gdal_checksums"]),
        );
    }
    if let Some(difference) = transform_difference(image.transform, &record["gdal_transform"]) {
        return ("WRONG transform".to_string(), difference);
    }
    if let Ok(epsg) = record["gdal_crs"].parse::<u16>()
        && image.epsg.is_some_and(|ours| ours != epsg)
    {
        return (
            "WRONG EPSG code".to_string(),
            format!("{:?} instead of {epsg}", image.epsg),
        );
    }
    ("exact".to_string(), String::new())
}

struct ReadImage {
    checksums: Vec<u16>,
    transform: Option<[f64; 6]>,
    epsg: Option<u16>,
}

fn open_and_read(path: &Path) -> Result<ReadImage, TiffError> {
    block_on(async {
        let image = GeoTiff::open(FileSource::open(path)?, Limits::default()).await?;
        let info = image.info();
        let (width, height) = (info.width, info.height);
        let mut checksums = vec![GdalChecksum::new(info.sample_type, width); info.band_count];
        // Windows of a height that fits no block size, as an application would read them.
        let rows = (8_000_000 / (width as usize * info.band_count).max(1)).clamp(1, 317) as u32;
        let bands: Vec<usize> = (0..info.band_count).collect();
        let mut y = 0;
        while y < height {
            let window = Window {
                x: 0,
                y,
                width,
                height: rows.min(height - y),
            };
            let samples = image.read_window_as::<f64>(window, &bands).await?;
            for (checksum, values) in checksums
                .iter_mut()
                .zip(samples.values.chunks_exact(samples.width * samples.height))
            {
                checksum.update(window, values);
            }
            y += window.height;
        }
        let preview = image.read_preview(64, &[0]).await?;
        assert!(
            preview.width <= 64 && preview.height <= 64 && !preview.values.is_empty(),
            "{}",
            path.display()
        );
        let georeference = info.georeference.as_ref();
        Ok(ReadImage {
            checksums: checksums.iter().map(GdalChecksum::value).collect(),
            transform: georeference.map(|known| {
                let t = known.model_from_pixel;
                [t.a, t.b, t.c, t.d, t.e, t.f]
            }),
            epsg: georeference.and_then(|known| known.crs.epsg),
        })
    })
}

fn transform_difference(ours: Option<[f64; 6]>, gdal: &str) -> Option<String> {
    let gdal: Vec<f64> = gdal
        .split_whitespace()
        .map(|number| number.parse().expect("a number"))
        .collect();
    let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let ours = ours.unwrap_or(identity);
    let gdal = if gdal.is_empty() { identity.to_vec() } else { gdal };
    let is_close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-6);
    (!ours.iter().zip(&gdal).all(is_close)).then(|| format!("{ours:?} instead of {gdal:?}"))
}

/// The records of a CSV file with quoted fields, by column name.
fn records(csv: &str) -> Vec<Record> {
    let mut lines = csv.lines().map(fields);
    let header = lines.next().expect("the manifest has a header");
    lines
        .map(|values| header.iter().cloned().zip(values).collect())
        .collect()
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            _ => fields.last_mut().expect("never empty").push(character),
        }
    }
    fields
}
