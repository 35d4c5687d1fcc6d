//! The value that marks pixels without data, as GDAL writes it: text, in no particular spelling.

use crate::samples::SampleType;

/// Parses the text of the GDAL_NODATA tag; `None` where it is no number.
pub(crate) fn parse_nodata(text: &[u8]) -> Option<f64> {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    // Rust knows "nan", "inf" and "-inf" in any case; C libraries also print "-nan", "nan(ind)", "1.#QNAN".
    let lower = text.to_ascii_lowercase();
    if lower.trim_start_matches(['-', '+']).starts_with("nan") || lower.contains("#qnan") || lower.contains("#ind") {
        return Some(f64::NAN);
    }
    text.parse().or_else(|_| text.replace(',', ".").parse()).ok()
}

/// What `nodata` is once stored as a sample of this type.
///
/// Text such as `-3.4028234663852886e+38` or `0.1` stands for the nearest 32-bit float in a 32-bit file; values beyond
/// its range (`-1.79e308`) stand for the largest one, as GDAL reads them. Integers that the type cannot hold match
/// nothing, by comparing as they are.
pub(crate) fn stored_nodata(nodata: f64, sample_type: SampleType) -> f64 {
    match sample_type {
        SampleType::F16 | SampleType::F32 if nodata.is_finite() => f64::from((nodata as f32).clamp(f32::MIN, f32::MAX)),
        _ => nodata,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read() {
        for (text, value) in [
            ("-9999", -9999.0),
            ("-9999.0 ", -9999.0),
            ("0\0", 0.0),
            (" 255", 255.0),
            ("-1.79e308", -1.79e308),
            ("0,5", 0.5),
        ] {
            assert_eq!(parse_nodata(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["nan", "NaN", "-nan", "nan(ind)", "-1.#IND", "1.#QNAN"] {
            assert!(parse_nodata(text.as_bytes()).is_some_and(f64::is_nan), "{text}");
        }
        for text in ["", "none", "\u{e9}"] {
            assert_eq!(parse_nodata(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn nodata_is_rounded_to_the_files_own_type() {
        assert_eq!(stored_nodata(0.1, SampleType::F32), f64::from(0.1f32));
        assert_eq!(stored_nodata(0.1, SampleType::F64), 0.1);
        assert_eq!(stored_nodata(-1.79e308, SampleType::F32), f64::from(f32::MIN));
        assert_eq!(stored_nodata(-3.4e38, SampleType::F32), f64::from(-3.4e38f32));
        assert_eq!(stored_nodata(-9999.0, SampleType::U8), -9999.0);
    }
}
