//! Measures the seconds of a training step of SegFormer-B0 on the CPU: forward, backward and AdamW, as tests/bench/training_step.py does
//! with PyTorch. Prints the median of the steps as JSON.
//!
//!     cargo run --locked --example training_step -- [BATCH] [EDGE_PX] [STEPS] [UPSAMPLING]

use std::time::Instant;

use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Distribution, Int, Tensor};
use raremap_model::upsample_bilinear;
use raremap_model::{Segformer, SegformerConfig, Variant};
use raremap_train::optim::{Optimizer, OptimizerSection};

/// The command's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn argument(index: usize, default: usize) -> usize {
    std::env::args()
        .nth(index)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn main() {
    let (batch, edge, steps) = (argument(1, 8), argument(2, 128), argument(3, 10));
    let config = SegformerConfig {
        input_upsampling: argument(4, 1),
        ..SegformerConfig::new(Variant::B0, 3, 7, 2)
    };
    let device = Device::flex().autodiff();
    device.seed(1);
    let mut model = Segformer::init(&config, &device);
    let mut optimizer = Optimizer::new(&OptimizerSection::default(), &model).expect("it has parameters");
    let input = Tensor::<4>::random([batch, 3, edge, edge], Distribution::Normal(0.0, 1.0), &device);
    let labels = Tensor::<4, Int>::zeros([batch, 1, edge, edge], &device);
    let mut secs = Vec::new();
    for _ in 0..steps {
        let began = Instant::now();
        let logits = model.forward(input.clone());
        let main = log_softmax(upsample_bilinear(logits.main, [edge, edge]), 1);
        let mut loss = main.gather(1, labels.clone()).mean().neg();
        if let Some(auxiliary) = logits.auxiliary {
            loss = loss + upsample_bilinear(auxiliary, [edge, edge]).mean();
        }
        let forward = began.elapsed();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let backward = began.elapsed();
        model = optimizer.step(1e-4, model, gradients);
        let whole = began.elapsed();
        secs.push([
            forward.as_secs_f64(),
            (backward - forward).as_secs_f64(),
            (whole - backward).as_secs_f64(),
        ]);
    }
    secs.sort_by(|a, b| a.iter().sum::<f64>().total_cmp(&b.iter().sum()));
    let [forward, backward, update] = secs[secs.len() / 2];
    println!(
        "{{\"batch\": {batch}, \"edge_px\": {edge}, \"secs\": {:.4}, \"forward\": {forward:.4}, \"backward\": {backward:.4}, \"update\": {update:.4}}}",
        forward + backward + update
    );
}
