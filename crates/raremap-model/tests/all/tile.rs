//! Tiles by the network that ships: SegFormer on the CPU.

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use pollster::block_on;
use raremap_model::{
    Architecture, BurnTileModel, GoldenTile, InferenceNetwork, SegformerConfig, TileError, TileModel, Variant,
    check_golden,
};

fn network(num_rare: usize) -> InferenceNetwork {
    let device = Device::flex();
    device.seed(7);
    let config = SegformerConfig {
        decoder_dim: 32,
        ..SegformerConfig::new(Variant::B0, 3, 7, num_rare)
    };
    Architecture::from(config).init(&device).fold()
}

fn input(height: usize, width: usize) -> (Tensor<4>, Vec<f32>) {
    let tensor = Tensor::<4>::random([1, 3, height, width], Distribution::Normal(0.0, 1.0), &Device::flex());
    let values = tensor.to_data().try_to_vec::<f32>().expect("floats");
    (tensor, values)
}

#[test]
fn a_tile_gives_the_logits_of_both_heads() {
    let network = network(2);
    let (tensor, values) = input(64, 96);
    let expected = network.forward(tensor);
    let model = BurnTileModel::new(network, 3);
    let logits = block_on(model.forward_tile(values, 64, 96)).expect("logits");
    assert_eq!((logits.main.len(), logits.auxiliary.len()), (7 * 16 * 24, 2 * 16 * 24));
    assert_eq!(
        logits.main,
        expected.main.to_data().try_to_vec::<f32>().expect("floats")
    );
    assert!(matches!(
        block_on(model.forward_tile(vec![0.0; 5], 64, 96)),
        Err(TileError::Misuse(_))
    ));
}

#[test]
fn a_network_without_rare_classes_gives_no_auxiliary_logits() {
    let logits = block_on(BurnTileModel::new(network(0), 3).forward_tile(input(32, 32).1, 32, 32)).expect("logits");
    assert!(logits.auxiliary.is_empty() && logits.main.len() == 7 * 64);
}

#[test]
fn the_golden_tile_passes_on_the_device_that_made_it_and_fails_when_altered() {
    let network = network(2);
    let (tensor, _) = input(64, 64);
    let logits = network.forward(tensor.clone());
    let data = |tensor: Option<Tensor<4>>| tensor.map(|tensor| tensor.to_data()).expect("a head");
    let golden = GoldenTile {
        input: tensor.to_data(),
        main: data(Some(logits.main)),
        auxiliary: data(logits.auxiliary),
    };
    let model = BurnTileModel::new(network, 3);
    assert_eq!(
        block_on(check_golden(&model, &golden, 1e-5)).expect("the same device"),
        0.0
    );
    let mut values = golden.auxiliary.try_to_vec::<f32>().expect("floats");
    values[100] += 0.5;
    let altered = GoldenTile {
        auxiliary: TensorData::new(values, golden.auxiliary.shape().to_vec()),
        ..golden
    };
    assert!(matches!(
        block_on(check_golden(&model, &altered, 1e-3)),
        Err(TileError::Golden { .. })
    ));
}
