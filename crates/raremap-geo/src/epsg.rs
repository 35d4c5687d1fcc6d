//! The few facts of the EPSG register that areas need: units and ellipsoids.

/// An ellipsoid: semi-major axis in metres, inverse flattening (0 for a sphere).
pub(crate) type Ellipsoid = (f64, f64);

pub(crate) const WGS_84: Ellipsoid = (6_378_137.0, 298.257_223_563);
pub(crate) const GRS_80: Ellipsoid = (6_378_137.0, 298.257_222_101);

/// Units and ranges of projected systems. `tests/golden/epsg_units.py` writes the file and says what is in it.
const REGISTER: &str = include_str!("epsg_units.txt");

/// Metres per unit of EPSG's units of length.
pub(crate) fn linear_unit_m(code: u16) -> Option<f64> {
    REGISTER.lines().find_map(|line| {
        let (unit, metres) = line.split_once(' ')?;
        // Lines of ranges have another number behind the code.
        (unit.parse() == Ok(code)).then(|| metres.parse().ok()).flatten()
    })
}

/// Metres per unit of a projected system of EPSG's register; `None` for other codes.
pub fn projected_unit_m(epsg: u16) -> Option<f64> {
    REGISTER.lines().find_map(|line| {
        let mut numbers = line.split(' ').map(|number| number.parse::<u16>().ok());
        let (first, last, unit) = (numbers.next()??, numbers.next()??, numbers.next()??);
        (first..=last).contains(&epsg).then(|| linear_unit_m(unit)).flatten()
    })
}

/// Horizontal systems: `tests/golden/epsg_horizontal.py` writes it, and says what is in it.
const HORIZONTAL: &str = include_str!("epsg_horizontal.txt");

/// The horizontal system that a compound or three-dimensional system of the EPSG register contains; `None` for other codes.
pub(crate) fn horizontal_epsg(code: u16) -> Option<u16> {
    HORIZONTAL.lines().find_map(|line| {
        let mut numbers = line.split(' ').map(|number| number.parse::<u16>().ok());
        let (first, last, horizontal) = (numbers.next()??, numbers.next()??, numbers.next()??);
        (first..=last).contains(&code).then(|| horizontal + (code - first))
    })
}

/// Semi-major axis and inverse flattening of EPSG's ellipsoids.
pub(crate) fn ellipsoid(code: u16) -> Option<Ellipsoid> {
    match code {
        7001 => Some((6_377_563.396, 299.324_964_6)),
        7002 => Some((6_377_340.189, 299.324_964_6)),
        7003 => Some((6_378_160.0, 298.25)),
        7004 => Some((6_377_397.155, 299.152_812_8)),
        7008 => Some((6_378_206.4, 294.978_698_213_898)),
        7012 => Some((6_378_249.145, 293.465)),
        7015 => Some((6_377_276.345, 300.8017)),
        7016 => Some((6_377_298.556, 300.8017)),
        7018 => Some((6_377_304.063, 300.8017)),
        7019 => Some(GRS_80),
        7022 => Some((6_378_388.0, 297.0)),
        7024 => Some((6_378_245.0, 298.3)),
        7030 => Some(WGS_84),
        7035 | 7047 => Some((6_371_000.0, 0.0)),
        7036 | 7050 => Some((6_378_160.0, 298.247_167_427)),
        7043 => Some((6_378_135.0, 298.26)),
        7048 => Some((6_371_007.0, 0.0)),
        7059 => Some((6_378_137.0, 0.0)),
        _ => None,
    }
}

/// The ellipsoids of common geodetic systems, for files that give a code and no ellipsoid.
pub(crate) fn ellipsoid_of_geodetic_crs(code: u16) -> Option<Ellipsoid> {
    match code {
        4326 => Some(WGS_84),
        4258 | 4269 | 4283 | 4171 | 4152 | 4167 | 4674 | 4612 | 6318 | 7844 | 7842 => Some(GRS_80),
        4267 => ellipsoid(7008),
        4277 => ellipsoid(7001),
        4230 | 4265 => ellipsoid(7022),
        4314 | 4312 | 4289 | 4149 => ellipsoid(7004),
        4284 | 4179 | 4610 | 4214 => ellipsoid(7024),
        4322 => ellipsoid(7043),
        4202 | 4203 => ellipsoid(7003),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projected_systems_have_their_units() {
        // These are Swiss, British and Czech systems, UTM zones at both ends of the lists, California in survey feet, no system, and a
        // geographic one.
        for metric in [2056, 27700, 5514, 32601, 32633, 32660, 32701, 32743, 32760, 3857] {
            assert_eq!(projected_unit_m(metric), Some(1.0), "{metric}");
        }
        assert_eq!(projected_unit_m(2225), Some(12.0 / 39.37));
        assert_eq!(projected_unit_m(2222), Some(0.3048));
        assert_eq!(projected_unit_m(2066), Some(0.201_166_195_164));
        for none in [0, 1, 2181, 4326, 9001, 30811, 32767] {
            assert_eq!(projected_unit_m(none), None, "{none}");
        }
    }

    #[test]
    fn compound_and_three_dimensional_systems_stand_on_horizontal_ones() {
        for (code, horizontal) in [
            (4979, 4326),
            (4937, 4258),
            (5554, 25831),
            (5555, 25832),
            (5556, 25833),
            (7415, 28992),
            (7423, 4258),
            (5498, 4269),
        ] {
            assert_eq!(horizontal_epsg(code), Some(horizontal), "{code}");
        }
        for none in [0, 4326, 25832, 4978, 32767] {
            assert_eq!(horizontal_epsg(none), None, "{none}");
        }
        for line in HORIZONTAL.lines() {
            assert_eq!(
                line.split(' ').filter(|number| number.parse::<u16>().is_ok()).count(),
                3,
                "{line}"
            );
        }
    }

    #[test]
    fn units_are_those_of_the_register() {
        assert_eq!((linear_unit_m(9001), linear_unit_m(9036)), (Some(1.0), Some(1000.0)));
        assert_eq!(
            (linear_unit_m(0), linear_unit_m(2000), linear_unit_m(32767)),
            (None, None, None)
        );
    }
}
