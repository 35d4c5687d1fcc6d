//! Finds numbers that cannot be what the dataset says they are: ranges, constants, the order of the bands.

use super::digest::{BandDigest, Digest};
use super::{Finding, Severity};
use crate::dataset::DatasetConfig;

/// A file whose mean is this many times the usual mean has another scale.
const OTHER_SCALE: f64 = 8.0;
/// A class needs this many pixels in a sample before its mean there is trusted.
const TRUSTED_PIXELS: u64 = 50;
/// How much better another order of the bands must fit, as a share of the expectations.
const BETTER_BY: f64 = 0.2;
/// Up to this many bands, all orders are tried; with more bands, all swaps of two.
const ALL_ORDERS: usize = 5;

/// Findings on the values of the files.
pub fn value_ranges(config: &DatasetConfig, digests: &[Digest]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (band, (name, _)) in config.scene_bands().into_iter().enumerate() {
        let of = |digest: &Digest| digest.bands.get(band).cloned().unwrap_or_default();
        let files = |holds: &dyn Fn(&BandDigest) -> bool| -> Vec<String> {
            let chosen = digests.iter().filter(|digest| holds(&of(digest)));
            chosen.map(|digest| digest.path.display().to_string()).collect()
        };
        let mut report = |severity, kind, files: Vec<String>, seen: String, advice: &str| {
            if !files.is_empty() {
                findings.push(Finding {
                    severity,
                    kind,
                    seen: format!("band {name}: {seen}"),
                    files,
                    advice: advice.into(),
                });
            }
        };
        let broken = files(&|band| band.not_finite > 0);
        let count = broken.len();
        report(
            Severity::Warning,
            "not-finite",
            broken,
            format!("NaN or infinite pixels in {count} file(s)"),
            "they count as invalid; check whether that was intended",
        );
        let constant = files(&BandDigest::is_constant);
        let count = constant.len();
        report(
            Severity::Warning,
            "constant-band",
            constant,
            format!("all valid pixels are equal in {count} file(s)"),
            "check whether the band was filled in, or its index is wrong",
        );
        let marked: Vec<(f32, u64)> = digests.iter().filter_map(|digest| of(digest).nodata_like).collect();
        if let Some((value, _)) = marked.first() {
            let pixels: u64 = marked.iter().map(|(_, count)| count).sum();
            let (value, advice) = (
                *value,
                format!("set nodata = {value} in the dataset's file to make them invalid"),
            );
            report(
                Severity::Warning,
                "undeclared-nodata",
                files(&|band| band.nodata_like.is_some()),
                format!("{pixels} valid pixel(s) hold {value}, which usually means no data"),
                &advice,
            );
        }
        let negative: u64 = digests.iter().map(|digest| of(digest).negative).sum();
        let all: u64 = digests.iter().map(|digest| of(digest).count).sum();
        report(
            Severity::Hint,
            "negative-values",
            files(&|band| band.negative > 0),
            format!(
                "{:.3}% of the valid pixels are negative",
                negative as f64 / all.max(1) as f64 * 100.0
            ),
            "surface reflectance can be below 0 over dark ground; nothing else can",
        );
        let mut means: Vec<f64> = digests.iter().map(|digest| of(digest).mean.abs()).collect();
        means.sort_unstable_by(f64::total_cmp);
        let usual = means.get(means.len() / 2).copied().unwrap_or(0.0);
        let strange = files(&|band| {
            let mean = band.mean.abs();
            usual > 0.0 && band.count > 0 && (mean > usual * OTHER_SCALE || mean < usual / OTHER_SCALE)
        });
        report(
            Severity::Warning,
            "other-scale",
            strange,
            format!("the mean is more than {OTHER_SCALE} times above or below the usual {usual:.4}"),
            "scale all files alike: one normalization is used for all of them",
        );
    }
    findings.extend(stretched(digests));
    findings
}

/// Finds files whose numbers look like a picture's, among measurements or instead of them.
fn stretched(digests: &[Digest]) -> Option<Finding> {
    let is_picture = |digest: &Digest| {
        let bands = &digest.bands;
        bands
            .iter()
            .all(|band| band.integers && band.min >= 0.0 && band.max <= 255.0)
            && bands.iter().any(|band| band.max >= 128.0)
    };
    let pictures: Vec<&Digest> = digests.iter().filter(|digest| is_picture(digest)).collect();
    if pictures.is_empty() {
        return None;
    }
    let all = pictures.len() == digests.len();
    Some(Finding {
        severity: if all { Severity::Hint } else { Severity::Warning },
        kind: "stretched-to-8-bits",
        files: pictures.iter().map(|digest| digest.path.display().to_string()).collect(),
        seen: format!(
            "{} of {} files contain integers from 0 to 255",
            pictures.len(),
            digests.len()
        ),
        advice: match all {
            true => "this is fine if future scenes have the same 8 bits; stretched pictures are not comparable from scene to scene".into(),
            false => "pictures and measurements do not mix: use the measurements for these files, too".into(),
        },
    })
}

/// What land cover looks like: (class words, brighter band, darker band).
const EXPECTATIONS: [(&[&str], &str, &str); 6] = [
    (&["water", "lake", "river", "sea"], "green", "nir"),
    (&["water", "lake", "river", "sea"], "blue", "nir"),
    (&["forest", "tree", "crop", "grass", "shrub", "veget"], "nir", "red"),
    (&["forest", "tree", "crop", "grass", "shrub", "veget"], "nir", "green"),
    (&["forest", "tree", "crop", "grass", "shrub", "veget"], "nir", "blue"),
    (&["bare", "soil", "sand"], "red", "blue"),
];

/// Checks whether the classes look as they should in the bands as named, and whether they would in another order.
///
/// Water and vegetation tell near infrared from the visible bands, and bare ground tells blue from red. Nothing tells green from red.
pub fn band_order(config: &DatasetConfig, digests: &[Digest]) -> Option<Finding> {
    let bands = config.scene_bands();
    let names: Vec<&str> = bands.iter().map(|(name, _)| *name).collect();
    let identity: Vec<usize> = (0..names.len()).collect();
    let (share, count) = fit(config, digests, &names, &identity);
    if count == 0 {
        return None;
    }
    let orders = if names.len() <= ALL_ORDERS {
        permutations(names.len())
    } else {
        swaps(names.len())
    };
    let best = orders
        .into_iter()
        .map(|order| (fit(config, digests, &names, &order).0, order));
    // Of equal orders the first one wins, because it moves fewer bands.
    let best = best.fold((share, identity.clone()), |best, next| {
        if next.0 > best.0 + 1e-9 { next } else { best }
    });
    if best.0 < share + BETTER_BY {
        return None;
    }
    let listed = |order: &[usize]| {
        let parts = order
            .iter()
            .zip(&names)
            .map(|(position, name)| format!("{name} = {}", bands[*position].1 + 1));
        parts.collect::<Vec<_>>().join(", ")
    };
    Some(Finding {
        severity: Severity::Warning,
        kind: "band-order",
        files: Vec::new(),
        seen: format!(
            "classes look as expected (near infrared dark over water, bright over plants) in {:.0}% of {count} cases with the bands as \
             named, {}; in {:.0}% with {}",
            share * 100.0,
            listed(&identity),
            best.0 * 100.0,
            listed(&best.1)
        ),
        advice: "find out what the files' bands really are, and correct `bands`".into(),
    })
}

/// The share of the expectations that hold if the band called `names[i]` is at position `order[i]`, and how many there are.
fn fit(config: &DatasetConfig, digests: &[Digest], names: &[&str], order: &[usize]) -> (f64, usize) {
    let position = |name: &str| names.iter().position(|band| *band == name).map(|index| order[index]);
    let (mut held, mut count) = (0, 0);
    for (words, brighter, darker) in EXPECTATIONS {
        let Some((brighter, darker)) = position(brighter).zip(position(darker)) else {
            continue;
        };
        for (index, class) in config.classes.iter().enumerate() {
            let name = class.name.to_lowercase();
            if !words.iter().any(|word| name.contains(word)) {
                continue;
            }
            for digest in digests
                .iter()
                .filter(|digest| digest.class_pixels[index] >= TRUSTED_PIXELS)
            {
                let means = &digest.class_means[index];
                count += 1;
                held += usize::from(means[brighter] > means[darker]);
            }
        }
    }
    (held as f64 / count.max(1) as f64, count)
}

fn swaps(count: usize) -> Vec<Vec<usize>> {
    let mut orders = Vec::new();
    for first in 0..count {
        for second in first + 1..count {
            let mut order: Vec<usize> = (0..count).collect();
            order.swap(first, second);
            orders.push(order);
        }
    }
    orders
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for _ in 0..count {
        orders = orders
            .into_iter()
            .flat_map(|order: Vec<usize>| {
                let rest = (0..count).filter(|index| !order.contains(index)).collect::<Vec<_>>();
                rest.into_iter().map(move |index| [order.clone(), vec![index]].concat())
            })
            .collect();
    }
    let moved = |order: &Vec<usize>| order.iter().enumerate().filter(|(index, at)| index != *at).count();
    orders.sort_by_key(moved);
    orders
}
