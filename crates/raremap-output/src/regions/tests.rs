//! Tests regions and their outlines by drawing them again.

use raremap_io::MemoryScratch;

use super::*;

#[derive(Debug, Default, Clone, PartialEq)]
struct Count(u64);

impl Tally for Count {
    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }
}

struct Found {
    class: u8,
    pixels: u64,
    exterior: Vec<Corner>,
    holes: Vec<Vec<Corner>>,
}

fn regions(map: &[u8], width: usize) -> Vec<Found> {
    let mut found = Vec::new();
    let mut take = |mut region: Region<'_, Count, MemoryScratch>| {
        let mut holes = Vec::new();
        while let Some(hole) = region.next_hole()? {
            holes.push(hole);
        }
        found.push(Found {
            class: region.class,
            pixels: region.tally.0,
            exterior: std::mem::take(&mut region.exterior),
            holes,
        });
        Ok(())
    };
    let mut sweep = RegionSweep::new(Some(MemoryScratch::default()));
    for row in map.chunks_exact(width) {
        sweep
            .push_row(row, |start, end, _| Count((end - start) as u64), &mut take)
            .expect("a row");
    }
    sweep.finish(&mut take).expect("an end");
    assert!(
        sweep.slots.iter().all(|slot| !slot.is_open),
        "every region is given out"
    );
    found
}

/// Pixels inside a ring, by crossings to the left of their middles.
fn fill(ring: &[Corner], width: usize, height: usize) -> Vec<bool> {
    let mut inside = vec![false; width * height];
    for ([x, y], [next_x, next_y]) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        assert!((x == next_x) != (y == next_y), "edges run along the lattice: {ring:?}");
        if x == next_x {
            for row in *y.min(next_y)..*y.max(next_y) {
                for pixel in &mut inside[row as usize * width..][*x as usize..width] {
                    *pixel = !*pixel;
                }
            }
        }
    }
    inside
}

fn check(map: &[u8], width: usize) {
    let height = map.len() / width;
    let mut owner = vec![None; map.len()];
    let mut corners = std::collections::HashSet::new();
    let found = regions(map, width);
    for region in &found {
        corners.extend(region.exterior.iter().chain(region.holes.iter().flatten()).copied());
    }
    for (index, region) in found.iter().enumerate() {
        assert!(rings::is_exterior(&region.exterior), "{:?}", region.exterior);
        let mut pixels = fill(&region.exterior, width, height);
        for hole in &region.holes {
            assert!(!rings::is_exterior(hole));
            for (pixel, in_hole) in pixels.iter_mut().zip(fill(hole, width, height)) {
                assert!(!in_hole || *pixel, "a hole lies inside and apart from others");
                *pixel &= !in_hole;
            }
        }
        for ring in std::iter::once(&region.exterior).chain(&region.holes) {
            let mut sorted = ring.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), ring.len(), "a ring passes each corner once");
            // No other region has a corner on one of its edges, because neighbours share vertices.
            for ([x, y], [next_x, next_y]) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                for step in 1..x.abs_diff(*next_x).max(y.abs_diff(*next_y)) {
                    let between = [
                        if x < next_x {
                            x + step
                        } else if x > next_x {
                            x - step
                        } else {
                            *x
                        },
                        if y < next_y {
                            y + step
                        } else if y > next_y {
                            y - step
                        } else {
                            *y
                        },
                    ];
                    let meets = [[0, 0], [1, 0], [0, 1], [1, 1]].map(|[dx, dy]| {
                        let (column, row) = (between[0].checked_sub(dx), between[1].checked_sub(dy));
                        let inside = column
                            .zip(row)
                            .filter(|(c, r)| (*c as usize) < width && (*r as usize) < height);
                        inside.map_or(NO_CLASS, |(c, r)| map[r as usize * width + c as usize])
                    });
                    let [se, sw, ne, nw] = meets;
                    let edges = [se != sw, se != ne, sw != nw, ne != nw];
                    assert!(
                        edges.iter().filter(|edge| **edge).count() == 2,
                        "{between:?} is a corner of others"
                    );
                }
            }
        }
        let count = pixels.iter().filter(|pixel| **pixel).count();
        assert_eq!(count as u64, region.pixels);
        for (place, _) in pixels.iter().enumerate().filter(|(_, pixel)| **pixel) {
            assert_eq!(map[place], region.class);
            assert_eq!(owner[place].replace(index), None, "no pixel is in two regions");
        }
    }
    for (place, owner) in owner.iter().enumerate() {
        assert_eq!(owner.is_none(), map[place] == NO_CLASS, "every pixel is in a region");
    }
    // Neighbours of one class are one region.
    for place in 0..map.len() {
        if place % width > 0 && map[place] == map[place - 1] {
            assert_eq!(owner[place], owner[place - 1]);
        }
        if place >= width && map[place] == map[place - width] {
            assert_eq!(owner[place], owner[place - width]);
        }
    }
}

#[test]
fn a_pixel_is_a_square_and_a_frame_has_a_hole() {
    let found = regions(&[0], 1);
    assert_eq!((found.len(), found[0].pixels), (1, 1));
    let mut square = found[0].exterior.clone();
    square.sort_unstable();
    assert_eq!(square, [[0, 0], [0, 1], [1, 0], [1, 1]]);
    let frame = regions(&[1, 1, 1, 1, 9, 1, 1, 1, 1], 3);
    let outer = frame.iter().find(|region| region.class == 1).expect("the frame");
    assert_eq!((outer.pixels, outer.holes.len(), outer.exterior.len()), (8, 1, 4));
}

#[test]
fn diagonal_pixels_are_regions_of_their_own() {
    let found = regions(&[1, 0, 0, 1], 2);
    assert_eq!(
        found.iter().map(|region| region.pixels).collect::<Vec<_>>(),
        [1, 1, 1, 1]
    );
    assert!(found.iter().all(|region| region.exterior.len() == 4));
}

#[test]
fn a_ring_that_touches_itself_becomes_an_outline_and_a_hole() {
    // The hole meets the outside at a corner.
    let map = [
        1, 1, 1, 1, //
        1, 0, 1, 1, //
        1, 1, 0, 0, //
        1, 1, 0, 0,
    ];
    check(&map, 4);
    let found = regions(&map, 4);
    let outer = found.iter().find(|region| region.class == 1).expect("the region");
    assert_eq!((outer.pixels, outer.holes.len()), (11, 1));
}

#[test]
fn outlines_drawn_again_give_the_map_for_any_map() {
    // A linear congruential generator gives the same maps every time.
    let mut state = 1u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..1500 {
        let (width, height, classes) = (1 + random(12) as usize, 1 + random(12) as usize, 1 + random(4));
        let map: Vec<u8> = (0..width * height)
            .map(|_| match random(classes + 1) {
                class if class == classes => NO_CLASS,
                class => class as u8,
            })
            .collect();
        check(&map, width);
    }
    // Large regions with many merges and holes.
    for share in [2, 3, 5] {
        let map: Vec<u8> = (0..90 * 70).map(|_| u8::from(random(share) == 0)).collect();
        check(&map, 90);
    }
}

#[test]
fn memory_holds_what_is_open_alone() {
    let mut sweep = RegionSweep::new(Some(MemoryScratch::default()));
    let mut finished = 0;
    for y in 0..2000usize {
        let row: Vec<u8> = (0..64).map(|x| if (x / 3 + y / 3) % 2 == 0 { 0 } else { 1 }).collect();
        sweep
            .push_row(
                &row,
                |start, end, _| Count((end - start) as u64),
                |_| {
                    finished += 1;
                    Ok(())
                },
            )
            .expect("a row");
    }
    assert!(
        finished > 10_000 && sweep.slots.len() < 100,
        "{finished}, {}",
        sweep.slots.len()
    );
    let (outlines, _) = sweep.outlines.as_ref().expect("outlines");
    assert!(outlines.open_chains() < 300, "{}", outlines.open_chains());
}
