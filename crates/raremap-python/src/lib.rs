//! The native module of the Python package `raremap`. `python/raremap/_native.pyi` declares it; people call the package around it.

mod array;
mod error;
mod fleet;
mod model;
mod options;
mod saliency;
mod watch;

use std::path::PathBuf;

use mimalloc::MiMalloc;
use pyo3::prelude::*;

use crate::error::{Failure, RaremapError};
use crate::model::Model;

/// A network allocates memory with each of its operations. Dask tells the system's allocator to give back whatever becomes free, which costs a quarter of
/// a tile's time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What a GeoTIFF or a weights file says about itself, as JSON.
#[pyfunction]
fn inspect(py: Python<'_>, path: PathBuf, checksums: bool, statistics: bool) -> PyResult<String> {
    let inspected = py.detach(|| raremap_files::inspect(&path, checksums, statistics));
    Ok(inspected.map_err(Failure::from)?.to_json().to_string())
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("RaremapError", module.py().get_type::<RaremapError>())?;
    module.add_class::<Model>()?;
    module.add_function(wrap_pyfunction!(inspect, module)?)?;
    module.add_function(wrap_pyfunction!(fleet::plan_fleet, module)?)?;
    module.add_function(wrap_pyfunction!(fleet::map_scene, module)?)?;
    module.add_function(wrap_pyfunction!(fleet::finish_fleet, module)?)?;
    module.add_function(wrap_pyfunction!(fleet::write_failures, module)?)?;
    module.add_function(wrap_pyfunction!(model::preview_steps, module)?)?;
    module.add_function(wrap_pyfunction!(model::ground_resolution_m, module)?)?;
    module.add_function(wrap_pyfunction!(saliency::count_saliency, module)?)?;
    module.add_function(wrap_pyfunction!(saliency::cut_saliency, module)?)?;
    module.add_function(wrap_pyfunction!(saliency::mark_top_k, module)?)?;
    Ok(())
}
