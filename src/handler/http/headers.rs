//! Builds the headers of a post from its message: pure.

use std::{collections::BTreeMap, time::SystemTime};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::{
    handler::{
        call_trace::CallTrace,
        timestamp::{Precision, iso_8601},
    },
    message::Message,
};

/// The most bytes of names and values that the attributes' headers take together.
///
/// Common servers refuse a request with more than 8 KiB (Tomcat) or 16 KiB (Node) of headers, and a message
/// that is refused for its headers could never be handled.
const ATTRIBUTES_BYTES: usize = 4096;
/// The longest value of any other header.
const VALUE_BYTES: usize = 1024;

const MESSAGE_ID: HeaderName = HeaderName::from_static("x-aws-sqsd-msgid");
const QUEUE: HeaderName = HeaderName::from_static("x-aws-sqsd-queue");
const FIRST_RECEIVED_AT: HeaderName = HeaderName::from_static("x-aws-sqsd-first-received-at");
const RECEIVE_COUNT: HeaderName = HeaderName::from_static("x-aws-sqsd-receive-count");
const SENDER_ID: HeaderName = HeaderName::from_static("x-aws-sqsd-sender-id");
const TASK_NAME: HeaderName = HeaderName::from_static("x-aws-sqsd-taskname");
const SCHEDULED_AT: HeaderName = HeaderName::from_static("x-aws-sqsd-scheduled-at");
const PATH: HeaderName = HeaderName::from_static("x-aws-sqsd-path");
const ATTRIBUTE_PREFIX: &str = "x-aws-sqsd-attr-";
const GROUP_ID: HeaderName = HeaderName::from_static("x-longshore-group-id");
const LEASE_DEADLINE: HeaderName = HeaderName::from_static("x-longshore-lease-deadline");
const DEADLINE: HeaderName = HeaderName::from_static("x-longshore-deadline");
const BATCH_SIZE: HeaderName = HeaderName::from_static("x-longshore-batch-size");
const LEFT_OUT: HeaderName = HeaderName::from_static("x-longshore-attributes-left-out");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const AMAZON_TRACE: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The ASCII characters that are no `attr-char` of RFC 8187.
const NO_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The deadlines in the headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// When the lease ends unless it is extended.
    pub(super) lease: Option<SystemTime>,
    /// When the call is ended.
    pub(super) call: Option<SystemTime>,
}

/// The headers of one call.
#[derive(Debug)]
pub(super) struct CallHeaders {
    pub(super) headers: HeaderMap,
    /// The String and Number attributes without a header.
    pub(super) attributes_left_out: u64,
}

/// The headers of one call, without `Content-Type` and `User-Agent`.
pub(super) fn of_call(
    message: &Message,
    queue_name: &str,
    deadlines: Deadlines,
    traced: &CallTrace<'_>,
) -> CallHeaders {
    let mut headers = HeaderMap::with_capacity(16);
    put(&mut headers, &MESSAGE_ID, Some(message.id.as_str()));
    put(&mut headers, &QUEUE, Some(queue_name));
    headers.insert(RECEIVE_COUNT, message.receive_count.into());
    let first_received_at = message.system.first_received_at.and_then(|at| iso_8601(at, Precision::Seconds));
    put(&mut headers, &FIRST_RECEIVED_AT, first_received_at.as_deref());
    put(&mut headers, &SENDER_ID, message.system.sender_id.as_deref());
    put(&mut headers, &GROUP_ID, message.system.group_id.as_deref());
    put_deadlines(&mut headers, deadlines);
    put_traces(&mut headers, traced);
    let attributes_left_out = put_attributes(&mut headers, message);
    CallHeaders { headers, attributes_left_out }
}

/// The headers of a call for a batch: those that its messages share.
pub(super) fn of_batch(
    messages: usize,
    queue_name: &str,
    deadlines: Deadlines,
    traced: &CallTrace<'_>,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    put(&mut headers, &QUEUE, Some(queue_name));
    headers.insert(BATCH_SIZE, messages.into());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    put_deadlines(&mut headers, deadlines);
    put_traces(&mut headers, traced);
    headers
}

fn put_deadlines(headers: &mut HeaderMap, deadlines: Deadlines) {
    for (name, deadline) in [(&LEASE_DEADLINE, deadlines.lease), (&DEADLINE, deadlines.call)] {
        put(headers, name, deadline.and_then(|at| iso_8601(at, Precision::Milliseconds)).as_deref());
    }
}

/// Adds sqsd's headers of a periodic task.
pub(super) fn add_periodic(headers: &mut HeaderMap, task: &PeriodicTask<'_>) {
    put(headers, &TASK_NAME, task.name);
    put(headers, &SCHEDULED_AT, task.scheduled_at);
    put(headers, &PATH, Some(task.path));
}

fn put_traces(headers: &mut HeaderMap, traced: &CallTrace<'_>) {
    let CallTrace { traceparent, tracestate, xray } = traced;
    for (name, value) in [(&TRACEPARENT, traceparent), (&TRACESTATE, tracestate), (&AMAZON_TRACE, xray)] {
        put(headers, name, value.as_deref());
    }
}

/// Adds a header for each String and Number attribute that can have one; returns the number of those left out.
///
/// Attributes whose names differ only in case, or in `-` and `_`, are all left out: many servers take their headers for
/// one, and a program must not mistake one attribute for another.
fn put_attributes(headers: &mut HeaderMap, message: &Message) -> u64 {
    let mut named: BTreeMap<String, Vec<(&str, &str)>> = BTreeMap::new();
    for (name, value) in &message.attributes {
        if let Some(text) = value.text() {
            let folded = name.to_ascii_lowercase().replace('_', "-");
            named.entry(folded).or_default().push((name, text));
        }
    }
    let (mut free_bytes, mut left_out) = (ATTRIBUTES_BYTES, 0);
    for attributes in named.values() {
        match attribute_header(attributes).filter(|(name, value)| header_bytes(name, value) <= free_bytes) {
            Some((name, value)) => {
                free_bytes -= header_bytes(&name, &value);
                headers.insert(name, value);
            }
            None => left_out += u64::try_from(attributes.len()).unwrap_or(u64::MAX),
        }
    }
    if left_out > 0 {
        headers.insert(LEFT_OUT, left_out.into());
    }
    left_out
}

/// The header of the only attribute of a name, if a header can hold it.
fn attribute_header(attributes: &[(&str, &str)]) -> Option<(HeaderName, HeaderValue)> {
    let [(name, text)] = attributes else { return None };
    is_attribute_name(name).then(|| encode(&format!("{ATTRIBUTE_PREFIX}{name}"), text))?
}

fn header_bytes(name: &HeaderName, value: &HeaderValue) -> usize {
    name.as_str().len() + value.len()
}

/// Sets a header, unless the value is absent or too long.
fn put(headers: &mut HeaderMap, name: &HeaderName, text: Option<&str>) {
    let encoded = text.and_then(|text| encode(name.as_str(), text));
    if let Some((name, value)) = encoded.filter(|(_, value)| value.len() <= VALUE_BYTES) {
        headers.insert(name, value);
    }
}

/// Encodes any text as a header: as it is, or by RFC 8187 under the name with a `*` if HTTP does not allow it.
fn encode(name: &str, text: &str) -> Option<(HeaderName, HeaderValue)> {
    if is_plain(text) {
        return Some((HeaderName::try_from(name).ok()?, HeaderValue::from_str(text).ok()?));
    }
    let name = HeaderName::try_from(format!("{name}*")).ok()?;
    Some((name, HeaderValue::try_from(extended_value(text)).ok()?))
}

/// True if every server reads the same bytes from a header with this text.
fn is_plain(text: &str) -> bool {
    let is_trimmed = text.trim_matches([' ', '\t']).len() == text.len();
    is_trimmed && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// True if SQS allows the name; only such names can be part of a header's name.
fn is_attribute_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// RFC 8187's `ext-value`: the text's UTF-8 with all but its `attr-char`s percent-encoded.
fn extended_value(text: &str) -> String {
    format!("UTF-8''{}", utf8_percent_encode(text, NO_ATTR_CHAR))
}

/// The body that marks a periodic task (protocols.md §4).
const PERIODIC_TASK_BODY: &str = "elasticbeanstalk scheduled job";

/// The attributes of a periodic task's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeriodicTask<'a> {
    /// `beanstalk.sqsd.path`: the path of the handler that it is posted to.
    pub(super) path: &'a str,
    /// `beanstalk.sqsd.task_name`.
    pub(super) name: Option<&'a str>,
    /// `beanstalk.sqsd.scheduled_time`.
    pub(super) scheduled_at: Option<&'a str>,
}

impl<'a> PeriodicTask<'a> {
    /// Reads the message as a periodic task, if it is one; a path of more than 1 KiB is none of Beanstalk's.
    pub(super) fn of(message: &'a Message) -> Option<Self> {
        let text = |name: &str| message.attributes.get(name).and_then(|value| value.text());
        let path = text("beanstalk.sqsd.path").filter(|path| path.len() <= VALUE_BYTES)?;
        let path = Some(path).filter(|_| message.body == PERIODIC_TASK_BODY)?;
        let (name, scheduled_at) = (text("beanstalk.sqsd.task_name"), text("beanstalk.sqsd.scheduled_time"));
        Some(Self { path, name, scheduled_at })
    }

    /// The URL of the task's path on the handler's own server: a message cannot name another server.
    pub(super) fn url(&self, handler: &Url) -> Url {
        let (path, query) =
            self.path.split_once('?').map_or((self.path, None), |(path, query)| (path, Some(query)));
        let mut url = handler.clone();
        url.set_path(path);
        url.set_query(query);
        url
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use proptest::prelude::*;

    use super::*;
    use crate::message::{AttributeValue, MessageId, Receipt, SystemAttributes};

    fn message() -> Message {
        Message {
            id: MessageId::new("5fea7756-0ea4-451a-a703-a558b933e274"),
            receipt: Receipt::new("secret"),
            body: "{}".to_owned(),
            body_file: None,
            receive_count: 3,
            sent_at: None,
            attributes: BTreeMap::new(),
            system: SystemAttributes {
                first_received_at: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_545_082_649_185)),
                sender_id: Some("AIDAEXAMPLE".to_owned()),
                ..SystemAttributes::default()
            }
            .into(),
        }
    }

    fn with_attributes<'a>(pairs: impl IntoIterator<Item = (&'a str, AttributeValue)>) -> Message {
        let attributes = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Message { attributes, ..message() }
    }

    fn headers_of(message: &Message) -> HeaderMap {
        let lease = SystemTime::UNIX_EPOCH + Duration::from_millis(1_545_082_679_250);
        let deadlines = Deadlines { lease: Some(lease), call: None };
        of_call(message, "orders", deadlines, &CallTrace::of_sender(message)).headers
    }

    fn decoded(value: &HeaderValue) -> String {
        let encoded = value.to_str().unwrap().strip_prefix("UTF-8''").unwrap();
        let query = format!("v={}", encoded.replace('+', "%2B").replace('&', "%26"));
        url::form_urlencoded::parse(query.as_bytes()).next().unwrap().1.into_owned()
    }

    #[test]
    fn the_headers_are_those_of_sqsd() {
        let headers = headers_of(&message());
        assert_eq!(headers["X-Aws-Sqsd-Msgid"], "5fea7756-0ea4-451a-a703-a558b933e274");
        assert_eq!(headers["X-Aws-Sqsd-Queue"], "orders");
        assert_eq!(headers["X-Aws-Sqsd-Receive-Count"], "3");
        assert_eq!(headers["X-Aws-Sqsd-First-Received-At"], "2018-12-17T21:37:29Z");
        assert_eq!(headers["X-Aws-Sqsd-Sender-Id"], "AIDAEXAMPLE");
        assert_eq!(headers["X-Longshore-Lease-Deadline"], "2018-12-17T21:37:59.250Z");
        assert_eq!(headers.len(), 6);
    }

    #[test]
    fn string_and_number_attributes_have_a_header_each() {
        let message = with_attributes([
            ("Title", AttributeValue::string("The Whistler")),
            ("Weeks.On-List_1", AttributeValue::number("6")),
            ("Cover", AttributeValue::binary([1, 2])),
        ]);
        let headers = headers_of(&message);
        assert_eq!(headers["X-Aws-Sqsd-Attr-Title"], "The Whistler");
        assert_eq!(headers["X-Aws-Sqsd-Attr-Weeks.On-List_1"], "6");
        assert!(!headers.contains_key("X-Aws-Sqsd-Attr-Cover"));
        assert!(!headers.contains_key(LEFT_OUT));
    }

    #[test]
    fn a_value_that_is_not_allowed_in_a_header_is_encoded_by_rfc_8187() {
        for hostile in ["a\r\nX-Injected: 1", "snow ☃ and 🚢", " padded ", "nul \0", "tab\tin", "100%\n"]
        {
            let headers = headers_of(&with_attributes([("Note", AttributeValue::string(hostile))]));
            assert!(!headers.contains_key("X-Aws-Sqsd-Attr-Note"), "{hostile:?}");
            assert_eq!(decoded(&headers["X-Aws-Sqsd-Attr-Note*"]), hostile);
        }
    }

    #[test]
    fn an_attribute_with_an_invalid_name_is_left_out_and_counted() {
        let names = ["evil\r\nHost: x", "spa ce", "colon:", "🚢", "star*", ""];
        let headers = headers_of(&with_attributes(names.map(|name| (name, AttributeValue::string("1")))));
        assert_eq!(headers[LEFT_OUT], "6");
        assert_eq!(headers.len(), 7);
    }

    #[test]
    fn attributes_whose_names_many_servers_take_for_one_are_all_left_out() {
        let names = ["tenant-id", "Tenant_ID", "TENANT-id", "tenant.id", "other"];
        let message = with_attributes(names.map(|name| (name, AttributeValue::string("1"))));
        let headers = headers_of(&message);
        assert_eq!(headers[LEFT_OUT], "3");
        let of_attributes = headers.keys().filter_map(|name| name.as_str().strip_prefix(ATTRIBUTE_PREFIX));
        assert_eq!(of_attributes.collect::<Vec<_>>(), ["other", "tenant.id"]);
        let one_is_encoded = [("note", AttributeValue::string("a")), ("NOTE", AttributeValue::string("ü"))];
        assert_eq!(headers_of(&with_attributes(one_is_encoded))[LEFT_OUT], "2");
    }

    #[test]
    fn attributes_too_large_for_a_header_are_left_out_and_counted() {
        let message = with_attributes([
            ("Huge", AttributeValue::string("x".repeat(5000))),
            ("Small", AttributeValue::string("fits")),
        ]);
        let headers = headers_of(&message);
        assert_eq!(headers["X-Aws-Sqsd-Attr-Small"], "fits");
        assert_eq!(headers[LEFT_OUT], "1");
    }

    #[test]
    fn the_senders_traces_are_passed_on() {
        let context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let mut message = with_attributes([("traceparent", AttributeValue::string(context))]);
        message.system.trace_header = Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned());
        let headers = headers_of(&message);
        assert_eq!(headers["traceparent"], context);
        assert_eq!(headers["X-Amzn-Trace-Id"], "Root=1-5759e988-bd862e3fe1be46a994272793");
    }

    #[test]
    fn a_time_that_cannot_be_written_is_left_out() {
        let mut message = message();
        for at in [Duration::from_secs(1 << 40), Duration::from_secs(1 << 60)] {
            message.system.first_received_at = SystemTime::UNIX_EPOCH.checked_add(at);
            assert!(!headers_of(&message).contains_key(FIRST_RECEIVED_AT));
        }
        message.system.first_received_at = SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(1));
        assert!(!headers_of(&message).contains_key(FIRST_RECEIVED_AT));
    }

    proptest! {
        #[test]
        fn attributes_never_break_the_headers_or_exceed_their_limit(pairs: BTreeMap<String, String>) {
            let texts = pairs.iter().map(|(name, text)| (name.as_str(), AttributeValue::string(text)));
            let headers = headers_of(&with_attributes(texts));
            let of_attributes = headers.iter().filter(|(name, _)| name.as_str().starts_with(ATTRIBUTE_PREFIX));
            let total: usize = of_attributes.map(|(name, value)| name.as_str().len() + value.len()).sum();
            prop_assert!(total <= ATTRIBUTES_BYTES);
            prop_assert!(headers.keys().all(|name| headers.get_all(name).iter().count() == 1));
            prop_assert!(headers.values().all(|value| value.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~'))));
        }

        #[test]
        fn an_encoded_value_reads_back_the_same(text: String) {
            prop_assert_eq!(decoded(&HeaderValue::try_from(extended_value(&text)).unwrap()), text);
        }
    }

    fn periodic(body: &str, path: &str) -> Message {
        Message {
            id: MessageId::new("1"),
            receipt: Receipt::new("r"),
            body: body.to_owned(),
            body_file: None,
            receive_count: 1,
            sent_at: None,
            attributes: BTreeMap::from([("beanstalk.sqsd.path".to_owned(), AttributeValue::string(path))]),
            system: SystemAttributes::default().into(),
        }
    }

    fn url_of(path: &str) -> String {
        let message = periodic(PERIODIC_TASK_BODY, path);
        let handler = "https://worker.example:8443/jobs?key=1".parse().unwrap();
        PeriodicTask::of(&message).unwrap().url(&handler).to_string()
    }

    #[test]
    fn a_task_goes_to_its_own_path() {
        assert_eq!(url_of("/cron/nightly"), "https://worker.example:8443/cron/nightly");
        assert_eq!(url_of("cron?full=1"), "https://worker.example:8443/cron?full=1");
    }

    #[test]
    fn a_task_cannot_name_another_server() {
        for path in [
            "//evil.example/x",
            "http://evil.example/",
            "/\\evil.example",
            "/a\r\nHost: evil.example",
            "@evil",
        ] {
            let url = url_of(path);
            assert!(url.starts_with("https://worker.example:8443/"), "{url}");
            assert!(!url.contains(['\r', '\n', ' ']), "{url}");
        }
    }

    #[test]
    fn a_message_with_another_body_or_a_path_of_more_than_1_kib_is_no_task() {
        assert_eq!(PeriodicTask::of(&periodic("{}", "/cron")), None);
        assert_eq!(PeriodicTask::of(&periodic(PERIODIC_TASK_BODY, &"/".repeat(1025))), None);
    }
}
