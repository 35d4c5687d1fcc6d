use pollster::block_on;

use super::*;
use raremap_geo::CrsKind;
use raremap_geo::{Affine, GeoReference};
use raremap_io::BytesSource;
use raremap_tiff::ColorInterpretation;
use raremap_tiff::{OutputImage, OutputSamples};

fn place(pixel_m: f64) -> GeoReference {
    let affine = Affine {
        a: pixel_m,
        b: 0.0,
        c: 600_000.0,
        d: 0.0,
        e: -pixel_m,
        f: 5_000_000.0,
    };
    GeoReference::from_epsg(CrsKind::Projected, 32632, affine).expect("a place")
}

fn band(size: u32, pixel_m: f64, nodata: Option<f64>, value: impl Fn(u32, u32) -> u16) -> Vec<u8> {
    let plane: Vec<u16> = (0..size * size).map(|i| value(i / size, i % size)).collect();
    let image = OutputImage {
        width: size,
        height: size,
        samples: OutputSamples::U16 { bands: vec![&plane] },
        nodata,
        color_table: None,
        band_names: vec![],
        metadata: vec![],
    };
    raremap_tiff::encode_geotiff(&image, Some(&place(pixel_m))).expect("a small image")
}

fn open(files: &[(&str, Vec<u8>)]) -> Result<Product<TiffScene<BytesSource>>, SceneError> {
    let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    let recognized = recognize(&paths)?;
    let source = async |index: usize| Ok(BytesSource::new(files[index].1.clone()));
    block_on(Product::open(&recognized, source, &Limits::default()))
}

fn window(x: u32, y: u32, width: u32, height: u32) -> Window {
    Window { x, y, width, height }
}

#[test]
fn bands_of_one_grid_are_one_scene_in_the_order_of_the_spectrum() {
    let files = [4u16, 2, 3].map(|n| {
        (
            format!("p/BAND{n}.tif"),
            band(16, 5.8, None, move |y, x| n * 1000 + (y * 16 + x) as u16),
        )
    });
    let files: Vec<(&str, Vec<u8>)> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.clone()))
        .collect();
    let product = open(&files).expect("a product");
    let info = product.scene_info();
    let names: Vec<_> = info.band_names.iter().flatten().map(String::as_str).collect();
    assert_eq!((names, info.band_count()), (vec!["green", "red", "nir"], 3));
    assert_eq!(
        product.band_files().collect::<Vec<_>>(),
        ["BAND2.tif", "BAND3.tif", "BAND4.tif"]
    );
    assert_eq!(
        (info.sample_type, info.georeference.as_ref()),
        (SampleType::U16, Some(&place(5.8)))
    );
    let samples = block_on(product.read_window(window(3, 5, 2, 1), &[2, 0, 2])).expect("a window");
    assert_eq!(samples.values, [4083.0, 4084.0, 2083.0, 2084.0, 4083.0, 4084.0]);
    let preview = block_on(product.read_preview(8, &[1])).expect("a preview");
    assert_eq!((preview.width, preview.values[0]), (8, 3017.0));
    assert_eq!(
        product.notices().iter().map(|notice| notice.code).collect::<Vec<_>>(),
        ["product_recognized"]
    );
    let refused = |bands: &[usize]| {
        block_on(product.read_window(window(0, 0, 1, 1), bands))
            .expect_err("no such read")
            .code()
    };
    assert_eq!((refused(&[]), refused(&[3])), ("no_bands", "no_such_band"));
    let outside = block_on(product.read_window(window(15, 0, 2, 1), &[0])).expect_err("outside");
    assert_eq!(outside.code(), "window_outside_image");
}

#[test]
fn coarser_bands_are_interpolated_to_the_finest_grid_and_it_is_said() {
    let slope = |y: u32, x: u32| (1000 + 40 * y + 20 * x) as u16;
    let files = [
        ("T32TQM_20200101T101319_B11_20m.tif", band(30, 20.0, None, slope)),
        (
            "T32TQM_20200101T101319_B03_10m.tif",
            band(60, 10.0, None, |y, x| (y * 60 + x + 1) as u16),
        ),
        (
            "T32TQM_20200101T101319_B09_60m.tif",
            band(10, 60.0, None, |y, x| (y + x + 1) as u16),
        ),
    ];
    let product = open(&files).expect("a product");
    assert_eq!(
        (product.scene_info().width, product.band_files().next()),
        (60, Some("T32TQM_20200101T101319_B03_10m.tif"))
    );
    let swir = product
        .scene_info()
        .band_names
        .iter()
        .position(|name| name.as_deref() == Some("swir1"))
        .expect("swir");
    let samples = block_on(product.read_window(window(10, 20, 2, 2), &[swir, 0])).expect("a window");
    // The centre of column 10 lies at 4.75 of the coarse grid's centres, that of row 20 at 9.75.
    assert_eq!(samples.values[..4], [1485.0, 1495.0, 1505.0, 1515.0]);
    assert_eq!(samples.values[4..], [1211.0, 1212.0, 1271.0, 1272.0]);
    let preview = block_on(product.read_preview(20, &[0, swir])).expect("a preview");
    assert_eq!((preview.width, preview.height, preview.values.len()), (20, 20, 800));
    assert!((preview.values[400] - 1020.0).abs() <= 60.0, "{}", preview.values[400]);
    let notice = product
        .notices()
        .iter()
        .find(|notice| notice.code == "bands_interpolated")
        .expect("a notice");
    assert!(
        notice.message.contains("B11_20m.tif (2.0000 times") && notice.message.contains("B09_60m.tif (6.0000 times"),
        "{notice:?}"
    );
}

#[test]
fn a_band_on_another_grid_is_refused_with_the_difference() {
    let files = [
        ("BAND2.tif", band(20, 5.0, None, |_, _| 1)),
        ("BAND3.tif", band(22, 5.0, None, |_, _| 1)),
    ];
    let error = open(&files).expect_err("another size");
    assert_eq!(error.code(), "grids_differ");
    let expected = "BAND3.tif does not lie on the grid of BAND2.tif";
    assert!(
        error.to_string().contains(expected) && error.to_string().contains("+2.00 columns"),
        "{error}"
    );
    let damaged = [
        ("BAND2.tif", band(20, 5.0, None, |_, _| 1)),
        ("BAND3.tif", b"II*\0".to_vec()),
    ];
    let error = open(&damaged).expect_err("a damaged file");
    assert_eq!(error.code(), "truncated");
    assert!(error.to_string().starts_with("BAND3.tif: "), "{error}");
}

#[test]
fn zero_in_all_bands_is_no_data_and_in_one_is_a_value() {
    // Column 0: zero in both. Column 1: zero in nir alone, as over water.
    let green = |_, x| if x == 0 { 0 } else { 70 };
    let nir = |_, x| if x < 2 { 0 } else { 90 };
    for nodata in [None, Some(0.0)] {
        let files = [
            ("BAND2.tif", band(4, 5.0, nodata, green)),
            ("BAND4.tif", band(4, 5.0, nodata, nir)),
        ];
        let product = open(&files).expect("a product");
        assert_eq!(product.scene_info().nodata, Some(0.0), "{nodata:?}");
        let samples = block_on(product.read_window(window(0, 0, 4, 1), &[0, 1])).expect("a window");
        assert_eq!(samples.valid, [false, true, true, true], "{nodata:?}");
        assert_eq!(samples.values, [0.0, 70.0, 70.0, 70.0, 0.0, 0.0, 90.0, 90.0]);
    }
    let others = [
        ("a.tif", band(4, 5.0, None, green)),
        ("b.tif", band(4, 5.0, Some(90.0), nir)),
    ];
    let product = open(&others).expect("images");
    let samples = block_on(product.read_window(window(0, 0, 4, 1), &[0, 1])).expect("a window");
    assert_eq!(samples.valid, [true, true, false, false]);
    let names: Vec<_> = product
        .scene_info()
        .band_names
        .iter()
        .flatten()
        .map(String::as_str)
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        product.scene_info().color_interpretations,
        [ColorInterpretation::Gray; 2]
    );
}

#[test]
fn one_file_stays_what_it_is() {
    let bytes = band(9, 5.0, None, |y, x| (y * x) as u16);
    let product = open(&[("scene.tif", bytes.clone())]).expect("a scene");
    let file = block_on(TiffScene::open(BytesSource::new(bytes), Limits::default())).expect("a file");
    // Only its name differs, which may name the sensor.
    let named = SceneInfo {
        described: vec!["scene.tif".to_owned()],
        ..file.scene_info().clone()
    };
    assert_eq!(product.scene_info(), &named);
    let whole = window(0, 0, 9, 9);
    let (one, other) = (
        block_on(product.read_window(whole, &[0])),
        block_on(Scene::read_window(&file, whole, &[0])),
    );
    assert_eq!(one.expect("a window"), other.expect("a window"));
    assert!(product.notices().is_empty());
}

#[test]
fn calibrated_values_are_scaled_band_by_band_and_it_is_said() {
    let files = [
        ("BAND2.tif", band(4, 5.0, None, |_, x| x as u16 * 100)),
        ("BAND4.tif", band(4, 5.0, None, |_, x| x as u16 * 10)),
    ];
    let mut product = open(&files).expect("a product");
    let calibration = Calibration {
        bands: vec![[2e-4, 0.01], [1e-3, 0.0]],
        is_surface: false,
        is_of_8_bits: false,
        origin: "a test".to_owned(),
    };
    product.calibrate(&calibration, 10_000.0).expect("two bands");
    assert_eq!(
        (product.scene_info().sample_type, product.scene_info().nodata),
        (SampleType::F32, None)
    );
    let samples = block_on(product.read_window(window(0, 0, 3, 1), &[1, 0])).expect("a window");
    assert_eq!(samples.values, [0.0, 100.0, 200.0, 100.0, 300.0, 500.0]);
    // Zero in both is no data before and after.
    assert_eq!(samples.valid, [false, true, true]);
    let notice = product.notices().last().expect("a notice");
    assert!(
        notice.message.contains("top of the atmosphere x 10000") && notice.message.contains("a test"),
        "{notice:?}"
    );
    let one = Calibration {
        bands: vec![[1.0, 0.0]],
        ..calibration
    };
    assert_eq!(
        product.calibrate(&one, 1.0).expect_err("one band").code(),
        "bad_calibration"
    );
}

/// A TIFF of 4 x 4 pixels of 8 bits and `bands` bands, the last an opacity, which is 255; the others count up.
fn with_opacity(bands: u16) -> Vec<u8> {
    let pixels: Vec<u8> = (0..16u8)
        .flat_map(|pixel| (1..bands).map(move |_| pixel + 1).chain([255]))
        .collect();
    let bits_at = 8 + 2 + 10 * 12 + 4;
    let pixels_at = bits_at + 2 * u32::from(bands);
    let tags: [(u16, u16, u32, u32); 10] = [
        (256, 3, 1, 4),
        (257, 3, 1, 4),
        (258, 3, bands.into(), if bands > 2 { bits_at } else { 0x0008_0008 }),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, pixels_at),
        (277, 3, 1, bands.into()),
        (278, 3, 1, 4),
        (279, 4, 1, pixels.len() as u32),
        (338, 3, 1, 2),
    ];
    let mut file = [b"II*\0".as_slice(), &8u32.to_le_bytes(), &10u16.to_le_bytes()].concat();
    for (tag, field_type, count, value) in tags {
        file.extend([tag.to_le_bytes(), field_type.to_le_bytes()].concat());
        file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    file.extend([0; 4]);
    file.extend(8u16.to_le_bytes().repeat(bands.into()));
    file.extend(pixels);
    file
}

#[test]
fn opacity_in_the_file_of_a_band_is_not_calibrated_and_8_bits_are_not_10() {
    let mut product = open(&[("BAND2.tif", with_opacity(2)), ("BAND4.tif", with_opacity(2))]).expect("a product");
    assert_eq!(
        (product.scene_info().band_count(), product.scene_info().alpha_band),
        (4, Some(1))
    );
    let mut calibration = Calibration {
        bands: vec![[0.5, 1.0], [0.25, 0.0]],
        is_surface: false,
        is_of_8_bits: false,
        origin: "a test".to_owned(),
    };
    let why = product.check_calibration(&calibration).expect_err("of more bits");
    assert!(why.contains("BAND2.tif has 8 bits, but a test"), "{why}");
    calibration.is_of_8_bits = true;
    product.check_calibration(&calibration).expect("of 8 bits");
    product.calibrate(&calibration, 2.0).expect("two files");
    let samples = block_on(product.read_window(window(2, 0, 1, 1), &[0, 1, 2, 3])).expect("a window");
    assert_eq!(samples.values, [5.0, 255.0, 1.5, 255.0]);
}

#[test]
fn the_fill_of_coarser_bands_does_not_reach_over_the_edge() {
    let files = [
        (
            "T32TQM_20200101T101319_B03_10m.tif",
            band(16, 10.0, None, |_, x| if x < 8 { 50 } else { 0 }),
        ),
        (
            "T32TQM_20200101T101319_B11_20m.tif",
            band(8, 20.0, None, |_, x| if x < 4 { 100 } else { 0 }),
        ),
    ];
    let product = open(&files).expect("a product");
    let samples = block_on(product.read_window(window(5, 4, 6, 1), &[0, 1])).expect("a window");
    assert_eq!(samples.valid, [true, true, true, false, false, false]);
    // The last pixels are not mixed with the fill either.
    assert_eq!(samples.values[6..9], [100.0; 3]);
}

#[test]
fn a_result_is_as_large_as_the_limits_allow() {
    let bytes = [("BAND2.tif", 8, 10.0), ("BAND3.tif", 4, 20.0)].map(|(name, size, pixel_m)| {
        let scene = block_on(TiffScene::open(
            BytesSource::new(band(size, pixel_m, None, |_, _| 1)),
            Limits::default(),
        ));
        ProductFile {
            name: name.to_owned(),
            scene: scene.expect("a file"),
            common: None,
        }
    });
    let limits = Limits {
        max_window_bytes: 100,
        ..Limits::default()
    };
    let product = Product::new(bytes.into(), ZeroFill::AllBands, &limits).expect("a product");
    let read = |scene: &dyn Fn() -> Result<Samples, SceneError>| scene().map_err(|error| error.code());
    let of_product = |size| read(&|| block_on(product.read_window(window(0, 0, size, size), &[1])));
    let of_member = |size| read(&|| block_on(product.members[1].scene.read_window(window(0, 0, size, size), &[0])));
    assert!(of_product(4).is_ok() && of_member(4).is_ok());
    assert_eq!(
        (of_product(5).err(), of_member(5).err()),
        (Some("limit_exceeded"), Some("limit_exceeded"))
    );
}

#[test]
fn a_band_that_a_product_lacks_is_named_with_its_file() {
    let plain = || band(4, 5.0, None, |_, _| 1);
    let files = ["BAND2.tif", "BAND4.tif", "BAND5.tif"].map(|name| (name, plain()));
    let liss = open(&files).expect("a product");
    let missing = ["green", "red", "blue"].map(|common| liss.missing_band(common));
    assert_eq!(missing, [None, Some("red (BAND3)".to_owned()), Some("blue".to_owned())]);
    let sentinel_2 = open(&[("B03.tif", plain()), ("B8A.tif", plain())]).expect("a product");
    assert_eq!(sentinel_2.missing_band("red").as_deref(), Some("red (B04)"));
    let others = open(&[("one.tif", plain()), ("two.tif", plain())]).expect("images");
    assert_eq!(others.missing_band("red"), None);
}

#[test]
fn what_a_file_says_that_its_numbers_stand_for_is_known() {
    let roles = [r#"SCALE" sample="0" role="scale"#, r#"OFFSET" sample="0" role="offset"#];
    let image = |metadata| OutputImage {
        width: 4,
        height: 4,
        samples: OutputSamples::U16 { bands: vec![&[7; 16]] },
        nodata: None,
        color_table: None,
        band_names: vec![],
        metadata,
    };
    let plain = raremap_tiff::encode_geotiff(&image(vec![]), None).expect("a small image");
    // Items of the same length, then given their roles.
    let names = roles.map(|role| "x".repeat(role.len()));
    let items = names.iter().cloned().zip(["0.0001".to_owned(), "-0.1".to_owned()]);
    let mut scaled = raremap_tiff::encode_geotiff(&image(items.collect()), None).expect("a small image");
    for (name, role) in names.iter().zip(roles) {
        let of_name = |bytes: &[u8]| bytes == format!("\"{name}\"").as_bytes();
        let at = 1 + scaled.windows(name.len() + 2).position(of_name).expect("an item");
        scaled[at..at + role.len()].copy_from_slice(role.as_bytes());
    }
    let product = open(&[("green.tif", scaled), ("red.tif", plain)]).expect("a product");
    let expected = DeclaredScaling {
        file: "green.tif".into(),
        scale: 1e-4,
        offset: -0.1,
    };
    assert_eq!(product.declared_scaling(), [expected]);
}
