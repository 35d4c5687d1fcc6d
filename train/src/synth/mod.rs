//! `raremap synth`: a made-up satellite scene with known truth.
//!
//! A landscape is grown on a raster three times finer than the image's (relief, a meandering river and its tributaries,
//! lakes, reeds, roads, towns, fields, forest), given the reflectances that real scenes have, and photographed through
//! a sensor's point spread and noise. The same seed gives the same bytes on every machine.

mod course;
mod cover;
mod erosion;
mod fields;
mod grid;
mod ground;
mod random;
mod roads;
mod sensor;
mod settle;
mod spectra;
mod write;

use std::path::PathBuf;

use sensor::{Scene, TRUTH_NODATA};
use write::{Place, Planar, Raster, encode};

/// Options of `raremap synth`.
#[derive(Clone, Debug, clap::Args)]
pub struct SynthArgs {
    /// Folder for the scene (made if missing): scene.tif, or one file per band, and truth.tif
    #[arg(long)]
    pub out: PathBuf,
    /// Every seed is another landscape
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Columns
    #[arg(long, default_value_t = 512)]
    pub width: usize,
    /// Rows
    #[arg(long, default_value_t = 512)]
    pub height: usize,
    /// How the bands are stored
    #[arg(long, value_enum, default_value_t = Layout::Chunky)]
    pub layout: Layout,
    /// Cut the corners off to nodata, as in a scene that was turned north up
    #[arg(long)]
    pub footprint: bool,
    /// EPSG code of a projected grid in metres (the default is UTM zone 44 north)
    #[arg(long, default_value_t = 32644)]
    pub epsg: u16,
    /// Easting of the left edge in metres
    #[arg(long, default_value_t = 500_010.0)]
    pub left: f64,
    /// Northing of the top edge in metres
    #[arg(long, default_value_t = 2_899_980.0)]
    pub top: f64,
    /// Side of a pixel in metres, as the file tells it: the landscape is always drawn for 30
    #[arg(long, default_value_t = 30.0)]
    pub pixel: f64,
}

/// How a scene's bands are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// One file, the bands of a pixel together
    Chunky,
    /// One file, band after band
    Planar,
    /// As LISS-IV scenes are delivered: BAND2.tif (green), BAND3.tif (red), BAND4.tif (near infrared)
    Lissiv,
}

/// Why a scene was not made.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// Too small for a landscape, or too large for memory.
    #[error(
        "the scene must measure between {MIN_SIDE_PX} and {MAX_SIDE_PX} pixels on each side, not {width} x {height}"
    )]
    Size {
        /// Columns asked for.
        width: usize,
        /// Rows asked for.
        height: usize,
    },
    /// A pixel without size.
    #[error("a pixel must measure more than 0 m, not {0}")]
    Pixel(f64),
    /// The disk said no.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

const MIN_SIDE_PX: usize = 32;
const MAX_SIDE_PX: usize = 4096;

/// Makes a scene, writes it and prints what it shows.
///
/// # Errors
/// Sizes out of range, and whatever the file system reports.
pub fn run(arguments: &SynthArgs) -> Result<(), SynthError> {
    let (files, shares) = make(arguments)?;
    std::fs::create_dir_all(&arguments.out).map_err(|source| SynthError::Write {
        path: arguments.out.clone(),
        source,
    })?;
    for (name, bytes) in &files {
        let path = arguments.out.join(name);
        std::fs::write(&path, bytes).map_err(|source| SynthError::Write {
            path: path.clone(),
            source,
        })?;
        println!("{} ({} bytes)", path.display(), bytes.len());
    }
    for ((_, name), share) in spectra::CLASSES.iter().zip(shares) {
        println!("{name:<12} {:6.2} %", 100.0 * share);
    }
    Ok(())
}

/// Files by name.
type Files = Vec<(&'static str, Vec<u8>)>;

/// The files of a scene, and the share of each class.
fn make(arguments: &SynthArgs) -> Result<(Files, [f64; spectra::CLASSES.len()]), SynthError> {
    let SynthArgs {
        width, height, pixel, ..
    } = *arguments;
    let sides = MIN_SIDE_PX..=MAX_SIDE_PX;
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(SynthError::Size { width, height });
    }
    if !(pixel > 0.0 && pixel.is_finite()) {
        return Err(SynthError::Pixel(pixel));
    }
    let scene = Scene::photograph(arguments.seed, width, height, arguments.footprint);
    let place = Place {
        epsg: arguments.epsg,
        left_m: arguments.left,
        top_m: arguments.top,
        pixel_m: pixel,
    };
    let raster = |bands, bits, planar, nodata| Raster {
        width_px: width,
        height_px: height,
        bits,
        bands,
        planar,
        nodata,
        place,
    };
    let [green, red, nir] = &scene.bands;
    let all = || {
        vec![
            ("green", green.as_slice()),
            ("red", red.as_slice()),
            ("nir", nir.as_slice()),
        ]
    };
    let truth: Vec<u16> = scene.truth.iter().map(|&code| u16::from(code)).collect();
    let mut rasters = match arguments.layout {
        Layout::Chunky => vec![("scene.tif", raster(all(), 16, Planar::Chunky, 0))],
        Layout::Planar => vec![("scene.tif", raster(all(), 16, Planar::Separate, 0))],
        Layout::Lissiv => ["BAND2.tif", "BAND3.tif", "BAND4.tif"]
            .into_iter()
            .zip(all())
            .map(|(name, band)| (name, raster(vec![band], 16, Planar::Chunky, 0)))
            .collect(),
    };
    rasters.push((
        "truth.tif",
        raster(
            vec![("class", truth.as_slice())],
            8,
            Planar::Chunky,
            u16::from(TRUTH_NODATA),
        ),
    ));
    let files = rasters.iter().map(|(name, raster)| (*name, encode(raster))).collect();
    Ok((files, scene.class_shares()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::LazyLock;

    use raremap_raster::{BytesSource, GeoTiff, Limits, Window};

    use super::spectra::{CLASSES, Class};
    use super::*;

    fn arguments(layout: Layout) -> SynthArgs {
        SynthArgs {
            out: PathBuf::new(),
            seed: 7,
            width: 512,
            height: 512,
            layout,
            footprint: false,
            epsg: 32644,
            left: 500_010.0,
            top: 2_899_980.0,
            pixel: 30.0,
        }
    }

    static SCENE: LazyLock<Scene> = LazyLock::new(|| Scene::photograph(3, 256, 256, false));

    #[test]
    fn the_committed_sample_is_what_the_generator_makes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/sample/scene.tif");
        let committed = std::fs::read(&path).expect("the sample is part of the repository");
        let (files, _) = make(&arguments(Layout::Chunky)).expect("a scene");
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
            // Sand and rock, river and lake, are each on their own side of the measured median.
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
        let image =
            pollster::block_on(GeoTiff::open(BytesSource::new(bytes.to_vec()), Limits::default())).expect("a TIFF");
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
        let small = |layout| SynthArgs {
            width: 33,
            height: 40,
            ..arguments(layout)
        };
        let scene = Scene::photograph(7, 33, 40, false);
        let expected: Vec<f64> = scene.bands.concat().into_iter().map(f64::from).collect();
        let truth: Vec<f64> = scene.truth.into_iter().map(f64::from).collect();
        for layout in [Layout::Chunky, Layout::Planar, Layout::Lissiv] {
            let (mut files, _) = make(&small(layout)).expect("a scene");
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
            let impossible = SynthArgs {
                width,
                height,
                ..arguments(Layout::Chunky)
            };
            assert!(
                matches!(make(&impossible), Err(SynthError::Size { .. })),
                "{width} x {height}"
            );
        }
        let flat = SynthArgs {
            pixel: 0.0,
            ..arguments(Layout::Chunky)
        };
        assert!(matches!(make(&flat), Err(SynthError::Pixel(_))));
    }
}
