//! Fuzz target of payloads: a pointer is read as it is written, and no body inflates beyond the limit.

#![expect(clippy::unwrap_used, reason = "a fuzz target panics where a fact does not hold")]

use super::{
    ByteSize,
    encoding::{decoded, listed},
    pointer::Pointer,
};
use crate::{
    fuzz::message,
    message::{Message, OutgoingMessage},
};

const MOST: ByteSize = ByteSize(1_000);

pub(crate) fn payloads(input: &[u8]) {
    let message = message::read(input);
    if let Ok(Some(pointer)) = Pointer::of(&message) {
        assert!(!pointer.bucket.is_empty() && !pointer.key.is_empty());
        let mut sent = OutgoingMessage::new("body");
        pointer.replace_body(&mut sent).unwrap();
        let again = Message { attributes: sent.attributes, ..Message::new("m", sent.body) };
        assert_eq!(Pointer::of(&again), Ok(Some(pointer)));
    }
    if let Some(encodings) = listed(&message)
        && let Ok(body) = decoded(message.body.clone().into_bytes(), encodings, MOST)
    {
        let longest = message.body.len().max(1_000);
        assert!(body.len() <= longest, "{} bytes of {longest}", body.len());
    }
}
