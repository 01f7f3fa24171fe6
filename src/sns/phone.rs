//! Phone numbers in the one form that SNS takes, E.164.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A phone number as E.164 writes it: a plus, the country, the number, 15 digits at most.
///
/// Personal data: `Debug` and `Display` show the last two digits alone.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// A text that is not a phone number of that form; it is not quoted, for it may be somebody's all the same.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number in e.164 form")]
pub struct NotAPhoneNumber;

impl NotAPhoneNumber {
    const HINT: &str = "write a plus and 4 to 15 digits, such as +15550100123";

    /// The way to write a phone number.
    pub fn hint(&self) -> Option<&'static str> {
        Some(Self::HINT)
    }
}

impl PhoneNumber {
    /// The number as E.164 writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PhoneNumber {
    type Err = NotAPhoneNumber;

    fn from_str(text: &str) -> Result<Self, NotAPhoneNumber> {
        let digits = text.strip_prefix('+').ok_or(NotAPhoneNumber)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        if is_number && (4..=15).contains(&digits.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAPhoneNumber)
        }
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = NotAPhoneNumber;

    fn try_from(text: String) -> Result<Self, NotAPhoneNumber> {
        text.parse()
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "+…{}", &self.0[self.0.len() - 2..])
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PhoneNumber({self})")
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for PhoneNumber {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PhoneNumber".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["+15550100123"], "x-hint": NotAPhoneNumber::HINT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_e164_is_a_number() {
        assert_eq!("+15550100123".parse::<PhoneNumber>().unwrap().as_str(), "+15550100123");
        for text in ["", "+", "15550100123", "+05550100", "+1 555 0100", "+1555010012345678", "+49x123"] {
            assert_eq!(text.parse::<PhoneNumber>(), Err(NotAPhoneNumber), "{text}");
        }
    }

    #[test]
    fn a_number_is_not_shown_whole() {
        let number: PhoneNumber = "+15550100123".parse().unwrap();
        assert_eq!(format!("{number} {number:?}"), "+…23 PhoneNumber(+…23)");
    }
}
