//! 8-bit CIE L*a*b* (TIFF 6.0, section 23) to sRGB, in the steps and 32-bit floats of libtiff.

/// Steps of the table that takes light to code values.
const TABLE_STEPS: usize = 1500;
/// Light of a white and of a black pixel of the display.
const WHITE_LIGHT: f32 = 100.0;
const BLACK_LIGHT: f32 = 1.0;
const GAMMA: f64 = 2.4;
/// Red, green and blue light of X, Y and Z.
const LIGHT_OF_XYZ: [[f32; 3]; 3] = [
    [3.2410, -1.5374, -0.4986],
    [-0.9692, 1.8760, 0.0416],
    [0.0556, -0.2040, 1.0570],
];
/// X, Y and Z of the white point D50, which counts if the file names none.
const D50: [f32; 3] = [96.425, 100.0, 82.468];

/// The conversion for one white point.
#[derive(Debug, Clone)]
pub(crate) struct Lab {
    white: [f32; 3],
    codes: Vec<u8>,
}

impl Lab {
    /// `white_point` is the chromaticity in the WhitePoint tag, or empty without it.
    pub(crate) fn new(white_point: &[f64]) -> Self {
        let [x, y] = match white_point {
            [x, y] if *y != 0.0 => [*x as f32, *y as f32],
            _ => {
                let [x, y, z] = D50;
                [x / (x + y + z), y / (x + y + z)]
            }
        };
        let gamma = 1.0 / f64::from(GAMMA as f32);
        let code = |step: usize| 255.0 * (step as f64 / TABLE_STEPS as f64).powf(gamma) as f32;
        Self {
            white: [x / y * 100.0, 100.0, (1.0 - x - y) / y * 100.0],
            codes: (0..=TABLE_STEPS)
                .map(|step| (f64::from(code(step)) + 0.5) as u8)
                .collect(),
        }
    }

    pub(crate) fn to_rgba(&self, [lightness, a, b]: [u8; 3]) -> [u8; 4] {
        let [white_x, white_y, white_z] = self.white;
        let lightness = f32::from(u16::from(lightness) * 257) * 100.0 / 65535.0;
        let (a, b) = (f32::from(a as i8), f32::from(b as i8));
        let (y, root) = if lightness < 8.856 {
            let y = lightness * white_y / 903.292;
            (y, 7.787 * (y / white_y) + 16.0 / 116.0)
        } else {
            let root = (lightness + 16.0) / 116.0;
            (white_y * root * root * root, root)
        };
        let of_root = |root: f32, white: f32| {
            if root < 0.2069 {
                white * (root - 0.13793) / 7.787
            } else {
                white * root * root * root
            }
        };
        let x = of_root(a / 500.0 + root, white_x);
        let z = of_root(root - b / 200.0, white_z);
        let step = (WHITE_LIGHT - BLACK_LIGHT) / TABLE_STEPS as f32;
        let [red, green, blue] = LIGHT_OF_XYZ.map(|[of_x, of_y, of_z]| {
            let light = (of_x * x + of_y * y + of_z * z).clamp(BLACK_LIGHT, WHITE_LIGHT);
            let index = ((light - BLACK_LIGHT) / step) as usize;
            self.codes.get(index.min(TABLE_STEPS)).copied().unwrap_or_default()
        });
        [red, green, blue, 255]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_convert_as_in_gdal() {
        let lab = Lab::new(&[]);
        for (stored, expected) in [
            ([61, 0, 0], [65, 59, 49, 255]),
            ([23, 12, 228], [0, 0, 57, 255]),
            ([255, 0, 0], [255, 252, 222, 255]),
        ] {
            assert_eq!(lab.to_rgba(stored), expected);
        }
    }
}
