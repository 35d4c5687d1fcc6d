//! How sensors number and name their bands: one table for files, folders and stacks.
//!
//! Sources, by sensor:
//! - Sentinel-2 MSI, Sentinel-3 OLCI: the mission user guides of ESA; the common names are those of STAC's `eo` extension.
//! - Landsat: USGS, *Landsat Collection 2 Level-1* and *Level-2 Data Product Definition*, and *What are the band designations for the Landsat
//!   satellites*. Band 6 of Landsat 4 to 7 and bands 10 and 11 of Landsat 8 and 9 are thermal; band 8 is panchromatic.
//! - HLS: NASA, *Harmonized Landsat Sentinel-2 Product User Guide*, 2.0, tables 5 and 6.
//! - LISS-III, LISS-IV, AWiFS: NRSC, *Resourcesat-2 Data User's Handbook*. They are numbered 2 to 5, like the colours of earlier sensors.
//! - MODIS: NASA, *MODIS Surface Reflectance User's Guide* (MOD09), and the BRDF products MCD43. VIIRS: *VIIRS Surface Reflectance User's Guide*.
//! - ASTER: NASA and METI, *ASTER Users Handbook*: 3N looks down, 3B backwards.
//! - PlanetScope, RapidEye: Planet, *Imagery Product Specification*. WorldView: Maxar, *Imagery Support Data*. SPOT 6, 7 and Pleiades: Airbus,
//!   *Imagery User Guide*: their numbers start with 0. SPOT 1 to 5: XS1 to XS3.
//! - CBERS-4, CBERS-4A, Amazonia-1: INPE's catalogue.
//! - MicaSense: *RedEdge User Manual*, by the order of its bands. NAIP: USDA, *NAIP Metadata*: red, green, blue, near infrared.

/// A sensor, or several whose bands are numbered alike.
#[derive(Debug, PartialEq, Eq)]
pub struct Sensor {
    /// Name for people.
    pub name: &'static str,
    /// Text before a code in the name of a band, in lower case and without separators: `b` of `B04`, `srb` of `SR_B4`.
    pub spellings: &'static [&'static str],
    /// Codes in lower case without leading zeros, with the common name of each: `4:red`.
    bands: &'static str,
    /// Sets of codes that are delivered together, separated by `|`. Numbers alone identify a sensor if one of its sets is complete.
    sets: &'static str,
    /// How codes below 10 are written: Landsat never writes `02`, and Sentinel-2's own files never have `2`.
    pub padding: Padding,
    /// Words in the names of files and folders and in metadata that identify it, in lower case. A word that ends with `*` is a prefix; `+`
    /// joins words that have to follow each other.
    words: &'static [&'static str],
}

/// Whether codes below 10 have a leading 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Never.
    Never,
    /// Sometimes.
    Either,
}

const NUMBERED: &[&str] = &["b", "band", "bd"];

/// All known sensors, the most common first.
pub static SENSORS: &[Sensor] = &[
    SENTINEL_2,
    LANDSAT_8,
    LANDSAT_4_TO_7,
    LISS,
    Sensor {
        name: "MODIS",
        spellings: &["surreflb", "nadirreflectanceband", "surreflday", "b", "band"],
        bands: "1:red 2:nir 3:blue 4:green 5:nir1240 6:swir1 7:swir2",
        sets: "1 2|1 2 3 4 5 6 7",
        padding: Padding::Either,
        words: &["modis", "mod09*", "myd09*", "mcd43*", "mod13*", "myd13*"],
    },
    Sensor {
        name: "VIIRS",
        spellings: &["surfreflecti", "nadirreflectancei", "sri", "i"],
        bands: "1:red 2:nir 3:swir1 4:thermal 5:thermal",
        sets: "1 2 3",
        padding: Padding::Never,
        words: &["viirs", "vnp*", "vj1*"],
    },
    Sensor {
        name: "VIIRS",
        spellings: &["surfreflectm", "nadirreflectancem", "srm", "m"],
        bands: "1:coastal 2:coastal 3:blue 4:green 5:red 6:rededge 7:nir 8:nir1240 9:cirrus 10:swir1 11:swir2 12:thermal 13:thermal \
                14:thermal 15:thermal 16:thermal",
        sets: "1 2 3 4 5 7 8 10 11",
        padding: Padding::Either,
        words: &["viirs", "vnp*", "vj1*"],
    },
    Sensor {
        name: "ASTER",
        spellings: &["imagedata", "vnirband", "vnirb", "swirband", "vnir", "b", "band", "v"],
        bands: "1:green 2:red 3n:nir 3b:backward 4:swir1 5:swir2 6:swir2 7:swir2 8:swir2 9:swir2 10:thermal 11:thermal 12:thermal \
                13:thermal 14:thermal",
        sets: "1 2 3n|1 2 3n 3b|1 2 3n 4 5 6 7 8 9",
        padding: Padding::Either,
        words: &["aster", "ast+l1t*", "ast+l1b*", "ast+07*"],
    },
    Sensor {
        name: "Sentinel-3 OLCI",
        spellings: &["oa"],
        bands: "1:coastal 2:coastal 3:coastal 4:blue 5:cyan 6:green 7:yellow 8:red 9:red2 10:red3 11:rededge1 12:rededge2 13:oxygen \
                14:oxygen 15:oxygen 16:rededge3 17:nir 18:nir2 19:nir3 20:nir09 21:nir4",
        sets: "",
        padding: Padding::Either,
        words: &["olci", "s3a*", "s3b*"],
    },
    Sensor {
        name: "PlanetScope",
        spellings: NUMBERED,
        bands: "1:blue 2:green 3:red 4:nir",
        sets: "1 2 3 4",
        padding: Padding::Never,
        words: &["planetscope", "psscene*", "analyticms", "psb", "ps2", "planet"],
    },
    Sensor {
        name: "RapidEye",
        spellings: NUMBERED,
        bands: "1:blue 2:green 3:red 4:rededge1 5:nir",
        sets: "1 2 3 4 5",
        padding: Padding::Never,
        words: &["rapideye"],
    },
    Sensor {
        name: "SPOT 6 or 7, or Pleiades",
        spellings: NUMBERED,
        bands: "0:blue 1:green 2:red 3:nir",
        sets: "0 1 2 3",
        padding: Padding::Never,
        words: &["spot6", "spot7", "phr1a", "phr1b", "pleiades", "spot+6", "spot+7"],
    },
    Sensor {
        name: "SPOT",
        spellings: &["xs", "xi"],
        bands: "1:green 2:red 3:nir 4:swir1",
        sets: "1 2 3|1 2 3 4",
        padding: Padding::Never,
        words: &["spot1", "spot2", "spot3", "spot4", "spot5"],
    },
    Sensor {
        name: "CBERS-4 MUX",
        spellings: NUMBERED,
        bands: "5:blue 6:green 7:red 8:nir",
        sets: "5 6 7 8",
        padding: Padding::Never,
        words: &["cbers", "cbers4", "mux"],
    },
    Sensor {
        name: "CBERS-4 WFI",
        spellings: NUMBERED,
        bands: "13:blue 14:green 15:red 16:nir",
        sets: "13 14 15 16",
        padding: Padding::Never,
        words: &["cbers", "cbers4", "wfi", "awfi"],
    },
    Sensor {
        name: "CBERS-4A or Amazonia-1",
        spellings: NUMBERED,
        bands: "0:pan 1:blue 2:green 3:red 4:nir",
        sets: "1 2 3 4",
        padding: Padding::Never,
        words: &["cbers4a", "cbers+4a", "amazonia*", "wpm"],
    },
];

/// Sentinel-2's MSI, and HLS S30.
pub const SENTINEL_2: Sensor = Sensor {
    name: "Sentinel-2",
    spellings: NUMBERED,
    bands: "1:coastal 2:blue 3:green 4:red 5:rededge1 6:rededge2 7:rededge3 8:nir 8a:nir08 9:nir09 10:cirrus 11:swir1 12:swir2",
    sets: "2 3 4|2 3 4 8|2 3 4 8 11|2 3 4 8 11 12|2 3 4 8a 11 12|2 3 4 5 6 7 8 8a 11 12|1 2 3 4 5 6 7 8 8a 9 11 12|\
           1 2 3 4 5 6 7 8 8a 9 10 11 12|2 3 4 5 6 7 8a 11 12|1 2 3 4 5 6 7 8a 11 12",
    padding: Padding::Either,
    words: &[
        "s2a*",
        "s2b*",
        "s2c*",
        "s2",
        "sentinel2*",
        "sentinel+2*",
        "msil1c",
        "msil2a",
        "msi",
        "s30",
    ],
};

/// Landsat 8 and 9, and HLS L30.
pub const LANDSAT_8: Sensor = Sensor {
    name: "Landsat 8 or 9",
    spellings: &["b", "band", "bd", "srb", "toab", "srband", "toaband", "tab"],
    bands: "1:coastal 2:blue 3:green 4:red 5:nir 6:swir1 7:swir2 8:pan 9:cirrus 10:thermal 11:thermal",
    sets: "2 3 4 5|1 2 3 4 5 6 7|2 3 4 5 6 7|1 2 3 4 5 6 7 9|1 2 3 4 5 6 7 8 9|1 2 3 4 5 6 7 8 9 10 11|1 2 3 4 5 6 7 9 10 11|\
           1 2 3 4 5 6 7 10|1 2 3 4 5 6 7 10 11",
    padding: Padding::Either,
    words: &[
        "lc08*",
        "lc09*",
        "lo08*",
        "lo09*",
        "lc8*",
        "lc9*",
        "landsat8*",
        "landsat9*",
        "landsat+8",
        "landsat+9",
        "oli",
        "oli2",
        "l8",
        "l9",
        "l30",
    ],
};

/// TM of Landsat 4 and 5, ETM+ of 7.
pub const LANDSAT_4_TO_7: Sensor = Sensor {
    name: "Landsat 4 to 7",
    spellings: &["b", "band", "bd", "srb", "toab", "srband", "toaband", "tab"],
    bands: "1:blue 2:green 3:red 4:nir 5:swir1 6:thermal 61:thermal 62:thermal 7:swir2 8:pan",
    sets: "2 3 4 5|1 2 3 4 5 7|1 2 3 4 5 6 7|1 2 3 4 5 61 62 7 8|1 2 3 4 5 6 7 8",
    padding: Padding::Never,
    words: &[
        "lt04*",
        "lt05*",
        "le07*",
        "lt4*",
        "lt5*",
        "le7*",
        "landsat4*",
        "landsat5*",
        "landsat7*",
        "landsat+4",
        "landsat+5",
        "landsat+7",
        "tm",
        "etm",
        "l5",
        "l7",
    ],
};

/// LISS-III, LISS-IV and AWiFS of the Resourcesat satellites.
pub const LISS: Sensor = Sensor {
    name: "LISS",
    spellings: NUMBERED,
    bands: "2:green 3:red 4:nir 5:swir1",
    sets: "2 3 4|2 3 4 5",
    padding: Padding::Never,
    words: &[
        "liss*",
        "l4fx*",
        "l3fx*",
        "l4mx*",
        "awifs",
        "resourcesat*",
        "irs",
        "r2f*",
    ],
};

impl Sensor {
    /// Codes with the common names of their bands.
    pub fn bands(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.bands
            .split_ascii_whitespace()
            .filter_map(|band| band.split_once(':'))
    }

    /// The common name of the band of a code, with leading zeros or without.
    pub fn common(&self, code: &str) -> Option<&'static str> {
        let code = unpadded(code);
        self.bands().find(|(known, _)| *known == code).map(|(_, name)| name)
    }

    /// The code of the band of a common name.
    pub fn code(&self, common: &str) -> Option<&'static str> {
        self.bands().find(|(_, name)| *name == common).map(|(code, _)| code)
    }

    /// Whether exactly these codes are delivered together.
    pub fn has_set(&self, codes: &[&str]) -> bool {
        let codes: Vec<&str> = codes.iter().map(|code| unpadded(code)).collect();
        self.sets.split('|').any(|set| {
            let set: Vec<&str> = set.split_ascii_whitespace().collect();
            !set.is_empty() && set.len() == codes.len() && set.iter().all(|code| codes.contains(code))
        })
    }

    /// Whether a text, such as the name of a file, names the sensor.
    pub fn is_named_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let said: Vec<&str> = text
            .split(|character: char| !character.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        let matches = |pattern: &str, word: &str| match pattern.strip_suffix('*') {
            Some(start) => word.starts_with(start),
            None => word == pattern,
        };
        self.words.iter().any(|pattern| {
            let pattern: Vec<&str> = pattern.split('+').collect();
            let follows = |words: &[&str]| pattern.iter().zip(words).all(|(pattern, word)| matches(pattern, word));
            said.windows(pattern.len()).any(follows)
        })
    }
}

/// A code as the table has it.
fn unpadded(code: &str) -> &str {
    let bare = code.trim_start_matches('0');
    let is_zero = bare.is_empty() || bare.starts_with(|first: char| !first.is_ascii_digit());
    if is_zero && code.starts_with('0') {
        code.get(code.len() - bare.len() - 1..).unwrap_or(code)
    } else {
        bare
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_can_be_read() {
        for sensor in SENSORS {
            let codes: Vec<&str> = sensor.bands().map(|(code, _)| code).collect();
            assert_eq!(codes.len(), sensor.bands.split_ascii_whitespace().count(), "{sensor:?}");
            for set in sensor.sets.split('|').filter(|set| !set.is_empty()) {
                let set: Vec<&str> = set.split(' ').collect();
                assert!(set.iter().all(|code| codes.contains(code)), "{} {set:?}", sensor.name);
                assert!(sensor.has_set(&set), "{} {set:?}", sensor.name);
            }
        }
    }

    #[test]
    fn a_number_is_another_colour_on_another_sensor() {
        let names =
            |code: &str| [SENTINEL_2, LANDSAT_8, LANDSAT_4_TO_7, LISS].map(|sensor| sensor.common(code).unwrap_or("-"));
        assert_eq!(names("4"), ["red", "red", "nir", "nir"]);
        assert_eq!(names("05"), ["rededge1", "nir", "swir1", "swir1"]);
        assert_eq!(names("8a"), ["nir08", "-", "-", "-"]);
        assert_eq!((unpadded("00"), unpadded("0"), unpadded("010")), ("0", "0", "10"));
    }

    #[test]
    fn names_of_files_and_metadata_tell_their_sensor() {
        let named = |text: &str| -> Vec<&str> {
            let found = SENSORS.iter().filter(|sensor| sensor.is_named_in(text));
            found.map(|sensor| sensor.name).collect()
        };
        assert_eq!(named("LC08_L2SP_199024_20200801_stack.tif"), ["Landsat 8 or 9"]);
        assert_eq!(named("LANDSAT_8"), ["Landsat 8 or 9"]);
        assert_eq!(named("HLS.L30.T32TQM.2020213.tif"), ["Landsat 8 or 9"]);
        assert_eq!(named("le07_x"), ["Landsat 4 to 7"]);
        assert_eq!(named("Sentinel-2A MSI"), ["Sentinel-2"]);
        assert_eq!(named("S2B_MSIL2A_20230520T104629.tif"), ["Sentinel-2"]);
        assert_eq!(named("L4FX_2419.tif"), ["LISS"]);
        assert_eq!(named("AST_L1T_00304.tif"), ["ASTER"]);
        assert_eq!(named("scene_2019.tif"), [""; 0]);
    }
}
