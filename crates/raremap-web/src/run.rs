//! What happens between two tiles: progress for the page, a picture of what is done, and a turn for the worker's messages.

use std::cell::Cell;
use std::ops::ControlFlow;

use js_sys::{Function, Promise, Reflect};
use raremap_infer::{InferError, Progress, RunHooks, SceneLogits};
use raremap_io::Scratch;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::layer;
use crate::scratch::ScratchPool;

/// The worker's side of a run.
pub struct WorkerHooks<'a> {
    /// Takes `(done, total)` and returns a promise that resolves after the worker has read its messages: to nothing, or, if a picture is
    /// due, to what the page shows, as `{kind, options}`.
    pub on_tile: &'a Function,
    /// Takes the picture.
    pub on_picture: &'a Function,
    /// Set by a message between two tiles.
    pub is_cancelled: &'a Cell<bool>,
    /// Space for logits that do not fit into memory.
    pub pool: &'a ScratchPool,
}

impl WorkerHooks<'_> {
    async fn report(&self, progress: Progress, partial: &SceneLogits) -> Result<(), JsValue> {
        let promise = self
            .on_tile
            .call2(&JsValue::NULL, &progress.done.into(), &progress.total.into())?;
        let look = JsFuture::from(promise.dyn_into::<Promise>()?).await?;
        if look.is_undefined() || self.is_cancelled.get() {
            return Ok(());
        }
        let text = |name: &str| Reflect::get(&look, &name.into()).map(|value| value.as_string().unwrap_or_default());
        let (kind, options) = (text("kind")?, text("options")?);
        // A picture is a courtesy, so a picture that cannot be drawn does not end the run.
        let options = serde_json::from_str(&options).ok();
        if let Some(Ok(picture)) = options.map(|options| layer::draw(partial, &kind, &options)) {
            self.on_picture.call1(&JsValue::NULL, &picture.into())?;
        }
        Ok(())
    }
}

impl RunHooks for WorkerHooks<'_> {
    async fn after_tile(&mut self, progress: Progress, partial: &SceneLogits) -> ControlFlow<()> {
        // The hooks are the worker's own functions: if they throw, nobody is left to report the run to.
        let is_heard = self.report(progress, partial).await.is_ok();
        if is_heard && !self.is_cancelled.get() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    async fn scratch(&mut self, _: u64) -> Result<Option<Box<dyn Scratch>>, InferError> {
        Ok(Some(Box::new(self.pool.take())))
    }
}
