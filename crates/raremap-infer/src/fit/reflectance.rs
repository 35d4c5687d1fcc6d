//! What a reflectance of 1 is in the numbers of a model.

use raremap_model::Card;

/// What a reflectance of 1 is in the model's numbers, if its card says that they are reflectances; it is 10,000 for most.
///
/// `None` for models that were trained on something else.
pub fn reflectance_factor(card: &Card) -> Option<f64> {
    let text = card.value_scaling.to_lowercase();
    let after = text.split_once("reflectance")?.1;
    let number = |word: &str| {
        word.trim_matches(|c: char| !c.is_ascii_digit())
            .replace([',', '_'], "")
            .parse()
            .ok()
    };
    let factors = after.split([' ', 'x', '*', '\u{d7}', '(', ')']).filter_map(number);
    // Without a number, the value is the reflectance itself.
    let factor: f64 = factors.fold(1.0, f64::max);
    (factor.is_finite() && factor <= 1e6).then_some(factor)
}
