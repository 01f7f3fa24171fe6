//! Settings of the `sns` kind.

use serde::{Deserialize, Serialize};

use crate::{
    aws::RoleSettings,
    settings::{Problem, http_url, not_allowed},
    sns::{PhoneNumber, TopicArn, limits},
};

/// The default limit of SMS an hour: an unexpected bill is worse than a delay.
const SMS_AN_HOUR: u32 = 100;

/// Settings of publications to SNS: to `topic_arn`, or by SMS to `phone_number` or to the number in `phone_number_attribute`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
#[serde(default)]
pub struct Settings {
    /// The topic that messages are published to; its region is read from it.
    pub(crate) topic_arn: Option<TopicArn>,
    /// The phone that messages are sent to as SMS, in E.164.
    pub(crate) phone_number: Option<PhoneNumber>,
    /// The message attribute that holds the phone's number, in E.164; a message without it goes to `phone_number`.
    pub(crate) phone_number_attribute: Option<String>,
    /// The beginnings of the numbers that SMS may go to, such as `["+49", "+1555"]`; a message for another number is rejected. Absent, every number: whoever may send a message then chooses where an SMS goes, and what it costs.
    pub(crate) phone_prefixes: Vec<String>,
    /// The subject of what is published to a topic, which e-mail subscriptions show: up to 100 printable ASCII characters.
    pub(crate) subject: Option<String>,
    /// The most publications in an hour by this process, which counts from nothing at each start; every part of a long SMS is counted; a message over it is tried again when there is room. Absent, it is 100 for SMS, and there is none for a topic.
    #[cfg_attr(feature = "cli", schemars(range(min = 1)))]
    pub(crate) limit_per_hour: Option<u32>,
    /// The region that SMS are sent from; absent, that of `aws.region`.
    pub(crate) region: Option<String>,
    /// Another SNS endpoint; absent, an emulator that the queue is in serves its topics too.
    pub(crate) endpoint_url: Option<String>,
    /// The role to assume for publications.
    #[serde(flatten)]
    pub(crate) role: RoleSettings,
}

impl Settings {
    /// The settings that publish to a topic.
    pub fn to_topic(topic_arn: TopicArn) -> Self {
        Self { topic_arn: Some(topic_arn), ..Self::default() }
    }

    /// The settings that send SMS to this phone.
    pub fn to_phone(number: PhoneNumber) -> Self {
        Self::default().phone_number(number)
    }

    /// The settings that send SMS to the number in this attribute of each message.
    pub fn to_phone_of_attribute(name: impl Into<String>) -> Self {
        Self { phone_number_attribute: Some(name.into()), ..Self::default() }
    }

    /// Sets the phone for messages without a number of their own.
    #[must_use]
    pub fn phone_number(mut self, number: PhoneNumber) -> Self {
        self.phone_number = Some(number);
        self
    }

    /// Sets the beginnings of the numbers that SMS may go to; default: every number.
    #[must_use]
    pub fn phone_prefixes<T: Into<String>>(mut self, prefixes: impl IntoIterator<Item = T>) -> Self {
        self.phone_prefixes = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the subject, which e-mail subscriptions show: up to 100 printable ASCII characters.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the most publications in an hour of this process; default: 100 for SMS, no limit for a topic.
    #[must_use]
    pub fn limit_per_hour(mut self, publications: u32) -> Self {
        self.limit_per_hour = Some(publications);
        self
    }

    /// The most publications in an hour, if there is a limit.
    pub(super) fn limit(&self) -> Option<u32> {
        self.limit_per_hour.or_else(|| self.sends_sms().then_some(SMS_AN_HOUR))
    }

    /// True if SMS may go to this number.
    pub(super) fn allows(&self, number: &PhoneNumber) -> bool {
        let starts = |prefix: &String| number.as_str().starts_with(prefix.as_str());
        self.phone_prefixes.is_empty() || self.phone_prefixes.iter().any(starts)
    }

    fn sends_sms(&self) -> bool {
        self.phone_number.is_some() || self.phone_number_attribute.is_some()
    }

    /// Finds every invalid value.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.validate_target(&mut problems);
        self.validate_prefixes(&mut problems);
        if let Some(subject) = &self.subject {
            if !limits::is_subject(subject) {
                let allowed = "1 to 100 printable ascii characters, the first of them no space";
                problems.push(not_allowed("subject", format!("{subject:?}"), allowed));
            } else if self.sends_sms() {
                problems.push(not_allowed("subject", format!("{subject:?}"), "no subject: an sms has none"));
            }
        }
        if self.limit_per_hour == Some(0) {
            problems.push(not_allowed("limit_per_hour", "0".to_owned(), "at least 1, or leave it out"));
        }
        problems.extend(http_url("endpoint_url", self.endpoint_url.as_deref()));
        problems.extend(self.role.validate());
        problems
    }

    fn validate_prefixes(&self, problems: &mut Vec<Problem>) {
        let is_prefix = |prefix: &String| {
            let digits = prefix.strip_prefix('+').unwrap_or_default();
            (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        for prefix in self.phone_prefixes.iter().filter(|prefix| !is_prefix(prefix)) {
            let allowed = "a plus and 1 to 15 digits, such as +49";
            problems.push(not_allowed("phone_prefixes", format!("{prefix:?}"), allowed));
        }
        if !self.phone_prefixes.is_empty() && !self.sends_sms() {
            let allowed = "no prefixes for a topic: they are for sms";
            problems.push(not_allowed("phone_prefixes", "beside topic_arn", allowed));
        }
        if let Some(number) = self.phone_number.as_ref().filter(|number| !self.allows(number)) {
            let allowed = "a number that begins with one of phone_prefixes";
            problems.push(not_allowed("phone_number", number, allowed));
        }
    }

    fn validate_target(&self, problems: &mut Vec<Problem>) {
        match (&self.topic_arn, self.sends_sms()) {
            (None, false) => {
                let allowed = "a topic's arn, or set phone_number or phone_number_attribute for sms";
                problems.push(not_allowed("topic_arn", "nothing".to_owned(), allowed));
            }
            (Some(arn), true) => {
                let allowed = "either topic_arn, or phone_number and phone_number_attribute";
                problems.push(not_allowed("topic_arn", arn.to_string(), allowed));
            }
            _ => {}
        }
        if let (Some(_), Some(region)) = (&self.topic_arn, &self.region) {
            let allowed = "no region beside topic_arn, which names its own";
            problems.push(not_allowed("region", region.clone(), allowed));
        }
        if self.phone_number_attribute.as_deref() == Some("") {
            let allowed = "the name of a message attribute";
            problems.push(not_allowed("phone_number_attribute", "\"\"".to_owned(), allowed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(json: &str) -> Vec<String> {
        let settings: Settings = serde_json::from_str(json).unwrap();
        settings.validate().into_iter().map(|problem| problem.key().unwrap().to_string()).collect()
    }

    #[test]
    fn there_is_one_kind_of_target() {
        let topic = r#""topic_arn": "arn:aws:sns:eu-west-1:123456789012:orders""#;
        assert_eq!(keys(&format!("{{{topic}}}")), Vec::<String>::new());
        assert_eq!(keys(r#"{"phone_number": "+15550100123"}"#), Vec::<String>::new());
        assert_eq!(keys(r#"{"phone_number_attribute": "phone"}"#), Vec::<String>::new());
        assert_eq!(keys("{}"), ["topic_arn"]);
        assert_eq!(keys(&format!(r#"{{{topic}, "phone_number": "+15550100123"}}"#)), ["topic_arn"]);
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let json = r#"{"topic_arn": "arn:aws:sns:eu-west-1:123456789012:orders", "phone_number_attribute": "",
            "subject": "a\nb", "limit_per_hour": 0, "region": "eu-west-1", "endpoint_url": "ftp://h"}"#;
        let expected =
            ["topic_arn", "region", "phone_number_attribute", "subject", "limit_per_hour", "endpoint_url"];
        assert_eq!(keys(json), expected);
    }

    #[test]
    fn prefixes_are_those_of_numbers_and_for_sms_only() {
        let prefixes =
            |list: &str| keys(&format!(r#"{{"phone_number_attribute": "phone", "phone_prefixes": {list}}}"#));
        assert_eq!(prefixes(r#"["+49", "+1555"]"#), Vec::<String>::new());
        assert_eq!(prefixes(r#"["49", "+", "", "+4x", "+1234567890123456"]"#), ["phone_prefixes"; 5]);
        let topic =
            r#"{"topic_arn": "arn:aws:sns:eu-west-1:123456789012:orders", "phone_prefixes": ["+49"]}"#;
        assert_eq!(keys(topic), ["phone_prefixes"]);
        assert_eq!(keys(r#"{"phone_number": "+15550100123", "phone_prefixes": ["+49"]}"#), ["phone_number"]);
    }

    #[test]
    fn sms_are_limited_by_default() {
        let limit = |json: &str| serde_json::from_str::<Settings>(json).unwrap().limit();
        assert_eq!(limit(r#"{"phone_number": "+15550100123"}"#), Some(100));
        assert_eq!(limit(r#"{"phone_number": "+15550100123", "limit_per_hour": 7}"#), Some(7));
        assert_eq!(limit(r#"{"topic_arn": "arn:aws:sns:eu-west-1:123456789012:orders"}"#), None);
    }
}
