//! Applies files that lie beside a GeoTIFF to it: GDAL's auxiliary XML, world files, coordinate reference systems as text.

use quick_xml::events::Event;
use raremap_geo::{Affine, CrsKind, GeoReference, GeoTags, geo_keys, is_known};
use raremap_io::RangeSource;

use super::GeoTiff;
use super::gdal_metadata::{append, reader};
use crate::error::NotApplied;
use crate::samples::nodata::parse_nodata;

impl<S: RangeSource> GeoTiff<S> {
    /// Takes what GDAL's auxiliary XML (`.aux.xml`) adds: nodata and band names if the file has none, and georeferencing, which takes precedence
    /// over the file's own.
    ///
    /// # Errors
    /// [`NotApplied::NothingNew`].
    pub fn apply_auxiliary(&mut self, xml: &str) -> Result<&'static str, NotApplied> {
        let found = Auxiliary::parse(xml);
        let mut used = Vec::new();
        let system = found.system.as_deref().and_then(geo_keys);
        let transform = found.transform.as_deref().and_then(geo_transform);
        if let Some(affine) = transform {
            used.extend(self.place(affine, system).then_some("place"));
        } else if let Some(system) = system {
            used.extend(self.set_system(system).is_ok().then_some("coordinate reference system"));
        }
        let mut nodata = None;
        for band in found.bands {
            nodata = nodata.or_else(|| parse_nodata(band.nodata?.trim().as_bytes()));
            let name = band.description.map(|text| text.trim().to_owned());
            let own = band
                .number
                .and_then(|number| self.info.band_names.get_mut(number.wrapping_sub(1)));
            if let (Some(own @ None), Some(name)) = (own, name.filter(|name| !name.is_empty())) {
                *own = Some(name);
                used.push("names of bands");
            }
        }
        if let Some(nodata) = nodata.filter(|_| self.info.stated_nodata.is_none()) {
            self.set_nodata(nodata);
            used.push("no data");
        }
        used.first().copied().ok_or(NotApplied::NothingNew)
    }

    /// Takes a transform from a world file, for the centre of the first pixel. Like its siblings, names in a word or two what was taken.
    ///
    /// # Errors
    /// [`NotApplied::OwnPlace`], [`NotApplied::NotSixNumbers`] or [`NotApplied::NotATransform`].
    pub fn apply_world_file(&mut self, text: &str) -> Result<&'static str, NotApplied> {
        if self.info.georeference.is_some() {
            return Err(NotApplied::OwnPlace);
        }
        let numbers: Vec<f64> = text
            .split_whitespace()
            .filter_map(|number| number.replace(',', ".").parse().ok())
            .collect();
        let [a, d, b, e, x, y] = numbers[..] else {
            return Err(NotApplied::NotSixNumbers);
        };
        let (c, f) = (x - 0.5 * (a + b), y - 0.5 * (d + e));
        let is_placed = self.place(Affine { a, b, c, d, e, f }, None);
        is_placed.then_some("place").ok_or(NotApplied::NotATransform)
    }

    /// Takes a coordinate reference system as text, if the file names none.
    ///
    /// # Errors
    /// [`NotApplied::UnreadableSystem`] or [`NotApplied::OwnSystem`].
    pub fn apply_system(&mut self, text: &str) -> Result<&'static str, NotApplied> {
        let system = geo_keys(text).ok_or(NotApplied::UnreadableSystem)?;
        self.set_system(system).map(|()| "coordinate reference system")
    }

    fn set_system(&mut self, system: GeoTags) -> Result<(), NotApplied> {
        let own = self
            .info
            .georeference
            .as_ref()
            .map(|place| &place.tags)
            .or(self.info.ground_control.as_ref());
        if own.is_some_and(is_known) || self.info.crs.as_ref().is_some_and(|crs| crs.kind != CrsKind::Unknown) {
            return Err(NotApplied::OwnSystem);
        }
        self.info.crs = system.crs();
        if let Some(place) = &self.info.georeference {
            self.info.georeference = GeoReference::placed(place.model_from_pixel, system);
        } else if let Some(points) = &mut self.info.ground_control {
            (points.key_directory, points.double_params, points.ascii_params) =
                (system.key_directory, system.double_params, system.ascii_params);
        } else {
            self.info.unplaced_system = Some(system);
        }
        Ok(())
    }

    /// Sets the transform, with the given coordinate reference system or the one that is already known.
    fn place(&mut self, affine: Affine, system: Option<GeoTags>) -> bool {
        let is_transform = [affine.a, affine.b, affine.c, affine.d, affine.e, affine.f]
            .iter()
            .all(|value| value.is_finite())
            && affine.a * affine.e - affine.b * affine.d != 0.0;
        let own = || self.info.georeference.as_ref().map(|place| place.tags.clone());
        let tags = system
            .or_else(own)
            .or_else(|| self.info.unplaced_system.clone())
            .unwrap_or_default();
        let Some(place) = GeoReference::placed(affine, tags).filter(|_| is_transform) else {
            return false;
        };
        self.info.crs = Some(place.crs.clone());
        self.info.georeference = Some(place);
        (self.info.ground_control, self.info.gcp_count) = (None, 0);
        true
    }
}

/// The parts of GDAL's auxiliary XML that are used.
#[derive(Default)]
struct Auxiliary {
    system: Option<String>,
    transform: Option<String>,
    bands: Vec<AuxiliaryBand>,
}

#[derive(Default)]
struct AuxiliaryBand {
    /// From 1.
    number: Option<usize>,
    nodata: Option<String>,
    description: Option<String>,
}

impl Auxiliary {
    /// Reads everything up to the first place that is not valid XML.
    fn parse(xml: &str) -> Self {
        let mut found = Self::default();
        let (mut text, mut is_in_band) = (String::new(), false);
        let mut reader = reader(xml);
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Start(element) => {
                    text.clear();
                    if element.name().as_ref() == "PAMRasterBand" {
                        let mut attributes = element.attributes();
                        let mut attributes = attributes.with_checks(false).flatten();
                        let band = attributes.find(|attribute| attribute.key.as_ref() == "band");
                        found.bands.push(AuxiliaryBand {
                            number: band.and_then(|band| band.value.trim().parse().ok()),
                            ..AuxiliaryBand::default()
                        });
                        is_in_band = true;
                    }
                }
                Event::End(element) => {
                    let text = std::mem::take(&mut text);
                    let band = found.bands.last_mut().filter(|_| is_in_band);
                    match (element.name().as_ref(), band) {
                        ("SRS", None) => found.system = found.system.or(Some(text)),
                        ("GeoTransform", None) => found.transform = found.transform.or(Some(text)),
                        ("NoDataValue", Some(band)) => band.nodata = band.nodata.take().or(Some(text)),
                        ("Description", Some(band)) => band.description = band.description.take().or(Some(text)),
                        ("PAMRasterBand", _) => is_in_band = false,
                        _ => {}
                    }
                }
                Event::Eof => break,
                part => append(&mut text, &part),
            }
        }
        found
    }
}

/// A transform in GDAL's order: x of the corner, per pixel, per row; then the same for y.
fn geo_transform(text: &str) -> Option<Affine> {
    let numbers: Vec<f64> = text
        .split(',')
        .map(|number| number.trim().parse().ok())
        .collect::<Option<_>>()?;
    let [c, a, b, f, d, e] = numbers[..] else {
        return None;
    };
    Some(Affine { a, b, c, d, e, f })
}
