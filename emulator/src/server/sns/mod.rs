//! The actions of SNS and their table; the protocol is the query protocol.

mod policies;
mod publish;
mod sms;
mod subscriptions;
mod topics;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::de::DeserializeOwned;

use self::{
    policies::{
        AddTopicPermission, GetDataProtectionPolicy, ListTagsForResource, PutDataProtectionPolicy,
        RemoveTopicPermission, TagResource, UntagResource,
    },
    publish::{Publish, PublishBatch},
    sms::{
        CheckIfPhoneNumberIsOptedOut, GetSmsAttributes, ListPhoneNumbersOptedOut, OptInPhoneNumber,
        SetSmsAttributes,
    },
    subscriptions::{
        ConfirmSubscription, GetSubscriptionAttributes, ListSubscriptions, ListSubscriptionsByTopic,
        SetSubscriptionAttributes, Subscribe, Unsubscribe,
    },
    topics::{CreateTopic, DeleteTopic, GetTopicAttributes, ListTopics, SetTopicAttributes},
};
use super::{
    action::ActionContext,
    error::RequestError,
    request::{DecodedRequest, RequestParameters},
    xml::{XmlNamespace, XmlWriter},
};
use crate::sns::SnsApiError;

/// One action of SNS, as the parameters of its request.
trait SnsAction: DeserializeOwned {
    /// The action's name.
    const NAME: &'static str;
    /// The result.
    type Output: SnsResult;

    /// Runs the action.
    fn run(self, context: &ActionContext<'_>) -> Result<Self::Output, RequestError>;
}

/// The result of an action.
trait SnsResult {
    /// Writes the content of the result element.
    fn xml(&self, xml: &mut XmlWriter);
}

/// The result of the actions that return nothing.
struct EmptySnsResult;

impl SnsResult for EmptySnsResult {
    fn xml(&self, _: &mut XmlWriter) {}
}

fn perform_one<A: SnsAction>(
    context: &ActionContext<'_>,
    parameters: &RequestParameters,
) -> Result<Vec<u8>, RequestError> {
    let result = parameters.decode::<A>()?.run(context)?;
    let document = XmlWriter::document(XmlNamespace::Sns, &format!("{}Response", A::NAME), |xml| {
        xml.element(&format!("{}Result", A::NAME), |xml| result.xml(xml));
        xml.element("ResponseMetadata", |xml| xml.text("RequestId", context.request_id));
    });
    Ok(document.into_bytes())
}

macro_rules! table {
    ($($action:ident),+ $(,)?) => {
        /// Runs the requested action; returns the body of the response.
        pub(super) fn perform(context: &ActionContext<'_>, request: &DecodedRequest) -> Result<Vec<u8>, RequestError> {
            match request.action.as_str() {
                $($action::NAME => perform_one::<$action>(context, &request.parameters),)+
                unknown => Err(RequestError::UnknownAction(unknown.to_owned())),
            }
        }

        /// Returns true if SNS has an action of this name.
        pub(super) fn knows(action: &str) -> bool {
            [$($action::NAME),+].contains(&action)
        }
    };
}

table! {
    AddTopicPermission,
    CheckIfPhoneNumberIsOptedOut,
    ConfirmSubscription,
    CreateTopic,
    DeleteTopic,
    GetDataProtectionPolicy,
    GetSmsAttributes,
    GetSubscriptionAttributes,
    GetTopicAttributes,
    ListPhoneNumbersOptedOut,
    ListSubscriptions,
    ListSubscriptionsByTopic,
    ListTagsForResource,
    ListTopics,
    OptInPhoneNumber,
    Publish,
    PublishBatch,
    PutDataProtectionPolicy,
    RemoveTopicPermission,
    SetSmsAttributes,
    SetSubscriptionAttributes,
    SetTopicAttributes,
    Subscribe,
    TagResource,
    Unsubscribe,
    UntagResource,
}

/// The most items of a page.
const PAGE_ITEMS: usize = 100;

/// One page of a list, and the token for the next.
struct ResultPage<T> {
    items: Vec<T>,
    next_token: Option<String>,
}

impl<T> ResultPage<T> {
    /// The page from the position of the token, which the page before it gave.
    fn of(all: Vec<T>, token: Option<&str>) -> Result<Self, RequestError> {
        let position = token.map_or(Some(0), |token| {
            let text = String::from_utf8(BASE64_STANDARD.decode(token).ok()?).ok()?;
            text.parse::<usize>().ok()
        });
        let position = position.ok_or_else(|| SnsApiError::invalid("NextToken"))?;
        let next = position.saturating_add(PAGE_ITEMS);
        let next_token = (all.len() > next).then(|| BASE64_STANDARD.encode(next.to_string()));
        Ok(Self { items: all.into_iter().skip(position).take(PAGE_ITEMS).collect(), next_token })
    }
}

/// The value of a required parameter.
fn required(value: Option<String>, parameter: &str) -> Result<String, RequestError> {
    value.ok_or_else(|| {
        SnsApiError::invalid(format!("{parameter} Reason: no value for required parameter")).into()
    })
}

/// A map as SNS writes its attributes: `entry` elements with a `key` and a `value`.
fn entries<'a>(xml: &mut XmlWriter, name: &str, pairs: impl IntoIterator<Item = (&'a String, &'a String)>) {
    xml.element(name, |xml| {
        for (key, value) in pairs {
            xml.element("entry", |xml| {
                xml.text("key", key);
                xml.text("value", value);
            });
        }
    });
}
