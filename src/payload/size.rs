//! Sizes in settings, written like `64MiB`.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The units, the largest first.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// A number of bytes in settings, written like `64MiB`, `6MB` or `500B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ByteSize(pub(crate) u64);

/// A text that is not a size.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a size: {0:?}")]
pub(crate) struct NotASize(String);

impl ByteSize {
    const HINT: &str = "write a number with a unit, such as 64MiB, 6MB or 500B";
}

impl FromStr for ByteSize {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let error = || NotASize(text.to_owned());
        let end = text.find(|character: char| !character.is_ascii_digit()).ok_or_else(error)?;
        let number: u64 = text[..end].parse().map_err(|_| error())?;
        let unit = text[end..].trim_start();
        let (_, bytes) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(error)?;
        number.checked_mul(*bytes).map(Self).ok_or_else(error)
    }
}

impl TryFrom<String> for ByteSize {
    type Error = NotASize;

    fn try_from(text: String) -> Result<Self, NotASize> {
        text.parse()
    }
}

impl fmt::Display for ByteSize {
    /// In the largest unit that gives a whole number.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, bytes)| self.0 > 0 && self.0.is_multiple_of(*bytes));
        let (unit, bytes) = whole.unwrap_or(&("B", 1));
        write!(formatter, "{}{unit}", self.0 / bytes)
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

impl From<ByteSize> for serde_json::Value {
    fn from(size: ByteSize) -> Self {
        size.to_string().into()
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["64MiB", "6MB"], "x-hint": ByteSize::HINT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_written_as_it_is_read() {
        for (text, bytes) in
            [("64MiB", 64 << 20), ("6MB", 6_000_000), ("500B", 500), ("1KiB", 1_024), ("0B", 0)]
        {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, text));
        }
        assert_eq!("1 mib".parse(), Ok(ByteSize(1 << 20)));
        for text in ["", "64", "MiB", "-1B", "1.5MiB", "1XB", "99999999999999GiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }
}
