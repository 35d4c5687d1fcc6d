use rand::SeedableRng;

use super::testing::sample;
use super::*;
use crate::dataset::IGNORE;
use crate::error::failure;

/// Every draw of `count`, over epochs.
fn draws(sampler: &Sampler, split: &TrainingSplit, count: usize, seed: u64) -> Vec<Draw> {
    let rng = &mut StdRng::seed_from_u64(seed);
    let mut order = EpochOrder::shuffled(split, rng);
    let draw = |position: usize| {
        if position.is_multiple_of(split.len()) {
            order = EpochOrder::shuffled(split, rng);
        }
        sampler.draw(&order, position, rng).expect("draws")
    };
    (0..count).map(draw).collect()
}

fn saliency(top_percent: f64) -> SamplingSection {
    SamplingSection {
        kind: SamplingKind::Saliency,
        top_percent,
        ..SamplingSection::default()
    }
}

/// A map that grows with the position in reading order.
fn ramp(pixels: usize) -> Vec<f32> {
    (0..pixels).map(|pixel| pixel as f32 / pixels as f32).collect()
}

fn position(place: [f32; 2], width: usize) -> usize {
    place[0] as usize * width + place[1] as usize
}

#[test]
fn uniform_sampling_shows_every_sample_once_per_epoch_and_takes_no_randomness() {
    let split = TrainingSplit::of((0..5).map(|_| sample(4, 4, |_| 0)).collect());
    let sampler = Sampler::new(&SamplingSection::default(), &split, 1, &[]).expect("valid");
    let order = EpochOrder::shuffled(&split, &mut StdRng::seed_from_u64(3));
    let rng = &mut StdRng::seed_from_u64(4);
    let drawn: Vec<Draw> = (0..7)
        .map(|position| sampler.draw(&order, position, rng).expect("draws"))
        .collect();
    let mut seen: Vec<usize> = drawn[..5].iter().map(|draw| draw.sample).collect();
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    assert_eq!(
        drawn[5..],
        drawn[..2],
        "the last batch is filled from the epoch's start"
    );
    assert!(drawn.iter().all(|draw| draw.center.is_none()));
    assert_eq!(rng.random::<u64>(), StdRng::seed_from_u64(4).random::<u64>());
}

#[test]
fn half_of_the_crops_are_centred_in_the_top_fifth_of_their_scene() {
    let split = TrainingSplit::of((0..4).map(|_| sample(10, 10, |_| 0)).collect());
    let mut sampler = Sampler::new(&saliency(20.0), &split, 2, &[1]).expect("valid");
    // Each scene has its own scale: the region is each scene's, not the split's.
    let map = |scene: usize| Ok(ramp(100).iter().map(|value| value / 10f32.powi(scene as i32)).collect());
    sampler.refresh((0..4).map(map)).expect("maps fit");
    let drawn = draws(&sampler, &split, 4000, 1);
    let centred: Vec<usize> = drawn
        .iter()
        .filter_map(|draw| Some(position(draw.center?, 10)))
        .collect();
    // The standard deviation is 32: shares of 40% and 60% are twelve of them away.
    assert!((1880..2120).contains(&centred.len()), "{} of 4000", centred.len());
    assert!(centred.iter().all(|&pixel| pixel >= 80), "only the top fifth");
    let mut reached = centred.clone();
    reached.sort_unstable();
    reached.dedup();
    assert_eq!(reached.len(), 20, "and all of it");
    for scene in 0..4 {
        let turns = drawn.iter().filter(|draw| draw.sample == scene).count();
        assert_eq!(turns, 1000, "every scene keeps its turn");
    }
}

#[test]
fn the_share_is_the_stated_one() {
    let split = TrainingSplit::of(vec![sample(10, 10, |_| 0)]);
    for share in [0.0, 0.25, 1.0] {
        let section = SamplingSection {
            share,
            ..saliency(20.0)
        };
        let mut sampler = Sampler::new(&section, &split, 2, &[1]).expect("valid");
        sampler.refresh([Ok(ramp(100))]).expect("fits");
        let centred = draws(&sampler, &split, 4000, 2)
            .iter()
            .filter(|draw| draw.center.is_some())
            .count();
        assert!(
            (centred as f64 - 4000.0 * share).abs() <= 110.0,
            "{centred} of 4000 at {share}"
        );
    }
}

#[test]
fn the_splits_region_gives_salient_scenes_more_crops() {
    let split = TrainingSplit::of((0..2).map(|_| sample(10, 10, |_| 0)).collect());
    let section = SamplingSection {
        share: 1.0,
        scope: SaliencyScope::Split,
        ..saliency(20.0)
    };
    let mut sampler = Sampler::new(&section, &split, 2, &[1]).expect("valid");
    // The top 40 of 200 pixels: 30 of the first scene, and 10 of the 70 of the second that share the next level.
    let first = (0..100).map(|pixel| if pixel < 30 { 0.9 } else { 0.0 }).collect();
    let second = (0..100).map(|pixel| if pixel < 70 { 0.5 } else { 0.1 }).collect();
    sampler.refresh([Ok(first), Ok(second)]).expect("maps fit");
    let drawn = draws(&sampler, &split, 4000, 3);
    let of_first = drawn.iter().filter(|draw| draw.sample == 0).count();
    assert!((2890..3110).contains(&of_first), "{of_first} of 4000, expected 3000");
    for draw in drawn {
        let pixel = position(draw.center.expect("all are placed"), 10);
        assert!(pixel < if draw.sample == 0 { 30 } else { 70 });
    }
}

#[test]
fn a_flat_map_prefers_no_corner() {
    let split = TrainingSplit::of(vec![sample(10, 10, |_| 0)]);
    let section = SamplingSection {
        share: 1.0,
        ..saliency(20.0)
    };
    let mut sampler = Sampler::new(&section, &split, 2, &[1]).expect("valid");
    sampler.refresh([Ok(vec![0.3; 100])]).expect("fits");
    let mut hits = [0; 100];
    for draw in draws(&sampler, &split, 10_000, 4) {
        hits[position(draw.center.expect("placed"), 10)] += 1;
    }
    assert!(hits.iter().all(|hits| (50..160).contains(hits)), "{hits:?}");
}

#[test]
fn pixels_that_are_invalid_or_not_scored_are_never_centres() {
    let mut holes = sample(10, 10, |pixel| if pixel % 3 == 0 { IGNORE } else { 0 });
    for pixel in (0..100).filter(|pixel| pixel % 7 == 0) {
        holes.valid[pixel] = false;
        holes.labels[pixel] = IGNORE;
    }
    let mut dead = sample(10, 10, |_| IGNORE);
    dead.valid.fill(false);
    let split = TrainingSplit::of(vec![holes, dead]);
    for scope in [SaliencyScope::Scene, SaliencyScope::Split] {
        let section = SamplingSection {
            share: 1.0,
            scope,
            ..saliency(100.0)
        };
        let mut sampler = Sampler::new(&section, &split, 2, &[1]).expect("valid");
        // What a map holds where nothing is scored does not matter: the network never saw those pixels.
        let map: Vec<f32> = (0..100)
            .map(|pixel| if pixel % 3 == 0 { f32::NAN } else { 0.5 })
            .collect();
        sampler.refresh([Ok(map), Ok(vec![1.0; 100])]).expect("maps fit");
        let drawn = draws(&sampler, &split, 1000, 5);
        for draw in &drawn {
            let Some(center) = draw.center else {
                assert_eq!(
                    (draw.sample, scope),
                    (1, SaliencyScope::Scene),
                    "only the sample without pixels"
                );
                continue;
            };
            let pixel = position(center, 10);
            assert!(
                draw.sample == 0 && !pixel.is_multiple_of(3) && !pixel.is_multiple_of(7),
                "{draw:?}"
            );
        }
        assert!(drawn.iter().any(|draw| draw.center.is_some()));
    }
}

#[test]
fn a_split_without_a_scored_pixel_is_sampled_uniformly() {
    let split = TrainingSplit::of(vec![sample(4, 4, |_| IGNORE)]);
    for scope in [SaliencyScope::Scene, SaliencyScope::Split] {
        let section = SamplingSection {
            share: 1.0,
            scope,
            ..saliency(20.0)
        };
        let mut sampler = Sampler::new(&section, &split, 2, &[1]).expect("valid");
        assert_eq!(sampler.refresh([Ok(vec![0.5; 16])]).expect("fits"), None);
        assert!(draws(&sampler, &split, 100, 6).iter().all(|draw| draw.center.is_none()));
    }
    let section = SamplingSection {
        kind: SamplingKind::LabelFrequency,
        ..SamplingSection::default()
    };
    let error = Sampler::new(&section, &split, 2, &[1]).expect_err("nothing to draw");
    assert!(error.to_string().contains("sampling.kind"), "{error}");
}

#[test]
fn before_the_first_refresh_saliency_is_uniform() {
    let split = TrainingSplit::of(vec![sample(4, 4, |_| 0)]);
    let section = SamplingSection {
        first_refresh_step: 30,
        refresh_every_steps: 20,
        ..saliency(20.0)
    };
    let sampler = Sampler::new(&section, &split, 2, &[1]).expect("valid");
    assert!(draws(&sampler, &split, 100, 7).iter().all(|draw| draw.center.is_none()));
    assert_eq!(sampler.state(), None);
    let steps: Vec<usize> = (0..80).filter(|&step| sampler.needs_refresh(step)).collect();
    assert_eq!(steps, [30, 50, 70]);
    let uniform = Sampler::new(&SamplingSection::default(), &split, 2, &[1]).expect("valid");
    assert!((0..1000).all(|step| !uniform.needs_refresh(step)));
}

#[test]
fn label_frequency_raises_a_class_of_a_five_hundredth_to_half_of_the_centres() {
    // 4 of 2000 pixels, 0.2%, are class 2; classes 0 and 1 share the rest.
    let labels = |pixel: usize| match pixel {
        500 | 501 | 776 | 777 => 2,
        pixel => (pixel % 2) as u8,
    };
    let split = TrainingSplit::of(vec![sample(25, 40, labels), sample(25, 40, |pixel| (pixel % 2) as u8)]);
    let section = SamplingSection {
        kind: SamplingKind::LabelFrequency,
        ..SamplingSection::default()
    };
    let sampler = Sampler::new(&section, &split, 3, &[2]).expect("valid");
    // f = 0.499, 0.499, 0.002: 1 / (1 + 2 exp(-4.97))
    assert!(
        (sampler.class_probabilities()[2] - 0.986_304).abs() < 1e-5,
        "{:?}",
        sampler.class_probabilities()
    );
    let drawn = draws(&sampler, &split, 4000, 8);
    let on_rare = drawn.iter().filter(|draw| {
        let center = draw.center.map(|center| position(center, 40));
        draw.sample == 0 && matches!(center, Some(500 | 501 | 776 | 777))
    });
    // Half of the crops are placed, and 0.9863 of those on the class: 1973, and the standard deviation is 32.
    let on_rare = on_rare.count();
    assert!((1860..2090).contains(&on_rare), "{on_rare} of 4000");
}

#[test]
fn mixed_sampling_places_both_shares() {
    let split = TrainingSplit::of(vec![sample(10, 10, |pixel| u8::from(pixel == 3))]);
    let section = SamplingSection {
        kind: SamplingKind::Mixed,
        share: 0.5,
        label_share: 0.25,
        temperature: 1e-3,
        ..SamplingSection::default()
    };
    let mut sampler = Sampler::new(&section, &split, 2, &[1]).expect("valid");
    sampler.refresh([Ok(ramp(100))]).expect("fits");
    let (mut salient, mut rare, mut uniform) = (0, 0, 0);
    for draw in draws(&sampler, &split, 4000, 9) {
        match draw.center.map(|center| position(center, 10)) {
            None => uniform += 1,
            Some(3) => rare += 1,
            Some(pixel) => {
                assert!(pixel >= 80);
                salient += 1;
            }
        }
    }
    assert!((1880..2120).contains(&salient), "{salient}");
    assert!(
        (890..1110).contains(&rare) && (890..1110).contains(&uniform),
        "{rare}, {uniform}"
    );
}

#[test]
fn a_restored_sampler_draws_what_the_first_would_have() {
    let split = TrainingSplit::of(vec![sample(7, 5, |_| 0), sample(3, 8, |pixel| (pixel % 2) as u8)]);
    for scope in [SaliencyScope::Scene, SaliencyScope::Split] {
        let section = SamplingSection {
            share: 0.7,
            scope,
            ..saliency(30.0)
        };
        let mut first = Sampler::new(&section, &split, 2, &[1]).expect("valid");
        let wave = |pixels: usize| Ok((0..pixels).map(|pixel| (pixel as f32).sin().abs()).collect());
        first.refresh([wave(35), wave(24)]).expect("maps fit");
        let state = first.state().expect("has maps");
        let mut second = Sampler::new(&section, &split, 2, &[1]).expect("valid");
        second.restore(&state).expect("fits");
        assert_eq!(second.state().as_ref(), Some(&state), "bit for bit");
        assert_eq!(draws(&first, &split, 500, 10), draws(&second, &split, 500, 10));
        for damaged in [
            &state[..state.len() - 1],
            &state[1..],
            &[&state[..], b"x"].concat()[..],
            &state[..12],
        ] {
            second.restore(damaged).expect_err("damaged");
        }
        assert_eq!(
            draws(&first, &split, 500, 11),
            draws(&second, &split, 500, 11),
            "the old maps remain"
        );
        let other = TrainingSplit::of(vec![sample(7, 5, |_| 0), sample(3, 7, |_| 0)]);
        let error = Sampler::new(&section, &other, 2, &[1])
            .expect("valid")
            .restore(&state)
            .expect_err("another split");
        assert!(error.to_string().contains("24 pixels, the image 21"), "{error}");
    }
}

#[test]
fn maps_that_do_not_fit_are_refused_by_the_samples_name() {
    let split = TrainingSplit::of((0..2).map(|_| sample(2, 2, |_| 0)).collect());
    let mut sampler = Sampler::new(&saliency(20.0), &split, 2, &[1]).expect("valid");
    let good = || Ok(vec![0.5; 4]);
    for (maps, message) in [
        (vec![good()], "no saliency map for memory"),
        (vec![good(), Ok(vec![0.5; 3])], "has 3 pixels, the image 4"),
        (vec![good(), Ok(vec![0.5, f32::NAN, 0.5, 0.5])], "contains NaN"),
        (vec![good(), Ok(vec![1.5; 4])], "contains 1.5"),
        (vec![good(), good(), good()], "more saliency maps"),
        (vec![Err(failure!(Recipe, "out of memory"))], "out of memory"),
    ] {
        let error = sampler.refresh(maps).expect_err(message);
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(sampler.state(), None);
    }
}

#[test]
fn a_map_that_knows_the_rare_pixels_has_them_in_its_region() {
    // A tenth is rare; the region is a fifth.
    let split = TrainingSplit::of(vec![sample(10, 10, |pixel| u8::from(pixel < 10))]);
    let mut sampler = Sampler::new(&saliency(20.0), &split, 2, &[1]).expect("valid");
    let perfect = (0..100).map(|pixel| if pixel < 10 { 0.8 } else { 0.1 }).collect();
    assert_eq!(sampler.refresh([Ok(perfect)]).expect("fits"), Some(1.0));
    let blind = sampler
        .refresh([Ok(vec![0.5; 100])])
        .expect("fits")
        .expect("there are rare pixels");
    assert!((blind - 0.2).abs() < 1e-12, "{blind}");
    assert_eq!(
        sampler.refresh([Ok(ramp(100))]).expect("fits"),
        Some(0.0),
        "points the wrong way"
    );
}

#[test]
fn small_probabilities_are_told_apart() {
    // All below 1e-6, as an auxiliary head may give them early: in equal steps of 16 bits all pixels would be alike.
    let split = TrainingSplit::of(vec![sample(10, 10, |_| 0)]);
    let section = SamplingSection {
        share: 1.0,
        ..saliency(20.0)
    };
    let mut sampler = Sampler::new(&section, &split, 2, &[1]).expect("valid");
    sampler
        .refresh([Ok(ramp(100).iter().map(|value| value * 1e-6).collect())])
        .expect("fits");
    let centres = draws(&sampler, &split, 200, 12);
    assert!(
        centres
            .iter()
            .all(|draw| position(draw.center.expect("placed"), 10) >= 80)
    );
}

#[test]
fn meaningless_settings_are_named() {
    let reject = |text: &str, key: &str| {
        let section: SamplingSection = toml::from_str(text).expect("parses");
        let error = section.check().expect_err(text).to_string();
        assert!(error.contains(key), "{error}");
    };
    reject("share = 1.5", "sampling.share");
    reject("label_share = nan", "sampling.label_share");
    reject("kind = 'mixed'\nshare = 0.6\nlabel_share = 0.6", "sampling.label_share");
    reject("top_percent = 0.0", "sampling.top_percent");
    reject("refresh_every_steps = 0", "sampling.refresh_every_steps");
    reject("temperature = 0.0", "sampling.temperature");
    let error = toml::from_str::<SamplingSection>("shares = 1.0").expect_err("a typo");
    assert!(error.to_string().contains("shares"), "{error}");
    let split = TrainingSplit::of(vec![sample(2, 2, |_| 0)]);
    let error = Sampler::new(&saliency(20.0), &split, 2, &[]).expect_err("no rare class");
    assert!(error.to_string().contains("rare = true"), "{error}");
}

#[test]
fn samplers_can_be_shared_by_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Sampler>();
    shared::<EpochOrder>();
}
