//! Segments a GeoTIFF: `cargo run --release -p raremap-examples --bin segment -- web/models/default.raremap SCENE.tif MASK.tif`

use std::error::Error;

use burn::tensor::Device;
use raremap_infer::{DecideOptions, RunOptions, Tiling, card_for_scene, guess_scene_bands, run_scene};
use raremap_io::{FileSource, MemoryScratch};
use raremap_model::{BurnTileModel, ModelFile};
use raremap_output::{OutputKind, OutputOptions, Results, SceneName};
use raremap_scene::{Scene as _, TiffScene};
use raremap_tiff::Limits;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, scene, mask] = &arguments[..] else {
        return Err("usage: segment MODEL.raremap SCENE.tif MASK.tif".into());
    };
    pollster::block_on(segment(model, scene, mask))
}

async fn segment(model: &str, scene_path: &str, mask_path: &str) -> Result<(), Box<dyn Error>> {
    let file = ModelFile::from_bytes(&std::fs::read(model)?)?;
    let card = &file.card;
    let model = BurnTileModel::new(file.build(&Device::flex())?, card.architecture.in_channels());

    let scene = TiffScene::open(FileSource::open(scene_path)?, Limits::default()).await?;
    // Without the bands that the model can do without and the scene does not have.
    let card = &card_for_scene(&scene, card).await?;
    let needed = card.scene_bands();
    let bands = guess_scene_bands(&scene, &needed).await?.complete(&needed)?;
    let options = RunOptions {
        tiling: Tiling::of_tile(card.tile_px),
        ..RunOptions::new(bands)
    };
    let logits = run_scene(&scene, &model, card, &options, &mut ()).await?;

    let results = Results {
        logits: &logits,
        card,
        model_sha256: &file.sha256,
        scene: &SceneName::new(vec![scene_path.to_owned()], None),
        georeference: scene.scene_info().georeference.as_ref(),
        ground_control: None,
        decide: &DecideOptions::new(card),
        options: &OutputOptions::default(),
        notes: &[],
    };
    let mask = results.make(OutputKind::Mask, &mut || Ok(Box::new(MemoryScratch::default())))?;
    std::fs::write(mask_path, mask.into_bytes()?)?;
    Ok(())
}
