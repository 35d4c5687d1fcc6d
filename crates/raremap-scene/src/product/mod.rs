//! Treats several files as one scene: the bands of a product as it is delivered.

mod collar;
mod facts;
mod grid;
mod kind;
mod metadata;
mod names;
mod neighbours;
mod recognize;
mod zero;

pub use facts::{ProductFacts, product_facts};
pub use kind::ProductKind;
pub use metadata::{Calibration, calibration};
pub use neighbours::{Neighbour, NeighbourKind, apply_neighbour, neighbour_kind};
pub use recognize::{ProductBand, RecognizedProduct, recognize};

use serde::Serialize;

use crate::error::{Misuse, NameList, ProductError, SceneError};
use crate::resample::{Kernel, Resampled};
use crate::scene::{Scene, SceneInfo};
use crate::tiff::TiffScene;
use collar::Collar;
use grid::Fit;
use metadata::NotCalibrated;
use raremap_io::RangeSource;
use raremap_io::checked_len;
use raremap_tiff::RasterInfo;
use raremap_tiff::Window;
use raremap_tiff::{GeoTiff, Limits};
use raremap_tiff::{SampleType, Samples};
pub use zero::ZeroFill;
use zero::ZeroFilled;

/// Something that was done with the files and that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// A stable identifier for programs.
    pub code: &'static str,
    /// One or two sentences for people.
    pub message: String,
}

/// One of the files that make a scene.
#[derive(Debug)]
pub struct ProductFile<S> {
    /// Its name, for messages, and as the band's name if the file names none.
    pub name: String,
    /// Its samples.
    pub scene: S,
    /// The common name of its only band, if the product's naming gives it.
    pub common: Option<String>,
}

/// What a file says that its stored numbers stand for (GDAL's scale and offset of a band).
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredScaling {
    /// The file's name.
    pub file: String,
    /// What a stored number is multiplied by.
    pub scale: f64,
    /// Offset that is added to that.
    pub offset: f64,
}

impl DeclaredScaling {
    /// The first band whose numbers stand for others.
    fn of(file: &str, info: &RasterInfo) -> Option<Self> {
        let of_bands = info.scales.iter().zip(&info.offsets);
        let mut declared = of_bands.map(|(scale, offset)| (scale.unwrap_or(1.0), offset.unwrap_or(0.0)));
        let (scale, offset) = declared.find(|declared| *declared != (1.0, 0.0))?;
        let file = file.to_owned();
        Some(Self { file, scale, offset })
    }
}

/// Files of one product as one scene, on the grid of the finest file.
///
/// Files of the same extent with larger pixels are interpolated linearly between pixel centres: values stay within the measured ones, and
/// there is no step where a coarse pixel ends. Any other difference is refused.
#[derive(Debug)]
pub struct Product<S> {
    members: Vec<Member<S>>,
    /// Where each band is.
    places: Vec<BandLocation>,
    info: SceneInfo,
    notices: Vec<Notice>,
    /// Scale and offset of each band, if values are to differ from the stored ones.
    scaling: Vec<[f32; 2]>,
    facts: ProductFacts,
    declared: Vec<DeclaredScaling>,
    /// Largest size of the result of one read, in bytes.
    max_window_bytes: u64,
    /// The product that the files' names state.
    kind: ProductKind,
    /// The empty border, after it was looked for.
    collar: Option<Collar>,
}

#[derive(Debug)]
struct Member<S> {
    name: String,
    scene: Resampled<ZeroFilled<S>>,
    /// How a value of 0 is read.
    zero: Zero,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zero {
    /// As any other value.
    Measured,
    /// A pixel has no data if all bands are 0. The file says so, and reading it has made all its zeros invalid.
    DeclaredNodata,
    /// The same, but it is the product's convention and the file does not say so: reading it has left its zeros as they are.
    ImpliedNodata,
}

#[derive(Debug, Clone, Copy)]
struct BandLocation {
    member: usize,
    band: usize,
}

impl<S: Scene> Product<S> {
    /// Takes files as one scene. `fill` is what 0 means by the product's convention, even if no file says so.
    ///
    /// # Errors
    /// [`ProductError::GridMismatch`] for a file that does not lie on the grid, [`ProductError::NoImage`] without files.
    pub fn new(files: Vec<ProductFile<S>>, fill: ZeroFill, limits: &Limits) -> Result<Self, SceneError> {
        let reference = files.iter().enumerate().min_by(|(_, one), (_, other)| {
            // Of equal ones, the first is taken.
            grid::fineness(one.scene.scene_info()).total_cmp(&grid::fineness(other.scene.scene_info()))
        });
        let Some((reference_at, reference)) = reference else {
            return Err(ProductError::NoImage(NameList(vec![])).into());
        };
        let reference_name = reference.name.clone();
        let mut info = reference.scene.scene_info().clone();
        let is_single = files.len() == 1;
        let mut fits = Vec::with_capacity(files.len());
        for (index, file) in files.iter().enumerate() {
            let fit = if index == reference_at {
                Ok(Fit::Equal)
            } else {
                grid::compare(file.scene.scene_info(), &info)
            };
            fits.push(fit.map_err(|difference| ProductError::GridMismatch {
                file: file.name.clone(),
                reference: reference_name.clone(),
                difference,
            })?);
        }
        info.alpha_band = None;
        info.band_names.clear();
        info.color_interpretations.clear();
        info.wavelengths_nm.clear();
        let (mut members, mut places, mut interpolated) = (Vec::new(), Vec::new(), Vec::new());
        let mut nodata = Vec::new();
        for (member, (file, fit)) in files.into_iter().zip(fits).enumerate() {
            let own = file.scene.scene_info();
            if own.sample_type != info.sample_type || own.bits_per_sample != info.bits_per_sample {
                (info.sample_type, info.bits_per_sample) = (SampleType::F32, 32);
            }
            if let (None, Some(alpha)) = (info.alpha_band, own.alpha_band) {
                info.alpha_band = Some(places.len() + alpha);
            }
            nodata.extend(own.nodata);
            info.color_interpretations.extend(&own.color_interpretations);
            info.masked |= own.masked;
            info.wavelengths_nm
                .extend((0..own.band_count()).map(|band| own.wavelengths_nm.get(band).copied().flatten()));
            // A name is only as good as what it tells; the name of a file's only band may be the file's.
            let stem = || (!is_single).then(|| stem_of(&file.name));
            for (band, name) in own.band_names.iter().enumerate() {
                let name = match own.band_names.len() {
                    1 => file.common.clone().or_else(|| name.clone()).or_else(stem),
                    _ => name.clone(),
                };
                info.band_names.push(name);
                places.push(BandLocation { member, band });
            }
            let is_stretched = matches!(fit, Fit::Stretched { .. });
            let (zero, fill) = match (fill, own.nodata) {
                (ZeroFill::AlwaysAnyBand, _) | (ZeroFill::AnyBand, None | Some(0.0)) => {
                    (Zero::Measured, ZeroFill::AnyBand)
                }
                (_, Some(0.0)) => (Zero::DeclaredNodata, ZeroFill::Never),
                // Interpolation has to know this beforehand.
                (ZeroFill::AllBands, None) if is_stretched => (Zero::DeclaredNodata, ZeroFill::AllBands),
                (ZeroFill::AllBands, None) => (Zero::ImpliedNodata, ZeroFill::Never),
                _ => (Zero::Measured, ZeroFill::Never),
            };
            let (rows, columns) = match fit {
                Fit::Stretched { rows, columns } => {
                    interpolated.push(format!("{} ({:.4} times as large)", file.name, 1.0 / columns.ratio));
                    (rows, columns)
                }
                Fit::Equal => (
                    crate::AxisGrid::of_ratio(own.height, 1.0),
                    crate::AxisGrid::of_ratio(own.width, 1.0),
                ),
            };
            let scene = ZeroFilled {
                scene: file.scene,
                fill,
            };
            members.push(Member {
                name: file.name,
                scene: Resampled::new(scene, rows, columns, Kernel::Bilinear)?.with_limits(limits),
                zero,
            });
        }
        if fill != ZeroFill::Never && nodata.is_empty() {
            nodata.push(0.0);
        }
        let agreed = nodata.first().copied();
        let is_agreed = nodata
            .iter()
            .all(|value| Some(*value) == agreed || value.is_nan() && agreed.is_some_and(f64::is_nan));
        info.nodata = agreed.filter(|_| is_agreed);
        let mut notices = Vec::new();
        if !interpolated.is_empty() {
            let list = NameList(interpolated);
            notices.push(Notice {
                code: "bands_interpolated",
                message: format!(
                    "These files have larger pixels than {reference_name} and are interpolated linearly to its grid: {list}."
                ),
            });
        }
        Ok(Self {
            members,
            places,
            info,
            notices,
            scaling: Vec::new(),
            facts: ProductFacts::default(),
            declared: Vec::new(),
            max_window_bytes: limits.max_window_bytes,
            kind: ProductKind::Other,
            collar: None,
        })
    }

    /// Looks for an empty border in a scene that does not declare where it has data: pixels that are 0 in all bands and connected to the edge.
    /// They count as missing from then on, and a notice says so. Scenes of up to 4 million pixels are read completely for this, larger ones as a
    /// preview if there are such pixels at their edge. Call it before [`Product::calibrate`].
    ///
    /// # Errors
    /// Those of reading windows.
    pub async fn find_collar(&mut self) -> Result<(), SceneError> {
        let is_marked = |member: &Member<S>| {
            let info = member.scene.scene_info();
            info.nodata.is_some() || info.masked
        };
        if self.kind.zero_fill() != ZeroFill::Never || self.members.iter().any(is_marked) {
            return Ok(());
        }
        self.collar = Collar::find(self).await?;
        if let Some(collar) = &self.collar {
            self.notices.push(Notice {
                code: "empty_border",
                message: format!(
                    "{} 0 in all bands, so this is treated as an empty border without data. It can be switched off.",
                    collar.extent()
                ),
            });
        }
        Ok(())
    }

    /// Records what the product says about itself.
    pub fn describe(&mut self, facts: ProductFacts) {
        self.facts = facts;
    }

    /// What the product says about itself; nothing before [`Product::describe`].
    pub fn facts(&self) -> &ProductFacts {
        &self.facts
    }

    /// For each file that states a scale and offset, what its stored numbers stand for. Until [`Product::calibrate`], values are given as
    /// they are stored, whatever this says.
    pub fn declared_scaling(&self) -> &[DeclaredScaling] {
        &self.declared
    }

    /// Checks whether the stored numbers can be those that a calibration is for.
    ///
    /// # Errors
    /// What speaks against it, as a sentence for people.
    pub fn check_calibration(&self, calibration: &Calibration) -> Result<(), NotCalibrated> {
        let narrow = self
            .members
            .iter()
            .find(|member| member.scene.scene_info().bits_per_sample <= 8);
        match narrow {
            Some(Member { name, scene, .. }) if !calibration.is_of_8_bits => Err(format!(
                "{name} has {} bits, but {} is for numbers of more bits",
                scene.scene_info().bits_per_sample,
                calibration.origin
            )),
            _ => Ok(()),
        }
    }

    /// From now on, values are `factor` times the reflectance. The calibration applies to the first band of each file; an opacity band
    /// behind it stays as it is.
    ///
    /// # Errors
    /// [`Misuse::BadCalibration`] if the product has another number of files than the calibration has bands.
    pub fn calibrate(&mut self, calibration: &Calibration, factor: f64) -> Result<(), SceneError> {
        let (found, expected) = (calibration.bands.len(), self.members.len());
        if found != expected {
            return Err(Misuse::BadCalibration { found, expected }.into());
        }
        let scaled = |place: &BandLocation| match calibration.bands.get(place.member) {
            Some([scale, offset]) if place.band == 0 => [(scale * factor) as f32, (offset * factor) as f32],
            _ => [1.0, 0.0],
        };
        self.scaling = self.places.iter().map(scaled).collect();
        (self.info.sample_type, self.info.bits_per_sample) = (SampleType::F32, 32);
        // This value refers to stored numbers, and validity has already taken it into account.
        self.info.nodata = None;
        let (ground, origin) = (
            if calibration.is_surface {
                "at the surface"
            } else {
                "at the top of the atmosphere"
            },
            &calibration.origin,
        );
        self.notices.push(Notice {
            code: "values_calibrated",
            message: format!("The stored numbers are converted to reflectance {ground} x {factor}, by {origin}."),
        });
        Ok(())
    }

    /// Changes the values of some bands as requested.
    fn scale(&self, samples: &mut Samples, bands: &[usize]) {
        let pixels = samples.valid.len().max(1);
        for (plane, band) in samples.values.chunks_exact_mut(pixels).zip(bands) {
            if let Some([scale, offset]) = self.scaling.get(*band) {
                plane.iter_mut().for_each(|value| *value = *value * scale + offset);
            }
        }
    }

    /// Whether an empty border was found.
    pub fn has_collar(&self) -> bool {
        self.collar.is_some()
    }

    /// What was done with the files.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The name of the file of each band.
    pub fn band_files(&self) -> impl Iterator<Item = &str> {
        let name = |place: &BandLocation| self.members.get(place.member).map_or("", |member| member.name.as_str());
        self.places.iter().map(name)
    }

    /// For people: a band by its common name and that of its file, such as `red (BAND3)`, if the product's naming tells every band and none
    /// is this one. `None` if the band is there or could be.
    pub fn missing_band(&self, common: &str) -> Option<String> {
        // Narrow near infrared will do, and some products have no other.
        let is_it = |name: &String| name == common || (common == "nir" && name == "nir08");
        let is_there = self.info.band_names.iter().flatten().any(is_it);
        if is_there || self.kind == ProductKind::Other {
            return None;
        }
        Some(match names::band_file(self.kind, common) {
            Some(file) => format!("{common} ({file})"),
            None => common.to_owned(),
        })
    }

    /// For each file with requested bands, which bands are requested.
    fn by_member(&self, bands: &[usize]) -> Result<Vec<(usize, Wanted)>, SceneError> {
        if bands.is_empty() {
            return Err(raremap_tiff::Misuse::NoBands.into());
        }
        let mut wanted: Vec<(usize, Wanted)> = Vec::new();
        for (position, band) in bands.iter().enumerate() {
            let band_count = self.places.len();
            let place = self.places.get(*band).ok_or(raremap_tiff::Misuse::NoSuchBand {
                band: *band,
                band_count,
            })?;
            match wanted.iter_mut().find(|(member, _)| *member == place.member) {
                Some((_, of_member)) => of_member.push((position, place.band)),
                None => wanted.push((place.member, vec![(position, place.band)])),
            }
        }
        Ok(wanted)
    }

    /// Combines what was read of each file. All parts have the size of the result.
    fn join(&self, bands: usize, size: [usize; 2], mut parts: Vec<Part>) -> Samples {
        // There is one file with its bands in the requested order, so there is nothing to combine and nothing to copy.
        let is_whole = |part: &Part| part.positions.iter().copied().eq(0..bands);
        if parts.len() == 1
            && parts.iter().all(is_whole)
            && let Some(Part { zero, mut samples, .. }) = parts.pop()
        {
            if zero != Zero::Measured {
                samples.invalidate_zero_pixels(bands);
            }
            return samples;
        }
        let [height, width] = size;
        let mut out = Samples::new(bands, height, width);
        let pixels = out.valid.len();
        // A band that could be 0 for lack of data is not 0 here.
        let mut has_value: Option<Vec<bool>> = None;
        for Part {
            zero,
            positions,
            samples,
        } in parts
        {
            let planes = || samples.values.chunks_exact(pixels.max(1));
            if zero == Zero::Measured {
                narrow_validity(&mut out.valid, samples.valid.iter().copied());
            } else {
                let has_value = has_value.get_or_insert_with(|| vec![false; pixels]);
                let mut is_zero = vec![true; pixels];
                for plane in planes() {
                    for ((is_zero, has_value), value) in is_zero.iter_mut().zip(has_value.iter_mut()).zip(plane) {
                        *is_zero &= *value == 0.0;
                        *has_value |= *value != 0.0;
                    }
                }
                let declared = zero == Zero::DeclaredNodata;
                narrow_validity(
                    &mut out.valid,
                    samples
                        .valid
                        .iter()
                        .zip(&is_zero)
                        .map(|(valid, is_zero)| *valid || declared && *is_zero),
                );
            }
            for (plane, position) in planes().zip(positions) {
                if let Some(target) = out.values.chunks_exact_mut(pixels.max(1)).nth(position) {
                    target.copy_from_slice(plane);
                }
            }
        }
        if let Some(has_value) = has_value {
            narrow_validity(&mut out.valid, has_value.into_iter());
        }
        out
    }
}

/// The requested bands of one file: (position in the result, band of the file).
type Wanted = Vec<(usize, usize)>;

/// What was read of one file.
struct Part {
    zero: Zero,
    /// The position of each of its bands in the result.
    positions: Vec<usize>,
    samples: Samples,
}

fn narrow_validity(valid: &mut [bool], by: impl Iterator<Item = bool>) {
    valid.iter_mut().zip(by).for_each(|(valid, by)| *valid &= by);
}

fn stem_of(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned()
}

impl<S: Scene> Scene for Product<S> {
    fn scene_info(&self) -> &SceneInfo {
        &self.info
    }

    async fn read_window(&self, window: Window, bands: &[usize]) -> Result<Samples, SceneError> {
        let wanted = self.by_member(bands)?;
        window.check_inside(self.info.width, self.info.height)?;
        let Window { width, height, .. } = window;
        let pixels = u64::from(width) * u64::from(height);
        checked_len(
            "the result of a read",
            pixels.saturating_mul((bands.len() * size_of::<f32>() + 1) as u64),
            self.max_window_bytes,
        )?;
        let mut parts = Vec::with_capacity(wanted.len());
        for (member, of_member) in wanted {
            let Some(member) = self.members.get(member) else {
                continue;
            };
            let (positions, bands): (Vec<usize>, Vec<usize>) = of_member.into_iter().unzip();
            parts.push(Part {
                zero: member.zero,
                positions,
                samples: member.scene.read_window(window, &bands).await?,
            });
        }
        let mut samples = self.join(bands.len(), [height as usize, width as usize], parts);
        if let Some(collar) = &self.collar {
            collar.apply(window, bands, &mut samples);
        }
        self.scale(&mut samples, bands);
        Ok(samples)
    }

    async fn read_preview(&self, max_px: u32, bands: &[usize]) -> Result<Samples, SceneError> {
        let wanted = self.by_member(bands)?;
        let mut parts = Vec::with_capacity(wanted.len());
        for (member, of_member) in wanted {
            let Some(member) = self.members.get(member) else {
                continue;
            };
            let (positions, bands): (Vec<usize>, Vec<usize>) = of_member.into_iter().unzip();
            parts.push(Part {
                zero: member.zero,
                positions,
                samples: member.scene.read_preview(max_px, &bands).await?,
            });
        }
        // Files with other pixel sizes or other overviews give other sizes of the same ground.
        let largest = parts
            .iter()
            .map(|part| [part.samples.height, part.samples.width])
            .max_by_key(|[height, width]| height * width);
        let size = largest.unwrap_or_default();
        for part in &mut parts {
            if [part.samples.height, part.samples.width] != size {
                part.samples = nearest(&part.samples, size);
            }
        }
        let mut samples = self.join(bands.len(), size, parts);
        if let Some(collar) = &self.collar {
            collar.apply_to_preview(bands, &mut samples);
        }
        self.scale(&mut samples, bands);
        Ok(samples)
    }
}

/// The same ground in another number of pixels, each the nearest one.
fn nearest(samples: &Samples, [height, width]: [usize; 2]) -> Samples {
    let of =
        |index: usize, count: usize, size: usize| ((2 * index + 1) * size / (2 * count)).min(size.saturating_sub(1));
    let from: Vec<usize> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (y, x)))
        .map(|(y, x)| of(y, height, samples.height) * samples.width + of(x, width, samples.width))
        .collect();
    let planes = samples.values.chunks_exact(samples.valid.len().max(1));
    Samples {
        bands: samples.bands,
        height,
        width,
        values: planes
            .flat_map(|plane| from.iter().map(|at| plane.get(*at).copied().unwrap_or(f32::NAN)))
            .collect(),
        valid: from
            .iter()
            .map(|at| samples.valid.get(*at).copied().unwrap_or(false))
            .collect(),
    }
}

impl<R: RangeSource> Product<TiffScene<R>> {
    /// Opens the files of a recognized product: `source` gives the bytes of a file by its position in the list that was recognized.
    ///
    /// # Errors
    /// [`SceneError::InFile`] for a file that cannot be read, else as [`Product::new`].
    pub async fn open(
        recognized: &RecognizedProduct,
        mut source: impl AsyncFnMut(usize) -> Result<R, SceneError>,
        limits: &Limits,
    ) -> Result<Self, SceneError> {
        let mut files = Vec::with_capacity(recognized.bands.len());
        let (mut used, mut unused) = (Vec::new(), recognized.unused.clone());
        for ProductBand { file, name, common } in &recognized.bands {
            let opened = match source(*file).await {
                Ok(source) => GeoTiff::open(source, limits.clone()).await.map_err(SceneError::from),
                Err(error) => Err(error),
            };
            let mut image = opened.map_err(|error| SceneError::InFile {
                file: name.clone(),
                error: Box::new(error),
            })?;
            for neighbour in recognized
                .neighbours
                .iter()
                .filter(|neighbour| neighbour.image == *file)
            {
                match apply_neighbour(&mut image, neighbour.kind, source(neighbour.file).await, limits).await {
                    Ok(what) => used.push(format!("{} ({what})", neighbour.name)),
                    Err(why) => unused.push(format!("{} ({why})", neighbour.name)),
                }
            }
            files.push(ProductFile {
                name: name.clone(),
                scene: TiffScene::from(image),
                common: common.map(str::to_owned),
            });
        }
        let declared = files
            .iter()
            .filter_map(|file| DeclaredScaling::of(&file.name, file.scene.tiff().info()));
        let declared = declared.collect();
        let described: Vec<String> = files
            .iter()
            .flat_map(|file| file.scene.scene_info().described.clone())
            .collect();
        let mut product = Self::new(files, recognized.kind.zero_fill(), limits)?;
        product.declared = declared;
        product.kind = recognized.kind;
        product.info.described = recognized.described.iter().cloned().chain(described).collect();
        product.notices.splice(..0, recognized.notices(used, unused));
        Ok(product)
    }
}

#[cfg(test)]
mod tests;
