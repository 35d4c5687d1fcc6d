//! What the page draws: RGBA pixels.

use js_sys::Uint8ClampedArray;
use raremap_infer::View;
use raremap_tiff::Samples;
use wasm_bindgen::prelude::*;

/// Bytes of one pixel.
pub const RGBA: usize = 4;

/// This share of a band's pixels is drawn black at the one end, and full at the other.
const STRETCH_TAIL: f64 = 0.02;

/// Colours of viridis at equal steps, from dark to light, so that colour-blind readers and prints keep the order.
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// A picture on its way to a canvas, and which part of the scene it shows.
#[wasm_bindgen]
pub struct Picture {
    width: usize,
    height: usize,
    rgba: Vec<u8>,
    extent: [f64; 4],
}

#[wasm_bindgen]
impl Picture {
    /// Columns.
    #[wasm_bindgen(getter)]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[wasm_bindgen(getter)]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Left, top, width and height in pixels of the scene; it may reach over the scene's edge by a part of the picture's last pixel.
    #[wasm_bindgen(getter)]
    pub fn extent(&self) -> Vec<f64> {
        self.extent.to_vec()
    }

    /// Red, green, blue and opacity, row by row; a copy that outlives this picture.
    #[wasm_bindgen(getter)]
    pub fn rgba(&self) -> Uint8ClampedArray {
        Uint8ClampedArray::from(self.rgba.as_slice())
    }
}

impl Picture {
    /// An empty picture for a view, all transparent.
    pub fn new(view: &View) -> Self {
        Self::with_extent(view.width, view.height, Self::extent_of(view))
    }

    /// What a view shows: each of its pixels stands for a block of `step` x `step` scene pixels and is the middle one of them.
    pub fn extent_of(view: &View) -> [f64; 4] {
        let before = view.step.saturating_sub(1) / 2;
        [
            view.x as f64 - before as f64,
            view.y as f64 - before as f64,
            (view.width * view.step) as f64,
            (view.height * view.step) as f64,
        ]
    }

    /// An empty picture whose pixels are not those of a [`View`].
    pub fn with_extent(width: usize, height: usize, extent: [f64; 4]) -> Self {
        Self {
            width,
            height,
            rgba: vec![0; width * height * RGBA],
            extent,
        }
    }

    /// Gives every pixel the colour that `color` returns for its index; `None` stays transparent.
    pub fn paint(mut self, color: impl Fn(usize) -> Option<[u8; RGBA]>) -> Self {
        for (index, pixel) in self.rgba.chunks_exact_mut(RGBA).enumerate() {
            if let Some(color) = color(index) {
                pixel.copy_from_slice(&color);
            }
        }
        self
    }

    /// Lowers the opacity of the drawn pixels for which `is_faded` is true.
    pub fn fade(mut self, opacity: u8, is_faded: impl Fn(usize) -> bool) -> Self {
        for (index, pixel) in self.rgba.chunks_exact_mut(RGBA).enumerate() {
            if let [.., alpha] = pixel
                && is_faded(index)
            {
                *alpha = opacity.min(*alpha);
            }
        }
        self
    }
}

/// How a band's values become levels of a colour: the 2nd percentile is black, and the 98th is full.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stretch {
    low: f32,
    high: f32,
}

impl Stretch {
    /// Computes the stretch from the band's valid pixels; `values` and `valid` are one to one.
    pub fn of(values: &[f32], valid: &[bool]) -> Self {
        let pairs = values.iter().zip(valid);
        let mut sorted: Vec<f32> = pairs.filter(|(_, valid)| **valid).map(|(value, _)| *value).collect();
        let Some(last) = sorted.len().checked_sub(1) else {
            return Self::default();
        };
        let mut percentile = |share: f64| {
            let (_, value, _) = sorted.select_nth_unstable_by((share * last as f64).round() as usize, f32::total_cmp);
            *value
        };
        Self {
            low: percentile(STRETCH_TAIL),
            high: percentile(1.0 - STRETCH_TAIL),
        }
    }

    /// A constant band becomes middle grey.
    fn level(self, value: f32) -> u8 {
        let range = self.high - self.low;
        if range > 0.0 {
            (255.0 * (value - self.low) / range).clamp(0.0, 255.0) as u8
        } else {
            128
        }
    }
}

/// Paints samples of red, green and blue, in this order; pixels without data stay transparent.
pub fn paint_samples(picture: Picture, samples: &Samples, stretches: [Stretch; 3]) -> Picture {
    let mut bands = samples.values.chunks_exact((samples.width * samples.height).max(1));
    let bands = [(); 3].map(|()| bands.next().unwrap_or_default());
    picture.paint(|index| {
        let [red, green, blue] =
            [0, 1, 2].map(|band| bands[band].get(index).map_or(0, |value| stretches[band].level(*value)));
        samples
            .valid
            .get(index)
            .copied()
            .unwrap_or(false)
            .then_some([red, green, blue, 255])
    })
}

/// Colour of a value from 0 to 1 on the page's continuous scale.
pub fn scale_color(value: f32) -> [u8; 3] {
    let position = value.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f32;
    let first = (position as usize).min(VIRIDIS.len() - 2);
    let fraction = position - first as f32;
    let [Some(low), Some(high)] = [VIRIDIS.get(first), VIRIDIS.get(first + 1)] else {
        return [0; 3];
    };
    [0, 1, 2].map(|channel| {
        let (low, high) = (f32::from(low[channel]), f32::from(high[channel]));
        (low + (high - low) * fraction).round() as u8
    })
}
