//! Reads a window of a GeoTIFF on a server, of which it fetches only what the window needs:
//! `cargo run -p raremap-examples --bin window_over_http -- http://HOST/SCENE.tif X Y WIDTH HEIGHT`

use std::error::Error;

use raremap_io::HttpSource;
use raremap_tiff::{GeoTiff, Limits, Window};

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
