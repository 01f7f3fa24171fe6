//! Messages as CloudEvents in the binary mode of their HTTP binding: pure.
//!
//! The CloudEvents specification 1.0 and its HTTP protocol binding define the attributes, their headers `ce-…` and how
//! their values are encoded.

use std::{collections::BTreeMap, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, value::RawValue};

use crate::{
    handler::timestamp::{Precision, iso_8601},
    message::Message,
};

/// The version of the specification.
const VERSION: &str = "1.0";
/// The type of an event that is made of a message.
const TYPE: &str = "com.amazon.sqs.message";
/// The media type of an event with its attributes in the body.
const STRUCTURED: &str = "application/cloudevents+json";
/// The ASCII characters that the binding encodes: all but printable characters, and of those the space, `"` and `%`.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');
/// The most bytes of names and values that the headers take together, since servers refuse requests with more.
const HEADERS_BYTES: usize = 4096;

/// An event's headers, and its data where the message's body is more than that.
#[derive(Debug)]
pub(super) struct CloudEvent {
    pub(super) headers: HeaderMap,
    pub(super) data: Option<Bytes>,
}

/// The event in a message, or else the message as an event of this source.
///
/// An event whose attributes no headers can hold stays as it is, with the media type of the structured mode.
pub(super) fn of(message: &Message, source: &str) -> CloudEvent {
    let Some(members) = members(&message.body) else { return of_message(message, source) };
    of_members(&members).unwrap_or_else(|| {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(STRUCTURED))]);
        CloudEvent { headers, data: None }
    })
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The members of an event in JSON; `None` for any other body.
fn members(body: &str) -> Option<Members<'_>> {
    let members: Members<'_> = serde_json::from_str(body).ok()?;
    let has_all = ["id", "source", "type"].iter().all(|name| text(&members, name).is_some());
    (text(&members, "specversion").as_deref() == Some(VERSION) && has_all).then_some(members)
}

/// A member as text.
fn text(members: &Members<'_>, name: &str) -> Option<String> {
    match serde_json::from_str(members.get(name)?.get()).ok()? {
        Value::String(text) => Some(text),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        plain => Some(plain.to_string()),
    }
}

/// The event of these members; `None` if headers cannot hold its attributes.
fn of_members(members: &Members<'_>) -> Option<CloudEvent> {
    let mut headers = HeaderMap::with_capacity(members.len());
    let mut free_bytes = HEADERS_BYTES;
    for name in members.keys().filter(|name| !["data", "data_base64", "datacontenttype"].contains(&&***name))
    {
        if members[name].get() == "null" {
            continue;
        }
        let (name, value) = header(name, &text(members, name)?)?;
        free_bytes = free_bytes.checked_sub(name.as_str().len() + value.len())?;
        headers.insert(name, value);
    }
    let media_type = text(members, "datacontenttype").unwrap_or_else(|| "application/json".to_owned());
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(&media_type).ok()?);
    let data = match (members.get("data"), text(members, "data_base64")) {
        (_, Some(encoded)) => BASE64_STANDARD.decode(encoded).ok()?.into(),
        (Some(_), None) if !is_json(&media_type) => text(members, "data")?.into(),
        (Some(data), None) => data.get().to_owned().into(),
        (None, None) => Bytes::new(),
    };
    Some(CloudEvent { headers, data: Some(data) })
}

/// True for the media types whose data is any JSON.
fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

fn of_message(message: &Message, source: &str) -> CloudEvent {
    let time = message.sent_at.and_then(|at: SystemTime| iso_8601(at, Precision::Milliseconds));
    let attributes = [
        ("specversion", Some(VERSION)),
        ("id", Some(message.id.as_str())),
        ("source", Some(source)),
        ("type", Some(TYPE)),
        ("time", time.as_deref()),
    ];
    let headers = attributes.into_iter().filter_map(|(name, value)| header(name, value?)).collect();
    CloudEvent { headers, data: None }
}

/// The header of an attribute; `None` for a name that no attribute may have.
fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_name = !name.is_empty() && name.bytes().all(is_allowed);
    let name = HeaderName::try_from(format!("ce-{name}")).ok().filter(|_| is_name)?;
    let value = utf8_percent_encode(value, ENCODED).to_string();
    Some((name, HeaderValue::try_from(value).ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const SOURCE: &str = "arn:aws:sqs:eu-west-1:123456789012:orders";

    fn event(body: &str) -> (BTreeMap<String, String>, Option<String>) {
        let mut message = Message::new("m-1", body);
        message.sent_at = Some(UNIX_EPOCH + Duration::from_millis(1_545_082_649_183));
        let CloudEvent { headers, data } = of(&message, SOURCE);
        let shown =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        (shown.collect(), data.map(|data| String::from_utf8(data.to_vec()).unwrap()))
    }

    fn of_pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_event_in_the_body_has_its_attributes_in_headers_and_its_data_as_it_was_written() {
        let body = r#"{"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.placed", "time": "2026-11-29T15:00:00Z",
            "subject": "Euro € 50%", "retries": 3, "paid": true, "none": null, "data": {"b": 1.0, "a": "é"}}"#;
        let (headers, data) = event(body);
        let expected = of_pairs(&[
            ("ce-id", "e-1"),
            ("ce-paid", "true"),
            ("ce-retries", "3"),
            ("ce-source", "/shop"),
            ("ce-specversion", "1.0"),
            ("ce-subject", "Euro%20%E2%82%AC%2050%25"),
            ("ce-time", "2026-11-29T15:00:00Z"),
            ("ce-type", "order.placed"),
            ("content-type", "application/json"),
        ]);
        assert_eq!((headers, data.as_deref()), (expected, Some(r#"{"b": 1.0, "a": "é"}"#)));
    }

    #[test]
    fn data_is_sent_in_its_own_media_type() {
        let data = |members: &str| {
            let (headers, data) =
                event(&format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t",{members}}}"#));
            (headers["content-type"].clone(), data.unwrap())
        };
        let text = data(r#""datacontenttype": "text/plain", "data": "a \"b\"""#);
        assert_eq!(text, ("text/plain".to_owned(), "a \"b\"".to_owned()));
        let json = data(r#""datacontenttype": "application/x+json; charset=utf-8", "data": "a""#);
        assert_eq!(json, ("application/x+json; charset=utf-8".to_owned(), "\"a\"".to_owned()));
        let bytes = data(r#""datacontenttype": "text/plain", "data_base64": "YWhveQ==""#);
        assert_eq!(bytes, ("text/plain".to_owned(), "ahoy".to_owned()));
        assert_eq!(data(r#""subject": "s""#).1, "");
    }

    #[test]
    fn any_other_message_becomes_an_event() {
        for body in ["ahoy", "{}", r#"{"specversion": "0.3", "id": "1", "source": "s", "type": "t"}"#] {
            let expected = of_pairs(&[
                ("ce-id", "m-1"),
                ("ce-source", SOURCE),
                ("ce-specversion", "1.0"),
                ("ce-time", "2018-12-17T21:37:29.183Z"),
                ("ce-type", TYPE),
            ]);
            assert_eq!(event(body), (expected, None));
        }
    }

    #[test]
    fn an_event_that_headers_cannot_hold_stays_structured() {
        for member in [
            r#""Wrong-Name": "a""#.to_owned(),
            r#""deep": {"a": 1}"#.to_owned(),
            format!(r#""long": "{}""#, "x".repeat(5_000)),
        ] {
            let (headers, data) =
                event(&format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t",{member}}}"#));
            assert_eq!((headers, data), (of_pairs(&[("content-type", STRUCTURED)]), None), "{member}");
        }
    }
}
