//! The top-k of a scene whose blocks are computed apart: each block counts its saliency, the counts are added, and the sum says what is marked.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use raremap_infer::{SaliencyCut, SaliencyHistogram};
use raremap_model::Card;

use crate::error::Failure;

/// How many pixels have which saliency: numbers of bins, and the pixels of each.
#[pyfunction]
pub(crate) fn count_saliency<'py>(
    py: Python<'py>,
    saliency: PyReadonlyArray2<'py, f32>,
) -> (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u32>>) {
    let saliency = saliency.as_array();
    let (bins, counts): (Vec<u32>, Vec<u32>) = py.detach(|| {
        let mut histogram = SaliencyHistogram::default();
        saliency.iter().for_each(|value| histogram.add(*value));
        histogram.counts().map(|(bin, count)| (bin as u32, count)).unzip()
    });
    (bins.into_pyarray(py), counts.into_pyarray(py))
}

/// The cut of the most salient `percent`, from the counts of all blocks: lowest saliency that is marked, pixels that are marked, lowest bin.
#[pyfunction]
pub(crate) fn cut_saliency(
    py: Python<'_>,
    blocks: Vec<(PyReadonlyArray1<'_, u32>, PyReadonlyArray1<'_, u32>)>,
    percent: f32,
) -> PyResult<(f32, u64, usize)> {
    let blocks: Vec<_> = blocks
        .iter()
        .map(|(bins, counts)| (bins.as_array(), counts.as_array()))
        .collect();
    let cut = py.detach(|| {
        let mut histogram = SaliencyHistogram::default();
        for (bins, counts) in blocks {
            histogram.add_counts(bins.iter().map(|bin| *bin as usize).zip(counts.iter().copied()))?;
        }
        histogram.cut(percent)
    });
    let cut = cut.map_err(Failure::from)?;
    Ok((cut.threshold, cut.pixels, cut.first_bin()))
}

/// 1 where a pixel is among the most salient, 0 where it is not, 255 without data.
#[pyfunction]
pub(crate) fn mark_top_k<'py>(
    py: Python<'py>,
    saliency: PyReadonlyArray2<'py, f32>,
    first_bin: usize,
) -> Bound<'py, PyArray2<u8>> {
    let saliency = saliency.as_array();
    let cut = SaliencyCut::of_bin(0.0, 0, first_bin);
    let marks = py.detach(|| saliency.map(|value| mark(&cut, *value)));
    marks.into_pyarray(py)
}

pub(crate) fn mark(cut: &SaliencyCut, saliency: f32) -> u8 {
    if saliency.is_nan() {
        Card::MASK_NODATA
    } else {
        u8::from(cut.marks(saliency))
    }
}
