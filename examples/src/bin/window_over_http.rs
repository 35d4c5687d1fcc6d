//! Reads a window of a GeoTIFF on a server, of which it fetches only what the window needs:
//! `cargo run -p raremap-examples --bin window_over_http -- http://HOST/SCENE.tif X Y WIDTH HEIGHT`

use std::error::Error;
use std::ops::Range;

use bytes::Bytes;
use raremap_io::{CacheOptions, Cached, HttpAnswer, HttpProblem, RangeSource, RemoteFile, SourceError};
use raremap_tiff::{GeoTiff, Limits, Window};
use ureq::Agent;

/// Most bytes of the first request; they hold the directory of most files.
const FIRST_BYTES: u64 = 64 << 10;

/// A file on a server. Any client will do: the crate says what a server's answers mean.
struct HttpSource {
    agent: Agent,
    url: String,
    file: RemoteFile,
}

impl HttpSource {
    fn open(url: &str) -> Result<Cached<Self>, SourceError> {
        let agent: Agent = Agent::config_builder().http_status_as_error(false).build().into();
        let (answer, start) = get(&agent, url, 0..FIRST_BYTES)?;
        let file = RemoteFile::new(answer, None)?;
        let url = url.to_owned();
        // Small reads that follow each other become one request.
        let cached = Cached::new(Self { agent, url, file }, CacheOptions::default());
        cached.remember_start(&start);
        Ok(cached)
    }
}

impl RangeSource for HttpSource {
    fn size_bytes(&self) -> u64 {
        self.file.size_bytes
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        let (answer, body) = get(&self.agent, &self.url, range.clone())?;
        self.file.check(&answer, &range, body.len() as u64)?;
        Ok(body)
    }
}

fn get(agent: &Agent, url: &str, range: Range<u64>) -> Result<(HttpAnswer, Bytes), SourceError> {
    let unreachable = |error: ureq::Error| HttpProblem::Unreachable {
        reason: error.to_string(),
    };
    let wanted = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
    let mut response = agent.get(url).header("Range", wanted).call().map_err(unreachable)?;
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

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, numbers @ ..] = &arguments[..] else {
        return Err("usage: window_over_http URL X Y WIDTH HEIGHT".into());
    };
    let numbers: Vec<u32> = numbers.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
    let [x, y, width, height] = numbers[..] else {
        return Err("a window is X Y WIDTH HEIGHT, in pixels".into());
    };
    pollster::block_on(async {
        let image = GeoTiff::open(HttpSource::open(url)?, Limits::default()).await?;
        let info = image.info();
        println!(
            "{} x {} pixels, {} bands",
            info.width,
            info.height,
            info.band_names.len()
        );
        let samples = image.read_window(Window { x, y, width, height }, &[0]).await?;
        for row in samples.values.chunks(width as usize) {
            println!("{row:?}");
        }
        Ok(())
    })
}
