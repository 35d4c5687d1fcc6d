//! Turns logits into masks: argmax, the rare-class rule, top-k and areas. Nothing here needs the network.

mod options;
mod rows;

pub use options::DecideOptions;
pub use rows::{MaskRows, NO_CLASS};

use options::Rule;
use raremap_model::Card;
use serde::Serialize;

use crate::error::InferError;
use crate::fit::statistics::Warning;
use crate::run::logits::SceneLogits;
use crate::run::saliency::SaliencyCut;
use crate::run::upsample::View;

/// A scene's mask and its figures, for scenes whose mask fits into memory.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Class value of each pixel, row by row; [`Card::MASK_NODATA`] where there is no data.
    pub mask: Vec<u8>,
    /// Areas and top-k.
    pub summary: Summary,
}

/// The figures of a scene's mask.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// False if the run was cancelled: uncovered pixels then count as invalid.
    pub complete: bool,
    /// Pixels with data.
    pub valid_pixels: u64,
    /// Pixels without data.
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
    /// Its value in the mask.
    pub value: u8,
    /// Name.
    pub name: String,
    /// Its colour: red, green, blue.
    pub color: [u8; 3],
    /// Whether the auxiliary head looks for it.
    pub rare: bool,
    /// Pixels.
    pub pixels: u64,
    /// Percent of the valid pixels; 0 if there are none.
    pub percent: f64,
    /// Ground area; `None` without georeferencing.
    pub hectares: Option<f64>,
}

/// A map with at least this much of one class, in percent of its valid pixels, gets a warning.
const ONE_CLASS_PERCENT: f64 = 99.0;

impl Summary {
    /// A warning if nearly all of the map is one class.
    pub fn one_class(&self) -> Option<Warning> {
        let class = self.classes.iter().find(|class| class.percent >= ONE_CLASS_PERCENT)?;
        Some(Warning {
            code: "one_class",
            message: format!(
                "{:.1}% of the map is {}. Unless the scene really shows nothing else, its bands or values are probably not what the model expects.",
                class.percent, class.name
            ),
        })
    }
}

impl SceneLogits {
    /// The mask of the whole scene in memory, with its areas and top-k. For scenes of any size, use [`SceneLogits::decide_rows`].
    ///
    /// # Errors
    /// Those of [`DecideOptions::check`] and of the scratch.
    pub fn decide(&self, options: &DecideOptions) -> Result<Decision, InferError> {
        let mut mask = Vec::with_capacity(self.size[0] * self.size[1]);
        let summary = self.decide_rows(options, |_, row| {
            mask.extend_from_slice(row);
            Ok::<_, InferError>(())
        })?;
        Ok(Decision { mask, summary })
    }

    /// Areas and top-k alone.
    ///
    /// # Errors
    /// As [`SceneLogits::decide`].
    pub fn summary(&self, options: &DecideOptions) -> Result<Summary, InferError> {
        self.decide_rows(options, |_, _| Ok::<_, InferError>(()))
    }

    /// Calls `visit` with each row of the mask, from the top: the row's number, and its class values with [`Card::MASK_NODATA`] where there
    /// is no data. Returns areas and top-k.
    ///
    /// # Errors
    /// Those of [`SceneLogits::decide`], and the first error of `visit`.
    pub fn decide_rows<E: From<InferError>>(
        &self,
        options: &DecideOptions,
        mut visit: impl FnMut(usize, &[u8]) -> Result<(), E>,
    ) -> Result<Summary, E> {
        let mut rows = MaskRows::new(self, &View::whole(self.size), self.rule(options)?);
        let top_k = self.saliency_histogram()?.cut(options.top_k_percent)?;
        let [height, width] = self.size;
        let mut row = vec![0; width];
        let mut pixels = vec![0; self.classes.len()];
        let mut hectares = vec![0.0; self.classes.len()];
        let uniform = self.areas.is_uniform_in_rows();
        for y in 0..height {
            rows.read_classes(y, &mut row)?;
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
            row.iter_mut().for_each(|class| *class = self.value_of(*class));
            visit(y, &row)?;
        }
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
        Ok(Summary {
            complete: self.is_complete(),
            valid_pixels,
            nodata_pixels: (height as u64 * width as u64).saturating_sub(valid_pixels),
            valid_hectares: has_areas.then(|| hectares.iter().sum()),
            classes: classes.collect(),
            top_k,
        })
    }

    /// Reads the mask row by row, at the view's columns and any row of the scene.
    ///
    /// # Errors
    /// Those of [`DecideOptions::check`], and a view that is not inside the scene.
    pub fn mask_rows(&self, options: &DecideOptions, view: &View) -> Result<MaskRows<'_>, InferError> {
        self.check(view)?;
        Ok(MaskRows::new(self, view, self.rule(options)?))
    }

    /// The mask at the view's pixels alone, for display. It equals [`SceneLogits::decide`] there.
    ///
    /// # Errors
    /// Those of [`SceneLogits::decide`], and a view that is not inside the scene.
    pub fn mask(&self, options: &DecideOptions, view: &View) -> Result<Vec<u8>, InferError> {
        let mut rows = self.mask_rows(options, view)?;
        self.collect(view, |y, row| rows.read_row(y, row))
    }

    /// Whether the view's pixels are among the most salient of the whole scene: 1 or 0, [`Card::MASK_NODATA`] where there is no data.
    ///
    /// # Errors
    /// As [`SceneLogits::mask`].
    pub fn top_k(&self, percent: f32, view: &View) -> Result<Vec<u8>, InferError> {
        let mut rows = self.auxiliary_rows(view)?;
        let cut = self.saliency_histogram()?.cut(percent)?;
        let mut saliency = vec![0.0; view.width];
        self.collect(view, |y, row: &mut [u8]| {
            rows.read_saliency(y, &mut saliency)?;
            for (mark, saliency) in row.iter_mut().zip(&saliency) {
                *mark = if saliency.is_nan() {
                    Card::MASK_NODATA
                } else {
                    u8::from(cut.marks(*saliency))
                };
            }
            Ok(())
        })
    }

    fn value_of(&self, class: u8) -> u8 {
        self.classes
            .get(usize::from(class))
            .map_or(Card::MASK_NODATA, |class| class.value)
    }

    fn rule(&self, options: &DecideOptions) -> Result<Rule, InferError> {
        Rule::new(options, &self.rare_classes().collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::saliency::SaliencyHistogram;

    fn summary(percents: [f64; 2]) -> Summary {
        let class = |(name, percent): (&str, f64)| ClassArea {
            value: 0,
            name: name.into(),
            color: [0; 3],
            rare: false,
            pixels: 0,
            percent,
            hectares: None,
        };
        Summary {
            complete: true,
            valid_pixels: 1000,
            nodata_pixels: 0,
            valid_hectares: None,
            classes: ["forest", "water"].into_iter().zip(percents).map(class).collect(),
            top_k: SaliencyHistogram::default().cut(20.0).expect("a share"),
        }
    }

    #[test]
    fn a_map_of_one_class_is_not_shown_without_a_word() {
        let warning = summary([0.6, 99.4]).one_class().expect("nearly all water");
        assert!(
            warning.message.contains("99.4% of the map is water"),
            "{}",
            warning.message
        );
        assert_eq!(summary([1.1, 98.9]).one_class(), None);
    }
}
