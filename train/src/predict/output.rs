//! What a prediction leaves: GeoTIFF files and a table.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use raremap_infer::{SceneLogits, View};
use raremap_model::{Card, ModelFile};
use raremap_raster::{OutputImage, OutputSamples, RasterInfo, encode_geotiff};

use super::{Report, Timings};
use crate::files::write_whole;

/// Writes the results of a run, all on the scene's own grid.
pub struct Writer<'a> {
    /// Folder of the results.
    pub out: &'a Path,
    /// The scene's file.
    pub info: &'a RasterInfo,
    /// The model's file.
    pub file: &'a ModelFile,
}

impl Writer<'_> {
    /// Writes mask, probability and saliency, and gives their paths.
    pub fn write_all(&self, logits: &SceneLogits, mask: &[u8]) -> Result<Vec<PathBuf>> {
        let view = View::whole(logits.size());
        let classes = logits.classes().iter();
        let mut image = self.image(
            OutputSamples::U8(mask),
            f64::from(Card::MASK_NODATA),
            vec!["class".to_owned()],
        );
        image.color_table = Some(classes.clone().map(|class| (class.value, class.color)).collect());
        image
            .metadata
            .extend(classes.map(|class| (format!("CLASS_{}", class.value), class.name.clone())));
        let mut outputs = vec![self.write("mask.tif", &image)?];
        let rare: Vec<String> = logits.rare_classes().map(str::to_owned).collect();
        if !rare.is_empty() {
            let planes: Vec<Vec<f32>> = (0..rare.len())
                .map(|class| logits.probability(class, &view))
                .collect::<Result<_, _>>()?;
            let bands = planes.iter().map(Vec::as_slice).collect();
            let image = self.image(OutputSamples::F32 { bands }, f64::NAN, rare);
            outputs.push(self.write("probability.tif", &image)?);
        }
        let saliency = logits.saliency(&view)?;
        let samples = OutputSamples::F32 { bands: vec![&saliency] };
        outputs.push(self.write(
            "saliency.tif",
            &self.image(samples, f64::NAN, vec!["saliency".to_owned()]),
        )?);
        Ok(outputs)
    }

    fn image<'s>(&self, samples: OutputSamples<'s>, nodata: f64, band_names: Vec<String>) -> OutputImage<'s> {
        OutputImage {
            width: self.info.width,
            height: self.info.height,
            samples,
            nodata: Some(nodata),
            color_table: None,
            band_names,
            metadata: vec![
                ("RAREMAP_MODEL".to_owned(), self.file.card.name.clone()),
                ("RAREMAP_MODEL_SHA256".to_owned(), self.file.sha256.clone()),
            ],
        }
    }

    fn write(&self, name: &str, image: &OutputImage<'_>) -> Result<PathBuf> {
        let path = self.out.join(name);
        let bytes = encode_geotiff(image, self.info.georeference.as_ref());
        write_whole(&path, &bytes.with_context(|| path.display().to_string())?)?;
        Ok(path)
    }
}

/// The summary for people.
pub fn print_table(report: &Report<'_>, out: &Path) {
    let hectares = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    println!("{:<16} {:>12} {:>9} {:>14}", "class", "pixels", "percent", "hectares");
    for class in report.areas {
        let name = if class.rare {
            format!("{} (rare)", class.name)
        } else {
            class.name.clone()
        };
        println!(
            "{name:<16} {:>12} {:>9.3} {:>14}",
            class.pixels,
            class.percent,
            hectares(class.hectares)
        );
    }
    println!(
        "{:<16} {:>12} {:>9} {:>14}",
        "all",
        report.valid_pixels,
        "",
        hectares(report.valid_hectares)
    );
    if report.nodata_pixels > 0 {
        println!("{:<16} {:>12}", "no data", report.nodata_pixels);
    }
    let top_k = report.top_k;
    println!(
        "\ntop {} %: {} pixels of saliency {:.4} and more",
        top_k.percent, top_k.pixels, top_k.threshold
    );
    let Timings {
        tiles,
        run_secs,
        secs_per_tile,
        ..
    } = report.timings;
    println!(
        "{tiles} tiles in {run_secs:.2} s on {}, {:.0} ms each",
        report.backend,
        secs_per_tile * 1000.0
    );
    for warning in report.warnings {
        println!("warning: {}", warning.message);
    }
    println!("results in {}", out.display());
}
