//! The scene to predict: a file, several files, a folder or a zip archive.

use std::cell::RefCell;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use raremap_infer::{OpenOptions, Warning, open_product};
use raremap_io::{
    AnySource, EntrySource, FileScratch, FileSource, IoError, RangeSource, SourceError, Zip, is_address, is_zip,
    without_query,
};
use raremap_model::Card;
use raremap_scene::{Product, SceneError, TiffScene};
use raremap_tiff::{GeoTiff, Limits};

use super::{Observer, Step};
use crate::error::{Context, FilesError};
use crate::neighbours::with_neighbours;

/// Folders are searched to at most this depth; a SAFE product has five levels.
const MAX_DEPTH: usize = 8;
/// A file of an archive may unpack to at most this many bytes; a LISS-IV band has 0.6 GB.
const MAX_UNPACKED_BYTES: u64 = 64 << 30;

/// A file, or a file in an archive.
#[derive(Debug)]
pub enum InputSource {
    /// A file by itself.
    File(AnySource),
    /// A file in an archive.
    Entry(EntrySource<AnySource, FileScratch>),
}

impl RangeSource for InputSource {
    fn size_bytes(&self) -> u64 {
        match self {
            InputSource::File(file) => file.size_bytes(),
            InputSource::Entry(entry) => entry.size_bytes(),
        }
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        match self {
            InputSource::File(file) => file.fetch_range(range).await,
            InputSource::Entry(entry) => entry.fetch_range(range).await,
        }
    }
}

/// The scene of a prediction.
pub type InputScene = Product<TiffScene<InputSource>>;

/// A scene that was opened.
pub struct Opened {
    /// Its pixels.
    pub scene: InputScene,
    /// What could not be done with its numbers.
    pub doubts: Vec<Warning>,
    /// The files that it is read from.
    pub files: Vec<PathBuf>,
}

/// Opens the files of a scene; see [`open_product`] for the options and the warnings. Results in a folder, whether in
/// `out` or of another run, are not part of the scene in it.
///
/// # Errors
/// Whatever cannot be read, by its name.
pub async fn open_scene(
    inputs: &[PathBuf],
    out: &Path,
    card: &Card,
    options: OpenOptions,
    observer: &mut dyn Observer,
) -> Result<Opened, FilesError> {
    let files = match inputs {
        [folder] if folder.is_dir() => Files::Paths(without_results(list_folder(folder, out)?).await),
        [file] if has_zip_signature(file).await? => {
            let source = AnySource::open(file).within(|| file.display().to_string())?;
            Files::Zip(Zip::open(source).await.within(|| file.display().to_string())?)
        }
        files => Files::Paths(with_neighbours(files)),
    };
    let paths = files.paths();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let opened = RefCell::new(Vec::new());
    let observer = RefCell::new(observer);
    let source = async |index| {
        opened.borrow_mut().push(index);
        files.open(index, &observer).await
    };
    let product = open_product(&paths, source, card, options, &Limits::default()).await;
    // Such an error names the file, but not the folder or archive that contains it.
    let (scene, doubts) = match (&files, inputs) {
        (Files::Paths(_), inputs) if !inputs.iter().any(|input| input.is_dir()) => product?,
        (_, inputs) => product.within(|| super::named(inputs))?,
    };
    let opened = opened.into_inner();
    let files = match files {
        Files::Paths(paths) => opened
            .into_iter()
            .filter_map(|index| paths.get(index).cloned())
            .collect(),
        Files::Zip(_) => inputs.to_vec(),
    };
    Ok(Opened { scene, doubts, files })
}

/// Where the files of a scene are.
enum Files {
    Paths(Vec<PathBuf>),
    Zip(Zip<AnySource>),
}

impl Files {
    fn paths(&self) -> Vec<String> {
        match self {
            Files::Paths(paths) => {
                let names = paths
                    .iter()
                    .map(|path| without_query(path).to_string_lossy().into_owned());
                names.collect()
            }
            Files::Zip(zip) => zip.entries().iter().map(|entry| entry.path.clone()).collect(),
        }
    }

    async fn open(&self, index: usize, observer: &RefCell<&mut dyn Observer>) -> Result<InputSource, SceneError> {
        let zip = match self {
            Files::Paths(paths) => {
                let path = paths.get(index).map(PathBuf::as_path).unwrap_or(Path::new(""));
                return Ok(InputSource::File(AnySource::open(path)?));
            }
            Files::Zip(zip) => zip,
        };
        let name = zip.entries().get(index).map_or("", |entry| entry.path.as_str());
        let progress = |done: u64, total: u64| {
            observer.borrow_mut().after(Step::Unpacked {
                file: name,
                done_bytes: done,
                total_bytes: total,
            });
        };
        let scratch = || Ok(FileScratch::new(tempfile::tempfile().map_err(IoError::Write)?));
        Ok(InputSource::Entry(
            zip.open_entry(index, MAX_UNPACKED_BYTES, scratch, progress).await?,
        ))
    }
}

async fn has_zip_signature(path: &Path) -> Result<bool, FilesError> {
    if is_address(path) {
        let named = || path.display().to_string();
        let source = AnySource::open(path).within(named)?;
        let start = source.fetch_range(0..source.size_bytes().min(4)).await.within(named)?;
        return Ok(is_zip(&start));
    }
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(FilesError::cannot_read(path))?;
    file.take(4)
        .read_to_end(&mut start)
        .map_err(FilesError::cannot_read(path))?;
    Ok(is_zip(&start))
}

/// The paths without the GeoTIFFs that some run has written, which say so.
async fn without_results(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut kept = Vec::new();
    for file in files {
        if !is_result(&file).await {
            kept.push(file);
        }
    }
    kept
}

async fn is_result(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    if !name.is_some_and(|name| name.to_lowercase().ends_with(".tif")) {
        return false;
    }
    let Ok(source) = FileSource::open(path) else {
        return false;
    };
    // A file that cannot be read is not a result; whoever needs it says what is wrong with it.
    let image = GeoTiff::open(source, Limits::default()).await;
    image.is_ok_and(|image| image.info().items.iter().any(|(name, _)| name == "RAREMAP_VERSION"))
}

/// All files in a folder and below it, in the order of their names, except those in `out`.
fn list_folder(folder: &Path, out: &Path) -> Result<Vec<PathBuf>, FilesError> {
    let out = out.canonicalize().ok();
    let is_out = |folder: &Path| out.is_some() && folder.canonicalize().ok() == out;
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(FilesError::cannot_read(&folder))?;
        for entry in entries {
            let entry = entry.map_err(FilesError::cannot_read(&folder))?;
            let path = entry.path();
            if path.is_dir() {
                if depth < MAX_DEPTH && !is_out(&path) {
                    folders.push((path, depth + 1));
                }
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
