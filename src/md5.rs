//! The MD5 sums with which a client checks what it sent to and received from SQS.

use ::md5::{Digest, Md5};

use crate::message::{AttributeContent, AttributeValue};

/// The sum of a body (`MD5OfMessageBody`, `MD5OfBody`), in lowercase hexadecimal.
pub(crate) fn of_body(body: &str) -> String {
    hexadecimal(&Md5::digest(body.as_bytes()))
}

/// The sum of attributes (`MD5OfMessageAttributes`, `MD5OfMessageSystemAttributes`); `None` without any.
///
/// The attributes must come sorted by name, as a map keeps them. Each counts as its name, its data type, a
/// byte for the transport (1 text, 2 bytes) and its value, all but that byte preceded by their length (AWS's
/// developer guide, "Calculating the MD5 message digest for message attributes").
pub(crate) fn of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a str, &'a AttributeValue)>,
) -> Option<String> {
    let mut attributes = attributes.into_iter().peekable();
    attributes.peek()?;
    let mut sum = Md5::new();
    for (name, value) in attributes {
        add_field(&mut sum, name.as_bytes());
        add_field(&mut sum, value.data_type.as_bytes());
        let (transport, content) = match &value.content {
            AttributeContent::Text(text) => (1, text.as_bytes()),
            AttributeContent::Bytes(bytes) => (2, bytes.as_slice()),
        };
        sum.update([transport]);
        add_field(&mut sum, content);
    }
    Some(hexadecimal(&sum.finalize()))
}

fn add_field(sum: &mut Md5, field: &[u8]) {
    // A field is at most a message long, which is far below 4 GiB.
    let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
    sum.update(length.to_be_bytes());
    sum.update(field);
}

/// Bytes in lowercase hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    nibbles.map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_the_sum_of_its_bytes() {
        assert_eq!(of_body("x"), "9dd4e461268c8034f5c8564e155c67a6");
    }

    #[test]
    fn attributes_have_the_sums_of_aws() {
        let sum = |value| of_attributes([("timestamp", &value)]);
        let number = AttributeValue::number("1493147359900");
        let custom = AttributeValue { data_type: "Number.java.lang.Long".to_owned(), ..number.clone() };
        assert_eq!(sum(number).as_deref(), Some("235c5c510d26fb653d073faed50ae77c"));
        assert_eq!(sum(custom).as_deref(), Some("2e2e4876d8e0bd6b8c2c8f556831c349"));
        assert_eq!(of_attributes([]), None);
    }

    #[test]
    fn binary_values_are_summed_as_binary() {
        let (text, bytes) = (AttributeValue::string("x"), AttributeValue::binary([0, 255]));
        let sum = of_attributes([("a", &text), ("b", &bytes)]);
        assert_eq!(sum.as_deref(), Some("c4ec7d55335539420ccc7ec70efeb4a1"));
    }
}
