//! Colours that are not stored as bands, and old-style JPEG: the pixels equal those of GDAL 3.10.

use pollster::block_on;
use raremap_io::BytesSource;
use raremap_tiff::{GdalChecksum, GeoTiff, Limits, TiffError, Window};

/// A little-endian file: `tags` with their values, as LONG where they are offsets or counts of blocks, else SHORT.
fn file(tags: &[(u16, Vec<u32>)], body: &[u8]) -> Vec<u8> {
    let mut tags = tags.to_vec();
    tags.sort_by_key(|(tag, _)| *tag);
    let is_long = |tag: u16| matches!(tag, 256 | 257 | 273 | 278 | 279 | 324 | 325 | 513 | 514 | 519..=521);
    let mut out = [b"II*\0".as_slice(), &[0; 4], body].concat();
    let mut entries = Vec::new();
    for (tag, values) in &tags {
        let (field_type, mut bytes): (u16, Vec<u8>) = if is_long(*tag) {
            (4, values.iter().flat_map(|value| value.to_le_bytes()).collect())
        } else {
            (
                3,
                values.iter().flat_map(|value| (*value as u16).to_le_bytes()).collect(),
            )
        };
        if bytes.len() > 4 {
            let at = out.len() as u32;
            out.extend_from_slice(&bytes);
            bytes = at.to_le_bytes().to_vec();
        }
        bytes.resize(4, 0);
        entries.extend_from_slice(&tag.to_le_bytes());
        entries.extend_from_slice(&field_type.to_le_bytes());
        entries.extend_from_slice(&(values.len() as u32).to_le_bytes());
        entries.extend_from_slice(&bytes);
    }
    let directory = out.len() as u32;
    out.extend_from_slice(&(tags.len() as u16).to_le_bytes());
    out.extend_from_slice(&entries);
    out.extend_from_slice(&[0; 4]);
    out[4..8].copy_from_slice(&directory.to_le_bytes());
    out
}

/// Concatenates blocks and returns where each of them is.
fn body(blocks: &[&[u8]]) -> (Vec<u8>, Vec<u32>) {
    let mut offsets = Vec::new();
    let mut body = Vec::new();
    for block in blocks {
        offsets.push(8 + body.len() as u32);
        body.extend_from_slice(block);
    }
    (body, offsets)
}

/// An uncompressed image of 8 bits in one block, or one per plane.
fn plain(
    width: u32,
    height: u32,
    photometric: u32,
    samples: usize,
    blocks: &[&[u8]],
    more: &[(u16, Vec<u32>)],
) -> Vec<u8> {
    let (body, offsets) = body(blocks);
    let counts = blocks.iter().map(|block| block.len() as u32).collect();
    let mut tags = vec![
        (256, vec![width]),
        (257, vec![height]),
        (258, vec![8; samples]),
        (259, vec![1]),
        (262, vec![photometric]),
        (273, offsets),
        (277, vec![samples as u32]),
        (278, vec![height]),
        (279, counts),
        (284, vec![if blocks.len() > 1 { 2 } else { 1 }]),
    ];
    tags.extend_from_slice(more);
    file(&tags, &body)
}

/// All values, band by band.
fn read(bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, TiffError> {
    block_on(async {
        let image = GeoTiff::open(BytesSource::new(bytes), Limits::default()).await?;
        let (width, height) = (image.info().width, image.info().height);
        let bands: Vec<usize> = (0..image.info().band_count).collect();
        let whole = Window {
            x: 0,
            y: 0,
            width,
            height,
        };
        let samples = image.read_window_as::<f64>(whole, &bands).await?;
        let planes = samples.values.chunks_exact((width * height) as usize);
        Ok(planes
            .map(|plane| plane.iter().map(|value| *value as u8).collect())
            .collect())
    })
}

fn checksums(bytes: Vec<u8>) -> Result<Vec<u16>, TiffError> {
    block_on(async {
        let image = GeoTiff::open(BytesSource::new(bytes), Limits::default()).await?;
        let info = image.info();
        let whole = Window {
            x: 0,
            y: 0,
            width: info.width,
            height: info.height,
        };
        let mut sums = Vec::new();
        for band in 0..info.band_count {
            let samples = image.read_window_as::<f64>(whole, &[band]).await?;
            let mut sum = GdalChecksum::new(info.sample_type, info.width);
            sum.update(whole, &samples.values);
            sums.push(sum.value());
        }
        Ok(sums)
    })
}

#[test]
fn chroma_of_an_odd_number_of_units_of_four_by_four_ends_as_in_gdal() {
    let unit = [&(10..26).collect::<Vec<u8>>(), [90, 160].as_slice()].concat();
    let subsampling = [(530, vec![4, 4])];
    // One unit side by side: its chroma is not read.
    let bands = read(plain(3, 2, 6, 3, &[&unit], &subsampling)).expect("reads");
    assert_eq!(bands, [vec![0; 6], vec![145, 146, 147, 149, 150, 151], vec![0; 6]]);
    // Two units: all of it is.
    let bands = read(plain(5, 2, 6, 3, &[&[unit.clone(), unit].concat()], &subsampling)).expect("reads");
    assert_eq!(bands[0], [55, 56, 57, 58, 55, 59, 60, 61, 62, 59]);
    assert_eq!(bands[1], [0, 1, 2, 3, 0, 4, 5, 6, 7, 4]);
    assert_eq!(bands[2], [0; 10]);
}

#[test]
fn colours_in_planes_are_those_of_chunky_pixels() {
    let once = [(530, vec![1, 1])];
    let rgb = [vec![245, 50], vec![190, 50], vec![133, 50]];
    let chunky = plain(2, 1, 6, 3, &[&[200, 90, 160, 50, 128, 128]], &once);
    let planar = plain(2, 1, 6, 3, &[&[200, 50], &[90, 128], &[160, 128]], &once);
    assert_eq!(read(chunky).expect("reads"), rgb);
    assert_eq!(read(planar.clone()).expect("reads"), rgb);

    let chunky = plain(2, 1, 5, 4, &[&[0, 50, 193, 63, 0, 0, 0, 0]], &[]);
    let planar = plain(2, 1, 5, 4, &[&[0, 0], &[50, 0], &[193, 0], &[63, 0]], &[]);
    let rgba = [vec![192, 255], vec![154, 255], vec![46, 255], vec![255, 255]];
    assert_eq!(read(chunky).expect("reads"), rgba);
    assert_eq!(read(planar.clone()).expect("reads"), rgba);

    // One band of a window takes all planes, too.
    block_on(async {
        let image = GeoTiff::open(BytesSource::new(planar), Limits::default())
            .await
            .expect("opens");
        let right = Window {
            x: 1,
            y: 0,
            width: 1,
            height: 1,
        };
        assert_eq!(
            image.read_window(right, &[2, 0]).await.expect("reads").values,
            [255.0, 255.0]
        );
        assert!(image.read_window(right, &[4]).await.is_err());
    });
}

#[test]
fn colours_that_gdal_does_not_convert_are_given_as_stored() {
    // ICC and ITU L*a*b*, Log L and Log Luv without their compression, three inks, and L*a*b* of two samples.
    for (photometric, samples) in [(9, 3), (10, 3), (32844, 1), (32845, 3), (5, 3), (8, 2)] {
        let stored: Vec<u8> = (1..=2 * samples as u8).collect();
        let bands = read(plain(2, 1, photometric, samples, &[&stored], &[])).expect("reads");
        for (band, values) in bands.iter().enumerate() {
            let expected = [stored[band], stored[band + samples]];
            assert_eq!(values, &expected, "photometric {photometric}, band {band}");
        }
    }
}

/// Coded blocks of one coefficient each: differences of DC are 0 or between 64 and 127, up or down.
fn coded(differences: &[i32]) -> Vec<u8> {
    let mut bits = String::new();
    for difference in differences {
        match difference {
            0 => bits.push_str("00"),
            up if *up > 0 => bits.push_str(&format!("01{up:07b}")),
            down => bits.push_str(&format!("01{:07b}", down + 127)),
        }
        // The end of the block.
        bits.push('0');
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    let byte = |digits: &[u8]| digits.iter().fold(0u8, |byte, digit| byte << 1 | (digit - b'0'));
    bits.as_bytes().chunks(8).map(byte).collect()
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xFF, marker], length.as_slice(), content].concat()
}

/// The parts of an image of 16 x 32 pixels in two restart intervals, chroma halved both ways.
struct Parts {
    quantization: Vec<u8>,
    dc: Vec<u8>,
    ac: Vec<u8>,
    tables: Vec<u8>,
    frame: Vec<u8>,
    scan: Vec<u8>,
    halves: [Vec<u8>; 2],
}

impl Parts {
    fn new() -> Self {
        let quantization = vec![1; 64];
        // Two codes of two bits for 0 and for 7 more bits; one of one bit for the end.
        let dc = [&[0, 2], [0; 14].as_slice(), &[0, 7]].concat();
        let ac = [&[1], [0; 15].as_slice(), &[0]].concat();
        let tables = [
            segment(0xDB, &[&[0], quantization.as_slice()].concat()),
            segment(0xC4, &[&[0], dc.as_slice(), &[0x10], ac.as_slice()].concat()),
        ];
        Self {
            tables: tables.concat(),
            frame: segment(0xC0, &[8, 0, 32, 0, 16, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]),
            scan: segment(0xDA, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]),
            halves: [coded(&[100, 0, -64, 0, 80, -90]), coded(&[64, 0, 0, 0, -70, 100])],
            quantization,
            dc,
            ac,
        }
    }

    fn header(&self, interval: &[u8]) -> Vec<u8> {
        [&[0xFF, 0xD8], self.tables.as_slice(), interval, &self.frame, &self.scan].concat()
    }

    /// Both halves, a restart marker between them.
    fn data(&self) -> Vec<u8> {
        [&self.halves[0], [0xFF, 0xD0].as_slice(), &self.halves[1]].concat()
    }
}

/// GDAL's checksums of that image.
const OLD_JPEG: [u16; 3] = [5995, 5307, 6581];

fn old_jpeg(strips: &[(u32, u32)], rows: u32, more: &[(u16, Vec<u32>)], body: &[u8]) -> Vec<u8> {
    let mut tags = vec![
        (256, vec![16]),
        (257, vec![32]),
        (259, vec![6]),
        (273, strips.iter().map(|strip| strip.0).collect()),
        (278, vec![rows]),
        (279, strips.iter().map(|strip| strip.1).collect()),
        (512, vec![1]),
        (530, vec![2, 2]),
    ];
    tags.extend_from_slice(more);
    file(&tags, body)
}

fn usual() -> Vec<(u16, Vec<u32>)> {
    vec![(258, vec![8; 3]), (262, vec![6]), (277, vec![3])]
}

#[test]
fn old_style_jpeg_is_read_wherever_its_headers_are() {
    let parts = Parts::new();
    let interval = segment(0xDD, &[0, 1]);
    let length = |bytes: &[u8]| bytes.len() as u32;
    let with = |more: &[(u16, Vec<u32>)]| [usual(), more.to_vec()].concat();
    let mut files = Vec::new();

    // One stream, which the tag points to or the strip is.
    let stream = [parts.header(&interval), parts.data(), vec![0xFF, 0xD9]].concat();
    let pointer = [(513, vec![8]), (514, vec![length(&stream)])];
    let strip = [(8, length(&stream))];
    files.push(("stream", old_jpeg(&strip, 32, &with(&pointer), &stream)));
    files.push((
        "stream without length",
        old_jpeg(&strip, 32, &with(&pointer[..1]), &stream),
    ));
    files.push(("strip", old_jpeg(&strip, 32, &usual(), &stream)));

    // Strips that point into it, whether it names the interval or not.
    for (name, interval) in [("interval", interval.as_slice()), ("no interval", &[])] {
        let header = parts.header(interval);
        let stream = [header.clone(), parts.data()].concat();
        let first = 8 + length(&header);
        let half = length(&parts.halves[0]) + 2;
        let strips = [(first, half), (first + half, length(&parts.halves[1]))];
        let pointer = [(513, vec![8]), (514, vec![length(&stream)])];
        files.push((name, old_jpeg(&strips, 16, &with(&pointer), &stream)));
    }

    // The header is on its own, or at the start of the first strip.
    let header = parts.header(&[]);
    let (body_bytes, offsets) = body(&[&header, &parts.halves[0], &parts.halves[1]]);
    let lengths = [length(&parts.halves[0]), length(&parts.halves[1])];
    let strips = [(offsets[1], lengths[0]), (offsets[2], lengths[1])];
    let pointer = [(513, vec![8]), (514, vec![length(&header)])];
    files.push(("header", old_jpeg(&strips, 16, &with(&pointer), &body_bytes)));
    let strips = [(offsets[0], length(&header) + lengths[0]), (offsets[2], lengths[1])];
    files.push((
        "header in the first strip",
        old_jpeg(&strips, 16, &usual(), &body_bytes),
    ));

    // Tables in tags, and tags that are missing or say red, green and blue.
    let pieces = [
        &parts.halves[0],
        &parts.halves[1],
        &parts.quantization,
        &parts.dc,
        &parts.ac,
    ];
    let (body_bytes, at) = body(&pieces.map(Vec::as_slice));
    let strips = [(at[0], lengths[0]), (at[1], lengths[1])];
    let tables = [(519, vec![at[2]; 3]), (520, vec![at[3]; 3]), (521, vec![at[4]; 3])];
    files.push(("tables", old_jpeg(&strips, 16, &with(&tables), &body_bytes)));
    let rgb = [(258, vec![8; 3]), (262, vec![2]), (277, vec![3])];
    files.push((
        "called RGB",
        old_jpeg(&strips, 16, &[rgb.as_slice(), &tables].concat(), &body_bytes),
    ));
    files.push((
        "no photometric",
        old_jpeg(&strips, 16, &[&rgb[..1], &rgb[2..], &tables].concat(), &body_bytes),
    ));
    files.push((
        "no bits, no samples",
        old_jpeg(
            &strips,
            16,
            &[&[(262, vec![6])], tables.as_slice()].concat(),
            &body_bytes,
        ),
    ));

    // Each strip is an image of its own, which GDAL does not read.
    let frame = segment(0xC0, &[8, 0, 16, 0, 16, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
    let image = |half: &[u8]| [&[0xFF, 0xD8], parts.tables.as_slice(), &frame, &parts.scan, half].concat();
    let images = [image(&parts.halves[0]), image(&parts.halves[1])];
    let (body_bytes, offsets) = body(&[&images[0], &images[1]]);
    let strips = [(offsets[0], length(&images[0])), (offsets[1], length(&images[1]))];
    files.push(("images", old_jpeg(&strips, 16, &usual(), &body_bytes)));

    for (name, bytes) in files {
        let sums = checksums(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(sums, OLD_JPEG, "{name}");
    }
}

#[test]
fn old_style_jpeg_cut_short_or_changed_ends_in_a_typed_error_or_pixels() {
    let parts = Parts::new();
    let stream = [parts.header(&[]), parts.data()].concat();
    let pointer = [(513, vec![8]), (514, vec![stream.len() as u32])];
    let more = [usual(), pointer.to_vec()].concat();
    let half = stream.len() as u32 / 2;
    let sound = old_jpeg(&[(8, half), (8 + half, half)], 16, &more, &stream);
    for position in 8..sound.len() {
        for value in [0, 1, 0x7F, 0xFF] {
            let mut changed = sound.clone();
            changed[position] = value;
            let _ = read(changed);
        }
        let _ = read(sound[..position].to_vec());
    }
    assert!(read(sound[..60].to_vec()).is_err());
}
