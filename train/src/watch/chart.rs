//! Draws line charts as SVG text, to be put into a page.

use plotters::prelude::*;

use crate::error::{Result, failure};

/// Colours of series, readable on white and on black.
pub const PALETTE: [&str; 8] = [
    "#2a7de1", "#d9480f", "#2b8a3e", "#9c36b5", "#c99400", "#0b8a99", "#c2255c", "#7a8290",
];

/// A line is drawn with at most this many points; more are averaged in groups.
const POINTS: usize = 400;

/// A line.
#[derive(Debug, Clone)]
pub struct Series {
    /// Name for the legend, which the page writes.
    pub name: String,
    /// `(x, y)`, by x. Points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// A line of `points`.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let finite = |(x, y): &(f64, f64)| x.is_finite() && y.is_finite();
        Self {
            name: name.into(),
            points: points.into_iter().filter(finite).collect(),
        }
    }

    /// Means of neighbouring points, at most [`POINTS`].
    fn thinned(&self) -> Vec<(f64, f64)> {
        let group = self.points.len().div_ceil(POINTS).max(1);
        let mean = |points: &[(f64, f64)]| {
            let (x, y) = points
                .iter()
                .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
            (x / points.len() as f64, y / points.len() as f64)
        };
        self.points.chunks(group).map(mean).collect()
    }
}

/// What the vertical axis spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// From 0 to 1.
    Share,
    /// What the lines span; logarithmic if they are positive and span more than a factor of 50.
    Values,
}

/// Draws `series` over `x_name`. Text and axes are black; the page's style sheet gives them its own colour.
///
/// # Errors
/// If the drawing fails.
pub fn line_chart(x_name: &str, series: &[Series], span: Span) -> Result<String> {
    let lines: Vec<Vec<(f64, f64)>> = series.iter().map(Series::thinned).collect();
    let bounds = |pick: fn(&(f64, f64)) -> f64| {
        let values = || lines.iter().flatten().map(pick);
        (
            values().fold(f64::INFINITY, f64::min),
            values().fold(f64::NEG_INFINITY, f64::max),
        )
    };
    let ((first, last), (low, high)) = (bounds(|point| point.0), bounds(|point| point.1));
    let logarithmic = span == Span::Values && low > 0.0 && high > 50.0 * low;
    let on_axis = |y: f64| if logarithmic { y.log10() } else { y };
    let (low, high) = match span {
        Span::Share => (0.0, 1.0),
        Span::Values if low <= high => (on_axis(low), on_axis(high)),
        Span::Values => (0.0, 1.0),
    };
    // A single point or a constant line needs some height, too.
    let room = if high > low {
        0.05 * (high - low)
    } else {
        0.1 * high.abs().max(1e-9)
    };
    let (low, high) = if span == Span::Share {
        (low, high)
    } else {
        (low - room, high + room)
    };
    let (first, last) = if first <= last {
        (first, last.max(first + 1.0))
    } else {
        (0.0, 1.0)
    };

    let mut svg = String::new();
    {
        let failed = |error: &dyn std::fmt::Display| failure!(Drawing, "cannot draw a chart: {error}");
        let area = SVGBackend::with_string(&mut svg, (640, 260)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(6)
            .x_label_area_size(34)
            .y_label_area_size(56)
            .build_cartesian_2d(first..last, low..high)
            .map_err(|error| failed(&error))?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.15))
            .axis_style(BLACK.mix(0.5))
            .label_style(("sans-serif", 15).into_font())
            .x_desc(x_name)
            .x_labels(8)
            .y_labels(6)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| short(if logarithmic { 10f64.powf(*y) } else { *y }))
            .draw()
            .map_err(|error| failed(&error))?;
        for (index, line) in lines.iter().enumerate() {
            let color = rgb(PALETTE[index % PALETTE.len()]);
            let points = line.iter().map(|&(x, y)| (x, on_axis(y)));
            if let [(x, y)] = line.as_slice() {
                let dot = Circle::new((*x, on_axis(*y)), 3, color.filled());
                chart.draw_series([dot]).map_err(|error| failed(&error))?;
            }
            let line = LineSeries::new(points, color.stroke_width(2));
            chart.draw_series(line).map_err(|error| failed(&error))?;
        }
        area.present().map_err(|error| failed(&error))?;
    }
    Ok(svg)
}

fn rgb(color: &str) -> RGBColor {
    let bits = u32::from_str_radix(color.trim_start_matches('#'), 16).unwrap_or(0);
    RGBColor((bits >> 16) as u8, (bits >> 8) as u8, bits as u8)
}

/// A number in few characters.
pub fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size == 0.0 => "0".to_owned(),
        _ if !(1e-3..1e5).contains(&size) => format!("{value:.1e}"),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polylines(svg: &str) -> usize {
        svg.matches("stroke-width=\"2\"").count()
    }

    #[test]
    fn each_series_is_a_line_in_its_colour_and_points_that_are_not_finite_are_left_out() {
        let series = [
            Series::new("a", [(0.0, 1.0), (1.0, f64::NAN), (2.0, 0.5)]),
            Series::new("b", [(0.0, 0.1), (2.0, 0.2)]),
        ];
        let svg = line_chart("step", &series, Span::Values).expect("draws");
        assert_eq!(polylines(&svg), 2, "{svg}");
        let colors = svg.to_lowercase();
        assert!(colors.contains(PALETTE[0]) && colors.contains(PALETTE[1]) && !svg.contains("NaN"));
        assert!(svg.contains("step"));
    }

    #[test]
    fn nothing_one_point_and_a_constant_can_be_drawn() {
        for points in [vec![], vec![(3.0, 2.0)], vec![(1.0, 0.0), (2.0, 0.0)]] {
            let svg = line_chart("step", &[Series::new("a", points)], Span::Values).expect("draws");
            assert!(
                svg.starts_with("<svg") && !svg.contains("NaN") && !svg.contains("inf"),
                "{svg}"
            );
        }
    }

    #[test]
    fn wide_ranges_are_logarithmic_and_long_lines_thinned() {
        let series = Series::new("norm", (1..=4000).map(|x| (f64::from(x), f64::from(x))));
        assert_eq!(series.thinned().len(), POINTS);
        assert_eq!(series.thinned()[0], (5.5, 5.5));
        let svg = line_chart("step", &[series], Span::Values).expect("draws");
        assert!(
            svg.contains("1000") || svg.contains("1.0e3") || svg.contains(">316<"),
            "{svg}"
        );
        assert_eq!(short(0.25), "0.250");
        assert_eq!(short(6e-5), "6.0e-5");
    }
}
