//! Adds labels along the edge of a class, where labellers who only label what they are sure of leave none.

use super::classes::ClassConfig;
use super::sample::{IGNORE, Sample};
use super::shore_section::ShoreSection;
use crate::error::{Result, ensure, failure};
use raremap_infer::normalized_difference;

/// Largest `reach_px`.
const MOST_REACH_PX: usize = 32;

/// A [`ShoreSection`] for one dataset's samples.
pub(super) struct Shore {
    class: u8,
    /// Positions in a sample.
    bands: [usize; 2],
    class_above: f32,
    others_below: f32,
    reach: isize,
    /// Offsets in rows and columns to the pixels that are near, nearest first.
    offsets: Vec<(isize, isize)>,
}

impl Shore {
    /// Prepares the labelling for a dataset of these classes and bands of the files.
    ///
    /// # Errors
    /// If a value makes no sense; the error names its key.
    pub fn new(classes: &[ClassConfig], scene: &[&str], section: &ShoreSection) -> Result<Self> {
        let class = classes.iter().position(|class| class.name == section.class);
        let class = class.ok_or_else(|| {
            failure!(
                Dataset,
                "shore.class is {}, which is not a class of this dataset",
                section.class
            )
        })?;
        let band = |name: &String| {
            let found = scene.iter().position(|band| band == name);
            found.ok_or_else(|| failure!(Dataset, "shore.index names {name}, which is not a band of the files"))
        };
        ensure!(
            Dataset,
            (1..=MOST_REACH_PX).contains(&section.reach_px),
            "shore.reach_px is {}; it must be from 1 to {MOST_REACH_PX}",
            section.reach_px
        );
        ensure!(
            Dataset,
            section.others_below <= section.class_above,
            "shore.others_below must not be above shore.class_above"
        );
        let reach = section.reach_px as isize;
        let mut offsets: Vec<(isize, isize)> = (-reach..=reach)
            .flat_map(|row| (-reach..=reach).map(move |column| (row, column)))
            .collect();
        offsets.sort_by_key(|(row, column)| (row * row + column * column, *row, *column));
        Ok(Self {
            class: class as u8,
            bands: [band(&section.index[0])?, band(&section.index[1])?],
            class_above: section.class_above,
            others_below: section.others_below,
            reach,
            offsets,
        })
    }

    /// Labels unlabelled pixels of `sample`; returns how many became the class and how many became other classes.
    pub fn apply(&self, sample: &mut Sample) -> [usize; 2] {
        let mut labelled = [0; 2];
        if !sample.labels.contains(&self.class) {
            return labelled;
        }
        let (width, height) = (sample.width as isize, sample.height as isize);
        let area = sample.valid.len();
        let known = sample.labels.clone();
        let near_class = self.near(&known, sample.width);
        for pixel in (0..area).filter(|&pixel| known[pixel] == IGNORE && sample.valid[pixel] && near_class[pixel]) {
            let [first, second] = self.bands.map(|band| sample.values[band * area + pixel]);
            let index = normalized_difference(first, second);
            if index > self.class_above {
                sample.labels[pixel] = self.class;
                labelled[0] += 1;
            } else if index < self.others_below {
                let (row, column) = (pixel as isize / width, pixel as isize % width);
                let near = self.offsets.iter().map(|(down, right)| (row + down, column + right));
                let inside = near.filter(|(y, x)| (0..height).contains(y) && (0..width).contains(x));
                let mut labels = inside.map(|(y, x)| known[(y * width + x) as usize]);
                if let Some(other) = labels.find(|label| *label != IGNORE && *label != self.class) {
                    sample.labels[pixel] = other;
                    labelled[1] += 1;
                }
            }
        }
        labelled
    }

    /// Marks pixels that have a pixel of the class at most `reach` rows and columns away.
    fn near(&self, labels: &[u8], width: usize) -> Vec<bool> {
        let height = labels.len() / width.max(1);
        let around = |at: usize, length: usize| {
            let at = at as isize;
            (at - self.reach).max(0) as usize..((at + self.reach + 1) as usize).min(length)
        };
        let pixels = || (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
        let along: Vec<bool> = pixels()
            .map(|(row, column)| around(column, width).any(|x| labels[row * width + x] == self.class))
            .collect();
        pixels()
            .map(|(row, column)| around(row, height).any(|y| along[y * width + column]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::DatasetConfig;

    fn section() -> ShoreSection {
        ShoreSection {
            class: "water".into(),
            index: ["green".into(), "nir".into()],
            class_above: 0.05,
            others_below: -0.05,
            reach_px: 3,
            splits: vec!["train".into()],
        }
    }

    fn config() -> DatasetConfig {
        let text = "name = 's'\nprovenance = ''\nroot = '.'\nimages = 'i'\nmasks = 'm'\nsplits = 's'\nvalue_scaling = ''\n\
             ground_resolution_m = 1.0\nignore = 9\nbands = [{ name = 'nir', index = 1 }, { name = 'green', index = 2 }]\n\
             classes = [{ value = 0, name = 'crop', color = '000000' }, { value = 1, name = 'water', color = '0000FF' }, \
             { value = 2, name = 'forest', color = '00FF00' }]";
        toml::from_str(text).expect("a dataset")
    }

    /// One row: its labels and its near infrared, green being 100 everywhere.
    fn row(labels: &[u8], nir: &[f32]) -> Sample {
        Sample {
            path: "memory".into(),
            height: 1,
            width: labels.len(),
            ground_resolution_m: 1.0,
            values: [nir, &vec![100.0; labels.len()]].concat(),
            valid: vec![true; labels.len()],
            labels: labels.to_vec(),
        }
    }

    #[test]
    fn what_lies_between_a_class_and_the_others_takes_a_side() {
        const NO: u8 = IGNORE;
        let mut sample = row(
            &[1, NO, NO, NO, NO, 2, NO, 0, NO, NO],
            &[10.0, 20.0, 100.0, 300.0, 300.0, 300.0, 10.0, 300.0, 300.0, 10.0],
        );
        let shore = Shore::new(&config().classes, &["nir", "green"], &section()).expect("valid");
        assert_eq!(shore.apply(&mut sample), [1, 1]);
        // The first is water, the second neither, the third land like the nearest pixel within reach. Beyond the reach of water, nothing changes.
        assert_eq!(sample.labels, [1, 1, NO, 2, NO, 2, NO, 0, NO, NO]);
    }

    #[test]
    fn images_without_the_class_and_pixels_without_data_stay_as_they_are() {
        let shore = Shore::new(&config().classes, &["nir", "green"], &section()).expect("valid");
        let mut sample = row(&[0, IGNORE, 2], &[300.0; 3]);
        assert_eq!(shore.apply(&mut sample), [0, 0]);
        let mut sample = row(&[1, IGNORE, 2], &[10.0, 300.0, 300.0]);
        sample.valid[1] = false;
        assert_eq!(shore.apply(&mut sample), [0, 0]);
    }

    #[test]
    fn keys_that_fit_nothing_are_named() {
        let refused = |section: ShoreSection| {
            Shore::new(&config().classes, &["nir", "green"], &section)
                .err()
                .expect("refused")
                .to_string()
        };
        let class = ShoreSection {
            class: "sea".into(),
            ..section()
        };
        assert!(refused(class).contains("sea"));
        let band = ShoreSection {
            index: ["green".into(), "swir1".into()],
            ..section()
        };
        assert!(refused(band).contains("swir1"));
        let reach = ShoreSection {
            reach_px: 0,
            ..section()
        };
        assert!(refused(reach).contains("reach_px"));
    }
}
