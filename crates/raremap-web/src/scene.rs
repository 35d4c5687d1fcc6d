//! An open scene, and what the page says about it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use raremap_geo::{Conversion, GeoError, Longitudes, pixel_areas};
use raremap_infer::{
    BandGuess, Display, InferError, Look, Preview, Reduced, SampledStatistics, Warning, about_place, card_for_bands,
    common_names, compare_resolution, guess_scene_bands, refuse_missing_bands, resampling,
};
use raremap_model::Card;
use raremap_output::SceneName;
use raremap_scene::Scene as _;

use crate::error::SessionError;
use crate::source::SceneImage;
use crate::types::{
    BandAssignment, ComposeOptions, Composition, Grid, Notice, OpenedScene, Picture, PreviewOptions, SceneBand,
    SceneFacts, SceneLook, ScenePreview, SceneStatistics, SceneWindow,
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
    /// How it was last drawn as a whole.
    drawn: RefCell<Option<Drawn>>,
    /// Counts what was to be drawn: an answer to an older question does not count.
    asked: Cell<u32>,
}

/// How a scene is drawn.
#[derive(Clone)]
struct Drawn {
    /// In the colours that suit the model.
    own: Display,
    /// At the moment.
    display: Display,
    /// The preview and its longest side, until a run needs the memory.
    own_picture: Option<(Rc<raremap_scene::Picture>, u32)>,
    /// What was read for the last picture of the whole scene, until a run needs the memory.
    reduced: Option<Rc<Reduced>>,
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
            drawn: RefCell::default(),
            asked: Cell::default(),
        }
    }

    /// Everything that the page says about it before the run.
    pub fn describe(&self, card: &Card) -> OpenedScene {
        let info = self.image.scene_info();
        let size = [info.height, info.width];
        let areas = pixel_areas(info.georeference.as_ref(), size);
        let middle_ha = areas.pixel_ha(info.height as usize / 2, info.width as usize / 2);
        let resolution = compare_resolution(middle_ha, card);
        let names = info.band_names.iter().zip(common_names(info.into())).enumerate();
        // For a scene without areas, the page says the rest beside their table.
        let unplaced = about_place(info, &areas).filter(|_| info.ground_control.is_some());
        OpenedScene {
            scene: SceneFacts {
                name: self.name.name(),
                width: info.width,
                height: info.height,
                bands: names
                    .map(|(index, (name, common))| SceneBand {
                        index,
                        name: name.clone(),
                        common,
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
        // A call that is refused leaves the one before as it is.
        let (card, bands) = assigned(card, &options.bands)?;
        let asked = self.ask();
        let preview = Preview::of(&self.image, &card, &bands, options.max_px).await?;
        let picture = Rc::new(preview.picture);
        if self.asked.get() == asked {
            self.drawn.replace(Some(Drawn {
                own: preview.display,
                display: preview.display,
                own_picture: Some((Rc::clone(&picture), options.max_px)),
                reduced: Some(Rc::new(preview.reduced)),
            }));
        }
        Ok(ScenePreview {
            picture: Picture::from(&*picture),
            note: preview.note,
            matching: preview.matching,
            warnings: preview.warnings.iter().map(Notice::from).collect(),
        })
    }

    /// See [`Look::at`].
    ///
    /// # Errors
    /// As [`Scene::preview`].
    pub async fn look(&self, card: &Card, options: &PreviewOptions) -> Result<SceneLook, SessionError> {
        let (card, bands) = assigned(card, &options.bands)?;
        let look = Look::at(&self.image, &card, &bands, options.max_px).await?;
        Ok(SceneLook {
            matching: look.matching,
            warnings: look.warnings.iter().map(Notice::from).collect(),
            statistics: SceneStatistics::from(&look.statistics),
        })
    }

    /// Draws the whole scene in bands and with a stretch of the user's choice, or in its own colours again. What was read for the last picture is
    /// used again if it is of the same bands.
    ///
    /// # Errors
    /// Those of reading the scene, `misuse` before the first preview and for percentiles out of range, and `superseded` if another picture was asked
    /// for meanwhile.
    pub async fn compose(&self, options: &ComposeOptions) -> Result<Picture, SessionError> {
        let ComposeOptions { composition, max_px } = options;
        if let Some(Composition {
            stretch: [low, high], ..
        }) = composition
            && !(0.0 <= *low && low < high && *high <= 100.0)
        {
            return Err(SessionError::misuse(
                "a stretch goes from one percentile to a higher one, both from 0 to 100",
            ));
        }
        let Drawn {
            own,
            own_picture,
            reduced,
            ..
        } = self.drawn()?;
        let asked = self.ask();
        if composition.is_none()
            && let Some((picture, _)) = own_picture.filter(|(_, size)| size == max_px)
        {
            self.show(own, reduced);
            return Ok(Picture::from(&*picture));
        }
        let bands = composition
            .as_ref()
            .map_or(own.bands(), |composition| composition.bands);
        let reduced = match reduced.filter(|reduced| reduced.shows(bands, *max_px)) {
            Some(reduced) => reduced,
            None => Rc::new(own.reduce(&self.image, bands, *max_px).await?),
        };
        if self.asked.get() != asked {
            return Err(SessionError::new(
                "superseded",
                "the scene is drawn in other colours by now",
            ));
        }
        let display = composition
            .as_ref()
            .map_or(own, |composition| own.stretched(&reduced, composition.stretch));
        let picture = Picture::from(&reduced.draw(&display));
        self.show(display, Some(reduced));
        Ok(picture)
    }

    /// Parts are drawn like this from now on.
    fn show(&self, display: Display, reduced: Option<Rc<Reduced>>) {
        if let Some(drawn) = &mut *self.drawn.borrow_mut() {
            drawn.display = display;
            drawn.reduced = reduced;
        }
    }

    /// Gives back the memory of what pictures of the whole scene were made of.
    pub fn forget_pictures(&self) {
        if let Some(drawn) = &mut *self.drawn.borrow_mut() {
            (drawn.own_picture, drawn.reduced) = (None, None);
        }
    }

    /// Draws a part of the scene, pixel by pixel, in the colours of the last preview or composition.
    ///
    /// # Errors
    /// As [`Display::draw`], `misuse` before the first preview, and `superseded` if the colours are other ones by now.
    pub async fn detail(&self, window: SceneWindow) -> Result<Picture, SessionError> {
        let display = self.drawn()?.display;
        let picture = display.draw(&self.image, window.into()).await?;
        if self.drawn()?.display != display {
            return Err(SessionError::new(
                "superseded",
                "the scene is drawn in other colours by now",
            ));
        }
        Ok(Picture::from(&picture))
    }

    /// Statistics of bands (0-based), reduced so that no side is longer than `max_px`.
    ///
    /// # Errors
    /// Those of reading the scene.
    pub async fn statistics(&self, bands: &[usize], max_px: u32) -> Result<SceneStatistics, SessionError> {
        let found = SampledStatistics::read(&self.image, bands, max_px).await?;
        Ok(SceneStatistics::from(&found))
    }

    fn ask(&self) -> u32 {
        self.asked.update(|asked| asked.wrapping_add(1));
        self.asked.get()
    }

    fn drawn(&self) -> Result<Drawn, SessionError> {
        let drawn = self.drawn.borrow().clone();
        drawn.ok_or_else(|| InferError::Misuse("the scene has not been drawn yet".into()).into())
    }
}

/// The card as it serves the assigned bands, and these; the card itself, as long as there are none.
fn assigned(card: &Card, bands: &[Option<usize>]) -> Result<(Card, Vec<usize>), SessionError> {
    if bands.is_empty() {
        return Ok((card.clone(), Vec::new()));
    }
    Ok(card_for_bands(card, bands)?)
}

fn names_of(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}
