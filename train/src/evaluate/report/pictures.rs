//! Draws a scene, its labels and the model's results as pictures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use raremap_infer::{Matching, sigmoid};
use raremap_model::{Card, TileModel};

use crate::dataset::{DatasetConfig, Sample};
use crate::error::Result;
use crate::evaluate::flips::MeanLogits;
use crate::evaluate::scenes::Layout;
use crate::evaluate::score::{Decisions, for_pixels};

/// Longest side of a picture in pixels.
const MOST_PX: usize = 240;
/// Colour of pixels that are not scored.
const UNSCORED: [u8; 3] = [235, 235, 235];

/// The pictures of one scene, each a `data:` URL of a PNG file.
#[derive(Debug)]
pub struct Pictures {
    /// What the network sees.
    pub input: String,
    /// Labels in the classes' colours.
    pub labels: String,
    /// The mask as the page draws it.
    pub mask: String,
    /// The highest probability of the auxiliary head, where white is 1; `None` for a network without one.
    pub auxiliary: Option<String>,
}

impl Pictures {
    /// Runs the model over a scene, whose values are matched, and draws it.
    ///
    /// # Errors
    /// Those of the run.
    pub fn draw(
        sample: &Sample,
        matching: Option<&Matching>,
        model: &impl TileModel,
        card: &Card,
        dataset: &DatasetConfig,
        flips: bool,
        threshold: f32,
    ) -> Result<Self> {
        let mut layout = Layout::new(card, dataset, None)?;
        layout.run.matching = matching.cloned();
        let size = [sample.height, sample.width];
        let (classes, channels) = (layout.names.len(), layout.auxiliary.len());
        let logits = MeanLogits::of(sample, model, &layout.card, &layout.run_of(sample), flips)?;
        let decisions = Decisions::new(&layout, threshold);
        let color = |class: usize| card.classes.get(class).map_or(UNSCORED, |class| class.color);
        let pixels = sample.labels.len();
        let (mut mask, mut auxiliary) = (vec![UNSCORED; pixels], vec![[0; 3]; pixels]);
        for_pixels(&logits, size, classes + channels, |index, logits| {
            if sample.valid[index] {
                mask[index] = color(decisions.of(logits).1);
            }
            let highest = logits[classes..].iter().copied().fold(f32::NEG_INFINITY, f32::max);
            auxiliary[index] = [(sigmoid(highest) * 255.0).round() as u8; 3];
        })?;
        let labels: Vec<_> = sample.labels.iter().map(|label| color(usize::from(*label))).collect();
        Ok(Self {
            input: data_url(&input(sample, dataset), size)?,
            labels: data_url(&labels, size)?,
            mask: data_url(&mask, size)?,
            auxiliary: (channels > 0).then(|| data_url(&auxiliary, size)).transpose()?,
        })
    }
}

/// Natural colours if the bands are there, otherwise near infrared, red and green, otherwise the first band in grey; each band is stretched
/// from its 2nd to its 98th percentile.
fn input(sample: &Sample, dataset: &DatasetConfig) -> Vec<[u8; 3]> {
    let bands = dataset.scene_bands();
    let position = |name: &str| bands.iter().position(|(band, _)| *band == name);
    let all = |names: [&str; 3]| -> Option<[usize; 3]> {
        let [a, b, c] = names.map(position);
        Some([a?, b?, c?])
    };
    let chosen = all(["red", "green", "blue"])
        .or_else(|| all(["nir", "red", "green"]))
        .unwrap_or([0; 3]);
    let pixels = sample.valid.len();
    let plane = |band: usize| sample.values.get(band * pixels..(band + 1) * pixels).unwrap_or(&[]);
    let stretched = chosen.map(|band| stretch(plane(band), &sample.valid));
    let pixel = |index: usize| match sample.valid[index] {
        true => [0, 1, 2].map(|channel: usize| stretched[channel].get(index).copied().unwrap_or(0)),
        false => UNSCORED,
    };
    (0..pixels).map(pixel).collect()
}

fn stretch(band: &[f32], valid: &[bool]) -> Vec<u8> {
    let usable = band
        .iter()
        .zip(valid)
        .filter(|(value, valid)| **valid && value.is_finite());
    let mut sorted: Vec<f32> = usable.map(|(value, _)| *value).collect();
    sorted.sort_by(f32::total_cmp);
    let at = |share: f32| {
        sorted
            .get((share * sorted.len().saturating_sub(1) as f32) as usize)
            .copied()
            .unwrap_or(0.0)
    };
    let (low, high) = (at(0.02), at(0.98));
    // A cast saturates, and turns NaN into 0.
    band.iter()
        .map(|value| ((value - low) / (high - low).max(f32::EPSILON) * 255.0) as u8)
        .collect()
}

/// A PNG file of every n-th pixel, so that it is small enough.
fn data_url(pixels: &[[u8; 3]], [height, width]: [usize; 2]) -> Result<String> {
    let step = height.max(width).div_ceil(MOST_PX).max(1);
    let (rows, columns) = (height.div_ceil(step), width.div_ceil(step));
    let kept = (0..rows * columns).map(|i| pixels[i / columns * step * width + i % columns * step]);
    let data: Vec<u8> = kept.flatten().collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, columns as u32, rows as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&data)?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::toy::{Toy, card, dataset, labelled};

    fn decoded(url: &str) -> (u32, u32, Vec<u8>) {
        let text = url.strip_prefix("data:image/png;base64,").expect("a PNG");
        let bytes = STANDARD.decode(text).expect("base64");
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("pixels");
        (info.width, info.height, pixels)
    }

    #[test]
    fn a_scene_is_drawn_in_the_colours_of_its_classes() {
        let folder = tempfile::tempdir().expect("a folder");
        let dataset = dataset(folder.path(), &["0,a,val"]);
        // The right half is water, and one pixel is not scored. The toy only sees the value.
        let mut scene = labelled([32, 64], |_, x| if x < 32 { (-4.0, 0) } else { (4.0, 1) });
        scene.labels[0] = crate::dataset::IGNORE;
        let pictures = Pictures::draw(&scene, None, &Toy::default(), &card(), &dataset, false, 0.5).expect("pictures");
        let (width, height, labels) = decoded(&pictures.labels);
        assert_eq!((width, height), (64, 32));
        assert_eq!((&labels[..3], labels[3], labels[63 * 3]), (&UNSCORED[..], 0, 5));
        let (.., mask) = decoded(&pictures.mask);
        assert_eq!((mask[0], mask[63 * 3]), (0, 5));
        let (.., auxiliary) = decoded(&pictures.auxiliary.expect("an auxiliary head"));
        assert!(auxiliary[0] < 3 && auxiliary[63 * 3] > 252);
        let (.., input) = decoded(&pictures.input);
        assert_eq!((input[0], input[63 * 3]), (0, 255));
    }

    #[test]
    fn a_large_picture_is_thinned() {
        let (width, height, pixels) = decoded(&data_url(&vec![[1, 2, 3]; 500 * 100], [100, 500]).expect("a PNG"));
        assert_eq!((width, height), (167, 34));
        assert_eq!(&pixels[..6], [1, 2, 3, 1, 2, 3]);
    }
}
