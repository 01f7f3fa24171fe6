//! The MD5 sums by which SQS lets a client check what it sent and received.

use std::fmt::Write as _;

use ::md5::{Digest, Md5};

use crate::message::{AttributeContent, AttributeValue};

/// The sum of a body (`MD5OfMessageBody`, `MD5OfBody`), in lowercase hexadecimal.
pub fn of_body(body: &str) -> String {
    hexadecimal(&Md5::digest(body.as_bytes()))
}

/// The sum of attributes (`MD5OfMessageAttributes`, `MD5OfMessageSystemAttributes`); `None` without any.
///
/// The attributes must come sorted by name, as a map keeps them. Each counts as its name, its data type, a
/// byte for the transport (1 text, 2 bytes) and its value, all but that byte preceded by their length (AWS's
/// developer guide, "Calculating the MD5 message digest for message attributes").
pub fn of_attributes<'a>(
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
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        if write!(text, "{byte:02x}").is_err() {
            unreachable!("a string takes every write");
        }
    }
    text
}
