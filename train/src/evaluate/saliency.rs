//! Finds out where a model expects rare classes in a scene.

use raremap_infer::View;
use raremap_model::{Card, TileModel};

use super::scenes::Layout;
use crate::dataset::{DatasetConfig, Sample};
use crate::error::Result;

/// Probability of any rare class at each pixel of a sample, from 0 to 1. It is 0 where there is no data, and without an auxiliary head.
///
/// # Shapes
/// - output: `[height, width]`
///
/// # Errors
/// If the dataset's bands or classes are not the card's, or if the network fails.
pub fn saliency_map(sample: &Sample, model: &impl TileModel, card: &Card, dataset: &DatasetConfig) -> Result<Vec<f32>> {
    let layout = Layout::new(card, dataset, None)?;
    let logits = layout.logits(sample, model)?;
    let saliency = logits.saliency(&View::whole(logits.size()))?;
    // NaN marks pixels without data, which nobody looks at.
    Ok(saliency.into_iter().map(|p| if p.is_nan() { 0.0 } else { p }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::toy::{Toy, card, dataset, sample};

    #[test]
    fn the_map_is_high_where_the_auxiliary_head_is_and_0_without_data() {
        let folder = tempfile::tempdir().expect("a folder");
        let dataset = dataset(folder.path(), &["0,a,train"]);
        let mut scene = sample([32, 64], |_, x| if x < 32 { -4.0 } else { 4.0 });
        scene.valid[63] = false;
        let map = saliency_map(&scene, &Toy::default(), &card(), &dataset).expect("a map");
        assert_eq!(map.len(), 32 * 64);
        // The toy's logit is 1.5 times the value: sigmoid(6) and sigmoid(-6).
        assert!((map[64 * 16] - 0.002_472_6).abs() < 1e-6 && (map[64 * 16 + 60] - 0.997_527_4).abs() < 1e-6);
        assert_eq!(map[63], 0.0);
    }
}
