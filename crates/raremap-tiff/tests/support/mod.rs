//! Where real files are, for the tests that need them.

use std::path::{Path, PathBuf};

/// The folder with real files: `RAREMAP_DATA`, or `shared/data` beside the workspace. Says so where there is none.
pub fn data_folder(part: &str) -> Option<PathBuf> {
    let beside_workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("RAREMAP_DATA").map_or(beside_workspace, PathBuf::from);
    let folder = root.join(part);
    if folder.is_dir() {
        return Some(folder);
    }
    println!(
        "skipped: {} is not there (RAREMAP_DATA names a folder with real files; README.md says what its `tiff` holds)",
        folder.display()
    );
    None
}
