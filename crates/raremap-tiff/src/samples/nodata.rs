//! The value that marks pixels without data, which is text in a tag without a fixed spelling, and the samples that it marks.
//!
//! Both are as in GDAL (3.10), except for "-nan" and "nan(ind)", which GDAL reads as 0 and which mean NaN here.

use crate::samples::SampleType;

/// Parses the text of the GDAL_NODATA tag as C's `atof` does: as the number that it starts with, or 0 if it starts with none. `None` if the
/// text is empty.
pub(crate) fn parse_nodata(text: &[u8]) -> Option<f64> {
    // C text ends at its first NUL.
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(text).trim_start().to_ascii_lowercase();
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(&text)),
    };
    // C libraries also print NaN and infinity as "nan(ind)", "1.#QNAN", "-1.#IND", "1.#INF".
    if unsigned.starts_with("nan") || unsigned.starts_with("1.#qnan") || unsigned.starts_with("1.#ind") {
        return Some(f64::NAN);
    }
    if unsigned.starts_with("inf") || unsigned.starts_with("1.#inf") {
        return Some(sign * f64::INFINITY);
    }
    Some(sign * leading_number(unsigned))
}

/// The decimal number that the text starts with, or 0 if it starts with none; a comma may stand for the point.
fn leading_number(text: &str) -> f64 {
    let mut end = 0;
    let (mut has_point, mut has_exponent, mut has_digit) = (false, false, false);
    let mut previous = ' ';
    for character in text.chars() {
        let is_part = match character {
            '0'..='9' => {
                has_digit = true;
                true
            }
            '.' | ',' => !std::mem::replace(&mut has_point, true) && !has_exponent,
            'e' => has_digit && !std::mem::replace(&mut has_exponent, true),
            '+' | '-' => previous == 'e',
            _ => false,
        };
        if !is_part {
            break;
        }
        previous = character;
        end += character.len_utf8();
    }
    let mut number = text.get(..end).unwrap_or_default().replace(',', ".");
    // An exponent without digits does not count.
    while number.ends_with(['e', '+', '-']) {
        number.pop();
    }
    number.parse().unwrap_or(0.0)
}

/// Which stored samples are nodata.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StoredNodata {
    /// Samples from here...
    low: f64,
    /// ... to here, including both, are nodata; NaN if there are none (NaN samples are invalid anyway).
    high: f64,
    /// What blocks hold that are not stored.
    pub(crate) fill: f64,
}

impl StoredNodata {
    /// The nodata of a file without nodata.
    pub(crate) const NONE: Self = Self {
        low: f64::NAN,
        high: f64::NAN,
        fill: 0.0,
    };

    /// Whether any sample is nodata.
    pub(crate) fn marks_any(self) -> bool {
        !self.low.is_nan()
    }

    /// What `nodata` means for samples of this type.
    ///
    /// For an integer type, it is truncated, and marks nothing if it is out of the type's range. For a floating-point type, it is rounded
    /// to 32 bits if the samples have 32 bits, and marks what is equal within four units of 32-bit precision; values beyond the range
    /// (`-1.79e308`) stand for infinity, which is invalid anyway.
    pub(crate) fn new(nodata: f64, sample_type: SampleType) -> Self {
        if let Some((least, greatest)) = sample_type.integer_range() {
            // GDAL fills blocks that are not stored with the nearest value that the type has.
            let fill = if nodata.is_nan() {
                0.0
            } else {
                nodata.round().clamp(least, greatest)
            };
            if !(nodata >= least && nodata <= greatest) {
                return Self { fill, ..Self::NONE };
            }
            // The addition of 0 makes -0 positive.
            let value = nodata.trunc() + 0.0;
            return Self {
                low: value,
                high: value,
                fill,
            };
        }
        let value = if sample_type == SampleType::F64 {
            nodata
        } else {
            f64::from(nodata as f32)
        };
        if !value.is_finite() {
            return Self {
                fill: value,
                ..Self::NONE
            };
        }
        // |sample - value| < 2 e |sample + value|, solved for the sample; e is a 32-bit float's even for 64 bits.
        let relative = 2.0 * f64::from(f32::EPSILON);
        let (near, far) = (
            value * (1.0 - relative) / (1.0 + relative),
            value * (1.0 + relative) / (1.0 - relative),
        );
        let (mut low, mut high) = (near.min(far), near.max(far));
        // The sum of large values is infinite in GDAL, and then anything is near: this tells what -3.40282e+38 stands for.
        let (most, half_unit) = match sample_type {
            SampleType::F64 => (f64::MAX, 2f64.powi(970)),
            _ => (f64::from(f32::MAX), 2f64.powi(103)),
        };
        if value.abs() > most / 2.0 {
            // Values round to infinity from half a unit of the last place beyond the largest number.
            let least = most - value.abs() + half_unit;
            if value > 0.0 {
                (low, high) = (low.min(least), most);
            } else {
                (low, high) = (-most, high.max(-least));
            }
        }
        Self { low, high, fill: value }
    }

    /// Whether a sample is nodata by itself. A nodata value of 0 needs all bands to decide, because one band can measure 0.
    pub(crate) fn marks(self, sample: f64) -> bool {
        sample >= self.low && sample <= self.high
    }

    /// Whether it is 0.
    pub(crate) fn is_zero(self) -> bool {
        self.marks(0.0)
    }

    /// The same fill without marking anything, because something else decides.
    pub(crate) fn unmarked(self) -> Self {
        let fill = self.fill;
        Self { fill, ..Self::NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read() {
        for (text, value) in [
            ("-9999", -9999.0),
            (" -9999.0 ", -9999.0),
            ("0\0", 0.0),
            ("7\0 8", 7.0),
            ("7 8", 7.0),
            ("99abc", 99.0),
            ("1e+20", 1e20),
            ("1E1", 10.0),
            ("5e", 5.0),
            ("+255", 255.0),
            ("-1.79e308", -1.79e308),
            ("1e999", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("1.#INF", f64::INFINITY),
            ("0,5", 0.5),
            (".5", 0.5),
            ("0x10", 0.0),
            ("none", 0.0),
            (" ", 0.0),
            ("\u{e9}", 0.0),
        ] {
            assert_eq!(parse_nodata(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["nan", "NaN", "-nan", "nan(ind)", "-1.#IND", "1.#QNAN"] {
            assert!(parse_nodata(text.as_bytes()).is_some_and(f64::is_nan), "{text}");
        }
        for text in ["", "\0", "\x007"] {
            assert_eq!(parse_nodata(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn integers_are_marked_by_the_truncated_value_inside_their_range() {
        let byte = |nodata: f64| StoredNodata::new(nodata, SampleType::U8);
        assert!(byte(7.6).marks(7.0) && !byte(7.6).marks(8.0));
        assert_eq!(
            (byte(7.6).fill, byte(300.0).fill, byte(-9999.0).fill),
            (8.0, 255.0, 0.0)
        );
        for nodata in [256.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!((0..=255).all(|value| !byte(nodata).marks(f64::from(value))), "{nodata}");
        }
        assert!(byte(-0.0).is_zero() && byte(0.5).is_zero());
        assert!(StoredNodata::new(-9999.0, SampleType::I16).marks(-9999.0));
    }

    #[test]
    fn floats_are_marked_within_their_precision() {
        for sample_type in [SampleType::F32, SampleType::F64] {
            let nodata = StoredNodata::new(-9999.0, sample_type);
            assert!(nodata.marks(-9999.0) && nodata.marks(-9999.001) && !nodata.marks(-9999.01));
        }
        let smallest = StoredNodata::new(-3.4028234663852886e38, SampleType::F32);
        assert!(smallest.marks(f64::from(f32::MIN)) && !smallest.marks(0.0));
        assert!(StoredNodata::new(0.1, SampleType::F32).marks(f64::from(0.1f32)));
        assert!(StoredNodata::new(0.0, SampleType::F32).is_zero());
        assert!(!StoredNodata::new(1e-40, SampleType::F64).is_zero());
        let beyond = StoredNodata::new(-1.79e308, SampleType::F32);
        assert!(!beyond.marks(f64::from(f32::MIN)) && beyond.fill == f64::NEG_INFINITY);
        assert!(!StoredNodata::NONE.marks(f64::NAN));
    }

    /// As GDAL 3.10.3 masks these values.
    #[test]
    fn text_of_six_digits_marks_the_smallest_float() {
        type Cases<'a> = (SampleType, f64, &'a [f64], &'a [f64]);
        let smallest = f64::from(f32::MIN);
        let cases: [Cases<'_>; 5] = [
            (
                SampleType::F32,
                -3.40282e38,
                &[smallest, -3.402e38, -1e38, -1e33, -4e32],
                &[-3e32, -1e31, 0.0, 1.0],
            ),
            (
                SampleType::F32,
                smallest,
                &[smallest, -1e38, -1.1e31],
                &[-1e31, -1e30, 0.0],
            ),
            (
                SampleType::F32,
                2e38,
                &[-smallest, 2e38, 1.9e38, 1.41e38],
                &[1.4e38, 1e38, smallest],
            ),
            (
                SampleType::F64,
                -1.79769e308,
                &[f64::MIN, -1.7976e308, -1e308, -4e302],
                &[-3e302, -1e302, 0.0],
            ),
            (SampleType::F64, f64::MIN, &[f64::MIN, -1e308, -1e292], &[-1e291, 0.0]),
        ];
        for (sample_type, nodata, marked, others) in cases {
            let stored = StoredNodata::new(nodata, sample_type);
            let wrong = |expected: bool| move |sample: &&f64| stored.marks(**sample) != expected;
            assert_eq!(marked.iter().find(wrong(true)), None, "{nodata}");
            assert_eq!(others.iter().find(wrong(false)), None, "{nodata}");
        }
    }
}
