//! Pictures of a result, to be laid over the scene.

use raremap_infer::{InferError, SceneLogits, View};
use raremap_model::Card;

use crate::error::SessionError;
use crate::options::LookOptions;
use crate::picture::{Picture, scale_color};

const OPAQUE: u8 = 255;
/// Opacity of pixels that top-k does not mark.
const DIM: u8 = 90;
const OUTLINE_INSIDE: [u8; 4] = [255, 255, 255, OPAQUE];
const OUTLINE_OUTSIDE: [u8; 4] = [0, 0, 0, 200];

/// Draws one layer: `mask`, `probability:NAME`, `saliency` or `rare-outline`.
///
/// # Errors
/// [`SessionError`] for an unknown kind or class, and for options out of range.
pub fn draw(logits: &SceneLogits, kind: &str, options: &LookOptions) -> Result<Picture, SessionError> {
    let view = options.view(logits.size());
    match kind {
        "mask" => Ok(draw_mask(logits, &logits.mask(&options.decide(), &view)?, &view)),
        "rare-outline" => Ok(draw_outline(
            logits,
            &logits.mask(&options.decide(), &view)?,
            options,
            &view,
        )),
        "saliency" => Ok(draw_saliency(logits, options, &view)?),
        _ => {
            let name = kind.strip_prefix("probability:").unwrap_or(kind);
            let rare = logits.rare_classes().position(|rare| rare == name);
            let rare = rare.ok_or_else(|| SessionError::misuse(format!("there is no layer {kind}")))?;
            Ok(draw_scale(&logits.probability(rare, &view)?, &view))
        }
    }
}

fn draw_mask(logits: &SceneLogits, mask: &[u8], view: &View) -> Picture {
    let mut colors = [None; 256];
    for class in logits.classes() {
        let [red, green, blue] = class.color;
        colors[usize::from(class.value)] = Some([red, green, blue, OPAQUE]);
    }
    Picture::new(view).paint(|index| mask.get(index).and_then(|value| colors[usize::from(*value)]))
}

fn draw_scale(values: &[f32], view: &View) -> Picture {
    Picture::new(view).paint(|index| {
        let value = values.get(index).copied().filter(|value| !value.is_nan())?;
        let [red, green, blue] = scale_color(value);
        Some([red, green, blue, OPAQUE])
    })
}

fn draw_saliency(logits: &SceneLogits, options: &LookOptions, view: &View) -> Result<Picture, InferError> {
    let values = logits.saliency(view)?;
    let picture = draw_scale(&values, view);
    if !logits.is_complete() {
        // The share is of the whole scene, which is not known yet.
        return Ok(picture);
    }
    let marks = logits.top_k(options.decide().top_k_percent, view)?;
    Ok(picture.fade(DIM, |index| marks.get(index) == Some(&0)))
}

/// The edges of the rare classes: white inside and black outside, so that one of them shows on any ground.
fn draw_outline(logits: &SceneLogits, mask: &[u8], options: &LookOptions, view: &View) -> Picture {
    let mut is_rare = [false; 256];
    let selected = options.decide().rare;
    for class in logits.classes().iter().filter(|class| selected.contains(&class.name)) {
        is_rare[usize::from(class.value)] = true;
    }
    let value = |row: usize, column: usize| {
        let index = row.checked_mul(view.width)?.checked_add(column)?;
        (row < view.height && column < view.width)
            .then(|| mask.get(index).copied())
            .flatten()
    };
    let zoom = options.zoom();
    let (width, height) = (view.width * zoom, view.height * zoom);
    Picture::with_extent(width, height, Picture::extent_of(view)).paint(|index| {
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
