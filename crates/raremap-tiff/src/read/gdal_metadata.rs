//! The XML that GDAL keeps in tag 42112: `<GDALMetadata><Item name="..." sample="0"
//! role="...">text</Item></GDALMetadata>`.

use crate::read::color::ColorInterpretation;

/// What the metadata says of one band.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct BandMetadata {
    pub(crate) description: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) color_interpretation: Option<ColorInterpretation>,
    pub(crate) scale: Option<f64>,
    pub(crate) offset: Option<f64>,
    /// Items without a role, such as STATISTICS_MEAN, by name.
    pub(crate) items: Vec<(String, String)>,
}

/// What the metadata says.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct GdalMetadata {
    pub(crate) bands: Vec<BandMetadata>,
    /// Items of the image, by name.
    pub(crate) items: Vec<(String, String)>,
}

/// Reads the items of the default domain; what is damaged is left out.
pub(crate) fn decode(xml: &str, band_count: usize) -> GdalMetadata {
    let mut metadata = GdalMetadata {
        bands: vec![BandMetadata::default(); band_count],
        items: Vec::new(),
    };
    let xml = without_comments(xml);
    for item in xml.split("<Item").skip(1) {
        let Some((attributes, rest)) = item.split_once('>') else {
            continue;
        };
        let Some((text, _)) = rest.split_once("</Item") else {
            continue;
        };
        let Some(name) = attribute(attributes, "name") else {
            continue;
        };
        // GDAL escapes values twice, once as an item and once as XML.
        let text = unescape(&unescape(text.trim()));
        let number = || text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let role = attribute(attributes, "role");
        let band = attribute(attributes, "sample").and_then(|sample| sample.trim().parse::<usize>().ok());
        let is_default_domain = attribute(attributes, "domain").is_none_or(str::is_empty);
        let Some(index) = band else {
            if is_default_domain && role.is_none() {
                metadata.items.push((unescape(name), text));
            }
            continue;
        };
        let Some(band) = metadata.bands.get_mut(index) else {
            continue;
        };
        match role {
            Some("description") => band.description = Some(text).filter(|text| !text.is_empty()),
            Some("unittype") => band.unit = Some(text).filter(|text| !text.is_empty()),
            Some("colorinterp") => band.color_interpretation = Some(ColorInterpretation::from_gdal(&text)),
            Some("scale") => band.scale = number(),
            Some("offset") => band.offset = number(),
            None if name == "DESCRIPTION" => band.description = Some(text).filter(|text| !text.is_empty()),
            None if is_default_domain => band.items.push((unescape(name), text)),
            _ => {}
        }
    }
    metadata
}

pub(crate) fn without_comments(xml: &str) -> String {
    let mut rest = xml;
    let mut plain = String::with_capacity(xml.len());
    while let Some((before, comment)) = rest.split_once("<!--") {
        plain.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

pub(crate) fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = attributes.split_once(&format!(" {name}="))?;
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest.get(1..)?.split_once(quote).map(|(value, _)| value)
}

/// `#x10FFFF` is the longest.
const MAX_ENTITY_BYTES: usize = 10;

pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        // An entity is short; an ampersand without one is kept as it is. Looking further for its end would take hours
        // in a megabyte of ampersands.
        let end = after.bytes().take(MAX_ENTITY_BYTES + 1).position(|byte| byte == b';');
        let entity = end.and_then(|end| Some((after.get(..end)?, after.get(end + 1..)?)));
        match entity.and_then(|(name, tail)| Some((entity_char(name)?, tail))) {
            Some((character, tail)) => {
                plain.push(character);
                rest = tail;
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn entity_char(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// Writes the XML in ASCII: everything else becomes a character reference, since the tag has no encoding.
pub(crate) fn encode(band_names: &[String], metadata: &[(String, String)]) -> String {
    encode_scaled(band_names, metadata, None)
}

/// As [`encode`], with the scale and offset of every band.
pub(crate) fn encode_scaled(
    band_names: &[String],
    metadata: &[(String, String)],
    scaling: Option<(f64, f64)>,
) -> String {
    let mut xml = String::from("<GDALMetadata>\n");
    for (name, value) in metadata {
        xml.push_str(&format!(
            "  <Item name=\"{}\">{}</Item>\n",
            escape(name),
            escape_value(value)
        ));
    }
    for (band, name) in band_names.iter().enumerate() {
        let name = escape_value(name);
        xml.push_str(&format!(
            "  <Item name=\"DESCRIPTION\" sample=\"{band}\" role=\"description\">{name}</Item>\n"
        ));
        if let Some((scale, offset)) = scaling {
            xml.push_str(&format!(
                "  <Item name=\"OFFSET\" sample=\"{band}\" role=\"offset\">{offset}</Item>\n  \
                 <Item name=\"SCALE\" sample=\"{band}\" role=\"scale\">{scale}</Item>\n"
            ));
        }
    }
    xml.push_str("</GDALMetadata>\n");
    xml
}

/// GDAL unescapes values twice, so an ampersand has to survive that.
fn escape_value(value: &str) -> String {
    escape(&value.replace('&', "&amp;"))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            ' '..='~' | '\n' | '\t' => escaped.push(character),
            // XML has no other control characters at all.
            character if character.is_ascii_control() => {}
            character => escaped.push_str(&format!("&#{};", u32::from(character))),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(xml: &str, band_count: usize) -> Vec<Option<String>> {
        let bands = decode(xml, band_count).bands.into_iter();
        bands.map(|band| band.description).collect()
    }

    #[test]
    fn roles_say_what_items_of_a_band_are() {
        let xml = "<GDALMetadata><Item name='SCALE' sample='0' role='scale'> 0.5 </Item>\n\
            <Item role=\"offset\" sample=\"0\" name=\"OFFSET\">-3</Item>\
            <Item name=\"SCALE\" sample=\"1\" role=\"scale\">two</Item>\
            <Item name=\"UNITTYPE\" sample=\"1\" role=\"unittype\">m</Item>\
            <Item name=\"COLORINTERP\" sample=\"1\" role=\"colorinterp\">Alpha</Item>\
            <Item name=\"STATISTICS_MEAN\" sample=\"1\">7.5</Item>\
            <Item name=\"other\" domain=\"IMD\">x</Item><Item name=\"SENSOR\">LISS-IV</Item>\
            <!-- <Item name=\"OFFSET\" sample=\"1\" role=\"offset\">9</Item> --></GDALMetadata>";
        let metadata = decode(xml, 2);
        let [first, second] = &metadata.bands[..] else {
            panic!("two bands")
        };
        assert_eq!(
            (first.scale, first.offset, second.scale, second.offset),
            (Some(0.5), Some(-3.0), None, None)
        );
        assert_eq!(second.unit.as_deref(), Some("m"));
        assert_eq!(second.color_interpretation, Some(ColorInterpretation::Alpha));
        assert_eq!(second.items, [("STATISTICS_MEAN".to_string(), "7.5".to_string())]);
        assert_eq!(metadata.items, [("SENSOR".to_string(), "LISS-IV".to_string())]);
    }

    #[test]
    fn names_survive_writing_and_reading() {
        let names = [
            "nir & <swir>".to_string(),
            String::new(),
            "Gr\u{fc}n \u{1f33f}".to_string(),
        ];
        let xml = encode(&names, &[("TIFFTAG_SOFTWARE".into(), "a \"quoted\" name".into())]);
        assert!(xml.is_ascii());
        assert_eq!(
            names_of(&xml, 4),
            [Some(names[0].clone()), None, Some(names[2].clone()), None]
        );
    }

    #[test]
    fn damaged_metadata_gives_no_names() {
        for xml in [
            "",
            "<Item",
            "<Item name=\"DESCRIPTION\" sample=\"9\">x</Item>",
            "<Item sample=\"0\"></Item>",
            "&&&",
        ] {
            assert_eq!(names_of(xml, 1), [None], "{xml}");
        }
        assert_eq!(unescape("a & b &bogus; &#0x; &#65;"), "a & b &bogus; &#0x; A");
    }
}
