//! Counts over a whole split, and the figures made of them. Never an average of per-batch scores.

use serde::Serialize;

/// `counts[truth][prediction]` in pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusion {
    counts: Vec<Vec<u64>>,
}

/// Figures of one class; `None` (JSON null) where a ratio has no denominator.
#[derive(Debug, Clone, Serialize)]
pub struct ClassFigures {
    /// Class name.
    pub name: String,
    /// Pixels of the class in the labels.
    pub pixels: u64,
    /// TP / (TP + FP + FN)
    pub iou: Option<f64>,
    /// TP / (TP + FP)
    pub precision: Option<f64>,
    /// TP / (TP + FN)
    pub recall: Option<f64>,
    /// 2 TP / (2 TP + FP + FN)
    pub f1: Option<f64>,
}

/// Figures of a split.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Mean IoU over all classes; a class that is neither labelled nor predicted counts as 0.
    pub mean_iou: f64,
    /// Mean IoU over the classes that are labelled.
    pub mean_iou_without_absent: f64,
    /// Scored pixels.
    pub pixels: u64,
    /// Per class.
    pub classes: Vec<ClassFigures>,
    /// Rows are labels, columns predictions.
    pub confusion: Vec<Vec<u64>>,
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl ClassFigures {
    /// From true positives, false positives and false negatives.
    pub fn new(name: &str, tp: u64, fp: u64, fneg: u64) -> Self {
        Self {
            name: name.to_owned(),
            pixels: tp + fneg,
            iou: ratio(tp, tp + fp + fneg),
            precision: ratio(tp, tp + fp),
            recall: ratio(tp, tp + fneg),
            f1: ratio(2 * tp, 2 * tp + fp + fneg),
        }
    }
}

/// Counts of a yes-or-no decision.
#[derive(Debug, Clone, Default)]
pub struct Binary {
    tp: u64,
    fp: u64,
    fneg: u64,
}

impl Binary {
    /// Counts one pixel.
    pub fn add(&mut self, truth: bool, prediction: bool) {
        match (truth, prediction) {
            (true, true) => self.tp += 1,
            (false, true) => self.fp += 1,
            (true, false) => self.fneg += 1,
            (false, false) => {}
        }
    }

    /// The figures.
    pub fn figures(&self, name: &str) -> ClassFigures {
        ClassFigures::new(name, self.tp, self.fp, self.fneg)
    }
}

impl Confusion {
    /// Zeros for `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self {
            counts: vec![vec![0; classes]; classes],
        }
    }

    /// Counts one pixel; a label outside the classes (ignored) or a prediction outside them (nodata) is not scored.
    pub fn add(&mut self, truth: usize, prediction: usize) {
        if let Some(count) = self.counts.get_mut(truth).and_then(|row| row.get_mut(prediction)) {
            *count += 1;
        }
    }

    /// The figures.
    pub fn figures(&self, names: &[String]) -> Figures {
        let column = |class: usize| self.counts.iter().map(|row| row[class]).sum::<u64>();
        let classes: Vec<ClassFigures> = names
            .iter()
            .enumerate()
            .map(|(class, name)| {
                let tp = self.counts[class][class];
                ClassFigures::new(
                    name,
                    tp,
                    column(class) - tp,
                    self.counts[class].iter().sum::<u64>() - tp,
                )
            })
            .collect();
        let mean = |ious: Vec<f64>| ious.iter().sum::<f64>() / ious.len().max(1) as f64;
        let present = classes.iter().filter(|class| class.pixels > 0);
        Figures {
            mean_iou: mean(classes.iter().map(|class| class.iou.unwrap_or(0.0)).collect()),
            mean_iou_without_absent: mean(present.map(|class| class.iou.unwrap_or(0.0)).collect()),
            pixels: self.counts.iter().flatten().sum(),
            classes,
            confusion: self.counts.clone(),
        }
    }
}

/// A table for people.
pub fn table(classes: &[ClassFigures]) -> String {
    let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
    let width = classes.iter().map(|class| class.name.len()).max().unwrap_or(0).max(5);
    let mut text = format!(
        "{:width$}  {:>10}  {:>7}  {:>9}  {:>7}  {:>7}\n",
        "class", "pixels", "IoU", "precision", "recall", "F1"
    );
    for class in classes {
        let [iou, precision, recall, f1] = [class.iou, class.precision, class.recall, class.f1].map(cell);
        text += &format!(
            "{:width$}  {:>10}  {iou:>7}  {precision:>9}  {recall:>7}  {f1:>7}\n",
            class.name, class.pixels
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_hand_made_confusion() {
        let mut confusion = Confusion::new(3);
        // truth 0: 3 right, 1 taken for class 1; truth 1: 2 right; class 2: absent, never predicted
        for (truth, prediction, times) in [(0, 0, 3), (0, 1, 1), (1, 1, 2)] {
            (0..times).for_each(|_| confusion.add(truth, prediction));
        }
        confusion.add(255, 0);
        confusion.add(0, 255);
        let figures = confusion.figures(&["a".into(), "b".into(), "c".into()]);
        assert_eq!(figures.pixels, 6);
        assert_eq!(figures.classes[0].iou, Some(0.75));
        assert_eq!(figures.classes[0].recall, Some(0.75));
        assert_eq!(figures.classes[1].precision, Some(2.0 / 3.0));
        assert_eq!(figures.classes[1].f1, Some(0.8));
        assert_eq!(figures.classes[2].iou, None);
        assert!((figures.mean_iou - (0.75 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
        assert!((figures.mean_iou_without_absent - (0.75 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
    }
}
