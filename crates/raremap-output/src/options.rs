//! What may be chosen of the files.

use serde::Serialize;

use crate::error::OutputError;

/// How probabilities and saliency are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbabilitySamples {
    /// 8 bits: steps of 1/254, 255 where there is no data. An error of at most 0.002 for a quarter of the bytes or less.
    #[default]
    U8,
    /// 32-bit floating point, NaN where there is no data.
    F32,
}

/// Which coordinates polygons and the review list have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolygonsCrs {
    /// Longitude and latitude (RFC 7946); the scene's own where it cannot be converted, which the file then says.
    #[default]
    Wgs84,
    /// The scene's own, named by the `crs` member that RFC 7946 took away from older GeoJSON.
    Scene,
}

/// What may be chosen of the files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputOptions {
    /// How probabilities and saliency are stored.
    pub probability: ProbabilitySamples,
    /// Which coordinates polygons and the review list have.
    pub polygons_crs: PolygonsCrs,
    /// Least area of a polygon, in hectares: smaller ones are left out, and leave a gap. 0 keeps all.
    pub min_area_ha: f64,
    /// Most entries of the review list.
    pub review_limit: usize,
    /// When the scene was taken, RFC 3339, or an interval of two such times (`start/end`); for the STAC Item.
    pub datetime: Option<String>,
    /// When the files were made, RFC 3339; files do not know it by themselves.
    pub created: Option<String>,
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
        }
    }
}

impl OutputOptions {
    /// Whether the options can be followed: asked before a run, rather than after it. `has_areas` says whether areas of the scene's pixels
    /// are known.
    ///
    /// # Errors
    /// [`OutputError::InvalidOption`] for a least area that is none, or that cannot be compared.
    pub fn check(&self, has_areas: bool) -> Result<(), OutputError> {
        let least_ha = self.min_area_ha;
        if !(least_ha >= 0.0 && least_ha.is_finite()) {
            let message = format!("the least area is {least_ha} ha; it must be 0 or more");
            return Err(OutputError::InvalidOption(message));
        }
        if least_ha > 0.0 && !has_areas {
            let message = "areas of this scene are not known: polygons cannot be left out by area";
            return Err(OutputError::InvalidOption(message.into()));
        }
        Ok(())
    }
}
