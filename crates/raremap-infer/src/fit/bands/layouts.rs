//! Recognizes products by the number and order of their bands.

use super::{BandChoice, find_all};

/// The bands of a product, in order.
pub(super) struct Layout {
    /// In words.
    pub(super) product: &'static str,
    /// The sensors whose products have this order, as the table of sensors names them.
    pub(super) sensors: &'static [&'static str],
    /// Common names.
    bands: &'static str,
}

/// Among layouts of equally many bands, the most common comes first.
pub(super) const LAYOUTS: &[Layout] = &[
    Layout {
        product: "the order of PlanetScope and most other four-band products",
        sensors: &[
            "PlanetScope",
            "SPOT 6 or 7, or Pleiades",
            "CBERS-4A or Amazonia-1",
            "CBERS-4 MUX",
            "Sentinel-2",
            "Landsat 8 or 9",
        ],
        bands: "blue green red nir",
    },
    Layout {
        product: "RapidEye's order",
        sensors: &["RapidEye"],
        bands: "blue green red rededge1 nir",
    },
    Layout {
        product: "the order of MicaSense's five bands",
        sensors: &[],
        bands: "blue green red nir rededge1",
    },
    Layout {
        product: "the order of Landsat 8's first five bands",
        sensors: &["Landsat 8 or 9"],
        bands: "coastal blue green red nir",
    },
    Layout {
        product: "the order of Landsat's six reflective bands",
        sensors: &["Landsat 4 to 7", "Landsat 8 or 9", "Sentinel-2"],
        bands: "blue green red nir swir1 swir2",
    },
    Layout {
        product: "the order of Landsat 8's first seven bands",
        sensors: &["Landsat 8 or 9"],
        bands: "coastal blue green red nir swir1 swir2",
    },
    Layout {
        product: "the order of the seven bands of Landsat 4 to 7",
        sensors: &["Landsat 4 to 7"],
        bands: "blue green red nir swir1 thermal swir2",
    },
    Layout {
        product: "the order of MODIS's seven bands",
        sensors: &["MODIS"],
        bands: "red nir blue green nir1240 swir1 swir2",
    },
    Layout {
        product: "the order of PlanetScope's eight bands",
        sensors: &["PlanetScope"],
        bands: "coastal blue green1 green yellow red rededge1 nir",
    },
    Layout {
        product: "the order of WorldView's eight bands",
        sensors: &[],
        bands: "coastal blue green yellow red rededge1 nir nir08",
    },
    Layout {
        product: "the order of Sentinel-2's bands of 10 and 20 m",
        sensors: &["Sentinel-2"],
        bands: "blue green red rededge1 rededge2 rededge3 nir nir08 swir1 swir2",
    },
    Layout {
        product: "the order of Sentinel-2's level 2A",
        sensors: &["Sentinel-2"],
        bands: "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 swir1 swir2",
    },
    Layout {
        product: "the order of Sentinel-2's level 1C",
        sensors: &["Sentinel-2"],
        bands: "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 cirrus swir1 swir2",
    },
];

impl Layout {
    pub(super) fn common(&self) -> Vec<Option<String>> {
        self.bands.split(' ').map(|name| Some(name.to_owned())).collect()
    }

    /// Positions of the needed bands, if the scene has as many bands as the layout.
    pub(super) fn choice(&self, spectral: &[usize], needed: &[&str]) -> Option<BandChoice> {
        let common = self.common();
        if common.len() != spectral.len() {
            return None;
        }
        let bands = find_all(&common, needed)?
            .into_iter()
            .map(|place| spectral.get(place).copied());
        Some(BandChoice {
            product: self.product.to_owned(),
            bands: bands.collect::<Option<_>>()?,
        })
    }

    /// The same, if the layout contradicts no known band and no known band elsewhere is one of those needed.
    pub(super) fn agreeing(&self, spectral: &[usize], known: &[Option<String>], needed: &[&str]) -> Option<Vec<usize>> {
        let choice = self.choice(spectral, needed)?;
        let agrees = |(band, common): (&usize, &Option<String>)| {
            let known = known.get(*band).and_then(Option::as_ref);
            known.is_none() || known == common.as_ref()
        };
        spectral.iter().zip(&self.common()).all(agrees).then_some(choice.bands)
    }
}
