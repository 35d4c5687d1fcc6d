//! The classes of the truth.

/// The classes of the default model's task, with their codes in the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 0
    Forest,
    /// 1
    GrassShrub,
    /// 2
    Crop,
    /// 3
    Built,
    /// 4
    Bare,
    /// 5
    Water,
    /// 6
    Wetland,
}

/// The classes in the order of their codes.
pub const CLASSES: [(Class, &str); 7] = [
    (Class::Forest, "forest"),
    (Class::GrassShrub, "grass_shrub"),
    (Class::Crop, "crop"),
    (Class::Built, "built"),
    (Class::Bare, "bare"),
    (Class::Water, "water"),
    (Class::Wetland, "wetland"),
];
