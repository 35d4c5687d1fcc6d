//! Scenes on the screen: in which colours, and which part of them.

use pollster::block_on;
use raremap_infer::{InferError, Look, Preview, SampledStatistics};
use raremap_io::BytesSource;
use raremap_model::Card;
use raremap_scene::TiffScene;
use raremap_testing::card as testing;
use raremap_tiff::{Limits, OutputImage, OutputSamples, Window, encode_geotiff};

const NODATA: f32 = -1.0;

fn card(bands: &[&str]) -> Card {
    let mut card = testing::card(bands, &[(10, "land")], &[]);
    for band in &mut card.bands {
        (band.mean, band.std) = (50.0, 25.0);
    }
    card
}

/// Bands whose names are given, and whose value at a pixel is `value(band, y, x)`.
fn scene(
    names: &[&str],
    [height, width]: [usize; 2],
    value: impl Fn(usize, usize, usize) -> f32,
) -> TiffScene<BytesSource> {
    let plane = |band: usize| -> Vec<f32> { (0..height * width).map(|i| value(band, i / width, i % width)).collect() };
    let planes: Vec<Vec<f32>> = (0..names.len()).map(plane).collect();
    let image = OutputImage {
        width: width as u32,
        height: height as u32,
        samples: OutputSamples::F32 {
            bands: planes.iter().map(Vec::as_slice).collect(),
        },
        nodata: Some(f64::from(NODATA)),
        color_table: None,
        band_names: names.iter().map(|name| (*name).to_owned()).collect(),
        metadata: vec![],
    };
    let file = encode_geotiff(&image, None).expect("a small image");
    block_on(TiffScene::open(BytesSource::new(file), Limits::default())).expect("a readable image")
}

/// A scene in which one band grows to the right from 0 to 99 and all others are constant: it alone is not grey.
fn growing(names: &[&str], grown: usize) -> TiffScene<BytesSource> {
    scene(names, [4, 100], |band, _, x| if band == grown { x as f32 } else { 7.0 })
}

fn preview(scene: &TiffScene<BytesSource>, card: &Card, bands: &[usize], max_px: u32) -> Preview {
    block_on(Preview::of(scene, card, bands, max_px)).expect("a preview")
}

/// Red, green and blue at the right edge: 255 in the channel of a band that grows, 128 in those of constant ones.
fn last_pixel(preview: &Preview) -> [u8; 3] {
    let rgba = preview.picture.rgba();
    let last = rgba.last_chunk::<4>().expect("a pixel");
    [last[0], last[1], last[2]]
}

const GREEN_RED_NIR: [&str; 3] = ["green", "red", "nir"];

#[test]
fn without_blue_near_infrared_is_red_red_is_green_and_green_is_blue() {
    let card = card(&GREEN_RED_NIR);
    for (grown, expected) in [(2, [255, 128, 128]), (1, [128, 255, 128]), (0, [128, 128, 255])] {
        let shown = preview(&growing(&GREEN_RED_NIR, grown), &card, &[0, 1, 2], 2048);
        assert_eq!(last_pixel(&shown), expected, "band {grown} grows");
        assert!(
            shown.note.starts_with("Near infrared is shown as red"),
            "{}",
            shown.note
        );
    }
}

#[test]
fn with_a_blue_band_the_colours_are_natural() {
    let names = ["blue", "green", "red", "nir"];
    let card = card(&GREEN_RED_NIR);
    for (grown, expected) in [
        (2, [255, 128, 128]),
        (1, [128, 255, 128]),
        (0, [128, 128, 255]),
        (3, [128; 3]),
    ] {
        let shown = preview(&growing(&names, grown), &card, &[1, 2, 3], 2048);
        assert_eq!(last_pixel(&shown), expected, "band {grown} grows");
        assert_eq!(shown.note, "The scene is shown in natural colours.");
    }
}

#[test]
fn a_blue_band_that_stands_for_another_is_not_taken_for_blue() {
    let names = ["blue", "green", "red"];
    let shown = preview(&growing(&names, 0), &card(&GREEN_RED_NIR), &[0, 1, 2], 2048);
    assert!(
        shown.note.starts_with("Near infrared is shown as red"),
        "{}",
        shown.note
    );
}

#[test]
fn a_model_without_usual_colours_shows_its_bands_in_order() {
    let shown = preview(&growing(&["vv", "vh"], 1), &card(&["vv", "vh"]), &[0, 1], 2048);
    assert_eq!(shown.note, "Bands 1, 2 and 2 are shown as red, green and blue.");
    assert_eq!(last_pixel(&shown), [128, 255, 255]);
}

#[test]
fn pixels_without_data_are_transparent_and_do_not_stretch() {
    let scene = scene(
        &GREEN_RED_NIR,
        [4, 100],
        |_, y, x| if y == 0 { NODATA } else { x as f32 },
    );
    let shown = preview(&scene, &card(&GREEN_RED_NIR), &[0, 1, 2], 2048);
    let opacity: Vec<u8> = shown.picture.rgba().iter().skip(3).step_by(4).copied().collect();
    assert!(opacity[..100].iter().all(|alpha| *alpha == 0));
    assert!(opacity[100..].iter().all(|alpha| *alpha == 255));
    // The 2nd percentile of 0 to 99 is 2, and the 98th is 97.
    let red: Vec<u8> = shown
        .picture
        .rgba()
        .iter()
        .skip(400)
        .step_by(4)
        .take(100)
        .copied()
        .collect();
    assert_eq!((red[2], red[97], red[99]), (0, 255, 255));
    assert!(red[3] > 0 && red[96] < 255, "{red:?}");
}

#[test]
fn a_reduced_picture_says_which_part_of_the_scene_its_blocks_cover() {
    let card = card(&GREEN_RED_NIR);
    let extent = |size| {
        let shown = preview(&scene(&GREEN_RED_NIR, size, |_, _, x| x as f32), &card, &[0, 1, 2], 30);
        (shown.picture.width(), shown.picture.height(), shown.picture.extent())
    };
    assert_eq!(extent([40, 100]), (25, 10, [0.0, 0.0, 100.0, 40.0]));
    assert_eq!(extent([41, 101]), (26, 11, [0.0, 0.0, 104.0, 44.0]));
}

#[test]
fn a_part_is_drawn_in_the_colours_of_the_whole() {
    let scene = scene(&GREEN_RED_NIR, [60, 80], |band, y, x| (x * (band + 1) + y) as f32);
    let shown = preview(&scene, &card(&GREEN_RED_NIR), &[0, 1, 2], 2048);
    let window = Window {
        x: 30,
        y: 20,
        width: 5,
        height: 4,
    };
    let part = block_on(shown.display.draw(&scene, window)).expect("a window");
    assert_eq!(
        (part.width(), part.height(), part.extent()),
        (5, 4, [30.0, 20.0, 5.0, 4.0])
    );
    for (row, pixels) in part.rgba().chunks_exact(5 * 4).enumerate() {
        let start = ((20 + row) * 80 + 30) * 4;
        assert_eq!(pixels, &shown.picture.rgba()[start..][..5 * 4], "row {row}");
    }
}

#[test]
fn bands_must_be_as_many_as_the_models() {
    let scene = growing(&GREEN_RED_NIR, 0);
    let refused = block_on(Preview::of(&scene, &card(&GREEN_RED_NIR), &[0, 1], 2048));
    assert!(matches!(refused, Err(InferError::Misuse(_))), "{refused:?}");
}

#[test]
fn values_that_are_not_those_of_training_are_told() {
    let card = card(&GREEN_RED_NIR);
    let fits = preview(
        &scene(&GREEN_RED_NIR, [20, 100], |_, _, x| x as f32),
        &card,
        &[0, 1, 2],
        2048,
    );
    assert_eq!((fits.warnings, fits.matching), (vec![], None));
    let far = preview(
        &scene(&GREEN_RED_NIR, [20, 100], |_, _, x| x as f32 / 10_000.0),
        &card,
        &[0, 1, 2],
        2048,
    );
    assert_eq!(
        far.warnings.first().map(|warning| warning.code),
        Some("values_reflectance")
    );
    assert!(far.matching.is_some_and(|text| text.contains("10000")));
}

#[test]
fn a_scene_whose_bands_are_not_assigned_is_shown_and_compared_with_nothing() {
    let scene = scene(&GREEN_RED_NIR, [20, 100], |_, _, x| x as f32 / 10_000.0);
    let shown = preview(&scene, &card(&GREEN_RED_NIR), &[], 2048);
    assert_eq!((shown.warnings, shown.matching), (vec![], None));
    assert_eq!((shown.picture.width(), shown.picture.height()), (100, 20));
}

#[test]
fn other_bands_and_stretches_are_drawn_from_one_read() {
    let names = ["green", "red", "nir", "swir1"];
    let scene = scene(&names, [4, 101], |band, y, x| match (band, y) {
        (3, 0) => NODATA,
        (3, _) => x as f32,
        _ => 7.0,
    });
    let shown = preview(&scene, &card(&GREEN_RED_NIR), &[0, 1, 2], 2048);
    let reduced = block_on(shown.display.reduce(&scene, [3, 0, 1], 2048)).expect("bands");
    assert!(reduced.shows([3, 0, 1], 2048) && !reduced.shows([3, 0, 1], 100) && !reduced.shows([0, 1, 3], 2048));
    let level = |percents: [f64; 2], x: usize| {
        let drawn = reduced.draw(&shown.display.stretched(&reduced, percents));
        let row: Vec<[u8; 4]> = drawn.rgba().as_chunks::<4>().0[101..202].to_vec();
        assert_eq!(drawn.rgba()[3], 0, "a pixel without data is drawn");
        assert_eq!((row[x][1], row[x][2], row[x][3]), (128, 128, 255));
        row[x][0]
    };
    assert_eq!([level([0.0, 100.0], 0), level([0.0, 100.0], 100)], [0, 255]);
    assert_eq!(
        [
            level([20.0, 60.0], 20),
            level([20.0, 60.0], 40),
            level([20.0, 60.0], 60)
        ],
        [0, 127, 255]
    );
    // Parts are drawn alike.
    let display = shown.display.stretched(&reduced, [20.0, 60.0]);
    let window = Window {
        x: 40,
        y: 1,
        width: 1,
        height: 1,
    };
    let part = block_on(display.draw(&scene, window)).expect("a window");
    assert_eq!(part.rgba(), [127, 128, 128, 255]);
    assert!(block_on(shown.display.reduce(&scene, [0, 1, 9], 2048)).is_err());
}

#[test]
fn a_look_says_what_a_preview_says_and_how_the_values_are_distributed() {
    let scene = scene(&GREEN_RED_NIR, [20, 100], |band, y, x| {
        if y == 0 {
            NODATA
        } else {
            (x * (band + 1)) as f32 / 10_000.0
        }
    });
    let card = card(&GREEN_RED_NIR);
    let shown = preview(&scene, &card, &[0, 1, 2], 50);
    let look = block_on(Look::at(&scene, &card, &[0, 1, 2], 50)).expect("a look");
    assert_eq!((&look.warnings, &look.matching), (&shown.warnings, &shown.matching));
    // Every second pixel of every second row, the first of which is the scene's second.
    assert_eq!((look.statistics.pixels, look.statistics.nodata_share), (500, 0.0));
    let bands: Vec<usize> = look.statistics.bands.iter().map(|band| band.band).collect();
    assert_eq!(bands, [0, 1, 2]);
    let whole = block_on(SampledStatistics::read(&scene, &[1], 100)).expect("a band");
    assert_eq!((whole.pixels, whole.nodata_share), (2000, 0.05));
    let nir = whole.bands[0].statistics.expect("data");
    assert!((nir.max - 0.0198).abs() < 1e-6 && nir.min == 0.0, "{nir:?}");
    // As long as no bands are assigned, those that are shown are looked at.
    let own = block_on(Look::at(&scene, &card, &[], 50)).expect("a look");
    assert_eq!(
        (own.warnings.len(), own.matching, own.statistics.bands.len()),
        (0, None, 3)
    );
}
