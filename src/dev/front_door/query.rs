//! Query strings, decoded as API Gateway decodes them: pure.

/// The last value of a parameter, decoded to bytes: `+` is a space, `%` and two digits a byte.
///
/// Unlike the usual decoders it replaces nothing that is not UTF-8, so that a caller can refuse it.
pub(super) fn parameter(query: &str, name: &str) -> Option<Vec<u8>> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.rev().find(|(key, _)| decode(key) == name.as_bytes()).map(|(_, value)| decode(value))
}

/// A `%` without two hexadecimal digits after it stands for itself.
fn decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'+', _) => decoded.push(b' '),
            (b'%', &[high, low, ref after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(digit(high) << 4 | digit(low));
                rest = after;
            }
            _ => decoded.push(byte),
        }
    }
    decoded
}

fn digit(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        _ => hex.to_ascii_lowercase() - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::form_urlencoded::byte_serialize;

    use super::*;

    fn text(query: &str) -> Option<String> {
        parameter(query, "message").map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_plus_is_a_space_and_a_percent_a_byte() {
        assert_eq!(text("message=a+b%2Bc%26d%20%25").unwrap(), "a b+c&d %");
        assert_eq!(text("other=1&message=%F0%9F%9A%A2").unwrap(), "🚢");
        assert_eq!(text("%6Dessage=named").unwrap(), "named");
    }

    #[test]
    fn the_last_of_several_values_counts() {
        assert_eq!(text("message=first&message=last").unwrap(), "last");
    }

    #[test]
    fn a_missing_parameter_is_not_an_empty_one() {
        assert_eq!(text("messages=1&essage=2"), None);
        assert_eq!(text("message").unwrap(), "");
    }

    #[test]
    fn a_percent_that_starts_no_byte_stands_for_itself() {
        assert_eq!(text("message=100%&x=1").unwrap(), "100%");
        assert_eq!(text("message=%zz%4").unwrap(), "%zz%4");
    }

    proptest! {
        #[test]
        fn an_encoded_value_reads_back_the_same(bytes: Vec<u8>) {
            let query = format!("message={}", byte_serialize(&bytes).collect::<String>());
            prop_assert_eq!(parameter(&query, "message"), Some(bytes));
        }

        #[test]
        fn no_query_panics(query in ".*") {
            parameter(&query, "message");
        }
    }
}
