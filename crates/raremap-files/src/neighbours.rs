//! Finds the files that lie beside an image and describe it.

use std::path::{Path, PathBuf};

use raremap_scene::neighbour_kind;

/// Images, each with the files beside it that describe it.
pub fn with_neighbours(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut listed = files.to_vec();
    for file in files {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        // A folder that cannot be listed has none; the file itself may still be read.
        let Ok(entries) = std::fs::read_dir(folder.unwrap_or(Path::new("."))) else {
            continue;
        };
        let beside = |name: &std::ffi::OsString| match folder {
            Some(folder) => folder.join(name),
            None => PathBuf::from(name),
        };
        let mut found: Vec<PathBuf> = entries.flatten().map(|entry| beside(&entry.file_name())).collect();
        found.retain(|other| {
            neighbour_kind(&file.to_string_lossy(), &other.to_string_lossy()).is_some() && other.is_file()
        });
        found.sort();
        for other in found {
            if !listed.contains(&other) {
                listed.push(other);
            }
        }
    }
    listed
}
