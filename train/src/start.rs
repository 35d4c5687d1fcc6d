//! The weights that a run starts from: those of another run, or of a published model.

use std::collections::BTreeMap;
use std::path::Path;

use burn::store::{BurnpackStore, ModuleStore, bridge};
use burn::tensor::TensorData;
use raremap_model::{Card, ModelFile, Network, apply_parameters, parameters_of, reads_image};

use crate::error::{Context, Result, ensure, failure};

type Parameters = BTreeMap<String, TensorData>;

/// Name of the card beside a run's weights, which `raremap export` completes.
pub const CARD: &str = "card.json";
/// A weights file's name ends like this; anything else is a run's.
const WEIGHTS_FILE: &str = "raremap";
/// How many misfits an error lists.
const LISTED: usize = 6;

/// Puts the weights in `paths` into `model`, except for parameters whose names begin with one of `without`; those stay as they are. Of several
/// files, it takes the mean of their weights.
///
/// `bands` are the names of the network's input channels. Where a file's card names others, weights go to the channel of the same name. Channels
/// that the file does not know start at zero, so that the network is at first the one that was stored; in a mean, they count as zeros. Channels that
/// the network does not have are left out, as if they were 0: if they tell what is known about a scene, as if it had all bands, were no picture, and had the
/// resolution of the file's data.
///
/// # Errors
/// If a file cannot be read, or if its parameters are not the network's: the message then names them, with their shapes.
pub fn start_from(model: &mut Network, paths: &[impl AsRef<Path>], without: &[String], bands: &[&str]) -> Result<()> {
    let own = parameters_of(model)?;
    let left_out = |name: &String| without.iter().any(|beginning| name.starts_with(beginning.as_str()));
    let files = paths.iter().map(|path| {
        let path = path.as_ref();
        let stored =
            fitting(path, &own, bands).with_context(|| format!("model.start_from: cannot read {}", path.display()))?;
        for beginning in without {
            ensure!(
                Recipe,
                own.keys()
                    .chain(stored.keys())
                    .any(|name| name.starts_with(beginning.as_str())),
                "model.start_without: no parameter begins with {beginning}"
            );
        }
        refuse_misfits(path, &misfits(&own, &stored, left_out))?;
        Ok(stored.into_iter().filter(|(name, _)| !left_out(name)).collect())
    });
    let taken = mean(files.collect::<Result<_>>()?)?;
    let kept = own.iter().filter(|(name, _)| left_out(name));
    let kept = kept.map(|(name, data)| (name.clone(), data.clone()));
    apply_parameters(model, &taken.into_iter().chain(kept).collect())?;
    Ok(())
}

/// The parameters in a file, with those of the input's channels in the order of `bands`.
fn fitting(path: &Path, own: &Parameters, bands: &[&str]) -> Result<Parameters> {
    let mut stored = read_parameters(path)?;
    if let Some(stored_bands) = bands_of(path)?.filter(|stored| stored != bands) {
        for (name, data) in &mut stored {
            let moved = own
                .get(name)
                .filter(|_| reads_image(name))
                .and_then(|own| move_channels(data, own, &stored_bands, bands));
            if let Some(moved) = moved {
                *data = moved;
            }
        }
    }
    Ok(stored)
}

fn refuse_misfits(path: &Path, misfits: &[String]) -> Result<()> {
    if misfits.is_empty() {
        return Ok(());
    }
    let listed = misfits.iter().take(LISTED).cloned().collect::<Vec<_>>().join("; ");
    let more = match misfits.len().saturating_sub(LISTED) {
        0 => String::new(),
        count => format!("; and {count} more"),
    };
    Err(failure!(
        Recipe,
        "model.start_from: the weights in {} do not fit this network: {listed}{more}. List what should stay random in \
         model.start_without, such as [\"heads.\", \"pixel.\"]",
        path.display()
    ))
}

/// The mean of each parameter. All files have the same ones, in the same shapes.
fn mean(files: Vec<Parameters>) -> Result<Parameters> {
    let count = files.len() as f32;
    let floats = |name: &str, data: &TensorData| {
        data.try_to_vec::<f32>()
            .map_err(|error| failure!(Recipe, "model.start_from: {name}: {error}"))
    };
    let mut files = files.into_iter();
    let mut sums = files.next().unwrap_or_default();
    for file in files {
        for (name, sum) in &mut sums {
            let terms = floats(name, sum)?.into_iter().zip(floats(name, &file[name])?);
            *sum = TensorData::new(terms.map(|(a, b)| a + b).collect(), sum.shape().clone());
        }
    }
    if count > 1.0 {
        for (name, sum) in &mut sums {
            let mean = floats(name, sum)?.into_iter().map(|sum| sum / count).collect();
            *sum = TensorData::new(mean, sum.shape().clone());
        }
    }
    Ok(sums)
}

/// Says in words why `stored` cannot be the parameters of a network that has `own`.
fn misfits(own: &Parameters, stored: &Parameters, left_out: impl Fn(&String) -> bool) -> Vec<String> {
    let of_network = own.iter().filter_map(|(name, data)| match stored.get(name) {
        None => Some((name, format!("{name} is missing from the file"))),
        Some(found) if found.shape() != data.shape() => {
            let (theirs, ours) = (&found.shape()[..], &data.shape()[..]);
            Some((
                name,
                format!("{name} is {theirs:?} in the file and {ours:?} in the network"),
            ))
        }
        Some(_) => None,
    });
    let of_file = stored.keys().filter(|name| !own.contains_key(*name));
    let of_file = of_file.map(|name| (name, format!("{name} has no place in the network")));
    let all = of_network.chain(of_file);
    all.filter(|(name, _)| !left_out(name))
        .map(|(_, misfit)| misfit)
        .collect()
}

/// Names of the input channels of the network in a file, if its card is known: that of a weights file, or the one beside a run's weights.
fn bands_of(path: &Path) -> Result<Option<Vec<String>>> {
    let card = if path.extension().is_some_and(|extension| extension == WEIGHTS_FILE) {
        ModelFile::from_bytes(&std::fs::read(path)?)?.card
    } else {
        let card = path.with_file_name(CARD);
        if !card.is_file() {
            return Ok(None);
        }
        Card::from_stac(&serde_json::from_slice(&std::fs::read(card)?)?)?
    };
    Ok(Some(card.bands.into_iter().map(|band| band.name).collect()))
}

/// The weights of a convolution of the input, `[to, bands, h, w]`, for the bands of another network whose weights have the shape of `own`; `None`
/// if these are not such weights.
fn move_channels(stored: &TensorData, own: &TensorData, from: &[String], to: &[&str]) -> Option<TensorData> {
    let [out, channels, height, width] = <[usize; 4]>::try_from(&stored.shape()[..]).ok()?;
    if channels != from.len() || own.shape()[..] != [out, to.len(), height, width] {
        return None;
    }
    let values = stored.try_to_vec::<f32>().ok()?;
    let kernel = height * width;
    let mut moved = vec![0.0; out * to.len() * kernel];
    let rows = moved.chunks_exact_mut(to.len() * kernel);
    for (row, weights) in rows.zip(values.chunks_exact(channels * kernel)) {
        for (plane, name) in row.chunks_exact_mut(kernel).zip(to) {
            if let Some(at) = from.iter().position(|from| from == name) {
                plane.copy_from_slice(&weights[at * kernel..(at + 1) * kernel]);
            }
        }
    }
    Some(TensorData::new(moved, [out, to.len(), height, width]))
}

/// All parameters in a file, by the names that a weights file has.
fn read_parameters(path: &Path) -> Result<Parameters> {
    if path.extension().is_some_and(|extension| extension == WEIGHTS_FILE) {
        let file = ModelFile::from_bytes(&std::fs::read(path)?)?;
        return Ok(file.parameters().clone());
    }
    ensure!(Recipe, path.is_file(), "there is no such file");
    let mut store = BurnpackStore::from_file(path);
    let tensors = store.get_all_tensors().map_err(|error| failure!(Recipe, "{error}"))?;
    let named = tensors.iter().filter(|(name, _)| !name.ends_with(".training"));
    let named = named.map(|(name, tensor)| {
        let data = bridge::into_data(tensor.clone()).map_err(|error| failure!(Recipe, "{name}: {error}"))?;
        Ok((bare(name).to_owned(), data))
    });
    named.collect()
}

/// A run's parameter names begin with the family, the only part of a name in capitals.
fn bare(name: &str) -> &str {
    match name.split_once('.') {
        Some((family, rest)) if family.starts_with(|first: char| first.is_ascii_uppercase()) => rest,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::save_module;
    use burn::tensor::Device;
    use raremap_model::{Architecture, UNetConfig};

    fn network(classes: usize, channels: [usize; 2]) -> Network {
        let config = UNetConfig {
            channels: channels.to_vec(),
            ..UNetConfig::new(2, classes, 1)
        };
        Architecture::from(config).init(&Device::flex().autodiff())
    }

    fn error(model: &mut Network, path: &Path, without: &[&str]) -> String {
        let without: Vec<String> = without.iter().map(|&beginning| beginning.to_owned()).collect();
        format!("{:#}", start_from(model, &[path], &without, &[]).expect_err("refused"))
    }

    #[test]
    fn a_run_starts_from_another_runs_weights() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("best.bpk");
        let first = network(3, [4, 8]);
        save_module(&first, &path).expect("writes");
        let mut second = network(3, [4, 8]);
        start_from(&mut second, &[&path], &[], &[]).expect("the same network");
        let (first, second) = (
            parameters_of(&first).expect("readable"),
            parameters_of(&second).expect("readable"),
        );
        assert_eq!(first, second);
        assert!(first.len() > 20, "{} parameters", first.len());
    }

    #[test]
    fn parameters_that_do_not_fit_are_named_with_their_shapes_and_can_be_left_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("best.bpk");
        let three = network(3, [4, 8]);
        save_module(&three, &path).expect("writes");
        let mut five = network(5, [4, 8]);
        let found = error(&mut five, &path, &[]);
        assert!(
            found.contains("heads.classifier.weight is [3, 4, 1, 1] in the file and [5, 4, 1, 1]"),
            "{found}"
        );
        assert!(!found.contains("encoder"), "{found}");
        let before = parameters_of(&five).expect("readable");
        start_from(&mut five, &[&path], &["heads.".to_owned()], &[]).expect("the rest fits");
        let (after, three) = (
            parameters_of(&five).expect("readable"),
            parameters_of(&three).expect("readable"),
        );
        let weight = "encoder.0.first.conv.weight";
        assert_eq!(after[weight], three[weight]);
        assert_eq!(after["heads.classifier.weight"], before["heads.classifier.weight"]);
        let typo = error(&mut five, &path, &["head_"]);
        assert!(typo.contains("head_"), "{typo}");
        let wide = error(&mut network(3, [6, 8]), &path, &[]);
        assert!(wide.contains("more") && wide.contains("start_without"), "{wide}");
    }

    #[test]
    fn of_several_files_it_takes_the_mean() {
        let dir = tempfile::tempdir().expect("a folder");
        let paths = ["a.bpk", "b.bpk"].map(|name| dir.path().join(name));
        let networks = [network(3, [4, 8]), network(3, [4, 8])];
        for (network, path) in networks.iter().zip(&paths) {
            save_module(network, path).expect("writes");
        }
        let mut mean = network(3, [4, 8]);
        start_from(&mut mean, &paths, &[], &[]).expect("the same network");
        let values = |network: &Network| {
            parameters_of(network).expect("readable")["encoder.0.first.conv.weight"]
                .try_to_vec::<f32>()
                .expect("floats")
        };
        let [first, second] = networks.each_ref().map(values);
        assert_ne!(first, second);
        let expected: Vec<f32> = first.iter().zip(&second).map(|(a, b)| (a + b) / 2.0).collect();
        assert_eq!(values(&mean), expected);
        save_module(&network(5, [4, 8]), &paths[1]).expect("writes");
        let refused = start_from(&mut mean, &paths, &[], &[]).expect_err("another network");
        assert!(format!("{refused:#}").contains("b.bpk do not fit"), "{refused:#}");
        let twice = [&paths[0], &paths[0]];
        start_from(&mut mean, &twice, &[], &[]).expect("the same network");
        assert_eq!(values(&mean), first);
    }

    #[test]
    fn a_published_model_can_be_tuned_further() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/models/default.raremap");
        let file = ModelFile::from_bytes(&std::fs::read(&path).expect("the default model")).expect("valid");
        let device = Device::flex().autodiff();
        let mut network = file.card.architecture.init(&device);
        let bands: Vec<&str> = file.card.bands.iter().map(|band| band.name.as_str()).collect();
        start_from(&mut network, &[&path], &[], &bands).expect("its own architecture");
        assert_eq!(&parameters_of(&network).expect("readable"), file.parameters());
        let loss = network
            .forward(burn::tensor::Tensor::ones([1, bands.len(), 32, 32], &device))
            .main
            .mean();
        let gradients = burn::optim::GradientsParams::from_grads(loss.backward(), &network);
        assert!(!gradients.is_empty(), "loaded parameters are trained");
    }

    #[test]
    fn a_network_with_more_bands_starts_as_the_one_that_was_stored() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/models/default.raremap");
        let file = ModelFile::from_bytes(&std::fs::read(&path).expect("the default model")).expect("valid");
        let Architecture::Segformer(mut config) = file.card.architecture.clone() else {
            panic!("the default model is a SegFormer");
        };
        let known: Vec<&str> = file.card.bands.iter().map(|band| band.name.as_str()).collect();
        // Two more, in other places.
        let more = [&["coastal"][..], &known[1..], &["swir2"], &known[..1]].concat();
        config.in_channels = more.len();
        let device = Device::flex().autodiff();
        let mut network = Architecture::from(config).init(&device);
        start_from(&mut network, &[&path], &[], &more).expect("moved");
        let mut stored = file.card.architecture.init(&device);
        start_from(&mut stored, &[&path], &[], &known).expect("its own architecture");
        let logits = |network: &Network, bands: &[&str]| {
            let values = |name: &&str| {
                let seed = name.bytes().map(f32::from).sum::<f32>();
                (0..32 * 32).map(move |at| (at as f32 * 0.37 + seed).sin())
            };
            let data: Vec<f32> = bands.iter().flat_map(values).collect();
            let data = TensorData::new(data, [1, bands.len(), 32, 32]);
            let main = network
                .forward(burn::tensor::Tensor::<4>::from_data(data, &device))
                .main;
            main.into_data().try_to_vec::<f32>().expect("floats")
        };
        let (one, other) = (logits(&stored, &known), logits(&network, &more));
        let differences = one.iter().zip(&other).map(|(one, other)| (one - other).abs());
        let largest = differences.fold(0.0, f32::max);
        assert!(largest < 1e-4, "{largest}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let mut network = network(3, [4, 8]);
        for name in ["nowhere.bpk", "nowhere.raremap"] {
            let found = error(&mut network, Path::new(name), &[]);
            assert!(found.contains(name), "{found}");
        }
    }
}
