//! Draws line charts on axes from 0 to 1, as SVG.

use plotters::prelude::*;

use crate::error::{Result, failure};

/// Width and height of a chart in pixels.
const SIZE: (u32, u32) = (376, 300);

/// A line of a chart.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it shows.
    pub label: String,
    /// Red, green, blue.
    pub color: [u8; 3],
    /// Points from 0 to 1 along both axes.
    pub points: Vec<(f64, f64)>,
    /// Whether each point is marked.
    pub marked: bool,
}

/// Colours that are easy to tell apart, even for those who do not see red and green as different (Okabe and Ito, 2008).
pub const COLORS: [[u8; 3]; 6] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [86, 180, 233],
    [230, 159, 0],
];

/// Draws a chart of `lines`; with `diagonal`, it also draws the line on which both axes agree.
///
/// # Errors
/// If the drawing library fails.
pub fn chart(x: &str, y: &str, lines: &[Line], diagonal: bool) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, x, y, lines, diagonal).map_err(|error| failure!(Drawing, "cannot draw {y} over {x}: {error}"))?;
    Ok(svg)
}

fn draw(svg: &mut String, x: &str, y: &str, lines: &[Line], diagonal: bool) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .x_labels(6)
        .y_labels(6)
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .label_style(("sans-serif", 12))
        .axis_desc_style(("sans-serif", 13))
        .draw()?;
    if diagonal {
        chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], RGBColor(160, 160, 160)))?;
    }
    for line in lines {
        let [red, green, blue] = line.color;
        let color = RGBColor(red, green, blue);
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), color.stroke_width(2)))?
            .label(line.label.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(3)));
        if line.marked {
            chart.draw_series(line.points.iter().map(|&point| Circle::new(point, 3, color.filled())))?;
        }
    }
    if lines.len() > 1 {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(RGBColor(200, 200, 200))
            .label_font(("sans-serif", 12))
            .draw()?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_names_its_axes_and_lines() {
        let line = |label: &str, color: [u8; 3]| Line {
            label: label.into(),
            color,
            points: vec![(0.0, 0.2), (1.0, 0.9)],
            marked: true,
        };
        let svg = chart(
            "recall",
            "precision",
            &[line("water", COLORS[0]), line("a < b", COLORS[1])],
            true,
        );
        let svg = svg.expect("a chart");
        for part in ["<svg", "recall", "precision", "water", "a &lt; b", "#0072B2", "</svg>"] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }
}
