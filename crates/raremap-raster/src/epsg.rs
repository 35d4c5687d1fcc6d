//! The few facts of the EPSG register that areas need: units and ellipsoids.

/// An ellipsoid: semi-major axis in metres, inverse flattening (0 for a sphere).
pub(crate) type Ellipsoid = (f64, f64);

pub(crate) const WGS_84: Ellipsoid = (6_378_137.0, 298.257_223_563);
pub(crate) const GRS_80: Ellipsoid = (6_378_137.0, 298.257_222_101);

/// Metres per unit of EPSG's units of length.
pub(crate) fn linear_unit_m(code: u16) -> Option<f64> {
    match code {
        9001 => Some(1.0),
        9002 => Some(0.3048),
        9003 => Some(12.0 / 39.37),
        9005 => Some(0.304_797_265_4),
        9014 => Some(1.8288),
        9030 => Some(1852.0),
        9031 => Some(1.000_013_596_5),
        9033 => Some(66.0 * 12.0 / 39.37),
        9035 => Some(5280.0 * 12.0 / 39.37),
        9036 => Some(1000.0),
        9037 => Some(0.914_398_414_616_03),
        9038 => Some(20.116_765_121_552_6),
        9039 => Some(0.201_167_651_215_53),
        9040 => Some(0.914_398_530_744_44),
        9041 => Some(0.304_799_510_248_147),
        9042 => Some(20.116_756),
        9043 => Some(0.201_167_56),
        9050 => Some(0.914_399_204_289_81),
        9051 => Some(0.304_799_734_763_27),
        9060 => Some(0.914_399_21),
        9061 => Some(0.304_799_71),
        9062 => Some(20.116_782_494_375_9),
        9063 => Some(0.201_167_824_943_76),
        9070 => Some(0.304_800_833_654_3),
        9080 => Some(0.304_799_510_248_147),
        9081 => Some(0.304_799_73),
        9082 => Some(0.304_799_8),
        9083 => Some(0.304_799_5),
        9084 => Some(0.914_398_530_744_44),
        9085 => Some(0.914_398_53),
        9086 => Some(0.914_398_72),
        9087 => Some(0.914_398_5),
        9093 => Some(1609.344),
        9094 => Some(0.304_799_710_181_508_8),
        9095 => Some(0.304_800_61),
        9096 => Some(0.9144),
        9097 => Some(20.1168),
        9098 => Some(0.201_168),
        9301 => Some(20.116_756),
        _ => None,
    }
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

/// Ranges of codes and the unit of the projected systems in them: `tests/golden/epsg_units.py` writes it.
const UNITS: &str = include_str!("epsg_units.txt");

/// Metres per unit of a projected system of EPSG's register; `None` for other codes.
pub fn projected_unit_m(epsg: u16) -> Option<f64> {
    UNITS.lines().find_map(|line| {
        let mut numbers = line.split(' ').map(|number| number.parse::<u16>().ok());
        let (first, last, unit) = (numbers.next()??, numbers.next()??, numbers.next()??);
        (first..=last).contains(&epsg).then(|| linear_unit_m(unit)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_of_the_register_is_known() {
        assert!(UNITS.lines().count() > 1000);
        for line in UNITS.lines() {
            let code: u16 = line
                .split(' ')
                .next()
                .and_then(|first| first.parse().ok())
                .expect("a code");
            assert!(projected_unit_m(code).is_some(), "{line}");
        }
    }

    #[test]
    fn projected_systems_have_their_units() {
        // Swiss, British, Czech; a zone of UTM; California in feet of the survey; nothing; a geographic one.
        for metric in [2056, 27700, 5514, 32633, 3857] {
            assert_eq!(projected_unit_m(metric), Some(1.0), "{metric}");
        }
        assert_eq!(projected_unit_m(2225), Some(12.0 / 39.37));
        assert_eq!(projected_unit_m(2222), Some(0.3048));
        assert_eq!(projected_unit_m(4326), None);
        assert_eq!(projected_unit_m(1), None);
    }
}
