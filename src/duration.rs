//! Durations in settings, written like `30s`, `1h 30m` or `none`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A duration in settings, written like `30s`, `250ms` or `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

impl Span {
    /// A span of whole seconds.
    pub const fn secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A span of whole milliseconds.
    pub const fn millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }
}

/// A text that is not a duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: {0:?}")]
pub struct NotADuration(String);

impl NotADuration {
    /// Explains how to write a duration.
    pub(crate) const HINT: &str = "write a number with a unit, such as 250ms, 30s, 15m or 1h 30m";
}

impl FromStr for Span {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        humantime::parse_duration(text).map(Self).map_err(|_| NotADuration(text.to_owned()))
    }
}

impl TryFrom<String> for Span {
    type Error = NotADuration;

    fn try_from(text: String) -> Result<Self, NotADuration> {
        text.parse()
    }
}

impl From<Span> for serde_json::Value {
    fn from(span: Span) -> Self {
        span.to_string().into()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(formatter)
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["30s", "15m", "1h 30m"], "x-hint": NotADuration::HINT })
    }
}

/// A time limit in settings: a duration, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Limit {
    /// No limit.
    None,
    /// The time after which the work is ended.
    After(Duration),
}

impl Limit {
    /// The limit as an option.
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::After(duration) => Some(duration),
        }
    }
}

/// Reads and writes settings that are a duration or, for one variant, a word.
macro_rules! duration_or_word {
    ($type:ident, $word:literal => $without:ident, $with:ident, examples: $examples:tt) => {
        impl std::str::FromStr for $type {
            type Err = $crate::duration::NotADuration;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if text == $word {
                    return Ok(Self::$without);
                }
                text.parse().map(|$crate::duration::Span(duration)| Self::$with(duration))
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::duration::NotADuration;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(setting: $type) -> Self {
                setting.to_string()
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::$without => formatter.write_str($word),
                    Self::$with(duration) => $crate::duration::Span(*duration).fmt(formatter),
                }
            }
        }

        #[cfg(feature = "cli")]
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "examples": $examples,
                    "x-hint": $crate::duration::NotADuration::HINT
                })
            }
        }
    };
}

pub(crate) use duration_or_word;

duration_or_word!(Limit, "none" => None, After, examples: ["15m", "2h", "none"]);

/// Reads and writes a [`Duration`] as text, for `#[serde(with = "…")]`.
pub(crate) mod text {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::Span;

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        Span(*duration).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Span::deserialize(deserializer).map(|Span(duration)| duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_as_it_is_read() {
        for text in ["250ms", "30s", "15m", "1h 30m"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bare_number_is_refused_with_a_hint() {
        let error = "30".parse::<Span>().unwrap_err();
        assert!(error.to_string().contains("\"30\""), "{error}");
        assert!(NotADuration::HINT.contains("30s"), "{error:?}");
    }

    #[test]
    fn none_is_a_limit() {
        assert_eq!("none".parse(), Ok(Limit::None));
        assert_eq!("2h".parse(), Ok(Limit::After(Duration::from_hours(2))));
    }
}
