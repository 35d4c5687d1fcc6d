//! Making scenes, reading them back, and comparing them with what they were made from.

use std::sync::LazyLock;

use raremap_io::BytesSource;
use raremap_tiff::{GeoTiff, Limits, Window};

use super::class::{CLASSES, Class};
use super::*;

fn options(layout: Layout) -> SynthOptions {
    SynthOptions {
        layout,
        ..SynthOptions::default()
    }
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| Scene::photograph(3, 256, 256, false));

#[test]
fn the_committed_sample_is_what_the_generator_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/sample/scene.tif");
    let committed = std::fs::read(&path).expect("the sample is part of the repository");
    let (files, _) = make(Path::new(""), &options(Layout::Chunky)).expect("a scene");
    let (name, made) = &files[0];
    assert_eq!(*name, "scene.tif");
    let first = made.iter().zip(&committed).position(|(a, b)| a != b);
    assert!(
        *made == committed,
        "{} bytes made, {} committed, first difference at {first:?}",
        made.len(),
        committed.len()
    );
}

#[test]
fn classes_have_the_medians_of_the_real_ones() {
    for (code, (class, name)) in CLASSES.into_iter().enumerate() {
        // Sand and rock, and river and lake, lie on their own sides of the measured median.
        let tolerance = if matches!(class, Class::Bare | Class::Water) {
            1.2
        } else {
            0.6
        };
        for (band, values) in SCENE.bands.iter().enumerate() {
            let pixels = values
                .iter()
                .zip(&SCENE.truth)
                .filter(|&(_, &truth)| usize::from(truth) == code);
            let mut pixels: Vec<u16> = pixels.map(|(&value, _)| value).collect();
            assert!(pixels.len() > 50, "{} pixels of {name}", pixels.len());
            pixels.sort_unstable();
            let median = f64::from(pixels[pixels.len() / 2]);
            let statistics = class.statistics();
            let off = (median - statistics.median[band]) / statistics.spread[band];
            assert!(
                off.abs() < tolerance,
                "{name}, band {band}: median {median}, {off:.2} spreads off"
            );
        }
    }
}

#[test]
fn wetland_is_rare_and_lies_beside_water() {
    let share = SCENE.class_shares()[Class::Wetland as usize];
    assert!((0.005..0.02).contains(&share), "{share}");
    let code = |class: Class| move |truth: u8| truth == class as u8;
    let (is_water, is_wetland) = (code(Class::Water), code(Class::Wetland));
    let water = grid::distance_to(256, 256, 1e4, |column, row| is_water(SCENE.truth[row * 256 + column]));
    let wetland = SCENE
        .truth
        .iter()
        .zip(&water.values)
        .filter(|&(&truth, _)| is_wetland(truth));
    let farthest = wetland.map(|(_, &distance_px)| distance_px).fold(0.0, f32::max);
    assert!(farthest < 12.0, "{farthest} pixels from water");
}

#[test]
fn seeds_differ_and_footprints_cut_image_and_truth_alike() {
    let small = |seed, has_footprint| Scene::photograph(seed, 64, 48, has_footprint);
    assert_ne!(small(1, false).bands, small(2, false).bands);
    assert!(!small(1, false).truth.contains(&TRUTH_NODATA));
    let cut = small(1, true);
    assert!(cut.truth.contains(&TRUTH_NODATA));
    for (index, &truth) in cut.truth.iter().enumerate() {
        assert!(
            cut.bands
                .iter()
                .all(|band| (band[index] == 0) == (truth == TRUTH_NODATA)),
            "pixel {index}"
        );
    }
}

/// Band names and samples, band after band, of a file.
fn read(bytes: &[u8]) -> (Vec<String>, Vec<f64>) {
    let image = pollster::block_on(GeoTiff::open(BytesSource::new(bytes.to_vec()), Limits::default())).expect("a TIFF");
    let info = image.info().clone();
    let georeference = info.georeference.expect("georeferenced");
    assert_eq!(georeference.crs.epsg, Some(32644));
    assert_eq!(georeference.model_from_pixel.apply(1.0, 2.0), (500_040.0, 2_899_920.0));
    let window = Window {
        x: 0,
        y: 0,
        width: info.width,
        height: info.height,
    };
    let bands: Vec<usize> = (0..info.band_count).collect();
    let samples = pollster::block_on(image.read_window_as::<f64>(window, &bands)).expect("samples");
    assert!(
        samples.valid.iter().all(|&is_valid| is_valid),
        "nodata inside of a whole scene"
    );
    (info.band_names.into_iter().flatten().collect(), samples.values)
}

#[test]
fn every_layout_reads_back_as_the_same_scene() {
    // 40 rows: a whole strip and a part of one.
    let small = |layout| SynthOptions {
        width_px: 33,
        height_px: 40,
        ..options(layout)
    };
    let scene = Scene::photograph(7, 33, 40, false);
    let expected: Vec<f64> = scene.bands.concat().into_iter().map(f64::from).collect();
    let truth: Vec<f64> = scene.truth.into_iter().map(f64::from).collect();
    for layout in [Layout::Chunky, Layout::Planar, Layout::Lissiv] {
        let (mut files, _) = make(Path::new(""), &small(layout)).expect("a scene");
        let (name, last) = files.pop().expect("the truth comes last");
        assert_eq!(
            (name, read(&last)),
            ("truth.tif", (vec!["class".to_owned()], truth.clone()))
        );
        let names: Vec<&str> = files.iter().map(|&(name, _)| name).collect();
        let is_split = layout == Layout::Lissiv;
        assert_eq!(
            names,
            if is_split {
                vec!["BAND2.tif", "BAND3.tif", "BAND4.tif"]
            } else {
                vec!["scene.tif"]
            }
        );
        let (bands, samples): (Vec<_>, Vec<_>) = files.iter().map(|(_, bytes)| read(bytes)).unzip();
        assert_eq!(bands.concat(), ["green", "red", "nir"]);
        assert!(
            samples.concat() == expected,
            "{layout:?}: other samples than the scene's"
        );
    }
}

#[test]
fn impossible_sizes_are_refused() {
    for (width, height) in [(31, 64), (64, 0), (4097, 64)] {
        let impossible = SynthOptions {
            width_px: width,
            height_px: height,
            ..options(Layout::Chunky)
        };
        assert!(
            matches!(make(Path::new(""), &impossible), Err(SynthError::Size { .. })),
            "{width} x {height}"
        );
    }
    let flat = SynthOptions {
        pixel_m: 0.0,
        ..options(Layout::Chunky)
    };
    assert!(matches!(make(Path::new(""), &flat), Err(SynthError::Pixel(_))));
    // Degrees, and feet.
    for epsg in [4326, 2263] {
        let grid = SynthOptions {
            epsg,
            ..options(Layout::Chunky)
        };
        assert!(matches!(make(Path::new(""), &grid), Err(SynthError::Epsg(_))), "{epsg}");
    }
}

fn read_band(bytes: Vec<u8>, band: usize) -> Vec<f64> {
    let image = pollster::block_on(GeoTiff::open(BytesSource::new(bytes), Limits::default())).expect("a TIFF");
    let (width, height) = (image.info().width, image.info().height);
    let window = Window {
        x: 0,
        y: 0,
        width,
        height,
    };
    pollster::block_on(image.read_window_as::<f64>(window, &[band]))
        .expect("samples")
        .values
}

#[test]
fn streamed_scenes_hold_the_same_pixels_in_every_layout() {
    let size = [700, 530];
    let folder = tempfile::tempdir().expect("a folder");
    let mosaic = mosaic::Mosaic::lay(7, size[0], size[1], true);
    let pixels = || (0..size[1]).flat_map(|y| (0..size[0]).map(move |x| (x, y)));
    let expected: Vec<f64> = pixels().map(|(x, y)| f64::from(mosaic.pixel(x, y).0[2])).collect();
    let truth: Vec<f64> = pixels().map(|(x, y)| f64::from(mosaic.pixel(x, y).1)).collect();
    for (layout, compression) in [
        (Layout::Strips, Compression::None),
        (Layout::Tiles, Compression::Deflate),
        (Layout::Cog, Compression::Deflate),
    ] {
        let options = SynthOptions {
            size_px: Some(size),
            compression,
            cuts_corners: true,
            ..options(layout)
        };
        let written = huge::write(folder.path(), &options, size).expect("a scene");
        let read = |number: usize| std::fs::read(&written.files[number]).expect("a file");
        assert!(
            read_band(read(0), 2) == expected,
            "{layout:?}: other samples than the mosaic's"
        );
        assert!(
            read_band(read(1), 0) == truth,
            "{layout:?}: other classes than the mosaic's"
        );
        let (names, _) = {
            let image = pollster::block_on(GeoTiff::open(BytesSource::new(read(0)), Limits::default()));
            let info = image.expect("a TIFF").info().clone();
            let place = info.georeference.expect("georeferenced");
            assert_eq!(place.model_from_pixel.apply(1.0, 2.0), (500_040.0, 2_899_920.0));
            (info.band_names, ())
        };
        assert_eq!(names.into_iter().flatten().collect::<Vec<_>>(), ["green", "red", "nir"]);
        let counted: u64 = written.class_pixels.iter().sum();
        assert_eq!(counted, truth.iter().filter(|class| **class < 7.0).count() as u64);
    }
}

#[test]
fn the_overviews_of_a_streamed_scene_are_used_for_previews() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = options(Layout::Cog);
    let size = [2100, 1100];
    let written = huge::write(folder.path(), &options, size).expect("a scene");
    let bytes = std::fs::read(&written.files[0]).expect("a file");
    let image = pollster::block_on(GeoTiff::open(BytesSource::new(bytes), Limits::default())).expect("a TIFF");
    let preview = pollster::block_on(image.read_preview(525, &[0])).expect("a preview");
    let mosaic = mosaic::Mosaic::lay(7, size[0], size[1], false);
    assert_eq!((preview.width, preview.height), (525, 275));
    let pixel = |x: usize, y: usize| f32::from(mosaic.pixel(4 * x + 2, 4 * y + 2).0[0]);
    assert!((0..525).all(|x| preview.values[100 * 525 + x] == pixel(x, 100)));
}

#[test]
fn a_product_is_three_files_of_ten_bits_and_their_metadata() {
    let folder = tempfile::tempdir().expect("a folder");
    let product = |zips| SynthOptions {
        size_px: Some([300, 200]),
        product: Some(Product::Liss4),
        zips,
        ..options(Layout::Chunky)
    };
    synthesize(&folder.path().join("files"), &product(false)).expect("a product");
    let names = |out: &str| {
        let listed = std::fs::read_dir(folder.path().join(out)).expect("a folder");
        let mut names: Vec<String> = listed
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        names("files"),
        ["BAND2.tif", "BAND3.tif", "BAND4.tif", "BAND_META.txt", "truth.tif"]
    );
    let band = |name: &str| {
        read_band(
            std::fs::read(folder.path().join("files").join(name)).expect("a file"),
            0,
        )
    };
    let mosaic = mosaic::Mosaic::lay(7, 300, 200, false);
    let calibration = liss4::Calibration::new();
    let expected = f64::from(calibration.number(2, mosaic.pixel(123, 45).0[2]));
    assert_eq!(band("BAND4.tif")[45 * 300 + 123], expected);
    assert!(band("BAND2.tif").iter().all(|value| (1.0..=1023.0).contains(value)));
    synthesize(&folder.path().join("zip"), &product(true)).expect("a product");
    assert_eq!(
        names("zip"),
        [format!("{}.zip", liss4::PRODUCT_ID), "truth.tif".to_owned()]
    );
    let planar = SynthOptions {
        layout: Layout::Planar,
        ..product(false)
    };
    assert!(matches!(
        synthesize(&folder.path().join("never"), &planar),
        Err(SynthError::Layout)
    ));
}
