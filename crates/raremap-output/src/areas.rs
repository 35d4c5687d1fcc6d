//! Area by class as a table and as JSON.

use serde::Serialize;

use crate::error::OutputError;
use crate::file::OutputFile;
use crate::kind::OutputKind;
use crate::options::OutputOptions;
use crate::place::write_decimals;
use crate::results::Results;
use raremap_infer::{DecideOptions, Summary};

/// Writes a line per class, then `valid` (all of them), `nodata` and `scene`; areas are in hectares, and empty if they are not known.
pub(crate) fn csv(results: &Results<'_>) -> Result<OutputFile, OutputError> {
    let summary = results.logits.summary(results.decide)?;
    let mut text = String::from("class,value,color,rare,pixels,percent,area_ha,complete\n");
    let mut line = |name: &str, kind: &str, pixels: u64, percent: Option<f64>, hectares: Option<f64>| {
        text.push_str(&format!("{},{kind},{pixels},", field(name)));
        if let Some(percent) = percent {
            write_decimals(&mut text, percent, 6);
        }
        text.push(',');
        if let Some(hectares) = hectares {
            write_decimals(&mut text, hectares, 6);
        }
        text.push_str(&format!(",{}\n", summary.complete));
    };
    for class in &summary.classes {
        let [red, green, blue] = class.color;
        let kind = format!("{},#{red:02x}{green:02x}{blue:02x},{}", class.value, class.rare);
        line(&class.name, &kind, class.pixels, Some(class.percent), class.hectares);
    }
    let all = if summary.valid_pixels > 0 { 100.0 } else { 0.0 };
    line("valid", ",,", summary.valid_pixels, Some(all), summary.valid_hectares);
    line("nodata", ",,", summary.nodata_pixels, None, None);
    line("scene", ",,", summary.valid_pixels + summary.nodata_pixels, None, None);
    Ok(OutputFile::of_bytes(OutputKind::AreasCsv, text.into_bytes()))
}

/// A field in the form of RFC 4180.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

#[derive(Debug, Serialize)]
struct Areas<'a> {
    scene: String,
    width_px: usize,
    height_px: usize,
    model: Model<'a>,
    decide: &'a DecideOptions,
    outputs: &'a OutputOptions,
    units: Units,
    #[serde(flatten)]
    summary: Summary,
    notes: Vec<Note<'a>>,
}

#[derive(Debug, Serialize)]
struct Model<'a> {
    name: &'a str,
    sha256: &'a str,
    raremap_version: &'static str,
}

#[derive(Debug, Serialize)]
struct Units {
    hectares: &'static str,
    percent: &'static str,
}

#[derive(Debug, Serialize)]
struct Note<'a> {
    name: &'a str,
    value: &'a str,
}

pub(crate) fn json(results: &Results<'_>) -> Result<OutputFile, OutputError> {
    let [height_px, width_px] = results.logits.size();
    let areas = Areas {
        scene: results.scene.name(),
        width_px,
        height_px,
        model: Model {
            name: &results.card.name,
            sha256: results.model_sha256,
            raremap_version: env!("CARGO_PKG_VERSION"),
        },
        decide: results.decide,
        outputs: results.options,
        units: Units {
            hectares: "10,000 square metres on the ellipsoid (geographic scenes, Web Mercator) or of the projected map",
            percent: "of the pixels with data",
        },
        summary: results.logits.summary(results.decide)?,
        notes: results.notes.iter().map(|(name, value)| Note { name, value }).collect(),
    };
    OutputFile::of_json(OutputKind::AreasJson, &areas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        assert_eq!(["reed", "a, \"b\""].map(field), ["reed", "\"a, \"\"b\"\"\""]);
    }
}
