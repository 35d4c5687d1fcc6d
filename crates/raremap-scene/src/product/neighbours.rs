//! Finds the files that lie beside an image and describe it, by their names, and applies them to the image.

use crate::error::{NeighbourError, SceneError};
use raremap_io::RangeSource;
use raremap_tiff::GeoTiff;
use raremap_tiff::Limits;

/// What a file beside an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NeighbourKind {
    /// Which pixels are valid (`.msk`).
    Mask,
    /// GDAL's auxiliary XML (`.aux.xml`).
    Auxiliary,
    /// A transform (`.tfw`, `.tifw`, `.wld`).
    WorldFile,
    /// A coordinate reference system in text (`.prj`).
    System,
    /// Something that other programs read but this crate does not, in words.
    Unread(&'static str),
}

impl NeighbourKind {
    /// The order in which files are applied: the coordinate reference system has to be known before a transform is set in it, and the position
    /// in GDAL's auxiliary file takes precedence over a world file.
    pub fn order(self) -> usize {
        match self {
            NeighbourKind::Mask => 0,
            NeighbourKind::Auxiliary => 1,
            NeighbourKind::System => 2,
            NeighbourKind::WorldFile | NeighbourKind::Unread(_) => 3,
        }
    }
}

/// A file beside an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its index in the list.
    pub file: usize,
    /// Its name without folders.
    pub name: String,
    /// Index of the image in the list.
    pub image: usize,
    /// What it is.
    pub kind: NeighbourKind,
}

/// Endings that are appended to the image's whole name.
const BEHIND: &[(&str, NeighbourKind)] = &[
    (".msk", NeighbourKind::Mask),
    (".aux.xml", NeighbourKind::Auxiliary),
    (".ovr", NeighbourKind::Unread("overviews")),
];

/// Endings that replace the image's own.
const INSTEAD: &[(&str, NeighbourKind)] = &[
    (".tfw", NeighbourKind::WorldFile),
    (".tifw", NeighbourKind::WorldFile),
    (".tiffw", NeighbourKind::WorldFile),
    (".wld", NeighbourKind::WorldFile),
    (".prj", NeighbourKind::System),
    (".imd", NeighbourKind::Unread("the vendor's metadata")),
    (".rpb", NeighbourKind::Unread("a sensor model")),
    ("_rpc.txt", NeighbourKind::Unread("a sensor model")),
    (".rpc", NeighbourKind::Unread("a sensor model")),
    (".tab", NeighbourKind::Unread("georeferencing in MapInfo's format")),
];

/// Tells by its name what the file at path `other` is to the image. Case does not matter.
pub fn neighbour_kind(image: &str, other: &str) -> Option<NeighbourKind> {
    let [image, other] = [image, other].map(|path| path.replace('\\', "/").to_lowercase());
    let behind = other.strip_prefix(&image);
    if let Some((_, kind)) = behind.and_then(|end| BEHIND.iter().find(|(known, _)| *known == end)) {
        return Some(*kind);
    }
    let folder = image.rfind('/').map_or(0, |slash| slash + 1);
    let dot = image.get(folder..)?.rfind('.')? + folder;
    let instead = other.strip_prefix(image.get(..dot)?)?;
    INSTEAD
        .iter()
        .find(|(known, _)| *known == instead)
        .map(|(_, kind)| *kind)
}

/// At most this many bytes of a text file beside an image are read.
const MAX_TEXT_BYTES: u64 = 4 << 20;

/// Applies a file that lies beside an image to it, and names in a word or two what was taken from the file.
///
/// # Errors
/// [`NeighbourError`]: why the file is not used. The image itself is still usable.
pub async fn apply_neighbour<R: RangeSource>(
    image: &mut GeoTiff<R>,
    kind: NeighbourKind,
    source: Result<R, SceneError>,
    limits: &Limits,
) -> Result<&'static str, NeighbourError> {
    if let NeighbourKind::Unread(what) = kind {
        return Err(NeighbourError::Unread(what));
    }
    let source = source?;
    if kind == NeighbourKind::Mask {
        let mask = GeoTiff::open(source, limits.clone()).await.map_err(SceneError::from)?;
        image.set_mask_file(mask)?;
        return Ok("mask");
    }
    let end = source.size_bytes().min(MAX_TEXT_BYTES);
    let bytes = source.fetch_range(0..end).await.map_err(SceneError::from)?;
    let text = String::from_utf8_lossy(&bytes);
    let used = match kind {
        NeighbourKind::Auxiliary => image.apply_auxiliary(&text),
        NeighbourKind::WorldFile => image.apply_world_file(&text),
        NeighbourKind::System | NeighbourKind::Mask | NeighbourKind::Unread(_) => image.apply_system(&text),
    };
    Ok(used?)
}

/// Finds the files of a list that lie beside its images; `images` are indices into the list.
pub(super) fn find(paths: &[&str], images: &[usize]) -> Vec<Neighbour> {
    let mut found = Vec::new();
    for image in images {
        let Some(path) = paths.get(*image) else { continue };
        for (file, other) in paths.iter().enumerate().filter(|(file, _)| file != image) {
            if let Some(kind) = neighbour_kind(path, other) {
                found.push(Neighbour {
                    file,
                    name: other.rsplit(['/', '\\']).next().unwrap_or_default().to_owned(),
                    image: *image,
                    kind,
                });
            }
        }
    }
    found.sort_by_key(|neighbour: &Neighbour| neighbour.kind.order());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beside_an_image_are_told_by_their_names() {
        let kind = |other: &str| neighbour_kind("a/Ortho.TIF", other);
        assert_eq!(kind("a/Ortho.TIF.msk"), Some(NeighbourKind::Mask));
        assert_eq!(kind("a/Ortho.tif.aux.xml"), Some(NeighbourKind::Auxiliary));
        assert_eq!(kind("a/Ortho.tfw"), Some(NeighbourKind::WorldFile));
        assert_eq!(kind("a/ortho.PRJ"), Some(NeighbourKind::System));
        assert!(matches!(kind("a/ortho_RPC.TXT"), Some(NeighbourKind::Unread(_))));
        for other in ["b/Ortho.tfw", "a/Ortho2.tfw", "a/Ortho.txt", "a/Ortho.TIF"] {
            assert_eq!(kind(other), None, "{other}");
        }
    }
}
