//! A message to be published, and the topic or phone number it goes to.

use std::{collections::BTreeMap, fmt, str::FromStr};

use super::SnsApiError;
use crate::{limits, message::MessageAttributeValue};

/// A message to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishRequest {
    /// The topic or phone number.
    pub target: PublishTarget,
    /// `Message`.
    pub body: String,
    /// `Subject`.
    pub subject: Option<String>,
    /// `MessageAttributes`, by which subscriptions may filter.
    pub attributes: BTreeMap<String, MessageAttributeValue>,
    /// `MessageGroupId`: the FIFO group; on a standard topic the tenant, which is passed on to SQS.
    pub group_id: Option<String>,
    /// `MessageDeduplicationId`, FIFO topics only.
    pub deduplication_id: Option<String>,
    /// The header `X-Amzn-Trace-Id` of the call, which queues get as `AWSTraceHeader`.
    pub trace_header: Option<String>,
    /// The address by which the client reached the emulator, which has the certificate of the message's signature.
    pub endpoint: Option<String>,
}

impl PublishRequest {
    /// A message with a body and nothing else.
    pub fn new(target: PublishTarget, body: impl Into<String>) -> Self {
        Self {
            target,
            body: body.into(),
            subject: None,
            attributes: BTreeMap::new(),
            group_id: None,
            deduplication_id: None,
            trace_header: None,
            endpoint: None,
        }
    }

    /// The size in bytes as SNS counts it: the body, and names, types and values of the attributes.
    pub fn size_bytes(&self) -> usize {
        self.body.len() + crate::message::attributes_bytes(&self.attributes)
    }
}

/// The destination of a published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishTarget {
    /// A topic.
    Topic(SnsTopicArn),
    /// A phone number, by SMS.
    Phone(SmsNumber),
}

/// The ARN of a topic: `arn:aws:sns:us-east-1:000000000000:orders`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnsTopicArn(String);

impl SnsTopicArn {
    /// The ARN of a topic of this name.
    pub fn new(region: &str, account_id: &str, name: &str) -> Result<Self, SnsApiError> {
        format!("arn:aws:sns:{region}:{account_id}:{name}").parse()
    }

    /// The ARN as AWS spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region.
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// The account id.
    pub fn account_id(&self) -> &str {
        self.part(4)
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.part(5)
    }

    /// True if the topic is a FIFO topic.
    pub fn is_fifo(&self) -> bool {
        self.0.strip_suffix(".fifo").is_some()
    }

    fn part(&self, position: usize) -> &str {
        self.0.split(':').nth(position).unwrap_or_default()
    }
}

impl fmt::Display for SnsTopicArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for SnsTopicArn {
    type Err = SnsApiError;

    /// The messages of the error are those recorded against AWS.
    fn from_str(text: &str) -> Result<Self, SnsApiError> {
        let parts: Vec<&str> = text.split(':').collect();
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match parts[..] {
            ["arn", partition, "sns", region, account_id, name]
                if partition.starts_with("aws")
                    && !region.is_empty()
                    && is_number(account_id)
                    && is_topic_name(name) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(SnsApiError::invalid(match parts.len() {
                count @ 0..6 => format!("TopicArn Reason: An ARN must have at least 6 elements, not {count}"),
                _ => "TopicArn".to_owned(),
            })),
        }
    }
}

/// Returns true if SNS accepts the name for a topic.
pub(super) fn is_topic_name(name: &str) -> bool {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !stem.is_empty() && name.len() <= limits::TOPIC_NAME_CHARS && stem.bytes().all(is_allowed)
}

/// A phone number in E.164 notation: a plus and 4 to 15 digits.
///
/// `Debug` shows the last two digits only; the number is personal data.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SmsNumber(String);

impl SmsNumber {
    /// The number of an endpoint, which may lack the plus.
    pub(super) fn of_endpoint(endpoint: &str) -> Option<Self> {
        Self::of_digits(endpoint.strip_prefix('+').unwrap_or(endpoint))
    }

    /// The number of the parameter of an action about opting out.
    pub(crate) fn of_parameter(text: Option<&str>) -> Result<Self, SnsApiError> {
        let number = text.and_then(|text| text.parse().ok());
        number.ok_or_else(|| SnsApiError::invalid("PhoneNumber Reason: input incorrectly formatted"))
    }

    fn of_digits(digits: &str) -> Option<Self> {
        let is_number = (4..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self(format!("+{digits}")))
    }

    /// The number in E.164 notation.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SmsNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SmsNumber(+…{})", &self.0[self.0.len() - 2..])
    }
}

impl FromStr for SmsNumber {
    type Err = SnsApiError;

    fn from_str(text: &str) -> Result<Self, SnsApiError> {
        let invalid =
            || SnsApiError::invalid(format!("PhoneNumber Reason: {text} is not valid to publish to"));
        Self::of_digits(text.strip_prefix('+').unwrap_or_default()).ok_or_else(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_its_parts() {
        let arn: SnsTopicArn = "arn:aws-cn:sns:cn-north-1:123456789012:orders.fifo".parse().unwrap();
        assert_eq!(
            (arn.region(), arn.account_id(), arn.name()),
            ("cn-north-1", "123456789012", "orders.fifo")
        );
        assert!(arn.is_fifo());
    }

    #[test]
    fn any_other_text_is_no_arn() {
        for (text, reason) in [
            ("", "not 1"),
            ("arn:aws:sqs:eu-west-1:123456789012:orders", "parameter: TopicArn"),
            ("arn:aws:sns:eu-west-1:123456789012:orders:6b0e71bd", "parameter: TopicArn"),
            ("arn:aws:sns::123456789012:orders", "parameter: TopicArn"),
            ("arn:aws:sns:eu-west-1:me:orders", "parameter: TopicArn"),
            ("arn:aws:sns:eu-west-1:123456789012:or ders", "parameter: TopicArn"),
        ] {
            let error = text.parse::<SnsTopicArn>().unwrap_err();
            assert!(error.message.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_phone_number_is_e164_and_not_shown_in_full() {
        let number: SmsNumber = "+15550100123".parse().unwrap();
        assert_eq!((number.as_str(), format!("{number:?}").as_str()), ("+15550100123", "SmsNumber(+…23)"));
        for text in ["", "+", "15550100123", "+05550100", "+1 555 0100", "+1555010012345678"] {
            assert!(text.parse::<SmsNumber>().is_err(), "{text}");
        }
    }
}
