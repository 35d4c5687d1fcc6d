//! Options for the result files.

use serde::Serialize;

use crate::error::OutputError;

/// How probabilities and saliency are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbabilitySamples {
    /// 8 bits: steps of 1/254, and 255 where there is no data. The error is at most 0.002, for a quarter of the bytes or less.
    #[default]
    U8,
    /// 32-bit floating point, NaN where there is no data.
    F32,
}

/// Which coordinates polygons and the review list have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolygonsCrs {
    /// Longitude and latitude (RFC 7946). If the scene's system cannot be converted, its own, and the file then says so.
    #[default]
    Wgs84,
    /// The scene's own, named by the `crs` member that RFC 7946 removed from GeoJSON.
    Scene,
}

/// Options for the result files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputOptions {
    /// How probabilities and saliency are stored.
    pub probability: ProbabilitySamples,
    /// Which coordinates polygons and the review list have.
    pub polygons_crs: PolygonsCrs,
    /// Smallest area of a polygon, in hectares: smaller ones are left out and leave a gap. 0 keeps all.
    pub min_area_ha: f64,
    /// Largest number of entries in the review list.
    pub review_limit: usize,
    /// When the scene was taken, RFC 3339, or an interval of two such times (`start/end`); for the STAC Item.
    pub datetime: Option<String>,
    /// When the files were made, RFC 3339; files do not know that themselves.
    pub created: Option<String>,
    /// The STAC collection that the Item is part of, if it is part of one. It changes no other file.
    #[serde(skip)]
    pub collection: Option<ItemCollection>,
    /// Address of the STAC Item that describes the scene, if it comes from one; for the STAC Item, too.
    #[serde(skip)]
    pub scene_item: Option<String>,
}

/// A STAC collection, as an Item of it names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemCollection {
    /// Id of the collection.
    pub id: &'static str,
    /// Where the collection is, from the Item.
    pub href: &'static str,
}

impl Default for OutputOptions {
    fn default() -> Self {
        Self {
            probability: ProbabilitySamples::default(),
            polygons_crs: PolygonsCrs::default(),
            min_area_ha: 0.0,
            review_limit: 200,
            datetime: None,
            created: None,
            collection: None,
            scene_item: None,
        }
    }
}

impl OutputOptions {
    /// Checks whether the options can be followed, so that this is known before a run rather than after it. `has_areas` says whether areas
    /// of the scene's pixels are known.
    ///
    /// # Errors
    /// [`OutputError::InvalidOption`] for a smallest area that is negative or not a number, or if the areas of the scene are not known.
    pub fn check(&self, has_areas: bool) -> Result<(), OutputError> {
        let least_ha = self.min_area_ha;
        if !(least_ha >= 0.0 && least_ha.is_finite()) {
            let message = format!("the smallest area is {least_ha} ha; it must be 0 or more");
            return Err(OutputError::InvalidOption(message));
        }
        if least_ha > 0.0 && !has_areas {
            let message = "the areas of this scene are not known, so polygons cannot be left out by area";
            return Err(OutputError::InvalidOption(message.into()));
        }
        Ok(())
    }
}
