//! Mask, probabilities and saliency as cloud-optimized GeoTIFFs.

use raremap_io::Scratch;
use raremap_model::Card;
use raremap_tiff::{CogImage, CogRow, CogSamples, CogWriter};

use crate::error::OutputError;
use crate::file::{Content, NewScratch, OutputFile};
use crate::kind::OutputKind;
use crate::options::ProbabilitySamples;
use crate::results::Results;
use raremap_infer::View;

/// Step of a pixel without data; 254 is a probability of 1.
pub(super) const NODATA_STEP: u8 = 255;
pub(super) const STEPS: f32 = 254.0;

pub(crate) fn mask(results: &Results<'_>, new_scratch: &mut NewScratch<'_>) -> Result<OutputFile, OutputError> {
    let logits = results.logits;
    let mut metadata = results.provenance();
    let names = logits
        .classes()
        .iter()
        .map(|class| (format!("CLASS_{}", class.value), class.name.clone()));
    metadata.extend(names);
    let samples = CogSamples::Classes {
        nodata: Card::MASK_NODATA,
        colors: logits
            .classes()
            .iter()
            .map(|class| (class.value, class.color))
            .collect(),
    };
    let mut writer = writer(results, samples, vec!["class".to_owned()], metadata, new_scratch()?)?;
    let [height, width] = logits.size();
    let mut rows = logits.mask_rows(results.decide, &View::whole(logits.size()))?;
    let mut row = vec![0; width];
    for y in 0..height {
        rows.read_row(y, &mut row)?;
        writer.push_row(CogRow::U8(&row))?;
    }
    finished(OutputKind::Mask, writer)
}

pub(crate) fn probability(results: &Results<'_>, new_scratch: &mut NewScratch<'_>) -> Result<OutputFile, OutputError> {
    let logits = results.logits;
    let names: Vec<String> = logits.rare_classes().map(str::to_owned).collect();
    let mut rows = logits.auxiliary_rows(&View::whole(logits.size()))?;
    let bands = names.len();
    quantity(
        results,
        OutputKind::Probability,
        names,
        new_scratch()?,
        |y, row, pixels| {
            for band in 0..bands {
                rows.read_probability(band, y, row)?;
                for (pixel, value) in pixels.chunks_exact_mut(bands).zip(row.iter()) {
                    if let Some(sample) = pixel.get_mut(band) {
                        *sample = *value;
                    }
                }
            }
            Ok(())
        },
    )
}

pub(crate) fn saliency(results: &Results<'_>, new_scratch: &mut NewScratch<'_>) -> Result<OutputFile, OutputError> {
    let mut rows = results.logits.auxiliary_rows(&View::whole(results.logits.size()))?;
    let names = vec!["saliency".to_owned()];
    quantity(results, OutputKind::Saliency, names, new_scratch()?, |y, _, pixels| {
        Ok(rows.read_saliency(y, pixels)?)
    })
}

/// Writes bands of values from 0 to 1; `read` fills a row of pixels, by way of a row of one band.
fn quantity(
    results: &Results<'_>,
    kind: OutputKind,
    names: Vec<String>,
    scratch: Box<dyn Scratch>,
    mut read: impl FnMut(usize, &mut [f32], &mut [f32]) -> Result<(), OutputError>,
) -> Result<OutputFile, OutputError> {
    let [height, width] = results.logits.size();
    let bands = names.len();
    let samples = match results.options.probability {
        ProbabilitySamples::U8 => CogSamples::Scaled {
            nodata: NODATA_STEP,
            scale: 1.0 / f64::from(STEPS),
            offset: 0.0,
        },
        ProbabilitySamples::F32 => CogSamples::Float,
    };
    let mut writer = writer(results, samples, names, results.provenance(), scratch)?;
    let (mut row, mut pixels) = (vec![0.0; width], vec![0.0; width * bands]);
    let mut steps = vec![0; width * bands];
    for y in 0..height {
        read(y, &mut row, &mut pixels)?;
        match results.options.probability {
            ProbabilitySamples::U8 => {
                for (step, value) in steps.iter_mut().zip(&pixels) {
                    *step = step_of(*value);
                }
                writer.push_row(CogRow::U8(&steps))?;
            }
            ProbabilitySamples::F32 => writer.push_row(CogRow::F32(&pixels))?,
        }
    }
    finished(kind, writer)
}

fn step_of(value: f32) -> u8 {
    if value.is_nan() {
        NODATA_STEP
    } else {
        // Rounds to the nearest step, inside 0..=254.
        (value.clamp(0.0, 1.0) * STEPS + 0.5) as u8
    }
}

fn writer(
    results: &Results<'_>,
    samples: CogSamples,
    band_names: Vec<String>,
    metadata: Vec<(String, String)>,
    scratch: Box<dyn Scratch>,
) -> Result<CogWriter<Box<dyn Scratch>>, OutputError> {
    let [height, width] = results.logits.size();
    let image = CogImage {
        // Sizes come from the file's u32 fields.
        width: width as u32,
        height: height as u32,
        samples,
        band_names,
        metadata,
    };
    let place = results.georeference.map(|place| &place.tags).or(results.ground_control);
    Ok(CogWriter::new(image, place, scratch)?)
}

fn finished(kind: OutputKind, writer: CogWriter<Box<dyn Scratch>>) -> Result<OutputFile, OutputError> {
    Ok(OutputFile {
        kind,
        content: Content::Cog(Box::new(writer.finish()?)),
        notice: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_the_nearest_step() {
        assert_eq!(
            [0.0, 1.0, 0.5, 1.5, -1.0, f32::NAN].map(step_of),
            [0, 254, 127, 254, 0, 255]
        );
        for step in 0..=254u8 {
            assert_eq!(step_of(f32::from(step) / STEPS), step);
        }
    }
}
