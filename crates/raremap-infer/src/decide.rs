//! Logits to masks: argmax, the rare-class rule, top-k and areas. Nothing here needs the network.

use raremap_model::Card;
use serde::Serialize;

use crate::error::InferError;
use crate::logits::SceneLogits;
use crate::saliency::{SaliencyCut, check_percent, logit, saliency};
use crate::upsample::View;

/// How to draw a mask from logits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecideOptions {
    /// Auxiliary probability from which a pixel takes a selected rare class; 1 switches this off.
    pub threshold: f32,
    /// Names of the selected rare classes.
    pub rare: Vec<String>,
    /// Share of the valid pixels that top-k marks, in percent.
    pub top_k_percent: f32,
}

impl DecideOptions {
    /// Threshold 0.5, all rare classes of the card, top 20 %.
    pub fn new(card: &Card) -> Self {
        Self {
            threshold: 0.5,
            rare: card.rare_classes.clone(),
            top_k_percent: 20.0,
        }
    }
}

/// A scene's mask and what it says in numbers.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Class value of each pixel, row by row; [`Card::MASK_NODATA`] where there is no data.
    pub mask: Vec<u8>,
    /// Areas and top-k.
    pub summary: Summary,
}

/// A scene's mask in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// False where the run was cancelled: uncovered pixels then count as invalid.
    pub complete: bool,
    /// Pixels with data.
    pub valid_pixels: u64,
    /// Pixels without.
    pub nodata_pixels: u64,
    /// Ground area of the pixels with data; `None` without georeferencing.
    pub valid_hectares: Option<f64>,
    /// Every class of the card, in its order.
    pub classes: Vec<ClassArea>,
    /// The most salient share of the scene.
    pub top_k: SaliencyCut,
}

/// How much of a scene one class covers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassArea {
    /// Value in the mask.
    pub value: u8,
    /// Name.
    pub name: String,
    /// Colour, red, green, blue.
    pub color: [u8; 3],
    /// Whether the auxiliary head looks for it.
    pub rare: bool,
    /// Pixels.
    pub pixels: u64,
    /// Percent of the valid pixels; 0 where there are none.
    pub percent: f64,
    /// Ground area; `None` without georeferencing.
    pub hectares: Option<f64>,
}

impl DecideOptions {
    /// Whether the options are ones for this model: asked before a run, rather than after it.
    ///
    /// # Errors
    /// [`InferError::Misuse`] for a threshold outside 0..=1, a share outside 0..=100, or an unknown rare class.
    pub fn check(&self, card: &Card) -> Result<(), InferError> {
        let rare: Vec<&str> = card.rare_classes.iter().map(String::as_str).collect();
        Rule::new(self, &rare)?;
        check_percent(self.top_k_percent)
    }
}

/// [`DecideOptions`] in terms of channels.
struct Rule {
    /// Least auxiliary logit; `None` switches the rule off.
    least_logit: Option<f32>,
    /// Channels of the auxiliary head.
    selected: Vec<usize>,
}

impl Rule {
    fn new(options: &DecideOptions, rare: &[&str]) -> Result<Self, InferError> {
        let threshold = options.threshold;
        if !(0.0..=1.0).contains(&threshold) {
            return Err(InferError::Misuse(format!(
                "the threshold is {threshold}; it must be from 0 to 1"
            )));
        }
        let position = |name: &String| {
            rare.iter().position(|rare| rare == name).ok_or_else(|| {
                InferError::Misuse(format!(
                    "{name} is no rare class of this model; it has {}",
                    rare.join(", ")
                ))
            })
        };
        let selected = options.rare.iter().map(position).collect::<Result<_, _>>()?;
        Ok(Self {
            least_logit: (threshold < 1.0).then(|| logit(threshold)),
            selected,
        })
    }
}

const NO_CLASS: u8 = u8::MAX;

impl SceneLogits {
    /// The mask of the whole scene, with its areas and top-k.
    ///
    /// # Errors
    /// As [`DecideOptions::check`].
    pub fn decide(&self, options: &DecideOptions) -> Result<Decision, InferError> {
        let rule = self.rule(options)?;
        let top_k = self.saliency_histogram().cut(options.top_k_percent)?;
        let mut mask = Vec::with_capacity(self.size[0] * self.size[1]);
        let mut pixels = vec![0; self.classes.len()];
        let mut hectares = vec![0.0; self.classes.len()];
        let uniform = self.areas.is_uniform_in_rows();
        self.for_classes(&View::whole(self.size), &rule, |y, row| {
            let mut in_row = vec![0u64; pixels.len()];
            for (x, class) in row.iter().enumerate() {
                if let Some(count) = in_row.get_mut(usize::from(*class)) {
                    *count += 1;
                    if !uniform {
                        hectares[usize::from(*class)] += self.areas.pixel_ha(y, x).unwrap_or(0.0);
                    }
                }
            }
            let row_ha = if uniform {
                self.areas.pixel_ha(y, 0).unwrap_or(0.0)
            } else {
                0.0
            };
            for (class, count) in in_row.into_iter().enumerate() {
                pixels[class] += count;
                hectares[class] += row_ha * count as f64;
            }
            mask.extend(row.iter().map(|class| self.value_of(*class)));
        });
        let has_areas = self.areas.pixel_ha(0, 0).is_some();
        let valid_pixels: u64 = pixels.iter().sum();
        let classes = self.classes.iter().enumerate().map(|(index, class)| ClassArea {
            value: class.value,
            name: class.name.clone(),
            color: class.color,
            rare: self.rare.contains(&index),
            pixels: pixels[index],
            percent: 100.0 * pixels[index] as f64 / valid_pixels.max(1) as f64,
            hectares: has_areas.then_some(hectares[index]),
        });
        let summary = Summary {
            complete: self.is_complete(),
            valid_pixels,
            nodata_pixels: mask.len() as u64 - valid_pixels,
            valid_hectares: has_areas.then(|| hectares.iter().sum()),
            classes: classes.collect(),
            top_k,
        };
        Ok(Decision { mask, summary })
    }

    /// The mask at the view's pixels alone, for display: equal to [`SceneLogits::decide`] there.
    ///
    /// # Errors
    /// As [`SceneLogits::decide`], and for a view that is not inside the scene.
    pub fn mask(&self, options: &DecideOptions, view: &View) -> Result<Vec<u8>, InferError> {
        self.check(view)?;
        let rule = self.rule(options)?;
        let mut mask = Vec::with_capacity(view.width * view.height);
        self.for_classes(view, &rule, |_, row| {
            mask.extend(row.iter().map(|class| self.value_of(*class)))
        });
        Ok(mask)
    }

    /// Whether the view's pixels are among the most salient of the whole scene: 1 or 0, [`Card::MASK_NODATA`] where there is no data.
    ///
    /// # Errors
    /// As [`SceneLogits::mask`].
    pub fn top_k(&self, percent: f32, view: &View) -> Result<Vec<u8>, InferError> {
        self.check(view)?;
        let cut = self.saliency_histogram().cut(percent)?;
        let mut marks = Vec::with_capacity(view.width * view.height);
        self.for_auxiliary(view, |y, x, logits| {
            let marked = || u8::from(cut.marks(saliency(logits.iter().copied())));
            marks.push(if self.is_valid(y, x) {
                marked()
            } else {
                Card::MASK_NODATA
            });
        });
        Ok(marks)
    }

    fn value_of(&self, class: u8) -> u8 {
        self.classes
            .get(usize::from(class))
            .map_or(Card::MASK_NODATA, |class| class.value)
    }

    fn rule(&self, options: &DecideOptions) -> Result<Rule, InferError> {
        Rule::new(options, &self.rare_classes().collect::<Vec<_>>())
    }

    /// Calls `visit` with each row of the view and the class indices of its pixels, [`NO_CLASS`] where there is no data.
    ///
    /// Of equal main logits the first class wins.
    fn for_classes(&self, view: &View, rule: &Rule, mut visit: impl FnMut(usize, &[u8])) {
        let mut rows = self.rows(view);
        let (mut logits, mut best) = (vec![0.0; view.width], vec![0.0; view.width]);
        let mut classes = vec![0; view.width];
        for y in view.rows() {
            best.fill(f32::NEG_INFINITY);
            for class in 0..self.classes.len() {
                rows.read_row(class, y, &mut logits);
                take_higher(&logits, class, &mut best, &mut classes);
            }
            if let Some(least) = rule.least_logit {
                // Strictly below the least logit, so that reaching it is enough.
                best.fill(least.next_down());
                for &channel in &rule.selected {
                    rows.read_row(self.classes.len() + channel, y, &mut logits);
                    take_higher(&logits, self.rare[channel], &mut best, &mut classes);
                }
            }
            for (class, x) in classes.iter_mut().zip(view.columns()) {
                if !self.is_valid(y, x) {
                    *class = NO_CLASS;
                }
            }
            visit(y, &classes);
        }
    }
}

fn take_higher(logits: &[f32], class: usize, best: &mut [f32], classes: &mut [u8]) {
    for ((logit, best), taken) in logits.iter().zip(best).zip(classes) {
        if *logit > *best {
            (*best, *taken) = (*logit, class as u8);
        }
    }
}
