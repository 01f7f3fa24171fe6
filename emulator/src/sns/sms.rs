//! SMS: the settings of each region, the phone numbers that want none, and the messages that were sent to the others.

use std::collections::BTreeMap;

use super::{SmsNumber, SnsApiError, SnsErrorCode, topic::check_attribute_size};
use crate::{
    message::StringMap,
    storage::{Remembered, Storage, StoredBytes, text_bytes},
};

/// The attributes that `SetSMSAttributes` knows.
const ATTRIBUTES: [&str; 6] = [
    "DefaultSMSType",
    "DefaultSenderID",
    "DeliveryStatusIAMRole",
    "DeliveryStatusSuccessSamplingRate",
    SPEND_LIMIT,
    "UsageReportS3Bucket",
];
/// The attribute that every region has, in dollars.
const SPEND_LIMIT: &str = "MonthlySpendLimit";

/// An SMS that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentSms {
    /// The phone number.
    pub number: SmsNumber,
    /// The text.
    pub text: String,
    /// The id of the publication.
    pub message_id: String,
    /// The topic, if the number is subscribed to one.
    pub topic_arn: Option<String>,
    /// The subscription to that topic.
    pub subscription_arn: Option<String>,
    /// The subject of the publication.
    pub subject: Option<String>,
}

/// The SMS of an account.
#[derive(Debug)]
pub(super) struct SmsState {
    settings: BTreeMap<String, (StringMap, StoredBytes)>,
    opted_out: BTreeMap<SmsNumber, StoredBytes>,
    sent: Remembered<SentSms>,
    storage: Storage,
}

impl SmsState {
    pub(super) fn new(storage: Storage) -> Self {
        let sent = Remembered::new(storage.clone());
        Self { settings: BTreeMap::new(), opted_out: BTreeMap::new(), sent, storage }
    }

    /// Sets attributes of a region, all or none.
    pub(super) fn set_attributes(&mut self, region: &str, given: &StringMap) -> Result<(), SnsApiError> {
        given.iter().try_for_each(|(name, value)| check_attribute(name, value))?;
        let mut all = self.attributes(region);
        all.extend(given.clone());
        let stored = self.storage.store(text_bytes(&all))?;
        self.settings.insert(region.to_owned(), (all, stored));
        Ok(())
    }

    /// The attributes of a region.
    pub(super) fn attributes(&self, region: &str) -> StringMap {
        let set = self.settings.get(region).map(|(set, _)| set.clone());
        set.unwrap_or_else(|| StringMap::from([(SPEND_LIMIT.to_owned(), "1".to_owned())]))
    }

    /// True if a number wants no SMS.
    pub(super) fn is_opted_out(&self, number: &SmsNumber) -> bool {
        self.opted_out.contains_key(number)
    }

    /// The numbers that want no SMS, sorted.
    pub(super) fn opted_out(&self) -> Vec<SmsNumber> {
        self.opted_out.keys().cloned().collect()
    }

    pub(super) fn opt_out(&mut self, number: SmsNumber) -> Result<(), SnsApiError> {
        if !self.is_opted_out(&number) {
            self.opted_out.insert(number, self.storage.store(0)?);
        }
        Ok(())
    }

    pub(super) fn opt_in(&mut self, number: &SmsNumber) {
        self.opted_out.remove(number);
    }

    /// Sends an SMS, which is only remembered; false if the number wants none.
    pub(super) fn send(&mut self, sms: SentSms) -> bool {
        let is_wanted = !self.is_opted_out(&sms.number);
        if is_wanted {
            let bytes = sms.text.len();
            self.sent.push(sms, bytes);
        }
        is_wanted
    }

    /// The last SMS, the oldest first.
    pub(super) fn sent(&self) -> Vec<SentSms> {
        self.sent.all()
    }

    /// Forgets the SMS to one number, or all.
    pub(super) fn forget(&mut self, number: Option<&str>) {
        self.sent.retain(|sms| number.is_some_and(|number| sms.number.as_str() != number));
    }
}

/// Checks an attribute; the messages are recorded, the reasons of values but that of the type are not.
fn check_attribute(name: &str, value: &str) -> Result<(), SnsApiError> {
    check_attribute_size(name, value)?;
    let invalid =
        |reason: &str| Err(SnsApiError::new(SnsErrorCode::InvalidParameter, format!("{name} is {reason}")));
    let is_valid = match name {
        "DefaultSMSType" => matches!(value, "Promotional" | "Transactional"),
        "DefaultSenderID" => is_sender(value),
        "DeliveryStatusSuccessSamplingRate" => value.parse().is_ok_and(|rate: u8| rate <= 100),
        SPEND_LIMIT => value.parse::<u32>().is_ok(),
        known if ATTRIBUTES.contains(&known) => true,
        _ => return invalid("not a valid attribute"),
    };
    if is_valid { Ok(()) } else { invalid("invalid") }
}

/// A sender's id: 1 to 11 letters and digits, one letter at least.
fn is_sender(text: &str) -> bool {
    (1..=11).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}
