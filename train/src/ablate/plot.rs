//! Draws one plot, with a line per row, a dot per seed, and a bar at their mean.

use plotters::prelude::*;

use crate::error::{Result, failure};

/// The values of one row.
pub(super) struct Dots {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
}

const ROW_PX: u32 = 24;
const WIDTH_PX: u32 = 860;
const NAMES_PX: i32 = 250;
const DOT: RGBColor = RGBColor(0, 100, 200);

/// Returns an SVG of `rows`, in percent, on an axis from 0.
pub(super) fn dots(title: &str, rows: &[Dots]) -> Result<String> {
    let most = rows.iter().flat_map(|row| &row.values).copied().fold(0.0, f64::max);
    let limit = (most * 100.0 * 1.08).max(1.0);
    let height = ROW_PX * (rows.len() as u32 + 1) + 60;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH_PX, height)).into_drawing_area();
        let failed = |error: &dyn std::fmt::Display| failure!(Drawing, "cannot draw {title}: {error}");
        area.fill(&WHITE).map_err(|error| failed(&error))?;
        let lines = rows.len() as f64;
        let mut chart = ChartBuilder::on(&area)
            .caption(format!("{title}, percent"), ("sans-serif", 16))
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(NAMES_PX)
            .build_cartesian_2d(0.0..limit, -lines..0.0)
            .map_err(|error| failed(&error))?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .y_labels(0)
            .light_line_style(WHITE)
            .draw()
            .map_err(|error| failed(&error))?;
        let style = ("sans-serif", 13).into_font().color(&BLACK);
        for (index, row) in rows.iter().enumerate() {
            let y = -(index as f64) - 0.5;
            let mean = 100.0 * row.values.iter().sum::<f64>() / row.values.len().max(1) as f64;
            let rule = PathElement::new(vec![(0.0, y), (limit, y)], BLACK.mix(0.12));
            chart.draw_series([rule]).map_err(|error| failed(&error))?;
            let bar = PathElement::new(vec![(mean, y - 0.32), (mean, y + 0.32)], BLACK.stroke_width(2));
            chart.draw_series([bar]).map_err(|error| failed(&error))?;
            let dots = row
                .values
                .iter()
                .map(|value| Circle::new((100.0 * value, y), 4, DOT.mix(0.6).filled()));
            chart.draw_series(dots).map_err(|error| failed(&error))?;
            // Names are placed by pixel, because the axis holds numbers and not words.
            let (_, line) = chart.backend_coord(&(0.0, y));
            area.draw_text(&row.name, &style, (10, line - 7))
                .map_err(|error| failed(&error))?;
        }
        area.present().map_err(|error| failed(&error))?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_dot_per_value_and_a_name_per_row() {
        let row = |name: &str, values: &[f64]| Dots {
            name: name.into(),
            values: values.to_vec(),
        };
        let svg = dots("water IoU", &[row("a & b", &[0.1, 0.2]), row("c", &[0.3])]).expect("draws");
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("a &amp; b") && svg.contains("water IoU"), "{svg}");
    }
}
