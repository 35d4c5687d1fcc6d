//! Systems by EPSG code.

use super::latitude::Spheroid;
use super::{Kind, MethodName, Parameters, Projected, Projection};
use crate::epsg;

/// `tests/golden/epsg.py` writes this file.
const EPSG: &str = include_str!("epsg.txt");

/// Finds a system of the register. A unit that the file itself names goes before the register's.
pub(super) fn projection(code: u16, unit_m: Option<f64>) -> Option<Projection> {
    EPSG.lines().find_map(|line| {
        let (codes, rest) = line.split_once(' ')?;
        let (first, range) = codes.split_once('-').unwrap_or((codes, ""));
        let first: u16 = first.parse().ok()?;
        if range.is_empty() {
            return (first == code).then(|| parse(rest, unit_m, 0.0)).flatten();
        }
        let (last, step) = range.split_once('+')?;
        let (last, step): (u16, f64) = (last.parse().ok()?, step.parse().ok()?);
        let is_inside = (first..=last).contains(&code);
        is_inside
            .then(|| parse(rest, unit_m, step * f64::from(code.saturating_sub(first))))
            .flatten()
    })
}

fn parse(line: &str, unit_m: Option<f64>, longitude_step: f64) -> Option<Projection> {
    let mut fields = line.split(' ');
    let method = fields.next()?;
    let (a, inverse_flattening) = match fields.next()? {
        "G" => epsg::GRS_80,
        "W" => epsg::WGS_84,
        _ => return None,
    };
    let mut numbers = fields.map_while(|field| field.parse::<f64>().ok());
    let unit = numbers.next()?;
    if method == "D" {
        return Some(Projection {
            kind: Kind::Geographic { degrees_per_unit: unit },
        });
    }
    let mut next = || numbers.next().unwrap_or(0.0);
    let parameters = Parameters {
        latitude: next(),
        longitude: next() + longitude_step,
        parallels: [next(), next()],
        scale: next(),
        false_easting: next(),
        false_northing: next(),
    };
    let name = match method {
        "T" => MethodName::TransverseMercator,
        "C1" => MethodName::LambertConicConformal1sp,
        "C2" => MethodName::LambertConicConformal2sp,
        "A" => MethodName::AlbersEqualArea,
        "PA" => MethodName::PolarStereographicA,
        "PB" => MethodName::PolarStereographicB,
        "Z" => MethodName::LambertAzimuthalEqualArea,
        "O" => MethodName::ObliqueStereographic,
        "MA" => MethodName::MercatorA,
        "MB" => MethodName::MercatorB,
        "W" => MethodName::PopularVisualisationPseudoMercator,
        "E" => MethodName::LambertCylindricalEqualArea,
        _ => return None,
    };
    let spheroid = Spheroid::new(a, inverse_flattening);
    let projected = Projected::new(name, spheroid, unit_m.unwrap_or(unit), &parameters);
    Some(Projection {
        kind: Kind::Projected(Box::new(projected)),
    })
}

/// Whether the code is a geographic system that is WGS 84 except for plate motion.
pub(super) fn is_wgs84(code: u16) -> bool {
    matches!(
        projection(code, None),
        Some(Projection {
            kind: Kind::Geographic { .. }
        })
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_system() {
        for line in EPSG.lines() {
            let (codes, rest) = line.split_once(' ').expect("a code and more");
            assert!(parse(rest, None, 0.0).is_some(), "{line}");
            let first = codes
                .split('-')
                .next()
                .and_then(|code| code.parse().ok())
                .expect("a code");
            assert!(projection(first, None).is_some(), "{line}");
        }
        assert!(is_wgs84(4326) && is_wgs84(4258) && !is_wgs84(4267) && !is_wgs84(32643));
        assert_eq!(projection(4267, None), None);
    }
}
