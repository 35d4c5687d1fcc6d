//! What a build says about a codec that it leaves out: `cargo test -p raremap-tiff --no-default-features --test left_out` leaves out all.

use std::path::Path;

use pollster::block_on;
use raremap_io::BytesSource;
use raremap_tiff::{GeoTiff, Limits, TiffError, Unsupported};

#[test]
fn a_codec_that_was_left_out_is_named() {
    let files = [
        ("ccitt_group3.tif", "CCITT group 3", cfg!(feature = "ccitt")),
        ("ccitt_group4.tif", "CCITT group 4", cfg!(feature = "ccitt")),
        ("ccitt_rle.tif", "CCITT modified Huffman", cfg!(feature = "ccitt")),
        ("jpeg_gray.tif", "JPEG", cfg!(feature = "jpeg")),
        ("lerc_f32_lossy.tif", "LERC", cfg!(feature = "lerc")),
        ("lzma_i16_predictor.tif", "LZMA", cfg!(feature = "lzma")),
        ("u64_predictor.tif", "deflate", cfg!(feature = "deflate")),
        ("webp_lossy.tif", "WebP", cfg!(feature = "webp")),
        ("zstd_u16_predictor.tif", "Zstandard", cfg!(feature = "zstd")),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/codecs");
    for (file, codec, is_built_in) in files {
        let bytes = std::fs::read(folder.join(file)).expect("the file is there");
        match block_on(GeoTiff::open(BytesSource::new(bytes), Limits::default())) {
            Ok(_) => assert!(is_built_in, "{file} is read"),
            Err(error) => {
                assert!(!is_built_in, "{file}: {error}");
                assert_eq!(error.code(), "unsupported_compression");
                let sentence = format!("this build does not read {codec} (compression ");
                assert!(error.to_string().starts_with(&sentence), "{error}");
                assert!(matches!(error, TiffError::Unsupported(Unsupported::LeftOut { .. })));
            }
        }
    }
}
