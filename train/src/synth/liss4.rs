//! Writes a scene as a LISS-IV product is delivered: one file of digital numbers per band, and a text file of metadata.
//!
//! Keys and layout of `BAND_META.txt` are those of products of Resourcesat-2 and 2A, down to `SunAziumthAtCenter`.

use std::f64::consts::PI;

/// Files of the bands, in the order green, red, near infrared.
pub const FILES: [&str; 3] = ["BAND2.tif", "BAND3.tif", "BAND4.tif"];
/// The metadata's file.
pub const METADATA: &str = "BAND_META.txt";
/// Name of the product, and of its folder in a zip.
pub const PRODUCT_ID: &str = "RAF06MAY2026000000009900063SSANSTUC00GTDD";

/// Radiance of the largest number, in mW / (cm2 sr um), and mean solar irradiance outside the atmosphere, in W / (m2 um).
const CALIBRATION: [(f64, f64); 3] = [(52.0, 1818.9), (47.0, 1569.6), (31.5, 1104.8)];
/// Numbers up to the largest radiance: 10 bits.
const LEVELS: f64 = 1024.0;
const SUN_ELEVATION_DEG: f64 = 50.0;
/// 6 May.
const SUN_DISTANCE_AU: f64 = 1.00842;

/// Digital numbers of reflectances.
pub struct Calibration {
    tables: [Vec<u16>; 3],
}

impl Calibration {
    /// Numbers for reflectance x 10,000, from 0 (nodata, which stays 0) to 16,000.
    pub fn new() -> Self {
        let sine = SUN_ELEVATION_DEG.to_radians().sin();
        let table = |(most_radiance, irradiance): (f64, f64)| {
            let number = |reflectance: u16| {
                let reflectance = f64::from(reflectance) / 10_000.0;
                let radiance_w = reflectance * irradiance * sine / (PI * SUN_DISTANCE_AU * SUN_DISTANCE_AU);
                // 1 mW / cm2 is 10 W / m2.
                (radiance_w / 10.0 / most_radiance * LEVELS)
                    .round()
                    .clamp(1.0, LEVELS - 1.0) as u16
            };
            std::iter::once(0).chain((1..=16_000).map(number)).collect()
        };
        Self {
            tables: CALIBRATION.map(table),
        }
    }

    /// The number of a band (0 green, 1 red, 2 near infrared) at a reflectance x 10,000.
    pub fn number(&self, band: usize, reflectance: u16) -> u16 {
        let table = &self.tables[band];
        table[usize::from(reflectance).min(table.len() - 1)]
    }
}

/// What `BAND_META.txt` says about a scene of this size, on a UTM grid.
pub fn metadata(width_px: usize, height_px: usize, pixel_m: f64, epsg: u16) -> String {
    let zone = epsg % 100;
    let mut lines: Vec<(&str, String)> = [
        ("ProductID", PRODUCT_ID),
        ("OTSProductID", PRODUCT_ID),
        ("SatID", "IRS-R2A"),
        ("Sensor", "L4FX"),
        ("SubScene", "A"),
        ("GenAgency", "SYNTHETIC"),
        ("Path", "099"),
        ("Row", "063"),
        ("DateOfPass", "06-MAY-2026"),
        ("NoOfBands", "3"),
        ("BandNumbers", "234"),
        ("PassType", "ASCENDING"),
        ("BytesPerPixel", "2"),
        ("BitsPerPixel", "10"),
        ("ProdType", "STANDARD"),
        ("InputResolutionAlong", "5.80"),
        ("InputResolutionAcross", "5.80"),
    ]
    .map(|(key, value)| (key, value.to_owned()))
    .to_vec();
    lines.extend([
        ("OutputResolutionAlong", format!("{pixel_m:.2}")),
        ("OutputResolutionAcross", format!("{pixel_m:.2}")),
        ("ImageFormat", "GEOTIFF".to_owned()),
        ("ProcessingLevel", "STD".to_owned()),
        ("ResampCode", "CC".to_owned()),
        ("NoScans", height_px.to_string()),
        ("NoPixels", width_px.to_string()),
        ("StartPixel", "1".to_owned()),
        ("MapProjection", "UTM".to_owned()),
        ("Ellipsoid", "WGS_84".to_owned()),
        ("Datum", "WGS84".to_owned()),
        ("ZoneNo", zone.to_string()),
        ("SceneCenterTime", "06-MAY-2026 05:24:31.482739".to_owned()),
        ("SunAziumthAtCenter", "131.000000".to_owned()),
        ("SunElevationAtCenter", format!("{SUN_ELEVATION_DEG:.6}")),
        ("IncidenceAngle", "0.000000".to_owned()),
        ("Tiltangle", "0.000000".to_owned()),
    ]);
    let bands = [["B2_Lmin", "B2_Lmax"], ["B3_Lmin", "B3_Lmax"], ["B4_Lmin", "B4_Lmax"]];
    for ([least, most], (most_radiance, _)) in bands.into_iter().zip(CALIBRATION) {
        lines.push((least, "0.0000".to_owned()));
        lines.push((most, format!("{most_radiance:.4}")));
    }
    let text = |(key, value): &(&str, String)| format!("{key}= {value}\r\n");
    lines.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_give_the_reflectance_back_by_the_texts_own_figures() {
        let calibration = Calibration::new();
        let text = metadata(16_000, 17_000, 5.0, 32644);
        let value = |key: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}=")));
            line.expect(key).trim().parse().expect("a number")
        };
        assert_eq!(
            (value("NoScans"), value("NoPixels"), value("ZoneNo")),
            (17_000.0, 16_000.0, 44.0)
        );
        let sine = value("SunElevationAtCenter").to_radians().sin();
        for (band, key) in ["B2_Lmax", "B3_Lmax", "B4_Lmax"].into_iter().enumerate() {
            for reflectance in [300, 900, 2500, 4000] {
                let number = f64::from(calibration.number(band, reflectance));
                let radiance_w = number / 1024.0 * value(key) * 10.0;
                let found = PI * radiance_w * 1.00842f64.powi(2) / (CALIBRATION[band].1 * sine) * 10_000.0;
                assert!(
                    (found - f64::from(reflectance)).abs() < 8.0,
                    "band {band}: {found}, not {reflectance}"
                );
            }
            assert_eq!((calibration.number(band, 0), calibration.number(band, 1)), (0, 1));
            assert!(calibration.number(band, 16_000) <= 1023);
        }
    }
}
