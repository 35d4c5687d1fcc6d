//! What happens between two tiles: the worker gets progress and a picture of the finished part, and handles its messages.

use std::ops::ControlFlow;

use raremap_infer::{InferError, Progress, SceneLogits};
use raremap_io::Scratch;
use wasm_bindgen::JsValue;

use crate::hooks::RunHooks;
use crate::scratch::ScratchPool;
use crate::types::{AfterTile, from_js, to_js};

/// The worker's side of a run.
pub struct WorkerHooks<'a> {
    /// The worker's functions.
    pub hooks: &'a RunHooks,
    /// Space for logits that do not fit into memory.
    pub pool: &'a ScratchPool,
}

impl WorkerHooks<'_> {
    async fn report(&self, progress: Progress, partial: &SceneLogits) -> Result<ControlFlow<()>, JsValue> {
        let answer = self.hooks.on_tile(progress.done, progress.total).await?;
        let AfterTile { cancel, layer } = from_js(answer)?;
        if cancel {
            return Ok(ControlFlow::Break(()));
        }
        // A picture is optional: a run does not end because one could not be drawn.
        if let Some(Ok(picture)) = layer.map(|layer| layer.draw(partial)) {
            self.hooks.on_picture(to_js(&picture)?)?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl raremap_infer::RunHooks for WorkerHooks<'_> {
    async fn after_tile(&mut self, progress: Progress, partial: &SceneLogits) -> ControlFlow<()> {
        // The hooks are the worker's own functions: if they throw, nobody is left to report the run to.
        self.report(progress, partial).await.unwrap_or(ControlFlow::Break(()))
    }

    async fn scratch(&mut self, _: u64) -> Result<Option<Box<dyn Scratch>>, InferError> {
        Ok(Some(Box::new(self.pool.take())))
    }
}
