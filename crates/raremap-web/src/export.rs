//! A finished result as files.

use raremap_infer::{DecideOptions, SceneLogits, View};
use raremap_model::{Card, Class};
use raremap_raster::{GeoReference, OutputImage, OutputSamples, encode_geotiff};

use crate::error::SessionError;

/// Where a result comes from: written into the files.
pub struct Provenance<'a> {
    /// The model's card.
    pub card: &'a Card,
    /// Digest of the model's file.
    pub model_sha256: &'a str,
    /// Name of the scene's file.
    pub scene: &'a str,
}

impl Provenance<'_> {
    fn metadata(&self, options: &DecideOptions) -> Vec<(String, String)> {
        let entries = [
            ("RAREMAP_VERSION", env!("CARGO_PKG_VERSION").to_owned()),
            ("RAREMAP_MODEL", self.card.name.clone()),
            ("RAREMAP_MODEL_SHA256", self.model_sha256.to_owned()),
            ("RAREMAP_SCENE", self.scene.to_owned()),
            ("RAREMAP_THRESHOLD", options.threshold.to_string()),
            ("RAREMAP_RARE_CLASSES", options.rare.join(",")),
            ("RAREMAP_CLASSES", class_list(&self.card.classes)),
        ];
        entries.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}

fn class_list(classes: &[Class]) -> String {
    let entries: Vec<String> = classes
        .iter()
        .map(|class| format!("{}={}", class.value, class.name))
        .collect();
    entries.join(",")
}

/// Encodes one file: `mask-tif`, `mask-png`, `probability-tif` or `saliency-tif`.
///
/// # Errors
/// [`SessionError`] for an unknown kind, options out of range, and an incomplete result.
pub fn encode(
    kind: &str,
    logits: &SceneLogits,
    options: &DecideOptions,
    georeference: Option<&GeoReference>,
    provenance: &Provenance<'_>,
) -> Result<Vec<u8>, SessionError> {
    if !logits.is_complete() {
        return Err(SessionError::misuse("the result is incomplete: the run was cancelled"));
    }
    let whole = View::whole(logits.size());
    let maps = |bands: &[Vec<f32>], names: Vec<String>| -> Result<Vec<u8>, SessionError> {
        let image = OutputImage {
            samples: OutputSamples::F32 {
                bands: bands.iter().map(Vec::as_slice).collect(),
            },
            nodata: Some(f64::NAN),
            color_table: None,
            band_names: names,
            ..empty_image(logits, provenance.metadata(options))
        };
        Ok(encode_geotiff(&image, georeference)?)
    };
    match kind {
        "mask-tif" => {
            let mask = logits.decide(options)?.mask;
            let image = OutputImage {
                samples: OutputSamples::U8(&mask),
                ..empty_image(logits, provenance.metadata(options))
            };
            Ok(encode_geotiff(&image, georeference)?)
        }
        "mask-png" => encode_png(logits, &logits.decide(options)?.mask),
        "probability-tif" => {
            let names: Vec<String> = logits.rare_classes().map(str::to_owned).collect();
            let bands: Vec<Vec<f32>> = (0..names.len())
                .map(|rare| logits.probability(rare, &whole))
                .collect::<Result<_, _>>()?;
            maps(&bands, names)
        }
        "saliency-tif" => maps(&[logits.saliency(&whole)?], vec!["saliency".to_owned()]),
        _ => Err(SessionError::misuse(format!("there is no file {kind}"))),
    }
}

/// A mask of the scene's size, without its pixels.
fn empty_image(logits: &SceneLogits, metadata: Vec<(String, String)>) -> OutputImage<'static> {
    let [height, width] = logits.size();
    OutputImage {
        // Sizes come from the file's u32 fields.
        width: width as u32,
        height: height as u32,
        samples: OutputSamples::U8(&[]),
        nodata: Some(f64::from(Card::MASK_NODATA)),
        color_table: Some(
            logits
                .classes()
                .iter()
                .map(|class| (class.value, class.color))
                .collect(),
        ),
        band_names: vec!["class".to_owned()],
        metadata,
    }
}

/// A palette PNG: the values are the mask's, the colours are the classes', and no data is transparent.
fn encode_png(logits: &SceneLogits, mask: &[u8]) -> Result<Vec<u8>, SessionError> {
    let [height, width] = logits.size();
    let mut palette = [[0; 3]; 256];
    let mut opacity = [0; 256];
    for class in logits.classes() {
        palette[usize::from(class.value)] = class.color;
        opacity[usize::from(class.value)] = u8::MAX;
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_trns(opacity.to_vec());
    let mut writer = encoder.write_header()?;
    writer.write_image_data(mask)?;
    writer.finish()?;
    Ok(bytes)
}
