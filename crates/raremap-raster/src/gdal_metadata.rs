//! The XML that GDAL keeps in tag 42112: `<GDALMetadata><Item name="..." sample="0"
//! role="...">text</Item></GDALMetadata>`.

/// The description of each band, where there is one.
pub(crate) fn band_names(xml: &str, band_count: usize) -> Vec<Option<String>> {
    let mut names = vec![None; band_count];
    for item in xml.split("<Item").skip(1) {
        let Some((attributes, rest)) = item.split_once('>') else {
            continue;
        };
        let Some((text, _)) = rest.split_once("</Item") else {
            continue;
        };
        let is_description = attribute(attributes, "role").is_some_and(|role| role == "description")
            || attribute(attributes, "name").is_some_and(|name| name == "DESCRIPTION");
        let band = attribute(attributes, "sample").and_then(|sample| sample.parse::<usize>().ok());
        if let (true, Some(slot)) = (is_description, band.and_then(|band| names.get_mut(band))) {
            // GDAL escapes values twice, once as an item and once as XML.
            let name = unescape(&unescape(text.trim()));
            *slot = (!name.is_empty()).then_some(name);
        }
    }
    names
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = attributes.split_once(&format!(" {name}="))?;
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest.get(1..)?.split_once(quote).map(|(value, _)| value)
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        // An entity is short; an ampersand without one is kept as it is.
        let entity = after.split_once(';').filter(|(name, _)| name.len() <= 10);
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
            band_names(&xml, 4),
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
            assert_eq!(band_names(xml, 1), [None], "{xml}");
        }
        assert_eq!(unescape("a & b &bogus; &#0x; &#65;"), "a & b &bogus; &#0x; A");
    }
}
