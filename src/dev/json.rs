//! What is wrong with a client's JSON, in words that neither quote its values nor name our types.

use serde_json::{Error, error::Category};

/// Fields may be named, since their names are the protocol's; values may be large, or secret.
const SAFE: [&str; 3] = ["missing field", "unknown field", "duplicate field"];

/// The words for an error.
pub(super) fn words(error: &Error) -> String {
    let text = error.to_string();
    let is_safe = error.classify() != Category::Data || SAFE.iter().any(|start| text.starts_with(start));
    if is_safe {
        return text;
    }
    format!("a value of another type than expected at line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[expect(dead_code, reason = "only its reading is of interest")]
        number: u8,
    }

    #[test]
    fn values_and_types_are_not_quoted() {
        for (json, wanted) in [
            (r#"{"number": "secret"}"#, "a value of another type"),
            (r#"["secret"]"#, "a value of another type"),
            (r"{}", "missing field `number`"),
            (r#"{"nummer": 1}"#, "unknown field `nummer`"),
            (r#"{"number": secret}"#, "expected value at line 1"),
        ] {
            let words = words(&serde_json::from_str::<Form>(json).unwrap_err());
            assert!(
                words.starts_with(wanted) && !words.contains("secret") && !words.contains("Form"),
                "{words}"
            );
        }
    }
}
