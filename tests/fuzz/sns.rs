//! Fuzz target of the `sns` kind: any message is published within SNS's limits, or is no publication.

#![expect(clippy::unwrap_used, reason = "a fuzz target panics where a fact does not hold")]

use super::{
    Settings,
    publication::{publication, sms_parts},
};
use crate::{fuzz::message, queue, sns::limits};

pub(crate) fn messages(input: &[u8]) {
    let message = message::read(input);
    let topic = "arn:aws:sns:eu-west-1:123456789012:orders.fifo".parse().unwrap();
    let published = publication(&message, &Settings::to_topic(topic)).unwrap();
    assert!(published.attributes.len() <= queue::limits::ATTRIBUTES);
    assert!(published.group_id.is_some() && published.deduplication_id.is_some());
    if let Ok(published) = publication(&message, &Settings::to_phone_of_attribute("phone")) {
        assert!(published.body.chars().count() <= limits::SMS_CHARS);
        let parts = sms_parts(&published.body);
        assert!((1..=limits::SMS_CHARS).contains(&parts), "{parts} parts");
    }
}
