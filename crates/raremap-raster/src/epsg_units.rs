//! The unit of projected systems that a file names by EPSG code alone, without its unit.
//!
//! Most writers give the unit in a key of its own, so this is a list of the usual metric systems, not of all of them:
//! an unlisted system has an unknown unit, and areas are then not given rather than wrong by a foot.

/// Ranges of EPSG codes (both ends included) whose systems are in metres.
const METRIC: [(u16, u16); 48] = [
    (2154, 2154),
    (2180, 2180),
    (2193, 2193),
    (2443, 2461),
    (3003, 3004),
    (3031, 3031),
    (3034, 3035),
    (3395, 3395),
    (3405, 3406),
    (3413, 3413),
    (3577, 3577),
    (3832, 3832),
    (3857, 3857),
    (3978, 3979),
    (5070, 5070),
    (5186, 5186),
    (6669, 6687),
    (6931, 6933),
    (7755, 7755),
    (7846, 7859),
    (8857, 8857),
    (20135, 20138),
    (20248, 20258),
    (20348, 20358),
    (21148, 21150),
    (22171, 22177),
    (23028, 23038),
    (23830, 23852),
    (23866, 23880),
    (24305, 24306),
    (24342, 24347),
    (25828, 25838),
    (26701, 26722),
    (26901, 26923),
    (27700, 27700),
    (28348, 28358),
    (28992, 28992),
    (29168, 29172),
    (29187, 29195),
    (29902, 29903),
    (31254, 31259),
    (31370, 31370),
    (31466, 31469),
    (31965, 31985),
    (32201, 32260),
    (32301, 32360),
    (32601, 32660),
    (32701, 32760),
];

/// Metres per unit of a projected system; `None` where this list does not know it.
pub(crate) fn projected_unit_m(epsg: u16) -> Option<f64> {
    METRIC
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&epsg))
        .then_some(1.0)
}
