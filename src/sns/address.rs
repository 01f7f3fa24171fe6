//! The targets of a publication: topic ARNs and phone numbers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The ARN of a topic: `arn:aws:sns:eu-west-1:123456789012:orders`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicArn(String);

/// A text that is not the ARN of a topic.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the arn of an sns topic")]
pub struct NotATopicArn;

impl NotATopicArn {
    const HINT: &str =
        "write it like arn:aws:sns:eu-west-1:123456789012:orders; a subscription's has one part more";

    /// The way to write an ARN.
    pub fn hint(&self) -> Option<&'static str> {
        Some(Self::HINT)
    }
}

/// The longest name of a topic.
const NAME_CHARS: usize = 256;

impl TopicArn {
    /// The ARN of a topic in the `aws` partition.
    pub fn new(region: &str, account_id: &str, name: &str) -> Result<Self, NotATopicArn> {
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

    /// The account's number.
    pub fn account_id(&self) -> &str {
        self.part(4)
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.part(5)
    }

    /// True for a FIFO topic.
    pub fn is_fifo(&self) -> bool {
        self.0.strip_suffix(".fifo").is_some()
    }

    fn part(&self, position: usize) -> &str {
        self.0.split(':').nth(position).unwrap_or_default()
    }
}

/// True for a valid name of a topic.
pub(super) fn is_topic_name(name: &str) -> bool {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !stem.is_empty() && name.len() <= NAME_CHARS && stem.bytes().all(is_allowed)
}

impl FromStr for TopicArn {
    type Err = NotATopicArn;

    fn from_str(text: &str) -> Result<Self, NotATopicArn> {
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
            _ => Err(NotATopicArn),
        }
    }
}

impl TryFrom<String> for TopicArn {
    type Error = NotATopicArn;

    fn try_from(text: String) -> Result<Self, NotATopicArn> {
        text.parse()
    }
}

impl From<TopicArn> for String {
    fn from(arn: TopicArn) -> Self {
        arn.0
    }
}

impl fmt::Display for TopicArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for TopicArn {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TopicArn".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "examples": ["arn:aws:sns:eu-west-1:123456789012:orders"],
            "x-hint": NotATopicArn::HINT,
        })
    }
}

/// A phone number in E.164 form: a plus, the country and the number, at most 15 digits.
///
/// Personal data: `Debug` and `Display` show only the last two digits.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// A text that is not an E.164 number; the error does not quote it, because it may be personal data.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number in e.164 form")]
pub struct NotAPhoneNumber;

impl NotAPhoneNumber {
    const HINT: &str = "write a plus and 4 to 15 digits, such as +15550100123";

    /// The way to write a phone number.
    pub fn hint(&self) -> Option<&'static str> {
        Some(Self::HINT)
    }
}

impl PhoneNumber {
    /// The number in E.164 form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PhoneNumber {
    type Err = NotAPhoneNumber;

    fn from_str(text: &str) -> Result<Self, NotAPhoneNumber> {
        let digits = text.strip_prefix('+').ok_or(NotAPhoneNumber)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        if is_number && (4..=15).contains(&digits.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAPhoneNumber)
        }
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = NotAPhoneNumber;

    fn try_from(text: String) -> Result<Self, NotAPhoneNumber> {
        text.parse()
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "+…{}", &self.0[self.0.len() - 2..])
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PhoneNumber({self})")
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for PhoneNumber {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PhoneNumber".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["+15550100123"], "x-hint": NotAPhoneNumber::HINT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_region_account_and_name() {
        let arn: TopicArn = "arn:aws-cn:sns:cn-north-1:123456789012:orders.fifo".parse().unwrap();
        assert_eq!(
            (arn.region(), arn.account_id(), arn.name()),
            ("cn-north-1", "123456789012", "orders.fifo")
        );
        assert!(arn.is_fifo());
        assert!(!TopicArn::new("eu-west-1", "123456789012", "orders").unwrap().is_fifo());
    }

    #[test]
    fn any_other_text_is_refused() {
        for text in [
            "",
            "orders",
            "arn:aws:sqs:eu-west-1:123456789012:orders",
            "arn:aws:sns:eu-west-1:123456789012:orders:6b0e71bd-7e97-4d97-80ce-4a0994e55286",
            "arn:aws:sns::123456789012:orders",
            "arn:aws:sns:eu-west-1:me:orders",
            "arn:aws:sns:eu-west-1:123456789012:or ders",
            "arn:aws:sns:eu-west-1:123456789012:.fifo",
        ] {
            assert_eq!(text.parse::<TopicArn>(), Err(NotATopicArn), "{text}");
        }
    }

    #[test]
    fn only_e164_is_a_number() {
        assert_eq!("+15550100123".parse::<PhoneNumber>().unwrap().as_str(), "+15550100123");
        for text in ["", "+", "15550100123", "+05550100", "+1 555 0100", "+1555010012345678", "+49x123"] {
            assert_eq!(text.parse::<PhoneNumber>(), Err(NotAPhoneNumber), "{text}");
        }
    }

    #[test]
    fn only_the_last_two_digits_of_a_number_are_shown() {
        let number: PhoneNumber = "+15550100123".parse().unwrap();
        assert_eq!(format!("{number} {number:?}"), "+…23 PhoneNumber(+…23)");
    }
}
