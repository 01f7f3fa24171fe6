//! The criteria by which dead letters are chosen; pure.

use std::{
    collections::BTreeSet,
    ops::RangeInclusive,
    time::{Duration, SystemTime},
};

use crate::{consumer::settle::StoredRejection, handler::Conditions, message::Message};

/// The messages that are chosen: those that meet every criterion; without any all are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MessageFilter {
    /// The ids of messages; empty, any.
    pub(crate) ids: BTreeSet<String>,
    /// The least time since they were sent.
    pub(crate) older_than: Option<Duration>,
    /// The longest time since they were sent.
    pub(crate) newer_than: Option<Duration>,
    /// A part of the reason for which a handler rejected them, in any case of letters.
    pub(crate) reason: Option<String>,
    /// The numbers of receives.
    pub(crate) receives: Option<RangeInclusive<u32>>,
    /// Attributes, fields of a JSON body and groups.
    pub(crate) conditions: Conditions,
}

impl MessageFilter {
    /// True if every message is chosen.
    pub(crate) fn takes_all(&self) -> bool {
        *self == Self::default()
    }

    /// True if the message is chosen.
    pub(crate) fn takes(&self, message: &Message, now: SystemTime) -> bool {
        (self.ids.is_empty() || self.ids.contains(message.id.as_str()))
            && self.is_of_age(message, now)
            && self.receives.as_ref().is_none_or(|receives| receives.contains(&message.receive_count))
            && self.reason.as_ref().is_none_or(|part| has_reason(message, part))
            && self.conditions.meet(message)
    }

    /// A message whose time of sending is not known has no age that could be compared.
    fn is_of_age(&self, message: &Message, now: SystemTime) -> bool {
        if self.older_than.is_none() && self.newer_than.is_none() {
            return true;
        }
        message.age_at(now).is_some_and(|age| {
            self.older_than.is_none_or(|least| age >= least) && self.newer_than.is_none_or(|most| age <= most)
        })
    }
}

fn has_reason(message: &Message, part: &str) -> bool {
    let rejection = StoredRejection::of(message);
    rejection.is_some_and(|rejection| rejection.reason.to_lowercase().contains(&part.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AttributeValue;

    const HOUR: Duration = Duration::from_hours(1);

    fn message() -> Message {
        let mut message = Message::new("m-1", r#"{"order": {"state": "new"}}"#);
        message.receive_count = 4;
        message.sent_at = Some(SystemTime::UNIX_EPOCH);
        for (name, value) in [("kind", "refund"), ("longshore.reject.reason", "No such Order")] {
            message.attributes.insert(name.to_owned(), AttributeValue::string(value));
        }
        message
    }

    fn takes(filter: &MessageFilter) -> bool {
        filter.takes(&message(), SystemTime::UNIX_EPOCH + HOUR)
    }

    fn filter(change: impl FnOnce(&mut MessageFilter)) -> MessageFilter {
        let mut filter = MessageFilter::default();
        change(&mut filter);
        filter
    }

    #[test]
    fn without_a_criterion_every_message_is_chosen() {
        assert!(takes(&MessageFilter::default()) && MessageFilter::default().takes_all());
        assert!(!filter(|filter| filter.reason = Some(String::new())).takes_all());
    }

    #[test]
    fn each_criterion_chooses_alone_and_together_they_all_must_be_met() {
        let second = Duration::from_secs(1);
        for (change, is_taken) in [
            ((|filter| filter.ids = ["m-1".to_owned()].into()) as fn(&mut MessageFilter), true),
            (|filter| filter.ids = ["m-2".to_owned()].into(), false),
            (|filter| filter.older_than = Some(HOUR), true),
            (|filter| filter.newer_than = Some(HOUR), true),
            (|filter| filter.receives = Some(4..=u32::MAX), true),
            (|filter| filter.receives = Some(1..=3), false),
            (|filter| filter.reason = Some("such order".to_owned()), true),
            (|filter| filter.reason = Some("timeout".to_owned()), false),
            (|filter| filter.conditions.attribute.entry("kind".to_owned()).or_default().add("ref*"), true),
            (|filter| filter.conditions.attribute.entry("kind".to_owned()).or_default().add("order"), false),
            (|filter| filter.conditions.json.entry("order.state".to_owned()).or_default().add("new"), true),
            (|filter| filter.conditions.json.entry("order.state".to_owned()).or_default().add("old"), false),
        ] {
            assert_eq!(takes(&filter(change)), is_taken, "{:?}", filter(change));
        }
        assert!(!takes(&filter(|filter| filter.older_than = Some(HOUR + second))));
        assert!(!takes(&filter(|filter| filter.newer_than = HOUR.checked_sub(second))));
        assert!(!takes(&filter(|filter| {
            (filter.older_than, filter.receives) = (Some(HOUR), Some(1..=1));
        })));
    }

    #[test]
    fn a_message_without_a_time_or_a_reason_is_not_chosen_by_one() {
        let bare = Message::new("m", "");
        let by_age = filter(|filter| filter.newer_than = Some(HOUR));
        let by_reason = filter(|filter| filter.reason = Some(String::new()));
        assert!(!by_age.takes(&bare, SystemTime::now()) && !by_reason.takes(&bare, SystemTime::now()));
    }
}
