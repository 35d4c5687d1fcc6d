//! The ellipsoid's auxiliary latitudes, in both directions (Snyder 1987, section 3; Karney 2011, arXiv:1002.1417).
//!
//! All functions of angles come from `libm`, so that native code and wasm agree to the last bit.

use std::f64::consts::FRAC_PI_2;

use libm::{atan, atanh, cos, sin, sinh, sqrt};

/// An ellipsoid of revolution, with what projections need to know about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spheroid {
    /// Semi-major axis in metres.
    pub(super) a: f64,
    /// Square of the first eccentricity.
    pub(super) e2: f64,
    /// First eccentricity.
    pub(super) e: f64,
    /// Third flattening.
    pub(super) n: f64,
}

impl Spheroid {
    /// `inverse_flattening` is 0 for a sphere.
    pub(super) fn new(a: f64, inverse_flattening: f64) -> Self {
        let f = if inverse_flattening > 0.0 {
            1.0 / inverse_flattening
        } else {
            0.0
        };
        let e2 = f * (2.0 - f);
        Self {
            a,
            e2,
            e: sqrt(e2),
            n: f / (2.0 - f),
        }
    }

    /// `atanh(e x) / e`, which is x on a sphere.
    fn atanh_e(&self, x: f64) -> f64 {
        if self.e > 0.0 { atanh(self.e * x) / self.e } else { x }
    }

    /// Isometric latitude of a latitude.
    pub(super) fn isometric(&self, latitude: f64) -> f64 {
        let sine = sin(latitude);
        atanh(sine) - self.e2 * self.atanh_e(sine)
    }

    /// Latitude of an isometric latitude: Newton's method on its tangent, to the last bits for the earth's flattening.
    pub(super) fn latitude_of_isometric(&self, isometric: f64) -> f64 {
        self.latitude_of_conformal_tangent(sinh(isometric))
    }

    /// Latitude whose conformal latitude has this tangent.
    pub(super) fn latitude_of_conformal_tangent(&self, conformal: f64) -> f64 {
        if !conformal.is_finite() {
            return if conformal > 0.0 { FRAC_PI_2 } else { -FRAC_PI_2 };
        }
        let mut tangent = conformal / (1.0 - self.e2);
        for _ in 0..8 {
            let secant = sqrt(1.0 + tangent * tangent);
            let sigma = sinh(self.e2 * self.atanh_e(tangent / secant));
            let found = tangent * sqrt(1.0 + sigma * sigma) - sigma * secant;
            let step = (conformal - found) / sqrt(1.0 + found * found) * (1.0 + (1.0 - self.e2) * tangent * tangent)
                / ((1.0 - self.e2) * secant);
            tangent += step;
            // The test is not for exactly zero, because the last bits may go back and forth forever.
            if step.abs() <= 1e-15 * (1.0 + tangent.abs()) {
                break;
            }
        }
        atan(tangent)
    }

    /// Radius of a parallel divided by the semi-major axis.
    pub(super) fn m(&self, latitude: f64) -> f64 {
        let sine = sin(latitude);
        cos(latitude) / sqrt(1.0 - self.e2 * sine * sine)
    }

    /// Snyder's q: twice the area from the equator to a latitude per radian, divided by the square of the semi-major axis.
    pub(super) fn q(&self, latitude: f64) -> f64 {
        let sine = sin(latitude);
        (1.0 - self.e2) * (sine / (1.0 - self.e2 * sine * sine) + self.atanh_e(sine))
    }

    /// Latitude of a value of [`Spheroid::q`].
    pub(super) fn latitude_of_q(&self, q: f64) -> f64 {
        let ratio = (q / self.q(FRAC_PI_2)).clamp(-1.0, 1.0);
        let authalic = libm::asin(ratio);
        // Near a pole the derivative vanishes, and the authalic latitude is the latitude.
        if 1.0 - ratio.abs() < 1e-14 {
            return authalic;
        }
        let mut latitude = authalic;
        for _ in 0..12 {
            let sine = sin(latitude);
            let root = 1.0 - self.e2 * sine * sine;
            let step = root * root / (2.0 * cos(latitude) * (1.0 - self.e2)) * (q - self.q(latitude));
            latitude += step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        latitude
    }

    /// Isometric latitude's exponential, `exp(-psi)`: Snyder's t.
    pub(super) fn t(&self, latitude: f64) -> f64 {
        libm::exp(-self.isometric(latitude))
    }

    /// Latitude of a value of [`Spheroid::t`].
    pub(super) fn latitude_of_t(&self, t: f64) -> f64 {
        self.latitude_of_conformal_tangent((1.0 / t - t) / 2.0)
    }

    /// Conformal latitude of a latitude.
    pub(super) fn conformal(&self, latitude: f64) -> f64 {
        atan(sinh(self.isometric(latitude)))
    }
}
