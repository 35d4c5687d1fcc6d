//! Finds out what a file of a product is, by its name.

use super::kind::ProductKind;
use crate::sensors::{LANDSAT_8, LISS, SENTINEL_2, Sensor};

/// What a file is, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileRole {
    /// A band whose common name the product's naming gives.
    Band {
        common: &'static str,
        /// Of several files of one band, the finest is taken; 0 if the name does not say.
        resolution_m: u32,
    },
    /// A file of the product that models do not use, and what it holds.
    Unused(&'static str),
    /// What the product says about itself.
    Metadata,
    /// An image of no known product.
    Image,
    /// Anything else.
    Other,
}

/// A file's name, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName {
    pub(super) kind: ProductKind,
    /// What the files of one product share, in lower case: folder and scene.
    pub(super) group: String,
    pub(super) role: FileRole,
    /// Group and role of a name such as `scene_B3`, in case the files beside it turn out to be those of Sentinel-2.
    pub(super) unpadded: Option<(String, FileRole)>,
    /// Group and number of a name such as `BAND7` without words before it, of whatever sensor.
    pub(super) liss_code: Option<(String, String)>,
    pub(super) is_jpeg_2000: bool,
}

/// The code of a band of a product, by its common name, as its files have it.
pub(super) fn band_code(kind: ProductKind, common: &str) -> Option<String> {
    let code = kind.sensor()?.code(common)?;
    let is_padded = matches!(kind, ProductKind::Sentinel2 | ProductKind::Harmonized) && code.len() == 1;
    Some(if is_padded { format!("0{code}") } else { code.to_owned() })
}

/// The name of a band's file, after what all files of a scene begin with.
pub(super) fn band_file(kind: ProductKind, common: &str) -> Option<String> {
    let code = band_code(kind, common)?.to_uppercase();
    match kind {
        ProductKind::Liss => Some(format!("BAND{code}")),
        // The two sensors number them differently.
        ProductKind::Harmonized => None,
        _ => Some(format!("B{code}")),
    }
}

impl FileName {
    /// Interprets a path in a list; folders are separated by `/` or `\`.
    pub(super) fn new(path: &str) -> Self {
        let path = path.replace('\\', "/").to_lowercase();
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", &path));
        let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
        let is_jpeg_2000 = matches!(extension, "jp2" | "j2k" | "jpx");
        let is_image = is_jpeg_2000 || matches!(extension, "tif" | "tiff" | "gtiff" | "btf" | "tf8");
        let found = if is_image {
            landsat(folder, stem)
                .or_else(|| harmonized(folder, stem))
                .or_else(|| sentinel_2(folder, stem, padded_sentinel_2))
                .or_else(|| liss(folder, stem))
        } else {
            metadata(folder, stem, extension)
        };
        let unpadded = (is_image && found.is_none())
            .then(|| sentinel_2(folder, stem, unpadded_sentinel_2))
            .flatten()
            .map(|(_, group, role)| (group, role));
        let (kind, group, role) = found.unwrap_or_else(|| {
            let role = if is_image { FileRole::Image } else { FileRole::Other };
            (ProductKind::Other, folder.to_owned(), role)
        });
        let number = stem
            .strip_prefix("band")
            .map(|code| code.trim_start_matches(['_', '-', ' ']));
        let number = number.filter(|code| is_image && code.parse::<u8>().is_ok());
        Self {
            kind,
            group,
            role,
            unpadded,
            liss_code: number.map(|code| (format!("{folder}/"), code.to_owned())),
            is_jpeg_2000,
        }
    }
}

type Found = (ProductKind, String, FileRole);

fn band(common: &'static str) -> FileRole {
    FileRole::Band {
        common,
        resolution_m: 0,
    }
}

fn metadata(folder: &str, stem: &str, extension: &str) -> Option<Found> {
    let group = |scene: &str| format!("{folder}/{scene}");
    match (stem, extension) {
        ("band_meta", "txt") => Some((ProductKind::Liss, group(""), FileRole::Metadata)),
        ("mtd_msil1c" | "mtd_msil2a", "xml") => Some((ProductKind::Sentinel2, folder.to_owned(), FileRole::Metadata)),
        (_, "txt") => {
            let (scene, kind, rest) = landsat_scene(stem)?;
            (rest == "mtl").then(|| (kind, group(&scene), FileRole::Metadata))
        }
        _ => None,
    }
}

/// Splits `lc08_l2sp_199024_20200801_20200908_02_t1_sr_b4` into scene, satellite and the rest; also names from before the collections.
fn landsat_scene(stem: &str) -> Option<(String, ProductKind, String)> {
    let sensor = stem
        .get(..2)
        .filter(|sensor| ["lc", "lo", "lt", "le"].contains(sensor))?;
    let digits: String = stem.chars().skip(2).take_while(char::is_ascii_digit).collect();
    let satellite: u8 = match digits.len() {
        2 => digits.parse().ok()?,
        // LC81990242016... has one digit of the satellite, then path, row and day.
        13.. => digits.get(..1)?.parse().ok()?,
        _ => return None,
    };
    let kind = match (sensor, satellite) {
        ("lc" | "lo", 8 | 9) => ProductKind::Landsat8And9,
        ("lt", 4 | 5) | ("le", 7) => ProductKind::Landsat4To7,
        _ => return None,
    };
    // These are words with the position where each ends.
    let is_separator = |character: char| !character.is_ascii_alphanumeric();
    let mut end = 0;
    let words: Vec<(&str, usize)> = stem
        .split_inclusive(is_separator)
        .map(|word| {
            end += word.len();
            let bare = word.trim_end_matches(is_separator);
            (bare, end - (word.len() - bare.len()))
        })
        .collect();
    // The tier ends the scene's own part: T1, T2 or RT. Tiles of the US grid (ARD) have none, but numbers and a version; the oldest names
    // are one word.
    let tier = words
        .iter()
        .position(|(word, _)| ["t1", "t2", "rt", "a1", "a2"].contains(word));
    let of_scene = words.iter().skip(1).take_while(|(word, _)| is_of_landsat_scene(word));
    let last = tier.unwrap_or(of_scene.count());
    let (_, end) = words.get(last)?;
    let (scene, rest) = stem.split_at_checked(*end)?;
    Some((scene.to_owned(), kind, rest.trim_start_matches(is_separator).to_owned()))
}

/// Whether a word behind the sensor tells the scene: a number, the ARD's region, a level, a collection or a version.
fn is_of_landsat_scene(word: &str) -> bool {
    let digits = word.strip_prefix(['l', 'c', 'v']).unwrap_or(word);
    let is_numbered = digits.starts_with(|first: char| first.is_ascii_digit());
    is_numbered || ["cu", "ak", "hi"].contains(&word)
}

/// The number of the band in `sr_b4`, `srb4`, `band4`, `b04`, `b4 (1)`, `b6_vcid_1`: a number that ends where the word does.
fn landsat_code(rest: &str) -> Option<&str> {
    let measured = ["sr_", "toa_", "sr", "ta"]
        .iter()
        .find_map(|prefix| rest.strip_prefix(prefix))
        .unwrap_or(rest);
    let code = measured.strip_prefix("band").or(measured.strip_prefix('b'))?;
    let digits = code.find(|character: char| !character.is_ascii_digit());
    let (number, behind) = code.split_at_checked(digits.unwrap_or(code.len()))?;
    let number = number.trim_start_matches('0');
    let is_ended = !behind.starts_with(|next: char| next.is_alphanumeric());
    (is_ended && !number.is_empty()).then_some(number)
}

fn landsat(folder: &str, stem: &str) -> Option<Found> {
    let (scene, kind, rest) = landsat_scene(stem)?;
    let code = landsat_code(&rest);
    let sensor = kind.sensor()?;
    let role = match (code, code.and_then(|code| reflective(sensor, code))) {
        (_, Some(common)) => band(common),
        (Some("8"), _) => FileRole::Unused("panchromatic band"),
        (Some("9"), _) => FileRole::Unused("cirrus band"),
        (Some("6" | "61" | "62" | "10" | "11"), None) => FileRole::Unused("thermal band"),
        _ if rest.starts_with("st_") => FileRole::Unused("surface temperature"),
        _ if rest.starts_with("bt") => FileRole::Unused("thermal band"),
        _ if rest.contains("qa") || rest.contains("cloud") => FileRole::Unused("quality"),
        _ if ["vaa", "vza", "saa", "sza"].contains(&rest.as_str()) => FileRole::Unused("angles"),
        // This is, for example, a stack that a person made from a scene's bands.
        _ => FileRole::Image,
    };
    Some((kind, format!("{folder}/{scene}"), role))
}

/// Harmonized Landsat and Sentinel-2: `HLS.S30.T32TQM.2020213T101031.v2.0.B8A.tif`.
fn harmonized(folder: &str, stem: &str) -> Option<Found> {
    let (scene, last) = stem.rsplit_once('.').filter(|_| stem.starts_with("hls."))?;
    let is_landsat = scene.contains(".l30.");
    let code = last.strip_prefix('b').unwrap_or(last);
    let common = if is_landsat {
        reflective(&LANDSAT_8, code)
    } else {
        padded_code(code)
    };
    let role = common.map_or(FileRole::Unused("quality or angles"), band);
    Some((ProductKind::Harmonized, format!("{folder}/{scene}"), role))
}

/// The band that `b03` or `b8a` stands for.
fn padded_sentinel_2(word: &str) -> Option<&'static str> {
    padded_code(word.strip_prefix('b')?)
}

/// The band of Sentinel-2 that a code of two characters stands for.
fn padded_code(code: &str) -> Option<&'static str> {
    SENTINEL_2.common(code).filter(|_| code.len() == 2)
}

/// The band that a code stands for, if a reflectance is measured in it.
fn reflective(sensor: &Sensor, code: &str) -> Option<&'static str> {
    sensor
        .common(code)
        .filter(|common| !["thermal", "pan", "cirrus"].contains(common))
}

/// The band that `b3` stands for if others are `b8a`, `b11` and `b12`: Earth Engine and Theia write codes like that.
fn unpadded_sentinel_2(word: &str) -> Option<&'static str> {
    let code = word.strip_prefix('b').filter(|code| code.len() == 1)?;
    SENTINEL_2.common(code)
}

/// Whether a word is a tile of Sentinel-2's grid, such as T32TQM.
fn is_tile(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() == 6
        && bytes[0] == b't'
        && bytes[1..3].iter().all(u8::is_ascii_digit)
        && bytes[3..].iter().all(u8::is_ascii_lowercase)
}

/// How a group of files shows that its unpadded codes are those of Sentinel-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sentinel2Sign {
    /// It names a tile of Sentinel-2's grid.
    Tile,
    /// It names the satellite.
    Satellite,
    None,
}

/// What the name of a group says about it.
pub(super) fn sentinel_2_sign(group: &str) -> Sentinel2Sign {
    let scene = group.rsplit('/').next().unwrap_or_default();
    let is_satellite = |word: &str| {
        let model = word.strip_prefix("sentinel2").or(word.strip_prefix("s2"));
        model.is_some_and(|model| ["", "a", "b", "c"].contains(&model))
    };
    let mut words = scene.split(['_', '-']);
    if words.clone().any(is_tile) {
        Sentinel2Sign::Tile
    } else if words.next().is_some_and(is_satellite) {
        Sentinel2Sign::Satellite
    } else {
        Sentinel2Sign::None
    }
}

/// `T32TQM_20200101T101319_B03_10m`, `B03`, and a scene's quality layers.
fn sentinel_2(folder: &str, stem: &str, common_of: impl Fn(&str) -> Option<&'static str>) -> Option<Found> {
    // Masks name the band that they belong to.
    if stem.starts_with("msk_") || folder.rsplit('/').next() == Some("qi_data") {
        return Some((ProductKind::Sentinel2, folder.to_owned(), FileRole::Unused("quality")));
    }
    let tokens: Vec<&str> = stem.split('_').collect();
    let code_at = tokens.iter().position(|token| common_of(token).is_some());
    let tile_at = tokens.iter().position(|token| is_tile(token));
    const QUALITY: &[&str] = &[
        "scl", "aot", "wvp", "tci", "pvi", "cld", "snw", "cldprb", "snwprb", "clouds",
    ];
    let quality_at = tokens.iter().position(|token| QUALITY.contains(token));
    let at = match (code_at, quality_at) {
        (Some(at), _) => at,
        (None, Some(at)) => at,
        (None, None) => return None,
    };
    // A word such as clouds in any other name says nothing.
    if code_at.is_none() && tile_at.is_none() && at != 0 {
        return None;
    }
    let resolution = tokens
        .last()
        .and_then(|token| token.strip_suffix('m')?.parse().ok())
        .unwrap_or(0);
    let common = tokens.get(at).and_then(|token| common_of(token));
    let role = common.map_or(FileRole::Unused("quality or preview"), |common| FileRole::Band {
        common,
        resolution_m: resolution,
    });
    // One folder per resolution belongs to one scene.
    let of_resolution = ["/r10m", "/r20m", "/r60m"];
    let folder = of_resolution
        .iter()
        .find_map(|end| folder.strip_suffix(end))
        .unwrap_or(folder);
    let scene = tokens.get(..at).unwrap_or_default().join("_");
    Some((ProductKind::Sentinel2, format!("{folder}/{scene}"), role))
}

/// `BAND2`, `BAND3` and `BAND4` of a LISS-IV product, `BAND5` of LISS-III and AWiFS.
fn liss(folder: &str, stem: &str) -> Option<Found> {
    let at = stem.rfind("band")?;
    let code = stem.get(at + 4..)?.trim_start_matches(['_', '-', ' ']);
    let before = stem.get(..at)?;
    // Others name bands like that, too, so any words before it have to be the sensor's.
    let is_word = before.is_empty() || before.ends_with(['_', '-', ' ', '.']);
    let is_sensor = before.is_empty()
        || ["l3", "l4", "liss", "aw", "r2"]
            .iter()
            .any(|sensor| before.starts_with(sensor));
    let common = LISS.common(code).filter(|_| code.len() == 1 && is_word && is_sensor)?;
    let scene = before.trim_end_matches(['_', '-', ' ', '.']);
    Some((ProductKind::Liss, format!("{folder}/{scene}"), band(common)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProductKind::{Harmonized, Landsat4To7, Landsat8And9, Liss, Other, Sentinel2};

    #[test]
    fn band_files_are_known_by_their_usual_names() {
        let cases = [
            ("BAND2.tif", Liss, "green"),
            ("p/q/BAND4.TIF", Liss, "nir"),
            ("L4FX_BAND3.tiff", Liss, "red"),
            ("band5.tif", Liss, "swir1"),
            ("T32TQM_20200101T101319_B03_10m.tif", Sentinel2, "green"),
            ("IMG_DATA/R20m/T32TQM_20200101T101319_B8A_20m.jp2", Sentinel2, "nir08"),
            ("T32TQM_20200101T101319_B11.jp2", Sentinel2, "swir1"),
            ("S2A_32TQM_20200101_0_L2A/B08.tif", Sentinel2, "nir"),
            (
                "LC08_L2SP_199024_20200801_20200908_02_T1_SR_B5.TIF",
                Landsat8And9,
                "nir",
            ),
            ("LC09_L1TP_199024_20220801_20230908_02_T1_B6.TIF", Landsat8And9, "swir1"),
            ("LT05_L1TP_199024_19900801_20200908_02_T1_B3.TIF", Landsat4To7, "red"),
            ("LT05_L2SP_199024_19900801_20200908_02_T1_SR_B4.TIF", Landsat4To7, "nir"),
            (
                "LE07_L1TP_199024_20000801_20170908_01_T1_sr_band4.tif",
                Landsat4To7,
                "nir",
            ),
            ("LC81990242016215LGN00_B4.TIF", Landsat8And9, "red"),
            ("LT51990241990213KIS00_B4.TIF", Landsat4To7, "nir"),
            ("LC08_CU_003009_20200801_20210504_02_SR_B4.TIF", Landsat8And9, "red"),
            ("LC08_CU_003009_20200801_20200908_C01_V01_SRB4.tif", Landsat8And9, "red"),
            ("LE07_CU_003009_20000801_20200908_C01_V01_TAB4.tif", Landsat4To7, "nir"),
            ("LC08_199024_20200801_SR_B5.tif", Landsat8And9, "nir"),
            (
                "LC08_L2SP_199024_20200801_20200908_02_T1_SR_B4_clip.TIF",
                Landsat8And9,
                "red",
            ),
            (
                "LC08_L2SP_199024_20200801_20200908_02_T1_SR_B4 (1).TIF",
                Landsat8And9,
                "red",
            ),
            (
                "LC08_L2SP_199024_20200801_20200908_02_T1.SR_B4.tif",
                Landsat8And9,
                "red",
            ),
            ("LC08_L1TP_199024_20200801_20200908_02_T1_B04.tif", Landsat8And9, "red"),
            ("HLS.L30.T32TQM.2020213T101031.v2.0.B05.tif", Harmonized, "nir"),
            ("HLS.S30.T32TQM.2020213T101031.v2.0.B05.tif", Harmonized, "rededge1"),
        ];
        for (path, kind, expected) in cases {
            let name = FileName::new(path);
            let FileRole::Band { common, .. } = name.role else {
                panic!("{path} is a band, not {name:?}");
            };
            assert_eq!((name.kind, common), (kind, expected), "{path}");
        }
    }

    #[test]
    fn what_is_no_band_is_told_apart() {
        let unused = |what| FileRole::Unused(what);
        let cases = [
            (
                "LC08_L2SP_199024_20200801_20200908_02_T1_ST_B10.TIF",
                unused("surface temperature"),
            ),
            (
                "LC08_L1TP_199024_20200801_20200908_02_T1_B10.TIF",
                unused("thermal band"),
            ),
            (
                "LE07_L1TP_199024_20000801_20170908_01_T1_B6_VCID_1.TIF",
                unused("thermal band"),
            ),
            (
                "LC08_L1TP_199024_20200801_20200908_02_T1_B8.TIF",
                unused("panchromatic band"),
            ),
            (
                "LC08_L2SP_199024_20200801_20200908_02_T1_QA_PIXEL.TIF",
                unused("quality"),
            ),
            ("LC08_L1TP_199024_20200801_20200908_02_T1_SZA.TIF", unused("angles")),
            (
                "LC08_CU_003009_20200801_20200908_C01_V01_BTB10.tif",
                unused("thermal band"),
            ),
            ("LC08_L2SP_199024_20200801_20200908_02_T1_stack.tif", FileRole::Image),
            ("LC08_L2SP_199024_20200801_20200908_02_T1_SR_B4x.tif", FileRole::Image),
            ("S2.SAFE/GRANULE/L/QI_DATA/MSK_DETFOO_B03.jp2", unused("quality")),
            ("L/QI_DATA/T32TQM_20200101T101319_B03.tif", unused("quality")),
            ("S2_20230101_B3.tif", FileRole::Image),
            ("T32TQM_20200101T101319_SCL_20m.tif", unused("quality or preview")),
            (
                "HLS.S30.T32TQM.2020213T101031.v2.0.Fmask.tif",
                unused("quality or angles"),
            ),
            ("LC08_L2SP_199024_20200801_20200908_02_T1_MTL.txt", FileRole::Metadata),
            ("S2.SAFE/MTD_MSIL2A.xml", FileRole::Metadata),
            ("BAND_META.txt", FileRole::Metadata),
            ("notes.txt", FileRole::Other),
            ("scene.tif", FileRole::Image),
            ("husband2.tif", FileRole::Image),
            ("drone_band2.tif", FileRole::Image),
            ("a_clouds.tif", FileRole::Image),
            ("tundra_b3.tif", FileRole::Image),
            ("lc.tif", FileRole::Image),
        ];
        for (path, role) in cases {
            assert_eq!(FileName::new(path).role, role, "{path}");
        }
        assert_eq!(FileName::new("scene.tif").kind, Other);
    }

    #[test]
    fn files_of_one_scene_share_a_group_and_others_do_not() {
        let group = |path: &str| FileName::new(path).group;
        assert_eq!(group("a/BAND2.tif"), group("a/band3.tif"));
        assert_eq!(group("a/BAND2.tif"), group("a/BAND_META.txt"));
        assert_ne!(group("a/BAND2.tif"), group("b/BAND2.tif"));
        assert_eq!(
            group("i/R10m/T32TQM_20200101T101319_B03_10m.jp2"),
            group("i/R20m/T32TQM_20200101T101319_B11_20m.jp2")
        );
        assert_ne!(
            group("T32TQM_20200101T101319_B03_10m.tif"),
            group("T32TQM_20200111T101319_B03_10m.tif")
        );
        let landsat = |end: &str| group(&format!("LC08_L2SP_199024_20200801_20200908_02_T1_{end}"));
        assert_eq!(landsat("SR_B4.TIF"), landsat("MTL.txt"));
        assert_eq!(landsat("SR_B4.TIF"), landsat("QA_PIXEL.TIF"));
        assert_ne!(
            group("LC08_CU_003009_20200801_20210504_02_SR_B4.TIF"),
            group("LC08_CU_003009_20200817_20210504_02_SR_B4.TIF")
        );
        assert_eq!(group("B02.tif"), group("SCL.tif"));
    }
}
