//! Encoded bodies: gzip and base64, as the attribute `content-encoding` lists them.

use std::io::Read as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::read::MultiGzDecoder;

use super::ByteSize;
use crate::message::Message;

/// The attribute that lists the encodings in the order in which they were applied.
const CONTENT_ENCODING: &str = "content-encoding";
/// The first bytes of gzip.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// True for the attribute that lists the encodings.
pub(super) fn is_content_encoding(attribute: &str) -> bool {
    attribute.eq_ignore_ascii_case(CONTENT_ENCODING)
}

/// The encodings of a message's body, if it has any.
pub(super) fn listed(message: &Message) -> Option<&str> {
    let (_, value) = message.attributes.iter().find(|(name, _)| is_content_encoding(name))?;
    value.text()
}

/// Takes the encodings off a body, the last one first; the error says why that failed.
pub(super) fn decoded(mut body: Vec<u8>, encodings: &str, most: ByteSize) -> Result<Vec<u8>, String> {
    for encoding in encodings.rsplit(',').map(str::trim) {
        body = match encoding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gunzipped(&body, most)?,
            "base64" => from_base64(&body)?,
            "" | "identity" => body,
            _ => return Err(format!("the {CONTENT_ENCODING} {encoding:?} is none of gzip and base64")),
        };
    }
    Ok(body)
}

fn from_base64(body: &[u8]) -> Result<Vec<u8>, String> {
    let text: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64_STANDARD
        .decode(text)
        .map_err(|error| format!("the body is not the base64 that {CONTENT_ENCODING} says: {error}"))
}

/// Inflates a body. One in SQS is text, so that gzip there stands in base64 even where that is not listed.
fn gunzipped(body: &[u8], most: ByteSize) -> Result<Vec<u8>, String> {
    if !body.starts_with(&GZIP_MAGIC) {
        let bytes = from_base64(body)?;
        if bytes.starts_with(&GZIP_MAGIC) {
            return gunzipped(&bytes, most);
        }
        return Err(format!("the body is not the gzip that {CONTENT_ENCODING} says"));
    }
    let mut inflated = Vec::new();
    // One byte more than is allowed shows that it is too large.
    let mut limited = MultiGzDecoder::new(body).take(most.0.saturating_add(1));
    let read = limited.read_to_end(&mut inflated);
    read.map_err(|error| format!("the body is not the gzip that {CONTENT_ENCODING} says: {error}"))?;
    if inflated.len() as u64 > most.0 {
        return Err(format!("the inflated body has more than payload.max, {most}"));
    }
    Ok(inflated)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const MOST: ByteSize = ByteSize(1_000);

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn base64(body: &[u8]) -> Vec<u8> {
        BASE64_STANDARD.encode(body).into_bytes()
    }

    #[test]
    fn encodings_are_taken_off_in_reverse() {
        for (body, encodings) in [
            (b"ahoy".to_vec(), ""),
            (b"ahoy".to_vec(), "identity"),
            (base64(b"ahoy"), "base64"),
            (gzip(b"ahoy"), "gzip"),
            (base64(&gzip(b"ahoy")), "gzip"),
            (base64(&gzip(b"ahoy")), "GZIP, base64"),
            (base64(&base64(&gzip(b"ahoy"))), "gzip,base64 , base64"),
        ] {
            assert_eq!(decoded(body, encodings, MOST).as_deref(), Ok(&b"ahoy"[..]), "{encodings}");
        }
    }

    #[test]
    fn a_body_that_is_not_what_is_listed_has_a_reason() {
        for (body, encodings) in [
            (&b"ahoy!"[..], "base64"),
            (b"YWhveQ==", "gzip"),
            (b"ahoy!", "gzip"),
            (b"ahoy", "br"),
            (&GZIP_MAGIC, "gzip"),
        ] {
            let reason = decoded(body.to_vec(), encodings, MOST).unwrap_err();
            assert!(reason.contains("content-encoding") && !reason.contains("ahoy"), "{reason}");
        }
    }

    #[test]
    fn no_body_inflates_beyond_the_limit() {
        assert_eq!(decoded(gzip(&[b'x'; 1_000]), "gzip", MOST).unwrap().len(), 1_000);
        let bomb = gzip(&vec![b'x'; 50_000_000]);
        assert!(decoded(bomb, "gzip", MOST).unwrap_err().contains("payload.max, 1kB"));
    }
}
