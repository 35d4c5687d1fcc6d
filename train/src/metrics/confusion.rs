//! The confusion of labels and predictions, and the ratios made from it.

use serde::Serialize;

/// `counts[truth][prediction]` in pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusion {
    counts: Vec<Vec<u64>>,
}

/// Figures of one class against all others; `None` (JSON null) where a ratio has no denominator.
#[derive(Debug, Clone, Serialize)]
pub struct ClassFigures {
    /// Class name.
    pub name: String,
    /// Pixels of the class in the labels.
    pub pixels: u64,
    /// True positives.
    pub tp: u64,
    /// True negatives.
    pub tn: u64,
    /// False positives.
    pub fp: u64,
    /// False negatives.
    #[serde(rename = "fn")]
    pub fneg: u64,
    /// TP / (TP + FP + FN)
    pub iou: Option<f64>,
    /// TP / (TP + FP)
    pub precision: Option<f64>,
    /// TP / (TP + FN)
    pub recall: Option<f64>,
    /// 2 TP / (2 TP + FP + FN)
    pub f1: Option<f64>,
    /// TN / (TN + FP)
    pub specificity: Option<f64>,
    /// (TP + TN) / all
    pub accuracy: Option<f64>,
    /// FP / FN: above 1 the class is claimed too often, below 1 it is missed too often.
    pub fp_per_fn: Option<f64>,
}

/// Which classes have a special role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// Indices of the rare classes.
    pub rare: Vec<usize>,
    /// Index of the background class, if there is one.
    pub background: Option<usize>,
}

/// Figures of a split.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Mean IoU over all classes; a class that is neither labelled nor predicted counts as 0. `None` if no pixel is labelled.
    pub mean_iou: Option<f64>,
    /// Mean IoU over the classes that are labelled; `None` if none is.
    pub mean_iou_without_absent: Option<f64>,
    /// As `mean_iou`, with the background left out of the mean; pixels wrongly taken from it still count against the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_iou_without_background: Option<f64>,
    /// As `mean_iou_without_background`, with the pixels that are labelled background not scored at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_iou_with_background_unscored: Option<f64>,
    /// Mean recall over the rare classes that are labelled; `None` if none is.
    pub mean_rare_recall: Option<f64>,
    /// Share of the scored pixels that are right.
    pub accuracy: Option<f64>,
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

/// The mean, or 0 of nothing.
fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values
        .into_iter()
        .fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    sum / count.max(1) as f64
}

impl ClassFigures {
    /// Computes the figures from the four counts.
    pub fn new(name: &str, tp: u64, tn: u64, fp: u64, fneg: u64) -> Self {
        Self {
            name: name.to_owned(),
            pixels: tp + fneg,
            tp,
            tn,
            fp,
            fneg,
            iou: ratio(tp, tp + fp + fneg),
            precision: ratio(tp, tp + fp),
            recall: ratio(tp, tp + fneg),
            f1: ratio(2 * tp, 2 * tp + fp + fneg),
            specificity: ratio(tn, tn + fp),
            accuracy: ratio(tp + tn, tp + tn + fp + fneg),
            fp_per_fn: ratio(fp, fneg),
        }
    }
}

/// Counts of a yes-or-no decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Binary {
    tp: u64,
    tn: u64,
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
            (false, false) => self.tn += 1,
        }
    }

    /// Adds the counts of another part of the split, `times` times.
    pub fn merge(&mut self, other: &Self, times: u64) {
        self.tp += times * other.tp;
        self.tn += times * other.tn;
        self.fp += times * other.fp;
        self.fneg += times * other.fneg;
    }

    /// The figures.
    pub fn figures(&self, name: &str) -> ClassFigures {
        ClassFigures::new(name, self.tp, self.tn, self.fp, self.fneg)
    }
}

impl Confusion {
    /// Starts with zeros for `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self {
            counts: vec![vec![0; classes]; classes],
        }
    }

    /// Counts one pixel. A label outside the classes (ignored) or a prediction outside them (nodata) is not scored.
    pub fn add(&mut self, truth: usize, prediction: usize) {
        if let Some(count) = self.counts.get_mut(truth).and_then(|row| row.get_mut(prediction)) {
            *count += 1;
        }
    }

    /// Adds the counts of another part of the split, `times` times.
    pub fn merge(&mut self, other: &Self, times: u64) {
        for (row, others) in self.counts.iter_mut().zip(&other.counts) {
            for (count, other) in row.iter_mut().zip(others) {
                *count += times * other;
            }
        }
    }

    /// The same pixels, all predicted as `class`.
    pub fn predicting(&self, class: usize) -> Self {
        let mut changed = Self::new(self.counts.len());
        for (row, labelled) in changed.counts.iter_mut().zip(&self.counts) {
            if let Some(count) = row.get_mut(class) {
                *count = labelled.iter().sum();
            }
        }
        changed
    }

    /// The figures, ratios from 0 to 1. `names` has a name for each class.
    pub fn figures(&self, names: &[String], roles: &Roles) -> Figures {
        let pixels = self.counts.iter().flatten().sum::<u64>();
        let classes: Vec<ClassFigures> = names
            .iter()
            .enumerate()
            .map(|(class, name)| self.class(class, name, pixels))
            .collect();
        let iou = |class: &ClassFigures| class.iou.unwrap_or(0.0);
        let others = |background: usize| move |(index, _): &(usize, &ClassFigures)| *index != background;
        let mean_iou_without_background = |classes: &[ClassFigures], background: usize| {
            mean(
                classes
                    .iter()
                    .enumerate()
                    .filter(others(background))
                    .map(|(_, class)| iou(class)),
            )
        };
        let unscored = |background: usize| {
            let mut foreground = self.clone();
            foreground
                .counts
                .get_mut(background)
                .into_iter()
                .for_each(|row| row.fill(0));
            let pixels = foreground.counts.iter().flatten().sum();
            let classes: Vec<ClassFigures> = (0..names.len())
                .map(|class| foreground.class(class, &names[class], pixels))
                .collect();
            mean_iou_without_background(&classes, background)
        };
        let rare: Vec<f64> = roles
            .rare
            .iter()
            .filter_map(|class| classes.get(*class)?.recall)
            .collect();
        let right = (0..classes.len()).map(|class| self.counts[class][class]).sum();
        // Without pixels there is no figure; 0 would be the worst one.
        let of_pixels = |mean: f64| (pixels > 0).then_some(mean);
        let background = roles.background.filter(|_| pixels > 0);
        Figures {
            mean_iou: of_pixels(mean(classes.iter().map(iou))),
            mean_iou_without_absent: of_pixels(mean(classes.iter().filter(|class| class.pixels > 0).map(iou))),
            mean_iou_without_background: background.map(|b| mean_iou_without_background(&classes, b)),
            mean_iou_with_background_unscored: background.map(unscored),
            mean_rare_recall: (!rare.is_empty()).then(|| mean(rare)),
            accuracy: ratio(right, pixels),
            pixels,
            classes,
            confusion: self.counts.clone(),
        }
    }

    fn class(&self, class: usize, name: &str, pixels: u64) -> ClassFigures {
        let tp = self.counts[class][class];
        let labelled = self.counts[class].iter().sum::<u64>();
        let predicted = self.counts.iter().map(|row| row[class]).sum::<u64>();
        ClassFigures::new(
            name,
            tp,
            pixels + tp - labelled - predicted,
            predicted - tp,
            labelled - tp,
        )
    }
}

/// A table for people to read.
pub fn table(classes: &[ClassFigures]) -> String {
    let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
    let width = classes.iter().map(|class| class.name.len()).max().unwrap_or(0).max(5);
    let mut text = format!(
        "{:width$}  {:>10}  {:>7}  {:>9}  {:>7}  {:>7}  {:>11}  {:>8}  {:>10}  {:>10}  {:>10}  {:>10}  {:>8}\n",
        "class",
        "pixels",
        "IoU",
        "precision",
        "recall",
        "F1",
        "specificity",
        "accuracy",
        "TP",
        "TN",
        "FP",
        "FN",
        "FP/FN"
    );
    for class in classes {
        let [iou, precision, recall, f1, specificity, accuracy, fp_per_fn] = [
            class.iou,
            class.precision,
            class.recall,
            class.f1,
            class.specificity,
            class.accuracy,
            class.fp_per_fn,
        ]
        .map(cell);
        text += &format!(
            "{:width$}  {:>10}  {iou:>7}  {precision:>9}  {recall:>7}  {f1:>7}  {specificity:>11}  {accuracy:>8}  {:>10}  {:>10}  {:>10}  \
             {:>10}  {fp_per_fn:>8}\n",
            class.name, class.pixels, class.tp, class.tn, class.fp, class.fneg
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["a", "b", "c"].map(String::from).to_vec()
    }

    /// truth 0: 3 right, 1 taken for class 1; truth 1: 2 right; class 2: absent, never predicted
    fn confusion() -> Confusion {
        let mut confusion = Confusion::new(3);
        for (truth, prediction, times) in [(0, 0, 3), (0, 1, 1), (1, 1, 2)] {
            (0..times).for_each(|_| confusion.add(truth, prediction));
        }
        confusion.add(255, 0);
        confusion.add(0, 255);
        confusion
    }

    #[test]
    fn figures_of_a_hand_made_confusion() {
        let roles = Roles {
            rare: vec![0, 2],
            background: None,
        };
        let figures = confusion().figures(&names(), &roles);
        assert_eq!(figures.pixels, 6);
        assert_eq!(figures.classes[0].iou, Some(0.75));
        assert_eq!(figures.classes[0].recall, Some(0.75));
        assert_eq!(figures.classes[1].precision, Some(2.0 / 3.0));
        assert_eq!(figures.classes[1].f1, Some(0.8));
        assert_eq!(figures.classes[2].iou, None);
        let b = &figures.classes[1];
        assert_eq!((b.tp, b.tn, b.fp, b.fneg), (2, 3, 1, 0));
        assert_eq!((b.specificity, b.accuracy), (Some(0.75), Some(5.0 / 6.0)));
        assert_eq!(b.fp_per_fn, None, "nothing was missed");
        assert_eq!(figures.classes[0].fp_per_fn, Some(0.0));
        let is_near = |value: Option<f64>, expected: f64| value.is_some_and(|value| (value - expected).abs() < 1e-12);
        assert!(is_near(figures.mean_iou, (0.75 + 2.0 / 3.0) / 3.0));
        assert!(is_near(figures.mean_iou_without_absent, (0.75 + 2.0 / 3.0) / 2.0));
        assert_eq!(
            figures.mean_rare_recall,
            Some(0.75),
            "a class that is not there has no recall"
        );
        assert_eq!(figures.accuracy, Some(5.0 / 6.0));
        assert_eq!(figures.mean_iou_without_background, None);
    }

    #[test]
    fn the_background_is_left_out_of_the_mean_or_not_scored_at_all() {
        let roles = Roles {
            rare: vec![],
            background: Some(0),
        };
        let figures = confusion().figures(&names(), &roles);
        // b is 2 / 3 where the background's pixel taken for it counts, 1 where it does not; c is 0.
        assert_eq!(figures.mean_iou_without_background, Some((2.0 / 3.0) / 2.0));
        assert_eq!(figures.mean_iou_with_background_unscored, Some(0.5));
        assert_eq!(figures.mean_rare_recall, None);
    }

    #[test]
    fn without_a_labelled_pixel_there_are_no_figures() {
        let roles = Roles {
            rare: vec![0],
            background: Some(1),
        };
        let figures = Confusion::new(3).figures(&names(), &roles);
        assert_eq!(figures.pixels, 0);
        let means = [
            figures.mean_iou,
            figures.mean_iou_without_absent,
            figures.mean_iou_without_background,
            figures.mean_iou_with_background_unscored,
            figures.mean_rare_recall,
            figures.accuracy,
        ];
        assert_eq!(means, [None; 6]);
        let written = serde_json::to_value(&figures).expect("JSON");
        assert!(written["mean_iou"].is_null() && written["classes"][0]["iou"].is_null());
    }

    #[test]
    fn parts_of_a_split_add_up() {
        let mut sum = Confusion::new(3);
        sum.merge(&confusion(), 2);
        sum.merge(&Confusion::new(3), 5);
        let roles = Roles::default();
        assert_eq!(
            sum.figures(&names(), &roles).confusion,
            [[6, 2, 0], [0, 4, 0], [0, 0, 0]]
        );
        let mut binary = Binary::default();
        for (truth, prediction) in [
            (true, true),
            (true, false),
            (false, false),
            (false, false),
            (false, true),
        ] {
            binary.add(truth, prediction);
        }
        let mut twice = Binary::default();
        twice.merge(&binary, 2);
        let figures = twice.figures("x");
        assert_eq!((figures.tp, figures.tn, figures.fp, figures.fneg), (2, 4, 2, 2));
        assert_eq!(figures.fp_per_fn, Some(1.0));
    }
}
