use super::{Chosen, Evaluation};
use crate::dataset::DatasetConfig;
use anyhow::Result;
use raremap_infer::TileModel;
use raremap_model::Card;
pub struct Report<'a> {
    pub card: &'a Card,
    pub dataset: &'a DatasetConfig,
    pub sha256: &'a str,
    pub evaluations: &'a [Evaluation],
    pub chosen: Option<&'a Chosen>,
}
impl Report<'_> {
    pub fn html(&self, _model: &impl TileModel) -> Result<String> {
        Ok(String::new())
    }
}
