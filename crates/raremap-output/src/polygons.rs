//! Outlines of the mask's regions as GeoJSON.

use crate::error::OutputError;
use crate::file::{NewScratch, OutputFile, TextSink};
use crate::kind::OutputKind;
use crate::place::{OutputCoordinates, quoted, write_decimals};
use crate::regions::{NO_CLASS, Region, RegionSweep, Tally};
use crate::results::Results;
use raremap_geo::Ring;
use raremap_infer::View;
use raremap_infer::sigmoid;

/// Decimals of an area in hectares: hundredths of a square metre.
const HECTARE_DIGITS: usize = 6;
const PROBABILITY_DIGITS: usize = 4;

#[derive(Debug, Default)]
struct Measured {
    pixels: u64,
    hectares: f64,
    probability: f64,
}

impl Tally for Measured {
    fn merge(&mut self, other: Self) {
        self.pixels += other.pixels;
        self.hectares += other.hectares;
        self.probability += other.probability;
    }
}

pub(crate) fn make(results: &Results<'_>, new_scratch: &mut NewScratch<'_>) -> Result<OutputFile, OutputError> {
    let logits = results.logits;
    let least_ha = results.options.min_area_ha;
    let has_areas = logits.areas().pixel_ha(0, 0).is_some();
    let place = OutputCoordinates::new(results.georeference, logits.size(), results.options.polygons_crs);
    let mut facts = results.provenance();
    facts.push(("RAREMAP_MIN_AREA_HA".into(), least_ha.to_string()));
    let mut sink = TextSink::new(new_scratch()?);
    let mut text = place.head("polygons", &facts);
    sink.take(&mut text)?;
    let mut count = 0u64;
    let mut finished = |mut region: Region<'_, Measured, Box<dyn raremap_io::Scratch>>| {
        let Some(class) = logits.classes().get(usize::from(region.class)) else {
            return Ok(());
        };
        let Measured {
            pixels,
            hectares,
            probability,
        } = region.tally;
        if hectares < least_ha {
            return Ok(());
        }
        count += 1;
        text.push_str(if count == 1 { "\n" } else { ",\n" });
        text.push_str(&format!(
            "{{\"type\":\"Feature\",\"id\":{count},\"properties\":{{\"class\":{}",
            class.value
        ));
        let [red, green, blue] = class.color;
        text.push_str(&format!(
            ",\"name\":{},\"color\":\"#{red:02x}{green:02x}{blue:02x}\",\"pixels\":{pixels},\"area_ha\":",
            quoted(&class.name)
        ));
        if has_areas {
            write_decimals(&mut text, hectares, HECTARE_DIGITS);
        } else {
            text.push_str("null");
        }
        text.push_str(",\"mean_probability\":");
        write_decimals(&mut text, probability / pixels.max(1) as f64, PROBABILITY_DIGITS);
        text.push_str("},\"geometry\":{\"type\":");
        let exterior = place.ring(&region.exterior);
        if let Some(shift) = place.shift_within(&exterior) {
            text.push_str("\"Polygon\",\"coordinates\":[");
            place.write_ring(&mut text, &exterior, shift);
            while let Some(hole) = region.next_hole()? {
                text.push(',');
                place.write_ring(&mut text, &place.ring(&hole), shift);
                sink.take(&mut text)?;
            }
            text.push(']');
        } else {
            // A region across 180 degrees is kept in memory as a whole, because its holes decide where it is cut.
            let mut rings = vec![exterior];
            while let Some(hole) = region.next_hole()? {
                rings.push(place.ring(&hole));
            }
            write_parts(&mut text, &place, &place.cut_rings(rings));
        }
        text.push_str("}}");
        sink.take(&mut text)?;
        Ok(())
    };

    let view = View::whole(logits.size());
    let [height, width] = logits.size();
    let mut rows = logits.mask_rows(results.decide, &view)?;
    let mut evidence = Evidence::new(results, &view);
    let (mut classes, mut probabilities) = (vec![NO_CLASS; width], vec![0.0; width]);
    let mut sweep = RegionSweep::new(Some(new_scratch()?));
    for y in 0..height {
        rows.read_classes(y, &mut classes)?;
        evidence.read(y, &classes, &mut probabilities)?;
        let tally = |start: usize, end: usize, _| Measured {
            pixels: (end - start) as u64,
            hectares: run_ha(results, y, start, end),
            probability: probabilities
                .iter()
                .take(end)
                .skip(start)
                .map(|value| f64::from(*value))
                .sum(),
        };
        sweep.push_row(&classes, tally, &mut finished)?;
    }
    sweep.finish(&mut finished)?;
    let mut text = String::from(if count == 0 { "]\n}\n" } else { "\n]\n}\n" });
    sink.take(&mut text)?;
    Ok(OutputFile {
        kind: OutputKind::Polygons,
        content: sink.finish()?,
        notice: place.notice,
    })
}

/// Writes type and coordinates of the parts of a region.
fn write_parts(text: &mut String, place: &OutputCoordinates, parts: &[Vec<Ring>]) {
    text.push_str(match parts {
        [_] => "\"Polygon\",\"coordinates\":",
        _ => "\"MultiPolygon\",\"coordinates\":[",
    });
    for (index, rings) in parts.iter().enumerate() {
        text.push_str(if index == 0 { "[" } else { ",[" });
        for (index, ring) in rings.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            place.write_ring(text, ring, 0.0);
        }
        text.push(']');
    }
    if parts.len() != 1 {
        text.push(']');
    }
}

/// Ground area of pixels beside each other; 0 if it is not known.
pub(crate) fn run_ha(results: &Results<'_>, y: usize, start: usize, end: usize) -> f64 {
    let areas = &results.logits.areas();
    if areas.is_uniform_in_rows() {
        areas.pixel_ha(y, start).unwrap_or(0.0) * (end - start) as f64
    } else {
        (start..end).filter_map(|x| areas.pixel_ha(y, x)).sum()
    }
}

/// How sure the network is of the class that a pixel was given.
///
/// For a rare class that is looked for, it is the auxiliary head's probability, which the threshold applies to; for any other class, it is
/// the main head's softmax. (A pixel that only the main head gave a rare class may thus have a probability below the threshold.)
struct Evidence<'a> {
    rows: raremap_infer::RowUpsampler<'a>,
    /// Channel of each class that the auxiliary head answers for.
    auxiliary: Vec<Option<usize>>,
    planes: Vec<Vec<f32>>,
}

impl<'a> Evidence<'a> {
    fn new(results: &Results<'a>, view: &View) -> Self {
        let logits = results.logits;
        let classes = logits.classes().len();
        let mut auxiliary = vec![None; classes];
        let rule_is_on = results.decide.threshold < 1.0;
        for (channel, class) in logits.rare_class_indices().iter().enumerate() {
            let name = logits.classes().get(*class).map(|class| &class.name);
            if rule_is_on && name.is_some_and(|name| results.decide.rare.contains(name)) {
                auxiliary[*class] = Some(classes + channel);
            }
        }
        Self {
            rows: logits.rows(view),
            planes: vec![vec![0.0; view.width]; classes + logits.rare_class_indices().len()],
            auxiliary,
        }
    }

    fn read(&mut self, y: usize, classes: &[u8], probabilities: &mut [f32]) -> Result<(), OutputError> {
        for (channel, plane) in self.planes.iter_mut().enumerate() {
            self.rows.read_row(channel, y, plane)?;
        }
        let main = self.auxiliary.len();
        for (x, (class, probability)) in classes.iter().zip(probabilities).enumerate() {
            let class = usize::from(*class);
            *probability = match self.auxiliary.get(class) {
                None => 0.0,
                Some(Some(channel)) => sigmoid(self.planes[*channel][x]),
                Some(None) => {
                    let own = self.planes[class][x];
                    let parts = self.planes.iter().take(main).map(|plane| libm::expf(plane[x] - own));
                    1.0 / parts.sum::<f32>()
                }
            };
        }
        Ok(())
    }
}
