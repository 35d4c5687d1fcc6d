//! The name that results give to the scene that they were made from.

/// The name of a scene in its results. It has names only, because folders differ between machines and results need not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SceneName {
    files: Vec<String>,
    stem: String,
}

impl SceneName {
    /// From the files that were opened, or from the folder or archive that contains them. Several files with names such as `BAND2.tif` are
    /// told from those of another scene by `product`, the name that their product gives itself.
    pub fn new(files: Vec<String>, product: Option<&str>) -> Self {
        let stems = || files.iter().map(|file| stem_of(file)).collect::<Vec<_>>().join("+");
        let stem = match product {
            Some(product) if files.len() > 1 => product.to_owned(),
            _ => stems(),
        };
        Self { files, stem }
    }

    /// All names, for people.
    pub fn name(&self) -> String {
        self.files.join(", ")
    }

    /// The beginning of names that are made from the scene's.
    pub(super) fn stem(&self) -> &str {
        &self.stem
    }

    /// A reference (RFC 3986) to each file.
    pub(super) fn references(&self) -> impl Iterator<Item = String> {
        self.files.iter().map(|file| percent_encode(file))
    }
}

fn stem_of(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Escapes everything but unreserved characters and the slash between folders.
fn percent_encode(path: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    path.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(files: &[&str], product: Option<&str>) -> SceneName {
        SceneName::new(files.iter().map(|file| (*file).to_owned()).collect(), product)
    }

    #[test]
    fn several_files_are_called_what_their_product_is() {
        assert_eq!(name(&["a/scene 1.tif"], Some("2419")).stem(), "scene 1");
        let bands = ["BAND2.tif", "BAND3.tif"];
        assert_eq!(name(&bands, Some("2419")).stem(), "2419");
        assert_eq!(name(&bands, None).stem(), "BAND2+BAND3");
        assert_eq!(name(&bands, None).name(), "BAND2.tif, BAND3.tif");
    }

    #[test]
    fn each_file_has_a_reference_of_allowed_characters() {
        let references: Vec<String> = name(&["a/\u{fc}ber #1?.tif", "50%.tif"], None).references().collect();
        assert_eq!(references, ["a/%C3%BCber%20%231%3F.tif", "50%25.tif"]);
    }
}
