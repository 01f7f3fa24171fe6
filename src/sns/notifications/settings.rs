//! SNS notification settings.

use serde::{Deserialize, Serialize};

use crate::{
    aws::RoleSettings,
    duration::Span,
    settings::{Problem, at_most, http_url},
    sns::TopicArn,
    telemetry::Occasion,
};

/// The longest time for which a notification may be retried.
const LONGEST: Span = Span::secs(60 * 60);

/// The SNS notifications of a queue's outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
#[serde(default)]
pub(crate) struct Settings {
    /// The topic notified when the handler answers done.
    pub on_done: Option<TopicArn>,
    /// The topic notified when an attempt fails: a retry, a time-out, a panic or a lost lease.
    pub on_failure: Option<TopicArn>,
    /// The topic notified when the handler rejects a message, and when a message has used up its receives.
    pub on_reject: Option<TopicArn>,
    /// Includes the message's body; a body too large for SNS is left out.
    pub include_body: bool,
    /// The time for which a failed notification is retried before it is given up, at most 1h.
    pub give_up_after: Span,
    /// Another SNS endpoint; absent, an emulator at the queue's endpoint serves the topics too.
    pub endpoint_url: Option<String>,
    /// The role to assume for the notifications.
    #[serde(flatten)]
    pub role: RoleSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            on_done: None,
            on_failure: None,
            on_reject: None,
            include_body: false,
            give_up_after: Span::secs(5 * 60),
            endpoint_url: None,
            role: RoleSettings::default(),
        }
    }
}

impl Settings {
    /// The topic for an occasion.
    pub(crate) fn topic(&self, occasion: Occasion) -> Option<&TopicArn> {
        match occasion {
            Occasion::Done => self.on_done.as_ref(),
            Occasion::Failure => self.on_failure.as_ref(),
            Occasion::Reject | Occasion::Exhausted => self.on_reject.as_ref(),
        }
    }

    /// All topics, each once.
    pub(crate) fn topics(&self) -> Vec<&TopicArn> {
        let mut topics: Vec<_> =
            [&self.on_done, &self.on_failure, &self.on_reject].into_iter().flatten().collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// Finds every value that cannot work.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(at_most("give_up_after", self.give_up_after, LONGEST));
        problems.extend(http_url("endpoint_url", self.endpoint_url.as_deref()));
        problems.extend(self.role.validate());
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_reported_at_once() {
        assert_eq!(Settings::default().validate(), []);
        let settings = Settings {
            give_up_after: Span::secs(3_601),
            endpoint_url: Some("sns".to_owned()),
            ..Settings::default()
        };
        let keys: Vec<_> =
            settings.validate().into_iter().map(|problem| problem.key().unwrap().to_string()).collect();
        assert_eq!(keys, ["give_up_after", "endpoint_url"]);
    }

    #[test]
    fn a_topic_of_several_occasions_is_one_topic() {
        let topic: Option<TopicArn> = "arn:aws:sns:eu-west-1:123456789012:orders".parse().ok();
        let settings = Settings { on_done: topic.clone(), on_reject: topic, ..Settings::default() };
        assert_eq!(settings.topics().len(), 1);
    }
}
