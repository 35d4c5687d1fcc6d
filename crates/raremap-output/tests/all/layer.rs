//! Layers of a result as pictures.

use pollster::block_on;
use raremap_infer::{DecideOptions, InferError, RunOptions, SceneInMemory, SceneLogits, Tiling, View, run_in_memory};
use raremap_model::{Card, TileError, TileLogits, TileModel};
use raremap_output::{Layer, Values, scale_color};
use raremap_scene::Picture;
use raremap_testing::card as testing;

fn card() -> Card {
    let mut card = testing::card(&["main", "rare"], &[(10, "land"), (30, "reed")], &["reed"]);
    for class in &mut card.classes {
        class.color = [class.value, class.value + 1, class.value + 2];
    }
    card
}

/// Main logits: land 0, reed -100. Auxiliary logit of reed: the second band. A cell only sees the mean of its own pixels.
struct Toy;

impl TileModel for Toy {
    async fn forward_tile(&self, input: Vec<f32>, height: usize, width: usize) -> Result<TileLogits, TileError> {
        let (rows, columns) = (height / 4, width / 4);
        let second = &input[height * width..];
        let mean = |i: usize| {
            let (row, column) = (i / columns, i % columns);
            let pixel = |j: usize| second[(row * 4 + j / 4) * width + column * 4 + j % 4];
            (0..16).map(pixel).sum::<f32>() / 16.0
        };
        let cells = rows * columns;
        Ok(TileLogits {
            main: [vec![0.0; cells], vec![-100.0; cells]].concat(),
            auxiliary: (0..cells).map(mean).collect(),
        })
    }
}

const SIZE: usize = 64;
/// The reed's columns: at 22..42 its probability is over a half, on whole cells of the network and with room for the interpolation.
const EDGE: usize = 32;

/// The right half is reed, the left one is not; the first rows have no data.
fn logits(nodata_rows: usize) -> SceneLogits {
    let plane = |value: fn(usize) -> f32| (0..SIZE * SIZE).map(move |i| value(i % SIZE));
    let values: Vec<f32> = plane(|_| 0.0)
        .chain(plane(|x| if x < EDGE { -4.0 } else { 4.0 }))
        .collect();
    let valid: Vec<bool> = (0..SIZE * SIZE).map(|i| i / SIZE >= nodata_rows).collect();
    let scene = SceneInMemory {
        size: [SIZE, SIZE],
        values: &values,
        valid: &valid,
    };
    let options = RunOptions {
        tiling: Tiling {
            tile_px: 64,
            overlap_px: 32,
        },
        ..RunOptions::new(vec![0, 1])
    };
    block_on(run_in_memory(&scene, &Toy, &card(), &options, &mut ())).expect("a small scene")
}

fn options() -> DecideOptions {
    DecideOptions {
        threshold: 0.5,
        rare: vec!["reed".into()],
        top_k_percent: 20.0,
    }
}

fn pixel(picture: &Picture, x: usize, y: usize) -> [u8; 4] {
    let start = (y * picture.width() + x) * 4;
    picture.rgba()[start..][..4].try_into().expect("four bytes")
}

#[test]
fn the_mask_has_the_cards_colours_and_is_transparent_without_data() {
    let logits = logits(8);
    let view = View::whole([SIZE, SIZE]);
    let picture = Layer::Mask.draw(&logits, &options(), &view, 1).expect("a mask");
    assert_eq!(pixel(&picture, 5, 40), [10, 11, 12, 255]);
    assert_eq!(pixel(&picture, 60, 40), [30, 31, 32, 255]);
    assert_eq!(pixel(&picture, 60, 3), [0; 4]);
    assert_eq!(picture.extent(), [0.0, 0.0, 64.0, 64.0]);
}

#[test]
fn a_reduced_view_covers_the_blocks_of_its_pixels() {
    let view = View::overview([SIZE, SIZE], 16);
    let picture = Layer::Mask.draw(&logits(0), &options(), &view, 1).expect("a mask");
    assert_eq!((picture.width(), picture.height()), (16, 16));
    assert_eq!(picture.extent(), [0.0, 0.0, 64.0, 64.0]);
}

#[test]
fn probabilities_run_over_the_scale_from_dark_to_bright() {
    let view = View::whole([SIZE, SIZE]);
    let layer = Layer::Probability("reed".into());
    let picture = layer.draw(&logits(0), &options(), &view, 1).expect("a probability");
    let color = |x| {
        let [red, green, blue, _] = pixel(&picture, x, 10);
        [red, green, blue]
    };
    // 1 / (1 + exp(4)) and 1 / (1 + exp(-4)).
    assert_eq!(color(2), scale_color(0.017_986_2));
    assert_eq!(color(61), scale_color(0.982_013_8));
}

#[test]
fn the_values_of_a_layer_are_what_its_colours_stand_for() {
    let (logits, view) = (logits(0), View::whole([SIZE, SIZE]));
    let values = |layer: Layer| layer.values(&logits, &options(), &view).expect("values");
    let mask = logits.mask(&options(), &view).expect("a mask");
    assert_eq!(values(Layer::Mask), Values::Classes(mask));
    let reed = logits.probability(0, &view).expect("a probability");
    assert_eq!(values(Layer::Probability("reed".into())), Values::Numbers(reed));
    let saliency = logits.saliency(&view).expect("a saliency");
    assert_eq!(values(Layer::Saliency), Values::Numbers(saliency));
    let refused = |layer: Layer| layer.values(&logits, &options(), &view).map_err(|error| error.code());
    assert_eq!(refused(Layer::RareOutline), Err("misuse"));
    assert_eq!(refused(Layer::Probability("sand".into())), Err("misuse"));
}

#[test]
fn the_scale_grows_brighter_and_ends_where_it_should() {
    assert_eq!((scale_color(0.0), scale_color(1.0)), ([68, 1, 84], [253, 231, 37]));
    assert_eq!(
        (scale_color(-3.0), scale_color(7.0)),
        (scale_color(0.0), scale_color(1.0))
    );
    let brightness = |step: u16| {
        let [red, green, blue] = scale_color(f32::from(step) / 100.0).map(f32::from);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    assert!((0..100).all(|step| brightness(step) <= brightness(step + 1) + 0.5));
}

#[test]
fn saliency_is_faded_where_top_k_does_not_mark_it() {
    let view = View::whole([SIZE, SIZE]);
    let picture = Layer::Saliency
        .draw(&logits(0), &options(), &view, 1)
        .expect("a saliency");
    assert_eq!(pixel(&picture, 61, 10)[3], 255);
    assert_eq!(pixel(&picture, 2, 10)[3], 90);
}

#[test]
fn the_heads_disagree_where_one_finds_a_rare_class_alone() {
    let view = View::whole([SIZE, SIZE]);
    let marks = |options: &DecideOptions| match Layer::Disagreement.values(&logits(8), options, &view) {
        Ok(Values::Classes(marks)) => marks,
        other => panic!("{other:?}"),
    };
    // The main head never finds reed, and the auxiliary head finds it in the right half.
    let found = marks(&options());
    assert_eq!(
        (found[20 * SIZE + 2], found[20 * SIZE + 61]),
        (0, Layer::AUXILIARY_ALONE)
    );
    assert_eq!(found[3 * SIZE + 61], Card::MASK_NODATA);
    let picture = Layer::Disagreement
        .draw(&logits(8), &options(), &view, 1)
        .expect("a disagreement");
    assert_eq!(pixel(&picture, 61, 20), [230, 159, 0, 255]);
    assert_eq!((pixel(&picture, 2, 20), pixel(&picture, 61, 3)), ([0; 4], [0; 4]));
    // With a threshold that the auxiliary head does not reach, and about classes that are not selected, there is nothing to disagree about.
    for agreed in [
        DecideOptions {
            threshold: 0.99,
            ..options()
        },
        DecideOptions {
            rare: vec![],
            ..options()
        },
    ] {
        assert!(
            marks(&agreed)
                .iter()
                .all(|mark| *mark == 0 || *mark == Card::MASK_NODATA),
            "{agreed:?}"
        );
    }
}

#[test]
fn outlines_are_white_inside_and_black_outside_and_one_pixel_wide() {
    let view = View::whole([SIZE, SIZE]);
    let picture = Layer::RareOutline
        .draw(&logits(0), &options(), &view, 1)
        .expect("an outline");
    let row: Vec<[u8; 4]> = (0..SIZE).map(|x| pixel(&picture, x, 20)).collect();
    assert_eq!(row[EDGE - 1], [0, 0, 0, 200]);
    assert_eq!(row[EDGE], [255, 255, 255, 255]);
    assert_eq!(row.iter().filter(|pixel| **pixel != [0; 4]).count(), 2);
}

#[test]
fn outlines_stay_one_pixel_wide_where_pixels_are_drawn_large() {
    let view = View {
        x: EDGE - 2,
        y: 0,
        width: 4,
        height: 3,
        step: 1,
    };
    let picture = Layer::RareOutline
        .draw(&logits(0), &options(), &view, 4)
        .expect("an outline");
    assert_eq!((picture.width(), picture.height()), (16, 12));
    assert_eq!(picture.extent(), [30.0, 0.0, 4.0, 3.0]);
    let drawn: Vec<usize> = (0..16).filter(|x| pixel(&picture, *x, 5) != [0; 4]).collect();
    assert_eq!(drawn, [7, 8]);
}

#[test]
fn an_outline_is_of_the_selected_classes_alone() {
    let none = DecideOptions {
        rare: vec![],
        ..options()
    };
    let view = View::whole([SIZE, SIZE]);
    let picture = Layer::RareOutline
        .draw(&logits(0), &none, &view, 1)
        .expect("an outline");
    assert!(picture.rgba().iter().all(|byte| *byte == 0));
}

#[test]
fn layers_have_names_and_others_are_refused() {
    for (text, layer) in [
        ("mask", Layer::Mask),
        ("saliency", Layer::Saliency),
        ("disagreement", Layer::Disagreement),
        ("rare-outline", Layer::RareOutline),
        ("probability:reed", Layer::Probability("reed".into())),
    ] {
        assert_eq!(text.parse::<Layer>().expect("a layer"), layer);
    }
    for text in ["", "masks", "reed"] {
        assert!(matches!(text.parse::<Layer>(), Err(InferError::Misuse(_))), "{text}");
    }
    let view = View::whole([SIZE, SIZE]);
    let unknown = Layer::Probability("mangrove".into()).draw(&logits(0), &options(), &view, 1);
    assert!(matches!(unknown, Err(InferError::Misuse(_))));
}
