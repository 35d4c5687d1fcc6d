use std::cell::RefCell;

use pollster::block_on;

use raremap_geo::GeoReference;

use super::*;
use raremap_geo::CrsKind;
use raremap_tiff::ColorInterpretation;
use raremap_tiff::SampleType;

/// A scene of one band in memory that notes what is read of it.
struct Plane {
    info: SceneInfo,
    values: Vec<f32>,
    largest_read: RefCell<usize>,
}

impl Plane {
    /// NaN is no data.
    fn new(width: u32, height: u32, value: impl Fn(u32, u32) -> f32) -> Self {
        let place = Affine {
            a: 10.0,
            b: 0.0,
            c: 500_000.0,
            d: 0.0,
            e: -10.0,
            f: 4_000_000.0,
        };
        Self {
            info: SceneInfo {
                width,
                height,
                sample_type: SampleType::F32,
                bits_per_sample: 32,
                nodata: None,
                band_names: vec![None],
                color_interpretations: vec![ColorInterpretation::Gray],
                alpha_band: None,
                georeference: GeoReference::from_epsg(CrsKind::Projected, 32643, place),
                ground_control: None,
                masked: false,
                wavelengths_nm: vec![],
                described: vec![],
            },
            values: (0..height)
                .flat_map(|y| (0..width).map(move |x| (y, x)))
                .map(|(y, x)| value(y, x))
                .collect(),
            largest_read: RefCell::default(),
        }
    }
}

impl Scene for Plane {
    fn scene_info(&self) -> &SceneInfo {
        &self.info
    }

    async fn read_window(&self, window: Window, bands: &[usize]) -> Result<Samples, SceneError> {
        window.check_inside(self.info.width, self.info.height)?;
        let mut samples = Samples::new(bands.len(), window.height as usize, window.width as usize);
        let rows = self
            .values
            .chunks_exact(self.info.width as usize)
            .skip(window.y as usize);
        for (target, row) in samples.values.chunks_exact_mut(window.width as usize).zip(rows) {
            target.copy_from_slice(&row[window.x as usize..][..window.width as usize]);
        }
        samples.valid = samples.values.iter().map(|value| value.is_finite()).collect();
        let mut largest = self.largest_read.borrow_mut();
        *largest = samples.values.len().max(*largest);
        Ok(samples)
    }

    async fn read_preview(&self, _: u32, bands: &[usize]) -> Result<Samples, SceneError> {
        let (width, height) = (self.info.width, self.info.height);
        self.read_window(
            Window {
                x: 0,
                y: 0,
                width,
                height,
            },
            bands,
        )
        .await
    }
}

fn whole(scene: &impl Scene) -> Samples {
    let (width, height) = (scene.scene_info().width, scene.scene_info().height);
    block_on(scene.read_window(
        Window {
            x: 0,
            y: 0,
            width,
            height,
        },
        &[0],
    ))
    .expect("a window")
}

fn resampled(plane: Plane, ratio: f64, fine: Kernel) -> Resampled<Plane> {
    let rows = AxisGrid::of_ratio(plane.info.height, ratio);
    let columns = AxisGrid::of_ratio(plane.info.width, ratio);
    Resampled::new(plane, rows, columns, fine).expect("a grid")
}

fn worst(found: &[f32], expected: impl Fn(usize) -> f32) -> f32 {
    let differences = found.iter().enumerate().map(|(i, value)| (value - expected(i)).abs());
    differences.fold(0.0, f32::max)
}

#[test]
fn coarser_pixels_are_area_means_that_keep_the_sum() {
    let scene = resampled(Plane::new(35, 21, |y, x| (y * 35 + x) as f32), 1.75, Kernel::Cubic);
    let samples = whole(&scene);
    assert_eq!((samples.width, samples.height), (20, 12));
    assert!(samples.valid.iter().all(|valid| *valid));
    let total: f64 = samples.values.iter().map(|value| f64::from(*value) * 1.75 * 1.75).sum();
    let expected = (0..35 * 21).map(f64::from).sum::<f64>();
    assert!((total / expected - 1.0).abs() < 1e-6, "{total} instead of {expected}");
    let place = scene.scene_info().georeference.as_ref().expect("a place");
    assert_eq!((place.model_from_pixel.a, place.model_from_pixel.e), (17.5, -17.5));
    assert_eq!(GeoReference::from_tags(place.tags.clone()).as_ref(), Some(place));
}

#[test]
fn a_slope_stays_a_slope_at_any_finer_ratio() {
    for ratio in [0.5, 0.3, 0.8] {
        for kernel in [Kernel::Bilinear, Kernel::Cubic] {
            let scene = resampled(
                Plane::new(40, 30, |y, x| 3.0 * y as f32 - 2.0 * x as f32),
                ratio,
                kernel,
            );
            let samples = whole(&scene);
            let centre = |index: usize| (index as f32 + 0.5) * ratio as f32 - 0.5;
            let inner = |index: usize, size: f32| (2.0..size - 3.0).contains(&centre(index));
            for y in (0..samples.height).filter(|y| inner(*y, 30.0)) {
                for x in (0..samples.width).filter(|x| inner(*x, 40.0)) {
                    let expected = 3.0 * centre(y) - 2.0 * centre(x);
                    let found = samples.values[y * samples.width + x];
                    assert!(
                        (found - expected).abs() < 2e-3,
                        "{kernel:?} {ratio}: {found} for {expected} at {x}, {y}"
                    );
                }
            }
        }
    }
}

#[test]
fn windows_give_the_pixels_of_the_whole() {
    for (ratio, kernel) in [(2.6, Kernel::Cubic), (0.4, Kernel::Cubic), (0.7, Kernel::Bilinear)] {
        let hole = |y: u32, x: u32| {
            if (x / 5 + y / 4).is_multiple_of(7) {
                f32::NAN
            } else {
                (x * x % 31 + y) as f32
            }
        };
        let scene = resampled(Plane::new(60, 50, hole), ratio, kernel);
        let all = whole(&scene);
        let window = Window {
            x: 3,
            y: 7,
            width: 11,
            height: 9,
        };
        let part = block_on(scene.read_window(window, &[0])).expect("a window");
        for y in 0..9 {
            let from = (7 + y) * all.width + 3;
            assert_eq!(part.valid[y * 11..][..11], all.valid[from..][..11], "{ratio}, row {y}");
            let difference = worst(&part.values[y * 11..][..11], |x| all.values[from + x]);
            assert!(difference < 1e-4, "{ratio}, row {y}: {difference}");
        }
    }
}

#[test]
fn a_pixel_is_valid_where_half_of_its_area_is_and_the_rest_does_not_leak() {
    // Columns 0 to 2 have data.
    let left = |_, x| if x < 3 { 100.0 } else { f32::NAN };
    let halved = whole(&resampled(Plane::new(8, 4, left), 2.0, Kernel::Cubic));
    assert_eq!(halved.valid[..4], [true, true, false, false]);
    assert_eq!(halved.values[..2], [100.0, 100.0]);
    for kernel in [Kernel::Bilinear, Kernel::Cubic] {
        let doubled = whole(&resampled(Plane::new(8, 4, left), 0.5, kernel));
        let expected: Vec<bool> = (0..16).map(|x| x < 6).collect();
        assert_eq!(doubled.valid[..16], expected);
        assert!(
            worst(&doubled.values[..6], |_| 100.0) < 1e-4,
            "{:?}",
            &doubled.values[..16]
        );
    }
}

#[test]
fn what_reaches_over_the_edge_is_valid_up_to_half() {
    let scene = resampled(Plane::new(7, 9, |_, _| 5.0), 4.0, Kernel::Cubic);
    let samples = whole(&scene);
    // The last column is covered by three of four source pixels, the last row by one of four.
    assert_eq!((samples.width, samples.height), (2, 3));
    assert_eq!(samples.valid, [true, true, true, true, false, false]);
    assert_eq!(samples.values[..4], [5.0; 4]);
}

#[test]
fn a_large_window_is_read_in_bounded_pieces() {
    let scene = resampled(Plane::new(3000, 4000, |y, x| (x + y) as f32), 5.0, Kernel::Cubic);
    let samples = whole(&scene);
    assert!(worst(&samples.values, |i| ((i % 600) * 5 + (i / 600) * 5 + 4) as f32) < 1e-2);
    let largest = *scene.source().largest_read.borrow();
    assert!(largest <= 4 << 20, "{largest} samples were read at once");
}

#[test]
fn the_grid_of_the_source_is_the_source() {
    let scene = resampled(Plane::new(5, 5, |y, x| (x * y) as f32), 1.0, Kernel::Cubic);
    assert_eq!(whole(&scene).values, scene.source().values);
}

#[test]
fn grids_that_are_none_are_refused() {
    let sound = AxisGrid::of_ratio(5, 1.0);
    for bad in [
        AxisGrid { count: 0, ..sound },
        AxisGrid { ratio: 0.0, ..sound },
        AxisGrid {
            ratio: f64::NAN,
            ..sound
        },
        AxisGrid {
            offset_px: f64::INFINITY,
            ..sound
        },
    ] {
        let refused = Resampled::new(Plane::new(5, 5, |_, _| 0.0), bad, sound, Kernel::Area);
        assert_eq!(refused.map(|_| ()).expect_err("no grid").code(), "bad_grid");
    }
    let scene = resampled(Plane::new(5, 5, |_, _| 0.0), 2.0, Kernel::Area);
    let outside = Window {
        x: 0,
        y: 0,
        width: 4,
        height: 1,
    };
    assert_eq!(
        block_on(scene.read_window(outside, &[0]))
            .expect_err("three columns")
            .code(),
        "window_outside_image"
    );
}

#[test]
fn a_georeference_of_pixel_centres_stays_one() {
    let plane = Plane::new(4, 4, |_, _| 0.0);
    let place = plane.info.georeference.clone().expect("a place");
    let mut tags = place.tags;
    let raster_type = tags.key_directory.iter().position(|key| *key == 1025).expect("the key");
    tags.key_directory[raster_type + 3] = 2;
    let point = GeoReference::from_tags(tags).expect("a place");
    let moved = Affine {
        a: 20.0,
        e: -20.0,
        ..point.model_from_pixel
    };
    let moved = point.with_model_from_pixel(moved).expect("finite numbers");
    assert_eq!(GeoReference::from_tags(moved.tags.clone()).as_ref(), Some(&moved));
    let rotated = Affine {
        b: 3.0,
        d: 2.0,
        ..point.model_from_pixel
    };
    let rotated = point.with_model_from_pixel(rotated).expect("finite numbers");
    assert_eq!(GeoReference::from_tags(rotated.tags.clone()).as_ref(), Some(&rotated));
}
