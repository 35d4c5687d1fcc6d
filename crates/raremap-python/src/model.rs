//! A weights file that is ready to run.

use std::ops::{ControlFlow, Range};
use std::path::PathBuf;

use numpy::ndarray::{Array2, Array3};
use numpy::{IntoPyArray, PyArray2, PyArray3};
use pollster::block_on;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use raremap_device::Backend;
use raremap_files::FilesError;
use raremap_geo::{pixel_areas, pixel_metres};
use raremap_infer::{
    BandClues, BandGuess, Certainty, InferError, Matching, RunOptions, SceneLogits, TilePlan, View, card_for_bands,
    card_for_scene, compare_statistics, guess_bands, guess_scene_bands, match_statistics, parse_bands, prepare_run,
    preview_for_statistics, run_plan, run_scene,
};
use raremap_model::Card;
use serde_json::json;

use crate::array::{ArrayScene, Borrowed};
use crate::error::{Failure, misuse};
use crate::options::{FileOptions, Place, decide, georeference, match_mode, tiling};
use crate::saliency::mark;
use crate::watch::Watch;

/// More bytes of logits than this go to a temporary file.
const MAX_LOGITS_BYTES: u64 = 128 << 20;
/// Longer side of the preview that statistics are taken from.
const PREVIEW_PX: usize = 512;

/// Width in metres of the middle pixel of a scene, if its place says it.
#[pyfunction]
#[pyo3(signature = (height, width, place=None))]
pub(crate) fn ground_resolution_m(height: u32, width: u32, place: Option<Place>) -> Option<f64> {
    let areas = pixel_areas(place.and_then(georeference).as_ref(), [height, width]);
    areas
        .pixel_ha(height as usize / 2, width as usize / 2)
        .map(pixel_metres)
}

/// A weights file that was verified, and whose golden tile this device computes.
#[pyclass(frozen, module = "raremap._native")]
pub(crate) struct Model {
    bytes: Vec<u8>,
    // In a box: a network's memory is aligned for vectors, an object of Python's is not.
    pub(crate) model: Box<raremap_files::Model>,
}

/// Scale and offset of each band, and whether the values are those of a picture.
type Matched = (Vec<[f32; 2]>, bool);

/// First row, first column and step of the pixels from which statistics of a scene are taken.
#[pyfunction]
pub(crate) fn preview_steps(height: usize, width: usize) -> PyResult<[usize; 3]> {
    if height == 0 || width == 0 {
        return Err(misuse("the scene has no pixels"));
    }
    Ok(crate::array::preview_steps([height, width], PREVIEW_PX))
}

/// Maps of some pixels.
struct Maps {
    mask: Array2<u8>,
    probability: Array3<f32>,
    saliency: Array2<f32>,
}

type PyMaps<'py> = (
    Bound<'py, PyArray2<u8>>,
    Bound<'py, PyArray3<f32>>,
    Bound<'py, PyArray2<f32>>,
);

impl Maps {
    fn into_py(self, py: Python<'_>) -> PyMaps<'_> {
        (
            self.mask.into_pyarray(py),
            self.probability.into_pyarray(py),
            self.saliency.into_pyarray(py),
        )
    }
}

#[pymethods]
impl Model {
    /// Reads a weights file.
    #[staticmethod]
    fn read(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let model = py.detach(|| {
            let bytes = std::fs::read(&path).map_err(|source| FilesError::CannotRead {
                path: path.clone(),
                source,
            })?;
            Self::verified(bytes, path)
        });
        Ok(model?)
    }

    /// Makes a model of the bytes of a weights file; messages call it `path`.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: Vec<u8>, path: PathBuf) -> PyResult<Self> {
        Ok(py.detach(|| Self::verified(bytes, path))?)
    }

    #[getter]
    fn weights<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.bytes)
    }

    #[getter]
    fn path(&self) -> PathBuf {
        self.model.path().to_owned()
    }

    #[getter]
    fn sha256(&self) -> &str {
        self.model.sha256()
    }

    /// The card as a STAC Item, as JSON.
    #[getter]
    fn card(&self) -> String {
        self.card_of().to_stac().to_string()
    }

    /// Value, name and colour of each class.
    #[getter]
    fn classes(&self) -> Vec<(u8, String, [u8; 3])> {
        let classes = self.card_of().classes.iter();
        classes
            .map(|class| (class.value, class.name.clone(), class.color))
            .collect()
    }

    #[getter]
    fn rare_classes(&self) -> Vec<String> {
        self.card_of().rare_classes.clone()
    }

    /// Names of the bands that a scene must have.
    #[getter]
    fn required_bands(&self) -> Vec<String> {
        self.card_of().required_bands().into_iter().map(str::to_owned).collect()
    }

    /// Names of the bands that are used where a scene has them.
    #[getter]
    fn optional_bands(&self) -> Vec<String> {
        self.card_of().optional_bands().into_iter().map(str::to_owned).collect()
    }

    /// Maps an array. Returns the maps, the marks of top-k, and a report as JSON.
    #[pyo3(signature = (
        array, *, names=None, bands=None, nodata=None, place=None, threshold=0.5, rare=None, top_k=20.0, matching="auto",
        tile=None, overlap=None, progress=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn segment<'py>(
        &self,
        py: Python<'py>,
        array: &Bound<'py, PyAny>,
        names: Option<Vec<Option<String>>>,
        bands: Option<String>,
        nodata: Option<f64>,
        place: Option<Place>,
        threshold: f32,
        rare: Option<Vec<String>>,
        top_k: f32,
        matching: &str,
        tile: Option<usize>,
        overlap: Option<usize>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(PyMaps<'py>, Bound<'py, PyArray2<u8>>, String)> {
        let card = self.card_of();
        let borrowed = Borrowed::new(array)?;
        let scene = ArrayScene::new(borrowed.values(), names, nodata, place.and_then(georeference))?;
        let options = decide(card, threshold, rare, top_k)?;
        let tiling = tiling(card, tile, overlap);
        let matching = match_mode(matching)?;
        let (maps, top_k, report) = py.detach(|| -> Result<_, Failure> {
            let mut watch = Watch::new(progress.as_ref());
            let (card, assignment, bands) = assign(&scene, card, bands.as_deref())?;
            let card = &card;
            let mut run = RunOptions {
                tiling,
                max_logit_bytes_in_memory: MAX_LOGITS_BYTES,
                ..RunOptions::new(bands)
            };
            let mut warnings = block_on(prepare_run(&scene, card, &mut run, matching, &assignment))?;
            let network = block_on(self.model.network())?;
            let logits = block_on(run_scene(&scene, network, card, &run, &mut watch));
            let mut logits = logits.map_err(|error| watch.why(error))?;
            watch.check()?;
            watch_rows(&mut logits, &watch);
            let [height, width] = logits.size();
            let mut mask = Vec::with_capacity(height * width);
            let summary = logits.decide_rows(&options, |_, row| {
                mask.extend_from_slice(row);
                Ok::<_, InferError>(())
            });
            let summary = summary.map_err(|error| watch.why(error))?;
            let view = View::whole([height, width]);
            let (probability, saliency) = auxiliary(&logits, &view).map_err(|error| watch.why(error))?;
            let maps = Maps {
                mask: shaped([height, width], mask)?,
                probability,
                saliency,
            };
            let top_k = maps.saliency.map(|saliency| mark(&summary.top_k, *saliency));
            warnings.extend(summary.one_class());
            let numbered: serde_json::Map<_, _> = card
                .scene_bands()
                .into_iter()
                .zip(&run.bands)
                .map(|(name, band)| (name.to_owned(), json!(band + 1)))
                .collect();
            let report = json!({
                "areas": summary.classes,
                "valid_pixels": summary.valid_pixels,
                "nodata_pixels": summary.nodata_pixels,
                "valid_hectares": summary.valid_hectares,
                "top_k": summary.top_k,
                "bands": numbered,
                "threshold": options.threshold,
                "rare": options.rare,
                "tile_px": run.tiling.tile_px,
                "overlap_px": run.tiling.overlap_px,
                "matched": run.matching,
                "warnings": warnings,
                "notices": run.notices(card),
            });
            Ok((maps, top_k, report))
        })?;
        Ok((maps.into_py(py), top_k.into_pyarray(py), report.to_string()))
    }

    /// Position of each of the model's bands among bands with these names, or as `bands` says; nothing for an optional band that is not there.
    #[pyo3(signature = (names, bands=None))]
    fn assign(&self, names: Vec<Option<String>>, bands: Option<&str>) -> PyResult<Vec<Option<usize>>> {
        let card = self.card_of();
        if let Some(bands) = bands {
            let files = vec![""; names.len()];
            return Ok(parse_bands(bands, &files, card).map_err(Failure::from)?);
        }
        let needed = card.required_bands();
        let clues = BandClues {
            names: &names,
            colors: &[],
            wavelengths_nm: &[],
            described: &[],
            alpha_is_data: false,
        };
        let guess = guess_bands(clues, &needed).map_err(Failure::from)?;
        let required = guess.complete(&needed).map_err(Failure::from)?;
        if guess.certainty == Certainty::Named {
            let optional = |name: &str| {
                let with = guess_bands(clues, &[needed.as_slice(), &[name]].concat()).ok();
                let with = with.filter(|with| with.certainty == Certainty::Named && with.extends(&guess))?;
                *with.bands.last()?
            };
            let band = |name: &str| match needed.iter().position(|needed| *needed == name) {
                Some(at) => required.get(at).copied(),
                None => optional(name),
            };
            return Ok(card.scene_bands().into_iter().map(band).collect());
        }
        Err(misuse(&format!(
            "{} The blocks of an array are not looked at to guess which band is which: say it with bands",
            guess.reason
        )))
    }

    /// Fails if the options do not fit the model.
    #[pyo3(signature = (*, threshold, rare, top_k, matching))]
    fn check_options(&self, threshold: f32, rare: Option<Vec<String>>, top_k: f32, matching: &str) -> PyResult<()> {
        match_mode(matching)?;
        decide(self.card_of(), threshold, rare, top_k).map(|_| ())
    }

    /// The pixels that a block of a scene is computed from: first and last row, first and last column, the last ones not included.
    #[pyo3(signature = (scene, block, tile=None, overlap=None))]
    fn block_window(
        &self,
        scene: [usize; 2],
        block: [usize; 4],
        tile: Option<usize>,
        overlap: Option<usize>,
    ) -> PyResult<[usize; 4]> {
        let plan = self.plan(scene, tile, overlap)?;
        let part = plan.part(ranges(block)).map_err(Failure::from)?;
        let [rows, columns] = part.pixels;
        Ok([rows.start, rows.end, columns.start, columns.end])
    }

    /// How values are made like those of training, from the pixels of [`preview_steps`]: scale and offset of each band that is there, and
    /// whether they are those of a picture; or nothing. Also what does not fit the training data, as JSON.
    #[pyo3(signature = (preview, *, bands, nodata=None, matching="auto"))]
    fn match_values(
        &self,
        py: Python<'_>,
        preview: &Bound<'_, PyAny>,
        bands: Vec<Option<usize>>,
        nodata: Option<f64>,
        matching: &str,
    ) -> PyResult<(Option<Matched>, String)> {
        let (card, bands) = &card_for_bands(self.card_of(), &bands).map_err(Failure::from)?;
        let borrowed = Borrowed::new(preview)?;
        let scene = ArrayScene::new(borrowed.values(), None, nodata, None)?;
        let mode = match_mode(matching)?;
        let found = py.detach(|| -> Result<_, Failure> {
            let mut preview = block_on(preview_for_statistics(&scene, bands))?;
            let matching = mode.and_then(|mode| match_statistics(&preview, card, mode));
            if let Some(matching) = &matching {
                matching.apply(&mut preview);
            }
            let warnings = json!(compare_statistics(&preview, card)).to_string();
            Ok((matching.map(|matching| (matching.bands, matching.is_picture)), warnings))
        });
        Ok(found?)
    }

    /// Maps a block of a scene of `[height, width]` from the pixels of [`Model::block_window`].
    #[pyo3(signature = (
        window, *, scene, block, bands, matched=None, ground_resolution_m=None, nodata=None, threshold=0.5, rare=None, tile=None, overlap=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn segment_block<'py>(
        &self,
        py: Python<'py>,
        window: &Bound<'py, PyAny>,
        scene: [usize; 2],
        block: [usize; 4],
        bands: Vec<Option<usize>>,
        matched: Option<Matched>,
        ground_resolution_m: Option<f64>,
        nodata: Option<f64>,
        threshold: f32,
        rare: Option<Vec<String>>,
        tile: Option<usize>,
        overlap: Option<usize>,
    ) -> PyResult<PyMaps<'py>> {
        let (card, bands) = card_for_bands(self.card_of(), &bands).map_err(Failure::from)?;
        let card = &card;
        let borrowed = Borrowed::new(window)?;
        let window = ArrayScene::new(borrowed.values(), None, nodata, None)?;
        let options = decide(card, threshold, rare, 0.0)?;
        let part = self
            .plan(scene, tile, overlap)?
            .part(ranges(block))
            .map_err(Failure::from)?;
        let matching = matched.map(|(bands, is_picture)| Matching {
            method: "units",
            is_picture,
            bands,
            message: String::new(),
        });
        let run = RunOptions {
            tiling: tiling(card, tile, overlap),
            max_logit_bytes_in_memory: MAX_LOGITS_BYTES,
            matching,
            ground_resolution_m,
            ..RunOptions::new(bands)
        };
        let [rows, columns] = ranges(block);
        let view = View {
            x: columns.start - part.pixels[1].start,
            y: rows.start - part.pixels[0].start,
            width: columns.len(),
            height: rows.len(),
            step: 1,
        };
        let maps = py.detach(|| -> Result<_, Failure> {
            let mut watch = Watch::new(None);
            let network = block_on(self.model.network())?;
            let logits = block_on(run_plan(&window, &part.plan, network, card, &run, &mut watch));
            let mut logits = logits.map_err(|error| watch.why(error))?;
            watch.check()?;
            watch_rows(&mut logits, &watch);
            let mask = logits.mask(&options, &view).map_err(|error| watch.why(error))?;
            let (probability, saliency) = auxiliary(&logits, &view).map_err(|error| watch.why(error))?;
            Ok(Maps {
                mask: shaped([view.height, view.width], mask)?,
                probability,
                saliency,
            })
        });
        Ok(maps?.into_py(py))
    }

    /// Maps the files of a scene into the files of a folder. Returns `summary.json`.
    #[pyo3(signature = (inputs, out, options, progress=None))]
    fn segment_file(
        &self,
        py: Python<'_>,
        inputs: Vec<PathBuf>,
        out: PathBuf,
        options: FileOptions,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        if inputs.is_empty() {
            return Err(misuse("there is no file to map"));
        }
        let options = options.predict(self.card_of())?;
        let summary = py.detach(|| -> Result<_, Failure> {
            let mut watch = Watch::new(progress.as_ref());
            match raremap_files::predict(&self.model, &inputs, &out, &options, &mut watch) {
                Ok(done) => Ok(done.summary),
                Err(error) => Err(watch.why(error)),
            }
        });
        Ok(summary?)
    }

    fn __repr__(&self) -> String {
        format!("<raremap model {}, sha256 {}>", self.card_of().name, self.sha256())
    }
}

impl Model {
    fn verified(bytes: Vec<u8>, path: PathBuf) -> Result<Self, Failure> {
        let model = raremap_files::Model::from_bytes(&bytes, &path, Backend::Cpu)?;
        block_on(model.network())?;
        Ok(Self {
            bytes,
            model: Box::new(model),
        })
    }

    fn card_of(&self) -> &Card {
        self.model.card()
    }

    fn plan(&self, scene: [usize; 2], tile: Option<usize>, overlap: Option<usize>) -> Result<TilePlan, Failure> {
        let card = self.card_of();
        Ok(TilePlan::new(
            scene,
            tiling(card, tile, overlap),
            card.architecture.cell_px(),
        )?)
    }
}

/// Which band is which: as the caller says, or as the names and values say.
/// The card is that of the scene.
fn assign(scene: &ArrayScene<'_>, card: &Card, bands: Option<&str>) -> Result<(Card, BandGuess, Vec<usize>), Failure> {
    use raremap_scene::Scene;
    if let Some(bands) = bands {
        let files = vec![""; scene.scene_info().band_count()];
        let (card, bands) = card_for_bands(card, &parse_bands(bands, &files, card)?)?;
        let guess = BandGuess::assigned(bands.clone(), "The bands were assigned by the caller.");
        return Ok((card, guess, bands));
    }
    let card = block_on(card_for_scene(scene, card))?;
    let needed = card.scene_bands();
    let guess = block_on(guess_scene_bands(scene, &needed))?;
    let bands = guess.complete(&needed)?;
    Ok((card, guess, bands))
}

/// Ends a pass over the rows when somebody presses Ctrl-C.
fn watch_rows(logits: &mut SceneLogits, watch: &Watch<'_>) {
    let stopped = watch.stopped();
    logits.watch(Box::new(move |_, _| match stopped() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }));
}

/// Probabilities of the rare classes, `[class, y, x]`, and of any of them, `[y, x]`.
fn auxiliary(logits: &SceneLogits, view: &View) -> Result<(Array3<f32>, Array2<f32>), InferError> {
    let [height, width] = [view.height, view.width];
    let rare = logits.rare_class_indices().len();
    let mut probability = vec![0.0; rare * height * width];
    for (class, plane) in probability.chunks_exact_mut(height * width).enumerate() {
        let mut rows = logits.auxiliary_rows(view)?;
        for (y, row) in view.rows().zip(plane.chunks_exact_mut(width)) {
            rows.read_probability(class, y, row)?;
        }
    }
    let saliency = logits.saliency(view)?;
    let probability = Array3::from_shape_vec([rare, height, width], probability);
    let probability = probability.map_err(|error| InferError::Misuse(error.to_string()))?;
    Ok((probability, shaped([height, width], saliency)?))
}

fn shaped<T>(size: [usize; 2], values: Vec<T>) -> Result<Array2<T>, InferError> {
    Array2::from_shape_vec(size, values).map_err(|error| InferError::Misuse(error.to_string()))
}

/// Rows and columns of a block.
fn ranges([top, bottom, left, right]: [usize; 4]) -> [Range<usize>; 2] {
    [top..bottom, left..right]
}
