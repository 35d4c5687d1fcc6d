//! Compares the reader with the crate `geotiff`, which shares no code with it: the same keys, and the same values in the same places.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use geo_types::Coord;
use geotiff::GeoKeyDirectory;
use pollster::block_on;
use raremap_io::BytesSource;
use raremap_tiff::{GeoTiff, Limits, Window};

/// About this many pixels of each file are compared.
const PIXELS: u32 = 4096;
/// Compressions whose samples `geotiff` returns as they are stored. It rounds those of JPEG differently, and does not read the others.
const COMPRESSIONS: [&str; 6] = ["none", "lzw", "deflate", "deflate-old", "packbits", ""];
/// Its bits are in reverse order (FillOrder 2), which `geotiff` does not undo; GDAL's checksum equals ours.
const REVERSED_BITS: &str = "python-pillow_Pillow/Tests/images/16bit.r.tif";

#[test]
fn the_same_keys_and_values_as_another_reader() {
    let beside_workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("RAREMAP_DATA")
        .map_or(beside_workspace, PathBuf::from)
        .join("tiff");
    let Ok(manifest) = fs::read_to_string(folder.join("manifest.csv")) else {
        println!(
            "skipped: {} is not there (RAREMAP_DATA names the folder with real files)",
            folder.display()
        );
        return;
    };
    let mut lines = manifest.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let (mut files, mut georeferenced, mut different) = (0, 0, Vec::new());
    for line in lines {
        let row: BTreeMap<&str, &str> = columns.iter().copied().zip(line.split(',')).collect();
        let is_stored_alike = COMPRESSIONS.contains(&row["compression"])
            && matches!(row["bits"], "8" | "16" | "32" | "64")
            // Grey with black as zero, colours, or indices of colours: the others are converted.
            && matches!(row["photometric"], "1" | "2" | "3")
            && row["planar"] == "1"
            && row["file"] != REVERSED_BITS;
        let Ok(bytes) = fs::read(folder.join(row["file"])) else {
            continue;
        };
        if !is_stored_alike {
            continue;
        }
        // It panics on files that are damaged on purpose.
        let read = || geotiff::GeoTiff::read(Cursor::new(&bytes)).ok();
        let Ok(Some(theirs)) = catch_unwind(AssertUnwindSafe(read)) else {
            continue;
        };
        let Ok(ours) = block_on(GeoTiff::open(BytesSource::new(bytes.clone()), Limits::default())) else {
            different.push(format!("{}: only geotiff reads it", row["file"]));
            continue;
        };
        files += 1;
        let info = ours.info();
        if let Some(georeference) = &info.georeference {
            let tags = &georeference.tags;
            let (found, wanted) = (
                keys_of(&tags.key_directory, &tags.double_params),
                keys(&theirs.geo_key_directory),
            );
            if found != wanted {
                different.push(format!("{}: {found:?}, in geotiff {wanted:?}", row["file"]));
            }
            georeferenced += 1;
        }
        if let Some(difference) = first_difference(&ours, &theirs) {
            different.push(format!("{}: {difference}", row["file"]));
        }
    }
    println!("{files} files compared, {georeferenced} of them georeferenced");
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(
        files > 150 && georeferenced > 45,
        "{files} files, {georeferenced} georeferenced"
    );
}

/// Compares a grid of pixels, each looked up in `geotiff` by its place on the map.
fn first_difference(ours: &GeoTiff<BytesSource>, theirs: &geotiff::GeoTiff) -> Option<String> {
    let info = ours.info();
    let (width, height) = (info.width, info.height);
    if (width as usize, height as usize, info.band_count)
        != (theirs.raster_width, theirs.raster_height, theirs.num_samples)
    {
        return Some(format!("{width} x {height} pixels of {} bands", info.band_count));
    }
    let step = (u64::from(width) * u64::from(height) / u64::from(PIXELS))
        .isqrt()
        .max(1) as usize;
    for band in 0..info.band_count {
        for y in (0..height).step_by(step) {
            let row = Window {
                x: 0,
                y,
                width,
                height: 1,
            };
            let samples = match block_on(ours.read_window(row, &[band])) {
                Ok(samples) => samples,
                Err(error) => return Some(error.to_string()),
            };
            for x in (0..width).step_by(step) {
                let (column, line) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
                let (column, line) = match &info.georeference {
                    Some(georeference) => georeference.model_from_pixel.apply(column, line),
                    None => (column, line),
                };
                let wanted = theirs.get_value_at::<f64>(&Coord { x: column, y: line }, band);
                let found = samples.values[x as usize];
                let is_same =
                    |wanted: f64| (wanted as f32).to_bits() == found.to_bits() || (wanted.is_nan() && found.is_nan());
                if !wanted.is_some_and(is_same) {
                    return Some(format!("band {band}, pixel ({x}, {y}): {found}, in geotiff {wanted:?}"));
                }
            }
        }
    }
    None
}

/// The keys of numbers in a directory.
fn keys_of(directory: &[u16], doubles: &[f64]) -> BTreeMap<u16, f64> {
    let (entries, _) = directory.get(4..).unwrap_or_default().as_chunks::<4>();
    let number = |[key, tag, _, value]: &[u16; 4]| match tag {
        0 => Some((*key, f64::from(*value))),
        34736 => doubles.get(usize::from(*value)).map(|double| (*key, *double)),
        _ => None,
    };
    entries.iter().filter_map(number).collect()
}

/// The keys of numbers that `geotiff` found.
fn keys(directory: &GeoKeyDirectory) -> BTreeMap<u16, f64> {
    let shorts = [
        (1024, directory.model_type),
        (1025, directory.raster_type.map(u16::from)),
        (2048, directory.geographic_type),
        (2050, directory.geog_geodetic_datum),
        (2051, directory.geog_prime_meridian),
        (2052, directory.geog_linear_units),
        (2054, directory.geog_angular_units),
        (2056, directory.geog_ellipsoid),
        (2060, directory.geog_azimuth_units),
        (3072, directory.projected_type),
        (3074, directory.projection),
        (3075, directory.proj_coord_trans),
        (3076, directory.proj_linear_units),
        (4096, directory.vertical),
        (4098, directory.vertical_datum),
        (4099, directory.vertical_units),
    ];
    let doubles = [
        (2053, directory.geog_linear_unit_size),
        (2055, directory.geog_angular_unit_size),
        (2057, directory.geog_semi_major_axis),
        (2058, directory.geog_semi_minor_axis),
        (2059, directory.geog_inv_flattening),
        (2061, directory.geog_prime_meridian_long),
        (3077, directory.proj_linear_unit_size),
        (3078, directory.proj_std_parallel1),
        (3079, directory.proj_std_parallel2),
        (3080, directory.proj_nat_origin_long),
        (3081, directory.proj_nat_origin_lat),
        (3082, directory.proj_false_easting),
        (3083, directory.proj_false_northing),
        (3084, directory.proj_false_origin_long),
        (3085, directory.proj_false_origin_lat),
        (3086, directory.proj_false_origin_easting),
        (3087, directory.proj_false_origin_northing),
        (3088, directory.proj_center_long),
        (3089, directory.proj_center_lat),
        (3090, directory.proj_center_easting),
        (3091, directory.proj_center_northing),
        (3092, directory.proj_scale_at_nat_origin),
        (3093, directory.proj_scale_at_center),
        (3094, directory.proj_azimuth_angle),
        (3095, directory.proj_straight_vert_pole_long),
    ];
    let shorts = shorts
        .into_iter()
        .filter_map(|(key, value)| Some((key, f64::from(value?))));
    let doubles = doubles.into_iter().filter_map(|(key, value)| Some((key, value?)));
    shorts.chain(doubles).collect()
}
