//! Why a place cannot be given in longitude and latitude.

/// A place without longitude and latitude.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GeoError {
    /// The coordinate reference system is not one of those that are known here.
    #[error("the coordinate reference system {name} cannot be converted to longitude and latitude")]
    UnsupportedCrs {
        /// Its code or citation.
        name: String,
    },
    /// The system's formulas give no longitude and latitude for the middle of the scene.
    #[error("the middle of the scene has no longitude and latitude")]
    NoPlace,
    /// Part of the scene is where the formulas of the system do not apply.
    #[error("the scene reaches beyond the domain of its coordinate system")]
    OutsideDomain,
}

impl GeoError {
    /// A short name of the failure, which is stable between versions.
    pub fn code(&self) -> &'static str {
        match self {
            GeoError::UnsupportedCrs { .. } => "unsupported_crs",
            GeoError::NoPlace | GeoError::OutsideDomain => "outside_crs_domain",
        }
    }
}
