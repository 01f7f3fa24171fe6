//! SNS at the same address: the query protocol, whose answers are XML.

mod publish;
mod subscriptions;
mod topics;

use serde::de::DeserializeOwned;

use self::{
    publish::{Publish, PublishBatch},
    subscriptions::{
        GetSubscriptionAttributes, ListSubscriptions, ListSubscriptionsByTopic, SetSubscriptionAttributes,
        Subscribe, Unsubscribe,
    },
    topics::{
        CreateTopic, DeleteTopic, GetTopicAttributes, ListTagsForResource, ListTopics, SetTopicAttributes,
    },
};
use super::{
    asked::{Asked, Parameters},
    call::Call,
    refusal::Refusal,
    xml::{Namespace, Xml},
};
use crate::sns::memory::Fault;

/// One action of SNS: its request's parameters, which know how to be run and write the answer.
trait Action: DeserializeOwned {
    /// The action's name.
    const NAME: &'static str;
    /// What it answers.
    type Answer: Answer;

    /// Runs the action.
    fn run(self, call: &Call<'_>) -> Result<Self::Answer, Refusal>;
}

/// What an action answers.
trait Answer {
    /// Writes what goes into the result element.
    fn xml(&self, xml: &mut Xml);
}

/// The answer of the actions that answer nothing.
struct Nothing;

impl Answer for Nothing {
    fn xml(&self, _: &mut Xml) {}
}

fn perform_one<A: Action>(call: &Call<'_>, parameters: &Parameters) -> Result<Vec<u8>, Refusal> {
    let answer = parameters.decode::<A>()?.run(call)?;
    let document = Xml::document(Namespace::Sns, &format!("{}Response", A::NAME), |xml| {
        xml.element(&format!("{}Result", A::NAME), |xml| answer.xml(xml));
        xml.element("ResponseMetadata", |xml| xml.text("RequestId", call.request_id));
    });
    Ok(document.into_bytes())
}

/// Finds the action by its name and performs it, which gives the body of the answer.
macro_rules! table {
    ($($action:ident),+ $(,)?) => {
        pub(super) fn perform(call: &Call<'_>, asked: &Asked) -> Result<Vec<u8>, Refusal> {
            match asked.action.as_str() {
                $($action::NAME => perform_one::<$action>(call, &asked.parameters),)+
                unknown => Err(Refusal::UnknownAction(unknown.to_owned())),
            }
        }

        /// Whether there is an action of this name.
        pub(super) fn knows(action: &str) -> bool {
            [$($action::NAME),+].contains(&action)
        }
    };
}

table! {
    CreateTopic,
    DeleteTopic,
    GetSubscriptionAttributes,
    GetTopicAttributes,
    ListSubscriptions,
    ListSubscriptionsByTopic,
    ListTagsForResource,
    ListTopics,
    Publish,
    PublishBatch,
    SetSubscriptionAttributes,
    SetTopicAttributes,
    Subscribe,
    Unsubscribe,
}

/// A parameter that must be there.
fn required(value: Option<String>, parameter: &str) -> Result<String, Refusal> {
    value.ok_or_else(|| Fault::invalid(format!("{parameter} Reason: no value for required parameter")).into())
}

/// A map as SNS writes its attributes: `entry` elements with a `key` and a `value`.
fn entries<'a>(xml: &mut Xml, name: &str, pairs: impl IntoIterator<Item = (&'a String, &'a String)>) {
    xml.element(name, |xml| {
        for (key, value) in pairs {
            xml.element("entry", |xml| {
                xml.text("key", key);
                xml.text("value", value);
            });
        }
    });
}
