//! Where the bytes of a scene come from: files of the user's computer, a server, or an archive on either.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;
use raremap_infer::{OpenOptions, Warning, open_product};
use raremap_io::{Cached, EntrySource, RangeSource, SourceError, Zip, is_zip};
use raremap_model::Card;
use raremap_scene::{Product, SceneError, TiffScene};
use raremap_tiff::Limits;
use wasm_bindgen::JsValue;
use web_sys::Blob;

use crate::blob_source::BlobSource;
use crate::error::SessionError;
use crate::hooks::OnUnpacked;
use crate::http_source::HttpSource;
use crate::scratch::{ScratchPool, WebScratch};

/// A file of an archive may unpack to at most this many bytes; a LISS-IV band has 0.6 GB.
const MAX_UNPACKED_BYTES: u64 = 64 << 30;

/// A file by itself.
#[derive(Debug, Clone)]
pub enum FileSource {
    /// A file of the user's computer.
    Local(BlobSource),
    /// A file on a server.
    Remote(Rc<Cached<HttpSource>>),
}

impl RangeSource for FileSource {
    fn size_bytes(&self) -> u64 {
        match self {
            FileSource::Local(blob) => blob.size_bytes(),
            FileSource::Remote(file) => file.size_bytes(),
        }
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        match self {
            FileSource::Local(blob) => blob.fetch_range(range).await,
            FileSource::Remote(file) => file.fetch_range(range).await,
        }
    }
}

/// A file, or a file in an archive.
pub enum SceneSource {
    /// A file by itself.
    File(FileSource),
    /// A file in an archive.
    Entry(EntrySource<FileSource, WebScratch>),
}

impl RangeSource for SceneSource {
    fn size_bytes(&self) -> u64 {
        match self {
            SceneSource::File(file) => file.size_bytes(),
            SceneSource::Entry(entry) => entry.size_bytes(),
        }
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        match self {
            SceneSource::File(file) => file.fetch_range(range).await,
            SceneSource::Entry(entry) => entry.fetch_range(range).await,
        }
    }
}

/// The image of a scene.
pub type SceneImage = Product<TiffScene<SceneSource>>;

/// What was chosen or dropped: files with their paths.
pub struct SceneFiles {
    /// Paths, with `/` between folders.
    pub paths: Vec<String>,
    /// Their files.
    pub files: Vec<FileSource>,
}

impl SceneFiles {
    /// Blobs of the user's computer.
    ///
    /// # Errors
    /// `misuse` if the lists have different lengths.
    pub fn local(paths: Vec<String>, blobs: Vec<Blob>) -> Result<Self, SessionError> {
        if paths.len() != blobs.len() || paths.is_empty() {
            return Err(SessionError::misuse("every file needs a path"));
        }
        let files = blobs.into_iter().map(BlobSource::new).map(FileSource::Local).collect();
        Ok(Self { paths, files })
    }

    /// The file at an address.
    ///
    /// # Errors
    /// The server's answer, if it is not a part of the file.
    pub async fn remote(url: &str, name: String) -> Result<Self, SessionError> {
        let file = HttpSource::open(url).await?;
        Ok(Self {
            paths: vec![name],
            files: vec![FileSource::Remote(Rc::new(file))],
        })
    }

    /// The name that results give the scene: the folder of all files, or else their names.
    pub fn names(&self) -> Vec<String> {
        let folder = self.paths.first().and_then(|path| Some(path.split_once('/')?.0));
        let is_in = |folder: &str| {
            let inside = |path: &String| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
            self.paths.iter().all(inside)
        };
        match folder.filter(|folder| is_in(folder)) {
            Some(folder) => vec![folder.to_owned()],
            None => self.paths.clone(),
        }
    }

    /// Opens them as one scene; `on_unpacked` is called with `(done, total)` bytes of an archive's file. The warnings are about
    /// reflectance.
    ///
    /// # Errors
    /// Whatever cannot be read, by the raster's code.
    pub async fn open(
        self,
        card: &Card,
        pool: &ScratchPool,
        on_unpacked: &OnUnpacked,
        options: OpenOptions,
    ) -> Result<(SceneImage, Vec<Warning>), SessionError> {
        let limits = Limits::for_browser();
        if let [file] = self.files.as_slice() {
            let start = file.fetch_range(0..file.size_bytes().min(4)).await?;
            if is_zip(&start) {
                let zip = Zip::open(file.clone()).await?;
                let paths: Vec<&str> = zip.entries().iter().map(|entry| entry.path.as_str()).collect();
                let source = async |index: usize| {
                    let progress = |done: u64, total: u64| {
                        // Only the page's own function, which does not throw.
                        let _ = on_unpacked.call2(&JsValue::NULL, &(done as f64).into(), &(total as f64).into());
                    };
                    let scratch = || Ok(pool.take());
                    let entry = zip.open_entry(index, MAX_UNPACKED_BYTES, scratch, progress).await?;
                    Ok::<_, SceneError>(SceneSource::Entry(entry))
                };
                return Ok(open_product(&paths, source, card, options, &limits).await?);
            }
        }
        let paths: Vec<&str> = self.paths.iter().map(String::as_str).collect();
        // Each file is requested once, except for a metadata file.
        let files = RefCell::new(self.files);
        let source = async |index: usize| {
            let file = files.borrow().get(index).cloned();
            let missing = || SceneError::from(SourceError::Failed("the file is not in the list".into()));
            file.map(SceneSource::File).ok_or_else(missing)
        };
        Ok(open_product(&paths, source, card, options, &limits).await?)
    }
}
