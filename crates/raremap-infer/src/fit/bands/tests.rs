use super::*;

const NEEDED: [&str; 3] = ["green", "red", "nir"];

fn owned(names: &[&str]) -> Vec<Option<String>> {
    names
        .iter()
        .map(|name| (!name.is_empty()).then(|| (*name).to_owned()))
        .collect()
}

fn clues<'a>(names: &'a [Option<String>], colors: &'a [ColorInterpretation]) -> BandClues<'a> {
    BandClues {
        names,
        colors,
        wavelengths_nm: &[],
        described: &[],
        alpha_is_data: false,
    }
}

fn guess(names: &[&str]) -> BandGuess {
    guess_with(names, &[])
}

fn guess_with(names: &[&str], colors: &[ColorInterpretation]) -> BandGuess {
    guess_bands(clues(&owned(names), colors), &NEEDED).expect("enough bands")
}

/// With the name of a file, or what else may name the sensor.
fn guess_of(described: &str, names: &[&str]) -> BandGuess {
    let described = [described.to_owned()];
    let names = owned(names);
    let clues = BandClues {
        described: &described,
        ..clues(&names, &[])
    };
    guess_bands(clues, &NEEDED).expect("enough bands")
}

fn some(bands: [usize; 3]) -> Vec<Option<usize>> {
    bands.into_iter().map(Some).collect()
}

#[test]
fn names_decide_where_there_are_any() {
    let cases: &[(&[&str], [usize; 3])] = &[
        (
            &[
                "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12",
            ],
            [2, 3, 7],
        ),
        (&["B08", "B04", "B03", "B02"], [2, 1, 0]),
        (&["B8", "B4", "B3"], [2, 1, 0]),
        (
            &[
                "T31UCS_20200101_B03_10m",
                "T31UCS_20200101_B04_10m",
                "T31UCS_20200101_B08_10m",
            ],
            [0, 1, 2],
        ),
        (&["swir1", "nir", "red", "green"], [3, 2, 1]),
        (
            &[
                "Blue (490 nm)",
                "Green (560 nm)",
                "Red (665 nm)",
                "Red Edge 1",
                "NIR (842 nm)",
            ],
            [1, 2, 4],
        ),
        (&["Near Infrared", "Red", "Green"], [2, 1, 0]),
        (&["BAND2", "BAND3", "BAND4"], [0, 1, 2]),
        (&["BAND4", "BAND3", "BAND2"], [2, 1, 0]),
        (&["SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"], [1, 2, 3]),
        (&["SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"], [1, 2, 3]),
        (&["LE07_SR_B7", "LE07_SR_B4", "LE07_SR_B3", "LE07_SR_B2"], [3, 2, 1]),
        (&["B2", "B3", "B4", "B5", "B6", "B7"], [1, 2, 3]),
        (&["B1", "B2", "B3", "B4", "B5", "B7"], [1, 2, 3]),
        (
            &["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B09", "B10", "B11"],
            [2, 3, 4],
        ),
        (&["B", "G", "R", "N"], [1, 2, 3]),
        (&["Band R", "Band G", "Band N"], [1, 0, 2]),
        (
            &[
                "coastal_blue",
                "blue",
                "green_i",
                "green",
                "yellow",
                "red",
                "rededge",
                "nir",
            ],
            [3, 5, 7],
        ),
        (&["b", "red", "nir", "green"], [3, 1, 2]),
        (&["red edge", "green", "red", "nir"], [1, 2, 3]),
        // Narrow near infrared is used if there is no other.
        (&["B02", "B03", "B04", "B8A", "B11", "B12"], [1, 2, 3]),
        (&["blue", "green", "red", "nir08", "swir16", "swir22"], [1, 2, 3]),
        (&["B2_blue", "B3_green", "B4_red", "B8A"], [1, 2, 3]),
        // These are spelled the way their sensors do.
        (&["B1", "B2", "B3N"], [0, 1, 2]),
        (&["ImageData3N", "ImageData2", "ImageData1"], [2, 1, 0]),
        (
            &[
                "sur_refl_b01",
                "sur_refl_b02",
                "sur_refl_b03",
                "sur_refl_b04",
                "sur_refl_b05",
            ],
            [3, 0, 1],
        ),
        (
            &[
                "Nadir_Reflectance_Band1",
                "Nadir_Reflectance_Band2",
                "Nadir_Reflectance_Band3",
                "Nadir_Reflectance_Band4",
            ],
            [3, 0, 1],
        ),
        (
            &["SurfReflect_M3", "SurfReflect_M4", "SurfReflect_M5", "SurfReflect_M7"],
            [1, 2, 3],
        ),
        (&["XS1", "XS2", "XS3"], [0, 1, 2]),
        (
            &[
                "Oa04_reflectance",
                "Oa06_reflectance",
                "Oa08_reflectance",
                "Oa17_reflectance",
            ],
            [1, 2, 3],
        ),
        (
            &[
                "485.0 Nanometers",
                "560.0 Nanometers",
                "660.0 Nanometers",
                "830.0 Nanometers",
            ],
            [1, 2, 3],
        ),
        (
            &[
                "Band 1 (0.485 um)",
                "Band 2 (0.56 um)",
                "Band 3 (0.66 um)",
                "Band 4 (0.83 um)",
            ],
            [1, 2, 3],
        ),
    ];
    for (names, expected) in cases {
        let guess = guess(names);
        assert_eq!(
            (guess.certainty, &guess.bands),
            (Certainty::Named, &some(*expected)),
            "{names:?} {guess:?}"
        );
    }
}

#[test]
fn numbers_that_are_other_colours_on_other_sensors_are_a_choice() {
    let cases: &[(&[&str], &[[usize; 3]])] = &[
        (&["B2", "B3", "B4", "B5"], &[[1, 2, 3], [0, 1, 2]]),
        (&["Band 2", "Band 3", "Band 4", "Band 5"], &[[1, 2, 3], [0, 1, 2]]),
        (
            &["scene_B2", "scene_B3", "scene_B4", "scene_B5"],
            &[[1, 2, 3], [0, 1, 2]],
        ),
        (&["SR_B2", "SR_B3", "SR_B4", "SR_B5"], &[[1, 2, 3], [0, 1, 2]]),
        (&["B2", "B3", "B4", "B5", "B7"], &[[1, 2, 3], [0, 1, 2]]),
    ];
    for (names, expected) in cases {
        let guess = guess(names);
        let choices: Vec<&[usize]> = guess.choices.iter().map(|choice| choice.bands.as_slice()).collect();
        assert_eq!(
            (guess.certainty, choices),
            (Certainty::Unknown, expected.iter().map(|bands| &bands[..]).collect()),
            "{names:?}"
        );
        assert_eq!(guess.bands, some(expected[0]), "{names:?}");
    }
    // Read as LISS, one of them is near infrared; read as Sentinel-2, they are natural colours.
    let rgb = guess(&["B2", "B3", "B4"]);
    assert_eq!((rgb.certainty, &rgb.bands), (Certainty::Unknown, &some([0, 1, 2])));
    assert!(
        rgb.reason.contains("LISS") && rgb.reason.contains("Sentinel-2"),
        "{rgb:?}"
    );
    let padded = guess(&["B02", "B03", "B04", "B05"]);
    assert_eq!(padded.bands, some([1, 2, 3]), "{padded:?}");
}

#[test]
fn what_else_is_known_settles_numbers() {
    const FOUR: &[&str] = &["B2", "B3", "B4", "B5"];
    for (described, expected) in [
        ("LC08_044034_stack.tif", [1, 2, 3]),
        ("LANDSAT_9", [1, 2, 3]),
        ("LE07_L1TP.tif", [0, 1, 2]),
        ("L3_LISS3_2020.tif", [0, 1, 2]),
        ("RESOURCESAT-2", [0, 1, 2]),
    ] {
        let guess = guess_of(described, FOUR);
        assert_eq!(
            (guess.certainty, &guess.bands),
            (Certainty::Named, &some(expected)),
            "{described} {guess:?}"
        );
    }
    // Names that contradict a sensor, and colours that fit one.
    assert_eq!(guess(&["B2 green", "B3", "B4", "B5"]).bands, some([0, 1, 2]));
    assert_eq!(guess(&["B2", "B3", "B4", "B5 nir"]).bands, some([1, 2, 3]));
    let counted = guess_of("LC08_x.tif", &["B1", "B2", "B3", "B4", "B5", "B6", "B7"]);
    assert_eq!((counted.certainty, counted.bands), (Certainty::Named, some([2, 3, 4])));
    let unnamed = guess_of("MOD09GA.tif", &[""; 7]);
    assert_eq!((unnamed.certainty, unnamed.bands), (Certainty::Likely, some([3, 0, 1])));
    assert_eq!(
        guess_of("MYD09A1.tif", &["b1", "b2", "b3", "b4"]).bands,
        some([3, 0, 1])
    );
    let wavelengths = [Some(550.0), Some(660.0), Some(830.0), Some(1650.0)];
    let names = owned(FOUR);
    let clues = BandClues {
        wavelengths_nm: &wavelengths,
        ..clues(&names, &[])
    };
    let guess = guess_bands(clues, &NEEDED).expect("enough bands");
    assert_eq!((guess.certainty, guess.bands), (Certainty::Named, some([0, 1, 2])));
}

#[test]
fn numbers_that_are_complete_on_one_sensor_alone_are_likely() {
    for (names, expected, product) in [
        (&["SR_B1", "SR_B2", "SR_B3", "SR_B4"][..], [1, 2, 3], "Landsat 4 to 7"),
        (&["B3", "B4", "B5"], [0, 1, 2], "Landsat 8 or 9"),
        (&["B5", "B4", "B3"], [2, 1, 0], "Landsat 8 or 9"),
    ] {
        let guess = guess(names);
        assert_eq!(
            (guess.certainty, &guess.bands),
            (Certainty::Likely, &some(expected)),
            "{names:?} {guess:?}"
        );
        assert!(
            guess.reason.contains(product) && guess.reason.contains("other products"),
            "{guess:?}"
        );
    }
}

#[test]
fn without_names_the_number_of_bands_decides() {
    let cases: [(usize, [usize; 3], Certainty); 7] = [
        (3, [0, 1, 2], Certainty::Likely),
        (4, [1, 2, 3], Certainty::Likely),
        (7, [2, 3, 4], Certainty::Likely),
        (8, [3, 5, 7], Certainty::Likely),
        (12, [2, 3, 7], Certainty::Likely),
        (13, [2, 3, 7], Certainty::Likely),
        (9, [0, 1, 2], Certainty::Unknown),
    ];
    for (count, expected, certainty) in cases {
        for numbered in [false, true] {
            let names: Vec<String> = (1..=count)
                .map(|band| {
                    if numbered {
                        format!("Band {band}")
                    } else {
                        String::new()
                    }
                })
                .collect();
            let guess = guess(&names.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(
                (&guess.bands, guess.certainty),
                (&some(expected), certainty),
                "{count} {numbered}"
            );
            assert!(guess.reason.ends_with('.'));
        }
    }
}

#[test]
fn a_role_never_goes_to_a_band_that_is_known_to_be_another_colour() {
    use ColorInterpretation::{Alpha, Blue, Green, Red};
    type Case<'a> = (&'a [&'a str], &'a [ColorInterpretation], [Option<usize>; 3]);
    let cases: &[Case<'_>] = &[
        (&["nir", "red", "swir1"], &[], [None, Some(1), Some(0)]),
        (&["B02", "B03", "B04"], &[], [Some(1), Some(2), None]),
        (&["red", "green", "blue", "NDVI"], &[], [Some(1), Some(0), None]),
        (&["", "", ""], &[Red, Green, Blue], [Some(1), Some(0), None]),
        (&["", "", "", ""], &[Red, Green, Blue, Alpha], [Some(1), Some(0), None]),
        (
            &["Band 1", "Band 2", "Band 3"],
            &[Red, Green, Blue],
            [Some(1), Some(0), None],
        ),
        (&["B05", "B06", "B07", "B11", "B12"], &[], [None, None, None]),
    ];
    for (names, colors, expected) in cases {
        let guess = guess_with(names, colors);
        assert_eq!(
            (guess.bands.as_slice(), guess.certainty),
            (&expected[..], Certainty::Unknown),
            "{names:?} {guess:?}"
        );
        let error = guess.complete(&NEEDED).expect_err("a band is missing");
        assert_eq!(error.code(), "band_missing");
        assert!(
            error.to_string().contains("none of them is") && error.to_string().contains("--bands"),
            "{error}"
        );
    }
    // A band that nothing is known about may be the one.
    for (names, expected) in [
        (&["red", "green", "blue", ""][..], [1, 0, 3]),
        (&["blue", "", "", ""], [1, 2, 3]),
        (&["coastal", "", "", "", "", "", ""], [2, 3, 4]),
    ] {
        let guess = guess(names);
        assert_eq!(
            (&guess.bands, guess.certainty),
            (&some(expected), Certainty::Unknown),
            "{names:?}"
        );
        assert!(guess.reason.contains("which is"), "{guess:?}");
    }
}

#[test]
fn colours_say_which_are_red_and_green_and_opacity_that_holds_data_is_infrared() {
    use ColorInterpretation::{Alpha, Blue, Gray, Green, Red, Undefined};
    let likely = Certainty::Likely;
    type Case<'a> = (&'a [&'a str], &'a [ColorInterpretation], [usize; 3], Certainty);
    let cases: [Case<'_>; 6] = [
        // An aerial photograph.
        (&["", "", "", ""], &[Red, Green, Blue, Undefined], [1, 0, 3], likely),
        (
            &["", "", "", ""],
            &[Alpha, Gray, Undefined, Undefined],
            [1, 2, 3],
            likely,
        ),
        (
            &["", "", "", "", ""],
            &[Gray, Undefined, Undefined, Undefined, Alpha],
            [1, 2, 3],
            likely,
        ),
        // A name counts for more than a colour that was filled in by default.
        (
            &["B2", "B3", "B4", "B8"],
            &[Red, Green, Blue, Alpha],
            [1, 2, 3],
            Certainty::Named,
        ),
        (&["", "", "", "nir"], &[Red, Green, Blue, Alpha], [1, 0, 3], likely),
        (
            &["", "", "", "", ""],
            &[Red, Green, Blue, Undefined, Undefined],
            [1, 0, 3],
            Certainty::Unknown,
        ),
    ];
    for (names, colors, expected, certainty) in cases {
        let guess = guess_with(names, colors);
        assert_eq!(
            (&guess.bands, guess.certainty),
            (&some(expected), certainty),
            "{names:?} {colors:?} {}",
            guess.reason
        );
    }
    let names = owned(&["", "", "", ""]);
    let clues = BandClues {
        alpha_is_data: true,
        ..clues(&names, &[Red, Green, Blue, Alpha])
    };
    let guess = guess_bands(clues, &NEEDED).expect("enough bands");
    assert_eq!((&guess.bands, guess.certainty), (&some([1, 0, 3]), likely));
    assert!(
        guess.reason.contains("opacity") && guess.choices[1].bands == [1, 2, 3],
        "{guess:?}"
    );
}

#[test]
fn too_few_bands_are_refused() {
    let error = guess_bands(clues(&[None, None], &[]), &NEEDED).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the scene has 2 band(s), but the model needs 3: green, red, nir"
    );
}

mod by_values {
    use super::*;
    use pollster::block_on;
    use raremap_io::BytesSource;
    use raremap_scene::{Scene as _, TiffScene};
    use raremap_tiff::{Limits, OutputImage, OutputSamples, Window, encode_geotiff};

    /// Ground of plants, soil and water, in reflectances x 10,000 of each colour.
    fn scene(names: &[&str], colors: &[&str]) -> TiffScene<BytesSource> {
        let plane = |color: &&str| -> Vec<u16> {
            let of = |(plants, soil, water): (f32, f32, f32)| {
                move |pixel: usize| {
                    let noise = (pixel * 7919 % 61) as f32 / 61.0;
                    let light = 0.9 + 0.2 * noise;
                    let value = match pixel / 7 % 10 {
                        0..5 => plants,
                        5..8 => soil * (0.6 + 0.2 * (pixel % 5) as f32),
                        _ => water,
                    };
                    (value * light) as u16
                }
            };
            let value = of(match *color {
                "blue" => (300.0, 1000.0, 500.0),
                "green" => (600.0, 1300.0, 550.0),
                "red" => (350.0, 1700.0, 350.0),
                "nir" => (3500.0, 2300.0, 120.0),
                _ => (1600.0, 2900.0, 60.0),
            });
            (0..40 * 40).map(value).collect()
        };
        let planes: Vec<Vec<u16>> = colors.iter().map(plane).collect();
        let image = OutputImage {
            width: 40,
            height: 40,
            samples: OutputSamples::U16 {
                bands: planes.iter().map(Vec::as_slice).collect(),
            },
            nodata: None,
            color_table: None,
            band_names: names.iter().map(|name| (*name).to_owned()).collect(),
            metadata: vec![],
        };
        let bytes = encode_geotiff(&image, None).expect("a small image");
        block_on(TiffScene::open(BytesSource::new(bytes), Limits::default())).expect("a small image")
    }

    #[test]
    fn plants_and_water_tell_near_infrared() {
        const NAMES: [&str; 4] = ["B2", "B3", "B4", "B5"];
        for (colors, expected) in [
            (["blue", "green", "red", "nir"], [1, 2, 3]),
            (["green", "red", "nir", "swir1"], [0, 1, 2]),
        ] {
            let guess = block_on(guess_scene_bands(&scene(&NAMES, &colors), &NEEDED)).expect("a guess");
            assert_eq!(
                (&guess.bands, guess.certainty),
                (&some(expected), Certainty::Likely),
                "{guess:?}"
            );
            assert!(guess.reason.contains("The values suggest"), "{guess:?}");
            assert_eq!(guess.choices.len(), 2);
        }
        let flat = block_on(guess_scene_bands(&scene(&NAMES, &["red"; 4]), &NEEDED)).expect("a guess");
        assert_eq!((flat.certainty, flat.bands), (Certainty::Unknown, some([1, 2, 3])));
    }

    /// Bands of a real image as a scene with the names that Landsat 8 and LISS share.
    fn real(bytes: Vec<u8>, bands: [usize; 4]) -> TiffScene<BytesSource> {
        let image = block_on(TiffScene::open(BytesSource::new(bytes), Limits::default())).expect("an image");
        let info = image.scene_info();
        let (width, height) = (info.width, info.height);
        let window = Window {
            x: 0,
            y: 0,
            width,
            height,
        };
        let samples = block_on(image.read_window(window, &bands)).expect("samples");
        let output = OutputImage {
            width,
            height,
            samples: OutputSamples::F32 {
                bands: samples.values.chunks_exact(samples.valid.len()).collect(),
            },
            nodata: None,
            color_table: None,
            band_names: ["B2", "B3", "B4", "B5"].map(str::to_owned).into(),
            metadata: vec![],
        };
        let bytes = encode_geotiff(&output, None).expect("an image");
        block_on(TiffScene::open(BytesSource::new(bytes), Limits::default())).expect("an image")
    }

    #[test]
    fn values_decide_on_real_scenes() {
        let root = std::env::var("RAREMAP_DATA").unwrap_or_else(|_| "../../../shared/data".to_owned());
        let Ok(images) = std::fs::read_dir(format!("{root}/water12/images")) else {
            println!("skipped: {root}/water12 is not there (RAREMAP_DATA names the folder with real files)");
            return;
        };
        let (mut cases, mut decided, mut wrong) = (0, 0, 0);
        for image in images {
            let bytes = std::fs::read(image.expect("a file").path()).expect("an image");
            // Coastal, blue, green, red, near infrared, two of short-wave infrared.
            for (bands, truth) in [([1, 2, 3, 4], [1, 2, 3]), ([2, 3, 4, 5], [0, 1, 2])] {
                let guess = block_on(guess_scene_bands(&real(bytes.clone(), bands), &NEEDED)).expect("a guess");
                cases += 1;
                if guess.certainty == Certainty::Likely {
                    decided += 1;
                    wrong += usize::from(guess.bands != some(truth));
                }
            }
        }
        println!("{decided} of {cases} decided, {wrong} wrongly");
        assert!(
            wrong * 50 <= decided && decided * 3 >= cases * 2,
            "{decided} of {cases} decided, {wrong} wrongly"
        );
    }
}

#[test]
fn bands_are_called_what_the_file_says_they_are_and_nothing_else() {
    let of = |described: &str, names: &[&str]| {
        let described = [described.to_owned()];
        let names = owned(names);
        let clues = BandClues {
            described: &described,
            ..clues(&names, &[])
        };
        common_names(clues)
            .into_iter()
            .map(|name| name.unwrap_or("-"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let sentinel = ["B2", "B3", "B4", "B8", "B8A", "B11", "B12"];
    assert_eq!(of("", &sentinel), "blue green red nir - swir1 swir2");
    // The numbers of one sensor are other bands of another.
    assert_eq!(
        of("LC08_L2SP_199024_20200801.tif", &["B2", "B5", "B6", "B7"]),
        "blue nir swir1 swir2"
    );
    assert_eq!(
        of("", &["Blue", "Green", "Red", "Near Infrared", "SWIR 1", "swir22"]),
        "blue green red nir swir1 swir2"
    );
    assert_eq!(of("", &["", "", ""]), "- - -");
    assert_eq!(of("", &["Band 1", "Band 2", "Band 3"]), "- - -");
}
