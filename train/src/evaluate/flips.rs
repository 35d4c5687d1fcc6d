//! Computes the logits of a scene, and their average over its mirror images.

use raremap_infer::{RowUpsampler, RunOptions, SceneInMemory, SceneLogits, View, run_in_memory};
use raremap_model::{Card, TileModel};

use crate::dataset::Sample;
use crate::error::{Context, Result};

/// A mirror image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flip {
    /// Top and bottom are exchanged.
    rows: bool,
    /// Left and right are exchanged.
    columns: bool,
}

/// The scene as it is, and its mirror images, which include a turn by 180 degrees.
const FLIPS: [Flip; 4] = [
    Flip {
        rows: false,
        columns: false,
    },
    Flip {
        rows: false,
        columns: true,
    },
    Flip {
        rows: true,
        columns: false,
    },
    Flip {
        rows: true,
        columns: true,
    },
];

/// Logits of a scene from one run, or from one run for each of its mirror images.
#[derive(Debug)]
pub struct MeanLogits {
    runs: Vec<(Flip, SceneLogits)>,
}

impl MeanLogits {
    /// Runs `model` over a sample, through the same pipeline that predicts; with `flips`, four times.
    ///
    /// # Errors
    /// Those of the pipeline, with the name of the sample's file.
    pub fn of(sample: &Sample, model: &impl TileModel, card: &Card, options: &RunOptions, flips: bool) -> Result<Self> {
        let size = [sample.height, sample.width];
        let run = |flip: Flip| {
            let (values, valid);
            let scene = if flip == FLIPS[0] {
                SceneInMemory {
                    size,
                    values: &sample.values,
                    valid: &sample.valid,
                }
            } else {
                values = mirrored(&sample.values, size, flip);
                valid = mirrored(&sample.valid, size, flip);
                SceneInMemory {
                    size,
                    values: &values,
                    valid: &valid,
                }
            };
            let logits = pollster::block_on(run_in_memory(&scene, model, card, options, &mut ()));
            Ok((flip, logits.with_context(|| sample.path.display().to_string())?))
        };
        let count = if flips { FLIPS.len() } else { 1 };
        let runs = FLIPS.into_iter().take(count).map(run).collect::<Result<_>>()?;
        Ok(Self { runs })
    }

    /// Reads rows of the averaged logits of both heads, before softmax and sigmoid.
    pub fn rows(&self) -> MeanRows<'_> {
        let readers = self.runs.iter().map(|(flip, logits)| Reader {
            flip: *flip,
            height: logits.size()[0],
            rows: logits.rows(&View::whole(logits.size())),
        });
        MeanRows {
            readers: readers.collect(),
            row: Vec::new(),
        }
    }
}

/// Planes of `[height, width]`, each mirrored.
fn mirrored<T: Copy>(planes: &[T], [height, width]: [usize; 2], flip: Flip) -> Vec<T> {
    let mut output = Vec::with_capacity(planes.len());
    for plane in planes.chunks_exact(height * width) {
        for y in 0..height {
            let from = if flip.rows { height - 1 - y } else { y };
            let row = &plane[from * width..][..width];
            if flip.columns {
                output.extend(row.iter().rev());
            } else {
                output.extend_from_slice(row);
            }
        }
    }
    output
}

struct Reader<'a> {
    flip: Flip,
    height: usize,
    rows: RowUpsampler<'a>,
}

/// Reads averaged logits row by row.
pub struct MeanRows<'a> {
    readers: Vec<Reader<'a>>,
    row: Vec<f32>,
}

impl MeanRows<'_> {
    /// Writes the logits of `channel` (main head first, then the auxiliary one) at the row `y`.
    ///
    /// # Errors
    /// Those of the scratch that keeps the logits.
    pub fn read_row(&mut self, channel: usize, y: usize, output: &mut [f32]) -> Result<()> {
        output.fill(0.0);
        self.row.resize(output.len(), 0.0);
        let share = 1.0 / self.readers.len() as f32;
        for Reader { flip, height, rows } in &mut self.readers {
            let from = if flip.rows { *height - 1 - y } else { y };
            rows.read_row(channel, from, &mut self.row)?;
            if flip.columns {
                self.row.reverse();
            }
            output
                .iter_mut()
                .zip(&self.row)
                .for_each(|(sum, logit)| *sum += logit * share);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::toy::{Toy, card, sample};
    use raremap_infer::Tiling;

    fn logits(sample: &Sample, flips: bool) -> Vec<Vec<f32>> {
        let options = RunOptions {
            tiling: Tiling::of_tile(64),
            ..RunOptions::new(vec![0])
        };
        let mean = MeanLogits::of(sample, &Toy::default(), &card(), &options, flips).expect("a run");
        let mut rows = mean.rows();
        let mut planes = Vec::new();
        for channel in 0..3 {
            let mut plane = vec![0.0; sample.height * sample.width];
            for (y, row) in plane.chunks_exact_mut(sample.width).enumerate() {
                rows.read_row(channel, y, row).expect("a row");
            }
            planes.push(plane);
        }
        planes
    }

    fn worst(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
        let pairs = a.iter().flatten().zip(b.iter().flatten());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn the_average_over_flips_moves_with_the_scene() {
        let size = [70, 101];
        let scene = sample(size, |y, x| ((y * 13 + x * 7) % 41) as f32 - 20.0);
        for flip in FLIPS {
            let flipped = Sample {
                values: mirrored(&scene.values, size, flip),
                valid: mirrored(&scene.valid, size, flip),
                ..scene.clone()
            };
            let back = |planes: Vec<Vec<f32>>| -> Vec<Vec<f32>> {
                planes.iter().map(|plane| mirrored(plane, size, flip)).collect()
            };
            let averaged = worst(&logits(&scene, true), &back(logits(&flipped, true)));
            assert!(averaged < 1e-5, "{flip:?}: largest difference {averaged}");
            if flip != FLIPS[0] {
                // The toy looks to the right and down: without the average, its logits do not move with the scene.
                let single = worst(&logits(&scene, false), &back(logits(&flipped, false)));
                assert!(single > 0.1, "{flip:?}: largest difference {single}");
            }
        }
    }

    #[test]
    fn one_run_is_the_pipelines_own() {
        let size = [40, 50];
        let scene = sample(size, |y, x| (y * 3 + x) as f32 / 10.0);
        let plain = logits(&scene, false);
        let options = RunOptions {
            tiling: Tiling::of_tile(64),
            ..RunOptions::new(vec![0])
        };
        let in_memory = SceneInMemory {
            size,
            values: &scene.values,
            valid: &scene.valid,
        };
        let direct = pollster::block_on(run_in_memory(&in_memory, &Toy::default(), &card(), &options, &mut ()));
        let direct = direct.expect("a run");
        let mut row = vec![0.0; size[1]];
        let read = direct.rows(&View::whole(size)).read_row(1, 17, &mut row);
        read.expect("a row");
        assert_eq!(plain[1][17 * size[1]..][..size[1]], row);
    }
}
