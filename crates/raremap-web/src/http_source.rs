//! A file on a server, read range by range with `fetch`.

use std::ops::Range;

use bytes::Bytes;
use js_sys::{ArrayBuffer, Function, Object, Promise, Reflect, Uint8Array};
use raremap_io::{CacheOptions, Cached, HttpAnswer, HttpProblem, RangeSource, RemoteFile, SourceError};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Response};

/// Bytes of the first request; they hold the directory of most files.
const FIRST_BYTES: u64 = 64 << 10;

/// Byte ranges of a file on a server.
///
/// Each answer tells whether the file is still the same. Asking the server to compare (`If-Range`) would need a separate permission from
/// servers of other sites.
#[derive(Debug, Clone)]
pub struct HttpSource {
    url: String,
    file: RemoteFile,
}

impl HttpSource {
    /// Requests the first bytes, which tells whether the server supports ranges and how long the file is. It keeps what it reads in blocks.
    ///
    /// # Errors
    /// [`SourceError::Http`] for a file that cannot be read by ranges.
    pub async fn open(url: &str) -> Result<Cached<Self>, SourceError> {
        let (answer, body) = get(url, 0..FIRST_BYTES).await?;
        let file = match RemoteFile::new(answer.clone(), None) {
            Err(HttpProblem::NoSize) => RemoteFile::new(answer, length_by_head(url).await?),
            found => found,
        }?;
        let source = Self {
            url: url.to_owned(),
            file,
        };
        let cached = Cached::new(source, CacheOptions::default());
        cached.remember_start(&body);
        Ok(cached)
    }
}

impl RangeSource for HttpSource {
    fn size_bytes(&self) -> u64 {
        self.file.size_bytes
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        SourceError::check_range(&range, self.file.size_bytes)?;
        let Range { start, end } = range;
        if start == end {
            return Ok(Bytes::new());
        }
        let (answer, body) = get(&self.url, start..end).await?;
        self.file.check(&answer, &(start..end), body.len() as u64)?;
        Ok(body)
    }
}

fn unreachable(reason: &JsValue) -> SourceError {
    let message = Reflect::get(reason, &"message".into())
        .ok()
        .and_then(|message| message.as_string());
    HttpProblem::Unreachable {
        reason: message.unwrap_or_else(|| format!("{reason:?}")),
    }
    .into()
}

/// Calls the `fetch` of the global object, which may be a worker's or a page's.
async fn fetch(
    url: &str,
    method: &str,
    range: Option<&Range<u64>>,
    abort: &AbortController,
) -> Result<Response, SourceError> {
    let call = || -> Result<Promise, JsValue> {
        let headers = Object::new();
        if let Some(range) = range {
            let value = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
            Reflect::set(&headers, &"Range".into(), &value.into())?;
        }
        let init = Object::new();
        Reflect::set(&init, &"method".into(), &method.into())?;
        Reflect::set(&init, &"headers".into(), &headers)?;
        // Blocks are kept here; a browser's cache of parts makes requests wait for each other.
        Reflect::set(&init, &"cache".into(), &"no-store".into())?;
        Reflect::set(&init, &"signal".into(), &abort.signal())?;
        let global = js_sys::global();
        let fetch: Function = Reflect::get(&global, &"fetch".into())?.dyn_into()?;
        fetch.call2(&global, &url.into(), &init)?.dyn_into::<Promise>()
    };
    let promise = call().map_err(|error| unreachable(&error))?;
    let response = JsFuture::from(promise).await.map_err(|error| unreachable(&error))?;
    response.dyn_into().map_err(|error| unreachable(&error))
}

/// The head of the answer to a range request, and its body if it is a part of the file.
async fn get(url: &str, range: Range<u64>) -> Result<(HttpAnswer, Bytes), SourceError> {
    let abort = AbortController::new().map_err(|error| unreachable(&error))?;
    let response = fetch(url, "GET", Some(&range), &abort).await?;
    let headers = response.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    let answer = HttpAnswer {
        status: response.status(),
        content_range: header("Content-Range"),
        etag: header("ETag"),
        last_modified: header("Last-Modified"),
    };
    if answer.status != 206 {
        // Otherwise a server that does not know ranges sends all of it.
        abort.abort();
        return Ok((answer, Bytes::new()));
    }
    let body = response.array_buffer().map_err(|error| unreachable(&error))?;
    let body = JsFuture::from(body).await.map_err(|error| unreachable(&error))?;
    let body: ArrayBuffer = body.dyn_into().map_err(|error| unreachable(&error))?;
    Ok((answer, Uint8Array::new(&body).to_vec().into()))
}

/// The length by Content-Length, which servers of other sites need not expose.
async fn length_by_head(url: &str) -> Result<Option<u64>, SourceError> {
    let abort = AbortController::new().map_err(|error| unreachable(&error))?;
    let response = fetch(url, "HEAD", None, &abort).await?;
    let length = response.headers().get("Content-Length").ok().flatten();
    Ok(length
        .filter(|_| response.ok())
        .and_then(|length| length.trim().parse().ok()))
}
