//! The session that the worker drives: a model on a device, a scene, a run and its result.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;

use burn::tensor::Device;
use js_sys::{Float32Array, Function};
use raremap_geo::pixel_areas;
use raremap_infer::{
    BurnTileModel, GOLDEN_TOLERANCE, InferError, MatchMode, SceneLogits, Warning, check_golden, compare_resolution,
    guess_bands, prepare_run, refuse_missing_bands, resampling, run_notes, run_scene,
};
use raremap_model::{Card, ModelFile};
use raremap_output::{OutputOptions, Results, SceneName};
use raremap_scene::Scene as _;
use raremap_tiff::Window;
use serde_json::json;
use wasm_bindgen::prelude::*;
use web_sys::Blob;

use crate::error::SessionError;
use crate::export::{self, MadeFile};
use crate::layer;
use crate::options::{LookOptions, StartOptions};
use crate::picture::{Picture, scale_color};
use crate::run::WorkerHooks;
use crate::scene::{Preview, Scene};
use crate::scratch::ScratchPool;
use crate::source::Listed;

const SCALE_STEPS: usize = 64;

/// A model that has passed its golden tile on a device, and everything that is done with it.
///
/// Methods take `&self`, because the page may ask for other things while a run waits for its next tile.
#[wasm_bindgen]
pub struct Session {
    backend: String,
    card: Card,
    model_sha256: String,
    model: BurnTileModel,
    golden_difference: f32,
    scene: RefCell<Option<Rc<Scene>>>,
    result: RefCell<Option<Rc<Outcome>>>,
    is_cancelled: Cell<bool>,
    pool: ScratchPool,
    on_row: Function,
}

/// The result of a run.
struct Outcome {
    logits: SceneLogits,
    /// How it was run.
    notes: Vec<(String, String)>,
}

#[wasm_bindgen]
impl Session {
    /// Reads a weights file, puts it on a device (`webgpu` or `cpu`) and checks its golden tile there. `take_file` returns an open and
    /// empty `FileSystemSyncAccessHandle`, or nothing; such files hold what does not fit into memory. `on_row` is called with `(row, rows)`
    /// while areas and files are made from a result, row by row, because a pass over a large scene takes minutes.
    ///
    /// # Errors
    /// `webgpu_failed` if there is no device, `golden_tile_differs` if it computes wrong numbers, `model_...` for a bad file.
    pub async fn create(
        model: Vec<u8>,
        backend: String,
        take_file: Function,
        on_row: Function,
    ) -> Result<Session, SessionError> {
        let file = ModelFile::from_bytes(&model)?;
        let device = match backend.as_str() {
            "webgpu" => Device::wgpu_options()
                .init_async()
                .await
                .map_err(|error| SessionError::new("webgpu_failed", error.to_string()))?,
            "cpu" => Device::flex(),
            other => return Err(SessionError::misuse(format!("there is no backend {other}"))),
        };
        let model = BurnTileModel::new(file.build(&device)?, file.card.architecture.in_channels());
        let golden_difference = check_golden(&model, &file.golden, GOLDEN_TOLERANCE).await?;
        Ok(Self {
            backend,
            card: file.card,
            model_sha256: file.sha256,
            model,
            golden_difference,
            scene: RefCell::default(),
            result: RefCell::default(),
            is_cancelled: Cell::default(),
            pool: ScratchPool::new(take_file),
            on_row,
        })
    }

    /// `webgpu` or `cpu`.
    #[wasm_bindgen(getter)]
    pub fn backend(&self) -> String {
        self.backend.clone()
    }

    /// The model's card, as JSON.
    ///
    /// # Errors
    /// None in practice, because a card that was read can be written.
    pub fn card(&self) -> Result<String, SessionError> {
        Ok(serde_json::to_string(&self.card)?)
    }

    /// The result of the golden tile, as JSON: `maxAbs`, `tolerance`, `sha256` of the model.
    pub fn check(&self) -> String {
        let check =
            json!({ "maxAbs": self.golden_difference, "tolerance": GOLDEN_TOLERANCE, "sha256": self.model_sha256 });
        check.to_string()
    }

    /// Colours of the continuous scale from 0 to 1 at equal steps, as JSON, so that the legend shows the same as the pictures.
    pub fn scale(&self) -> String {
        let colors = (0..SCALE_STEPS).map(|step| scale_color(step as f32 / (SCALE_STEPS - 1) as f32));
        json!(colors.collect::<Vec<_>>()).to_string()
    }

    /// Opens files in place of the scene before: one file, the bands of one product, or an archive of them. `on_unpacked` is called with
    /// `(done, total)` bytes. Returns what the page says about the scene, as JSON.
    ///
    /// # Errors
    /// The raster's codes for what cannot be read, and `too_few_bands`.
    #[wasm_bindgen(js_name = openFiles)]
    pub async fn open_files(
        &self,
        paths: Vec<String>,
        blobs: Vec<Blob>,
        on_unpacked: Function,
    ) -> Result<String, SessionError> {
        self.close();
        self.open(Listed::local(paths, blobs)?, &on_unpacked).await
    }

    /// Opens the file at an address as [`Session::open_files`] does, and reads it range by range.
    ///
    /// # Errors
    /// Those of [`Session::open_files`], and `http_...` for a server that does not provide parts of files.
    #[wasm_bindgen(js_name = openAddress)]
    pub async fn open_address(&self, url: String, name: String, on_unpacked: Function) -> Result<String, SessionError> {
        self.close();
        self.open(Listed::remote(&url, name).await?, &on_unpacked).await
    }

    fn close(&self) {
        self.result.take();
        self.scene.take();
    }

    async fn open(&self, listed: Listed, on_unpacked: &Function) -> Result<String, SessionError> {
        let names = listed.names();
        let (image, mut doubts) = listed.open(&self.card, &self.pool, on_unpacked).await?;
        // Here the bands can still be assigned by hand.
        doubts.extend(
            refuse_missing_bands(&image, &self.card.scene_bands())
                .err()
                .map(|missing| Warning {
                    code: "band_missing",
                    message: missing.to_string(),
                }),
        );
        let name = SceneName::new(names, image.facts().id.as_deref());
        let scene = Scene::new(name, image, doubts);
        let info = scene.image.scene_info();
        let needed = self.card.scene_bands();
        let guess = guess_bands(info.into(), &needed)?;
        let areas = pixel_areas(info.georeference.as_ref(), [info.height, info.width]);
        let middle = areas.pixel_ha(info.height as usize / 2, info.width as usize / 2);
        let facts = json!({
            "scene": scene.facts(),
            "modelBands": needed,
            "assignment": guess,
            "warnings": compare_resolution(middle, &self.card).into_iter().chain(scene.doubts.clone()).collect::<Vec<_>>(),
            "notices": scene.image.notices(),
            "canResample": resampling(info, &self.card, false).is_some(),
            "modelResolutionM": self.card.ground_resolution_m,
            "hasAreas": middle.is_some(),
        });
        self.scene.replace(Some(Rc::new(scene)));
        Ok(facts.to_string())
    }

    /// The scene as a picture, with the bands (0-based) that stand for the model's; all of it, with no side longer than `max_px`.
    ///
    /// # Errors
    /// The raster's codes for damaged data; `misuse` without a scene.
    pub async fn preview(&self, bands: Vec<usize>, max_px: u32) -> Result<Preview, SessionError> {
        self.scene()?.preview(&self.card, &bands, max_px).await
    }

    /// A part of the scene at full resolution, stretched like the last preview.
    ///
    /// # Errors
    /// As [`Session::preview`]; `misuse` before the first preview and for a part outside the scene.
    pub async fn detail(&self, x: u32, y: u32, width: u32, height: u32) -> Result<Picture, SessionError> {
        self.scene()?.detail(x, y, width, height).await
    }

    /// Samples of a window, band by band, as stored.
    ///
    /// # Errors
    /// As [`Session::preview`], and `window_outside_image`.
    pub async fn read(
        &self,
        x: u32,
        y: u32,
        width: u32,
        height: u32,
        bands: Vec<usize>,
    ) -> Result<Float32Array, SessionError> {
        let window = Window { x, y, width, height };
        let samples = self.scene()?.image.read_window(window, &bands).await?;
        Ok(Float32Array::from(samples.values.as_slice()))
    }

    /// Runs the model over the scene, tile by tile; see [`WorkerHooks`] for the functions. Returns `{done, total}` as JSON.
    ///
    /// # Errors
    /// The codes of reading, of the network, and `misuse`.
    pub async fn run(&self, options: String, on_tile: Function, on_picture: Function) -> Result<String, SessionError> {
        let wanted = serde_json::from_str::<StartOptions>(&options)?;
        let mut options = wanted.run_options(&self.card);
        let scene = self.scene()?;
        self.is_cancelled.set(false);
        if wanted.resample {
            options.resample = resampling(scene.image.scene_info(), &self.card, true);
        }
        let guess = guess_bands(scene.image.scene_info().into(), &self.card.scene_bands())?;
        let matching = wanted.matching.then_some(MatchMode::Auto);
        let mut warnings = prepare_run(&scene.image, &self.card, &mut options, matching, &guess).await?;
        warnings.extend(scene.doubts.clone());
        let mut notices = scene.image.notices().to_vec();
        notices.extend(options.notices(&self.card));
        let files: Vec<&str> = scene.image.band_files().collect();
        let notes = run_notes(&self.card, &options, &files, &guess, &self.backend, &warnings, &notices);
        self.result.take();
        let mut hooks = WorkerHooks {
            on_tile: &on_tile,
            on_picture: &on_picture,
            is_cancelled: &self.is_cancelled,
            pool: &self.pool,
        };
        let mut logits = run_scene(&scene.image, &self.model, &self.card, &options, &mut hooks).await?;
        let on_row = self.on_row.clone();
        logits.watch(Box::new(move |row, rows| {
            // Progress that cannot be reported is no reason to stop.
            let _ = on_row.call2(&JsValue::NULL, &row.into(), &rows.into());
            ControlFlow::Continue(())
        }));
        let (done, total) = logits.tiles();
        self.result.replace(Some(Rc::new(Outcome { logits, notes })));
        Ok(json!({ "done": done, "total": total }).to_string())
    }

    /// Ends the run after the current tile.
    pub fn cancel(&self) {
        self.is_cancelled.set(true);
    }

    /// A picture of the result: see [`layer::draw`].
    ///
    /// # Errors
    /// `misuse` without a result or for options out of range.
    pub fn layer(&self, kind: &str, options: &str) -> Result<Picture, SessionError> {
        layer::draw(&self.result()?.logits, kind, &serde_json::from_str(options)?)
    }

    /// Area by class and the top-k cut, as JSON.
    ///
    /// # Errors
    /// As [`Session::layer`].
    pub fn areas(&self, options: &str) -> Result<String, SessionError> {
        let options: LookOptions = serde_json::from_str(options)?;
        Ok(serde_json::to_string(
            &self.result()?.logits.summary(&options.decide())?,
        )?)
    }

    /// The files that the result can be saved as, as JSON: `[{name, type, title}]`.
    ///
    /// # Errors
    /// As [`Session::layer`].
    pub fn files(&self, options: &str) -> Result<String, SessionError> {
        self.with_results(options, |results| Ok(serde_json::to_string(&export::choices(results))?))
    }

    /// Makes a file of the result: see [`export::make`].
    ///
    /// # Errors
    /// As [`Session::layer`], and `misuse` for an incomplete result.
    #[wasm_bindgen(js_name = makeFile)]
    pub fn make_file(&self, name: &str, options: &str) -> Result<MadeFile, SessionError> {
        self.with_results(options, |results| export::make(name, results, &self.pool))
    }
}

impl Session {
    fn with_results<T>(
        &self,
        options: &str,
        act: impl FnOnce(&Results<'_>) -> Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        let options: LookOptions = serde_json::from_str(options)?;
        let (scene, outcome, decide) = (self.scene()?, self.result()?, options.decide());
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
