//! Pictures of validation images, made by the pipeline that predicts.

use anyhow::{Context, Result};
use raremap_infer::{DecideOptions, RunOptions, TileModel, Tiling, View, run_scene};
use raremap_model::Card;
use raremap_raster::{FileSource, GeoTiff, Limits};

use super::SamplePictures;
use super::picture::Picture;
use crate::dataset::{DatasetConfig, Sample};

/// The `count` images of `split` with the most pixels of rare classes, most first: those are worth looking at.
///
/// # Errors
/// Where an image cannot be read.
pub fn choose_samples(dataset: &DatasetConfig, split: &str, count: usize) -> Result<Vec<String>> {
    let rare = dataset.rare_classes();
    let is_rare: Vec<bool> = dataset.classes.iter().map(|class| rare.contains(&class.name)).collect();
    let mut images = Vec::new();
    for image in dataset.images_of(split)? {
        let labels = dataset.load_sample(&image)?.labels;
        let of_rare = |label: &&u8| is_rare.get(usize::from(**label)).copied().unwrap_or(false);
        images.push((labels.iter().filter(of_rare).count(), image));
    }
    // by name among equals, so that every run shows the same
    images.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
    Ok(images.into_iter().take(count).map(|(_, image)| image).collect())
}

/// Segments `images` of `dataset` with `model` and paints them. The dataset's last three scene bands are shown as blue,
/// green and red: with near infrared last, that is the usual false-colour picture.
///
/// # Errors
/// Where a file cannot be read, and where the dataset's bands are not the card's.
pub fn sample_pictures(
    model: &impl TileModel,
    card: &Card,
    dataset: &DatasetConfig,
    images: &[String],
) -> Result<Vec<SamplePictures>> {
    let bands = card.scene_bands().into_iter().map(|name| {
        let found = dataset
            .scene_bands()
            .iter()
            .find(|(band, _)| *band == name)
            .map(|(_, index)| *index);
        found.with_context(|| format!("the model needs band {name}, which {} does not name", dataset.name))
    });
    let options = RunOptions {
        tiling: Tiling::of_tile(card.tile_px),
        ..RunOptions::new(bands.collect::<Result<_>>()?)
    };
    let argmax = DecideOptions {
        threshold: 1.0,
        ..DecideOptions::new(card)
    };
    let colors: Vec<[u8; 3]> = card.classes.iter().map(|class| class.color).collect();
    let mut class_of = [u8::MAX; 256];
    for (index, class) in (0u8..).zip(&card.classes) {
        class_of[usize::from(class.value)] = index;
    }
    let mut pictures = Vec::new();
    for image in images {
        let sample = dataset.load_sample(image)?;
        let run = async {
            let scene = GeoTiff::open(FileSource::open(&sample.path)?, Limits::default()).await?;
            anyhow::Ok(run_scene(&scene, model, card, &options, &mut ()).await?)
        };
        let logits = pollster::block_on(run).with_context(|| sample.path.display().to_string())?;
        let (width, height) = (sample.width, sample.height);
        let mask = logits.decide(&argmax)?.mask;
        let predicted: Vec<u8> = mask.iter().map(|&value| class_of[usize::from(value)]).collect();
        let saliency = match card.rare_classes.is_empty() {
            true => None,
            false => Some(logits.saliency(&View::whole(logits.size()))?),
        };
        pictures.push(SamplePictures {
            name: image.clone(),
            input: false_color(&sample),
            label: Picture::of_classes(width, height, &sample.labels, &colors),
            prediction: Picture::of_classes(width, height, &predicted, &colors),
            saliency: saliency.map(|saliency| Picture::of_probability(width, height, &saliency)),
        });
    }
    Ok(pictures)
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
