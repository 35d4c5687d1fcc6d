//! A site for any static server: the built page, with a model of one's own as the default one.

mod list;
mod page;

use std::io;
use std::path::{Path, PathBuf};

use raremap_model::ModelFile;

use crate::error::{Context, FilesError};
use list::{INDEX, List, MODEL, SERVICE_WORKER};
use page::PageFile;

const SAMPLE_FOLDER: &str = "web/sample/";
/// The element of [`INDEX`] that names the sample; without it, the page offers none.
const SAMPLE_ELEMENT: &str = "<meta name=\"raremap-sample\"";
const READ_ME: &str = "README.txt";
const READ_ME_TEXT: &str = "\
This folder is the raremap page with everything that it needs. Its default model is one of your own.

Put it on any static web server, under any path. A browser cannot open it as files from a disk. Over https, or on the same computer, the page
also works without a network after the first visit.
";

/// What a site is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteOptions {
    /// The built page: its folder, or a zip archive of it, such as the page saves of itself.
    pub page: PathBuf,
    /// Whether the site offers the page's sample scene.
    pub sample: bool,
}

/// A site that is complete but for its model.
#[derive(Debug)]
pub struct Site {
    folder: PathBuf,
    list: List,
    /// By path from the site's root, without the model and the service worker.
    files: Vec<PageFile>,
}

impl Site {
    /// Reads the page and looks at the folder of the site, so that what cannot work is known before a model is made.
    ///
    /// The page's files are those that its service worker lists, as they are now. The folder must not exist, or be empty, or hold nothing but an
    /// earlier site.
    ///
    /// # Errors
    /// [`FilesError::NotAPage`], [`FilesError::SiteOccupied`], and those of reading files and archives.
    pub fn prepare(folder: &Path, options: &SiteOptions) -> Result<Self, FilesError> {
        refuse_others(folder)?;
        let (list, mut files) = page::read(&options.page)?;
        if !options.sample {
            files.retain(|file| !file.path.starts_with(SAMPLE_FOLDER));
            let index = files.iter_mut().find(|file| file.path == INDEX);
            let removed = index.and_then(|index| {
                index.bytes = without_sample(&index.bytes)?;
                Some(())
            });
            removed.ok_or_else(|| FilesError::NotAPage {
                path: options.page.clone(),
                reason: format!("{INDEX} does not name a sample, so none can be left out"),
            })?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            list,
            files,
        })
    }

    /// Writes the site with the weights file `model` as the default one. It is made beside the folder and then takes its place as a whole.
    /// Returns the number of files.
    ///
    /// # Errors
    /// [`FilesError::Weights`] if `model` is no weights file, [`FilesError::CannotWrite`] if the site cannot be written, and
    /// [`FilesError::SiteOccupied`]; what was in the folder is then still there.
    pub fn write(mut self, model: Vec<u8>) -> Result<usize, FilesError> {
        ModelFile::from_bytes(&model)?;
        self.files.push(PageFile {
            path: MODEL.to_owned(),
            bytes: model,
        });
        let digests = self
            .files
            .iter()
            .map(|file| (file.path.as_str(), file.bytes.as_slice()));
        let service_worker = self.list.script(digests)?;
        let others = [
            (SERVICE_WORKER, service_worker.as_bytes()),
            (READ_ME, READ_ME_TEXT.as_bytes()),
        ];
        let files = self
            .files
            .iter()
            .map(|file| (file.path.as_str(), file.bytes.as_slice()));
        let files: Vec<(&str, &[u8])> = files.chain(others).collect();
        refuse_others(&self.folder)?;
        write_folder(&self.folder, &files).cannot_write(|| self.folder.clone())?;
        Ok(files.len())
    }
}

/// The page without the element that names its sample, if it has one.
fn without_sample(index: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(index).ok()?;
    let (before, rest) = text.split_once(SAMPLE_ELEMENT)?;
    let (_, after) = rest.split_once('>')?;
    Some(format!("{before}{after}").into())
}

/// Refuses to replace what is not an earlier site, or is more than that.
fn refuse_others(folder: &Path) -> Result<(), FilesError> {
    let occupied = |reason: String| FilesError::SiteOccupied {
        folder: folder.to_owned(),
        reason,
    };
    let found = match folder.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FilesError::cannot_read(folder)(error)),
        Ok(metadata) if !metadata.is_dir() => return Err(occupied("it is a file".to_owned())),
        Ok(_) => files_in(folder).map_err(FilesError::cannot_read(folder))?,
    };
    let script = std::fs::read_to_string(folder.join(SERVICE_WORKER)).unwrap_or_default();
    let known = List::of(&script).map_or(Vec::new(), |list| list.paths);
    let is_known = |path: &String| {
        known.contains(path) || (!known.is_empty() && [SERVICE_WORKER, READ_ME].contains(&path.as_str()))
    };
    match found.into_iter().find(|path| !is_known(path)) {
        Some(path) => Err(occupied(format!(
            "it holds {path}, which is not a part of an earlier site"
        ))),
        None => Ok(()),
    }
}

/// The paths of all files in a folder and below, from it, with `/` between folders.
fn files_in(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                folders.push((entry.path(), path + "/"));
            } else {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Makes a folder of files in place of the one that is there: all of them, or none.
fn write_folder(folder: &Path, files: &[(&str, &[u8])]) -> io::Result<()> {
    // Of a link, what it leads to is replaced.
    let folder = if folder.exists() {
        folder.canonicalize()?
    } else {
        folder.to_owned()
    };
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)?;
    // On the same file system, so that a folder takes the other's place at once.
    let temporary = tempfile::Builder::new().prefix(".raremap-site-").tempdir_in(parent)?;
    let (new, old) = (temporary.path().join("new"), temporary.path().join("old"));
    for (path, bytes) in files {
        let path = new.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&new))?;
        std::fs::write(path, bytes)?;
    }
    let is_replaced = folder.exists();
    if is_replaced {
        std::fs::rename(&folder, &old)?;
    }
    let placed = std::fs::rename(&new, &folder);
    if let Err(error) = &placed
        && is_replaced
        && std::fs::rename(&old, &folder).is_err()
    {
        // Nobody but the caller can bring it back.
        let _ = temporary.keep();
        let message = format!("{error}; the earlier site is now {}", old.display());
        return Err(io::Error::new(error.kind(), message));
    }
    placed
}

#[cfg(test)]
mod tests;
