//! A scene that is never in memory as a whole: how much a run over it keeps, and how it reads.

#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::ops::{ControlFlow, Range};

use bytes::Bytes;
use pollster::block_on;
use raremap_infer::{DecideOptions, InferError, Progress, RunHooks, RunOptions, SceneLogits, Tiling, View, run_scene};
use raremap_io::{FileScratch, RangeSource, Scratch, SourceError};
use raremap_model::{Card, TileError, TileLogits, TileModel, UNetConfig};
use raremap_scene::{Scene as _, TiffScene};
use raremap_testing::card as testing;
use raremap_tiff::Limits;

const BANDS: usize = 3;
const SAMPLE_BYTES: usize = 2;
/// Where the samples begin: room for the directory and its tables.
const DATA_OFFSET: usize = 1 << 20;
const TILE_PX: usize = 256;
const MIB: u64 = 1 << 20;

fn card() -> Card {
    let classes = [(1, "land"), (2, "water"), (3, "reed")];
    Card {
        tile_px: TILE_PX,
        architecture: UNetConfig::new(BANDS, 3, 1).into(),
        ..testing::card(&["green", "red", "nir"], &classes, &["reed"])
    }
}

/// The class of a pixel is where the highest of its three bands is.
struct HighestBand;

impl TileModel for HighestBand {
    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        let auxiliary = input[2 * height * width..]
            .iter()
            .map(|nir| nir / 256.0 - 8.0)
            .collect();
        Ok(TileLogits { main: input, auxiliary })
    }
}

/// The sample of a band at a pixel; 0, which is nodata, in all bands of the scene's left edge.
fn sample(band: usize, x: usize, y: usize) -> u16 {
    if x * 50 < y {
        return 0;
    }
    let mixed = (x / 37 * 7919 + y / 23 * 104_729 + band * 65_537) as u32;
    (mixed.wrapping_mul(2_654_435_761) >> 21) as u16 + 1
}

fn class_value(x: usize, y: usize) -> u8 {
    let samples = [0, 1, 2].map(|band| sample(band, x, y));
    match samples.iter().max() {
        Some(0) | None => Card::MASK_NODATA,
        Some(most) => samples
            .iter()
            .position(|sample| sample == most)
            .map_or(0, |at| at as u8 + 1),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Blocks {
    /// Strips of this many rows.
    Strips(usize),
    /// Square tiles of this edge.
    Tiles(usize),
}

/// An uncompressed TIFF of any size whose bytes are made when they are asked for.
struct MadeUp {
    width: usize,
    height: usize,
    block: [usize; 2],
    head: Vec<u8>,
    longest_read: Cell<u64>,
    bytes_read: Cell<u64>,
}

impl MadeUp {
    fn new([height, width]: [usize; 2], blocks: Blocks) -> Self {
        let block = match blocks {
            Blocks::Strips(rows) => [rows, width],
            Blocks::Tiles(edge) => [edge, edge],
        };
        let down = height.div_ceil(block[0]);
        let across = width.div_ceil(block[1]);
        let block_bytes = block[0] * block[1] * BANDS * SAMPLE_BYTES;
        let offsets: Vec<u32> = (0..down * across)
            .map(|i| (DATA_OFFSET + i * block_bytes) as u32)
            .collect();
        let counts = vec![block_bytes as u32; offsets.len()];
        let mut made = Self {
            width,
            height,
            block,
            head: vec![],
            longest_read: Cell::new(0),
            bytes_read: Cell::new(0),
        };
        let is_tiled = matches!(blocks, Blocks::Tiles(_));
        let mut entries = vec![
            (256, vec![width as u32]),
            (257, vec![height as u32]),
            (258, vec![16]),
            (259, vec![1]),
            (262, vec![1]),
            (277, vec![BANDS as u32]),
        ];
        if is_tiled {
            entries.extend([
                (322, vec![block[1] as u32]),
                (323, vec![block[0] as u32]),
                (324, offsets),
                (325, counts),
            ]);
        } else {
            entries.extend([(273, offsets), (278, vec![block[0] as u32]), (279, counts)]);
        }
        entries.push((42113, vec![]));
        entries.sort_by_key(|(tag, _)| *tag);
        made.head = head(&entries);
        assert!(made.head.len() <= DATA_OFFSET);
        made
    }

    /// The bytes of the pixels from `first` on, in the file's order.
    fn pixels(&self, first: usize, count: usize) -> Vec<u8> {
        let [rows, columns] = self.block;
        let across = self.width.div_ceil(columns);
        let mut bytes = Vec::with_capacity(count * BANDS * SAMPLE_BYTES);
        for pixel in first..first + count {
            let (block, inside) = (pixel / (rows * columns), pixel % (rows * columns));
            let x = block % across * columns + inside % columns;
            let y = block / across * rows + inside / columns;
            (0..BANDS).for_each(|band| bytes.extend_from_slice(&sample(band, x, y).to_le_bytes()));
        }
        bytes
    }
}

/// A little-endian header and directory, all numbers as LONG, nodata 0.
fn head(entries: &[(u16, Vec<u32>)]) -> Vec<u8> {
    let mut file = vec![b'I', b'I', 42, 0, 8, 0, 0, 0];
    let mut after = Vec::new();
    let tables_at = 8 + 2 + 12 * entries.len() + 4;
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, values) in entries {
        file.extend(tag.to_le_bytes());
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let (kind, count, value) = match values.len() {
            0 => (2u16, 2, [b'0', 0, 0, 0]),
            1 => (4, 1, [bytes[0], bytes[1], bytes[2], bytes[3]]),
            many => (4, many as u32, ((tables_at + after.len()) as u32).to_le_bytes()),
        };
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value);
        if values.len() > 1 {
            after.extend(bytes);
        }
    }
    file.extend([0; 4]);
    file.extend(after);
    file
}

impl RangeSource for MadeUp {
    fn size_bytes(&self) -> u64 {
        let [rows, columns] = self.block;
        let blocks = self.height.div_ceil(rows) * self.width.div_ceil(columns);
        (DATA_OFFSET + blocks * rows * columns * BANDS * SAMPLE_BYTES) as u64
    }

    async fn fetch_range(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        let length = range.end - range.start;
        self.longest_read.set(self.longest_read.get().max(length));
        self.bytes_read.set(self.bytes_read.get() + length);
        let (start, end) = (range.start as usize, range.end as usize);
        let mut bytes: Vec<u8> = (start..end.min(DATA_OFFSET))
            .map(|offset| self.head.get(offset).copied().unwrap_or(0))
            .collect();
        if end > DATA_OFFSET {
            let (from, to) = (start.max(DATA_OFFSET) - DATA_OFFSET, end - DATA_OFFSET);
            let pixel_bytes = BANDS * SAMPLE_BYTES;
            let first = from / pixel_bytes;
            let pixels = self.pixels(first, to.div_ceil(pixel_bytes) - first);
            bytes.extend_from_slice(&pixels[from - first * pixel_bytes..to - first * pixel_bytes]);
        }
        Ok(bytes.into())
    }
}

/// Gives a temporary file for logits, and looks at the partial result now and then.
struct Hooks {
    spilled_bytes: u64,
    looks: usize,
}

impl RunHooks for Hooks {
    async fn after_tile(&mut self, progress: Progress, partial: &SceneLogits) -> ControlFlow<()> {
        if progress.done.is_multiple_of(97) {
            let view = View::overview(partial.size(), 200);
            let mask = partial.mask(&DecideOptions::new(&card()), &view).expect("a view");
            assert!(mask.iter().any(|value| *value != Card::MASK_NODATA));
            self.looks += 1;
        }
        ControlFlow::Continue(())
    }

    async fn scratch(&mut self, needed_bytes: u64) -> Result<Option<Box<dyn Scratch>>, InferError> {
        self.spilled_bytes = needed_bytes;
        Ok(Some(Box::new(FileScratch::new(
            tempfile::tempfile().expect("a temporary file"),
        ))))
    }
}

/// The most memory that this process has had so far.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    line.trim()
        .trim_end_matches("kB")
        .trim()
        .parse::<u64>()
        .expect("a number")
        * 1024
}

/// `[height, width]`: RAREMAP_MEMORY_SCENE=16000x17000 (width x height) tries a larger one by hand.
fn size_or(usual: [usize; 2]) -> [usize; 2] {
    let Ok(text) = std::env::var("RAREMAP_MEMORY_SCENE") else {
        return usual;
    };
    let (width, height) = text.split_once('x').expect("WIDTHxHEIGHT");
    [height, width].map(|side| side.parse().expect("pixels"))
}

/// Runs, decides and reads every row of every result; gives the bytes that this took beyond what was there.
fn run(size: [usize; 2], blocks: Blocks, most_bytes: u64) {
    let size = size_or(size);
    let [height, width] = size;
    let before = peak_bytes();
    let source = MadeUp::new(size, blocks);
    let mut hooks = Hooks {
        spilled_bytes: 0,
        looks: 0,
    };
    let options = RunOptions {
        tiling: Tiling::of_tile(TILE_PX),
        max_logit_bytes_in_memory: 16 * MIB,
        ..RunOptions::new(vec![0, 1, 2])
    };
    let scene = block_on(TiffScene::open(&source, Limits::for_browser())).expect("a scene");
    let preview = block_on(scene.read_preview(512, &[0, 1, 2])).expect("a preview");
    assert!(preview.valid.iter().any(|valid| *valid));
    let logits = block_on(run_scene(&scene, &HighestBand, &card(), &options, &mut hooks)).expect("a run");
    assert!(hooks.looks > 0);
    assert_eq!(hooks.spilled_bytes, (width * height * 4 * 2) as u64);

    let argmax = DecideOptions {
        threshold: 1.0,
        ..DecideOptions::new(&card())
    };
    let (mut wrong, mut counts) = (0u64, [0u64; 256]);
    let summary = logits.decide_rows(&argmax, |y, row| {
        for (x, value) in row.iter().enumerate() {
            let truth = class_value(x, y);
            wrong += u64::from(truth != *value);
            counts[usize::from(truth)] += 1;
        }
        Ok::<_, raremap_infer::InferError>(())
    });
    let summary = summary.expect("a mask");
    assert_eq!(wrong, 0, "pixels differ from the truth");
    assert_eq!(
        summary.classes.iter().map(|class| class.pixels).collect::<Vec<_>>(),
        counts[1..4]
    );
    let mut rows = logits.auxiliary_rows(&View::whole(size)).expect("a view");
    let (mut saliency, mut probability) = (vec![0.0; width], vec![0.0; width]);
    let mut marked = 0;
    for y in 0..height {
        rows.read_saliency(y, &mut saliency).expect("a row");
        rows.read_probability(0, y, &mut probability).expect("a row");
        let valid = saliency.iter().filter(|value| !value.is_nan());
        marked += valid.filter(|value| summary.top_k.marks(**value)).count() as u64;
    }
    assert_eq!(marked, summary.top_k.pixels);

    let taken = peak_bytes() - before;
    println!(
        "{width} x {height}, {blocks:?}: {} MiB at most, {} MiB of logits in the scratch, {} MiB read in reads of at most {} KiB",
        taken / MIB,
        hooks.spilled_bytes / MIB,
        source.bytes_read.get() / MIB,
        source.longest_read.get() / 1024
    );
    assert!(
        source.longest_read.get() <= 4 * MIB,
        "one read of {} bytes",
        source.longest_read.get()
    );
    assert!(
        taken <= most_bytes,
        "{} MiB at most, {} allowed",
        taken / MIB,
        most_bytes / MIB
    );
}

// Tests of their own processes (as nextest runs them) have their own peaks.

#[test]
fn a_striped_scene_runs_in_a_fraction_of_its_logits() {
    run([6000, 4000], Blocks::Strips(16), 112 * MIB);
}

#[test]
fn a_tiled_scene_runs_in_a_fraction_of_its_logits() {
    run([2000, 4000], Blocks::Tiles(256), 112 * MIB);
}
