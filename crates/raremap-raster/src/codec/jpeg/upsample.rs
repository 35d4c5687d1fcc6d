//! Bringing subsampled components to full size, and YCbCr to RGB, with libjpeg's roundings.
//!
//! Halved components are interpolated by a triangle filter ("fancy upsampling": 3/4 of the nearer, 1/4 of the farther
//! sample); all other ratios repeat samples.

/// A decoded component: its samples without the padding to whole blocks.
#[derive(Debug)]
pub(super) struct Plane<'a> {
    pub(super) samples: &'a [u16],
    /// Samples from one row of `samples` to the next.
    pub(super) stride: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    /// How often a sample is repeated across and down.
    pub(super) across: usize,
    pub(super) down: usize,
}

impl Plane<'_> {
    fn row(&self, row: usize) -> &[u16] {
        let start = row.min(self.height.saturating_sub(1)) * self.stride;
        self.samples.get(start..start + self.width).unwrap_or_default()
    }

    /// Row `y` of the full-size image into `out`.
    pub(super) fn upsampled_row(&self, y: usize, out: &mut [u16]) {
        let row = self.row(y / self.down.max(1));
        let is_wide = self.width > 2;
        match (self.across, self.down) {
            (1, 1) => out.iter_mut().zip(row).for_each(|(to, from)| *to = *from),
            (2, 1) if is_wide => widen(row.iter().map(|sample| u32::from(*sample)), [1, 2], 2, out),
            (1, 2) => {
                let (far, bias) = self.farther_row(y);
                let pairs = row.iter().zip(far);
                out.iter_mut().zip(pairs).for_each(|(to, (near, far))| {
                    *to = ((u32::from(*near) * 3 + u32::from(*far) + bias) >> 2) as u16;
                });
            }
            (2, 2) if is_wide => {
                let (far, _) = self.farther_row(y);
                let sums = row
                    .iter()
                    .zip(far)
                    .map(|(near, far)| u32::from(*near) * 3 + u32::from(*far));
                widen(sums, [8, 7], 4, out);
            }
            (across, _) => {
                let repeated = row
                    .iter()
                    .flat_map(|sample| std::iter::repeat_n(*sample, across.max(1)));
                out.iter_mut().zip(repeated).for_each(|(to, from)| *to = from);
            }
        }
    }

    /// The row above for the upper half of a sample, the one below for the lower half; the image's own at its edges.
    fn farther_row(&self, y: usize) -> (&[u16], u32) {
        let row = y / 2;
        if y.is_multiple_of(2) {
            (self.row(row.saturating_sub(1)), 1)
        } else {
            (self.row(row + 1), 2)
        }
    }
}

/// Two samples for each of `sums`, whose unit is `2^(shift - 2)`, weighted 3 to 1 with the left and right neighbour.
fn widen(sums: impl Iterator<Item = u32>, [left_bias, right_bias]: [u32; 2], shift: u32, out: &mut [u16]) {
    let mut sums = sums.peekable();
    let mut last = None;
    for pair in out.chunks_mut(2) {
        let Some(sum) = sums.next() else { break };
        // At the ends the missing neighbour is the sample itself.
        let left = (sum * 3 + last.unwrap_or(sum) + left_bias) >> shift;
        let right = (sum * 3 + sums.peek().copied().unwrap_or(sum) + right_bias) >> shift;
        pair.iter_mut()
            .zip([left, right])
            .for_each(|(to, value)| *to = value as u16);
        last = Some(sum);
    }
}

/// The conversion of JFIF, in 16-bit fixed point.
pub(super) fn rgb_of([y, cb, cr]: [u16; 3], bits: u8) -> [u16; 3] {
    const HALF: i32 = 1 << 15;
    let (center, max) = (1i32 << (bits - 1), (1i32 << bits) - 1);
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - center, i32::from(cr) - center);
    let red = y + ((91_881 * cr + HALF) >> 16);
    let green = y + ((-22_554 * cb - 46_802 * cr + HALF) >> 16);
    let blue = y + ((116_130 * cb + HALF) >> 16);
    [red, green, blue].map(|value| value.clamp(0, max) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upsample(samples: &[u16], width: usize, [across, down]: [usize; 2]) -> Vec<Vec<u16>> {
        let height = samples.len() / width;
        let stride = width;
        let plane = Plane {
            samples,
            stride,
            width,
            height,
            across,
            down,
        };
        (0..height * down)
            .map(|y| {
                let mut row = vec![0; width * across];
                plane.upsampled_row(y, &mut row);
                row
            })
            .collect()
    }

    #[test]
    fn halved_widths_are_interpolated_with_alternating_rounding() {
        assert_eq!(upsample(&[10, 20, 31], 3, [2, 1]), [[10, 13, 17, 23, 28, 31]]);
        // Too narrow for libjpeg's filter.
        assert_eq!(upsample(&[10, 20], 2, [2, 1]), [[10, 10, 20, 20]]);
    }

    #[test]
    fn halved_heights_are_interpolated_between_rows() {
        assert_eq!(upsample(&[10, 21], 1, [1, 2]), [[10], [13], [18], [21]]);
    }

    #[test]
    fn quartered_components_are_interpolated_in_both_directions() {
        let rows = upsample(&[0, 16, 32, 16, 32, 48], 3, [2, 2]);
        assert_eq!(rows[0], [0, 4, 12, 20, 28, 32]);
        assert_eq!(rows[1], [4, 8, 16, 24, 32, 36]);
        assert_eq!(rows[3], [16, 20, 28, 36, 44, 48]);
    }

    #[test]
    fn other_ratios_repeat_samples() {
        assert_eq!(upsample(&[1, 2], 2, [4, 1]), [[1, 1, 1, 1, 2, 2, 2, 2]]);
    }

    #[test]
    fn primary_colours_convert_as_in_jfif() {
        assert_eq!(rgb_of([76, 85, 255], 8), [254, 0, 0]);
        assert_eq!(rgb_of([128, 128, 128], 8), [128; 3]);
        assert_eq!(rgb_of([2048, 2048, 2048], 12), [2048; 3]);
    }
}
