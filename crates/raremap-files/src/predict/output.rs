//! Writes the files of a run.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use raremap_io::{FileScratch, IoError, Scratch, write_whole, write_with};
use raremap_output::{OutputFile, OutputKind, Results};

use super::report::Report;
use crate::error::{Context, FilesError};

/// What a run did. It is written last: where it is, the other files are.
pub const SUMMARY: &str = "summary.json";

/// Refuses to overwrite or delete a file that is read: any file of a run, whether or not this run makes it, replaces one of its name.
pub fn refuse_inputs<'p>(out: &Path, inputs: impl Iterator<Item = &'p Path>) -> Result<(), FilesError> {
    let names = OutputKind::ALL.map(OutputKind::file_name).into_iter().chain([SUMMARY]);
    let own: Vec<PathBuf> = names.filter_map(|name| out.join(name).canonicalize().ok()).collect();
    for input in inputs {
        if input.canonicalize().is_ok_and(|input| own.contains(&input)) {
            return Err(FilesError::Overwrites {
                input: input.to_owned(),
                out: out.to_owned(),
            });
        }
    }
    Ok(())
}

/// Makes the folder of the results and a file in it, so that a folder that cannot be written is known before the network runs.
pub fn check_folder(out: &Path) -> Result<(), FilesError> {
    let file = std::fs::create_dir_all(out).and_then(|()| tempfile::tempfile_in(out));
    file.cannot_write(|| out.to_owned())?;
    Ok(())
}

/// A temporary file in the folder of the results, not in the system's folder for such files, which may be in memory.
pub fn scratch_in(folder: &Path) -> Result<Box<dyn Scratch>, IoError> {
    let file = tempfile::tempfile_in(folder);
    Ok(Box::new(FileScratch::new(file.map_err(IoError::Write)?)))
}

/// Writes all files of a run but the summary, and returns their paths and notices.
///
/// The item and summary of an earlier run are removed first, and so are files that this run does not make: if this run fails, nobody takes
/// files of both for one result. `go_on` is called often with the file that is being made, the number of files that are done and the number
/// of all files. If it fails, writing ends without a half-written file.
pub fn write_all(
    results: &Results<'_>,
    out: &Path,
    go_on: &mut dyn FnMut(&'static str, usize, usize) -> Result<(), FilesError>,
) -> Result<(Vec<PathBuf>, Vec<String>), FilesError> {
    let kinds = results.kinds();
    let unmade = OutputKind::ALL.into_iter().filter(|kind| !kinds.contains(kind));
    let old = unmade.chain([OutputKind::StacItem]).map(OutputKind::file_name);
    for name in [SUMMARY].into_iter().chain(old) {
        remove(&out.join(name))?;
    }
    let (mut paths, mut notices) = (Vec::new(), Vec::new());
    // The item, which describes the others, is the last of the kinds.
    let total = kinds.len();
    for (done, kind) in kinds.into_iter().enumerate() {
        let path = out.join(kind.file_name());
        let notice = write(results, kind, out, &path, &mut || go_on(kind.file_name(), done, total))?;
        notices.extend(notice.filter(|notice| !notices.contains(notice)));
        paths.push(path);
    }
    Ok((paths, notices))
}

/// Writes the summary, which it returns: the results are then complete.
pub fn write_summary(out: &Path, report: &Report) -> Result<String, FilesError> {
    let summary = serde_json::to_string_pretty(report)? + "\n";
    write_whole(&out.join(SUMMARY), summary.as_bytes())?;
    Ok(summary)
}

fn remove(path: &Path) -> Result<(), FilesError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).cannot_write(|| path.to_owned()),
        _ => Ok(()),
    }
}

fn write(
    results: &Results<'_>,
    kind: OutputKind,
    out: &Path,
    path: &Path,
    go_on: &mut dyn FnMut() -> Result<(), FilesError>,
) -> Result<Option<String>, FilesError> {
    go_on()?;
    let made = results.make(kind, &mut || Ok(scratch_in(out)?));
    let mut made = made.within(|| path.display().to_string())?;
    let written = write_with(path, |file| -> Result<(), FilesError> {
        let mut chunk = Vec::new();
        loop {
            go_on()?;
            made.read_chunk(&mut chunk, OutputFile::CHUNK_BYTES)?;
            if chunk.is_empty() {
                return Ok(());
            }
            file.write_all(&chunk)?;
        }
    });
    written.cannot_write(|| path.to_owned())?;
    Ok(made.notice().map(str::to_owned))
}
