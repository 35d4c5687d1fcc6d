//! Rings of regions on grids all around the globe, around poles and across 180 degrees: tests that they are simple and fill the scene.

use raremap_geo::CrsKind;
use raremap_io::MemoryScratch;

use raremap_testing::ring::{assert_simple, doubled_area};

use super::*;
use crate::regions::{Region, RegionSweep, Tally};

#[derive(Default)]
struct Nothing;

impl Tally for Nothing {
    fn merge(&mut self, _: Self) {}
}

/// Polygons of a map's regions, outer rings first, as they are written.
fn written(place: &OutputCoordinates, map: &[u8], width: usize) -> Vec<Vec<Vec<[f64; 2]>>> {
    let mut found = Vec::new();
    let parsed = |ring: &[[f64; 2]], shift: f64| -> Vec<[f64; 2]> {
        let mut text = String::new();
        place.write_ring(&mut text, ring, shift);
        serde_json::from_str(&text).expect("a ring")
    };
    let mut take = |mut region: Region<'_, Nothing, MemoryScratch>| {
        let mut rings = vec![place.ring(&region.exterior)];
        while let Some(hole) = region.next_hole()? {
            rings.push(place.ring(&hole));
        }
        match place.shift_within(&rings[0]) {
            Some(shift) => found.push(rings.iter().map(|ring| parsed(ring, shift)).collect()),
            None => {
                let parts = place.cut_rings(rings);
                assert!(!parts.is_empty());
                let parts = parts
                    .iter()
                    .map(|rings| rings.iter().map(|ring| parsed(ring, 0.0)).collect());
                found.extend(parts);
            }
        }
        Ok(())
    };
    let mut sweep = RegionSweep::new(Some(MemoryScratch::default()));
    for row in map.chunks_exact(width) {
        sweep.push_row(row, |_, _, _| Nothing, &mut take).expect("a row");
    }
    sweep.finish(&mut take).expect("an end");
    found
}

/// Patches of three classes, with holes and single pixels; they are the same every time.
fn patches([height, width]: [usize; 2], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let mut map: Vec<u8> = (0..height * width).map(|_| u8::from(next() % 8 == 0)).collect();
    for _ in 0..6 {
        let (top, left, class) = (next() % height, next() % width, (next() % 3) as u8);
        let (tall, wide) = (1 + next() % 9, 1 + next() % 30);
        for row in map.chunks_exact_mut(width).skip(top).take(tall) {
            row.iter_mut().skip(left).take(wide).for_each(|pixel| *pixel = class);
        }
    }
    map
}

fn place(kind: CrsKind, epsg: u16, [a, e, c, f]: [f64; 4], size: [usize; 2]) -> OutputCoordinates {
    let (b, d) = (0.0, 0.0);
    let georeference = GeoReference::from_epsg(kind, epsg, Affine { a, b, c, d, e, f });
    OutputCoordinates::new(georeference.as_ref(), size, PolygonsCrs::Wgs84)
}

/// Checks the rings of some maps, and returns the area of all.
fn checked_area(place: &OutputCoordinates, size: [usize; 2], seeds: std::ops::Range<u64>) -> Vec<f64> {
    assert!(place.is_lon_lat(), "{:?}", place.notice);
    let area = |seed| {
        let regions = written(place, &patches(size, seed), size[1]);
        let mut total = 0.0;
        for rings in &regions {
            for (index, ring) in rings.iter().enumerate() {
                assert_simple(ring);
                let doubled = doubled_area(ring);
                assert!((doubled > 0.0) == (index == 0), "wound wrongly: {ring:?}");
                let is_on_globe = |[longitude, latitude]: &[f64; 2]| longitude.abs() <= 180.0 && latitude.abs() <= 90.0;
                assert!(ring.iter().all(is_on_globe), "{ring:?}");
                assert!(
                    ring.windows(2)
                        .all(|pair| (pair[0][0] - pair[1][0]).abs() <= 180.0 || pair[0][1] == pair[1][1])
                );
                total += doubled / 2.0;
            }
        }
        total
    };
    seeds.map(area).collect()
}

#[test]
fn regions_of_global_grids_fill_them() {
    let edge = 20_037_508.342_789_244;
    let ease = 17_367_530.445_161_37;
    for (kind, epsg, transform, size, west) in [
        (CrsKind::Geographic, 4326, [4.5, -4.5, -180.0, 90.0], [40, 80], -180.0),
        (CrsKind::Geographic, 4326, [4.5, -4.5, 0.0, 90.0], [40, 80], 0.0),
        (CrsKind::Geographic, 4326, [4.5, -4.5, -2.25, 92.25], [41, 80], -2.25),
        (CrsKind::Geographic, 4326, [4.5, 4.5, 180.0, -90.0], [40, 80], 0.0),
        (
            CrsKind::Projected,
            3857,
            [edge / 40.0, -edge / 40.0, -edge, edge],
            [80, 80],
            -180.0,
        ),
        (
            CrsKind::Projected,
            6933,
            [ease / 40.0, -ease / 40.0, -ease, 7_314_540.83],
            [33, 80],
            -180.0,
        ),
    ] {
        let place = place(kind, epsg, transform, size);
        let [left, top] = place.coordinates(0.0, 0.0);
        let [right, bottom] = place.coordinates(size[1] as f64, size[0] as f64);
        let is_turned = kind == CrsKind::Geographic && transform[2] == 180.0;
        assert!((left - west).abs() < 1e-6 || is_turned, "{epsg} {left}");
        assert!((right - left - 360.0).abs() < 1e-6, "{epsg} {left} {right}");
        let whole = (top - bottom).abs() * 360.0;
        for area in checked_area(&place, size, 0..12) {
            assert!((area / whole - 1.0).abs() < 1e-7, "{epsg}: {area} of {whole}");
        }
    }
}

#[test]
fn regions_across_180_degrees_are_cut_there() {
    for (kind, epsg, transform) in [
        (CrsKind::Geographic, 4326, [3e-4, -3e-4, 179.99, -16.5]),
        (CrsKind::Geographic, 4326, [3e-4, -3e-4, -180.01, 52.0]),
        (CrsKind::Projected, 3857, [100.0, -100.0, 20_034_000.0, 7e6]),
        (CrsKind::Projected, 32601, [30.0, -30.0, 357_300.0, 7_215_000.0]),
        (CrsKind::Projected, 3413, [30.0, -30.0, -609_000.0, 606_000.0]),
    ] {
        let size = [40, 80];
        let place = place(kind, epsg, transform, size);
        let areas = checked_area(&place, size, 0..8);
        assert!(
            areas.iter().all(|area| (area / areas[0] - 1.0).abs() < 1e-3),
            "{epsg} {areas:?}"
        );
    }
}

#[test]
fn regions_beside_a_pole_are_simple() {
    // The pole is at a corner, on a side, a pixel outside, and further.
    for (epsg, left, top) in [
        (3413, 0.0, 0.0),
        (3413, -1200.0, 0.0),
        (3413, -1200.0, -30.0),
        (3413, 30.0, 600.0),
        (3413, -900.0, -3000.0),
        (3031, 0.0, 0.0),
        (3031, -1200.0, -45.0),
        (3031, 15.0, 615.0),
    ] {
        let size = [40, 80];
        let place = place(CrsKind::Projected, epsg, [30.0, -30.0, left, top], size);
        checked_area(&place, size, 0..12);
    }
}

#[test]
fn scenes_that_hold_a_pole_or_reach_far_over_it_keep_their_own_coordinates() {
    for (kind, epsg, transform) in [
        (CrsKind::Projected, 3413, [30.0, -30.0, -1200.0, 600.0]),
        (CrsKind::Projected, 3031, [30.0, -30.0, -1200.0, 600.0]),
        (CrsKind::Geographic, 4326, [3e-4, -3e-4, 10.0, 90.005]),
    ] {
        let place = place(kind, epsg, transform, [40, 80]);
        assert!(!place.is_lon_lat());
        assert!(
            place.notice.as_ref().is_some_and(|notice| notice.contains("pole")),
            "{:?}",
            place.notice
        );
        assert!(place.head("polygons", &[]).contains(&format!("EPSG::{epsg}")));
    }
}
