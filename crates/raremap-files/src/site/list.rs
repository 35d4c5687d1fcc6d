//! The list of a site's files in its service worker: `web/page/site-list.js` and `web/precache.mjs` write the same.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The service worker, which lists the other files of a site with their digests.
pub(super) const SERVICE_WORKER: &str = "sw.js";
/// The page itself.
pub(super) const INDEX: &str = "index.html";
/// The default model.
pub(super) const MODEL: &str = "web/models/default.raremap";

/// What the list calls the page: some hosts answer `index.html` with a redirection.
const ROOT: &str = "./";
const START: &str = "const SITE = ";
/// Digits of a digest that tell one version from another.
const VERSION_DIGITS: usize = 12;

/// A service worker around its list.
#[derive(Debug)]
pub(super) struct List {
    /// The files' paths from the site's root.
    pub paths: Vec<String>,
    before: String,
    after: String,
}

#[derive(Deserialize)]
struct Listed {
    files: BTreeMap<String, IgnoredAny>,
}

/// In the order of the files' names.
struct Digests(Vec<(String, String)>);

impl Serialize for Digests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(path, digest)| (path, digest)))
    }
}

#[derive(Serialize)]
struct Version {
    version: String,
    files: Digests,
}

impl List {
    /// Of the service worker of a built page; nothing of another script.
    pub fn of(script: &str) -> Option<Self> {
        let (before, rest) = script.split_once(START)?;
        let (line, after) = rest.split_once(");\n")?;
        let (kind, list) = line.rsplit_once("({")?;
        let listed: Listed = serde_json::from_str(&format!("{{{list}")).ok()?;
        let paths = listed.files.into_keys();
        Some(Self {
            paths: paths
                .map(|path| if path == ROOT { INDEX.to_owned() } else { path })
                .collect(),
            before: format!("{before}{START}{kind}("),
            after: format!(");\n{after}"),
        })
    }

    /// The service worker with a list of other files, by path and content.
    ///
    /// # Errors
    /// None in practice, because texts can be written as JSON.
    pub fn script<'f>(&self, files: impl Iterator<Item = (&'f str, &'f [u8])>) -> Result<String, serde_json::Error> {
        let mut files: Vec<(&str, &[u8])> = files.collect();
        files.sort_unstable_by_key(|(path, _)| *path);
        let listed = files.into_iter().map(|(path, bytes)| {
            let path = if path == INDEX { ROOT } else { path };
            (path.to_owned(), format!("sha256-{}", digest(bytes)))
        });
        let files = Digests(listed.collect());
        let mut version = digest(serde_json::to_string(&files)?.as_bytes());
        version.truncate(VERSION_DIGITS);
        let list = serde_json::to_string(&Version { version, files })?;
        Ok(format!("{}{list}{}", self.before, self.after))
    }
}

fn digest(bytes: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(bytes))
}
