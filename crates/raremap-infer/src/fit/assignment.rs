//! Reads which band of the scene is which, as a person states it.

use raremap_model::Card;
use raremap_scene::{Product, Scene};

use crate::error::InferError;
use crate::fit::bands::check_count;

/// Reads an assignment such as `green=2,red=3,nir=4`. Bands count from 1, as in GDAL, or are named by their file if it has only one band.
/// `files` has the file of each band. Returns the scene's band, from 0, for each of the card's [scene bands](Card::scene_bands); an optional
/// one that is not given is `None`.
///
/// # Errors
/// [`InferError::Misuse`] that names the wrong part, and [`InferError::TooFewBands`].
pub fn parse_bands(text: &str, files: &[&str], card: &Card) -> Result<Vec<Option<usize>>, InferError> {
    let (band_count, needed, optional) = (files.len(), card.scene_bands(), card.optional_bands());
    check_count(band_count, &card.required_bands())?;
    let wrong = |message: String| InferError::Misuse(format!("bands {text:?}: {message}"));
    let mut bands = vec![None; needed.len()];
    for part in text.split(',') {
        let (name, number) = part
            .split_once('=')
            .ok_or_else(|| wrong(format!("{part:?} is not NAME=NUMBER or NAME=FILE")))?;
        let (name, number) = (name.trim(), number.trim());
        let position = needed.iter().position(|needed| needed.eq_ignore_ascii_case(name));
        let position = position.ok_or_else(|| {
            wrong(format!(
                "the model has no band {name:?}; its bands are {}",
                needed.join(", ")
            ))
        })?;
        let band = number
            .parse::<usize>()
            .ok()
            .filter(|band| (1..=band_count).contains(band))
            .map(|band| band - 1)
            .or_else(|| band_of_file(number, files));
        let band = band.ok_or_else(|| {
            wrong(format!(
                "{name} is {number}, but the scene's bands are 1 to {band_count}"
            ))
        })?;
        if bands[position].replace(band).is_some() {
            return Err(wrong(format!("{name} is given twice")));
        }
    }
    let missing = needed
        .iter()
        .zip(&bands)
        .find(|(name, band)| band.is_none() && !optional.contains(*name))
        .map(|(name, _)| *name);
    match missing {
        Some(name) => Err(wrong(format!("{name} is missing"))),
        None => Ok(bands),
    }
}

/// Refuses a product that lacks a band which the model needs: every band of a product has a name, so another one in its place would be
/// wrong.
///
/// This is for scenes whose bands nobody assigned; what [`parse_bands`] reads is taken as stated.
///
/// # Errors
/// [`InferError::Misuse`] that names the bands and their files.
pub fn refuse_missing_bands<S: Scene>(scene: &Product<S>, needed: &[&str]) -> Result<(), InferError> {
    let missing: Vec<String> = needed.iter().filter_map(|name| scene.missing_band(name)).collect();
    let verb = match missing.len() {
        0 => return Ok(()),
        1 => "is",
        _ => "are",
    };
    Err(InferError::Misuse(format!(
        "{} {verb} missing: add the file, or say which band is which",
        missing.join(", ")
    )))
}

/// The band of a file, by its name with or without extension, if no other band has that name.
fn band_of_file(name: &str, files: &[&str]) -> Option<usize> {
    let is_it = |file: &&str| {
        let stem = file.rsplit_once('.').map_or(*file, |(stem, _)| stem);
        file.eq_ignore_ascii_case(name) || stem.eq_ignore_ascii_case(name)
    };
    let mut found = files
        .iter()
        .enumerate()
        .filter(|(_, file)| is_it(file))
        .map(|(band, _)| band);
    found.next().filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests {
    use pollster::block_on;
    use raremap_io::BytesSource;
    use raremap_scene::{TiffScene, recognize};
    use raremap_tiff::{Limits, OutputImage, OutputSamples, encode_geotiff};

    use super::*;
    use crate::fit::statistics::tests::{card, optional};

    const NEEDED: [&str; 3] = ["green", "red", "nir"];

    #[test]
    fn assignments_are_read_in_any_order_and_errors_name_the_part() {
        let parse = |text: &str| parse_bands(text, &["scene.tif"; 4], &card());
        assert_eq!(parse("green=2,red=3,nir=4").expect("valid"), [1, 2, 3].map(Some));
        assert_eq!(parse(" nir = 1, RED=1,green=3").expect("valid"), [2, 0, 0].map(Some));
        for (text, part) in [
            ("green=2,red=3", "nir is missing"),
            ("green=2,red=3,nir=5", "1 to 4"),
            ("green=0,red=3,nir=4", "green is 0"),
            ("green=2,red=x,nir=4", "red is x"),
            ("green=2,red=3,nir=4,blue=1", "\"blue\""),
            ("green=2,green=3,nir=4", "twice"),
            ("green", "NAME=NUMBER"),
            ("", "NAME=NUMBER"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn optional_bands_need_not_be_given() {
        let card = optional(&["blue", "swir1"]);
        let parse = |text: &str| parse_bands(text, &["scene.tif"; 4], &card);
        assert_eq!(
            parse("green=2,red=3,nir=4,blue=1").expect("valid"),
            [Some(1), Some(2), Some(3), Some(0), None]
        );
        assert!(
            parse("green=2,red=3,swir1=4")
                .unwrap_err()
                .to_string()
                .contains("nir is missing")
        );
    }

    #[test]
    fn files_of_one_band_stand_for_it() {
        let files = ["BAND2.tif", "BAND3.tif", "BAND4.tif", "two.tif", "two.tif"];
        let parse = |text: &str| parse_bands(text, &files, &card());
        assert_eq!(
            parse("green=BAND3.tif,red=band2,nir=5").expect("valid"),
            [1, 0, 4].map(Some)
        );
        for text in ["green=two.tif,red=1,nir=2", "green=BAND5,red=1,nir=2"] {
            assert!(parse(text).unwrap_err().to_string().contains("1 to 5"), "{text}");
        }
    }

    #[test]
    fn a_band_that_a_product_lacks_is_refused_by_the_name_of_its_file() {
        let image = OutputImage {
            width: 2,
            height: 2,
            samples: OutputSamples::U8(&[1; 4]),
            nodata: None,
            color_table: None,
            band_names: vec![],
            metadata: vec![],
        };
        let bytes = encode_geotiff(&image, None).expect("a small image");
        let open = |files: [&str; 3]| -> Product<TiffScene<BytesSource>> {
            let recognized = recognize(&files).expect("a product");
            let source = async |_| Ok(BytesSource::new(bytes.clone()));
            block_on(Product::open(&recognized, source, &Limits::default())).expect("a product")
        };
        let refused = |files| refuse_missing_bands(&open(files), &NEEDED).map_err(|error| error.to_string());
        let error = refused(["BAND2.tif", "BAND4.tif", "BAND5.tif"]).expect_err("no red");
        assert!(error.starts_with("red (BAND3) is missing: "), "{error}");
        let error = refused(["B03.tif", "B11.tif", "B12.tif"]).expect_err("green alone");
        assert!(error.starts_with("red (B04), nir (B08) are missing: "), "{error}");
        assert_eq!(refused(["BAND2.tif", "BAND3.tif", "BAND4.tif"]), Ok(()));
        // Files that say nothing are left to guesses.
        assert_eq!(refused(["a.tif", "b.tif", "c.tif"]), Ok(()));
    }
}
