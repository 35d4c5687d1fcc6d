//! Makes pictures of validation images, with the same pipeline that predicts.

use raremap_infer::{DecideOptions, View};
use raremap_model::{Card, TileModel};

use super::SamplePictures;
use super::picture::Picture;
use crate::dataset::{DatasetConfig, Sample, SampleStore};
use crate::error::Result;
use crate::evaluate::Layout;

/// Indices of the `count` samples with the most pixels of `rare` classes, most first, because those are worth looking at.
///
/// # Errors
/// If a sample cannot be read.
pub fn choose_samples(samples: &SampleStore, rare: &[usize], count: usize) -> Result<Vec<usize>> {
    let rare_pixels = samples.iter().map(|sample| {
        let sample = sample?;
        let labels = sample.labels.iter();
        Ok(labels.filter(|label| rare.contains(&usize::from(**label))).count())
    });
    let rare_pixels = rare_pixels.collect::<Result<Vec<_>>>()?;
    let mut chosen: Vec<usize> = (0..samples.len()).collect();
    // The sort is stable, so that every run shows the same ones among equals.
    chosen.sort_by_key(|&index| std::cmp::Reverse(rare_pixels[index]));
    chosen.truncate(count);
    Ok(chosen)
}

/// Segments `sample` with `model` and draws it. The dataset's last three scene bands are shown as blue, green and red: with near infrared
/// last, that is the usual false-colour picture.
///
/// # Errors
/// If the dataset's bands are not the card's, or if the network fails.
pub fn sample_pictures(
    model: &impl TileModel,
    card: &Card,
    dataset: &DatasetConfig,
    name: &str,
    sample: &Sample,
) -> Result<SamplePictures> {
    let layout = Layout::new(card, dataset, None)?;
    let argmax = DecideOptions {
        threshold: 1.0,
        ..DecideOptions::new(card)
    };
    let colors: Vec<[u8; 3]> = card.classes.iter().map(|class| class.color).collect();
    let mut class_of = [u8::MAX; 256];
    for (index, class) in (0u8..).zip(&card.classes) {
        class_of[usize::from(class.value)] = index;
    }
    let (width, height) = (sample.width, sample.height);
    let logits = layout.logits(sample, model)?;
    let mask = logits.decide(&argmax)?.mask;
    let predicted: Vec<u8> = mask.iter().map(|&value| class_of[usize::from(value)]).collect();
    let saliency = match card.rare_classes.is_empty() {
        true => None,
        false => Some(logits.saliency(&View::whole(logits.size()))?),
    };
    Ok(SamplePictures {
        name: name.to_owned(),
        input: false_color(sample),
        label: Picture::of_classes(width, height, &sample.labels, &colors),
        prediction: Picture::of_classes(width, height, &predicted, &colors),
        saliency: saliency.map(|saliency| Picture::of_probability(width, height, &saliency)),
    })
}

fn false_color(sample: &Sample) -> Picture {
    let mut values = sample.values.clone();
    let plane = (sample.width * sample.height).max(1);
    for band in values.chunks_exact_mut(plane) {
        for (value, _) in band.iter_mut().zip(&sample.valid).filter(|(_, valid)| !**valid) {
            *value = f32::NAN;
        }
    }
    let bands: Vec<&[f32]> = values.chunks_exact(plane).rev().take(3).collect();
    match bands[..] {
        [red, green, blue] => Picture::of_bands(sample.width, sample.height, [red, green, blue]),
        [red, green] => Picture::of_bands(sample.width, sample.height, [red, green, green]),
        [only] => Picture::of_bands(sample.width, sample.height, [only; 3]),
        _ => Picture::from_fn(sample.width, sample.height, |_| [0; 3]),
    }
}
