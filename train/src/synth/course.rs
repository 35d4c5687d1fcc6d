//! Courses of running water: a meandering river, its tributaries and the oxbows it left behind.

use super::grid::Grid;
use super::random::{Noise, Random, cos_turns, lerp, sin_turns, smoothstep};

/// A point of a course, in pixels.
#[derive(Clone, Copy, Debug)]
pub struct CoursePoint {
    /// Pixels to the right.
    pub x: f64,
    /// Pixels down.
    pub y: f64,
    /// Direction of the course, in turns clockwise from the x axis.
    pub heading: f64,
    /// Half of the water's width, in pixels.
    pub half_width_px: f64,
    /// Turns per pixel; positive where the course bends to its right.
    pub curvature: f64,
}

/// Distance between successive points of a course.
pub const STEP_PX: f64 = 0.25;

/// All courses of a scene.
#[derive(Clone, Debug)]
pub struct Courses {
    /// The river, from one edge of the scene to another.
    pub river: Vec<CoursePoint>,
    /// Tributaries, each from its mouth upstream.
    pub tributaries: Vec<Vec<CoursePoint>>,
    /// Cut-off meanders.
    pub oxbows: Vec<Vec<CoursePoint>>,
}

impl Courses {
    /// Traces the courses of a scene; tributaries climb `relief`.
    pub fn trace(seed: u64, width_px: f64, height_px: f64, relief: &Grid) -> Self {
        let river = trace_river(seed, width_px, height_px);
        let tributaries = trace_tributaries(seed, &river, relief);
        let oxbows = leave_oxbows(seed, &river);
        Self {
            river,
            tributaries,
            oxbows,
        }
    }
}

/// A sine-generated curve (Langbein and Leopold): the heading swings like a sine of the distance travelled, which is how free meanders
/// look. Wavelength, swing and width drift slowly.
fn trace_river(seed: u64, width_px: f64, height_px: f64) -> Vec<CoursePoint> {
    let mut random = Random::new(seed, 11);
    let noise = Noise::new(seed, 12);
    let diagonal = (width_px * width_px + height_px * height_px).sqrt();
    let axis = random.uniform(-0.06, 0.06) + if random.uniform(0.0, 1.0) < 0.5 { 0.0 } else { 0.25 };
    let (ax, ay) = (cos_turns(axis), sin_turns(axis));
    let offset = random.uniform(-0.1, 0.1) * diagonal;
    let start = (
        width_px / 2.0 - ax * diagonal * 0.75 - ay * offset,
        height_px / 2.0 - ay * diagonal * 0.75 + ax * offset,
    );
    let (mut x, mut y) = start;
    let (mut phase, mut points) = (random.uniform(0.0, 1.0), Vec::new());
    let mut previous_heading = axis;
    loop {
        let along = (x - start.0) * ax + (y - start.1) * ay;
        if along > diagonal * 1.5 {
            return points;
        }
        let across = -(x - start.0) * ay + (y - start.1) * ax;
        let here = points.len() as f64 * STEP_PX;
        let swing = 0.185 + 0.10 * noise.fractal(here / 260.0, 0.3, 2, 0.5);
        let wavelength_px = 135.0 * (1.0 + 0.45 * noise.at(here / 150.0, 7.7));
        phase += STEP_PX / wavelength_px;
        let wander = 0.03 * noise.fractal(here / 45.0, 3.1, 3, 0.5);
        // The pull back to the axis is weak: bends stay free, and the river stays in the scene.
        let pull = -(across / diagonal).clamp(-0.5, 0.5) * 0.25;
        let heading = axis + swing * sin_turns(phase) + wander + pull;
        let curvature = (heading - previous_heading) / STEP_PX;
        previous_heading = heading;
        let half_width_px = 4.0 + 2.2 * noise.fractal(here / 70.0, 5.5, 4, 0.65) + 90.0 * curvature.abs().min(0.02);
        points.push(CoursePoint {
            x,
            y,
            heading,
            half_width_px: half_width_px.max(2.2),
            curvature,
        });
        x += STEP_PX * cos_turns(heading);
        y += STEP_PX * sin_turns(heading);
    }
}

/// Tributaries leave the river on alternating sides, climb, and fork.
fn trace_tributaries(seed: u64, river: &[CoursePoint], relief: &Grid) -> Vec<Vec<CoursePoint>> {
    let mut random = Random::new(seed, 21);
    let mut taken: Vec<(f64, f64)> = Vec::new();
    let mut done = Vec::new();
    let mut side = if random.uniform(0.0, 1.0) < 0.5 { 0.25 } else { -0.25 };
    let mut next_mouth_px = random.uniform(20.0, 60.0);
    let mut waiting = Vec::new();
    for (index, point) in river.iter().enumerate() {
        let inside = point.x > 0.0 && point.y > 0.0 && point.x < relief.width as f64 && point.y < relief.height as f64;
        if !inside || index as f64 * STEP_PX < next_mouth_px {
            continue;
        }
        let heading = point.heading + side + random.uniform(-0.06, 0.02);
        waiting.push((*point, heading, random.uniform(130.0, 330.0), 0.95, 0));
        side = -side;
        next_mouth_px = index as f64 * STEP_PX + random.uniform(70.0, 150.0);
    }
    while let Some((mouth, heading, length_px, half_width_px, order)) = waiting.pop() {
        let number = done.len() as u64;
        let start = CoursePoint {
            heading,
            half_width_px,
            ..mouth
        };
        let stream = climb(Noise::new(seed, 1000 + number), start, length_px, relief, &taken);
        if (stream.len() as f64) * STEP_PX < 25.0 {
            continue;
        }
        if order < 2 {
            let mut fork_px = random.uniform(30.0, 70.0);
            let mut fork_side = if random.uniform(0.0, 1.0) < 0.5 { 1.0 } else { -1.0 };
            while fork_px < stream.len() as f64 * STEP_PX * 0.85 {
                if let Some(&at) = stream.get((fork_px / STEP_PX) as usize) {
                    let rest_px = stream.len() as f64 * STEP_PX - fork_px;
                    let turn = fork_side * random.uniform(0.10, 0.19);
                    let length_px = rest_px * random.uniform(0.5, 0.9);
                    waiting.push((at, at.heading + turn, length_px, at.half_width_px * 0.75, order + 1));
                }
                fork_side = -fork_side;
                fork_px += random.uniform(35.0, 80.0);
            }
        }
        taken.extend(stream.iter().step_by(12).map(|point| (point.x, point.y)));
        done.push(stream);
    }
    done
}

/// Traces one tributary from its mouth upstream; it ends at another stream or after its length.
fn climb(noise: Noise, start: CoursePoint, length_px: f64, relief: &Grid, taken: &[(f64, f64)]) -> Vec<CoursePoint> {
    let CoursePoint { mut x, mut y, .. } = start;
    let (mut general, mut points) = (start.heading, Vec::<CoursePoint>::new());
    let count = (length_px / STEP_PX) as usize;
    for index in 0..count {
        let here = index as f64 * STEP_PX;
        let slope_x = relief.sample(x + 4.0, y) - relief.sample(x - 4.0, y);
        let slope_y = relief.sample(x, y + 4.0) - relief.sample(x, y - 4.0);
        // The component of the slope to the right of the course turns it; steeper ground turns it more.
        let right = -slope_x * sin_turns(general) + slope_y * cos_turns(general);
        general += STEP_PX * (0.05 * right).clamp(-0.004, 0.004);
        let swing = 0.16 * noise.fractal(here / 26.0, 0.7, 3, 0.55) * smoothstep(0.0, 15.0, here);
        let heading = general + swing;
        let half_width_px = lerp(start.half_width_px, 0.2, index as f64 / count as f64);
        if here > 12.0 && index % 8 == 0 {
            let near = taken
                .iter()
                .any(|&(tx, ty)| (tx - x) * (tx - x) + (ty - y) * (ty - y) < 49.0);
            if near {
                break;
            }
        }
        points.push(CoursePoint {
            x,
            y,
            heading,
            half_width_px,
            curvature: 0.0,
        });
        x += STEP_PX * cos_turns(heading);
        y += STEP_PX * sin_turns(heading);
    }
    points
}

/// Copies a few strong bends outwards and lets their ends silt up.
fn leave_oxbows(seed: u64, river: &[CoursePoint]) -> Vec<Vec<CoursePoint>> {
    let mut random = Random::new(seed, 31);
    let silted = Noise::new(seed, 32);
    let mut oxbows: Vec<Vec<CoursePoint>> = Vec::new();
    let mut index = 160usize;
    while let Some(apex) = river.get(index) {
        let is_apex = river
            .get(index.saturating_sub(120)..(index + 120).min(river.len()))
            .is_some_and(|around| around.iter().all(|point| point.curvature.abs() <= apex.curvature.abs()));
        if !is_apex {
            index += 1;
            continue;
        }
        // The copy moves away from the bend's inside, beyond the present bank.
        let outward = apex.heading - 0.25 * apex.curvature.signum();
        let shift_px = random.uniform(17.0, 34.0);
        let along_px = random.uniform(-14.0, 14.0);
        let reach = (random.uniform(26.0, 40.0) / STEP_PX) as usize;
        let bend = river
            .get(index.saturating_sub(reach)..(index + reach).min(river.len()))
            .unwrap_or_default();
        let shrink = random.uniform(0.65, 0.9);
        let oxbow: Vec<CoursePoint> = bend
            .iter()
            .enumerate()
            .map(|(position, point)| {
                let end = 1.0 - (2.0 * position as f64 / bend.len() as f64 - 1.0).abs();
                let (dx, dy) = (point.x - apex.x, point.y - apex.y);
                CoursePoint {
                    x: apex.x + dx * shrink + shift_px * cos_turns(outward) + along_px * cos_turns(apex.heading),
                    y: apex.y + dy * shrink + shift_px * sin_turns(outward) + along_px * sin_turns(apex.heading),
                    half_width_px: (0.75 + 0.9 * silted.fractal(point.x / 12.0, point.y / 12.0, 3, 0.6))
                        .clamp(0.0, 1.0)
                        * point.half_width_px
                        * 0.7
                        * smoothstep(0.0, 0.4, end),
                    ..*point
                }
            })
            .filter(|point| {
                let clear_px = point.half_width_px + 7.5;
                let near =
                    |river: &CoursePoint| (river.x - point.x).abs() < clear_px && (river.y - point.y).abs() < clear_px;
                !river.iter().step_by(8).any(near)
            })
            .collect();
        if oxbow.len() as f64 * STEP_PX > 24.0 && random.uniform(0.0, 1.0) < 0.75 {
            oxbows.push(oxbow);
        }
        index += 200;
    }
    oxbows
}
