//! Finds out which files of a list make one product. Nothing is opened: only names decide.

use super::Notice;
use super::kind::ProductKind;
use super::names::{FileName, FileRole, Sentinel2Sign, sentinel_2_sign};
use super::neighbours::{self, Neighbour};
use crate::error::{NameList, ProductError};
use crate::sensors::LISS;

/// A file that holds a band of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductBand {
    /// Its position in the list.
    pub file: usize,
    /// Its name without folders.
    pub name: String,
    /// The common name of its band, if the product's naming gives it.
    pub common: Option<&'static str>,
}

/// A product among the files of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecognizedProduct {
    /// Which kind.
    pub kind: ProductKind,
    /// The files of its bands.
    pub bands: Vec<ProductBand>,
    /// The position of its metadata file in the list.
    pub metadata: Option<usize>,
    /// Names of files that are not used, with what they hold.
    pub unused: Vec<String>,
    /// Files that describe the bands' files.
    pub neighbours: Vec<Neighbour>,
    /// Names of the first file and of the folders that contain it, the innermost first: they may name the sensor.
    pub described: Vec<String>,
}

/// How many folders above a file are searched for the name of a sensor.
const FOLDERS: usize = 3;

/// What the paths of its bands' files say.
fn product(
    kind: ProductKind,
    bands: Vec<ProductBand>,
    metadata: Option<usize>,
    unused: Vec<String>,
    paths: &[&str],
) -> RecognizedProduct {
    let images: Vec<usize> = bands.iter().map(|band| band.file).collect();
    let neighbours = neighbours::find(paths, &images);
    let path = images
        .first()
        .and_then(|file| paths.get(*file))
        .copied()
        .unwrap_or_default();
    let described = path
        .rsplit(['/', '\\'])
        .take(1 + FOLDERS)
        .filter(|part| !part.is_empty());
    RecognizedProduct {
        kind,
        described: described.map(str::to_owned).collect(),
        neighbours,
        bands,
        metadata,
        unused,
    }
}

/// The order of a product's bands, whatever the order of its files.
const ORDER: &[&str] = &[
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "cirrus", "swir1",
    "swir2",
];

/// Finds the product among files by their paths.
///
/// Files of a known product take precedence over others beside them; without one, all images are taken as one scene.
///
/// # Errors
/// [`ProductError::NoImage`], [`ProductError::NoBand`], [`ProductError::SeveralProducts`],
/// and [`ProductError::Jpeg2000`] for bands in that format.
pub fn recognize(paths: &[&str]) -> Result<RecognizedProduct, ProductError> {
    let mut names: Vec<FileName> = paths.iter().map(|path| FileName::new(path)).collect();
    settle_unpadded(&mut names);
    settle_liss(&mut names);
    // Folders of archives made on macOS contain a shadow of every file.
    let is_shadow = |path: &str| {
        path.split(['/', '\\'])
            .any(|part| part == "__MACOSX" || part.starts_with("._"))
    };
    let listed = || {
        names
            .iter()
            .enumerate()
            .filter(|(index, _)| paths.get(*index).is_some_and(|path| !is_shadow(path)))
    };
    let short = |index: usize| {
        paths
            .get(index)
            .and_then(|path| path.rsplit(['/', '\\']).next())
            .unwrap_or_default()
            .to_owned()
    };
    let mut groups: Vec<&str> = Vec::new();
    for (_, name) in listed() {
        if matches!(name.role, FileRole::Band { .. }) && !groups.contains(&name.group.as_str()) {
            groups.push(&name.group);
        }
    }
    if groups.len() > 1 {
        let first_of = |group: &&str| {
            listed()
                .find(|(_, name)| name.group == **group)
                .map(|(index, _)| paths[index].to_owned())
        };
        return Err(ProductError::SeveralProducts(NameList(
            groups.iter().filter_map(first_of).collect(),
        )));
    }
    let Some(group) = groups.first().copied() else {
        let image = |file: usize| ProductBand {
            file,
            name: short(file),
            common: None,
        };
        let (mut bands, mut unused) = (Vec::new(), Vec::new());
        for (file, name) in listed() {
            match name.role {
                FileRole::Image => bands.push(image(file)),
                FileRole::Unused(what) => unused.push((file, what)),
                _ => {}
            }
        }
        // The only image there is was meant, whatever its name says.
        if let ([], [(file, _)]) = (bands.as_slice(), unused.as_slice()) {
            bands.push(image(*file));
            unused.clear();
        }
        let unused: Vec<String> = unused
            .into_iter()
            .map(|(file, what)| format!("{} ({what})", short(file)))
            .collect();
        refuse_jpeg_2000(&bands, &names)?;
        if bands.is_empty() {
            if let Some(only) = only_image(paths) {
                return Ok(only);
            }
            return Err(if unused.is_empty() {
                ProductError::NoImage(NameList((0..paths.len()).map(short).collect()))
            } else {
                ProductError::NoBand(NameList(unused))
            });
        }
        return Ok(product(ProductKind::Other, bands, None, unused, paths));
    };
    // Each comes with its rank: what can be read goes before what is finer.
    let mut bands: Vec<((bool, u32), ProductBand)> = Vec::new();
    let mut unused = Vec::new();
    for (file, name) in listed() {
        match name.role {
            FileRole::Band { common, resolution_m } if name.group == group => {
                let band = ProductBand {
                    file,
                    name: short(file),
                    common: Some(common),
                };
                let rank = (name.is_jpeg_2000, resolution_m);
                match bands.iter_mut().find(|(_, known)| known.common == Some(common)) {
                    // A resolution that the name does not tell counts as the finest.
                    Some((known_rank, known)) => {
                        let dropped = if rank < *known_rank {
                            *known_rank = rank;
                            std::mem::replace(known, band)
                        } else {
                            band
                        };
                        unused.push(format!("{} (the same band as {})", dropped.name, known.name));
                    }
                    None => bands.push((rank, band)),
                }
            }
            FileRole::Unused(what) => unused.push(format!("{} ({what})", short(file))),
            FileRole::Image => unused.push(format!("{} (not a band of the product)", short(file))),
            _ => {}
        }
    }
    let order = |band: &ProductBand| ORDER.iter().position(|name| Some(*name) == band.common);
    bands.sort_by_key(|(_, band)| order(band));
    let bands: Vec<ProductBand> = bands.into_iter().map(|(_, band)| band).collect();
    refuse_jpeg_2000(&bands, &names)?;
    let kind = listed()
        .find(|(_, name)| name.group == group && matches!(name.role, FileRole::Band { .. }))
        .map_or(ProductKind::Other, |(_, name)| name.kind);
    // It lies beside the bands, or else in the nearest folder above them.
    let is_above = |above: &str| {
        let below = group.strip_prefix(above);
        below
            .is_some_and(|below| below.is_empty() || above.is_empty() || above.ends_with('/') || below.starts_with('/'))
    };
    let metadata = listed()
        .filter(|(_, name)| name.role == FileRole::Metadata && name.kind == kind && is_above(&name.group))
        .min_by_key(|(_, name)| std::cmp::Reverse(name.group.len()))
        .map(|(index, _)| index);
    Ok(product(kind, bands, metadata, unused, paths))
}

/// Decides whether names such as `scene_B3` are bands of Sentinel-2: they are if files beside them have codes that only it uses, or if
/// their name has its tile. Numbers up to 12 alone say nothing, and then none of these files is a band of a known product.
fn settle_unpadded(names: &mut [FileName]) {
    let mut groups: Vec<String> = Vec::new();
    for (group, _) in names.iter().filter_map(|name| name.unpadded.as_ref()) {
        if !groups.contains(group) {
            groups.push(group.clone());
        }
    }
    for group in groups {
        let is_band_of_it = |name: &FileName, among: &[&str]| {
            name.kind == ProductKind::Sentinel2
                && name.group == group
                && matches!(name.role, FileRole::Band { common, .. } if among.contains(&common))
        };
        let has = |among: &[&str]| names.iter().any(|name| is_band_of_it(name, among));
        // B01 to B09 are beside B1 to B9, so the latter are something else.
        if has(&[
            "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir09",
        ]) {
            continue;
        }
        let is_sentinel_2 = match sentinel_2_sign(&group) {
            Sentinel2Sign::Tile => true,
            Sentinel2Sign::Satellite => has(&["nir08", "swir1", "swir2"]),
            Sentinel2Sign::None => has(&["nir08"]),
        };
        for name in names.iter_mut() {
            if !is_sentinel_2 && is_band_of_it(name, ORDER) {
                (name.kind, name.role) = (ProductKind::Other, FileRole::Image);
            }
            if is_sentinel_2 && let Some((own, role)) = name.unpadded.take_if(|(own, _)| *own == group) {
                (name.kind, name.group, name.role) = (ProductKind::Sentinel2, own, role);
            }
        }
    }
}

/// Decides whether names such as `BAND3` belong to LISS. They do not if files beside them have numbers that LISS does not have, or if 3, 4 and
/// 5 are among them and only the numbers suggest LISS, since Landsat's bands are numbered like that, too.
fn settle_liss(names: &mut [FileName]) {
    let is_liss = |name: &FileName| name.kind == ProductKind::Liss;
    let has_metadata = names
        .iter()
        .any(|name| is_liss(name) && name.role == FileRole::Metadata);
    let mut groups: Vec<String> = names
        .iter()
        .filter(|name| is_liss(name))
        .map(|name| name.group.clone())
        .collect();
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        let is_bare = group.ends_with('/') && !has_metadata;
        let of_group = |name: &&FileName| is_liss(name) && name.group == group;
        // Green, red and near infrared of Landsat 8 have the numbers of red, near infrared and short-wave infrared of LISS.
        let has = |band: &str| {
            names
                .iter()
                .filter(of_group)
                .any(|name| matches!(name.role, FileRole::Band { common, .. } if common == band))
        };
        let has_fifth = ["red", "nir", "swir1"].into_iter().all(has);
        let has_others = names.iter().any(|name| {
            let code = name.liss_code.as_ref().filter(|(own, _)| *own == group);
            code.is_some_and(|(_, code)| LISS.common(code).is_none())
        });
        if is_bare && (has_fifth || has_others) {
            for name in names.iter_mut().filter(|name| is_liss(name) && name.group == group) {
                (name.kind, name.role) = (ProductKind::Other, FileRole::Image);
            }
        }
    }
}

/// The only image of a list, if its name says nothing.
pub(super) fn only_image(paths: &[&str]) -> Option<RecognizedProduct> {
    let is_beside = |other: usize| {
        let image =
            |(at, path): (usize, &&str)| at != other && neighbours::neighbour_kind(path, paths[other]).is_some();
        paths.iter().enumerate().any(image)
    };
    let mut images = (0..paths.len()).filter(|file| !is_beside(*file));
    let (file, None) = (images.next()?, images.next()) else {
        return None;
    };
    let name = paths[file].rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let bands = vec![ProductBand {
        file,
        name,
        common: None,
    }];
    Some(product(ProductKind::Other, bands, None, vec![], paths))
}

fn refuse_jpeg_2000(bands: &[ProductBand], names: &[FileName]) -> Result<(), ProductError> {
    let jpeg = bands
        .iter()
        .find(|band| names.get(band.file).is_some_and(|name| name.is_jpeg_2000));
    match jpeg {
        Some(band) => Err(ProductError::Jpeg2000 {
            file: band.name.clone(),
        }),
        None => Ok(()),
    }
}

impl RecognizedProduct {
    /// What was recognized, for people.
    ///
    /// `used` and `unused` are the files beside the bands' files, with what was taken from them, or why nothing was.
    pub(super) fn notices(&self, used: Vec<String>, unused: Vec<String>) -> Vec<Notice> {
        let mut notices = Vec::new();
        if self.kind != ProductKind::Other {
            let bands = self
                .bands
                .iter()
                .map(|band| format!("{} is {}", band.common.unwrap_or_default(), band.name));
            let bands = bands.collect::<Vec<_>>().join(", ");
            notices.push(Notice {
                code: "product_recognized",
                message: format!("The files look like those of a {} product: {bands}.", self.kind.name()),
            });
        }
        if !used.is_empty() {
            notices.push(Notice {
                code: "neighbours_read",
                message: format!("These files beside the image were read, too: {}.", NameList(used)),
            });
        }
        if !unused.is_empty() {
            notices.push(Notice {
                code: "files_unused",
                message: format!("These files are not used: {}.", NameList(unused)),
            });
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bands(product: &RecognizedProduct) -> Vec<(&str, &str)> {
        product
            .bands
            .iter()
            .map(|band| (band.common.unwrap_or("-"), band.name.as_str()))
            .collect()
    }

    #[test]
    fn a_liss_product_is_its_three_bands_and_its_metadata() {
        let product = recognize(&[
            "x/BAND4.tif",
            "x/BAND_META.txt",
            "x/BAND2.tif",
            "x/BAND3.tif",
            "x/browse.jpg",
        ])
        .expect("a product");
        assert_eq!(
            bands(&product),
            [("green", "BAND2.tif"), ("red", "BAND3.tif"), ("nir", "BAND4.tif")]
        );
        assert_eq!((product.kind, product.metadata), (ProductKind::Liss, Some(1)));
    }

    #[test]
    fn of_a_sentinel_2_band_the_finest_is_taken_and_quality_is_listed() {
        let product = recognize(&[
            "S.SAFE/MTD_MSIL2A.xml",
            "S.SAFE/GRANULE/L/IMG_DATA/R20m/T32TQM_20200101T101319_B03_20m.tif",
            "S.SAFE/GRANULE/L/IMG_DATA/R10m/T32TQM_20200101T101319_B03_10m.tif",
            "S.SAFE/GRANULE/L/IMG_DATA/R20m/T32TQM_20200101T101319_B11_20m.tif",
            "S.SAFE/GRANULE/L/IMG_DATA/R20m/T32TQM_20200101T101319_SCL_20m.tif",
        ])
        .expect("a product");
        let expected = [
            ("green", "T32TQM_20200101T101319_B03_10m.tif"),
            ("swir1", "T32TQM_20200101T101319_B11_20m.tif"),
        ];
        assert_eq!(bands(&product), expected);
        assert_eq!((product.kind, product.metadata), (ProductKind::Sentinel2, Some(0)));
        let unused = product.unused.join(";");
        assert!(
            unused.contains("B03_20m.tif (the same band as T32TQM_20200101T101319_B03_10m.tif)")
                && unused.contains("SCL_20m.tif (quality")
        );
    }

    #[test]
    fn unpadded_codes_are_bands_where_their_siblings_are_of_sentinel_2() {
        let of = |scene: &str, codes: &[&str]| {
            let paths: Vec<String> = codes.iter().map(|code| format!("{scene}{code}.tif")).collect();
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let product = recognize(&paths).expect("a product");
            let commons: Vec<_> = product.bands.iter().map(|band| band.common.unwrap_or("-")).collect();
            (product.kind, commons.join(" "))
        };
        let all = "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 swir1 swir2".to_owned();
        let codes = [
            "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12",
        ];
        for scene in [
            "S2_20230101_",
            "",
            "field/",
            "SENTINEL2A_20200101-101319-000_L2A_T32TQM_C_V2-2_FRE_",
        ] {
            assert_eq!(of(scene, &codes), (ProductKind::Sentinel2, all.clone()), "{scene}");
        }
        let few = (ProductKind::Sentinel2, "green red nir".to_owned());
        assert_eq!(of("T32TQM_20200101T101319_", &["B8", "B3", "B4"]), few);
        let numbers: Vec<String> = (1..=12).map(|code| format!("b{code}")).collect();
        let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
        assert_eq!(of("x/", &numbers), (ProductKind::Other, ["-"; 12].join(" ")));
        assert_eq!(of("S2B_x_", &numbers).0, ProductKind::Sentinel2);
        assert_eq!(
            of("", &["B03", "B3", "B8A"]),
            (ProductKind::Sentinel2, "green nir08".to_owned())
        );
        assert_eq!(of("S2_", &["B3", "B4"]).0, ProductKind::Other);
    }

    #[test]
    fn masks_of_bands_are_no_bands_and_what_can_be_read_goes_first() {
        let product = recognize(&[
            "S.SAFE/GRANULE/L/QI_DATA/MSK_DETFOO_B03.jp2",
            "S.SAFE/GRANULE/L/IMG_DATA/R10m/T32TQM_20200101T101319_B03_10m.jp2",
            "S.SAFE/GRANULE/L/IMG_DATA/R20m/T32TQM_20200101T101319_B03_20m.tif",
            "S.SAFE/GRANULE/L/IMG_DATA/R10m/T32TQM_20200101T101319_B03_10m.tif",
        ])
        .expect("a product");
        assert_eq!(bands(&product), [("green", "T32TQM_20200101T101319_B03_10m.tif")]);
        assert_eq!(product.bands[0].file, 3);
        assert!(
            product.unused[0].contains("MSK_DETFOO_B03.jp2 (quality)"),
            "{:?}",
            product.unused
        );
    }

    #[test]
    fn metadata_of_a_folder_beside_is_not_the_products() {
        let with = |metadata: &str| recognize(&["S2_new/B03.tif", metadata]).expect("a product").metadata;
        assert_eq!(with("S2/MTD_MSIL2A.xml"), None);
        assert_eq!(with("S2_new/MTD_MSIL2A.xml"), Some(1));
        assert_eq!(with("MTD_MSIL2A.xml"), Some(1));
        let nearest = recognize(&["MTD_MSIL2A.xml", "a/MTD_MSIL1C.xml", "a/B03.tif"]).expect("a product");
        assert_eq!(nearest.metadata, Some(1));
    }

    #[test]
    fn files_that_are_set_aside_are_named_with_the_reason() {
        let scene = "LC08_L2SP_199024_20200801_20200908_02_T1";
        let [quality, thermal, stack] = ["QA_PIXEL.TIF", "ST_B10.TIF", "stack.tif"].map(|end| format!("{scene}_{end}"));
        let none = recognize(&[&quality, &thermal]).expect_err("no band");
        let expected = format!("{quality} (quality), {thermal} (surface temperature)");
        assert_eq!(
            (none.code(), none.to_string().contains(&expected)),
            ("no_band_among_files", true),
            "{none}"
        );
        let stacked = recognize(&[&quality, &stack]).expect("an image");
        assert_eq!(
            (stacked.kind, bands(&stacked)),
            (ProductKind::Other, vec![("-", stack.as_str())])
        );
        assert_eq!(stacked.unused, [format!("{quality} (quality)")]);
        assert_eq!(
            bands(&recognize(&["clouds.tif"]).expect("the only image")),
            [("-", "clouds.tif")]
        );
    }

    #[test]
    fn the_same_number_is_another_colour_on_another_satellite() {
        let of = |scene: &str| {
            let paths = [4, 5].map(|band| format!("{scene}_02_T1_SR_B{band}.TIF"));
            recognize(&paths.each_ref().map(String::as_str)).expect("a product")
        };
        assert_eq!(of("LC08_L2SP_199024_20200801_20200908").bands[1].common, Some("nir"));
        assert_eq!(of("LT05_L2SP_199024_19900801_20200908").bands[1].common, Some("swir1"));
        assert_eq!(of("LT05_L2SP_199024_19900801_20200908").bands[0].common, Some("nir"));
    }

    #[test]
    fn several_products_and_other_formats_are_refused_by_name() {
        let two = recognize(&["a/BAND2.tif", "a/BAND3.tif", "b/BAND2.tif"]).expect_err("two folders");
        assert_eq!(
            (two.code(), two.to_string().contains("a/BAND2.tif, b/BAND2.tif")),
            ("several_products", true)
        );
        let jpeg = recognize(&["T32TQM_20200101T101319_B03.jp2"]).expect_err("JPEG 2000");
        assert_eq!(
            (jpeg.code(), jpeg.to_string().contains("B03.jp2")),
            ("unsupported_jpeg_2000", true)
        );
        let none = recognize(&["readme.txt", "photo.jpg"]).expect_err("no image");
        assert!(none.to_string().contains("readme.txt, photo.jpg"), "{none}");
        assert!(recognize(&[]).expect_err("nothing").to_string().contains("no files"));
    }

    #[test]
    fn numbers_that_landsat_has_too_are_not_taken_for_liss() {
        let kind = |paths: &[&str]| recognize(paths).expect("images").kind;
        assert_eq!(kind(&["x/BAND2.tif", "x/BAND3.tif", "x/BAND4.tif"]), ProductKind::Liss);
        let four = ["x/BAND2.tif", "x/BAND3.tif", "x/BAND4.tif", "x/BAND5.tif"];
        assert_eq!(kind(&four), ProductKind::Other);
        assert_eq!(kind(&[&four[..], &["x/BAND_META.txt"]].concat()), ProductKind::Liss);
        assert_eq!(
            kind(
                &four
                    .map(|path| path.replace("BAND", "L3_BAND"))
                    .each_ref()
                    .map(String::as_str)
            ),
            ProductKind::Liss
        );
        assert_eq!(kind(&[&four[..3], &["x/BAND7.tif"]].concat()), ProductKind::Other);
        assert_eq!(kind(&[&four[..3], &["y/BAND7.tif"]].concat()), ProductKind::Liss);
    }

    #[test]
    fn images_of_no_product_are_taken_together() {
        let product = recognize(&["green.tif", "__MACOSX/._green.tif", "red.tif", "notes.txt"]).expect("images");
        assert_eq!(bands(&product), [("-", "green.tif"), ("-", "red.tif")]);
        assert_eq!(product.kind, ProductKind::Other);
    }
}
