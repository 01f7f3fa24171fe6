//! Creates what a file declares: queues, then their redrive policies, then topics with their subscriptions.

use serde_json::json;
use toml::Spanned;

use super::{
    Mistake,
    file::{Declarations, DeclaredAttributes, DeclaredQueue, DeclaredSubscription, DeclaredTopic, text_of},
};
use crate::{
    message::StringMap,
    sns::{SnsAccount, SnsTopicArn},
    sqs::SqsAccount,
};

const QUEUE_HINT: &str = "attributes are those of CreateQueue in the API reference of SQS, with their limits";
const TOPIC_HINT: &str = "attributes are those of CreateTopic in the API reference of SNS, with their limits";
const SUBSCRIPTION_HINT: &str =
    "attributes are those of Subscribe in the API reference of SNS, with their limits";

/// Creates everything that is declared.
pub(super) fn apply(declared: &Declarations, sns: &SnsAccount) -> Result<(), Mistake> {
    for (name, queue) in &declared.queues {
        create_queue(name, queue, sns.sqs())?;
    }
    for (name, queue) in &declared.queues {
        set_redrive(name, queue.get_ref(), sns.sqs())?;
    }
    for (name, topic) in &declared.topics {
        create_topic(name, topic, sns)?;
    }
    Ok(())
}

fn create_queue(name: &str, declared: &Spanned<DeclaredQueue>, sqs: &SqsAccount) -> Result<(), Mistake> {
    let queue = declared.get_ref();
    if sqs.arn(name).is_err() {
        let created = sqs.create_queue(name, &fifo_by_name(name, "FifoQueue"), &StringMap::new());
        created.map_err(|error| {
            let message = format!("queue {name}: {}", error.message);
            Mistake::new(declared.span().start, message, "choose a name of 1 to 80 letters, digits, - and _")
        })?;
    }
    sqs.tag(name, &queue.tags).map_err(|error| {
        Mistake::new(declared.span().start, format!("queue {name}: {}", error.message), QUEUE_HINT)
    })?;
    each(&queue.attributes, &format!("queue {name}"), QUEUE_HINT, |attribute, value| {
        sqs.set_attributes(name, &StringMap::from([(attribute, value)])).map_err(|error| error.message)
    })
}

/// Sets attributes one by one, so that a mistake has its own line.
fn each(
    attributes: &DeclaredAttributes,
    owner: &str,
    hint: &str,
    set: impl Fn(String, String) -> Result<(), String>,
) -> Result<(), Mistake> {
    for (name, value) in attributes {
        set(name.clone(), text_of(value.get_ref())).map_err(|message| {
            Mistake::new(value.span().start, format!("{owner}: {name}: {message}"), hint)
        })?;
    }
    Ok(())
}

fn set_redrive(name: &str, queue: &DeclaredQueue, sqs: &SqsAccount) -> Result<(), Mistake> {
    let (target, max_receives) = match (&queue.dead_letter_queue, &queue.max_receives) {
        (None, None) => return Ok(()),
        (Some(target), Some(max)) => (target, max.get_ref()),
        (Some(target), None) => {
            let message = format!("queue {name}: dead_letter_queue without max_receives");
            return Err(Mistake::new(target.span().start, message, "add max_receives = 3"));
        }
        (None, Some(max)) => {
            let message = format!("queue {name}: max_receives without dead_letter_queue");
            return Err(Mistake::new(max.span().start, message, "add dead_letter_queue = \"NAME\""));
        }
    };
    let arn = queue_arn(target, sqs)?;
    let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": max_receives }).to_string();
    let attributes = StringMap::from([("RedrivePolicy".to_owned(), policy)]);
    sqs.set_attributes(name, &attributes).map_err(|error| {
        let hint =
            "the dead-letter queue of a FIFO queue is a FIFO queue, that of a standard queue a standard one";
        Mistake::new(target.span().start, format!("queue {name}: {}", error.message), hint)
    })
}

/// The ARN of a queue that is declared or restored.
fn queue_arn(name: &Spanned<String>, sqs: &SqsAccount) -> Result<String, Mistake> {
    sqs.arn(name.get_ref()).map_err(|_| {
        let missing = name.get_ref();
        let hint = format!("declare it too, as [queues.\"{missing}\"]");
        Mistake::new(name.span().start, format!("the queue {missing} does not exist"), hint)
    })
}

fn create_topic(name: &str, declared: &Spanned<DeclaredTopic>, sns: &SnsAccount) -> Result<(), Mistake> {
    let topic = declared.get_ref();
    let at_topic =
        |message: String| Mistake::new(declared.span().start, format!("topic {name}: {message}"), TOPIC_HINT);
    let arn = sns.arn(name).map_err(|error| at_topic(error.message))?;
    if sns.topic_attributes(arn.as_str()).is_err() {
        let created = sns.create_topic(name, &fifo_by_name(name, "FifoTopic"), &topic.tags);
        created.map_err(|error| at_topic(error.message))?;
    }
    each(&topic.attributes, &format!("topic {name}"), TOPIC_HINT, |attribute, value| {
        sns.set_topic_attribute(arn.as_str(), &attribute, &value).map_err(|error| error.message)
    })?;
    topic.subscriptions.iter().try_for_each(|subscription| subscribe(&arn, subscription, sns))
}

fn subscribe(topic: &SnsTopicArn, declared: &DeclaredSubscription, sns: &SnsAccount) -> Result<(), Mistake> {
    let queue = queue_arn(&declared.queue, sns.sqs())?;
    let all = declared.attributes.iter().map(|(name, value)| (name.clone(), text_of(value.get_ref())));
    let attributes = all.collect();
    let subscriptions = sns.subscriptions(Some(topic.as_str())).unwrap_or_default();
    if let Some(existing) = subscriptions.iter().find(|one| one.endpoint == queue) {
        return each(&declared.attributes, topic.name(), SUBSCRIPTION_HINT, |name, value| {
            let set = sns.set_subscription_attribute(&existing.arn, &name, &value);
            set.map_err(|error| error.message)
        });
    }
    sns.subscribe(topic.as_str(), &queue, &attributes).map(drop).map_err(|error| {
        let named = declared.attributes.iter().find(|(name, _)| error.message.contains(name.as_str()));
        let offset = named.map_or(declared.queue.span().start, |(_, value)| value.span().start);
        let message =
            format!("subscription of {} to {}: {}", declared.queue.get_ref(), topic.name(), error.message);
        Mistake::new(offset, message, SUBSCRIPTION_HINT)
    })
}

fn fifo_by_name(name: &str, attribute: &str) -> StringMap {
    let fifo = [attribute, "ContentBasedDeduplication"].map(|name| (name.to_owned(), "true".to_owned()));
    if name.strip_suffix(".fifo").is_some() { StringMap::from(fifo) } else { StringMap::new() }
}
