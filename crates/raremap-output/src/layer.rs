//! Layers of a result as pictures, to be laid over the scene.

use std::str::FromStr;

use raremap_infer::{DecideOptions, InferError, SceneLogits, View};
use raremap_model::Card;
use raremap_scene::Picture;

const OPAQUE: u8 = 255;
/// Opacity of pixels that top-k does not mark.
const DIM: u8 = 90;
const OUTLINE_INSIDE: [u8; 4] = [255, 255, 255, OPAQUE];
const OUTLINE_OUTSIDE: [u8; 4] = [0, 0, 0, 200];

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

/// Orange and sky blue, which colour-blind readers tell apart: where one head alone finds a rare class.
const AUXILIARY_ALONE_COLOR: [u8; 4] = [230, 159, 0, OPAQUE];
const MAIN_ALONE_COLOR: [u8; 4] = [86, 180, 233, OPAQUE];

/// Most picture pixels per scene pixel of an outline, along each axis.
const MAX_ZOOM: usize = 16;

/// What a layer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layer {
    /// The classes in their colours.
    Mask,
    /// How likely each pixel is a rare class, by its name.
    Probability(String),
    /// How salient each pixel is; what top-k does not mark is faded once the result is complete.
    Saliency,
    /// Where the heads disagree about a selected rare class: one finds it, and the other does not.
    Disagreement,
    /// The edges of the selected rare classes.
    RareOutline,
}

/// The values of a layer, row by row.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Values of classes or marks of a disagreement, 255 where there is no data.
    Classes(Vec<u8>),
    /// Numbers from 0 to 1, NaN where there is no data.
    Numbers(Vec<f32>),
}

impl FromStr for Layer {
    type Err = InferError;

    /// `mask`, `probability:NAME`, `saliency`, `disagreement` or `rare-outline`.
    fn from_str(text: &str) -> Result<Self, InferError> {
        match text {
            "mask" => Ok(Self::Mask),
            "saliency" => Ok(Self::Saliency),
            "disagreement" => Ok(Self::Disagreement),
            "rare-outline" => Ok(Self::RareOutline),
            _ => match text.strip_prefix("probability:") {
                Some(name) => Ok(Self::Probability(name.to_owned())),
                None => Err(InferError::Misuse(format!("there is no layer {text}"))),
            },
        }
    }
}

impl Layer {
    /// Mark of a disagreement: the auxiliary head's probability reaches the threshold, but the main head finds another class likelier.
    pub const AUXILIARY_ALONE: u8 = 1;
    /// Mark of a disagreement: the main head finds the rare class likeliest, but its auxiliary probability is below the threshold.
    pub const MAIN_ALONE: u8 = 2;

    /// Draws the layer. `zoom` is how many picture pixels an outline has per pixel of the view, along each axis, so that it stays thin
    /// where pixels are drawn large; the other layers have one.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a class that the model does not look for, and for options out of range.
    pub fn draw(
        &self,
        logits: &SceneLogits,
        options: &DecideOptions,
        view: &View,
        zoom: usize,
    ) -> Result<Picture, InferError> {
        match self {
            Self::Mask => Ok(draw_mask(logits, &logits.mask(options, view)?, view)),
            Self::RareOutline => {
                let mask = logits.mask(options, view)?;
                Ok(draw_outline(
                    logits,
                    &mask,
                    &options.rare,
                    view,
                    zoom.clamp(1, MAX_ZOOM),
                ))
            }
            Self::Saliency => draw_saliency(logits, options, view),
            Self::Disagreement => Ok(draw_disagreement(&disagreement(logits, options, view)?, view)),
            Self::Probability(name) => Ok(draw_scale(&probability(logits, name, view)?, view)),
        }
    }

    /// What the colours of the layer stand for.
    ///
    /// # Errors
    /// As [`Layer::draw`], and [`InferError::Misuse`] for outlines, which have no values.
    pub fn values(&self, logits: &SceneLogits, options: &DecideOptions, view: &View) -> Result<Values, InferError> {
        match self {
            Self::Mask => logits.mask(options, view).map(Values::Classes),
            Self::Saliency => logits.saliency(view).map(Values::Numbers),
            Self::Disagreement => disagreement(logits, options, view).map(Values::Classes),
            Self::Probability(name) => probability(logits, name, view).map(Values::Numbers),
            Self::RareOutline => Err(InferError::Misuse("outlines have no values".into())),
        }
    }
}

/// 0 where the heads agree about the selected rare classes, otherwise which of them finds one alone; 255 where there is no data. Where each
/// finds another rare class, the auxiliary head counts, because the mask follows it.
fn disagreement(logits: &SceneLogits, options: &DecideOptions, view: &View) -> Result<Vec<u8>, InferError> {
    let by_main_alone = DecideOptions {
        threshold: 1.0,
        ..options.clone()
    };
    let main = logits.mask(&by_main_alone, view)?;
    let mut marks: Vec<u8> = main
        .iter()
        .map(|value| if *value == Card::MASK_NODATA { *value } else { 0 })
        .collect();
    for class in logits
        .classes()
        .iter()
        .filter(|class| options.rare.contains(&class.name))
    {
        let probabilities = probability(logits, &class.name, view)?;
        for ((mark, main), probability) in marks.iter_mut().zip(&main).zip(probabilities) {
            // Of no pixel without data is either true.
            match (*main == class.value, probability >= options.threshold) {
                (false, true) => *mark = Layer::AUXILIARY_ALONE,
                (true, false) if *mark == 0 => *mark = Layer::MAIN_ALONE,
                _ => {}
            }
        }
    }
    Ok(marks)
}

fn draw_disagreement(marks: &[u8], view: &View) -> Picture {
    picture_of(view).paint(|index| match marks.get(index).copied() {
        Some(Layer::AUXILIARY_ALONE) => Some(AUXILIARY_ALONE_COLOR),
        Some(Layer::MAIN_ALONE) => Some(MAIN_ALONE_COLOR),
        _ => None,
    })
}

fn probability(logits: &SceneLogits, name: &str, view: &View) -> Result<Vec<f32>, InferError> {
    let rare = logits.rare_classes().position(|rare| rare == name);
    let rare = rare.ok_or_else(|| InferError::Misuse(format!("{name} is not a rare class of this model")))?;
    logits.probability(rare, view)
}

/// Colour of a value from 0 to 1 on the scale of probabilities and saliency.
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

/// What a view shows: each of its pixels stands for a block of `step` x `step` scene pixels and is the middle one of them.
fn extent_of(view: &View) -> [f64; 4] {
    let before = view.step.saturating_sub(1) / 2;
    [
        view.x as f64 - before as f64,
        view.y as f64 - before as f64,
        (view.width * view.step) as f64,
        (view.height * view.step) as f64,
    ]
}

fn picture_of(view: &View) -> Picture {
    Picture::new(view.width, view.height, extent_of(view))
}

fn draw_mask(logits: &SceneLogits, mask: &[u8], view: &View) -> Picture {
    let mut colors = [None; 256];
    for class in logits.classes() {
        let [red, green, blue] = class.color;
        colors[usize::from(class.value)] = Some([red, green, blue, OPAQUE]);
    }
    picture_of(view).paint(|index| mask.get(index).and_then(|value| colors[usize::from(*value)]))
}

fn draw_scale(values: &[f32], view: &View) -> Picture {
    picture_of(view).paint(|index| {
        let value = values.get(index).copied().filter(|value| !value.is_nan())?;
        let [red, green, blue] = scale_color(value);
        Some([red, green, blue, OPAQUE])
    })
}

fn draw_saliency(logits: &SceneLogits, options: &DecideOptions, view: &View) -> Result<Picture, InferError> {
    let values = logits.saliency(view)?;
    let picture = draw_scale(&values, view);
    if !logits.is_complete() {
        // The share is of the whole scene, which is not known yet.
        return Ok(picture);
    }
    let marks = logits.top_k(options.top_k_percent, view)?;
    Ok(picture.fade(DIM, |index| marks.get(index) == Some(&0)))
}

/// White inside and black outside, so that one of them shows on any ground.
fn draw_outline(logits: &SceneLogits, mask: &[u8], selected: &[String], view: &View, zoom: usize) -> Picture {
    let mut is_rare = [false; 256];
    for class in logits.classes().iter().filter(|class| selected.contains(&class.name)) {
        is_rare[usize::from(class.value)] = true;
    }
    let value = |row: usize, column: usize| {
        let index = row.checked_mul(view.width)?.checked_add(column)?;
        (row < view.height && column < view.width)
            .then(|| mask.get(index).copied())
            .flatten()
    };
    let (width, height) = (view.width * zoom, view.height * zoom);
    Picture::new(width, height, extent_of(view)).paint(|index| {
        let (y, x) = (index / width, index % width);
        let (row, column) = (y / zoom, x / zoom);
        let own = value(row, column)?;
        // Only the rim of an enlarged pixel touches its neighbours.
        let is_rim = |position: usize| (position.is_multiple_of(zoom), (position + 1).is_multiple_of(zoom));
        let ((top, bottom), (left, right)) = (is_rim(y), is_rim(x));
        let around = [
            top.then(|| value(row.wrapping_sub(1), column)),
            bottom.then(|| value(row + 1, column)),
            left.then(|| value(row, column.wrapping_sub(1))),
            right.then(|| value(row, column + 1)),
        ];
        let neighbours = around.into_iter().flatten().flatten();
        let mut others = neighbours.filter(|other| *other != own && *other != Card::MASK_NODATA);
        if is_rare[usize::from(own)] {
            others.next().map(|_| OUTLINE_INSIDE)
        } else {
            others
                .any(|other| is_rare[usize::from(other)])
                .then_some(OUTLINE_OUTSIDE)
        }
    })
}
