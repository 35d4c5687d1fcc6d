//! What a GeoTIFF says about itself, and what its pixels are; docs/inspect.md describes the report.

use std::path::{Path, PathBuf};

use raremap_geo::{M2_PER_HA, pixel_areas};
use raremap_io::FileSource;
use raremap_scene::{NeighbourKind, SceneError, apply_neighbour, neighbour_kind};
use raremap_tiff::{GeoTiff, Limits, RasterInfo, SampleStatistics};
use serde_json::{Map, Value, json};

use crate::error::FilesError;
use crate::neighbours::with_neighbours;

/// Unless all pixels are asked for, statistics come from at most this many pixels on a side.
const PREVIEW_PX: u32 = 1024;

/// What a GeoTIFF says about itself, and what its pixels are.
#[derive(Debug)]
pub struct InspectedScene {
    /// What the file says.
    pub info: RasterInfo,
    /// Of each band.
    pub statistics: Vec<SampleStatistics>,
    /// Whether the statistics are those of all pixels.
    pub is_exact: bool,
    /// GDAL's checksum of each band, if it was asked for.
    pub checksums: Option<Vec<u16>>,
    /// Names of the files beside the image that were read.
    pub files_read: Vec<String>,
    /// Names of the files beside the image that were not read, each with the reason.
    pub files_not_read: Vec<(String, String)>,
}

impl InspectedScene {
    /// Opens a GeoTIFF. `checksums` and `statistics` read all of its pixels.
    pub(super) async fn open(path: &Path, checksums: bool, statistics: bool) -> Result<Self, FilesError> {
        let mut scene = GeoTiff::open(FileSource::open(path)?, Limits::default()).await?;
        let (files_read, files_not_read) = read_beside(&mut scene, path).await;
        let info = scene.info().clone();
        let is_exact = checksums || statistics || info.width.max(info.height) <= PREVIEW_PX;
        let (statistics, checksums) = if is_exact {
            let bands = scene.summarize_bands().await?;
            let found = bands.iter().map(|band| band.checksum);
            (
                bands.iter().map(|band| band.statistics).collect(),
                checksums.then(|| found.collect()),
            )
        } else {
            (scene.sample_bands(PREVIEW_PX).await?, None)
        };
        Ok(Self {
            info,
            statistics,
            is_exact,
            checksums,
            files_read,
            files_not_read,
        })
    }

    /// Which pixels the statistics are of, in words.
    pub fn statistics_of(&self) -> &'static str {
        if self.is_exact { "all pixels" } else { "a preview" }
    }

    /// Ground area of the pixel in the middle, in square metres.
    pub fn middle_pixel_m2(&self) -> Option<f64> {
        let info = &self.info;
        let areas = pixel_areas(info.georeference.as_ref(), [info.height, info.width]);
        let hectares = areas.pixel_ha(info.height as usize / 2, info.width as usize / 2);
        hectares.map(|hectares| hectares * M2_PER_HA)
    }

    /// The report, as `raremap inspect --json` prints it.
    pub fn to_json(&self) -> Value {
        let info = &self.info;
        let transform = info.georeference.as_ref().map(|known| known.model_from_pixel);
        let items = |items: &[(String, String)]| -> Map<String, Value> {
            items.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
        };
        let band = |index: usize| {
            let mut band = json!({
                "band": index + 1,
                "name": info.band_names.get(index),
                "color_interpretation": info.color_interpretations.get(index),
                "scale": info.scales.get(index),
                "offset": info.offsets.get(index),
                "unit": info.units.get(index),
                "items": info.band_items.get(index).map(|all| items(all)),
                "statistics": self.statistics.get(index),
            });
            if let (Some(checksums), Some(band)) = (&self.checksums, band.as_object_mut()) {
                band.insert("checksum".to_owned(), json!(checksums.get(index)));
            }
            band
        };
        json!({
            "kind": "geotiff",
            "width": info.width,
            "height": info.height,
            "band_count": info.band_count,
            "sample_type": info.sample_type,
            "bits_per_sample": info.bits_per_sample,
            "nodata": info.nodata.map(number),
            "stated_nodata": info.stated_nodata.map(number),
            "palette": info.color_map.is_some(),
            "alpha_band": info.alpha_band.map(|band| band + 1),
            "premultiplied": info.premultiplied,
            "masked": info.masked,
            "layout": {
                "big_tiff": info.is_big_tiff,
                "byte_order": info.byte_order,
                "compression": info.compression,
                "predictor": info.predictor,
                "planar": info.planar,
                "tiled": info.tiled,
                "block_width": info.block_width,
                "block_height": info.block_height,
                "sparse_block_count": info.sparse_block_count,
                "page_count": info.page_count,
                "overviews": info.overviews,
            },
            "crs": info.crs,
            "model_from_pixel": transform.map(|t| [t.a, t.b, t.c, t.d, t.e, t.f]),
            "gdal_transform": transform.map(|t| [t.c, t.a, t.b, t.f, t.d, t.e]),
            "pixel_is_point": info.pixel_is_point,
            "gcp_count": info.gcp_count,
            "middle_pixel_m2": self.middle_pixel_m2(),
            "bands": (0..info.band_count).map(band).collect::<Vec<_>>(),
            "statistics_of": self.statistics_of(),
            "items": items(&info.items),
            "files_read": self.files_read,
            "files_not_read": self.files_not_read.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        })
    }
}

/// Applies the files beside the image to it.
async fn read_beside(scene: &mut GeoTiff<FileSource>, image: &Path) -> (Vec<String>, Vec<(String, String)>) {
    let (mut read, mut not_read) = (Vec::new(), Vec::new());
    let listed = with_neighbours(&[image.to_owned()]);
    let of = |other: &PathBuf| neighbour_kind(&image.to_string_lossy(), &other.to_string_lossy());
    let mut found: Vec<(NeighbourKind, &PathBuf)> = listed.iter().filter_map(|path| Some((of(path)?, path))).collect();
    found.sort_by_key(|(kind, _)| kind.order());
    for (kind, path) in found {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let source = FileSource::open(path).map_err(SceneError::from);
        match apply_neighbour(scene, kind, source, &Limits::default()).await {
            Ok(_) => read.push(name),
            Err(why) => not_read.push((name, why.to_string())),
        }
    }
    (read, not_read)
}

/// A number, or a word where JSON has no number for it.
fn number(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else {
        json!(value.to_string().to_lowercase())
    }
}
