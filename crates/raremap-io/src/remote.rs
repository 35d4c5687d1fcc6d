//! Files on servers, read by range requests.

use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use ureq::Agent;

use crate::cached::{CacheOptions, Cached};
use crate::error::{HttpProblem, SourceError};
use crate::http::{HttpAnswer, RemoteFile};
use crate::source::{FileSource, RangeSource};

/// Most bytes of the first request; they hold the directory of most files.
const FIRST_BYTES: u64 = 64 << 10;
/// A request that takes longer is given up.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Waits before a request is made again that got no answer, or one that asks to come back later.
const WAITS: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// Whether `path` is the address of a file on a server.
pub fn is_address(path: &Path) -> bool {
    let scheme = path.to_str().and_then(|path| path.split_once("://"));
    scheme.is_some_and(|(scheme, _)| ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()))
}

/// Connections are kept for the next request, whichever file it is for.
static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(TIMEOUT));
    config.build().into()
});

/// An address without its query, which may be a signature and is no part of the file's name; a path as it is.
pub fn without_query(path: &Path) -> &Path {
    let address = path.to_str().filter(|_| is_address(path));
    address
        .and_then(|address| address.split('?').next())
        .map_or(path, Path::new)
}

/// A file on a server.
#[derive(Debug)]
pub struct HttpSource {
    url: String,
    file: RemoteFile,
}

impl HttpSource {
    /// Asks for the beginning of a file. What is read later is kept in blocks; small reads that follow each other become one request.
    ///
    /// # Errors
    /// [`SourceError::Http`] if the server does not answer, or does not give parts of the file.
    pub fn open(url: &str) -> Result<Cached<Self>, SourceError> {
        let (answer, start) = get(url, 0..FIRST_BYTES)?;
        let file = RemoteFile::new(answer, None)?;
        let url = url.to_owned();
        let cached = Cached::new(Self { url, file }, CacheOptions::default());
        cached.remember_start(&start);
        Ok(cached)
    }
}

impl RangeSource for HttpSource {
    fn size_bytes(&self) -> u64 {
        self.file.size_bytes
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        let (answer, body) = get(&self.url, range.clone())?;
        self.file.check(&answer, &range, body.len() as u64)?;
        Ok(body)
    }
}

/// Asks until there is an answer.
fn get(url: &str, range: Range<u64>) -> Result<(HttpAnswer, Bytes), SourceError> {
    for wait in WAITS {
        match get_once(url, &range) {
            Ok((answer, body)) if answer.status != 429 && answer.status < 500 => return Ok((answer, body)),
            _ => std::thread::sleep(wait),
        }
    }
    Ok(get_once(url, &range)?)
}

fn get_once(url: &str, range: &Range<u64>) -> Result<(HttpAnswer, Bytes), HttpProblem> {
    let unreachable = |error: ureq::Error| HttpProblem::Unreachable {
        reason: error.to_string(),
    };
    let wanted = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
    let mut response = AGENT.get(url).header("Range", wanted).call().map_err(unreachable)?;
    let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    let answer = HttpAnswer {
        status: response.status().as_u16(),
        content_range: header("Content-Range"),
        etag: header("ETag"),
        last_modified: header("Last-Modified"),
    };
    // A server that does not know ranges would send all of it.
    if answer.status != 206 {
        return Ok((answer, Bytes::new()));
    }
    // ureq refuses a body that reaches the limit.
    let most_bytes = range.end - range.start + 1;
    let body = response.body_mut().with_config().limit(most_bytes).read_to_vec();
    Ok((answer, body.map_err(unreachable)?.into()))
}

/// A file, on this machine or on a server.
#[derive(Debug)]
pub enum AnySource {
    /// On this machine.
    File(FileSource),
    /// On a server.
    Server(Cached<HttpSource>),
}

impl AnySource {
    /// Opens a path or an address.
    ///
    /// # Errors
    /// Those of [`FileSource::open`] and [`HttpSource::open`].
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        match path.to_str().filter(|_| is_address(path)) {
            Some(address) => HttpSource::open(address).map(Self::Server),
            None => FileSource::open(path).map(Self::File),
        }
    }
}

impl RangeSource for AnySource {
    fn size_bytes(&self) -> u64 {
        match self {
            Self::File(file) => file.size_bytes(),
            Self::Server(file) => file.size_bytes(),
        }
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        match self {
            Self::File(file) => file.fetch_range(range).await,
            Self::Server(file) => file.fetch_range(range).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::path::PathBuf;

    use super::*;

    /// A server of one file, which answers the first `busy` requests with 503. Returns the file's address.
    fn serve(file: Vec<u8>, mut busy: usize) -> String {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}/file", server.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for stream in server.incoming().flatten() {
                let mut reader = BufReader::new(stream);
                let mut range = 0..0;
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                        break;
                    }
                    let line = line.trim().to_lowercase();
                    if let Some((start, end)) = line.strip_prefix("range: bytes=").and_then(|ends| ends.split_once('-'))
                    {
                        let number = |text: &str| text.parse::<usize>().expect("a number");
                        range = number(start)..file.len().min(number(end) + 1);
                    }
                }
                let body = &file[range.clone()];
                let head = match busy {
                    0 => format!(
                        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {}-{}/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                        range.start,
                        range.end - 1,
                        file.len(),
                        body.len()
                    ),
                    _ => "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
                };
                let body = if busy == 0 { body } else { &[] };
                busy = busy.saturating_sub(1);
                let mut stream = reader.into_inner();
                stream
                    .write_all(head.as_bytes())
                    .and_then(|()| stream.write_all(body))
                    .ok();
            }
        });
        address
    }

    #[test]
    fn ranges_of_a_remote_file_are_those_of_the_file() {
        let file: Vec<u8> = (0..300_000u32).map(|at| (at % 251) as u8).collect();
        let source = AnySource::open(Path::new(&serve(file.clone(), 1))).expect("opens, at the second try");
        assert_eq!(source.size_bytes(), 300_000);
        for range in [10..20, 65_530..65_550, 299_990..300_000, 0..300_000] {
            let read = pollster::block_on(source.fetch_range(range.clone())).expect("reads");
            assert!(read == file[range.start as usize..range.end as usize], "{range:?}");
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_named_by_a_code() {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|server| server.local_addr())
            .expect("a port");
        let error = get_once(&format!("http://{port}/file"), &(0..10)).expect_err("nobody listens");
        assert_eq!(error.code(), "http_unreachable");
    }

    #[test]
    fn a_query_is_no_part_of_a_name() {
        let name = |path| {
            without_query(Path::new(path))
                .file_name()
                .and_then(|name| name.to_str())
        };
        assert_eq!(name("https://host/a.tif?signature=b/c.d"), Some("a.tif"));
        assert_eq!(name("/data/what?.tif"), Some("what?.tif"));
    }

    #[test]
    fn addresses_are_told_from_paths() {
        for address in ["http://host/a.tif", "HTTPS://host/a.tif"] {
            assert!(is_address(Path::new(address)), "{address}");
        }
        for path in ["/a.tif", "a.tif", "http:/a.tif", "s3://bucket/a.tif"] {
            assert!(!is_address(&PathBuf::from(path)), "{path}");
        }
    }
}
