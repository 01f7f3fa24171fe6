//! Sends messages of the ingest API: their checks, their trace header, and the call of the queue.

use std::error::Error;

use axum::http::HeaderMap;

use super::{IngestTarget, error::IngestError};
use crate::{
    message::{MessageId, OutgoingMessage},
    queue::limits,
    telemetry::{context::TraceContext, events},
};

/// Sends one message.
pub(super) async fn send_one(
    target: &IngestTarget,
    message: OutgoingMessage,
) -> Result<MessageId, IngestError> {
    check(&message)?;
    check_size(target, "message", [&message])?;
    let mut results = send_many(target, vec![message]).await?;
    results.pop().unwrap_or_else(|| Err(IngestError::no_answer()))
}

/// Refuses a message or a batch that is too large for SQS, unless there is a bucket for bodies.
pub(super) fn check_size<'a>(
    target: &IngestTarget,
    what: &str,
    messages: impl IntoIterator<Item = &'a OutgoingMessage>,
) -> Result<(), IngestError> {
    let size_bytes: usize = messages.into_iter().map(OutgoingMessage::size_bytes).sum();
    if target.offload.is_none() && size_bytes > limits::MESSAGE_BYTES {
        return Err(IngestError::too_large(format!("the {what} is too large: {size_bytes} bytes")));
    }
    Ok(())
}

/// Sends up to ten messages; returns one result per message, or the error of the call.
pub(super) async fn send_many(
    target: &IngestTarget,
    mut messages: Vec<OutgoingMessage>,
) -> Result<Vec<Result<MessageId, IngestError>>, IngestError> {
    if let Some(offload) = &target.offload {
        let fitted = offload.fit(&mut messages, limits::MESSAGE_BYTES).await;
        fitted.map_err(|error| logged(IngestError::from(&error), &error))?;
    }
    let results = target.queue.send(&messages).await;
    let results = results.map_err(|error| logged(IngestError::from(&error), &error))?;
    let mut results: Vec<_> =
        results.into_iter().map(|result| result.map_err(|error| (&error).into())).collect();
    results.resize_with(messages.len(), || Err(IngestError::no_answer()));
    Ok(results)
}

/// Logs an error of the queue or the bucket: the client does not get the details, so the log must have them.
fn logged(ingest_error: IngestError, error: &(dyn Error + 'static)) -> IngestError {
    if ingest_error.status.is_server_error() {
        events::SendFailed { error }.emit();
    }
    ingest_error
}

/// Refuses what SQS would refuse, with a clearer message and before it fails the rest of a batch.
pub(super) fn check(message: &OutgoingMessage) -> Result<(), IngestError> {
    if message.body.is_empty() {
        return Err(IngestError::bad("InvalidMessageContents", "the body is empty"));
    }
    check_characters("the body", &message.body)?;
    if message.attributes.len() > limits::ATTRIBUTES {
        let message = format!("there are too many attributes: {}", message.attributes.len());
        return Err(IngestError::bad("InvalidParameterValue", message).with_hint("a message has at most 10"));
    }
    for (name, value) in &message.attributes {
        let text = value.text().unwrap_or_default();
        if name.is_empty() || text.is_empty() {
            let message = format!("an attribute has no name or no value: {name}");
            return Err(IngestError::bad("InvalidParameterValue", message));
        }
        check_characters("an attribute", text)?;
    }
    check_ids(message)?;
    if message.delay.is_some_and(|delay| delay > limits::DELAY) {
        return Err(IngestError::bad("InvalidParameterValue", "the delay is too long")
            .with_hint("a message can be delayed by at most 900 seconds"));
    }
    Ok(())
}

fn check_ids(message: &OutgoingMessage) -> Result<(), IngestError> {
    for (what, id) in [("group id", &message.group_id), ("deduplication id", &message.deduplication_id)] {
        let is_fine = |id: &String| {
            let chars = id.chars().count();
            (1..=limits::GROUP_ID_CHARS).contains(&chars) && id.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if id.as_ref().is_some_and(|id| !is_fine(id)) {
            return Err(IngestError::bad(
                "InvalidParameterValue",
                format!("the {what} is not one that SQS takes"),
            )
            .with_hint("use 1 to 128 ascii letters, digits and punctuation"));
        }
    }
    Ok(())
}

fn check_characters(what: &str, text: &str) -> Result<(), IngestError> {
    let Some((at, character)) = text.char_indices().find(|(_, character)| !limits::is_allowed(*character))
    else {
        return Ok(());
    };
    let code_point = u32::from(character);
    let message = format!("{what} holds a character that SQS does not take: U+{code_point:04X} at byte {at}");
    Err(IngestError::bad("InvalidMessageContents", message)
        .with_hint("encode binary data as base64; only the characters of xml 1.0 are allowed"))
}

/// The header in which API Gateway and load balancers send the trace.
const TRACE_HEADER: &str = "x-amzn-trace-id";

/// The trace header of a request's message: the request's own if it is valid, else one of its `traceparent`, else that of
/// a new trace, as API Gateway begins one.
pub(super) fn trace_header(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(own) = text(TRACE_HEADER).filter(|own| TraceContext::from_xray(own).is_some()) {
        return own.to_owned();
    }
    let by_w3c = || TraceContext::from_traceparent(text("traceparent")?, None);
    by_w3c().unwrap_or_else(TraceContext::fresh).xray()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::message::AttributeValue;

    fn code_of(message: &OutgoingMessage) -> Option<String> {
        check(message).err().map(|error| error.code)
    }

    #[test]
    fn a_message_that_sqs_refuses_is_not_sent() {
        let fine = OutgoingMessage::new("{}");
        let attribute = |name: &str, text: &str| [(name.to_owned(), AttributeValue::string(text))].into();
        let eleven = (0..11).map(|name| (name.to_string(), AttributeValue::string("1"))).collect();
        for (message, code) in [
            (fine.clone(), None),
            (OutgoingMessage::new(""), Some("InvalidMessageContents")),
            (OutgoingMessage::new("nul \0"), Some("InvalidMessageContents")),
            (OutgoingMessage::new("\u{FFFF}"), Some("InvalidMessageContents")),
            (
                OutgoingMessage { attributes: attribute("a", ""), ..fine.clone() },
                Some("InvalidParameterValue"),
            ),
            (
                OutgoingMessage { attributes: attribute("a", "\u{1}"), ..fine.clone() },
                Some("InvalidMessageContents"),
            ),
            (OutgoingMessage { attributes: eleven, ..fine.clone() }, Some("InvalidParameterValue")),
            (OutgoingMessage { delay: Some(Duration::from_mins(15)), ..fine.clone() }, None),
            (
                OutgoingMessage { delay: Some(Duration::from_secs(901)), ..fine.clone() },
                Some("InvalidParameterValue"),
            ),
            (OutgoingMessage { group_id: Some("x".repeat(128)), ..fine.clone() }, None),
            (
                OutgoingMessage { group_id: Some("x".repeat(129)), ..fine.clone() },
                Some("InvalidParameterValue"),
            ),
            (
                OutgoingMessage { deduplication_id: Some("a b".to_owned()), ..fine },
                Some("InvalidParameterValue"),
            ),
        ] {
            assert_eq!(code_of(&message).as_deref(), code, "{message:?}");
        }
    }

    #[test]
    fn a_refused_character_is_named_with_its_position() {
        let message = check(&OutgoingMessage::new("é\u{B}")).unwrap_err().message;
        assert_eq!(message, "the body holds a character that SQS does not take: U+000B at byte 2");
    }

    proptest! {
        #[test]
        fn a_body_is_refused_for_its_characters_only_when_one_is_not_allowed(body in "(?s).+") {
            let is_fine = body.chars().all(limits::is_allowed);
            prop_assert_eq!(check(&OutgoingMessage::new(body)).is_ok(), is_fine);
        }
    }

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const XRAY: &str = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";

    fn of(headers: &[(&'static str, &[u8])]) -> String {
        let value = |value: &[u8]| HeaderValue::from_bytes(value).unwrap();
        let headers = headers.iter().map(|(name, bytes)| ((*name).parse().unwrap(), value(bytes)));
        trace_header(&headers.collect())
    }

    #[test]
    fn the_requests_own_header_is_kept() {
        for own in [
            XRAY,
            "Root=1-5759e988-bd862e3fe1be46a994272793",
            "Self=1-2-3;Root=1-5759e988-bd862e3fe1be46a994272793",
        ] {
            assert_eq!(of(&[(TRACE_HEADER, own.as_bytes()), ("traceparent", PARENT.as_bytes())]), own);
        }
    }

    #[test]
    fn a_traceparent_becomes_a_trace_header() {
        assert_eq!(of(&[("traceparent", PARENT.as_bytes())]), XRAY);
        assert_eq!(of(&[(TRACE_HEADER, b"nonsense"), ("traceparent", PARENT.as_bytes())]), XRAY);
    }

    #[test]
    fn a_request_without_a_trace_begins_one() {
        let (one, other) = (of(&[]), of(&[("traceparent", b"\xff")]));
        assert!(TraceContext::from_xray(&one).is_some() && TraceContext::from_xray(&other).is_some());
        assert_ne!(one, other);
    }
}
