//! raremap-infer
