//! The trace that a publication carries to its receivers: pure.

use super::{Publication, limits};
use crate::{message::AttributeValue, queue};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

impl Publication {
    /// Carries this place in a trace, in the place of any that came with the message.
    ///
    /// Never at a price: neither an eleventh attribute, for which SNS drops all of them on their way into a queue, nor
    /// a message too large for SNS. Where there is no room, the publication stays as it is.
    pub fn carry_trace(&mut self, traceparent: String, tracestate: Option<String>) {
        let mut attributes = self.attributes.clone();
        attributes.retain(|name, _| {
            !name.eq_ignore_ascii_case(TRACEPARENT) && !name.eq_ignore_ascii_case(TRACESTATE)
        });
        attributes.insert(TRACEPARENT.to_owned(), AttributeValue::string(traceparent));
        if let Some(tracestate) = tracestate.filter(|_| attributes.len() < queue::limits::ATTRIBUTES) {
            attributes.insert(TRACESTATE.to_owned(), AttributeValue::string(tracestate));
        }
        let is_few = attributes.len() <= queue::limits::ATTRIBUTES;
        let traced = Self { attributes, ..self.clone() };
        if is_few && traced.size_bytes() <= limits::MESSAGE_BYTES {
            *self = traced;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sns::{Target, TopicArn};

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn publication(attributes: usize, body: usize) -> Publication {
        let topic = TopicArn::new("eu-west-1", "123456789012", "orders").unwrap();
        let mut publication = Publication::new(Target::Topic(topic), "x".repeat(body));
        for number in 0..attributes {
            publication.attributes.insert(format!("a{number}"), AttributeValue::string("x"));
        }
        publication
    }

    fn carrying(mut publication: Publication) -> Publication {
        publication.carry_trace(PARENT.to_owned(), Some("vendor=1".to_owned()));
        publication
    }

    fn value<'a>(publication: &'a Publication, name: &str) -> Option<&'a str> {
        publication.attributes.get(name).and_then(AttributeValue::text)
    }

    #[test]
    fn a_trace_is_carried_as_far_as_there_is_room_among_ten_attributes() {
        for (own, parent, state) in [
            (0, Some(PARENT), Some("vendor=1")),
            (8, Some(PARENT), Some("vendor=1")),
            (9, Some(PARENT), None),
            (10, None, None),
        ] {
            let traced = carrying(publication(own, 1));
            assert_eq!((value(&traced, TRACEPARENT), value(&traced, TRACESTATE)), (parent, state), "{own}");
            assert!(traced.attributes.len() <= 10);
        }
    }

    #[test]
    fn the_trace_that_came_with_the_message_is_replaced_as_a_whole() {
        let mut sent = publication(8, 1);
        for name in ["Traceparent", "tracestate"] {
            sent.attributes.insert(name.to_owned(), AttributeValue::string("old"));
        }
        sent.carry_trace(PARENT.to_owned(), None);
        assert_eq!((value(&sent, TRACEPARENT), sent.attributes.len()), (Some(PARENT), 9));
    }

    #[test]
    fn a_message_without_room_for_it_goes_as_it_is() {
        let full = publication(0, limits::MESSAGE_BYTES);
        assert_eq!(carrying(full.clone()), full);
    }
}
