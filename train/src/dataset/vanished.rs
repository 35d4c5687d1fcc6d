//! Finds classes without a labelled pixel, and the likely reason.

use super::classes::ClassConfig;
use super::config::DatasetConfig;
use super::sample::{IGNORE, Image, Mask, Sample};

/// Pixels of each class that are in the masks but are not labelled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Because the mask's file says that the value means no data.
    pub nodata: Vec<u64>,
    /// Because the image has no data there.
    pub without_image: Vec<u64>,
}

impl Hidden {
    /// Counts a mask whose image is known, invalid pixels of all kinds included.
    pub(super) fn add(&mut self, config: &DatasetConfig, image: &Image, mask: &Mask) {
        self.resize(config.classes.len());
        for ((&code, &labelled), &valid) in mask.codes.iter().zip(&mask.labelled).zip(&image.valid) {
            if labelled && valid {
                continue;
            }
            let is_of = |class: &ClassConfig| f32::from(class.value) == code;
            if let Some(class) = config.classes.iter().position(is_of) {
                let counts = if labelled {
                    &mut self.without_image
                } else {
                    &mut self.nodata
                };
                counts[class] += 1;
            }
        }
    }

    /// Adds what another reader has found.
    pub fn merge(&mut self, other: &Self) {
        self.resize(other.nodata.len());
        let pairs = [
            (&mut self.nodata, &other.nodata),
            (&mut self.without_image, &other.without_image),
        ];
        for (sums, others) in pairs {
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
        }
    }

    fn resize(&mut self, classes: usize) {
        for counts in [&mut self.nodata, &mut self.without_image] {
            counts.resize(classes.max(counts.len()), 0);
        }
    }
}

/// What a split contains of each class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitClasses {
    /// Its name.
    pub split: String,
    /// Samples.
    pub samples: usize,
    /// Samples that the dataset's rules leave out.
    pub dropped: usize,
    /// Labelled pixels of each class.
    pub pixels: Vec<u64>,
    /// Other pixels of classes in the masks.
    pub hidden: Hidden,
}

impl SplitClasses {
    /// An empty count.
    pub fn new(split: &str, config: &DatasetConfig) -> Self {
        Self {
            split: split.to_owned(),
            samples: 0,
            dropped: 0,
            pixels: vec![0; config.classes.len()],
            hidden: Hidden::default(),
        }
    }

    /// Adds the counts of another part of the split.
    pub fn merge(&mut self, other: &Self) {
        self.samples += other.samples;
        self.dropped += other.dropped;
        self.hidden.merge(&other.hidden);
        self.pixels
            .iter_mut()
            .zip(&other.pixels)
            .for_each(|(sum, other)| *sum += other);
    }

    /// Counts the labels of a sample.
    pub fn add(&mut self, sample: &Sample) {
        self.samples += 1;
        for &label in &sample.labels {
            if let Some(count) = self.pixels.get_mut(usize::from(label)).filter(|_| label != IGNORE) {
                *count += 1;
            }
        }
    }

    /// Labelled pixels of all classes.
    pub fn labelled(&self) -> u64 {
        self.pixels.iter().sum()
    }
}

/// A class, or all of them, without a pixel in a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vanished {
    /// What is missing where, with the count and the likely cause.
    pub seen: String,
    /// What to do.
    pub advice: String,
}

/// The classes that are missing in `of`; `others` are the dataset's other splits, as far as they are known.
pub fn vanished(config: &DatasetConfig, of: &SplitClasses, others: &[&SplitClasses]) -> Vec<Vanished> {
    let labelled = of.labelled();
    if of.samples == 0 {
        return Vec::new();
    }
    if labelled == 0 {
        let hidden: u64 = of.hidden.nodata.iter().sum();
        let cause = match hidden {
            0 => format!(
                "all pixels are {} (`ignore`), nodata of the masks, or lie where the images have no data",
                config.ignore
            ),
            count => format!("{count} pixels have values of classes, but the masks' files say that these mean no data"),
        };
        return vec![Vanished {
            seen: format!(
                "none of the {} image(s) of split {} has a labelled pixel: {cause}",
                of.samples, of.split
            ),
            advice: "look at the masks, at `ignore` and at the values of `classes`".into(),
        }];
    }
    let mut found = Vec::new();
    for (index, class) in config.classes.iter().enumerate() {
        let at = |counts: &[u64]| counts.get(index).copied().unwrap_or(0);
        let (pixels, nodata) = (at(&of.pixels), at(&of.hidden.nodata));
        let without_image = at(&of.hidden.without_image);
        let name = if class.rare {
            format!("the rare class {}", class.name)
        } else {
            class.name.clone()
        };
        if pixels == 0 {
            let elsewhere = others.iter().copied().filter(|other| at(&other.pixels) > 0);
            let elsewhere: Vec<String> = elsewhere
                .map(|other| format!("{} in {}", at(&other.pixels), other.split))
                .collect();
            let (cause, advice) = if nodata > 0 {
                (is_nodata(nodata, class), UNSET.to_owned())
            } else if without_image > 0 {
                (
                    format!("its {without_image} pixels lie where the images have no data"),
                    "check whether `nodata`, here or in the files, is right".to_owned(),
                )
            } else if of.dropped > 0 {
                (
                    format!("[drop] leaves out {} images of the split", of.dropped),
                    "check whether the images that are left out show it".to_owned(),
                )
            } else if elsewhere.is_empty() {
                (
                    format!("no mask contains its value {}", class.value),
                    "check whether `classes` has the value that the masks have; otherwise leave the class out"
                        .to_owned(),
                )
            } else {
                (
                    format!("its pixels are in other splits ({})", elsewhere.join(", ")),
                    "raremap split divides places so that every split has its share of the class".to_owned(),
                )
            };
            found.push(Vanished {
                seen: format!(
                    "{name} has 0 of {labelled} labelled pixels in split {} ({} images): {cause}",
                    of.split, of.samples
                ),
                advice,
            });
        } else if nodata > 0 {
            found.push(Vanished {
                seen: format!(
                    "{name} loses pixels in split {}, and {pixels} are left: {}",
                    of.split,
                    is_nodata(nodata, class)
                ),
                advice: UNSET.into(),
            });
        }
    }
    found
}

fn is_nodata(pixels: u64, class: &ClassConfig) -> String {
    format!(
        "{pixels} pixels have its value {}, but the masks' files say that this means no data",
        class.value
    )
}

/// Advice for masks whose nodata value is a class.
const UNSET: &str = "remove the nodata value from the mask files (gdal_edit.py -unsetnodata MASK), or give the class another value there";

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> DatasetConfig {
        toml::from_str(
            "name = 'n'\nprovenance = ''\nroot = '.'\nvalue_scaling = ''\nground_resolution_m = 1.0\nignore = 255\n\
             bands = [{ name = 'red', index = 1 }]\n\
             classes = [{ value = 0, name = 'land', color = '000000' }, { value = 7, name = 'fen', color = '00FF00', rare = true }]\n",
        )
        .expect("valid")
    }

    fn classes(split: &str, pixels: [u64; 2], nodata: [u64; 2]) -> SplitClasses {
        SplitClasses {
            samples: 3,
            pixels: pixels.to_vec(),
            hidden: Hidden {
                nodata: nodata.to_vec(),
                without_image: vec![0; 2],
            },
            ..SplitClasses::new(split, &config())
        }
    }

    #[test]
    fn a_class_that_is_nowhere_is_told_from_one_in_another_split_and_from_nodata() {
        let train = classes("train", [50, 0], [0, 0]);
        let seen = |of: &SplitClasses, others: &[&SplitClasses]| {
            let found = vanished(&config(), of, others);
            found
                .into_iter()
                .map(|vanished| vanished.seen)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let nowhere = seen(&train, &[]);
        assert_eq!(
            nowhere,
            "the rare class fen has 0 of 50 labelled pixels in split train (3 images): no mask contains its value 7"
        );
        let elsewhere = seen(&train, &[&classes("val", [5, 9], [0, 0])]);
        assert!(
            elsewhere.ends_with("its pixels are in other splits (9 in val)"),
            "{elsewhere}"
        );
        let nodata = seen(&classes("train", [0, 50], [80, 0]), &[]);
        assert!(
            nodata.starts_with("land has 0 of 50") && nodata.contains("80 pixels have its value 0"),
            "{nodata}"
        );
        let partly = seen(&classes("train", [4, 50], [80, 0]), &[]);
        assert!(
            partly.starts_with("land loses pixels in split train, and 4 are left"),
            "{partly}"
        );
        assert_eq!(seen(&classes("train", [4, 50], [0, 0]), &[]), "");
    }

    #[test]
    fn a_split_without_labels_is_said_once() {
        let found = vanished(&config(), &classes("val", [0, 0], [0, 0]), &[]);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].seen.starts_with("none of the 3 image(s) of split val"),
            "{:?}",
            found[0]
        );
    }

    #[test]
    fn pixels_that_are_not_labelled_are_counted_by_what_hides_them() {
        let image = Image {
            height: 1,
            width: 5,
            values: vec![1.0; 5],
            valid: vec![true, true, false, true, true],
        };
        let mask = Mask {
            height: 1,
            width: 5,
            codes: vec![0.0, 0.0, 7.0, 7.0, 255.0],
            labelled: vec![false, false, true, true, true],
        };
        let mut hidden = Hidden::default();
        hidden.add(&config(), &image, &mask);
        hidden.merge(&hidden.clone());
        assert_eq!((hidden.nodata, hidden.without_image), (vec![4, 0], vec![0, 2]));
    }
}
