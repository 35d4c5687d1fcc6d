//! `raremap synth` makes a satellite scene whose true classes are known.
//!
//! A landscape is grown on a raster three times finer than the image's (relief, a meandering river and its tributaries,
//! lakes, reeds, roads, towns, fields, forest), given the reflectances that real scenes have, and photographed through
//! a sensor's point spread and noise. The same seed gives the same bytes on every machine.
//!
//! Scenes larger than memory (`--size`) are tiled with such landscapes, pixel by pixel as they are written.

mod class;
mod course;
mod cover;
mod erosion;
mod fields;
mod grid;
mod ground;
mod huge;
mod liss4;
mod mosaic;
mod random;
mod roads;
mod sensor;
mod settle;
mod spectra;
mod write;
mod zip;

use std::io::Cursor;
use std::path::{Path, PathBuf};

use raremap_tiff::{BandOrder, BlockLayout, TiffError};
use sensor::{Scene, TRUTH_NODATA};
use write::{NorthUpGrid, Raster};

/// Makes a satellite scene whose true classes are known.
#[derive(Clone, Debug, clap::Args)]
pub struct SynthArgs {
    /// Folder for the scene (created if missing): scene.tif, or one file per band, and truth.tif
    #[arg(long)]
    pub out: PathBuf,
    /// Seed of the landscape; every seed gives another one
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Number of columns
    #[arg(long, default_value_t = 512)]
    pub width: usize,
    /// Number of rows
    #[arg(long, default_value_t = 512)]
    pub height: usize,
    /// Columns x rows of a scene of any size, such as 16000x17000; it is written while it is made, and replaces --width and --height
    #[arg(long, value_parser = parse_size)]
    pub size: Option<[usize; 2]>,
    /// How the bands are stored; only strips, tiles and cog can be written while they are made, at any size
    #[arg(long, value_enum, default_value_t = Layout::Chunky)]
    pub layout: Layout,
    /// Compression of a scene that is written while it is made
    #[arg(long, value_enum, default_value_t = Compression::None)]
    pub compression: Compression,
    /// Write the files of a product, including its metadata
    #[arg(long, value_enum)]
    pub product: Option<Product>,
    /// Put the product's files into one zip
    #[arg(long, requires = "product")]
    pub zip: bool,
    /// Cut off the corners to nodata, as in a scene that was turned north up
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
    /// Side of a pixel in metres, as stated in the file; the landscape is always drawn for 30
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
    /// Strips of a few rows, the bands of a pixel together
    Strips,
    /// Tiles of 256 x 256 pixels
    Tiles,
    /// Cloud-optimized: tiles of 512 x 512 pixels, overviews, tables at the front
    Cog,
}

/// How the blocks are compressed if a scene is written while it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Compression {
    /// No compression
    None,
    /// Deflate with the horizontal predictor
    Deflate,
}

/// Products, as they are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Product {
    /// LISS-IV of Resourcesat: 10-bit numbers in BAND2.tif, BAND3.tif and BAND4.tif, and BAND_META.txt
    Liss4,
}

fn parse_size(text: &str) -> Result<[usize; 2], String> {
    let sides = text
        .split_once(['x', 'X'])
        .map(|(width, height)| [width, height].map(str::parse));
    match sides {
        Some([Ok(width), Ok(height)]) => Ok([width, height]),
        _ => Err(format!("{text} is not of the form COLUMNSxROWS")),
    }
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
    /// Too small or too large for a file.
    #[error(
        "a scene that is written while it is made must measure 1 to {MAX_STREAMED_PX} pixels on each side, not {width} x {height}"
    )]
    StreamedSize {
        /// Columns asked for.
        width: usize,
        /// Rows asked for.
        height: usize,
    },
    /// A layout that needs the whole scene at once.
    #[error("--size and --product need --layout strips, tiles or cog")]
    Layout,
    /// A grid that is not in metres.
    #[error("EPSG:{0} is not a projected system in metres, which the grid needs")]
    Epsg(u16),
    /// A pixel without size.
    #[error("the side of a pixel is {0} m; it must be more than 0")]
    Pixel(f64),
    /// The disk refused.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system reports.
        source: std::io::Error,
    },
}

/// Rows of a strip of a small scene.
const STRIP_ROWS: u32 = 32;
/// Small scenes are committed and downloaded, so they are as small as possible.
const DEFLATE_LEVEL: u8 = 9;
const MIN_SIDE_PX: usize = 32;
const MAX_SIDE_PX: usize = 4096;
const MAX_STREAMED_PX: usize = 200_000;

/// Makes a scene, writes it and prints what it shows.
///
/// # Errors
/// If a size is out of range, and whatever the file system reports.
pub fn run(arguments: &SynthArgs) -> Result<(), SynthError> {
    if arguments.is_streamed() {
        return run_streamed(arguments);
    }
    let (files, shares) = make(arguments)?;
    make_folder(&arguments.out)?;
    for (name, bytes) in &files {
        let path = arguments.out.join(name);
        std::fs::write(&path, bytes).map_err(|source| SynthError::Write {
            path: path.clone(),
            source,
        })?;
        println!("{} ({} bytes)", path.display(), bytes.len());
    }
    print_shares(shares);
    Ok(())
}

fn run_streamed(arguments: &SynthArgs) -> Result<(), SynthError> {
    let size = arguments.streamed_size()?;
    make_folder(&arguments.out)?;
    let written = huge::write(arguments, size, arguments.place())?;
    for path in &written.files {
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        println!("{} ({bytes} bytes)", path.display());
    }
    let seen = written.class_pixels.iter().sum::<u64>().max(1) as f64;
    print_shares(written.class_pixels.map(|pixels| pixels as f64 / seen));
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), SynthError> {
    std::fs::create_dir_all(path).map_err(|source| SynthError::Write {
        path: path.to_owned(),
        source,
    })
}

fn print_shares(shares: [f64; class::CLASSES.len()]) {
    for ((_, name), share) in class::CLASSES.iter().zip(shares) {
        println!("{name:<12} {:6.2} %", 100.0 * share);
    }
}

impl SynthArgs {
    /// Whether the scene is written while it is made.
    fn is_streamed(&self) -> bool {
        let is_layout = matches!(self.layout, Layout::Strips | Layout::Tiles | Layout::Cog);
        is_layout || self.size.is_some() || self.product.is_some()
    }

    /// Columns and rows of such a scene, once it is known to be possible.
    fn streamed_size(&self) -> Result<[usize; 2], SynthError> {
        let [width, height] = self.size.unwrap_or([self.width, self.height]);
        let sides = 1..=MAX_STREAMED_PX;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(SynthError::StreamedSize { width, height });
        }
        // Chunky is the default unless the caller chooses otherwise, and strips are chunky.
        if matches!(self.layout, Layout::Planar | Layout::Lissiv) {
            return Err(SynthError::Layout);
        }
        self.check_grid()?;
        Ok([width, height])
    }

    fn check_grid(&self) -> Result<(), SynthError> {
        if raremap_geo::projected_unit_m(self.epsg) != Some(1.0) {
            return Err(SynthError::Epsg(self.epsg));
        }
        if self.pixel > 0.0 && self.pixel.is_finite() {
            Ok(())
        } else {
            Err(SynthError::Pixel(self.pixel))
        }
    }

    fn place(&self) -> NorthUpGrid {
        NorthUpGrid {
            epsg: self.epsg,
            left_m: self.left,
            top_m: self.top,
            pixel_m: self.pixel,
        }
    }
}

/// Says which file a failed writer was writing.
fn unwritten(path: &Path) -> impl FnOnce(TiffError) -> SynthError + '_ {
    move |error| SynthError::Write {
        path: path.to_owned(),
        source: match error {
            TiffError::Write(source) => source,
            other => std::io::Error::other(other),
        },
    }
}

/// Files by name.
type Files = Vec<(&'static str, Vec<u8>)>;

/// The files of a scene, and the share of each class.
fn make(arguments: &SynthArgs) -> Result<(Files, [f64; class::CLASSES.len()]), SynthError> {
    let SynthArgs { width, height, .. } = *arguments;
    let sides = MIN_SIDE_PX..=MAX_SIDE_PX;
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(SynthError::Size { width, height });
    }
    arguments.check_grid()?;
    let scene = Scene::photograph(arguments.seed, width, height, arguments.footprint);
    let place = arguments.place();
    let encode = |bands: &[(&str, &[u16])], bits, band_order, nodata| {
        let names: Vec<&str> = bands.iter().map(|&(name, _)| name).collect();
        let raster = Raster {
            width_px: width,
            height_px: height,
            bits,
            bands: &names,
            nodata,
            blocks: BlockLayout::Strips(STRIP_ROWS),
            band_order,
            deflate_level: Some(DEFLATE_LEVEL),
            has_overviews: false,
            place,
            pixel: &|x, y, pixel| pixel.extend(bands.iter().map(|(_, samples)| samples[y * width + x])),
        };
        let mut file = Vec::new();
        raster
            .write(Cursor::new(&mut file))
            .map_err(unwritten(&arguments.out))?;
        Ok(file)
    };
    let [green, red, nir] = &scene.bands;
    let all = [
        ("green", green.as_slice()),
        ("red", red.as_slice()),
        ("nir", nir.as_slice()),
    ];
    let truth: Vec<u16> = scene.truth.iter().map(|&code| u16::from(code)).collect();
    let mut files = match arguments.layout {
        Layout::Strips | Layout::Tiles | Layout::Cog => return Err(SynthError::Layout),
        Layout::Chunky => vec![("scene.tif", encode(&all, 16, BandOrder::ByPixel, 0)?)],
        Layout::Planar => vec![("scene.tif", encode(&all, 16, BandOrder::ByBand, 0)?)],
        Layout::Lissiv => ["BAND2.tif", "BAND3.tif", "BAND4.tif"]
            .into_iter()
            .zip(all)
            .map(|(name, band)| Ok((name, encode(&[band], 16, BandOrder::ByPixel, 0)?)))
            .collect::<Result<_, SynthError>>()?,
    };
    let truth = [("class", truth.as_slice())];
    let nodata = u16::from(TRUTH_NODATA);
    files.push(("truth.tif", encode(&truth, 8, BandOrder::ByPixel, nodata)?));
    Ok((files, scene.class_shares()))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use raremap_io::BytesSource;
    use raremap_tiff::{GeoTiff, Limits, Window};

    use super::class::{CLASSES, Class};
    use super::*;

    fn arguments(layout: Layout) -> SynthArgs {
        SynthArgs {
            out: PathBuf::new(),
            seed: 7,
            width: 512,
            height: 512,
            size: None,
            layout,
            compression: Compression::None,
            product: None,
            zip: false,
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
        // Degrees, and feet.
        for epsg in [4326, 2263] {
            let grid = SynthArgs {
                epsg,
                ..arguments(Layout::Chunky)
            };
            assert!(matches!(make(&grid), Err(SynthError::Epsg(_))), "{epsg}");
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
            let arguments = SynthArgs {
                out: folder.path().to_owned(),
                size: Some(size),
                compression,
                footprint: true,
                ..arguments(layout)
            };
            let written = huge::write(&arguments, size, arguments.place()).expect("a scene");
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
        let arguments = SynthArgs {
            out: folder.path().to_owned(),
            ..arguments(Layout::Cog)
        };
        let size = [2100, 1100];
        let written = huge::write(&arguments, size, arguments.place()).expect("a scene");
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
        let product = |out: &str, zip| SynthArgs {
            out: folder.path().join(out),
            size: Some([300, 200]),
            product: Some(Product::Liss4),
            zip,
            ..arguments(Layout::Chunky)
        };
        run(&product("files", false)).expect("a product");
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
        run(&product("zip", true)).expect("a product");
        assert_eq!(
            names("zip"),
            [format!("{}.zip", liss4::PRODUCT_ID), "truth.tif".to_owned()]
        );
        let planar = SynthArgs {
            layout: Layout::Planar,
            ..product("never", false)
        };
        assert!(matches!(run(&planar), Err(SynthError::Layout)));
    }
}
