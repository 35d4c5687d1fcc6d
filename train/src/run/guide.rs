//! The averaged network looks at a batch from elsewhere, and says what it sees at each pixel of the batch.

use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use raremap_model::{DualLogits, Network, upsample_bilinear};

use crate::loss::Guide;

/// The averaged network, on the device of a network in training.
pub(super) struct Averaged {
    /// Without autodiff.
    pub(super) network: Network,
    /// Its view is shifted by at most this many pixels.
    pub(super) shift_px: usize,
}

impl Averaged {
    /// What it makes of `input`, `[batch, channels, edge, edge]`, which is on a device with autodiff. `seed` decides from where it looks.
    pub(super) fn guide(&self, input: &Tensor<4>, seed: u64) -> Guide {
        let guide = guide(input.clone().inner(), self.shift_px, seed, |input| {
            self.network.forward(input)
        });
        Guide {
            main: Tensor::from_inner(guide.main),
            auxiliary: guide.auxiliary.map(Tensor::from_inner),
            shared: Tensor::from_inner(guide.shared),
        }
    }
}

/// How a batch is turned, mirrored and shifted.
#[derive(Debug, Clone, Copy)]
struct View {
    transposed: bool,
    flipped: [bool; 2],
    /// Rows down and columns to the right. What leaves on one side comes in on the other.
    shift: [i64; 2],
}

impl View {
    fn draw(most: usize, rng: &mut StdRng) -> Self {
        let most = most as i64;
        Self {
            transposed: rng.random(),
            flipped: rng.random(),
            shift: [rng.random_range(-most..=most), rng.random_range(-most..=most)],
        }
    }

    fn apply(&self, map: Tensor<4>) -> Tensor<4> {
        let shifted = map.roll(&self.shift, &[2, 3]);
        let flipped = self.flip(shifted);
        if self.transposed {
            flipped.swap_dims(2, 3)
        } else {
            flipped
        }
    }

    fn undo(&self, map: Tensor<4>) -> Tensor<4> {
        let map = if self.transposed { map.swap_dims(2, 3) } else { map };
        self.flip(map).roll(&self.shift.map(|shift| -shift), &[2, 3])
    }

    fn flip(&self, map: Tensor<4>) -> Tensor<4> {
        match self.flipped {
            [false, false] => map,
            [true, false] => map.flip([2]),
            [false, true] => map.flip([3]),
            [true, true] => map.flip([2, 3]),
        }
    }

    /// 1 for the pixels of a crop that do not leave it when it is shifted, `[1, 1, edge, edge]`.
    fn shared(&self, edge: usize, device: &Device) -> Tensor<4> {
        let stays = |place: usize, shift: i64| (0..edge as i64).contains(&(place as i64 + shift));
        let [down, right] = self.shift;
        let plane: Vec<f32> = (0..edge * edge)
            .map(|pixel| stays(pixel / edge, down) && stays(pixel % edge, right))
            .map(|stays| f32::from(u8::from(stays)))
            .collect();
        Tensor::from_data(TensorData::new(plane, [1, 1, edge, edge]), device)
    }
}

/// What the network behind `forward` makes of `input`, all without autodiff.
fn guide(input: Tensor<4>, shift_px: usize, seed: u64, forward: impl Fn(Tensor<4>) -> DualLogits) -> Guide {
    let [_, _, edge, _] = input.dims();
    let device = input.device();
    let view = View::draw(shift_px, &mut StdRng::seed_from_u64(seed));
    let logits = forward(view.apply(input));
    let full = |logits: Tensor<4>| view.undo(upsample_bilinear(logits, [edge, edge]));
    Guide {
        main: softmax(full(logits.main), 1),
        auxiliary: logits.auxiliary.map(|logits| sigmoid(full(logits))),
        shared: view.shared(edge, &device),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    /// The pixels of `map`, in order.
    fn values(map: Tensor<4>) -> Vec<f32> {
        map.into_data().iter::<f32>().collect()
    }

    #[test]
    fn a_view_undone_is_the_batch() {
        let map = Tensor::<4>::random([2, 3, 8, 8], Distribution::Default, &Device::flex());
        for seed in 0..50 {
            let view = View::draw(5, &mut StdRng::seed_from_u64(seed));
            assert_eq!(
                values(view.undo(view.apply(map.clone()))),
                values(map.clone()),
                "{view:?}"
            );
        }
    }

    #[test]
    fn shared_pixels_are_those_whose_neighbours_move_with_them() {
        let device = Device::flex();
        // Every pixel is its own number; from right to left, and down.
        let numbers: Vec<f32> = (0..64).map(|number| number as f32).collect();
        let map = Tensor::<4>::from_data(TensorData::new(numbers, [1, 1, 8, 8]), &device);
        let view = View {
            transposed: false,
            flipped: [false, false],
            shift: [2, -3],
        };
        let seen = values(view.apply(map));
        for (pixel, shared) in values(view.shared(8, &device)).into_iter().enumerate() {
            let (row, column) = (pixel / 8 + 2, (pixel % 8) as i64 - 3);
            let inside = row < 8 && column >= 0;
            assert_eq!(shared == 1.0, inside, "{pixel}");
            if inside {
                assert_eq!(
                    seen[row * 8 + column as usize],
                    pixel as f32,
                    "it moved down and to the left"
                );
            }
        }
    }

    #[test]
    fn a_network_of_single_pixels_guides_to_itself() {
        let device = Device::flex();
        let input = Tensor::<4>::random([2, 3, 16, 16], Distribution::Normal(0.0, 1.0), &device);
        let forward = |input: Tensor<4>| DualLogits {
            main: input,
            auxiliary: None,
            deep: Vec::new(),
        };
        let own = values(softmax(input.clone(), 1));
        for seed in 0..20 {
            assert_eq!(
                values(guide(input.clone(), 7, seed, forward).main),
                own,
                "whatever the view"
            );
        }
    }
}
