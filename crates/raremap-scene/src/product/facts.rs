//! What a product says about itself besides its numbers: its name, and when it was taken.

use super::kind::ProductKind;
use super::metadata::{calendar_day, element, key_values};
use super::recognize::RecognizedProduct;

/// What a product says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductFacts {
    /// The name that its maker gives it, or the one in the names of its files if the metadata do not tell.
    pub id: Option<String>,
    /// When it was taken, RFC 3339; a whole day, as `start/end`, if no more is known.
    pub acquired: Option<String>,
}

/// Finds what a product says about itself; `metadata` is the text of its metadata file.
pub fn product_facts(product: &RecognizedProduct, metadata: Option<&str>) -> ProductFacts {
    let text = metadata.unwrap_or_default();
    let values = key_values(text);
    let value = |keys: &[&str]| {
        let of = |key: &&str| {
            values
                .iter()
                .find(|(_, found, _)| found == key)
                .map(|(_, _, value)| value.as_str())
        };
        keys.iter().find_map(of).filter(|value| !value.is_empty())
    };
    let (id, acquired) = match product.kind {
        ProductKind::Liss => {
            let id = value(&["OTSPRODUCTID", "PRODUCTID"]).map(str::to_owned);
            (id, liss_time(value(&["SCENECENTERTIME"]), value(&["DATEOFPASS"])))
        }
        ProductKind::Landsat8And9 | ProductKind::Landsat4To7 => {
            let id = value(&["LANDSAT_PRODUCT_ID", "LANDSAT_SCENE_ID"]).map(str::to_owned);
            let day = value(&["DATE_ACQUIRED", "ACQUISITION_DATE"]).filter(|day| is_day(day));
            let time = value(&["SCENE_CENTER_TIME", "SCENE_CENTER_SCAN_TIME"]);
            let acquired = day.map(|day| instant_or_day(day, time.and_then(time_of_day)));
            (id.or_else(|| shared_name(product)), acquired)
        }
        ProductKind::Sentinel2 => {
            let id = element(text, "PRODUCT_URI", None).map(|uri| uri.trim_end_matches(".SAFE").to_owned());
            let start = element(text, "PRODUCT_START_TIME", None).and_then(|start| {
                let (day, time) = start.split_once('T')?;
                Some(format!("{day}T{}Z", time_of_day(time).filter(|_| is_day(day))?))
            });
            (id.filter(|id| !id.is_empty()).or_else(|| shared_name(product)), start)
        }
        ProductKind::Harmonized => (shared_name(product), None),
        ProductKind::Other => (None, None),
    };
    ProductFacts { id, acquired }
}

/// What the names of a product's files begin with, up to the last separator: these makers put the whole name into each.
fn shared_name(product: &RecognizedProduct) -> Option<String> {
    let mut names = product.bands.iter().map(|band| band.name.as_str());
    let first = names.next()?;
    let shared = names.fold(first.len(), |length, name| {
        let equal = first
            .bytes()
            .zip(name.bytes())
            .take_while(|(one, other)| one == other)
            .count();
        length.min(equal)
    });
    let (name, _) = first.get(..shared)?.rsplit_once(['_', '.'])?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// `06-MAY-2026 05:24:31.482739`, or a time alone with the day from elsewhere.
fn liss_time(center: Option<&str>, pass: Option<&str>) -> Option<String> {
    let center = center.unwrap_or_default();
    let time = center.split_whitespace().find_map(time_of_day);
    let [year, month, day] = calendar_day(center).or_else(|| calendar_day(pass?))?;
    Some(instant_or_day(&format!("{year:04}-{month:02}-{day:02}"), time))
}

/// STAC and RFC 3339 have no days, so a day is the interval from its first second to its last.
fn instant_or_day(day: &str, time: Option<String>) -> String {
    match time {
        Some(time) => format!("{day}T{time}Z"),
        None => format!("{day}T00:00:00Z/{day}T23:59:59Z"),
    }
}

/// Recognizes a form such as 2024-02-03.
fn is_day(text: &str) -> bool {
    has_form(text, "0000-00-00")
}

/// `05:06:07` or `05:06:07.89`, with or without `Z`, as RFC 3339 has it.
fn time_of_day(text: &str) -> Option<String> {
    let text = text.trim_end_matches('Z');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    (has_form(whole, "00:00:00") && is_fraction).then(|| text.to_owned())
}

/// Whether there is a digit wherever `form` has one, and the same character everywhere else.
fn has_form(text: &str, form: &str) -> bool {
    let fits = |(found, form): (u8, u8)| {
        if form == b'0' {
            found.is_ascii_digit()
        } else {
            found == form
        }
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::recognize;

    fn facts(paths: &[&str], metadata: Option<&str>) -> (Option<String>, Option<String>) {
        let ProductFacts { id, acquired } = product_facts(&recognize(paths).expect("a product"), metadata);
        (id, acquired)
    }

    fn known(id: &str, acquired: &str) -> (Option<String>, Option<String>) {
        (Some(id.into()), (!acquired.is_empty()).then(|| acquired.into()))
    }

    const LISS: [&str; 2] = ["BAND2.tif", "BAND3.tif"];

    #[test]
    fn liss_products_tell_the_time_of_their_middle_or_the_day() {
        let text = "OTSProductID= 2419\nDateOfPass= 06-MAY-2026\nSceneCenterTime= 06-MAY-2026 05:24:31.482739\n";
        assert_eq!(facts(&LISS, Some(text)), known("2419", "2026-05-06T05:24:31.482739Z"));
        let alone = text.replace("= 06-MAY-2026 05", "= 05");
        assert_eq!(facts(&LISS, Some(&alone)), known("2419", "2026-05-06T05:24:31.482739Z"));
        let day = text.replace("SceneCenterTime", "Other");
        assert_eq!(
            facts(&LISS, Some(&day)),
            known("2419", "2026-05-06T00:00:00Z/2026-05-06T23:59:59Z")
        );
        assert_eq!(facts(&LISS, Some("DateOfPass= yesterday")), (None, None));
        assert_eq!(facts(&LISS, None), (None, None));
    }

    #[test]
    fn landsat_and_sentinel_2_tell_name_and_time() {
        let landsat = [4, 5].map(|band| format!("LC08_L1TP_199024_20200801_20200908_02_T1_B{band}.TIF"));
        let landsat = landsat.each_ref().map(String::as_str);
        let text = "GROUP = A\n LANDSAT_PRODUCT_ID = \"LC08_X\"\n DATE_ACQUIRED = 2020-08-01\n SCENE_CENTER_TIME = \"10:12:05.1234560Z\"\n";
        assert_eq!(
            facts(&landsat, Some(text)),
            known("LC08_X", "2020-08-01T10:12:05.1234560Z")
        );
        assert_eq!(
            facts(&landsat, None),
            known("LC08_L1TP_199024_20200801_20200908_02_T1", "")
        );
        let sentinel = [
            "T32TQM_20230101T101319_B03_10m.tif",
            "T32TQM_20230101T101319_B8A_20m.tif",
        ];
        let xml =
            "<PRODUCT_START_TIME>2023-01-01T10:13:19.024Z</PRODUCT_START_TIME><PRODUCT_URI>S2B_Y.SAFE</PRODUCT_URI>";
        assert_eq!(facts(&sentinel, Some(xml)), known("S2B_Y", "2023-01-01T10:13:19.024Z"));
        let odd = xml.replace("10:13:19.024Z", "noon");
        assert_eq!(facts(&sentinel, Some(&odd)), known("S2B_Y", ""));
        assert_eq!(facts(&sentinel, None), known("T32TQM_20230101T101319", ""));
    }
}
