//! raremap-raster
