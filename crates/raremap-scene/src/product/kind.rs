//! The kinds of products whose file names are known.

use serde::Serialize;

/// A kind of product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductKind {
    /// LISS-III, LISS-IV or AWiFS of the Resourcesat satellites.
    Liss,
    /// Sentinel-2, level 1C or 2A.
    Sentinel2,
    /// Landsat 8 or 9.
    Landsat8,
    /// Landsat 4, 5 (TM) or 7 (ETM+).
    Landsat4,
    /// Harmonized Landsat and Sentinel-2.
    Harmonized,
    /// Images whose names do not tell a product.
    Other,
}

impl ProductKind {
    /// Whether pixels outside the image are 0 by the product's convention.
    pub(super) fn fills_with_zero(self) -> bool {
        matches!(self, Self::Liss | Self::Sentinel2 | Self::Landsat8 | Self::Landsat4)
    }

    /// Its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Liss => "Resourcesat (LISS)",
            Self::Sentinel2 => "Sentinel-2",
            Self::Landsat8 => "Landsat 8 or 9",
            Self::Landsat4 => "Landsat 4 to 7",
            Self::Harmonized => "Harmonized Landsat Sentinel-2",
            Self::Other => "unnamed",
        }
    }
}
