//! The actions about SMS.

use serde::Deserialize;

use super::{EmptySnsResult, ResultPage, SnsAction, SnsResult, entries};
use crate::{
    message::StringMap,
    server::{action::ActionContext, error::RequestError, xml::XmlWriter},
    sns::SmsNumber,
};

/// `SetSMSAttributes`.
#[derive(Debug, Deserialize)]
pub(super) struct SetSmsAttributes {
    attributes: Option<StringMap>,
}

impl SnsAction for SetSmsAttributes {
    const NAME: &'static str = "SetSMSAttributes";
    type Output = EmptySnsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<EmptySnsResult, RequestError> {
        context.sns.set_sms_attributes(&self.attributes.unwrap_or_default())?;
        Ok(EmptySnsResult)
    }
}

/// `GetSMSAttributes`.
#[derive(Debug, Deserialize)]
pub(super) struct GetSmsAttributes {
    attributes: Option<Vec<String>>,
}

/// The attributes of SMS in the region.
pub(super) struct SmsAttributesResult(StringMap);

impl SnsResult for SmsAttributesResult {
    fn xml(&self, xml: &mut XmlWriter) {
        entries(xml, "attributes", &self.0);
    }
}

impl SnsAction for GetSmsAttributes {
    const NAME: &'static str = "GetSMSAttributes";
    type Output = SmsAttributesResult;

    fn run(self, context: &ActionContext<'_>) -> Result<SmsAttributesResult, RequestError> {
        let mut attributes = context.sns.sms_attributes();
        if let Some(wanted) = self.attributes.filter(|wanted| !wanted.is_empty()) {
            attributes.retain(|name, _| wanted.contains(name));
        }
        Ok(SmsAttributesResult(attributes))
    }
}

/// `CheckIfPhoneNumberIsOptedOut`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CheckIfPhoneNumberIsOptedOut {
    phone_number: Option<String>,
}

/// True if a number wants no SMS.
pub(super) struct IsOptedOutResult(bool);

impl SnsResult for IsOptedOutResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.text("isOptedOut", if self.0 { "true" } else { "false" });
    }
}

impl SnsAction for CheckIfPhoneNumberIsOptedOut {
    const NAME: &'static str = "CheckIfPhoneNumberIsOptedOut";
    type Output = IsOptedOutResult;

    fn run(self, context: &ActionContext<'_>) -> Result<IsOptedOutResult, RequestError> {
        let number = SmsNumber::of_parameter(self.phone_number.as_deref())?;
        Ok(IsOptedOutResult(context.sns.is_opted_out(&number)))
    }
}

/// `ListPhoneNumbersOptedOut`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListPhoneNumbersOptedOut {
    next_token: Option<String>,
}

/// One page of phone numbers.
pub(super) struct OptedOutResult(ResultPage<SmsNumber>);

impl SnsResult for OptedOutResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.element("phoneNumbers", |xml| {
            for number in &self.0.items {
                xml.text("member", number.as_str());
            }
        });
        xml.optional("nextToken", self.0.next_token.as_deref());
    }
}

impl SnsAction for ListPhoneNumbersOptedOut {
    const NAME: &'static str = "ListPhoneNumbersOptedOut";
    type Output = OptedOutResult;

    fn run(self, context: &ActionContext<'_>) -> Result<OptedOutResult, RequestError> {
        Ok(OptedOutResult(ResultPage::of(context.sns.opted_out(), self.next_token.as_deref())?))
    }
}

/// `OptInPhoneNumber`; AWS allows it once in 30 days.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OptInPhoneNumber {
    phone_number: Option<String>,
}

impl SnsAction for OptInPhoneNumber {
    const NAME: &'static str = "OptInPhoneNumber";
    type Output = EmptySnsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<EmptySnsResult, RequestError> {
        context.sns.opt_in(&SmsNumber::of_parameter(self.phone_number.as_deref())?);
        Ok(EmptySnsResult)
    }
}
