//! Checks the classes of a dataset: masks and models must be able to hold them.

use raremap_model::Card;
use serde::{Deserialize, Deserializer, Serialize};

use super::sample::IGNORE;
use crate::error::{Result, bail, ensure, failure};

/// A class.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassConfig {
    /// Value in the masks.
    #[serde(deserialize_with = "mask_value")]
    pub value: u8,
    /// Name.
    pub name: String,
    /// `RRGGBB`.
    pub color: String,
    /// Whether the auxiliary head looks for it.
    #[serde(default)]
    pub rare: bool,
}

/// Checks what a model's masks and its card require of the classes, so that a fault is found before the first epoch.
pub(super) fn check_classes(classes: &[ClassConfig], ignore: u8) -> Result<()> {
    let most = usize::from(IGNORE) - 1;
    ensure!(
        Dataset,
        (1..=most).contains(&classes.len()),
        "classes: there are {}; a mask has room for 1 to {most}",
        classes.len()
    );
    let mut colors = Vec::new();
    for (index, class) in classes.iter().enumerate() {
        let (name, value, before) = (&class.name, class.value, classes.iter().take(index));
        ensure!(
            Dataset,
            !name.trim().is_empty(),
            "classes: number {} has no name",
            index + 1
        );
        ensure!(
            Dataset,
            value != Card::MASK_NODATA,
            "classes: {name} has the value {value}, which marks pixels without data in the masks that a model writes; give it another, \
             from 0 to 254, here and in the mask files"
        );
        ensure!(
            Dataset,
            value != ignore,
            "classes: {name} has the value {value}, which is also the value of `ignore`"
        );
        let color = color_of(class)?;
        for other in before {
            ensure!(Dataset, other.name != *name, "classes: the name {name} is used twice");
            ensure!(
                Dataset,
                other.value != value,
                "classes: {} and {name} both have the value {value}",
                other.name
            );
        }
        if let Some(same) = colors.iter().position(|other| *other == color) {
            bail!(
                Dataset,
                "classes: {} and {name} both have the color {}, so nobody could tell them apart in a mask",
                classes[same].name,
                class.color
            );
        }
        colors.push(color);
    }
    Ok(())
}

/// A value of the masks.
pub(super) fn mask_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let value = i64::deserialize(deserializer)?;
    u8::try_from(value).map_err(|_| {
        serde::de::Error::custom(format!(
            "the value {value} does not fit into a mask of 8 bits: classes have values from 0 to 254"
        ))
    })
}

/// Red, green and blue of a class.
pub(super) fn color_of(class: &ClassConfig) -> Result<[u8; 3]> {
    let digits = u32::from_str_radix(&class.color, 16)
        .ok()
        .filter(|_| class.color.len() == 6);
    let [_, r, g, b] = digits
        .ok_or_else(|| {
            failure!(
                Dataset,
                "classes: the color of {} must be RRGGBB, but it is {:?}",
                class.name,
                class.color
            )
        })?
        .to_be_bytes();
    Ok([r, g, b])
}
