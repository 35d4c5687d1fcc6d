//! The weights file: card, tensors, golden tile and digest in one safetensors file.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::store::burn_pack::Tensor as PackTensor;
use burn::store::{ModuleSnapshot, bridge};
use burn::tensor::{Device, TensorData};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::card::{BandSource, Card};
use crate::error::WeightsError;
use crate::network::{InferenceNetwork, Network};
use crate::quantize::{Storage, dequantize, quantize, storage_of};

/// Formats that this code reads and writes. The second has channels that tell what is known about a scene ([`BandSource::Presence`],
/// [`BandSource::Trait`]), which older versions would take for bands; files without them have the first format, which older versions can read.
pub const FORMATS: [&str; 2] = ["raremap/1", "raremap/2"];
/// Longest header that is accepted: a card has a few kilobytes, and the tensor table of B5 some 200.
pub const MAX_HEADER_BYTES: usize = 4 << 20;

const LENGTH_BYTES: usize = 8;
const DIGEST_DIGITS: usize = 64;
const SCALE_SUFFIX: &str = ".scale";
const GOLDEN_PREFIX: &str = "golden.";
/// Parameters are named without the name of their network's family, which the card states.
const BARE_NAMES: bool = true;

/// An input, and the logits that the network must give for it wherever it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenTile {
    /// `[1, in_channels, h, w]`, normalized.
    pub input: TensorData,
    /// `[1, num_classes, h / cell_px, w / cell_px]`
    pub main: TensorData,
    /// `[1, num_rare, h / cell_px, w / cell_px]`
    pub auxiliary: TensorData,
}

/// A weights file that was read and verified, or is about to be written.
#[derive(Debug, Clone)]
pub struct ModelFile {
    /// What the network is and where it comes from.
    pub card: Card,
    /// Input and expected logits.
    pub golden: GoldenTile,
    /// Parameters by our names, dequantized.
    parameters: BTreeMap<String, TensorData>,
    /// Digest of the file, 64 hexadecimal digits; empty until written.
    pub sha256: String,
}

/// One tensor on disk.
struct Stored {
    dtype: &'static str,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    fn f32(values: &[f32], shape: &[usize]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self {
            dtype: "F32",
            shape: shape.to_vec(),
            bytes,
        }
    }

    fn data(data: &TensorData) -> Result<Self, WeightsError> {
        Ok(Self::f32(&floats(data)?, data.shape()))
    }
}

fn floats(data: &TensorData) -> Result<Vec<f32>, WeightsError> {
    data.try_to_vec::<f32>()
        .map_err(|error| WeightsError::Misuse(error.to_string()))
}

/// Every parameter of `model` by name, on the host.
///
/// # Errors
/// [`WeightsError::Misuse`] if a tensor cannot be read back from its device.
pub fn parameters_of<M: Module>(model: &M) -> Result<BTreeMap<String, TensorData>, WeightsError> {
    let tensors = model.collect(None, None, BARE_NAMES).into_iter();
    let named = tensors.map(|tensor| {
        let name = tensor.name.clone();
        bridge::into_data(tensor)
            .map(|data| (name, data))
            .map_err(|error| WeightsError::Misuse(error.to_string()))
    });
    // `training` flags are state of the trainer, not weights.
    named
        .filter(|entry| !matches!(entry, Ok((name, _)) if name.ends_with(".training")))
        .collect()
}

/// Puts `parameters` into `model`; all of its parameters must be there.
///
/// # Errors
/// [`WeightsError::Mismatch`], which names the first that is missing, left over or of another shape.
pub fn apply_parameters<M: Module>(
    model: &mut M,
    parameters: &BTreeMap<String, TensorData>,
) -> Result<(), WeightsError> {
    let tensors: Vec<PackTensor> = parameters
        .iter()
        .map(|(name, data)| bridge::from_data(data.clone(), name.clone(), None))
        .collect();
    let result = model.apply(tensors, None, None, BARE_NAMES);
    let trouble = result
        .errors
        .first()
        .map(ToString::to_string)
        .or_else(|| {
            let mut missing = result.missing.iter().filter(|(name, _)| !name.ends_with(".training"));
            missing.next().map(|(name, _)| format!("{name} is missing"))
        })
        .or_else(|| {
            result
                .unused
                .first()
                .map(|name| format!("{name} has no place in the network"))
        });
    trouble.map_or(Ok(()), |message| Err(WeightsError::Mismatch(message)))
}

impl ModelFile {
    /// Makes a file for `model` with exact parameters; reading [`ModelFile::to_bytes`] back gives those that are shipped. The caller fills
    /// in the golden tile's logits from [`ModelFile::build`].
    ///
    /// # Errors
    /// [`WeightsError::Misuse`] if a tensor cannot be read back from its device.
    pub fn from_model(model: &Network, card: Card, golden: GoldenTile) -> Result<Self, WeightsError> {
        Ok(Self {
            card,
            golden,
            parameters: parameters_of(model)?,
            sha256: String::new(),
        })
    }

    /// Parses and verifies a whole file.
    ///
    /// # Errors
    /// [`WeightsError`], which says whether the bytes are not a weights file, are cut short, were altered, or have another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        let header = header_of(bytes)?;
        let (card, stated) = card_and_digest(header)?;
        check_length(bytes, header)?;
        let found = digest(bytes, &stated);
        if found != stated {
            return Err(WeightsError::Altered { stated, found });
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| WeightsError::Malformed(error.to_string()))?;
        for (name, view) in tensors.iter() {
            // An axis of 0 hides from safetensors that the others overflow, and code that computes with them does not expect that.
            let axes = view.shape().iter().filter(|&&axis| axis > 0);
            if axes.copied().try_fold(1usize, usize::checked_mul).is_none() {
                return Err(WeightsError::Malformed(format!("{name} has an impossible shape")));
            }
        }
        let float = |name: &str| {
            let view = tensors
                .tensor(name)
                .map_err(|_| WeightsError::Malformed(format!("{name} is missing")))?;
            if view.dtype() != Dtype::F32 {
                return Err(WeightsError::Unsupported(format!(
                    "{name} is stored as {:?}",
                    view.dtype()
                )));
            }
            let values = view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            Ok(TensorData::new(values.collect::<Vec<f32>>(), view.shape().to_vec()))
        };
        let golden = GoldenTile {
            input: float("golden.input")?,
            main: float("golden.main")?,
            auxiliary: float("golden.auxiliary")?,
        };
        let mut parameters = BTreeMap::new();
        for (name, view) in tensors.iter() {
            if name.starts_with(GOLDEN_PREFIX) || name.ends_with(SCALE_SUFFIX) {
                continue;
            }
            let data = match (view.dtype(), storage_of(name, view.shape())) {
                (Dtype::I8, Storage::Int8 { axis }) => {
                    let scales = floats(&float(&format!("{name}{SCALE_SUFFIX}"))?)?;
                    if scales.len() != view.shape()[axis] {
                        return Err(WeightsError::Malformed(format!("{name} has {} scales", scales.len())));
                    }
                    let values: Vec<i8> = view.data().iter().map(|&b| i8::from_le_bytes([b])).collect();
                    TensorData::new(dequantize(&values, &scales, view.shape(), axis), view.shape().to_vec())
                }
                _ => float(name)?,
            };
            parameters.insert(name.to_owned(), data);
        }
        let file = Self {
            card,
            golden,
            parameters,
            sha256: found,
        };
        file.check_golden_shapes()?;
        Ok(file)
    }

    fn check_golden_shapes(&self) -> Result<(), WeightsError> {
        let arch = &self.card.architecture;
        let shapes = [
            self.golden.input.shape(),
            self.golden.main.shape(),
            self.golden.auxiliary.shape(),
        ];
        let [_, _, height, width] = <[usize; 4]>::try_from(shapes[0].to_vec())
            .map_err(|_| WeightsError::Malformed("golden.input must have four axes".into()))?;
        let whole = height.min(width) > 0 && height % 32 == 0 && width % 32 == 0 && height.max(width) <= 1024;
        let expected = [
            vec![1, arch.in_channels(), height, width],
            vec![1, arch.num_classes(), height / arch.cell_px(), width / arch.cell_px()],
            vec![1, arch.num_rare(), height / arch.cell_px(), width / arch.cell_px()],
        ];
        if !whole || shapes.iter().zip(&expected).any(|(a, b)| a[..] != b[..]) {
            return Err(WeightsError::Mismatch(
                "the golden tile's shapes do not fit the network".into(),
            ));
        }
        Ok(())
    }

    /// Parameters by name, dequantized.
    pub const fn parameters(&self) -> &BTreeMap<String, TensorData> {
        &self.parameters
    }

    /// The file's bytes, with weights as int8 if `int8` is true, otherwise as they are. It changes nothing; the digest is in the bytes.
    ///
    /// # Errors
    /// [`WeightsError::Misuse`] if a parameter is not float, or the card does not serialize.
    pub fn to_bytes(&self, int8: bool) -> Result<Vec<u8>, WeightsError> {
        let mut stored = BTreeMap::new();
        for (name, data) in &self.parameters {
            let values = floats(data)?;
            match storage_of(name, data.shape()) {
                Storage::Int8 { axis } if int8 => {
                    let (quantized, scales) = quantize(&values, data.shape(), axis);
                    let bytes = quantized.iter().map(|value| value.to_le_bytes()[0]).collect();
                    stored.insert(
                        name.clone(),
                        Stored {
                            dtype: "I8",
                            shape: data.shape().to_vec(),
                            bytes,
                        },
                    );
                    stored.insert(format!("{name}{SCALE_SUFFIX}"), Stored::f32(&scales, &[scales.len()]));
                }
                _ => {
                    stored.insert(name.clone(), Stored::f32(&values, data.shape()));
                }
            }
        }
        for (name, data) in [
            ("golden.input", &self.golden.input),
            ("golden.main", &self.golden.main),
            ("golden.auxiliary", &self.golden.auxiliary),
        ] {
            stored.insert(name.to_owned(), Stored::data(data)?);
        }
        encode(&self.card, stored)
    }

    /// The network, ready to run on `device`.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] if the tensors do not fit the card's architecture.
    pub fn build(&self, device: &Device) -> Result<InferenceNetwork, WeightsError> {
        self.build_unfolded(device).map(Network::fold)
    }

    /// The network in the form in which it is trained, to continue from.
    ///
    /// # Errors
    /// As [`ModelFile::build`].
    pub fn build_unfolded(&self, device: &Device) -> Result<Network, WeightsError> {
        let mut model = self.card.architecture.init(device);
        apply_parameters(&mut model, &self.parameters)?;
        Ok(model)
    }
}

/// Reads the card from the first bytes of a file, as a range request would fetch them.
///
/// # Errors
/// [`WeightsError::Truncated`] if `prefix` ends before the header does; its message says how many bytes are needed.
pub fn read_card(prefix: &[u8]) -> Result<Card, WeightsError> {
    card_and_digest(header_of(prefix)?).map(|(card, _)| card)
}

fn header_of(bytes: &[u8]) -> Result<&str, WeightsError> {
    let (length, rest) = bytes
        .split_first_chunk::<LENGTH_BYTES>()
        .ok_or_else(|| WeightsError::Truncated(format!("{} bytes are too few", bytes.len())))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > MAX_HEADER_BYTES {
        return Err(WeightsError::Malformed(
            "it does not begin with a header's length".into(),
        ));
    }
    let header = rest.get(..length).ok_or_else(|| {
        WeightsError::Truncated(format!(
            "the header takes {} bytes, but there are only {}",
            length + LENGTH_BYTES,
            bytes.len()
        ))
    })?;
    std::str::from_utf8(header).map_err(|_| WeightsError::Malformed("the header is not text".into()))
}

fn card_and_digest(header: &str) -> Result<(Card, String), WeightsError> {
    let header: Value =
        serde_json::from_str(header).map_err(|_| WeightsError::Malformed("the header is not JSON".into()))?;
    let metadata = &header["__metadata__"];
    let field = |name: &str| metadata[name].as_str();
    match field("format") {
        Some(format) if FORMATS.contains(&format) => {}
        Some(other) => {
            return Err(WeightsError::Unsupported(format!(
                "its format is {other}, but this version reads {}",
                FORMATS.join(" and ")
            )));
        }
        None => {
            return Err(WeightsError::Malformed(
                "it is a safetensors file without a raremap card".into(),
            ));
        }
    }
    let digest = field("sha256").filter(|digest| digest.len() == DIGEST_DIGITS && digest.is_ascii());
    let digest = digest.ok_or_else(|| WeightsError::Malformed("there is no sha256 in the header".into()))?;
    let card = field("card").ok_or_else(|| WeightsError::Malformed("there is no card in the header".into()))?;
    let card: Value = serde_json::from_str(card).map_err(|_| WeightsError::Malformed("the card is not JSON".into()))?;
    Ok((Card::from_stac(&card)?, digest.to_owned()))
}

/// The tensor table must end where the file ends. This is checked here, because "truncated" is what a user can act on.
fn check_length(bytes: &[u8], header: &str) -> Result<(), WeightsError> {
    let table: Map<String, Value> = serde_json::from_str(header).unwrap_or_default();
    let end = table
        .values()
        .filter_map(|entry| entry["data_offsets"][1].as_u64())
        .max()
        .unwrap_or(0);
    // A forged offset may have any size.
    let expected = ((LENGTH_BYTES + header.len()) as u64).saturating_add(end);
    match (bytes.len() as u64).cmp(&expected) {
        std::cmp::Ordering::Less => Err(WeightsError::Truncated(format!(
            "only {} of {expected} bytes are there",
            bytes.len()
        ))),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(WeightsError::Malformed(format!(
            "{} bytes follow the last tensor",
            bytes.len() as u64 - expected
        ))),
    }
}

/// sha256 of the file with the digest's own digits read as zeros.
fn digest(bytes: &[u8], stated: &str) -> String {
    let mut hasher = Sha256::new();
    let needle = stated.as_bytes();
    match bytes.windows(DIGEST_DIGITS).position(|window| window == needle) {
        Some(at) => {
            hasher.update(&bytes[..at]);
            hasher.update([b'0'; DIGEST_DIGITS]);
            hasher.update(&bytes[at + DIGEST_DIGITS..]);
        }
        None => hasher.update(bytes),
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn format_of(card: &Card) -> &'static str {
    let tells = |source: &BandSource| matches!(source, BandSource::Presence { .. } | BandSource::Trait(_));
    FORMATS[usize::from(card.bands.iter().any(|band| tells(&band.source)))]
}

fn encode(card: &Card, stored: BTreeMap<String, Stored>) -> Result<Vec<u8>, WeightsError> {
    let zeros = "0".repeat(DIGEST_DIGITS);
    let mut table = Map::new();
    let metadata = json!({ "format": format_of(card), "card": card.to_stac().to_string(), "sha256": zeros });
    table.insert("__metadata__".into(), metadata);
    let mut body = Vec::new();
    // safetensors wants no gaps; descending alignment keeps every f32 aligned without padding.
    let (floats, bytes): (Vec<_>, Vec<_>) = stored.into_iter().partition(|(_, tensor)| tensor.dtype == "F32");
    for (name, tensor) in floats.into_iter().chain(bytes) {
        let begin = body.len();
        body.extend_from_slice(&tensor.bytes);
        let entry = json!({ "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [begin, body.len()] });
        table.insert(name, entry);
    }
    let mut header = Value::Object(table).to_string();
    // the tensors begin at a multiple of 8
    header.push_str(&" ".repeat((8 - header.len() % 8) % 8));
    let mut file = Vec::with_capacity(LENGTH_BYTES + header.len() + body.len());
    file.extend_from_slice(&(header.len() as u64).to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&body);
    let sum = digest(&file, &zeros);
    let at = header
        .find(&zeros)
        .ok_or_else(|| WeightsError::Misuse("the header lost its digest".into()))?;
    let at = LENGTH_BYTES + at;
    file[at..at + DIGEST_DIGITS].copy_from_slice(sum.as_bytes());
    Ok(file)
}
