//! The weights file as a user meets it: whole, cut short, altered, of another kind.

use crate::support;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use raremap_model::{
    Architecture, Band, BandSource, Card, GoldenTile, ModelFile, Network, SceneTrait, SegformerConfig, Variant,
    WeightsError,
};
use raremap_model::{FORMATS, parameters_of, read_card};
use raremap_model::{Storage, storage_of};
use serde_json::json;

fn config() -> SegformerConfig {
    SegformerConfig {
        dims: [8, 8, 10, 16],
        depths: [1, 1, 1, 1],
        decoder_dim: 8,
        input_upsampling: 2,
        ..SegformerConfig::new(Variant::B0, 3, 3, 1)
    }
}

fn card() -> Card {
    support::card(config().into())
}

fn golden() -> GoldenTile {
    let zeros = |shape: [usize; 4]| TensorData::new(vec![0.5f32; shape.iter().product()], shape);
    GoldenTile {
        input: zeros([1, 3, 32, 32]),
        main: zeros([1, 3, 16, 16]),
        auxiliary: zeros([1, 1, 16, 16]),
    }
}

fn model() -> Network {
    let device = Device::flex();
    device.seed(5);
    Architecture::from(config()).init(&device)
}

fn file(int8: bool) -> Vec<u8> {
    ModelFile::from_model(&model(), card(), golden())
        .and_then(|file| file.to_bytes(int8))
        .expect("a file")
}

/// Where a file says its format.
fn format_at(file: &[u8], format: &str) -> Option<usize> {
    file.windows(format.len())
        .position(|window| window == format.as_bytes())
}

#[test]
fn the_card_comes_back_from_its_stac_item() {
    assert_eq!(Card::from_stac(&card().to_stac()).expect("valid"), card());
    let mut card = card();
    card.bands[1].optional = true;
    assert_eq!(Card::from_stac(&card.to_stac()).expect("valid"), card);
    assert_eq!(
        (card.required_bands(), card.optional_bands()),
        (vec!["green"], vec!["nir"])
    );
}

#[test]
fn channels_that_tell_the_network_what_is_known_come_back_and_are_not_bands_of_the_scene() {
    let of = |source: BandSource| {
        let mut card = card();
        card.bands[1].optional = true;
        card.bands[2] = Band {
            name: "known".into(),
            source,
            ..card.bands[2].clone()
        };
        card
    };
    let presence = |band: &str| BandSource::Presence { band: band.into() };
    for source in [
        presence("nir"),
        BandSource::Trait(SceneTrait::Picture),
        BandSource::Trait(SceneTrait::GroundResolution),
    ] {
        let card = of(source);
        assert_eq!(Card::from_stac(&card.to_stac()).expect("valid"), card);
        assert_eq!(card.scene_bands(), ["green", "nir"]);
        let without = card.without(&["nir"]);
        assert_eq!(without.bands[1].source, BandSource::Missing);
        assert_eq!(without.bands[2], card.bands[2], "it says that the band is missing");
    }
    for band in ["swir1", "green"] {
        let wrong = Card::from_stac(&of(presence(band)).to_stac()).expect_err("no optional band");
        assert!(matches!(wrong, WeightsError::Malformed(_)), "{wrong}");
    }
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut item = of(presence("nir")).to_stac();
        change(&mut item["properties"]["mlm:input"][0]["bands"][2]);
        Card::from_stac(&item).map_err(|error| error.to_string())
    };
    changed(&|_| {}).expect("valid");
    let refused = |change: &dyn Fn(&mut serde_json::Value)| changed(change).expect_err("of a later version");
    refused(&|band| band["raremap:trait"] = "picture".into());
    refused(&|band| *band = json!({ "name": "known", "raremap:trait": "season" }));
    let error = refused(&|band| *band = json!({ "name": "known", "expression": "anything" }));
    assert!(error.contains("this version does not know"), "{error}");
    let mut card = of(presence("nir"));
    let written = |card: &Card| {
        let file = ModelFile::from_model(&model(), card.clone(), golden()).and_then(|file| file.to_bytes(false));
        FORMATS.map(|format| format_at(&file.as_ref().expect("a file")[..], format).is_some())
    };
    assert_eq!(written(&card), [false, true], "older versions must not read it");
    card.bands[2].source = BandSource::NormalizedDifference {
        first: "green".into(),
        second: "nir".into(),
    };
    assert_eq!(written(&card), [true, false], "older versions can read it");
}

#[test]
fn a_float_file_gives_the_same_logits() {
    let device = Device::flex();
    // One model: its parameters are drawn on first use, in the order of use.
    let model = model();
    let bytes = ModelFile::from_model(&model, card(), golden())
        .and_then(|file| file.to_bytes(false))
        .expect("a file");
    let read = ModelFile::from_bytes(&bytes).expect("valid");
    assert_eq!((&read.card, &read.golden), (&card(), &golden()));
    let input = Tensor::<4>::random([1, 3, 32, 32], Distribution::Normal(0.0, 1.0), &device);
    let expected = model.forward(input.clone()).main;
    let found = read.build(&device).expect("builds").forward(input).main;
    let worst = (expected - found).abs().max().into_scalar::<f32>();
    assert!(worst < 1e-6, "largest difference {worst}");
}

#[test]
fn int8_weights_are_within_half_a_step() {
    let exact = parameters_of(&model()).expect("readable");
    let device = Device::flex();
    let read = ModelFile::from_bytes(&file(true))
        .expect("valid")
        .build_unfolded(&device)
        .expect("builds");
    let mut quantized = 0;
    for (name, data) in parameters_of(&read).expect("readable") {
        let expected = exact[&name].try_to_vec::<f32>().expect("f32");
        let found = data.try_to_vec::<f32>().expect("f32");
        let largest = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let tolerance = match storage_of(&name, data.shape()) {
            Storage::Float => 0.0,
            Storage::Int8 { .. } => largest / 127.0 * 0.5001,
        };
        quantized += usize::from(tolerance > 0.0);
        for (a, b) in expected.iter().zip(&found) {
            assert!((a - b).abs() <= tolerance, "{name}: {a} became {b}");
        }
    }
    assert!(quantized > 20, "{quantized} parameters are int8");
    assert!(file(true).len() < file(false).len());
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    assert_eq!(file(true), file(true));
}

#[test]
fn the_card_is_readable_from_the_files_first_bytes() {
    let bytes = file(true);
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    assert_eq!(read_card(&bytes[..8 + header]).expect("whole header"), card());
    assert!(matches!(
        read_card(&bytes[..7 + header]),
        Err(WeightsError::Truncated(_))
    ));
}

#[test]
fn every_cut_is_refused_as_truncated() {
    let bytes = file(true);
    for end in (0..bytes.len()).step_by(997).chain([bytes.len() - 1]) {
        let error = ModelFile::from_bytes(&bytes[..end]).expect_err("cut short");
        assert!(matches!(error, WeightsError::Truncated(_)), "{end} bytes: {error}");
    }
}

#[test]
fn a_forged_offset_is_refused_without_overflow() {
    let bytes = file(true);
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..end]).expect("JSON");
    header["golden.main"]["data_offsets"][1] = json!(u64::MAX);
    let header = header.to_string();
    let forged = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[end..]].concat();
    assert!(matches!(
        ModelFile::from_bytes(&forged),
        Err(WeightsError::Truncated(_))
    ));
}

#[test]
fn every_altered_byte_is_noticed() {
    let bytes = file(true);
    for at in (0..bytes.len()).step_by(101) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        assert!(ModelFile::from_bytes(&altered).is_err(), "byte {at}");
    }
    let last = bytes.len() - 1;
    let mut altered = bytes;
    altered[last] ^= 0x40;
    assert!(matches!(
        ModelFile::from_bytes(&altered),
        Err(WeightsError::Altered { .. })
    ));
}

#[test]
fn other_files_are_told_apart() {
    for bytes in [&b"II*\0\x08\0\0\0\0\0"[..], &[0xff; 64], b"{\"a\": 1, \"b\": 2}"] {
        assert!(matches!(ModelFile::from_bytes(bytes), Err(WeightsError::Malformed(_))));
    }
    assert!(matches!(ModelFile::from_bytes(b""), Err(WeightsError::Truncated(_))));
    let mut newer = file(false);
    let at = format_at(&newer, FORMATS[0]).expect("the format");
    newer[at + FORMATS[0].len() - 1] = b'9';
    assert!(matches!(
        ModelFile::from_bytes(&newer),
        Err(WeightsError::Unsupported(_))
    ));
}

#[test]
fn cards_that_contradict_themselves_are_refused() {
    let refused = |change: &dyn Fn(&mut Card)| {
        let mut wrong = card();
        change(&mut wrong);
        let error = Card::from_stac(&wrong.to_stac()).expect_err("contradicts itself");
        assert!(matches!(error, WeightsError::Malformed(_)), "{error}");
    };
    refused(&|card| card.bands[0].std = 0.0);
    refused(&|card| card.bands.truncate(2));
    refused(&|card| card.bands.iter_mut().for_each(|band| band.optional = true));
    refused(&|card| card.classes[1].name = "forest".into());
    refused(&|card| card.classes[2].value = 255);
    refused(&|card| card.rare_classes = vec!["snow".into()]);
    refused(&|card| card.tile_px = 100);
    let reshaped = |change: &dyn Fn(&mut SegformerConfig)| {
        let mut config = config();
        change(&mut config);
        Architecture::from(config)
    };
    refused(&|card| card.architecture = reshaped(&|config| config.dims[0] = 0));
    refused(&|card| card.architecture = reshaped(&|config| config.depths[3] = 1_000_000));
}
