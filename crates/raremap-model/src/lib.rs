//! raremap-model
