//! Fuzz target of the `exec` kind: any message becomes variables that can be set, each once and within the limit.

use std::collections::BTreeSet;

use super::environment::{ATTRIBUTES_BYTES, AttributeVariables, of_message};
use crate::{fuzz::message, handler::call_trace::CallTrace};

pub(crate) fn messages(input: &[u8]) {
    let message = message::read(input);
    let fixed =
        of_message(&message, "orders", message.system.first_received_at, CallTrace::of_sender(&message));
    let fixed = fixed.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let limit = ATTRIBUTES_BYTES.min(message.body.len() * 8);
    let attributes = AttributeVariables::of(&message, limit).variables;
    let bytes: usize = attributes.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    assert!(bytes <= limit, "{bytes} bytes of {limit}");
    let mut names = BTreeSet::new();
    for (name, value) in fixed.chain(attributes) {
        assert!(name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()), "{name:?}");
        assert!(!value.contains('\0'), "{name} = {value:?}");
        assert!(names.insert(name.clone()), "{name} twice");
    }
}
