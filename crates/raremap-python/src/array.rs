//! A NumPy array as a scene.

use numpy::ndarray::ArrayView3;
use numpy::{Element, PyReadonlyArray3};
use pyo3::prelude::*;
use raremap_geo::GeoReference;
use raremap_scene::{Scene, SceneError, SceneInfo};
use raremap_tiff::{ColorInterpretation, Misuse, SampleType, Samples, TiffError, Window};

use crate::error::misuse;

/// An array of a sample type that is borrowed from Python; its memory is read where it is.
pub(crate) enum Borrowed<'py> {
    U8(PyReadonlyArray3<'py, u8>),
    I8(PyReadonlyArray3<'py, i8>),
    U16(PyReadonlyArray3<'py, u16>),
    I16(PyReadonlyArray3<'py, i16>),
    U32(PyReadonlyArray3<'py, u32>),
    I32(PyReadonlyArray3<'py, i32>),
    F32(PyReadonlyArray3<'py, f32>),
    F64(PyReadonlyArray3<'py, f64>),
}

/// The values of an array.
pub(crate) enum Values<'a> {
    U8(ArrayView3<'a, u8>),
    I8(ArrayView3<'a, i8>),
    U16(ArrayView3<'a, u16>),
    I16(ArrayView3<'a, i16>),
    U32(ArrayView3<'a, u32>),
    I32(ArrayView3<'a, i32>),
    F32(ArrayView3<'a, f32>),
    F64(ArrayView3<'a, f64>),
}

/// Does the same with the array of any type.
macro_rules! each {
    ($array:expr, $values:ident => $body:expr) => {
        match $array {
            Values::U8($values) => $body,
            Values::I8($values) => $body,
            Values::U16($values) => $body,
            Values::I16($values) => $body,
            Values::U32($values) => $body,
            Values::I32($values) => $body,
            Values::F32($values) => $body,
            Values::F64($values) => $body,
        }
    };
}

impl<'py> Borrowed<'py> {
    /// Borrows an array `[band, y, x]`.
    pub(crate) fn new(array: &Bound<'py, PyAny>) -> PyResult<Self> {
        fn of<'py, T: Element>(array: &Bound<'py, PyAny>) -> Option<PyReadonlyArray3<'py, T>> {
            array.extract().ok()
        }
        None.or_else(|| of(array).map(Self::U16))
            .or_else(|| of(array).map(Self::F32))
            .or_else(|| of(array).map(Self::U8))
            .or_else(|| of(array).map(Self::I16))
            .or_else(|| of(array).map(Self::F64))
            .or_else(|| of(array).map(Self::I8))
            .or_else(|| of(array).map(Self::U32))
            .or_else(|| of(array).map(Self::I32))
            .ok_or_else(|| misuse("the array must have the axes [band, y, x], and integers of up to 32 bits or floats"))
    }

    /// What can be read without the interpreter.
    pub(crate) fn values(&self) -> Values<'_> {
        match self {
            Self::U8(array) => Values::U8(array.as_array()),
            Self::I8(array) => Values::I8(array.as_array()),
            Self::U16(array) => Values::U16(array.as_array()),
            Self::I16(array) => Values::I16(array.as_array()),
            Self::U32(array) => Values::U32(array.as_array()),
            Self::I32(array) => Values::I32(array.as_array()),
            Self::F32(array) => Values::F32(array.as_array()),
            Self::F64(array) => Values::F64(array.as_array()),
        }
    }
}

impl Values<'_> {
    /// `[bands, height, width]`
    fn shape(&self) -> [usize; 3] {
        let (bands, height, width) = each!(self, values => values.dim());
        [bands, height, width]
    }

    fn sample_type(&self) -> SampleType {
        match self {
            Self::U8(_) => SampleType::U8,
            Self::I8(_) => SampleType::I8,
            Self::U16(_) => SampleType::U16,
            Self::I16(_) => SampleType::I16,
            Self::U32(_) => SampleType::U32,
            Self::I32(_) => SampleType::I32,
            Self::F32(_) => SampleType::F32,
            Self::F64(_) => SampleType::F64,
        }
    }

    fn bits(&self) -> u16 {
        match self {
            Self::U8(_) | Self::I8(_) => 8,
            Self::U16(_) | Self::I16(_) => 16,
            Self::U32(_) | Self::I32(_) | Self::F32(_) => 32,
            Self::F64(_) => 64,
        }
    }
}

/// An array as a [`Scene`]. A pixel has data if all bands that are read are finite and none is the nodata value; with a nodata value of 0,
/// unless all of them are 0.
pub(crate) struct ArrayScene<'a> {
    values: Values<'a>,
    info: SceneInfo,
}

/// Rows or columns that are read: where they begin, and how many pixels are between them.
#[derive(Clone, Copy)]
struct Axis {
    start: usize,
    step: usize,
    count: usize,
}

impl<'a> ArrayScene<'a> {
    /// `names` are those of the bands, if they have names.
    pub(crate) fn new(
        values: Values<'a>,
        names: Option<Vec<Option<String>>>,
        nodata: Option<f64>,
        georeference: Option<GeoReference>,
    ) -> PyResult<Self> {
        let [bands, height, width] = values.shape();
        let sizes = u32::try_from(height).ok().zip(u32::try_from(width).ok());
        let (height, width) = sizes
            .filter(|(height, width)| bands > 0 && *height > 0 && *width > 0)
            .ok_or_else(|| misuse(&format!("an array of {bands} x {height} x {width} is not a scene")))?;
        let band_names = names.unwrap_or_else(|| vec![None; bands]);
        if band_names.len() != bands {
            return Err(misuse(&format!(
                "{} names were given for {bands} bands",
                band_names.len()
            )));
        }
        let info = SceneInfo {
            width,
            height,
            sample_type: values.sample_type(),
            bits_per_sample: values.bits(),
            nodata,
            color_interpretations: vec![ColorInterpretation::Undefined; bands],
            band_names,
            alpha_band: None,
            georeference,
            ground_control: None,
            masked: false,
            wavelengths_nm: Vec::new(),
            described: Vec::new(),
        };
        Ok(Self { values, info })
    }

    /// `[height, width]`
    pub(crate) fn size(&self) -> [usize; 2] {
        let [_, height, width] = self.values.shape();
        [height, width]
    }

    #[allow(
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        reason = "each type of values is read by the same lines"
    )]
    fn read(&self, rows: Axis, columns: Axis, bands: &[usize]) -> Result<Samples, SceneError> {
        let [band_count, height, width] = self.values.shape();
        let fits = |axis: Axis, size: usize| axis.count > 0 && axis.start + (axis.count - 1) * axis.step < size;
        if !fits(rows, height) || !fits(columns, width) {
            let outside = Misuse::WindowOutsideImage {
                x: columns.start as u32,
                y: rows.start as u32,
                width: columns.count as u32,
                height: rows.count as u32,
                image_width: self.info.width,
                image_height: self.info.height,
            };
            return Err(TiffError::from(outside).into());
        }
        if let Some(band) = bands.iter().copied().find(|band| *band >= band_count) {
            return Err(TiffError::from(Misuse::NoSuchBand { band, band_count }).into());
        }
        let mut samples = Samples::new(bands.len(), rows.count, columns.count);
        // Compared as the array stores it: -3.40282e38 is no number of 32 bits.
        let stored = match self.values {
            Values::F32(_) => self.info.nodata.map(|nodata| f64::from(nodata as f32)),
            _ => self.info.nodata,
        };
        let nodata = stored.filter(|nodata| *nodata != 0.0);
        let pixels = rows.count * columns.count;
        each!(&self.values, values => {
            for (plane, band) in samples.values.chunks_exact_mut(pixels).zip(bands) {
                let band = values.index_axis(numpy::ndarray::Axis(0), *band);
                for (row, (plane, valid)) in
                    plane.chunks_exact_mut(columns.count).zip(samples.valid.chunks_exact_mut(columns.count)).enumerate()
                {
                    let source = band.row(rows.start + row * rows.step);
                    let source = source.iter().skip(columns.start).step_by(columns.step);
                    for ((target, valid), value) in plane.iter_mut().zip(valid).zip(source) {
                        *target = *value as f32;
                        *valid &= target.is_finite() && nodata != Some(f64::from(*value));
                    }
                }
            }
        });
        if self.info.nodata == Some(0.0) {
            samples.invalidate_zero_pixels(bands.len());
        }
        Ok(samples)
    }
}

impl Scene for ArrayScene<'_> {
    fn scene_info(&self) -> &SceneInfo {
        &self.info
    }

    async fn read_window(&self, window: Window, bands: &[usize]) -> Result<Samples, SceneError> {
        let axis = |start: u32, count: u32| Axis {
            start: start as usize,
            step: 1,
            count: count as usize,
        };
        self.read(axis(window.y, window.height), axis(window.x, window.width), bands)
    }

    async fn read_preview(&self, max_px: u32, bands: &[usize]) -> Result<Samples, SceneError> {
        let [rows, columns] = preview_axes(self.size(), max_px as usize);
        self.read(rows, columns, bands)
    }
}

/// Every n-th pixel, so that no side is longer than `max_px`: those that a GeoTIFF without overviews is previewed by.
fn preview_axes([height, width]: [usize; 2], max_px: usize) -> [Axis; 2] {
    let step = height.max(width).div_ceil(max_px.max(1)).max(1);
    [height, width].map(|size| {
        let count = size.div_ceil(step);
        let start = (step / 2).min(size - 1 - (count - 1) * step);
        Axis { start, step, count }
    })
}

/// First row, first column and step of the preview from which statistics are taken.
pub(crate) fn preview_steps(size: [usize; 2], max_px: usize) -> [usize; 3] {
    let [rows, columns] = preview_axes(size, max_px);
    [rows.start, columns.start, rows.step]
}
