//! Inverse formulas of the usual projections (EPSG Guidance Note 7-2; Snyder 1987; Karney 2011 for the transverse Mercator).

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

use libm::{asin, atan, atan2, cos, cosh, hypot, log, pow, sin, sinh, sqrt, tan};

use super::latitude::Spheroid;

/// A projection with its parameters, ready to be inverted. Coordinates are metres from the false origin, and angles are radians.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Method {
    /// `meridian` is the distance of the origin's parallel from the equator, in units of `radius`.
    TransverseMercator {
        radius: f64,
        meridian: f64,
        beta: [f64; 6],
    },
    Mercator {
        radius: f64,
    },
    /// Web Mercator: the sphere's formula on the ellipsoid's axis.
    PopularMercator {
        radius: f64,
    },
    LambertConic {
        n: f64,
        scale: f64,
        origin: f64,
    },
    Albers {
        n: f64,
        c: f64,
        origin: f64,
    },
    LambertAzimuthal {
        origin: f64,
        radius_q: f64,
        d: f64,
    },
    LambertAzimuthalPolar {
        is_north: bool,
    },
    PolarStereographic {
        is_north: bool,
        scale: f64,
    },
    ObliqueStereographic {
        n: f64,
        c: f64,
        origin: f64,
        diameter: f64,
    },
    CylindricalEqualArea {
        scale: f64,
    },
}

impl Method {
    pub(super) fn transverse_mercator(spheroid: &Spheroid, latitude: f64, scale: f64) -> Self {
        let n = spheroid.n;
        let powers = [1, 2, 3, 4, 5, 6].map(|power| (0..power).fold(1.0, |product, _| product * n));
        let series = |rows: [[f64; 6]; 6]| rows.map(|row| row.iter().zip(&powers).map(|(c, p)| c * p).sum::<f64>());
        let alpha = series(ALPHA);
        let conformal = spheroid.conformal(latitude);
        let terms = alpha
            .iter()
            .zip(1..)
            .map(|(alpha, j)| alpha * sin(2.0 * f64::from(j) * conformal));
        let n2 = n * n;
        let rectifying = spheroid.a / (1.0 + n) * (1.0 + n2 / 4.0 + n2 * n2 / 64.0 + n2 * n2 * n2 / 256.0);
        Method::TransverseMercator {
            radius: scale * rectifying,
            meridian: conformal + terms.sum::<f64>(),
            beta: series(BETA),
        }
    }

    pub(super) fn lambert_conic(spheroid: &Spheroid, origin: f64, parallels: [f64; 2], scale: f64) -> Self {
        let [first, second] = parallels;
        let (m, t) = (spheroid.m(first), spheroid.t(first));
        let n = if (first - second).abs() < 1e-10 {
            sin(first)
        } else {
            (log(m) - log(spheroid.m(second))) / (log(t) - log(spheroid.t(second)))
        };
        let scale = scale * spheroid.a * m / (n * pow(t, n));
        let origin = scale * pow(spheroid.t(origin), n);
        Method::LambertConic { n, scale, origin }
    }

    pub(super) fn albers(spheroid: &Spheroid, origin: f64, [first, second]: [f64; 2]) -> Self {
        let (m1, q1) = (spheroid.m(first), spheroid.q(first));
        let n = if (first - second).abs() < 1e-10 {
            sin(first)
        } else {
            let m2 = spheroid.m(second);
            (m1 * m1 - m2 * m2) / (spheroid.q(second) - q1)
        };
        let c = m1 * m1 + n * q1;
        let origin = spheroid.a * sqrt((c - n * spheroid.q(origin)).max(0.0)) / n;
        Method::Albers { n, c, origin }
    }

    pub(super) fn lambert_azimuthal(spheroid: &Spheroid, origin: f64) -> Self {
        if (origin.abs() - FRAC_PI_2).abs() < 1e-10 {
            return Method::LambertAzimuthalPolar { is_north: origin > 0.0 };
        }
        let q_pole = spheroid.q(FRAC_PI_2);
        let radius_q = spheroid.a * sqrt(q_pole / 2.0);
        let authalic = asin(spheroid.q(origin) / q_pole);
        let d = spheroid.a * spheroid.m(origin) / (radius_q * cos(authalic));
        Method::LambertAzimuthal {
            origin: authalic,
            radius_q,
            d,
        }
    }

    /// Variant A, with the scale at the pole.
    pub(super) fn polar_stereographic(spheroid: &Spheroid, is_north: bool, scale: f64) -> Self {
        let e = spheroid.e;
        let pole = sqrt(pow(1.0 + e, 1.0 + e) * pow(1.0 - e, 1.0 - e));
        Method::PolarStereographic {
            is_north,
            scale: 2.0 * spheroid.a * scale / pole,
        }
    }

    /// Variant B, which is true at a parallel of the same hemisphere.
    pub(super) fn polar_stereographic_at(spheroid: &Spheroid, is_north: bool, parallel: f64) -> Self {
        let parallel = parallel.abs();
        if FRAC_PI_2 - parallel < 1e-10 {
            return Self::polar_stereographic(spheroid, is_north, 1.0);
        }
        Method::PolarStereographic {
            is_north,
            scale: spheroid.a * spheroid.m(parallel) / spheroid.t(parallel),
        }
    }

    pub(super) fn oblique_stereographic(spheroid: &Spheroid, origin: f64, scale: f64) -> Self {
        let (e, e2, sine) = (spheroid.e, spheroid.e2, sin(origin));
        let radius = spheroid.a * sqrt(1.0 - e2) / (1.0 - e2 * sine * sine);
        let cosine2 = cos(origin) * cos(origin);
        let n = sqrt(1.0 + e2 * cosine2 * cosine2 / (1.0 - e2));
        let w1 = pow(
            (1.0 + sine) / (1.0 - sine) * pow((1.0 - e * sine) / (1.0 + e * sine), e),
            n,
        );
        let chi = (w1 - 1.0) / (w1 + 1.0);
        let c = (n + sine) * (1.0 - chi) / ((n - sine) * (1.0 + chi));
        let w2 = c * w1;
        Method::ObliqueStereographic {
            n,
            c,
            origin: asin((w2 - 1.0) / (w2 + 1.0)),
            diameter: 2.0 * radius * scale,
        }
    }

    /// Longitude from the central meridian, and latitude.
    pub(super) fn invert(&self, spheroid: &Spheroid, x: f64, y: f64) -> [f64; 2] {
        match *self {
            Method::TransverseMercator { radius, meridian, beta } => {
                let (xi, eta) = (meridian + y / radius, x / radius);
                let (mut xi1, mut eta1) = (xi, eta);
                for (beta, j) in beta.iter().zip(1..) {
                    let double = 2.0 * f64::from(j);
                    xi1 -= beta * sin(double * xi) * cosh(double * eta);
                    eta1 -= beta * cos(double * xi) * sinh(double * eta);
                }
                let (sine, cosine) = (sinh(eta1), cos(xi1));
                let tangent = sin(xi1) / hypot(sine, cosine);
                [atan2(sine, cosine), spheroid.latitude_of_conformal_tangent(tangent)]
            }
            Method::Mercator { radius } => [x / radius, spheroid.latitude_of_isometric(y / radius)],
            Method::PopularMercator { radius } => [x / radius, atan(sinh(y / radius))],
            Method::LambertConic { n, scale, origin } => {
                let down = origin - y;
                let rho = hypot(x, down);
                let angle = if n > 0.0 { atan2(x, down) } else { atan2(-x, -down) };
                [angle / n, spheroid.latitude_of_t(pow(rho / scale.abs(), 1.0 / n))]
            }
            Method::Albers { n, c, origin } => {
                let down = origin - y;
                let rho = hypot(x, down) * n / spheroid.a;
                let angle = if n > 0.0 { atan2(x, down) } else { atan2(-x, -down) };
                [angle / n, spheroid.latitude_of_q((c - rho * rho) / n)]
            }
            Method::LambertAzimuthal { origin, radius_q, d } => {
                let (x, y) = (x / d, y * d);
                let rho = hypot(x, y);
                if rho == 0.0 {
                    return [0.0, spheroid.latitude_of_q(spheroid.q(FRAC_PI_2) * sin(origin))];
                }
                let angle = 2.0 * asin((rho / (2.0 * radius_q)).min(1.0));
                let (sine, cosine) = (sin(angle), cos(angle));
                let authalic = cosine * sin(origin) + y * sine * cos(origin) / rho;
                let longitude = atan2(x * sine, rho * cos(origin) * cosine - y * sin(origin) * sine);
                [longitude, spheroid.latitude_of_q(spheroid.q(FRAC_PI_2) * authalic)]
            }
            Method::LambertAzimuthalPolar { is_north } => {
                let rho = hypot(x, y) / spheroid.a;
                let q = spheroid.q(FRAC_PI_2) - rho * rho;
                let latitude = spheroid.latitude_of_q(q);
                if is_north {
                    [atan2(x, -y), latitude]
                } else {
                    [atan2(x, y), -latitude]
                }
            }
            Method::PolarStereographic { is_north, scale } => {
                let latitude = spheroid.latitude_of_t(hypot(x, y) / scale);
                if is_north {
                    [atan2(x, -y), latitude]
                } else {
                    [atan2(x, y), -latitude]
                }
            }
            Method::ObliqueStereographic { n, c, origin, diameter } => {
                let g = diameter * tan(FRAC_PI_4 - origin / 2.0);
                let h = 2.0 * diameter * tan(origin) + g;
                let i = atan2(x, h + y);
                let j = atan2(x, g - y) - i;
                let chi = sin(origin + 2.0 * atan((y - x * tan(j / 2.0)) / diameter));
                let isometric = 0.5 * log((1.0 + chi) / (c * (1.0 - chi))) / n;
                [(j + 2.0 * i) / n, spheroid.latitude_of_isometric(isometric)]
            }
            Method::CylindricalEqualArea { scale } => [
                x / (spheroid.a * scale),
                spheroid.latitude_of_q(2.0 * y * scale / spheroid.a),
            ],
        }
    }
}

/// Karney 2011, equation 35: the rectifying from the conformal latitude, by powers of the third flattening.
const ALPHA: [[f64; 6]; 6] = [
    [
        0.5,
        -2.0 / 3.0,
        5.0 / 16.0,
        41.0 / 180.0,
        -127.0 / 288.0,
        7891.0 / 37800.0,
    ],
    [
        0.0,
        13.0 / 48.0,
        -0.6,
        557.0 / 1440.0,
        281.0 / 630.0,
        -1_983_433.0 / 1_935_360.0,
    ],
    [
        0.0,
        0.0,
        61.0 / 240.0,
        -103.0 / 140.0,
        15061.0 / 26880.0,
        167_603.0 / 181_440.0,
    ],
    [
        0.0,
        0.0,
        0.0,
        49561.0 / 161_280.0,
        -179.0 / 168.0,
        6_601_661.0 / 7_257_600.0,
    ],
    [0.0, 0.0, 0.0, 0.0, 34729.0 / 80640.0, -3_418_889.0 / 1_995_840.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 212_378_941.0 / 319_334_400.0],
];
/// Karney 2011, equation 36: the way back.
const BETA: [[f64; 6]; 6] = [
    [
        0.5,
        -2.0 / 3.0,
        37.0 / 96.0,
        -1.0 / 360.0,
        -81.0 / 512.0,
        96199.0 / 604_800.0,
    ],
    [
        0.0,
        1.0 / 48.0,
        1.0 / 15.0,
        -437.0 / 1440.0,
        46.0 / 105.0,
        -1_118_711.0 / 3_870_720.0,
    ],
    [0.0, 0.0, 17.0 / 480.0, -37.0 / 840.0, -209.0 / 4480.0, 5569.0 / 90720.0],
    [
        0.0,
        0.0,
        0.0,
        4397.0 / 161_280.0,
        -11.0 / 504.0,
        -830_251.0 / 7_257_600.0,
    ],
    [0.0, 0.0, 0.0, 0.0, 4583.0 / 161_280.0, -108_847.0 / 3_991_680.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 20_648_693.0 / 638_668_800.0],
];
