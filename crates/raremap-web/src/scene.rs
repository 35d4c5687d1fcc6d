//! An open scene, and what the page says about it.

use std::cell::Cell;

use raremap_geo::{Conversion, GeoError, Longitudes, pixel_areas};
use raremap_infer::{
    BandGuess, Display, InferError, Preview, Warning, about_place, card_for_bands, compare_resolution,
    guess_scene_bands, refuse_missing_bands, resampling,
};
use raremap_model::Card;
use raremap_output::SceneName;
use raremap_scene::Scene as _;

use crate::error::SessionError;
use crate::source::SceneImage;
use crate::types::{
    BandAssignment, Grid, Notice, OpenedScene, Picture, PreviewOptions, SceneBand, SceneFacts, ScenePreview,
    SceneWindow,
};

/// A scene that has been opened.
pub struct Scene {
    /// The name of its file, folder or archive.
    pub name: SceneName,
    /// Its pixels.
    pub image: SceneImage,
    /// What could not be done with its numbers.
    pub doubts: Vec<Warning>,
    /// The model's card as it serves the scene, according to the scene's own description.
    fitted: Card,
    /// Which band is which of those that `fitted` reads.
    guess: BandGuess,
    /// How it was last drawn.
    display: Cell<Option<Display>>,
}

impl Scene {
    /// A scene of files with these names; `doubts` are about their reflectance.
    pub fn new(
        files: Vec<String>,
        image: SceneImage,
        mut doubts: Vec<Warning>,
        fitted: Card,
        guess: BandGuess,
    ) -> Self {
        // Here the bands can still be assigned by hand.
        let missing = refuse_missing_bands(&image, &fitted.required_bands()).err();
        doubts.extend(missing.map(|missing| Warning {
            code: "band_missing",
            message: missing.to_string(),
        }));
        Self {
            name: SceneName::new(files, image.facts().id.as_deref()),
            image,
            doubts,
            fitted,
            guess,
            display: Cell::new(None),
        }
    }

    /// Everything that the page says about it before the run.
    pub fn describe(&self, card: &Card) -> OpenedScene {
        let info = self.image.scene_info();
        let size = [info.height, info.width];
        let areas = pixel_areas(info.georeference.as_ref(), size);
        let middle_ha = areas.pixel_ha(info.height as usize / 2, info.width as usize / 2);
        let resolution = compare_resolution(middle_ha, card);
        let names = info.band_names.iter().enumerate();
        // For a scene without areas, the page says the rest beside their table.
        let unplaced = about_place(info, &areas).filter(|_| info.ground_control.is_some());
        OpenedScene {
            scene: SceneFacts {
                name: self.name.name(),
                width: info.width,
                height: info.height,
                bands: names
                    .map(|(index, name)| SceneBand {
                        index,
                        name: name.clone(),
                    })
                    .collect(),
                sample_type: info.sample_type.title(),
                crs: info.georeference.as_ref().map(|place| place.crs.describe()),
                resolution: info.georeference.as_ref().map(|place| place.describe_pixel(size)),
                grid: info.georeference.as_ref().map(Grid::from),
            },
            model_bands: names_of(card.scene_bands()),
            optional_bands: names_of(card.optional_bands()),
            assignment: BandAssignment::of(&self.guess, &self.fitted, card),
            warnings: resolution
                .iter()
                .chain(&unplaced)
                .chain(&self.doubts)
                .map(Notice::from)
                .collect(),
            notices: self.image.notices().iter().map(Notice::from).collect(),
            can_resample: resampling(info, card, false).is_some(),
            model_resolution_m: card.ground_resolution_m,
            has_areas: middle_ha.is_some(),
            has_empty_border: self.image.has_collar(),
        }
    }

    /// Longitude and latitude of places in pixels, column and row in turn. Longitudes run on beyond 180 degrees within the scene.
    ///
    /// # Errors
    /// `no_georeference`, `unsupported_crs`, and `outside_crs_domain` for a scene that holds a pole or reaches over one.
    pub fn lon_lat(&self, pixels: &[f64]) -> Result<Vec<f64>, SessionError> {
        let info = self.image.scene_info();
        let Some(place) = info.georeference.as_ref() else {
            return Err(SessionError::new("no_georeference", "the scene has no georeferencing"));
        };
        let conversion = Conversion::of(place, [info.height as usize, info.width as usize])?;
        if !conversion.covers_scene() || matches!(conversion.longitudes, Longitudes::AroundPole { .. }) {
            return Err(GeoError::OutsideDomain.into());
        }
        let (pixels, _) = pixels.as_chunks::<2>();
        let places = pixels
            .iter()
            .flat_map(|&[column, row]| conversion.coordinates(column, row));
        Ok(places.collect())
    }

    /// Which band is which of those that `card` reads, according to the scene's own description.
    ///
    /// # Errors
    /// As [`guess_scene_bands`].
    pub async fn guess_for(&self, card: &Card) -> Result<BandGuess, SessionError> {
        if card.scene_bands() == self.fitted.scene_bands() {
            return Ok(self.guess.clone());
        }
        Ok(guess_scene_bands(&self.image, &card.scene_bands()).await?)
    }

    /// See [`Preview::of`].
    ///
    /// # Errors
    /// Those of [`Preview::of`], and `misuse` if a required band is not assigned.
    pub async fn preview(&self, card: &Card, options: &PreviewOptions) -> Result<ScenePreview, SessionError> {
        let preview = if options.bands.is_empty() {
            Preview::of(&self.image, card, &[], options.max_px).await?
        } else {
            let (card, bands) = card_for_bands(card, &options.bands)?;
            Preview::of(&self.image, &card, &bands, options.max_px).await?
        };
        self.display.set(Some(preview.display));
        Ok(ScenePreview {
            picture: Picture::from(&preview.picture),
            note: preview.note,
            matching: preview.matching,
            warnings: preview.warnings.iter().map(Notice::from).collect(),
        })
    }

    /// Draws a part of the scene, pixel by pixel, in the colours of the last preview.
    ///
    /// # Errors
    /// As [`Display::draw`], and `misuse` before the first preview.
    pub async fn detail(&self, window: SceneWindow) -> Result<Picture, SessionError> {
        let display = self.display.get();
        let display = display.ok_or_else(|| InferError::Misuse("the scene has not been drawn yet".into()))?;
        Ok(Picture::from(&display.draw(&self.image, window.into()).await?))
    }
}

fn names_of(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}
