//! Where to look first: the regions of the most salient share of the scene, by saliency and area.

use crate::error::OutputError;
use crate::file::OutputFile;
use crate::kind::OutputKind;
use crate::place::{OutputCoordinates, write_decimals};
use crate::polygons::run_ha;
use crate::regions::{NO_CLASS, Region, RegionSweep, Tally};
use crate::results::Results;
use raremap_infer::View;

/// A region of pixels that top-k marks.
#[derive(Debug, Default, Clone, PartialEq)]
struct Salient {
    pixels: u64,
    hectares: f64,
    saliency: f64,
    /// Sum of saliency times hectares, or times pixels if areas are not known.
    score: f64,
    highest: f32,
    /// Row and column of the most salient pixel, the first of equals.
    peak: [usize; 2],
    /// First and last row, first and last column.
    rows: [usize; 2],
    columns: [usize; 2],
}

impl Tally for Salient {
    fn merge(&mut self, other: Self) {
        if self.pixels == 0 {
            *self = other;
        } else if other.pixels > 0 {
            let is_higher = other.highest > self.highest || (other.highest == self.highest && other.peak < self.peak);
            if is_higher {
                (self.highest, self.peak) = (other.highest, other.peak);
            }
            self.pixels += other.pixels;
            self.hectares += other.hectares;
            self.saliency += other.saliency;
            self.score += other.score;
            self.rows = [self.rows[0].min(other.rows[0]), self.rows[1].max(other.rows[1])];
            self.columns = [
                self.columns[0].min(other.columns[0]),
                self.columns[1].max(other.columns[1]),
            ];
        }
    }
}

impl Salient {
    /// Higher scores come first; of equals, the one further up, then the one further left.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        other.score.total_cmp(&self.score).then(self.peak.cmp(&other.peak))
    }
}

pub(crate) fn make(results: &Results<'_>) -> Result<OutputFile, OutputError> {
    let logits = results.logits;
    let cut = logits.saliency_histogram()?.cut(results.decide.top_k_percent)?;
    let has_areas = logits.areas().pixel_ha(0, 0).is_some();
    let limit = results.options.review_limit;
    let (mut best, mut found) = (Vec::<Salient>::new(), 0u64);
    let mut finished = |region: Region<'_, Salient, raremap_io::MemoryScratch>| {
        found += 1;
        best.push(region.tally);
        // The list is cut now and then, so that it never has more than twice its length.
        if best.len() >= 2 * limit.max(64) {
            best.sort_by(Salient::order);
            best.truncate(limit);
        }
        Ok(())
    };
    let [height, width] = logits.size();
    let mut rows = logits.auxiliary_rows(&View::whole(logits.size()))?;
    let (mut saliency, mut marks) = (vec![0.0; width], vec![NO_CLASS; width]);
    let mut sweep = RegionSweep::new(None);
    for y in 0..height {
        rows.read_saliency(y, &mut saliency)?;
        for (mark, saliency) in marks.iter_mut().zip(&saliency) {
            *mark = if !saliency.is_nan() && cut.marks(*saliency) {
                0
            } else {
                NO_CLASS
            };
        }
        let tally = |start: usize, end: usize, _| {
            let values = saliency.get(start..end).unwrap_or_default();
            let mut run = Salient {
                pixels: (end - start) as u64,
                hectares: run_ha(results, y, start, end),
                highest: f32::NEG_INFINITY,
                rows: [y, y],
                columns: [start, end - 1],
                ..Salient::default()
            };
            for (value, x) in values.iter().zip(start..) {
                run.saliency += f64::from(*value);
                if *value > run.highest {
                    (run.highest, run.peak) = (*value, [y, x]);
                }
            }
            // Pixels of a row differ in area only where the grid is turned, and then by less than the saliency is known.
            let area = if has_areas {
                run.hectares / run.pixels as f64
            } else {
                1.0
            };
            run.score = run.saliency * area;
            run
        };
        sweep.push_row(&marks, tally, &mut finished)?;
    }
    sweep.finish(&mut finished)?;
    best.sort_by(Salient::order);
    best.truncate(limit);

    let place = OutputCoordinates::new(results.georeference, logits.size(), results.options.polygons_crs);
    let mut facts = results.provenance();
    facts.push(("RAREMAP_TOP_K_PERCENT".into(), cut.percent.to_string()));
    facts.push(("RAREMAP_REGIONS".into(), found.to_string()));
    let mut text = place.head("review", &facts);
    for (index, region) in best.iter().enumerate() {
        write_feature(&mut text, &place, index, region, has_areas);
    }
    text.push_str(if best.is_empty() { "]\n}\n" } else { "\n]\n}\n" });
    let mut file = OutputFile::of_bytes(OutputKind::Review, text.into_bytes());
    file.notice = place.notice;
    Ok(file)
}

fn write_feature(text: &mut String, place: &OutputCoordinates, index: usize, region: &Salient, has_areas: bool) {
    text.push_str(if index == 0 { "\n" } else { ",\n" });
    text.push_str(&format!("{{\"type\":\"Feature\",\"id\":{0},\"bbox\":[", index + 1));
    let bounds = place.written_bounds(bounds(place, region));
    for (index, bound) in bounds.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        place.write_number(text, *bound);
    }
    text.push_str(&format!("],\"properties\":{{\"rank\":{},\"score\":", index + 1));
    write_decimals(text, region.score, 6);
    text.push_str(&format!(",\"pixels\":{},\"area_ha\":", region.pixels));
    if has_areas {
        write_decimals(text, region.hectares, 6);
    } else {
        text.push_str("null");
    }
    text.push_str(",\"mean_saliency\":");
    write_decimals(text, region.saliency / region.pixels.max(1) as f64, 4);
    text.push_str(",\"max_saliency\":");
    write_decimals(text, f64::from(region.highest), 4);
    let ([top, bottom], [left, right]) = (region.rows, region.columns);
    text.push_str(&format!(
        ",\"window_px\":[{left},{top},{},{}]}},\"geometry\":{{\"type\":\"Point\",\"coordinates\":",
        right + 1 - left,
        bottom + 1 - top
    ));
    let [row, column] = region.peak;
    place.write(text, column as f64 + 0.5, row as f64 + 0.5);
    text.push_str("}}");
}

/// West, south, east and north of a region's rectangle of pixels, from its corners and the middles of its sides.
fn bounds(place: &OutputCoordinates, region: &Salient) -> [f64; 4] {
    let span = |[first, last]: [usize; 2]| {
        let (first, end) = (first as f64, last as f64 + 1.0);
        [first, (first + end) / 2.0, end]
    };
    let mut bounds = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for row in span(region.rows) {
        for column in span(region.columns) {
            let [x, y] = place.coordinates(column, row);
            bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x), bounds[3].max(y)];
        }
    }
    bounds
}
