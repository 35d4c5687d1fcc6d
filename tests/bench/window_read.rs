//! Reads windows of a GeoTIFF as an application does: `window_read FILE EDGE_PX COUNT`. See README.md beside this file.
//!
//! Prints CPU seconds and the sum of all samples as JSON; windows are those of window_read.py.

use std::path::Path;
use std::time::Instant;

use raremap_io::FileSource;
use raremap_tiff::{GeoTiff, Limits, Window};

/// The linear congruential generator of window_read.py (Numerical Recipes' constants).
struct Windows(u32);

impl Windows {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((u64::from(self.0) * u64::from(end)) >> 32) as u32
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, edge, count] = arguments.as_slice() else {
        eprintln!("usage: window_read FILE EDGE_PX COUNT");
        std::process::exit(2);
    };
    let edge: u32 = edge.parse().expect("EDGE_PX is a number");
    let count: u32 = count.parse().expect("COUNT is a number");
    let source = FileSource::open(Path::new(file)).expect("the file opens");
    let image = pollster::block_on(GeoTiff::open(source, Limits::default())).expect("a GeoTIFF");
    let info = image.info();
    let bands: Vec<usize> = (0..info.band_count).collect();
    let (most_x, most_y) = (info.width - edge, info.height - edge);
    let mut windows = Windows(1);
    let (mut sum, started) = (0.0, Instant::now());
    for _ in 0..count {
        let window = Window {
            x: windows.below(most_x + 1),
            y: windows.below(most_y + 1),
            width: edge,
            height: edge,
        };
        let samples = pollster::block_on(image.read_window(window, &bands)).expect("the window reads");
        // Four sums are made at a time, because the figure is about reading, not adding.
        let (fours, rest) = samples.values.as_chunks::<4>();
        let mut sums = [0.0; 4];
        for four in fours {
            for (sum, value) in sums.iter_mut().zip(four) {
                *sum += f64::from(*value);
            }
        }
        sum += sums.iter().sum::<f64>() + rest.iter().map(|value| f64::from(*value)).sum::<f64>();
    }
    println!("{{\"secs\": {}, \"sum\": {sum}}}", started.elapsed().as_secs_f64());
}
