//! Checkpoint names: this is the one place that knows how others spell them.

use burn::store::{KeyRemapper, ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};

use crate::error::WeightsError;
use crate::segformer::Segformer;

/// Names as Hugging Face's `save_pretrained` writes them, and ours, applied in order.
///
/// burn's PyTorch adapter takes care of weight layouts (linear transposed, norm `weight`/`bias` to `gamma`/`beta`).
const FROM_HUGGING_FACE: [(&str, &str); 11] = [
    (
        r"^segformer\.encoder\.patch_embeddings\.(\d+)\.",
        "encoder.stages.$1.patch_embed.",
    ),
    (
        r"^segformer\.encoder\.block\.(\d+)\.(\d+)\.",
        "encoder.stages.$1.blocks.$2.",
    ),
    (
        r"^segformer\.encoder\.layer_norm\.(\d+)\.",
        "encoder.stages.$1.layer_norm.",
    ),
    (r"\.attention\.self\.(query|key|value)\.", ".attention.$1."),
    (r"\.attention\.self\.(sr|layer_norm)\.", ".attention.reduction.$1."),
    (r"\.attention\.output\.dense\.", ".attention.output."),
    (r"\.mlp\.dwconv\.dwconv\.", ".mlp.dwconv."),
    (r"^decode_head\.linear_c\.(\d+)\.proj\.", "decoder.linear_c.$1."),
    (r"^decode_head\.linear_fuse\.", "decoder.linear_fuse."),
    (r"^decode_head\.batch_norm\.", "decoder.batch_norm."),
    (r"^decode_head\.classifier\.", "heads.classifier."),
];

/// What a Hugging Face checkpoint holds and we do not need.
const UNUSED: &str = "num_batches_tracked";

/// What we have and a Hugging Face checkpoint does not.
const OWN: [&str; 3] = ["heads.auxiliary.", "detail.", "pixel."];

/// Renames Hugging Face's parameters to ours.
///
/// # Errors
/// None in practice: the table is a constant, and a test compiles it.
pub fn from_hugging_face() -> Result<KeyRemapper, WeightsError> {
    KeyRemapper::from_patterns(FROM_HUGGING_FACE.to_vec()).map_err(|error| WeightsError::Misuse(error.to_string()))
}

/// Loads a Hugging Face `SegformerForSemanticSegmentation` state dict into `model`, leaving what is not SegFormer's as it is: the
/// auxiliary head, the detail path and the pixel path.
///
/// # Errors
/// [`WeightsError::Malformed`] if `safetensors` is not a safetensors file, [`WeightsError::Mismatch`] for a parameter that is missing or
/// has another shape, with its name.
pub fn load_hugging_face(model: &mut Segformer, safetensors: Vec<u8>) -> Result<(), WeightsError> {
    let mut store = SafetensorsStore::from_bytes(Some(safetensors))
        .remap(from_hugging_face()?)
        .with_from_adapter(PyTorchToBurnAdapter)
        .allow_partial(true);
    let result = model
        .load_from(&mut store)
        .map_err(|error| WeightsError::Malformed(error.to_string()))?;
    if let Some(error) = result.errors.first() {
        return Err(WeightsError::Mismatch(error.to_string()));
    }
    let is_own = |name: &str| OWN.iter().any(|own| name.starts_with(own));
    if let Some((name, _)) = result.missing.iter().find(|(name, _)| !is_own(name)) {
        return Err(WeightsError::Mismatch(format!("{name} is missing")));
    }
    match result.unused.iter().find(|name| !name.ends_with(UNUSED)) {
        Some(name) => Err(WeightsError::Mismatch(format!("{name} has no place in the network"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compiles() {
        assert!(from_hugging_face().is_ok());
    }
}
