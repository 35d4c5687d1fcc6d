//! Damaged weights files: whatever is altered or cut off, a typed error or a file comes back.

use std::collections::BTreeMap;
use std::path::Path;

use raremap_model::ModelFile;

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(Result::ok)
        .map(|entry| {
            (
                entry.file_name().display().to_string(),
                std::fs::read(entry.path()).expect("a file"),
            )
        })
        .collect();
    files.sort();
    files
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    files("../../fuzz/seeds/weights")
}

#[test]
fn seeds_are_read_or_refused_as_their_names_say() {
    let outcomes: BTreeMap<String, &str> = seeds()
        .into_iter()
        .map(|(name, bytes)| (name, crate::weights::weights(&bytes)))
        .collect();
    let expected = [
        ("double", "model_unsupported"),
        ("int8", "read"),
        ("int8-without-scale", "model_malformed"),
        ("of-another-version", "model_unsupported"),
        ("plain", "read"),
        ("without-golden", "model_malformed"),
    ];
    assert_eq!(
        outcomes,
        expected.map(|(name, outcome)| (name.to_string(), outcome)).into()
    );
}

#[test]
fn altered_bytes_of_a_header_and_truncations_are_survived() {
    let mut outcomes = BTreeMap::<&str, usize>::new();
    for (_, file) in seeds() {
        let header_bytes = 8 + u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
        for position in (0..header_bytes).step_by(3) {
            let byte = file[position];
            for value in [byte ^ 1, b'9', b'"', b'-'] {
                let mut damaged = file.clone();
                damaged[position] = value;
                *outcomes.entry(crate::weights::weights(&damaged)).or_default() += 1;
            }
        }
        for length in (0..file.len()).step_by(31) {
            *outcomes.entry(crate::weights::weights(&file[..length])).or_default() += 1;
        }
    }
    println!("{outcomes:?}");
    assert!(outcomes.len() >= 4, "{outcomes:?}");
}

/// A file with another tensor table, and the digest that fits it.
fn with_header(file: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
    let header = change(std::str::from_utf8(&file[8..8 + length]).expect("text"));
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        &file[8 + length..],
    ]
    .concat()
}

#[test]
fn shapes_whose_product_overflows_behind_an_empty_axis_are_refused() {
    let plain = &seeds()
        .into_iter()
        .find(|(name, _)| name == "plain")
        .expect("the seed")
        .1;
    let end = plain.len() - 8 - u64::from_le_bytes(plain[..8].try_into().expect("eight bytes")) as usize;
    for (dtype, axes) in [
        ("I8", "0,9223372036854775807,4,4"),
        ("F32", "0,9223372036854775807,4"),
        ("F32", "4,9223372036854775807,0"),
    ] {
        let forged = with_header(plain, |header| {
            let entry =
                format!("{{\"x.weight\":{{\"dtype\":\"{dtype}\",\"shape\":[{axes}],\"data_offsets\":[{end},{end}]}},");
            header.replacen('{', &entry, 1)
        });
        assert_eq!(crate::weights::weights(&forged), "model_malformed", "{dtype} [{axes}]");
    }
}

#[test]
fn a_card_with_a_hundred_thousand_bands_is_refused_soon() {
    let plain = &seeds()
        .into_iter()
        .find(|(name, _)| name == "plain")
        .expect("the seed")
        .1;
    let header = std::str::from_utf8(&plain[8..])
        .unwrap_or_else(|error| std::str::from_utf8(&plain[8..8 + error.valid_up_to()]).expect("text"));
    let at = header.find("\\\"bands\\\": [").expect("the card's bands") + "\\\"bands\\\": [".len();
    let scaling_at =
        header.find("\\\"value_scaling\\\": [").expect("the card's scaling") + "\\\"value_scaling\\\": [".len();
    assert!(at < scaling_at);
    let many = 30_000;
    let forged = with_header(plain, |header| {
        let bands: String = (0..many).map(|i| format!("{{\\\"name\\\":\\\"b{i}\\\"}},")).collect();
        let scaling = "{\\\"mean\\\":0.0,\\\"stddev\\\":1.0},".repeat(many);
        [
            &header[..at],
            &bands,
            &header[at..scaling_at],
            &scaling,
            &header[scaling_at..],
        ]
        .concat()
    });
    let started = std::time::Instant::now();
    let error = ModelFile::from_bytes(&forged).expect_err("one band is right");
    assert!(error.to_string().contains("30001"), "{error}");
    println!("{:?}", started.elapsed());
    assert!(
        started.elapsed() < std::time::Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn what_once_crashed_is_survived() {
    for (name, bytes) in files("tests/regressions") {
        println!("{name}: {}", crate::weights::weights(&bytes));
    }
}
