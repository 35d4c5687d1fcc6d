//! Files beside an image, the empty border, and what 0 means in products: made here, opened as the command and the page do.

use pollster::block_on;
use raremap_geo::{Affine, CrsKind, GeoReference, Projection};
use raremap_io::{BytesSource, MemoryScratch};
use raremap_scene::{Product, Scene, TiffScene, recognize};
use raremap_tiff::{
    CogImage, CogRow, CogSamples, CogWriter, GeoTiff, Limits, OutputImage, OutputSamples, Samples, Window,
    encode_geotiff,
};

const SIZE: u32 = 12;

fn place() -> GeoReference {
    let affine = Affine {
        a: 10.0,
        b: 0.0,
        c: 600_000.0,
        d: 0.0,
        e: -10.0,
        f: 5_000_000.0,
    };
    GeoReference::from_epsg(CrsKind::Projected, 32632, affine).expect("a place")
}

fn image(
    names: &[&str],
    nodata: Option<f64>,
    place: Option<&GeoReference>,
    value: impl Fn(usize, u32, u32) -> u16,
) -> Vec<u8> {
    let plane = |band: usize| -> Vec<u16> { (0..SIZE * SIZE).map(|i| value(band, i / SIZE, i % SIZE)).collect() };
    let planes: Vec<Vec<u16>> = (0..names.len()).map(plane).collect();
    let image = OutputImage {
        width: SIZE,
        height: SIZE,
        samples: OutputSamples::U16 {
            bands: planes.iter().map(Vec::as_slice).collect(),
        },
        nodata,
        color_table: None,
        band_names: names.iter().map(|name| (*name).to_owned()).collect(),
        metadata: vec![],
    };
    encode_geotiff(&image, place).expect("a small image")
}

/// An image of 1 where pixels are valid.
fn mask(is_valid: impl Fn(u32, u32) -> bool) -> Vec<u8> {
    let pixels: Vec<u8> = (0..SIZE * SIZE)
        .map(|i| u8::from(is_valid(i / SIZE, i % SIZE)) * 255)
        .collect();
    let image = OutputImage {
        width: SIZE,
        height: SIZE,
        samples: OutputSamples::U8(&pixels),
        nodata: None,
        color_table: None,
        band_names: vec![],
        metadata: vec![],
    };
    encode_geotiff(&image, None).expect("a small image")
}

fn open(files: &[(&str, Vec<u8>)]) -> Product<TiffScene<BytesSource>> {
    let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    let recognized = recognize(&paths).expect("a scene");
    let source = async |index: usize| Ok(BytesSource::new(files[index].1.clone()));
    let mut product = block_on(Product::open(&recognized, source, &Limits::default())).expect("a scene");
    block_on(product.find_collar()).expect("a scene that can be read");
    product
}

fn whole(product: &impl Scene) -> Samples {
    let window = Window {
        x: 0,
        y: 0,
        width: SIZE,
        height: SIZE,
    };
    let bands: Vec<usize> = (0..product.scene_info().band_count()).collect();
    block_on(product.read_window(window, &bands)).expect("samples")
}

fn invalid(product: &impl Scene) -> usize {
    whole(product).valid.iter().filter(|valid| !**valid).count()
}

fn notice<'a>(product: &'a Product<TiffScene<BytesSource>>, code: &str) -> &'a str {
    let found = product.notices().iter().find(|notice| notice.code == code);
    found.map_or("", |notice| notice.message.as_str())
}

#[test]
fn a_mask_beside_the_image_says_which_pixels_are_valid() {
    let ortho = || image(&["green", "red", "nir"], None, Some(&place()), |_, _, _| 7);
    let product = open(&[("a/ortho.tif", ortho()), ("a/ortho.tif.msk", mask(|y, _| y >= 5))]);
    assert_eq!(invalid(&product), 60);
    assert!(notice(&product, "neighbours_read").contains("ortho.tif.msk (mask)"));
    let preview = block_on(product.read_preview(6, &[0])).expect("a preview");
    assert_eq!(preview.valid.iter().filter(|valid| **valid).count(), 24);
    // The mask of another image is not used, and neither is one of another size.
    assert_eq!(
        invalid(&open(&[
            ("a/ortho.tif", ortho()),
            ("b/ortho.tif.msk", mask(|_, _| false))
        ])),
        0
    );
    let band = |name: &str| image(&[name], None, None, |_, _, _| 1);
    let other = open(&[
        ("green.tif", band("green")),
        ("green.tif.msk", b"II*\0damaged".to_vec()),
    ]);
    assert!(
        notice(&other, "files_unused").contains("green.tif.msk ("),
        "{:?}",
        other.notices()
    );
}

#[test]
fn auxiliary_xml_gives_nodata_names_and_a_place_where_the_image_has_none() {
    let xml = r#"<PAMDataset><SRS dataAxisToSRSAxisMapping="1,2">PROJCS["WGS 84 / UTM zone 33N",GEOGCS["WGS 84"],UNIT["metre",1],AUTHORITY["EPSG","32633"]]</SRS>
        <GeoTransform>  3.0e+05,  1.0e+01,  0,  5.0e+06,  0, -1.0e+01</GeoTransform>
        <PAMRasterBand band="1"><Description>green &amp; more</Description><NoDataValue>9</NoDataValue></PAMRasterBand></PAMDataset>"#;
    let plain = |nodata| image(&[""], nodata, None, |_, y, x| if y == 3 { 9 } else { 10 + x as u16 });
    let product = open(&[("s.tif", plain(None)), ("s.tif.aux.xml", xml.as_bytes().to_vec())]);
    assert_eq!((invalid(&product), product.scene_info().nodata), (12, Some(9.0)));
    let found = product.scene_info().georeference.as_ref().expect("a place");
    assert_eq!(
        (found.crs.epsg, found.model_from_pixel.c, found.model_from_pixel.e),
        (Some(32633), 3e5, -10.0)
    );
    assert_eq!(product.scene_info().band_names[0].as_deref(), Some("green & more"));
    // The image's own description takes precedence.
    let product = open(&[("s.tif", plain(Some(10.0))), ("s.tif.aux.xml", xml.as_bytes().to_vec())]);
    assert_eq!(invalid(&product), 11);
}

#[test]
fn a_world_file_and_a_system_in_text_place_an_image_that_says_nothing() {
    let plain = || image(&["green"], None, None, |_, _, _| 5);
    let world = b"10.0\n0.0\n0.0\n-10.0\n600005.0\n4999995.0\n".to_vec();
    let system = br#"PROJCS["WGS_1984_UTM_Zone_32N",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],UNIT["Meter",1.0]]"#.to_vec();
    let product = open(&[("x/S.TIF", plain()), ("x/S.tfw", world.clone()), ("x/S.prj", system)]);
    let found = product.scene_info().georeference.clone().expect("a place");
    assert_eq!(
        (found.model_from_pixel, found.crs.epsg),
        (place().model_from_pixel, Some(32632))
    );
    assert!(notice(&product, "neighbours_read").contains("S.tfw (place)"));
    // If the image itself says it, the other file is not used, and a notice says so.
    let product = open(&[
        ("S.tif", image(&["green"], None, Some(&place()), |_, _, _| 5)),
        ("S.tfw", world),
    ]);
    assert!(notice(&product, "files_unused").contains("S.tfw (the file itself says where it is)"));
    let damaged = open(&[
        ("S.tif", plain()),
        ("S.tfw", b"10 0 0 -10".to_vec()),
        ("S.tif.ovr", vec![0]),
    ]);
    assert!(damaged.scene_info().georeference.is_none());
    let unused = notice(&damaged, "files_unused");
    assert!(
        unused.contains("S.tfw (it does not hold six numbers)") && unused.contains("S.tif.ovr (overviews)"),
        "{unused}"
    );
}

#[test]
fn zero_in_any_band_is_no_data_in_products_that_fill_so() {
    // All bands are 0 in two columns; in a third, only green is.
    let value = |is_green: bool| move |_: usize, _: u32, x: u32| if x < 2 || (x == 2 && is_green) { 0 } else { 700 };
    let band = |is_green: bool, nodata| image(&[""], nodata, Some(&place()), value(is_green));
    let of = |names: [&str; 3], nodata: Option<f64>| {
        let files = [
            (names[0], band(true, nodata)),
            (names[1], band(false, nodata)),
            (names[2], band(false, nodata)),
        ];
        invalid(&open(&files))
    };
    let sentinel_2 = [
        "T30UYV_20230520T104629_B03_10m.tif",
        "T30UYV_20230520T104629_B04_10m.tif",
        "T30UYV_20230520T104629_B08_10m.tif",
    ];
    let landsat =
        ["SR_B3.TIF", "SR_B4.TIF", "SR_B5.TIF"].map(|band| format!("LC08_L2SP_199024_20200801_20200908_02_T1_{band}"));
    let hls = ["B03", "B04", "B8A"].map(|band| format!("HLS.S30.T32TQM.2020213T101031.v2.0.{band}.tif"));
    for nodata in [None, Some(0.0)] {
        assert_eq!(of(sentinel_2, nodata), 36, "{nodata:?}");
        assert_eq!(of(landsat.each_ref().map(String::as_str), nodata), 36, "{nodata:?}");
        assert_eq!(of(hls.each_ref().map(String::as_str), nodata), 36, "{nodata:?}");
    }
    // LISS can measure 0 in one band; Landsat's first collection marks missing data with another value.
    assert_eq!(of(["BAND2.tif", "BAND3.tif", "BAND4.tif"], None), 24);
    let first = ["sr_band3.tif", "sr_band4.tif", "sr_band5.tif"]
        .map(|band| format!("LC08_L1TP_199024_20160801_20170322_01_T1_{band}"));
    assert_eq!(of(first.each_ref().map(String::as_str), Some(9999.0)), 0);
}

#[test]
fn a_border_of_zeros_has_no_data_and_a_pond_of_zeros_has() {
    // A slanted line cuts off a corner, a pond lies in the middle, and one band alone has a notch.
    let value = |band: usize, y: u32, x: u32| {
        let is_border = x + 2 * y < 9;
        let is_pond = (6..8).contains(&y) && (6..9).contains(&x);
        let is_notch = y == 11 && band == 1;
        if is_border || is_pond || is_notch { 0 } else { 100 }
    };
    let border = (0..SIZE)
        .flat_map(|y| (0..SIZE).map(move |x| (y, x)))
        .filter(|(y, x)| x + 2 * y < 9)
        .count();
    let scene = |nodata| image(&["green", "red", "nir"], nodata, Some(&place()), value);
    let product = open(&[("warped.tif", scene(None))]);
    assert_eq!(invalid(&product), border);
    assert!(
        notice(&product, "empty_border").starts_with(&format!("{border} pixels")),
        "{:?}",
        product.notices()
    );
    let preview = block_on(product.read_preview(6, &[2])).expect("a preview");
    assert!(!preview.valid[0] && preview.valid[35], "{:?}", preview.valid);
    // If the file declares what no data is, only that counts.
    let marked = open(&[("warped.tif", scene(Some(255.0)))]);
    assert_eq!((invalid(&marked), notice(&marked, "empty_border")), (0, ""));
    let full = open(&[("full.tif", image(&["green"], None, None, |_, _, _| 1))]);
    assert!(full.notices().is_empty());
}

#[test]
fn ground_control_points_are_kept_and_place_no_pixel() {
    let mut placed = place();
    let points: Vec<f64> = [(0.0, 0.0), (12.0, 0.0), (0.0, 12.0)]
        .iter()
        .flat_map(|(column, row)| {
            [
                *column,
                *row,
                0.0,
                600_000.0 + 10.0 * column,
                5_000_000.0 - 10.0 * row,
                0.0,
            ]
        })
        .collect();
    placed.tags.pixel_scale.clear();
    placed.tags.tie_points = points.clone();
    let product = open(&[("points.tif", image(&["green"], None, Some(&placed), |_, _, _| 5))]);
    let info = product.scene_info();
    assert!(info.georeference.is_none());
    let control = info.ground_control.as_ref().expect("points");
    assert_eq!(control.tie_points, points);
    let mask = CogImage {
        width: SIZE,
        height: SIZE,
        samples: CogSamples::Classes {
            nodata: 255,
            colors: vec![(1, [1, 2, 3])],
        },
        band_names: vec!["class".into()],
        metadata: vec![],
    };
    let mut writer = CogWriter::new(mask, Some(control), MemoryScratch::default()).expect("a sound image");
    for _ in 0..SIZE {
        writer.push_row(CogRow::U8(&[1; SIZE as usize])).expect("a row");
    }
    let (mut bytes, mut chunk) = (Vec::new(), Vec::new());
    let mut file = writer.finish().expect("a file");
    loop {
        file.read_chunk(&mut chunk, 1 << 20).expect("bytes");
        if chunk.is_empty() {
            break;
        }
        bytes.append(&mut chunk);
    }
    let read = block_on(GeoTiff::open(BytesSource::new(bytes), Limits::default())).expect("a mask");
    let info = read.info();
    assert_eq!(
        (info.gcp_count, info.crs.as_ref().and_then(|crs| crs.epsg)),
        (3, Some(32632))
    );
}

#[test]
fn a_system_with_heights_is_converted_as_what_lies_on_the_map() {
    let affine = Affine {
        a: 0.001,
        b: 0.0,
        c: 78.0,
        d: 0.0,
        e: -0.001,
        f: 12.0,
    };
    let placed = GeoReference::from_epsg(CrsKind::Geographic, 4979, affine).expect("a place");
    let product = open(&[("s.tif", image(&["green"], None, Some(&placed), |_, _, _| 5))]);
    let found = product.scene_info().georeference.as_ref().expect("a place");
    assert_eq!(found.crs.epsg, Some(4326));
    let projection = Projection::of(found).expect("longitude and latitude");
    assert_eq!(
        (projection.is_identity(), projection.lon_lat_deg(78.0, 12.0)),
        (true, Some([78.0, 12.0]))
    );
}

#[test]
fn the_border_of_a_large_scene_is_found_from_a_preview_and_ponds_stay() {
    const LARGE: usize = 2100;
    let is_border = |y: usize, x: usize| x + 2 * y < 900 || x >= LARGE - 2;
    let is_pond = |y: usize, x: usize| (1000..1040).contains(&y) && (1000..1060).contains(&x);
    let pixels: Vec<u8> = (0..LARGE * LARGE)
        .map(|pixel| (pixel / LARGE, pixel % LARGE))
        .map(|(y, x)| u8::from(!is_border(y, x) && !is_pond(y, x)))
        .collect();
    let file = OutputImage::new(LARGE as u32, LARGE as u32, OutputSamples::U8(&pixels));
    let product = open(&[("large.tif", encode_geotiff(&file, Some(&place())).expect("encodes"))]);
    let message = notice(&product, "empty_border");
    // The corner and the strip, which is narrower than a cell, are 207,150 of 4.41 million pixels.
    assert!(message.starts_with("About 4.7% of the scene"), "{message}");
    let rows = Window {
        x: 0,
        y: 0,
        width: LARGE as u32,
        height: LARGE as u32,
    };
    let samples = block_on(product.read_window(rows, &[0])).expect("reads");
    let wrong = (0..LARGE * LARGE).filter(|pixel| samples.valid[*pixel] == is_border(pixel / LARGE, pixel % LARGE));
    assert_eq!(wrong.count(), 0);
    let preview = block_on(product.read_preview(300, &[0])).expect("a preview");
    let (row, column) = (1020 * preview.height / LARGE, 1030 * preview.width / LARGE);
    assert!(!preview.valid[0] && preview.valid[row * preview.width + column]);
}
