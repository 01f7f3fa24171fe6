//! The MD5 that SQS makes of message attributes.

use md5::{Digest, Md5};

use crate::message::{AttributeContent, AttributeValue};

const TEXT: u8 = 1;
const BYTES: u8 = 2;

/// `MD5OfMessageAttributes` of these attributes, which come sorted by name; `None` when there are none.
///
/// Each contributes its name, its data type, the kind of its value and the value, every part but the kind behind
/// its length in four bytes (the developer guide, "Calculating the MD5 message digest for message attributes").
pub(super) fn of_attributes<'a>(
    sorted: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>,
) -> Option<String> {
    let mut digest = Md5::new();
    let mut is_empty = true;
    for (name, value) in sorted {
        is_empty = false;
        part(&mut digest, name.as_bytes());
        part(&mut digest, value.data_type.as_bytes());
        let (kind, content) = match &value.content {
            AttributeContent::Text(text) => (TEXT, text.as_bytes()),
            AttributeContent::Bytes(bytes) => (BYTES, bytes.as_slice()),
        };
        digest.update([kind]);
        part(&mut digest, content);
    }
    (!is_empty).then(|| format!("{:032x}", u128::from_be_bytes(digest.finalize().into())))
}

fn part(digest: &mut Md5, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    digest.update(length.to_be_bytes());
    digest.update(bytes);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_digest_is_the_one_recorded_against_aws() {
        let attributes = BTreeMap::from([
            ("Hello".to_owned(), AttributeValue::string("There")),
            ("General".to_owned(), AttributeValue::string("Kenobi")),
            ("Help.Me".to_owned(), AttributeValue::string("Me")),
        ]);
        assert_eq!(of_attributes(&attributes).as_deref(), Some("4c360f3fdafd970e05fae2f149d997f5"));
        let chosen = attributes.iter().filter(|(name, _)| *name == "Hello");
        assert_eq!(of_attributes(chosen).as_deref(), Some("a311262e065454b75da111d535b8dacd"));
        assert_eq!(of_attributes(&BTreeMap::new()), None);
    }
}
