//! How many SMS a text takes, each of which is paid for: pure.
//!
//! GSM 03.38: 160 characters of 7 bits in one SMS, 153 in each of several; the characters of its extension take two.
//! Any other character makes the whole text UCS-2: 70 units of 16 bits in one SMS, 67 in each of several. SNS cuts at
//! the ends of words, which may take a part more.

/// The characters of GSM 03.38, ASCII's letters and digits aside.
const BASIC: &str = " @£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ!\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
/// Those of its extension.
const EXTENSION: &str = "^{}\\[~]|€";

/// How many SMS a text takes.
pub(super) fn parts(text: &str) -> usize {
    let (units, single, several) = match text.chars().map(septets).sum::<Option<usize>>() {
        Some(septets) => (septets, 160, 153),
        None => (text.encode_utf16().count(), 70, 67),
    };
    if units <= single { 1 } else { units.div_ceil(several) }
}

fn septets(character: char) -> Option<usize> {
    if character.is_ascii_alphanumeric() || BASIC.contains(character) {
        return Some(1);
    }
    EXTENSION.contains(character).then_some(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_takes_as_many_sms_as_its_characters_fill() {
        for (text, count) in [
            (String::new(), 1),
            ("x".repeat(160), 1),
            ("x".repeat(161), 2),
            ("x".repeat(306), 2),
            ("x".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("ä".repeat(160), 1),
            ("ç".repeat(70), 1),
            ("ç".repeat(71), 2),
            ("🚢".repeat(35), 1),
            ("🚢".repeat(36), 2),
            ("x".repeat(1_600), 11),
        ] {
            assert_eq!(parts(&text), count, "{} of {:?}", text.chars().count(), text.chars().next());
        }
    }
}
