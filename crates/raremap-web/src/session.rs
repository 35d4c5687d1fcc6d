//! The session that the worker drives: a model on a device, a scene, a run and its result.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;

use js_sys::Float32Array;
use raremap_infer::{
    InferError, MatchMode, OpenOptions, SceneLogits, card_for_scene, guess_scene_bands, prepare_run, resampling,
    run_notes, run_scene,
};
use raremap_model::{BurnTileModel, Card, GoldenTile, ModelFile};
use raremap_output::{OutputOptions, Results, scale_color};
use raremap_scene::Scene as _;
use raremap_web_tiles::GoldenCheck;
use tsify::Ts;
use wasm_bindgen::prelude::*;
use web_sys::Blob;

use crate::error::SessionError;
use crate::export::{self, MadeFile};
use crate::hooks::{OnUnpacked, RunHooks, SessionHooks};
use crate::run::WorkerHooks;
use crate::scene::Scene;
use crate::scratch::ScratchPool;
use crate::source::SceneFiles;
use crate::tiles::{TileWorkers, checked_model};
use crate::types::{
    Areas, ComposeOptions, DecideOptions, LayerRequest, LayerValues, ModelCard, ModelInfo, OpenedScene, PackedModel,
    Picture, PreviewOptions, ResultFile, RunOptions, SceneLook, ScenePreview, SceneStatistics, SceneWindow, TileCount,
    from_js, to_js,
};

/// Colours of the legend's scale.
const SCALE_STEPS: usize = 64;

fn opening(empty_border: Option<bool>) -> OpenOptions {
    OpenOptions {
        empty_border: empty_border.unwrap_or(true),
        ..OpenOptions::default()
    }
}

/// A model that has passed its golden tile on the processor, and everything that is done with it. Tiles are computed by workers with a
/// [`TileRunner`](crate::tiles::TileRunner) each, where there are any.
///
/// Methods take `&self`, because the page may ask for other things while a run waits for its next tile.
#[wasm_bindgen]
pub struct Session {
    card: Card,
    model_sha256: String,
    model: BurnTileModel,
    golden: GoldenCheck,
    golden_tile: GoldenTile,
    scene: RefCell<Option<Rc<Scene>>>,
    /// Counts scenes, so that one that took longer to open than the next does not replace it.
    opened: Cell<u32>,
    result: RefCell<Option<Rc<Outcome>>>,
    pool: ScratchPool,
    hooks: SessionHooks,
}

/// The result of a run.
struct Outcome {
    logits: SceneLogits,
    /// How it was run.
    notes: Vec<(String, String)>,
}

#[wasm_bindgen]
impl Session {
    /// Reads a weights file and checks its golden tile.
    ///
    /// # Errors
    /// `golden_tile_differs` if the processor computes wrong numbers, `model_...` for a bad file.
    pub async fn create(model: Vec<u8>, hooks: SessionHooks) -> Result<Session, SessionError> {
        let file = ModelFile::from_bytes(&model)?;
        let (model, golden) = checked_model(&file).await?;
        Ok(Self {
            card: file.card,
            model_sha256: file.sha256,
            model,
            golden,
            golden_tile: file.golden,
            scene: RefCell::default(),
            opened: Cell::default(),
            result: RefCell::default(),
            pool: ScratchPool::new(hooks.clone()),
            hooks,
        })
    }

    /// The model, and the result of its golden tile.
    ///
    /// # Errors
    /// None in practice, because everything here can be written.
    pub fn info(&self) -> Result<Ts<ModelInfo>, SessionError> {
        let colors = (0..SCALE_STEPS).map(|step| scale_color(step as f32 / (SCALE_STEPS - 1) as f32));
        to_js(&ModelInfo {
            card: ModelCard::of(&self.card)?,
            sha256: self.model_sha256.clone(),
            golden: self.golden,
            scale: colors.collect(),
        })
    }

    /// The model as the module for graphics cards takes it; nothing if it cannot compute this one.
    ///
    /// # Errors
    /// `model_malformed` for a golden tile that has not four axes.
    pub fn packed(&self) -> Result<Option<Ts<PackedModel>>, SessionError> {
        let packed = self.model.packed(&self.golden_tile)?;
        packed.map(|packed| to_js(&PackedModel::from(packed))).transpose()
    }

    /// Opens files in place of the scene before: one, the bands of one product, or an archive of them. Unless `emptyBorder` is false, zeros
    /// in all bands along the edge of a scene that marks no pixels have no data.
    ///
    /// # Errors
    /// The codes of reading for what cannot be read, `too_few_bands`, and `superseded` if another scene was opened meanwhile.
    #[wasm_bindgen(js_name = openFiles)]
    pub async fn open_files(
        &self,
        paths: Vec<String>,
        files: Vec<Blob>,
        #[wasm_bindgen(js_name = onUnpacked)] on_unpacked: OnUnpacked,
        #[wasm_bindgen(js_name = emptyBorder)] empty_border: Option<bool>,
    ) -> Result<Ts<OpenedScene>, SessionError> {
        let number = self.close();
        let files = SceneFiles::local(paths, files)?;
        self.open(number, files, &on_unpacked, opening(empty_border)).await
    }

    /// Opens the file at an address as [`Session::open_files`] does, and reads it range by range.
    ///
    /// # Errors
    /// Those of [`Session::open_files`], and `http_...` for a server that does not provide parts of files.
    #[wasm_bindgen(js_name = openAddress)]
    pub async fn open_address(
        &self,
        url: String,
        name: String,
        #[wasm_bindgen(js_name = onUnpacked)] on_unpacked: OnUnpacked,
        #[wasm_bindgen(js_name = emptyBorder)] empty_border: Option<bool>,
    ) -> Result<Ts<OpenedScene>, SessionError> {
        let number = self.close();
        let files = SceneFiles::remote(&url, name).await?;
        self.open(number, files, &on_unpacked, opening(empty_border)).await
    }

    /// Ends the work on the previous scene and returns the number of the next one.
    fn close(&self) -> u32 {
        self.result.take();
        self.scene.take();
        let number = self.opened.get().wrapping_add(1);
        self.opened.set(number);
        number
    }

    async fn open(
        &self,
        number: u32,
        files: SceneFiles,
        on_unpacked: &OnUnpacked,
        options: OpenOptions,
    ) -> Result<Ts<OpenedScene>, SessionError> {
        let names = files.names();
        let (image, doubts) = files.open(&self.card, &self.pool, on_unpacked, options).await?;
        let fitted = card_for_scene(&image, &self.card).await?;
        let guess = guess_scene_bands(&image, &fitted.scene_bands()).await?;
        if self.opened.get() != number {
            return Err(SessionError::new("superseded", "another scene was opened meanwhile"));
        }
        let scene = Scene::new(names, image, doubts, fitted, guess);
        let told = scene.describe(&self.card);
        self.scene.replace(Some(Rc::new(scene)));
        to_js(&told)
    }

    /// The whole scene as a picture.
    ///
    /// # Errors
    /// The codes of reading for damaged data; `misuse` without a scene, or if a band that the model cannot do without is not assigned.
    pub async fn preview(&self, options: Ts<PreviewOptions>) -> Result<Ts<ScenePreview>, SessionError> {
        let options: PreviewOptions = from_js(options)?;
        to_js(&self.scene()?.preview(&self.card, &options).await?)
    }

    /// What the scene's values say, without a picture.
    ///
    /// # Errors
    /// As [`Session::preview`].
    pub async fn look(&self, options: Ts<PreviewOptions>) -> Result<Ts<SceneLook>, SessionError> {
        let options: PreviewOptions = from_js(options)?;
        to_js(&self.scene()?.look(&self.card, &options).await?)
    }

    /// Statistics of bands (0-based), of the scene reduced so that no side is longer than `maxPx`.
    ///
    /// # Errors
    /// The codes of reading.
    pub async fn statistics(
        &self,
        bands: Vec<usize>,
        #[wasm_bindgen(js_name = maxPx)] max_px: u32,
    ) -> Result<Ts<SceneStatistics>, SessionError> {
        to_js(&self.scene()?.statistics(&bands, max_px).await?)
    }

    /// The whole scene as a picture, in bands and with a stretch of the user's choice.
    ///
    /// # Errors
    /// As [`Session::preview`]; `misuse` before the first preview and for percentiles out of range, `superseded` if another picture was asked for
    /// meanwhile.
    pub async fn compose(&self, options: Ts<ComposeOptions>) -> Result<Ts<Picture>, SessionError> {
        let options: ComposeOptions = from_js(options)?;
        to_js(&self.scene()?.compose(&options).await?)
    }

    /// A part of the scene at full resolution, in the colours of the last preview or composition.
    ///
    /// # Errors
    /// As [`Session::preview`]; `misuse` before the first preview and for a part outside the scene, `superseded` if the colours changed meanwhile.
    pub async fn detail(&self, window: Ts<SceneWindow>) -> Result<Ts<Picture>, SessionError> {
        to_js(&self.scene()?.detail(from_js(window)?).await?)
    }

    /// Samples of a window, band by band, as stored.
    ///
    /// # Errors
    /// As [`Session::preview`], and `window_outside_image`.
    pub async fn read(&self, window: Ts<SceneWindow>, bands: Vec<usize>) -> Result<Float32Array, SessionError> {
        let window: SceneWindow = from_js(window)?;
        let samples = self.scene()?.image.read_window(window.into(), &bands).await?;
        Ok(Float32Array::from(samples.values.as_slice()))
    }

    /// Longitudes and latitudes, in turn, of places given by column and row in turn. Longitudes run on beyond 180 degrees within the scene.
    ///
    /// # Errors
    /// `misuse` without a scene, `no_georeference`, `unsupported_crs`, and `outside_crs_domain` for a scene that holds a pole.
    #[wasm_bindgen(js_name = lonLat)]
    pub fn lon_lat(&self, pixels: &[f64]) -> Result<Vec<f64>, SessionError> {
        self.scene()?.lon_lat(pixels)
    }

    /// Runs the model over the scene, tile by tile.
    ///
    /// # Errors
    /// The codes of reading, of the network, and `misuse`.
    pub async fn run(&self, options: Ts<RunOptions>, hooks: RunHooks) -> Result<Ts<TileCount>, SessionError> {
        let wanted: RunOptions = from_js(options)?;
        let (card, mut options) = wanted.for_card(&self.card)?;
        let card = &card;
        let scene = self.scene()?;
        let info = scene.image.scene_info();
        if wanted.resample {
            options.resample = resampling(info, card, true);
        }
        let matching = wanted.matching.then_some(MatchMode::Auto);
        let guess = scene.guess_for(card).await?;
        let mut warnings = prepare_run(&scene.image, card, &mut options, matching, &guess).await?;
        warnings.extend(scene.doubts.clone());
        let mut notices = scene.image.notices().to_vec();
        notices.extend(options.notices(card));
        let files: Vec<&str> = scene.image.band_files().collect();
        self.result.take();
        scene.forget_pictures();
        let model = TileWorkers {
            hooks: &hooks,
            here: &self.model,
            heads: [card.architecture.num_classes(), card.architecture.num_rare()],
            used_here: Cell::default(),
        };
        let mut watcher = WorkerHooks {
            hooks: &hooks,
            pool: &self.pool,
        };
        let mut logits = run_scene(&scene.image, &model, card, &options, &mut watcher).await?;
        // Only now is it known whether the device stayed the same.
        let devices = model.devices()?;
        let notes = run_notes(card, &options, &files, &guess, &devices, &warnings, &notices);
        let hooks = self.hooks.clone();
        logits.watch(Box::new(move |row, rows| {
            // Progress that cannot be reported is no reason to stop.
            let _ = hooks.on_row(row, rows);
            ControlFlow::Continue(())
        }));
        let (done, total) = logits.tiles();
        self.result.replace(Some(Rc::new(Outcome { logits, notes })));
        to_js(&TileCount { done, total })
    }

    /// A picture of the result.
    ///
    /// # Errors
    /// `misuse` without a result, for a layer that is not there, or for options out of range.
    pub fn layer(&self, request: Ts<LayerRequest>) -> Result<Ts<Picture>, SessionError> {
        let request: LayerRequest = from_js(request)?;
        to_js(&request.draw(&self.result()?.logits)?)
    }

    /// The values of a layer of the result.
    ///
    /// # Errors
    /// As [`Session::layer`].
    pub fn values(&self, request: Ts<LayerRequest>) -> Result<Ts<LayerValues>, SessionError> {
        let request: LayerRequest = from_js(request)?;
        to_js(&request.values(&self.result()?.logits)?)
    }

    /// Area by class and the top-k cut.
    ///
    /// # Errors
    /// As [`Session::layer`].
    pub fn areas(&self, options: Ts<DecideOptions>) -> Result<Ts<Areas>, SessionError> {
        let options: DecideOptions = from_js(options)?;
        to_js(&Areas::from(self.result()?.logits.summary(&options.into())?))
    }

    /// The files that the result can be saved as.
    ///
    /// # Errors
    /// As [`Session::layer`].
    pub fn files(&self, options: Ts<DecideOptions>) -> Result<Vec<Ts<ResultFile>>, SessionError> {
        self.with_results(options, |results| export::choices(results).iter().map(to_js).collect())
    }

    /// Makes a file of the result: see [`export::make`].
    ///
    /// # Errors
    /// As [`Session::layer`], and `misuse` for an incomplete result.
    #[wasm_bindgen(js_name = makeFile)]
    pub fn make_file(&self, name: &str, options: Ts<DecideOptions>) -> Result<MadeFile, SessionError> {
        self.with_results(options, |results| export::make(name, results, &self.pool))
    }
}

impl Session {
    fn with_results<T>(
        &self,
        options: Ts<DecideOptions>,
        act: impl FnOnce(&Results<'_>) -> Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        let options: DecideOptions = from_js(options)?;
        let (scene, outcome) = (self.scene()?, self.result()?);
        let decide = options.into();
        let output = OutputOptions {
            datetime: scene.image.facts().acquired.clone(),
            ..OutputOptions::default()
        };
        act(&Results {
            logits: &outcome.logits,
            card: &self.card,
            model_sha256: &self.model_sha256,
            scene: &scene.name,
            georeference: scene.image.scene_info().georeference.as_ref(),
            ground_control: scene.image.scene_info().ground_control.as_ref(),
            decide: &decide,
            options: &output,
            notes: &outcome.notes,
        })
    }

    fn scene(&self) -> Result<Rc<Scene>, SessionError> {
        self.scene
            .borrow()
            .clone()
            .ok_or_else(|| SessionError::misuse("no scene is open"))
    }

    fn result(&self) -> Result<Rc<Outcome>, SessionError> {
        self.result
            .borrow()
            .clone()
            .ok_or_else(|| SessionError::from(InferError::Misuse("nothing has been run yet".into())))
    }
}
