//! Turns stored numbers into reflectance, by what a product says about itself.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::kind::ProductKind;
use super::names::band_code;
use super::recognize::RecognizedProduct;

/// How the stored numbers of a product become reflectances: `reflectance = scale * stored + offset`, band by band.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Scale and offset of each band, in the order of [`RecognizedProduct::bands`].
    pub bands: Vec<[f64; 2]>,
    /// Whether this is the reflectance at the surface; otherwise it is that at the top of the atmosphere.
    pub is_surface: bool,
    /// Whether the stored numbers have 8 bits. If they have more, an image of 8 bits was stretched for display.
    pub is_of_8_bits: bool,
    /// Where the numbers come from, for people.
    pub origin: String,
}

/// Why there is no calibration, as a sentence for people.
pub type NotCalibrated = String;

/// Finds the calibration of a product; `metadata` is the text of its metadata file.
///
/// # Errors
/// What is missing, as a sentence for people; the numbers are then used as stored.
pub fn calibration(product: &RecognizedProduct, metadata: Option<&str>) -> Result<Calibration, NotCalibrated> {
    let codes: Option<Vec<String>> = product
        .bands
        .iter()
        .map(|band| band_code(product.kind, band.common?))
        .collect();
    let codes = codes.unwrap_or_default();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let missing = |file: &str| format!("The metadata file ({file}) is missing");
    match (product.kind, metadata) {
        (ProductKind::Liss, Some(text)) => liss(&codes, text),
        (ProductKind::Liss, None) => Err(missing("BAND_META.txt")),
        (ProductKind::Sentinel2, Some(text)) => sentinel_2(&codes, text),
        (ProductKind::Sentinel2, None) => Err(format!(
            "{}, which says whether 1000 is to be subtracted, as in products made since January 2022",
            missing("MTD_MSIL2A.xml or MTD_MSIL1C.xml")
        )),
        (ProductKind::Landsat8And9 | ProductKind::Landsat4To7, text) => landsat(product, &codes, text),
        // As the product's user guide has it: scaled by 0.0001, no offset, surface reflectance.
        (ProductKind::Harmonized, _) => Ok(Calibration {
            bands: vec![[1e-4, 0.0]; codes.len()],
            is_surface: true,
            is_of_8_bits: false,
            origin: "the scale of Harmonized Landsat Sentinel-2".to_owned(),
        }),
        (ProductKind::Other, _) => Err("The files are of no known product".to_owned()),
    }
}

/// Lines of `key = value`, with the group that Landsat's files put around them.
pub(super) fn key_values(text: &str) -> Vec<(String, String, String)> {
    let mut groups: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (
            key.trim().to_uppercase(),
            value.trim().trim_matches('"').trim().to_owned(),
        );
        match key.as_str() {
            "GROUP" => groups.push(value.to_uppercase()),
            "END_GROUP" => drop(groups.pop()),
            _ => found.push((groups.last().cloned().unwrap_or_default(), key, value)),
        }
    }
    found
}

fn number(values: &[(String, String, String)], groups: &[&str], key: &str) -> Result<f64, NotCalibrated> {
    let is_it = |(group, found, _): &&(String, String, String)| {
        found == key && (groups.is_empty() || groups.contains(&group.as_str()))
    };
    let value = values
        .iter()
        .find(is_it)
        .and_then(|(_, _, value)| value.parse::<f64>().ok());
    value
        .filter(|value| value.is_finite())
        .ok_or_else(|| format!("The metadata file does not give {key}"))
}

/// The sine of the sun's height above the horizon, which is the share that a horizontal surface receives.
fn sine_of_elevation(degrees: f64) -> Result<f64, NotCalibrated> {
    let sine = degrees.to_radians().sin();
    // If the sun is lower than 2 degrees, nothing reflects enough to be measured.
    if sine > 0.035 {
        Ok(sine)
    } else {
        Err(format!("The sun is {degrees} degrees above the horizon"))
    }
}

fn landsat(product: &RecognizedProduct, codes: &[&str], metadata: Option<&str>) -> Result<Calibration, NotCalibrated> {
    let all = |part: &str| product.bands.iter().all(|band| band.name.to_lowercase().contains(part));
    let any = |part: &str| product.bands.iter().any(|band| band.name.to_lowercase().contains(part));
    if all("sr_b") && any("_02_") {
        // Level 2 of collection 2 has one scale (Landsat 8-9 Collection 2 Level 2 Science Product Guide); its metadata repeat it.
        return Ok(Calibration {
            bands: vec![[2.75e-5, -0.2]; codes.len()],
            is_surface: true,
            is_of_8_bits: false,
            origin: "the scale of Landsat's collection 2, level 2".to_owned(),
        });
    }
    // Tiles of the US grid write SRB4.
    if any("sr_b") || any("_srb") {
        return Ok(Calibration {
            bands: vec![[1e-4, 0.0]; codes.len()],
            is_surface: true,
            is_of_8_bits: false,
            origin: "the scale of Landsat's collection 1, level 2".to_owned(),
        });
    }
    let text = metadata.ok_or("The metadata file (..._MTL.txt) is missing")?;
    let values = key_values(text);
    let groups = ["LEVEL1_RADIOMETRIC_RESCALING", "RADIOMETRIC_RESCALING"];
    let sine = sine_of_elevation(number(&values, &[], "SUN_ELEVATION")?)?;
    let bands = codes.iter().map(|code| {
        let of = |what: &str| number(&values, &groups, &format!("REFLECTANCE_{what}_BAND_{code}"));
        Ok([of("MULT")? / sine, of("ADD")? / sine])
    });
    Ok(Calibration {
        bands: bands.collect::<Result<_, NotCalibrated>>()?,
        is_surface: false,
        // TM and ETM+ measure in 8 bits.
        is_of_8_bits: product.kind == ProductKind::Landsat4To7,
        origin: "the rescaling and the sun's elevation in MTL.txt".to_owned(),
    })
}

/// The text of the first XML element of this name, and with this attribute where one is given; `None` if it holds other elements first.
pub(super) fn element(xml: &str, name: &str, attribute: Option<(&str, &str)>) -> Option<String> {
    let mut reader = Reader::from_str(xml);
    let is_it = |start: &BytesStart<'_>| {
        let has = |(key, value): (&str, &str)| {
            // Searching for duplicate names would take quadratic time.
            let mut attributes = start.attributes();
            let mut attributes = attributes.with_checks(false).flatten();
            attributes.any(|attribute| attribute.key.as_ref() == key && attribute.value == value)
        };
        start.local_name().as_ref() == name && attribute.is_none_or(has)
    };
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if is_it(&start) => break,
            Event::Eof => return None,
            _ => {}
        }
    }
    match reader.read_event().ok()? {
        Event::Text(text) => Some(text.trim().to_owned()),
        _ => None,
    }
}

fn sentinel_2(codes: &[&str], xml: &str) -> Result<Calibration, NotCalibrated> {
    /// Codes in the order of the metadata's `band_id`.
    const BAND_IDS: [&str; 13] = [
        "01", "02", "03", "04", "05", "06", "07", "08", "8a", "09", "10", "11", "12",
    ];
    let parse = |text: String| text.parse::<f64>().ok().filter(|value| value.is_finite());
    let surface = element(xml, "BOA_QUANTIFICATION_VALUE", None).and_then(parse);
    let quantification = surface.or_else(|| element(xml, "QUANTIFICATION_VALUE", None).and_then(parse));
    let quantification = quantification
        .filter(|value| *value > 0.0)
        .ok_or("The metadata file gives no quantification value")?;
    let name = if surface.is_some() {
        "BOA_ADD_OFFSET"
    } else {
        "RADIO_ADD_OFFSET"
    };
    let has_offsets = element(xml, name, None).is_some();
    let bands = codes.iter().map(|code| {
        let id = BAND_IDS
            .iter()
            .position(|known| known == code)
            .ok_or_else(|| format!("Band {code} is unknown"))?;
        // Products of before baseline 04.00 have none.
        let offset = if has_offsets {
            let offset = element(xml, name, Some(("band_id", &id.to_string()))).and_then(parse);
            offset.ok_or_else(|| format!("The metadata file gives no {name} for band {code}"))?
        } else {
            0.0
        };
        Ok([1.0 / quantification, offset / quantification])
    });
    Ok(Calibration {
        bands: bands.collect::<Result<_, NotCalibrated>>()?,
        is_surface: surface.is_some(),
        is_of_8_bits: false,
        origin: if has_offsets {
            format!("the quantification value and {name} in the metadata file")
        } else {
            "the quantification value in the metadata file".to_owned()
        },
    })
}

/// Solar irradiance at the top of the atmosphere, in mW / (cm2 um): bands 2 to 5.
///
/// As cited from ISRO's report "At-sensor solar exo-atmospheric irradiance, Rayleigh optical thickness and spectral parameters of RS-2
/// sensors"; values in use for the same sensor differ by up to 6%.
const LISS_4_ESUN: &[(&str, f64)] = &[("2", 181.89), ("3", 156.96), ("4", 110.48)];
const LISS_3_ESUN: &[(&str, f64)] = &[("2", 181.83), ("3", 155.92), ("4", 108.96), ("5", 24.38)];
/// Stored numbers up to the saturation radiance: 10 bits.
const LISS_LEVELS: f64 = 1024.0;

fn liss(codes: &[&str], text: &str) -> Result<Calibration, NotCalibrated> {
    let values = key_values(text);
    let word = |key: &str| {
        values
            .iter()
            .find(|(_, found, _)| found == key)
            .map(|(_, _, value)| value.to_uppercase())
    };
    let letters = |text: Option<String>| {
        text.unwrap_or_default()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
    };
    let (satellite, sensor) = (letters(word("SATID")), letters(word("SENSOR")));
    let has = |names: &[&str]| names.iter().any(|name| sensor.contains(name));
    let irradiance = match (
        satellite.contains("P6"),
        has(&["L4", "LISS4", "LISSIV"]),
        has(&["L3", "LISS3", "LISSIII"]),
    ) {
        (false, true, _) => LISS_4_ESUN,
        (false, false, true) => LISS_3_ESUN,
        _ => {
            return Err(format!(
                "No solar irradiance is known here for sensor {sensor:?} of satellite {satellite:?}"
            ));
        }
    };
    if number(&values, &[], "BITSPERPIXEL").is_ok_and(|bits| bits < 10.0) {
        return Err("The numbers have fewer than 10 bits, and the metadata do not say what they stand for".to_owned());
    }
    let sine = sine_of_elevation(number(&values, &[], "SUNELEVATIONATCENTER")?)?;
    let day = word("DATEOFPASS")
        .and_then(|date| day_of_year(&date))
        .ok_or("The metadata file does not give DateOfPass")?;
    // Of the sun, in astronomical units.
    let distance = 1.0 - 0.01672 * (0.9856 * (day - 4.0)).to_radians().cos();
    let bands = codes.iter().map(|code| {
        let known = irradiance
            .iter()
            .find(|(band, _)| band == code)
            .map(|(_, irradiance)| *irradiance);
        let irradiance = known.ok_or_else(|| format!("No solar irradiance is known here for band {code}"))?;
        let saturation = number(&values, &[], &format!("B{code}_LMAX"))
            .or_else(|_| number(&values, &[], &format!("B{code}SATURATIONRADIANCE")))?;
        let least = number(&values, &[], &format!("B{code}_LMIN")).unwrap_or(0.0);
        let reflectance = std::f64::consts::PI * distance * distance / (irradiance * sine);
        Ok([(saturation - least) / LISS_LEVELS * reflectance, least * reflectance])
    });
    Ok(Calibration {
        bands: bands.collect::<Result<_, NotCalibrated>>()?,
        is_surface: false,
        is_of_8_bits: false,
        origin: "the saturation radiance, the sun's elevation and the date in BAND_META.txt".to_owned(),
    })
}

/// Year, month and day, from 1, of a date such as `16-MAY-2025`.
pub(super) fn calendar_day(date: &str) -> Option<[u32; 3]> {
    const MONTHS: [&str; 12] = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ];
    let date = date.to_uppercase();
    let mut parts = date.split(['-', ' ', '/']);
    let day: u32 = parts.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = parts.next()?;
    let year: u32 = parts.next()?.parse().ok().filter(|year| *year <= 9999)?;
    let month = MONTHS.iter().zip(1..).find(|(name, _)| month.starts_with(*name))?.1;
    Some([year, month, day])
}

/// Of a date such as `16-MAY-2025`, counted from 1.
fn day_of_year(date: &str) -> Option<f64> {
    const DAYS_BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let [year, month, day] = calendar_day(date)?;
    let before = DAYS_BEFORE.get(month as usize - 1)?;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    Some(f64::from(before + day + u32::from(is_leap && month > 2)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::recognize;

    fn product(paths: &[&str]) -> RecognizedProduct {
        recognize(paths).expect("a product")
    }

    fn close(found: [f64; 2], expected: [f64; 2]) -> bool {
        found
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs().max(1e-6))
    }

    const LISS: &str = "OTSProductID= 1\nSatID= IRS-R2A\nSensor= L4FX\nDateOfPass= 16-MAY-2025\nBitsPerPixel= 10\n\
        SunElevationAtCenter= 30.0\nB2_Lmin= 0.0\nB2_Lmax= 52.0\nB3_Lmin= 0\nB3_Lmax= 47.0\nB4_Lmax= 31.5\n";

    #[test]
    fn liss_numbers_become_reflectance_at_the_top_of_the_atmosphere() {
        let bands = product(&["BAND2.tif", "BAND3.tif", "BAND4.tif"]);
        let found = calibration(&bands, Some(LISS)).expect("all that it takes");
        // Day 136: the sun is 1.0110 units away. 1024 in green: pi * 52 * 1.0110^2 / (181.89 * 0.5).
        let distance = 1.0 - 0.01672 * (0.9856f64 * 132.0).to_radians().cos();
        assert!((distance - 1.0108).abs() < 5e-4, "{distance}");
        let green = std::f64::consts::PI * 52.0 * distance * distance / (181.89 * 0.5) / 1024.0;
        assert!(
            close(found.bands[0], [green, 0.0]) && (green * 1024.0 - 1.836).abs() < 5e-3,
            "{found:?}"
        );
        assert!(!found.is_surface && found.bands.len() == 3);
        for (from, to, part) in [
            ("SunElevationAtCenter= 30.0", "", "SUNELEVATIONATCENTER"),
            ("16-MAY-2025", "yesterday", "DateOfPass"),
            ("L4FX", "AWIFS", "AWIFS"),
            ("IRS-R2A", "IRS-P6", "IRSP6"),
            ("B3_Lmax= 47.0", "B3_Lmax= much", "B3SATURATIONRADIANCE"),
            ("= 30.0", "= -3", "-3 degrees"),
            ("BitsPerPixel= 10", "BitsPerPixel= 8", "fewer than 10 bits"),
        ] {
            let why = calibration(&bands, Some(&LISS.replace(from, to))).expect_err(part);
            assert!(why.contains(part), "{why}");
        }
        assert!(
            calibration(&bands, None)
                .expect_err("no file")
                .contains("BAND_META.txt")
        );
    }

    #[test]
    fn landsat_levels_have_their_own_scales() {
        let level_2 = product(&["LC08_L2SP_199024_20200801_20200908_02_T1_SR_B4.TIF"]);
        let found = calibration(&level_2, None).expect("a fixed scale");
        assert!(found.is_surface && close(found.bands[0], [2.75e-5, -0.2]));
        let level_1 = product(&["LT05_L1TP_199024_19900801_20200908_02_T1_B3.TIF"]);
        let text = "GROUP = LANDSAT_METADATA_FILE\n  GROUP = IMAGE_ATTRIBUTES\n    SUN_ELEVATION = 30.0\n  END_GROUP = IMAGE_ATTRIBUTES\n\
            GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS\n    REFLECTANCE_MULT_BAND_3 = 2.75e-05\n  END_GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS\n\
            GROUP = LEVEL1_RADIOMETRIC_RESCALING\n    REFLECTANCE_MULT_BAND_3 = 2.1E-03\n    REFLECTANCE_ADD_BAND_3 = -0.0034\n  END_GROUP = LEVEL1_RADIOMETRIC_RESCALING\n";
        let found = calibration(&level_1, Some(text)).expect("all that it takes");
        assert!(
            !found.is_surface && close(found.bands[0], [4.2e-3, -6.8e-3]),
            "{found:?}"
        );
        assert!(calibration(&level_1, None).expect_err("no file").contains("MTL.txt"));
        assert!(
            calibration(&level_1, Some("SUN_ELEVATION = 30"))
                .expect_err("no numbers")
                .contains("REFLECTANCE_MULT_BAND_3")
        );
    }

    #[test]
    fn sentinel_2_offsets_are_those_of_the_band() {
        let bands = product(&[
            "T32TQM_20230101T101319_B03_10m.tif",
            "T32TQM_20230101T101319_B8A_20m.tif",
        ]);
        let offsets: String = (0..13)
            .map(|id| format!("<BOA_ADD_OFFSET band_id=\"{id}\">-{}</BOA_ADD_OFFSET>\n", 1000 + id))
            .collect();
        let xml = format!("<BOA_QUANTIFICATION_VALUE unit=\"none\">10000</BOA_QUANTIFICATION_VALUE>{offsets}");
        let found = calibration(&bands, Some(&xml)).expect("all that it takes");
        assert!(
            found.is_surface && close(found.bands[0], [1e-4, -0.1002]) && close(found.bands[1], [1e-4, -0.1008]),
            "{found:?}"
        );
        let old = "<QUANTIFICATION_VALUE unit=\"none\">10000</QUANTIFICATION_VALUE>";
        let found = calibration(&bands, Some(old)).expect("all that it takes");
        assert!(!found.is_surface && close(found.bands[0], [1e-4, 0.0]));
        assert!(
            calibration(&bands, Some("<a/>")).is_err()
                && calibration(&bands, None).expect_err("none").contains("MTD_MSIL")
        );
        let some = "<QUANTIFICATION_VALUE>10000</QUANTIFICATION_VALUE><RADIO_ADD_OFFSET band_id=\"2\">-1000</RADIO_ADD_OFFSET>";
        assert!(calibration(&bands, Some(some)).expect_err("one of two").contains("8a"));
    }

    #[test]
    fn days_are_counted_through_leap_years() {
        assert_eq!(day_of_year("01-JAN-2025"), Some(1.0));
        assert_eq!(day_of_year("29-FEB-2024"), Some(60.0));
        assert_eq!(day_of_year("31-DEC-2024 05:12:05"), Some(366.0));
        assert_eq!(day_of_year("01-MAR-1900"), Some(60.0));
        for bad in ["", "40-JAN-2025", "01-FOO-2025", "01-JAN"] {
            assert_eq!(day_of_year(bad), None, "{bad}");
        }
    }
}
