//! The kinds of products whose file names are known.

use serde::Serialize;

use super::zero::ZeroFill;
use crate::sensors::{LANDSAT_4_TO_7, LANDSAT_8, LISS, SENTINEL_2, Sensor};

/// A kind of product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProductKind {
    /// LISS-III, LISS-IV or AWiFS of the Resourcesat satellites.
    Liss,
    /// Sentinel-2, level 1C or 2A.
    Sentinel2,
    /// Landsat 8 or 9.
    #[serde(rename = "landsat8")]
    Landsat8And9,
    /// Landsat 4, 5 (TM) or 7 (ETM+).
    #[serde(rename = "landsat4")]
    Landsat4To7,
    /// Harmonized Landsat and Sentinel-2.
    Harmonized,
    /// Images whose names do not belong to a known product.
    Other,
}

impl ProductKind {
    /// What 0 means in its files. In Sentinel-2, Landsat and HLS, it marks pixels without data in every band; files of Landsat's first
    /// collection declare another value, and 0 is a measured value there.
    pub(super) fn zero_fill(self) -> ZeroFill {
        match self {
            Self::Liss => ZeroFill::AllBands,
            Self::Landsat8And9 | Self::Landsat4To7 => ZeroFill::AnyBand,
            Self::Sentinel2 | Self::Harmonized => ZeroFill::AlwaysAnyBand,
            Self::Other => ZeroFill::Never,
        }
    }

    /// The sensor whose band numbers its files use.
    pub(super) fn sensor(self) -> Option<&'static Sensor> {
        match self {
            Self::Liss => Some(&LISS),
            Self::Sentinel2 | Self::Harmonized => Some(&SENTINEL_2),
            Self::Landsat8And9 => Some(&LANDSAT_8),
            Self::Landsat4To7 => Some(&LANDSAT_4_TO_7),
            Self::Other => None,
        }
    }

    /// Its name, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Liss => "Resourcesat (LISS)",
            Self::Sentinel2 => "Sentinel-2",
            Self::Landsat8And9 => "Landsat 8 or 9",
            Self::Landsat4To7 => "Landsat 4 to 7",
            Self::Harmonized => "Harmonized Landsat Sentinel-2",
            Self::Other => "unnamed",
        }
    }
}
