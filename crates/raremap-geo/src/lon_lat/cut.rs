//! Cuts outlines at 180 degrees, as RFC 7946 requires (3.1.9).

/// Decimals of degrees in written files, which is a millimetre.
pub const DEGREE_DIGITS: usize = 8;
/// The cut lies beside 180 degrees, by less than the written decimals, so that no position lies on it.
const CUT_GAP_DEG: f64 = 1e-9;

/// A closed ring of longitudes and latitudes, with its inside on the left.
pub type Ring = Vec<[f64; 2]>;

/// Cuts a polygon, given with its outer ring first, at 180 degrees into polygons of longitudes within ±180. The given longitudes begin at -180
/// or more, and continue beyond 180.
pub fn cut_at_180(rings: &[Ring]) -> Vec<Vec<Ring>> {
    let west = west_of(rings, 180.0 - CUT_GAP_DEG, 180.0);
    // Mirroring swaps east and west, and reverses the ring's direction.
    let mirrored = |ring: &Ring| -> Ring { ring.iter().rev().map(|[x, y]| [-x, *y]).collect() };
    let in_mirror: Vec<Ring> = rings.iter().map(mirrored).collect();
    let east = west_of(&in_mirror, -180.0 - CUT_GAP_DEG, -180.0);
    let moved = |ring: &Ring| {
        let mut ring = mirrored(ring);
        ring.iter_mut().for_each(|[x, _]| *x = round_degrees(*x - 360.0));
        ring
    };
    let east = east.iter().map(|polygon| polygon.iter().map(moved).collect());
    west.into_iter().chain(east).collect()
}

/// The parts of a polygon west of a line, whose longitude is written as another.
///
/// Where a ring crosses the line to the east, the part continues northwards to where this or another ring crosses back.
fn west_of(rings: &[Ring], line: f64, written: f64) -> Vec<Vec<Ring>> {
    let is_inside = |[x, _]: [f64; 2]| x < line;
    let mut chains: Vec<Ring> = Vec::new();
    let (mut outer, mut holes) = (Vec::new(), Vec::new());
    for ring in rings {
        let steps: Vec<[[f64; 2]; 2]> = ring.windows(2).map(|pair| [pair[0], pair[1]]).collect();
        let Some(entry) = steps.iter().position(|[from, to]| !is_inside(*from) && is_inside(*to)) else {
            if ring.first().is_some_and(|first| is_inside(*first)) {
                let is_hole = doubled_area(ring) < 0.0;
                let whole = if is_hole { &mut holes } else { &mut outer };
                whole.push(ring.clone());
            }
            continue;
        };
        for step in 0..steps.len() {
            let [from, to] = steps[(entry + step) % steps.len()];
            let crossing = || [line, from[1] + (to[1] - from[1]) * (line - from[0]) / (to[0] - from[0])];
            match (is_inside(from), is_inside(to)) {
                (false, true) => chains.push(vec![crossing(), to]),
                (true, true) => chains.last_mut().into_iter().for_each(|chain| chain.push(to)),
                (true, false) => chains.last_mut().into_iter().for_each(|chain| chain.push(crossing())),
                (false, false) => {}
            }
        }
    }
    let north = |chain: &Ring, end: bool| {
        let position = if end { chain.last() } else { chain.first() };
        position.map_or(0.0, |[_, y]| *y)
    };
    while let Some(mut part) = chains.pop() {
        loop {
            let (leaves, start) = (north(&part, true), north(&part, false));
            // A ring that returns where it left only touches the line there.
            let next = chains
                .iter()
                .enumerate()
                .map(|(index, chain)| (index, north(chain, false)))
                .filter(|(_, entry)| *entry > leaves && (start <= leaves || *entry < start))
                .min_by(|left, right| left.1.total_cmp(&right.1));
            match next {
                Some((index, _)) => part.extend(chains.swap_remove(index)),
                None => break,
            }
        }
        part.extend(part.first().copied());
        let mut part: Ring = part
            .into_iter()
            .map(|[x, y]| [if x == line { written } else { round_degrees(x) }, round_degrees(y)])
            .collect();
        part.dedup();
        if part.len() > 3 && doubled_area(&part) > 0.0 {
            outer.push(part);
        }
    }
    let mut polygons: Vec<Vec<Ring>> = outer.into_iter().map(|ring| vec![ring]).collect();
    for hole in holes {
        let is_in = |polygon: &Vec<Ring>| polygon.first().is_some_and(|outer| holds(outer, &hole));
        // A single polygon holds them all; asking would take the product of its corners and its holes.
        let own = match polygons.len() {
            1 => Some(0),
            _ => polygons.iter().position(is_in),
        };
        if let Some(polygon) = polygons.get_mut(own.unwrap_or(0)) {
            polygon.push(hole);
        }
    }
    polygons
}

/// Whether a hole lies in a ring. Rings only touch at corners, so the middle of an edge decides.
fn holds(outer: &Ring, hole: &Ring) -> bool {
    let [Some([ax, ay]), Some([bx, by])] = [hole.first(), hole.get(1)] else {
        return false;
    };
    let (x, y) = ((ax + bx) / 2.0, (ay + by) / 2.0);
    let crossings = outer.windows(2).filter(|pair| {
        let ([from_x, from_y], [to_x, to_y]) = (pair[0], pair[1]);
        (from_y > y) != (to_y > y) && x < from_x + (to_x - from_x) * (y - from_y) / (to_y - from_y)
    });
    crossings.count() % 2 == 1
}

/// Twice the area that a closed ring encloses counterclockwise.
pub(super) fn doubled_area(ring: &[[f64; 2]]) -> f64 {
    let origin = ring.first().copied().unwrap_or_default();
    let of = |[from, to]: [[f64; 2]; 2]| {
        (from[0] - origin[0]) * (to[1] - origin[1]) - (to[0] - origin[0]) * (from[1] - origin[1])
    };
    ring.windows(2).map(|pair| of([pair[0], pair[1]])).sum()
}

/// Rounds degrees as they are written.
pub fn round_degrees(degrees: f64) -> f64 {
    let scale = 10f64.powi(DEGREE_DIGITS as i32);
    libm::round(degrees * scale) / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rectangle([west, south, east, north]: [f64; 4]) -> Ring {
        vec![
            [west, south],
            [east, south],
            [east, north],
            [west, north],
            [west, south],
        ]
    }

    #[test]
    fn a_hole_across_the_line_opens_both_parts() {
        let mut hole = rectangle([179.0, 1.0, 181.0, 2.0]);
        hole.reverse();
        let parts = cut_at_180(&[rectangle([178.0, 0.0, 182.0, 3.0]), hole]);
        assert_eq!(parts.len(), 2, "{parts:?}");
        let west = &parts[0][0];
        assert_eq!((parts[0].len(), doubled_area(west)), (1, 2.0 * (2.0 * 3.0 - 1.0)));
        assert!(west.iter().all(|[x, _]| (178.0..=180.0).contains(x)), "{west:?}");
        let east = &parts[1][0];
        assert_eq!((parts[1].len(), doubled_area(east)), (1, 2.0 * (2.0 * 3.0 - 1.0)));
        assert!(east.iter().all(|[x, _]| (-180.0..=-178.0).contains(x)), "{east:?}");
    }

    #[test]
    fn holes_stay_in_the_part_that_they_are_in() {
        // A shape has two arms west of the line, which join east of it; the upper arm has a hole.
        let outer = vec![
            [178.0, 0.0],
            [182.0, 0.0],
            [182.0, 5.0],
            [178.0, 5.0],
            [178.0, 3.0],
            [181.0, 3.0],
            [181.0, 2.0],
            [178.0, 2.0],
            [178.0, 0.0],
        ];
        let mut hole = rectangle([178.5, 3.5, 179.5, 4.5]);
        hole.reverse();
        let parts = cut_at_180(&[outer, hole]);
        let of_west = |part: &&Vec<Ring>| part[0][0][0] > 0.0;
        assert_eq!(parts.iter().filter(of_west).count(), 2);
        let with_hole: Vec<_> = parts.iter().filter(|part| part.len() == 2).collect();
        assert_eq!(with_hole.len(), 1);
        assert!(
            with_hole[0][0].iter().all(|[x, y]| *x > 0.0 && *y >= 3.0),
            "{with_hole:?}"
        );
    }

    #[test]
    fn rings_that_come_back_are_cut_into_more_parts() {
        // Two teeth point to the east from one trunk in the west.
        let comb = vec![
            [179.0, 0.0],
            [181.0, 0.0],
            [181.0, 1.0],
            [179.5, 1.0],
            [179.5, 2.0],
            [181.0, 2.0],
            [181.0, 3.0],
            [179.0, 3.0],
            [179.0, 0.0],
        ];
        let parts = cut_at_180(&[comb]);
        let areas: Vec<f64> = parts.iter().map(|part| doubled_area(&part[0]) / 2.0).collect();
        assert_eq!(areas, [2.5, 1.0, 1.0], "the trunk, and the teeth");
        let is_east = |[x, _]: &[f64; 2]| (-180.0..=-179.0).contains(x);
        assert!(parts[1..].iter().flatten().flatten().all(is_east), "{parts:?}");
    }
}
