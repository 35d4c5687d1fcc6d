//! Closed rings of positions.

fn cross([ax, ay]: [f64; 2], [bx, by]: [f64; 2], [cx, cy]: [f64; 2]) -> f64 {
    (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
}

/// Twice the area of a closed ring, positive if it is counterclockwise.
pub fn doubled_area(ring: &[[f64; 2]]) -> f64 {
    let origin = ring.first().copied().expect("a position");
    ring.windows(2).map(|pair| cross(origin, pair[0], pair[1])).sum()
}

/// Asserts that a closed ring repeats no position and that no two of its edges cross or lie on each other.
///
/// # Panics
/// If that is not so.
pub fn assert_simple(ring: &[[f64; 2]]) {
    assert!(ring.len() >= 4 && ring.first() == ring.last(), "{ring:?}");
    let edges: Vec<[[f64; 2]; 2]> = ring.windows(2).map(|pair| [pair[0], pair[1]]).collect();
    assert!(edges.iter().all(|[from, to]| from != to), "repeated: {ring:?}");
    for (index, [a, b]) in edges.iter().enumerate() {
        for [c, d] in edges.iter().skip(index + 1) {
            let (c_side, d_side) = (cross(*a, *b, *c), cross(*a, *b, *d));
            let (a_side, b_side) = (cross(*c, *d, *a), cross(*c, *d, *b));
            let is_crossed = c_side * d_side < 0.0 && a_side * b_side < 0.0;
            // These edges lie on one line; they overlap along the axis where they are longer.
            let axis = usize::from((b[1] - a[1]).abs() > (b[0] - a[0]).abs());
            let low = a[axis].min(b[axis]).max(c[axis].min(d[axis]));
            let high = a[axis].max(b[axis]).min(c[axis].max(d[axis]));
            let is_on = c_side == 0.0 && d_side == 0.0 && low < high;
            assert!(
                !is_crossed && !is_on,
                "{a:?} {b:?} and {c:?} {d:?} of {} positions",
                ring.len()
            );
        }
    }
}
