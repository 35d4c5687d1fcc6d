//! The files of a finished result: those that `raremap predict` writes, and a picture of the mask.

use std::io::{Error, Write};

use raremap_infer::InferError;
use raremap_io::Scratch;
use raremap_output::{OutputFile, OutputKind, Results};
use wasm_bindgen::prelude::*;

use crate::error::SessionError;
use crate::scratch::{ScratchPool, WebScratch};
use crate::types::ResultFile;

/// The picture's name.
const PNG_NAME: &str = "mask.png";

/// The files of a result, in the order in which they are listed.
pub fn choices(results: &Results<'_>) -> Vec<ResultFile> {
    let of_kind = |kind: OutputKind| ResultFile {
        name: kind.file_name(),
        media_type: kind.media_type(),
        title: kind.title(),
    };
    let picture = ResultFile {
        name: PNG_NAME,
        media_type: "image/png",
        title: "Picture of the mask",
    };
    let mut choices: Vec<ResultFile> = results.kinds().into_iter().map(of_kind).collect();
    choices.insert(1.min(choices.len()), picture);
    choices
}

/// A file that was made, read piece by piece.
#[wasm_bindgen]
pub struct MadeFile {
    content: Content,
    notice: Option<String>,
}

enum Content {
    Output(OutputFile),
    Kept { scratch: WebScratch, at: u64 },
}

#[wasm_bindgen]
impl MadeFile {
    /// The next bytes, at most 4 MiB; nothing at the end.
    ///
    /// # Errors
    /// Errors of the browser's storage.
    #[wasm_bindgen(js_name = nextChunk, unchecked_return_type = "Uint8Array<ArrayBuffer> | undefined")]
    pub fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, SessionError> {
        let mut chunk = Vec::new();
        match &mut self.content {
            Content::Output(file) => file.read_chunk(&mut chunk, OutputFile::CHUNK_BYTES)?,
            Content::Kept { scratch, at } => {
                let left = scratch.size_bytes().saturating_sub(*at);
                chunk.resize(left.min(OutputFile::CHUNK_BYTES as u64) as usize, 0);
                scratch.read_at(*at, &mut chunk)?;
                *at += chunk.len() as u64;
            }
        }
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    /// What its reader should know, in words.
    #[wasm_bindgen(getter)]
    pub fn notice(&self) -> Option<String> {
        self.notice.clone()
    }
}

/// Makes a file, by the name that [`choices`] gives it.
///
/// # Errors
/// [`SessionError`] for an unknown name, options out of range, and an incomplete result.
pub fn make(name: &str, results: &Results<'_>, pool: &ScratchPool) -> Result<MadeFile, SessionError> {
    if !results.logits.is_complete() {
        return Err(SessionError::misuse(
            "the result is incomplete, because the run was cancelled",
        ));
    }
    if name == PNG_NAME {
        let scratch = make_png(results, pool.take())?;
        let content = Content::Kept { scratch, at: 0 };
        return Ok(MadeFile { content, notice: None });
    }
    let kind =
        OutputKind::of_file_name(name).ok_or_else(|| SessionError::misuse(format!("there is no file {name}")))?;
    let file = results.make(kind, &mut || Ok(Box::new(pool.take())))?;
    let notice = file.notice().map(str::to_owned);
    let content = Content::Output(file);
    Ok(MadeFile { content, notice })
}

/// A palette PNG: the values are the mask's, the colours are the classes', and no data is transparent.
fn make_png(results: &Results<'_>, scratch: WebScratch) -> Result<WebScratch, SessionError> {
    let logits = results.logits;
    let [height, width] = logits.size();
    let mut palette = [[0; 3]; 256];
    let mut opacity = [0; 256];
    for class in logits.classes() {
        palette[usize::from(class.value)] = class.color;
        opacity[usize::from(class.value)] = u8::MAX;
    }
    let mut kept = Appended(scratch);
    let mut encoder = png::Encoder::new(&mut kept, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_trns(opacity.to_vec());
    let mut writer = encoder.write_header()?;
    let mut pixels = writer.stream_writer()?;
    let mut written = Ok(());
    logits.decide_rows(results.decide, |_, row| {
        if written.is_ok() {
            written = pixels.write_all(row);
        }
        Ok::<_, InferError>(())
    })?;
    written
        .and_then(|()| pixels.flush())
        .map_err(png::EncodingError::from)?;
    pixels.finish()?;
    writer.finish()?;
    Ok(kept.0)
}

/// Writes to the end of a scratch.
struct Appended(WebScratch);

impl Write for Appended {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.append(bytes).map_err(|error| Error::other(error.to_string()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
