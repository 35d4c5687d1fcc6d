//! What a prediction leaves: the files of a run and a table.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use raremap_infer::{InferError, OutputFile, OutputKind, Results};
use raremap_raster::{FileScratch, Scratch, SourceError};

use super::{Report, Timings};
use crate::files::write_with;

/// A temporary file in the folder of the results: not in the system's folder for such files, which may be memory.
pub fn scratch_in(folder: &Path) -> Result<Box<dyn Scratch>, InferError> {
    let file = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    let file = file.map_err(|error| InferError::Raster(SourceError::Io(error).into()))?;
    Ok(Box::new(FileScratch::new(file)))
}

/// Writes all files of a run, and gives their paths and what they remark.
pub fn write_all(results: &Results<'_>, out: &Path) -> Result<(Vec<PathBuf>, Vec<String>)> {
    let (mut paths, mut notices) = (Vec::new(), Vec::new());
    for kind in results.kinds() {
        let path = out.join(kind.file_name());
        let notice = write(results, kind, out, &path).with_context(|| path.display().to_string())?;
        notices.extend(notice.filter(|notice| !notices.contains(notice)));
        paths.push(path);
    }
    Ok((paths, notices))
}

fn write(results: &Results<'_>, kind: OutputKind, out: &Path, path: &Path) -> Result<Option<String>> {
    let mut made = results.make(kind, &mut || scratch_in(out))?;
    write_with(path, |file| {
        let mut chunk = Vec::new();
        loop {
            made.read_chunk(&mut chunk, OutputFile::CHUNK_BYTES)?;
            if chunk.is_empty() {
                return Ok(());
            }
            file.write_all(&chunk)?;
        }
    })?;
    Ok(made.notice().map(str::to_owned))
}

/// The summary for people.
pub fn print_table(report: &Report<'_>, out: &Path) {
    let hectares = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    println!("{:<16} {:>12} {:>9} {:>14}", "class", "pixels", "percent", "hectares");
    for class in report.areas {
        let name = if class.rare {
            format!("{} (rare)", class.name)
        } else {
            class.name.clone()
        };
        println!(
            "{name:<16} {:>12} {:>9.3} {:>14}",
            class.pixels,
            class.percent,
            hectares(class.hectares)
        );
    }
    println!(
        "{:<16} {:>12} {:>9} {:>14}",
        "all",
        report.valid_pixels,
        "",
        hectares(report.valid_hectares)
    );
    if report.nodata_pixels > 0 {
        println!("{:<16} {:>12}", "no data", report.nodata_pixels);
    }
    let top_k = report.top_k;
    println!(
        "\ntop {} %: {} pixels of saliency {:.4} and more",
        top_k.percent, top_k.pixels, top_k.threshold
    );
    let Timings {
        tiles,
        run_secs,
        secs_per_tile,
        ..
    } = report.timings;
    println!(
        "{tiles} tiles in {run_secs:.2} s on {}, {:.0} ms each",
        report.backend,
        secs_per_tile * 1000.0
    );
    for notice in report.notices {
        println!("note: {}", notice.message);
    }
    for warning in report.warnings {
        println!("warning: {}", warning.message);
    }
    println!("results in {}", out.display());
}
