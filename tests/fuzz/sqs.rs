//! Fuzz target of answers of SQS: any attributes become a message and a description, and any address is read.

use std::collections::HashMap;

use aws_sdk_sqs::{
    primitives::Blob,
    types::{Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName},
};

use super::{address::QueueAddress, convert};

/// Lines `name=value`; the value of `url` is an address.
pub(crate) fn answers(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let pairs: Vec<_> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let attributes: HashMap<_, _> =
        pairs.iter().map(|(name, value)| (QueueAttributeName::from(*name), (*value).to_owned())).collect();
    if let Ok(description) = convert::description(&attributes) {
        assert!(!description.arn.is_empty());
        assert_eq!(description.fifo, crate::queue::is_fifo(&description.arn) || says_fifo(&attributes));
    }
    check_message(&pairs);
    for (_, value) in pairs.iter().filter(|(name, _)| *name == "url") {
        let Ok(address) = QueueAddress::parse(value) else { continue };
        let arn = address.arn(Some("eu-west-1"));
        assert!(arn.is_none_or(|arn| arn.ends_with(address.queue_name())));
        assert!(address.region().is_none_or(|region| !region.contains('/')));
        assert!(address.location().endpoint.is_none_or(|endpoint| !endpoint.is_empty()));
    }
}

fn check_message(pairs: &[(&str, &str)]) {
    let mut sent = Message::builder().message_id("id").receipt_handle("receipt");
    for (name, value) in pairs {
        sent = sent.attributes(MessageSystemAttributeName::from(*name), *value);
        let attribute = MessageAttributeValue::builder().data_type(*value);
        let attribute = match name.strip_prefix('#') {
            Some(_) => attribute.binary_value(Blob::new(value.as_bytes())),
            None => attribute.string_value(*value),
        };
        if let Ok(attribute) = attribute.build() {
            sent = sent.message_attributes(*name, attribute);
        }
    }
    let message = convert::message(sent.body(String::new()).build());
    let names = |message: &crate::Message| message.attributes.keys().map(String::len).sum::<usize>();
    assert!(message.is_some_and(|message| message.size_bytes() >= names(&message)));
}

fn says_fifo(attributes: &HashMap<QueueAttributeName, String>) -> bool {
    attributes.get(&QueueAttributeName::FifoQueue).is_some_and(|text| text == "true")
}
