//! The XML that GDAL keeps in tag 42112: `<GDALMetadata><Item name="..." sample="0"
//! role="...">text</Item></GDALMetadata>`.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};

use crate::read::color::ColorInterpretation;

/// What the metadata says about one band.
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

/// An `Item` element.
#[derive(Debug, Default)]
struct Item {
    name: Option<String>,
    role: Option<String>,
    band: Option<usize>,
    domain: String,
    text: String,
}

impl Item {
    fn start(element: &BytesStart<'_>) -> Self {
        let mut item = Self::default();
        // Searching for duplicate names would take quadratic time.
        for attribute in element.attributes().with_checks(false).flatten() {
            let value = unescape(&attribute.value);
            match attribute.key.as_ref() {
                "name" => item.name = Some(value),
                "role" => item.role = Some(value),
                "sample" => item.band = value.trim().parse().ok(),
                "domain" => item.domain = value,
                _ => {}
            }
        }
        item
    }

    fn number(&self) -> Option<f64> {
        self.text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
    }
}

/// Reads the items of the default domain. Damaged items are left out, and so is everything after XML that cannot be read.
pub(crate) fn decode(xml: &str, band_count: usize) -> GdalMetadata {
    let mut metadata = GdalMetadata {
        bands: vec![BandMetadata::default(); band_count],
        items: Vec::new(),
    };
    let mut reader = reader(xml);
    let mut open: Option<Item> = None;
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(element) if element.name().as_ref() == "Item" => open = Some(Item::start(&element)),
            Event::End(element) if element.name().as_ref() == "Item" => {
                if let Some(mut item) = open.take() {
                    // GDAL escapes values twice, once as an item and once as XML.
                    item.text = unescape(item.text.trim());
                    metadata.take(item);
                }
            }
            Event::Eof => break,
            text => {
                if let Some(item) = &mut open {
                    append(&mut item.text, &text);
                }
            }
        }
    }
    metadata
}

impl GdalMetadata {
    fn take(&mut self, item: Item) {
        let number = item.number();
        let Item {
            name: Some(name),
            role,
            band,
            domain,
            text,
        } = item
        else {
            return;
        };
        let is_default_domain = domain.is_empty();
        let Some(index) = band else {
            if is_default_domain && role.is_none() {
                self.items.push((name, text));
            }
            return;
        };
        let Some(band) = self.bands.get_mut(index) else {
            return;
        };
        match role.as_deref() {
            Some("description") => band.description = Some(text).filter(|text| !text.is_empty()),
            Some("unittype") => band.unit = Some(text).filter(|text| !text.is_empty()),
            Some("colorinterp") => band.color_interpretation = Some(ColorInterpretation::from_gdal(&text)),
            Some("scale") => band.scale = number,
            Some("offset") => band.offset = number,
            None if name == "DESCRIPTION" => band.description = Some(text).filter(|text| !text.is_empty()),
            None if is_default_domain => band.items.push((name, text)),
            _ => {}
        }
    }
}

/// A reader that accepts XML written by hand: ampersands that do not begin an entity, and end tags that close nothing.
pub(crate) fn reader(xml: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(xml);
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    config.check_end_names = false;
    reader
}

/// Appends the text of an event; entities that XML does not know stay as they are written.
pub(crate) fn append(text: &mut String, event: &Event<'_>) {
    match event {
        Event::Text(part) => text.push_str(part),
        Event::CData(part) => text.push_str(part),
        Event::GeneralRef(entity) => match (entity.resolve_char_ref(), resolve_xml_entity(entity)) {
            (Ok(Some(character)), _) => text.push(character),
            (_, Some(known)) => text.push_str(known),
            _ => text.extend(["&", entity, ";"]),
        },
        _ => {}
    }
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    // A bracket is only a bracket here: markup within a value was already unescaped.
    let text = text.replace('<', "&lt;");
    let mut reader = reader(&text);
    while let Ok(event) = reader.read_event() {
        if event == Event::Eof {
            break;
        }
        append(&mut plain, &event);
    }
    plain
}

/// Writes the XML, with the scale and offset of every band, in ASCII: everything else becomes a character reference, since the tag has no
/// encoding.
pub(crate) fn encode(band_names: &[String], metadata: &[(String, String)], scaling: Option<(f64, f64)>) -> String {
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
        let xml = encode(&names, &[("TIFFTAG_SOFTWARE".into(), "a \"quoted\" name".into())], None);
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
