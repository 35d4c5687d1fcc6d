//! Writes files into a zip archive, compressing them as they are read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params};
use rawzip::{CompressionMethod, ErrorKind, ZipArchiveWriter};

/// The fastest level: samples of scenes hardly get smaller at a higher one.
const LEVEL: i32 = 1;

/// Writes an archive of `files`, each in `folder` under its own name. No member has a date: a seed gives the same bytes on every day.
///
/// # Errors
/// The path that could not be read or written, and why.
pub fn write_zip(archive: &Path, folder: &str, files: &[PathBuf]) -> Result<(), (PathBuf, io::Error)> {
    let of_archive = |error: io::Error| (archive.to_owned(), error);
    let file = File::create(archive).map_err(of_archive)?;
    let mut zip = ZipArchiveWriter::new(BufWriter::with_capacity(1 << 20, file));
    for path in files {
        let content = File::open(path).map_err(|error| (path.clone(), error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        append(&mut zip, &format!("{folder}/{name}"), content).map_err(of_archive)?;
    }
    zip.finish().map_err(|error| of_archive(io_error(error)))?;
    Ok(())
}

fn append<W: Write>(zip: &mut ZipArchiveWriter<W>, name: &str, mut content: impl io::Read) -> io::Result<()> {
    let method = CompressionMethod::DEFLATE;
    let (mut member, checked) = zip
        .new_file(name)
        .compression_method(method)
        .start()
        .map_err(io_error)?;
    let mut packed = checked.wrap(Deflate::new(&mut member));
    io::copy(&mut content, &mut packed)?;
    let (deflate, sizes) = packed.finish().map_err(io_error)?;
    deflate.finish()?;
    member.finish(sizes).map_err(io_error)?;
    Ok(())
}

fn io_error(error: rawzip::Error) -> io::Error {
    match error.into_kind() {
        ErrorKind::IO(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

/// A raw deflate stream on its way to a writer.
struct Deflate<W> {
    compressor: Box<CompressorOxide>,
    writer: W,
}

impl<W: Write> Deflate<W> {
    fn new(writer: W) -> Self {
        // A negative window means no zlib header.
        let flags = create_comp_flags_from_zip_params(LEVEL, -15, 0);
        Self {
            compressor: Box::new(CompressorOxide::new(flags)),
            writer,
        }
    }

    fn push(&mut self, input: &[u8], flush: TDEFLFlush) -> io::Result<()> {
        let mut written = Ok(());
        compress_to_output(&mut self.compressor, input, flush, |output| {
            written = self.writer.write_all(output);
            written.is_ok()
        });
        written
    }

    fn finish(mut self) -> io::Result<()> {
        self.push(&[], TDEFLFlush::Finish)
    }
}

impl<W: Write> Write for Deflate<W> {
    fn write(&mut self, input: &[u8]) -> io::Result<usize> {
        self.push(input, TDEFLFlush::None)?;
        Ok(input.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rawzip::{ZipArchive, crc32};

    #[test]
    fn members_unpack_to_what_was_put_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let long: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        let contents = [("long.bin", long.as_slice()), ("short.txt", b"hello"), ("empty", b"")];
        let files = contents.map(|(name, content)| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("writes");
            path
        });
        let archive = folder.path().join("all.zip");
        write_zip(&archive, "a", &files).expect("writes");
        let bytes = std::fs::read(&archive).expect("reads");
        let zip = ZipArchive::from_slice(&bytes).expect("an archive");
        let mut entries = zip.entries();
        for (name, content) in contents {
            let entry = entries.next_entry().expect("a directory").expect("an entry");
            assert_eq!(entry.file_path().as_bytes(), format!("a/{name}").as_bytes());
            assert_eq!(entry.crc32(), crc32(content));
            let packed = zip.get_entry(entry.wayfinder()).expect("a member").data().to_vec();
            assert_eq!(
                miniz_oxide::inflate::decompress_to_vec(&packed).expect("deflate"),
                content
            );
        }
        assert!(entries.next_entry().expect("a directory").is_none());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("missing.tif");
        let result = write_zip(&folder.path().join("all.zip"), "a", std::slice::from_ref(&missing));
        assert_eq!(result.expect_err("no such file").0, missing);
    }
}
