//! Pointers to objects of S3 in place of bodies, as the extended clients of SQS and SNS write them.

use std::mem;

use serde_json::{Value, json};

use crate::{
    message::{AttributeValue, Message, OutgoingMessage},
    queue::limits,
};

/// The attribute with the size of the body, by which a message with a pointer is known.
const SIZE: &str = "ExtendedPayloadSize";
/// The attribute of older clients.
const SIZE_OF_OLDER: &str = "SQSLargePayloadSize";
/// The class that a pointer names, which the clients of every language write.
const CLASS: &str = "software.amazon.payloadoffloading.PayloadS3Pointer";
/// The class of older clients.
const CLASS_OF_OLDER: &str = "com.amazon.sqs.javamessaging.MessageS3Pointer";

/// The place of a body in S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl Pointer {
    /// The pointer of a message that is marked to have one; the error says why it cannot be read, and does not quote it.
    pub(super) fn of(message: &Message) -> Result<Option<Self>, String> {
        if !message.attributes.keys().any(|name| is_size(name)) {
            return Ok(None);
        }
        let unreadable =
            || format!("the message has a size in {SIZE}, and its body is no pointer to an object of s3");
        let body: Value = serde_json::from_str(&message.body).map_err(|_| unreadable())?;
        let is_known = matches!(body[0].as_str(), Some(CLASS | CLASS_OF_OLDER));
        let part = |name: &str| body[1][name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        match (part("s3BucketName"), part("s3Key")) {
            (Some(bucket), Some(key)) if is_known => Ok(Some(Self { bucket, key })),
            _ => Err(unreadable()),
        }
    }

    /// Puts the pointer in place of a message's body, and returns the body; SQS takes no eleventh attribute.
    pub(super) fn replace_body(&self, message: &mut OutgoingMessage) -> Result<String, String> {
        if message.attributes.len() >= limits::ATTRIBUTES {
            return Err(format!(
                "the message has {} attributes, at most 9 beside {SIZE}",
                limits::ATTRIBUTES
            ));
        }
        let size = AttributeValue::number(message.body.len().to_string());
        message.attributes.insert(SIZE.to_owned(), size);
        let pointer = json!([CLASS, { "s3BucketName": self.bucket, "s3Key": self.key }]).to_string();
        Ok(mem::replace(&mut message.body, pointer))
    }
}

impl std::fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "s3://{}/{}", self.bucket, self.key)
    }
}

/// True for the attribute that marks a message with a pointer.
pub(super) fn is_size(attribute: &str) -> bool {
    matches!(attribute, SIZE | SIZE_OF_OLDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(marker: &str, body: &str) -> Message {
        let mut message = Message::new("m", body);
        message.attributes.insert(marker.to_owned(), AttributeValue::number("300000"));
        message
    }

    #[test]
    fn both_markers_and_both_classes_are_read() {
        for marker in [SIZE, SIZE_OF_OLDER] {
            for class in [CLASS, CLASS_OF_OLDER] {
                let body = format!(r#"["{class}",{{"s3BucketName":"b","s3Key":"a/k"}}]"#);
                let pointer = Pointer::of(&message(marker, &body)).unwrap().unwrap();
                assert_eq!(pointer.to_string(), "s3://b/a/k");
                assert_eq!(Pointer::of(&message("other", &body)), Ok(None), "it is not marked");
            }
        }
    }

    #[test]
    fn a_marked_body_that_is_no_pointer_has_a_reason_that_does_not_quote_it() {
        for body in [
            "secret",
            "[]",
            r#"["secret",{"s3BucketName":"b","s3Key":"k"}]"#,
            &format!(r#"["{CLASS}",{{"s3BucketName":"secret"}}]"#),
            &format!(r#"["{CLASS}",{{"s3BucketName":"","s3Key":"secret"}}]"#),
        ] {
            let reason = Pointer::of(&message(SIZE, body)).unwrap_err();
            assert!(reason.contains(SIZE) && !reason.contains("secret"), "{reason}");
        }
    }

    #[test]
    fn a_written_pointer_is_read_again() {
        let pointer = Pointer { bucket: "b".to_owned(), key: "k\"é".to_owned() };
        let mut sent = OutgoingMessage::new("x".repeat(300_000));
        pointer.replace_body(&mut sent).unwrap();
        assert_eq!(sent.attributes[SIZE], AttributeValue::number("300000"));
        let received =
            Message { attributes: sent.attributes.clone(), ..Message::new("m", sent.body.clone()) };
        assert_eq!(Pointer::of(&received), Ok(Some(pointer.clone())));
        for number in 0..9 {
            sent.attributes.insert(number.to_string(), AttributeValue::string("x"));
        }
        assert!(pointer.replace_body(&mut sent).is_err(), "an eleventh attribute");
    }
}
