//! Builds a program's environment variables from its message: pure.

use std::{borrow::Cow, collections::BTreeMap, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    handler::{
        call_trace::CallTrace,
        timestamp::{Precision, iso_8601},
    },
    message::{AttributeContent, AttributeValue, Message},
};

/// The most bytes that the attributes' variables take together.
///
/// Linux passes on at least 128 KiB of arguments and environment, the inherited one included, and no single variable
/// longer than that.
pub(super) const ATTRIBUTES_BYTES: usize = 64 * 1024;
/// The longest value of any other variable.
const VALUE_BYTES: usize = 1024;

/// The variable with the path of the body's file.
pub(super) const BODY_FILE: &str = "LONGSHORE_BODY_FILE";
/// The variable with the path of the attributes' file.
pub(super) const ATTRIBUTES_FILE: &str = "LONGSHORE_ATTRIBUTES_FILE";
const ATTRIBUTES_LEFT_OUT: &str = "LONGSHORE_ATTRIBUTES_LEFT_OUT";
const ATTRIBUTE_PREFIX: &str = "LONGSHORE_ATTRIBUTE_";

/// A variable with its value; one without a value is removed, because Longshore may have inherited it.
pub(super) type Variable = (&'static str, Option<String>);

/// The variables of fixed names, except those of the files.
pub(super) fn of_message(
    message: &Message,
    queue_name: &str,
    deadline: Option<SystemTime>,
    traced: CallTrace<'_>,
) -> Vec<Variable> {
    let system = &message.system;
    let timestamp = |at: Option<SystemTime>| at.and_then(|at| iso_8601(at, Precision::Milliseconds));
    let mut variables = vec![
        ("LONGSHORE_MESSAGE_ID", Some(message.id.to_string())),
        ("LONGSHORE_QUEUE", Some(queue_name.to_owned())),
        ("LONGSHORE_RECEIVE_COUNT", Some(message.receive_count.to_string())),
        ("LONGSHORE_SENT_AT", timestamp(message.sent_at)),
        ("LONGSHORE_FIRST_RECEIVED_AT", timestamp(system.first_received_at)),
        ("LONGSHORE_DEADLINE", timestamp(deadline)),
        ("LONGSHORE_SENDER_ID", system.sender_id.clone()),
        ("LONGSHORE_GROUP_ID", system.group_id.clone()),
        ("LONGSHORE_DEDUPLICATION_ID", system.deduplication_id.clone()),
        ("LONGSHORE_SEQUENCE_NUMBER", system.sequence_number.clone()),
        ("LONGSHORE_DEAD_LETTER_SOURCE_ARN", system.dead_letter_source_arn.clone()),
        ("_X_AMZN_TRACE_ID", traced.xray.map(Cow::into_owned)),
        ("TRACEPARENT", traced.traceparent.map(Cow::into_owned)),
        ("TRACESTATE", traced.tracestate.map(Cow::into_owned)),
    ];
    for (_, value) in &mut variables {
        *value = value.take().filter(|value| value.len() <= VALUE_BYTES && !value.contains('\0'));
    }
    variables
}

/// The attributes as variables, and the number of attributes that were left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AttributeVariables {
    pub(super) variables: Vec<(String, String)>,
    left_out: usize,
}

impl AttributeVariables {
    /// As many attributes as fit into `limit_bytes`, in the order of their names.
    ///
    /// Attributes whose names map to the same variable are all left out: a program must not mistake one for another.
    pub(super) fn of(message: &Message, limit_bytes: usize) -> Self {
        let mut named: BTreeMap<String, Vec<&AttributeValue>> = BTreeMap::new();
        for (name, value) in &message.attributes {
            named.entry(variable_name(name)).or_default().push(value);
        }
        let (mut attributes, mut free_bytes) = (Self::default(), limit_bytes);
        for (name, values) in named {
            let value = match values.as_slice() {
                [value] => text_of(value),
                _ => None,
            };
            // The name, the equals sign, the value, and the NUL at its end.
            let fits = |value: &String| name.len() + value.len() + 2 <= free_bytes && !value.contains('\0');
            let Some(value) = value.filter(fits) else {
                attributes.left_out += values.len();
                continue;
            };
            free_bytes -= name.len() + value.len() + 2;
            attributes.variables.push((name, value));
        }
        attributes
    }

    /// The variable with the number of attributes that were left out.
    pub(super) fn left_out(&self) -> Variable {
        (ATTRIBUTES_LEFT_OUT, self.has_left_out().then(|| self.left_out.to_string()))
    }

    /// True if any attribute was left out.
    pub(super) fn has_left_out(&self) -> bool {
        self.left_out > 0
    }
}

/// The attribute's name in capitals, with `_` for every character that a shell does not allow.
fn variable_name(attribute: &str) -> String {
    let letter =
        |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    ATTRIBUTE_PREFIX.chars().chain(attribute.chars().map(letter)).collect()
}

/// Returns text as it is, bytes as base64.
fn text_of(value: &AttributeValue) -> Option<String> {
    match &value.content {
        AttributeContent::Text(text) => Some(text.clone()),
        // Larger values cannot fit, so they are not encoded.
        AttributeContent::Bytes(bytes) => {
            (bytes.len() <= ATTRIBUTES_BYTES).then(|| BASE64_STANDARD.encode(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::message::SystemAttributes;

    fn with_attributes<'a>(pairs: impl IntoIterator<Item = (&'a str, AttributeValue)>) -> Message {
        let attributes = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Message { attributes, ..Message::new("id", "body") }
    }

    fn value_of(message: &Message, name: &str) -> Option<String> {
        let mut variables = of_message(message, "orders", None, CallTrace::of_sender(message)).into_iter();
        variables.find(|(own, _)| *own == name).unwrap().1
    }

    fn attributes_of(message: &Message) -> (Vec<(String, String)>, Option<String>) {
        let attributes = AttributeVariables::of(message, ATTRIBUTES_BYTES);
        let left_out = attributes.left_out().1;
        (attributes.variables, left_out)
    }

    #[test]
    fn the_fields_of_the_message_are_variables() {
        let message = Message {
            receive_count: 3,
            sent_at: Some(SystemTime::UNIX_EPOCH),
            system: SystemAttributes {
                dead_letter_source_arn: Some("arn:aws:sqs:eu-west-1:123456789012:orders".to_owned()),
                group_id: Some("tenant 7".to_owned()),
                first_received_at: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_545_082_649_185)),
                trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
                ..SystemAttributes::default()
            }
            .into(),
            ..Message::new("5fea7756", "body")
        };
        let value = |name| value_of(&message, name).unwrap();
        assert_eq!(value("LONGSHORE_MESSAGE_ID"), "5fea7756");
        assert_eq!(value("LONGSHORE_QUEUE"), "orders");
        assert_eq!(value("LONGSHORE_RECEIVE_COUNT"), "3");
        assert_eq!(value("LONGSHORE_GROUP_ID"), "tenant 7");
        assert_eq!(value("LONGSHORE_SENT_AT"), "1970-01-01T00:00:00.000Z");
        assert_eq!(value("LONGSHORE_DEAD_LETTER_SOURCE_ARN"), "arn:aws:sqs:eu-west-1:123456789012:orders");
        assert_eq!(value("LONGSHORE_FIRST_RECEIVED_AT"), "2018-12-17T21:37:29.185Z");
        assert_eq!(value("_X_AMZN_TRACE_ID"), "Root=1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(value_of(&message, "LONGSHORE_SENDER_ID"), None);
        assert_eq!(value_of(&message, "LONGSHORE_DEADLINE"), None);
    }

    #[test]
    fn the_senders_trace_is_passed_on_if_it_is_valid() {
        let context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let message = with_attributes([("traceparent", AttributeValue::string(context))]);
        assert_eq!(value_of(&message, "TRACEPARENT").unwrap(), context);
        let message = with_attributes([("traceparent", AttributeValue::string("00\nX=1"))]);
        assert_eq!(value_of(&message, "TRACEPARENT"), None);
    }

    #[test]
    fn an_attribute_is_a_variable_in_capitals() {
        let message = with_attributes([
            ("Weeks.On-List_1", AttributeValue::number("6")),
            ("note", AttributeValue::string("two\nlines = 🚢")),
            ("cover", AttributeValue::binary([1, 2, 255])),
        ]);
        let expected = [("COVER", "AQL/"), ("NOTE", "two\nlines = 🚢"), ("WEEKS_ON_LIST_1", "6")];
        let expected =
            expected.map(|(name, value)| (format!("LONGSHORE_ATTRIBUTE_{name}"), value.to_owned()));
        assert_eq!(attributes_of(&message), (expected.to_vec(), None));
    }

    #[test]
    fn attributes_that_map_to_one_variable_are_all_left_out() {
        let pairs =
            ["tenant-id", "tenant.id", "Tenant_ID", "other"].map(|name| (name, AttributeValue::string("x")));
        let (variables, left_out) = attributes_of(&with_attributes(pairs));
        assert_eq!(variables, [("LONGSHORE_ATTRIBUTE_OTHER".to_owned(), "x".to_owned())]);
        assert_eq!(left_out.unwrap(), "3");
    }

    #[test]
    fn an_attribute_too_large_or_with_a_nul_is_left_out() {
        let message = with_attributes([
            ("huge", AttributeValue::string("x".repeat(ATTRIBUTES_BYTES))),
            ("bytes", AttributeValue::binary(vec![0; ATTRIBUTES_BYTES])),
            ("nul", AttributeValue::string("a\0b")),
            ("small", AttributeValue::string("fits")),
        ]);
        let (variables, left_out) = attributes_of(&message);
        assert_eq!(variables, [("LONGSHORE_ATTRIBUTE_SMALL".to_owned(), "fits".to_owned())]);
        assert_eq!(left_out.unwrap(), "3");
    }

    proptest! {
        #[test]
        fn attributes_never_break_the_environment_or_exceed_their_limit(
            pairs: BTreeMap<String, String>, limit_bytes in 0usize..400,
        ) {
            let message = with_attributes(pairs.iter().map(|(name, text)| (name.as_str(), AttributeValue::string(text))));
            let attributes = AttributeVariables::of(&message, limit_bytes);
            let total: usize = attributes.variables.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
            prop_assert!(total <= limit_bytes);
            prop_assert_eq!(attributes.variables.len() + attributes.left_out, pairs.len());
            for (name, value) in &attributes.variables {
                prop_assert!(name.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase() || byte.is_ascii_digit()));
                prop_assert!(!value.contains('\0'));
            }
        }
    }
}
