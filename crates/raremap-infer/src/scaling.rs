//! What the numbers of a scene stand for, and what the model wants them to.

use raremap_model::Card;

/// What a reflectance of 1 is in the model's numbers, where its card says that they are reflectances: 10,000 for most.
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
    // Without a number it is the reflectance itself.
    let factor: f64 = factors.fold(1.0, f64::max);
    (factor.is_finite() && factor <= 1e6).then_some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::tests::card;

    #[test]
    fn the_factor_is_read_from_the_card() {
        let cases = [
            ("surface reflectance x 10000", Some(10_000.0)),
            ("Surface reflectance x 10,000", Some(10_000.0)),
            ("TOA reflectance * 1000", Some(1000.0)),
            ("reflectance", Some(1.0)),
            ("surface reflectance, 0 to 1", Some(1.0)),
            ("8 bits", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let card = Card {
                value_scaling: text.into(),
                ..card()
            };
            assert_eq!(reflectance_factor(&card), expected, "{text}");
        }
    }
}
