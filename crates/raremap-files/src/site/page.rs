//! Reads a built page from its folder or from an archive.

use std::path::{Component, Path};

use pollster::block_on;
use raremap_io::{FileSource, IoError, MemoryScratch, RangeSource as _, Zip, fetch_exactly};

use super::list::{INDEX, List, MODEL, SERVICE_WORKER};
use crate::error::{Context, FilesError};

/// The largest file of a page that is read from an archive; its wasm has some 10 MB.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// A file of a page.
#[derive(Debug)]
pub(super) struct PageFile {
    /// From the page's root, with `/` between folders.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// The list of a page's files, and all of them but the model and the service worker.
///
/// # Errors
/// [`FilesError::NotAPage`] for anything else than a whole page, and those of reading files and archives.
pub(super) fn read(page: &Path) -> Result<(List, Vec<PageFile>), FilesError> {
    if page.is_file() {
        return read_archive(page);
    }
    if !page.exists() {
        return Err(not_a_page(page, "it does not exist".to_owned()));
    }
    read_files(page, |path| {
        let path = page.join(path);
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(FilesError::cannot_read(path)),
        }
    })
}

fn read_archive(page: &Path) -> Result<(List, Vec<PageFile>), FilesError> {
    let name = || page.display().to_string();
    let source = FileSource::open(page).within(name)?;
    let zip = block_on(Zip::open(source)).within(name)?;
    let paths = || zip.entries().iter().map(|entry| entry.path.as_str());
    // The files are at the top of the archive, or in a folder of it.
    let roots = paths().filter_map(|path| path.strip_suffix(SERVICE_WORKER));
    let root = roots
        .filter(|root| root.is_empty() || root.ends_with('/'))
        .min_by_key(|root| root.len());
    let root = root.ok_or_else(|| not_a_page(page, format!("it has no {SERVICE_WORKER}")))?;
    read_files(page, |path| {
        let index = paths().position(|entry| entry.strip_prefix(root) == Some(path));
        index
            .map(|index| block_on(unpack(&zip, index)).within(name))
            .transpose()
    })
}

async fn unpack(zip: &Zip<FileSource>, index: usize) -> Result<Vec<u8>, IoError> {
    let scratch = || Ok(MemoryScratch::default());
    let file = zip.open_entry(index, MAX_FILE_BYTES, scratch, |_, _| {}).await?;
    Ok(fetch_exactly(&file, 0, file.size_bytes()).await?.into())
}

/// `bytes_of` gives the bytes of a file by its path, and `None` if it is not there.
fn read_files(
    page: &Path,
    bytes_of: impl Fn(&str) -> Result<Option<Vec<u8>>, FilesError>,
) -> Result<(List, Vec<PageFile>), FilesError> {
    let bad = |reason: String| not_a_page(page, reason);
    let script = bytes_of(SERVICE_WORKER)?.ok_or_else(|| bad(format!("it has no {SERVICE_WORKER}")))?;
    let list = std::str::from_utf8(&script).ok().and_then(List::of);
    let list = list.ok_or_else(|| bad(format!("its {SERVICE_WORKER} lists no files")))?;
    for needed in [INDEX, MODEL] {
        if !list.paths.iter().any(|path| path == needed) {
            return Err(bad(format!("its {SERVICE_WORKER} does not list {needed}")));
        }
    }
    let mut files = Vec::new();
    for path in &list.paths {
        // The list is text that anybody can write, and what it names is written into the site's folder.
        let is_inside = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !is_inside || path.contains('\\') {
            return Err(bad(format!(
                "its {SERVICE_WORKER} lists {path}, which is outside of it"
            )));
        }
        if path == MODEL {
            continue;
        }
        let bytes = bytes_of(path)?.ok_or_else(|| bad(format!("{path} is missing")))?;
        files.push(PageFile {
            path: path.clone(),
            bytes,
        });
    }
    Ok((list, files))
}

fn not_a_page(page: &Path, reason: String) -> FilesError {
    FilesError::NotAPage {
        path: page.to_owned(),
        reason,
    }
}
