//! The files of a run: their names, and what they are for.

/// A file of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum OutputKind {
    /// Class of each pixel.
    Mask,
    /// Probability of each rare class.
    Probability,
    /// Probability of any rare class.
    Saliency,
    /// Outlines of the mask's regions.
    Polygons,
    /// Where to look first.
    Review,
    /// Area by class, as a table.
    AreasCsv,
    /// Area by class, with everything that is known about the run.
    AreasJson,
    /// What the other files are, for catalogues.
    StacItem,
}

/// GDAL's media type of such files.
const COG: &str = "image/tiff; application=geotiff; profile=cloud-optimized";

impl OutputKind {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 8] = [
        Self::Mask,
        Self::Probability,
        Self::Saliency,
        Self::Polygons,
        Self::Review,
        Self::AreasCsv,
        Self::AreasJson,
        Self::StacItem,
    ];

    /// The file's name.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Mask => "mask.tif",
            Self::Probability => "probability.tif",
            Self::Saliency => "saliency.tif",
            Self::Polygons => "polygons.geojson",
            Self::Review => "review.geojson",
            Self::AreasCsv => "areas.csv",
            Self::AreasJson => "areas.json",
            Self::StacItem => "item.json",
        }
    }

    /// The kind of a file, by its name.
    pub fn of_file_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.file_name() == name)
    }

    /// The file's media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Mask | Self::Probability | Self::Saliency => COG,
            Self::Polygons | Self::Review | Self::StacItem => "application/geo+json",
            Self::AreasCsv => "text/csv",
            Self::AreasJson => "application/json",
        }
    }

    /// What it is, in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Mask => "Class of each pixel",
            Self::Probability => "Probability of each rare class",
            Self::Saliency => "Probability of any rare class",
            Self::Polygons => "Regions of one class, with area and mean probability",
            Self::Review => "Places to look at first, by saliency and area",
            Self::AreasCsv | Self::AreasJson => "Area by class",
            Self::StacItem => "STAC Item of the results",
        }
    }

    /// Its key among the assets of a STAC Item.
    pub(crate) fn asset_key(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Probability => "probability",
            Self::Saliency => "saliency",
            Self::Polygons => "polygons",
            Self::Review => "review",
            Self::AreasCsv => "areas-csv",
            Self::AreasJson => "areas-json",
            Self::StacItem => "item",
        }
    }
}
