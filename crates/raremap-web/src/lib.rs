//! raremap-web
