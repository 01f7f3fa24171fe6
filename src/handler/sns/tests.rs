//! Tests of the handler with topics in memory.

use std::sync::Mutex;

use futures_util::future::{BoxFuture, FutureExt as _};
use longshore_emulator::{SnsAccount, SnsTopicArn, SqsAccount, StringMap};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    sns::{EmulatorPublisher, PublicationId, PublishRetryClass, TopicArn, TopicError},
    telemetry::Metrics,
};

async fn handled(handler: &SnsHandler, body: &str) -> Outcome {
    let context = Context::new("q".into(), Instant::now(), CancellationToken::new());
    handler.handle(Arc::new(Message::new("1", body)), context).await
}

fn arn(arn: &SnsTopicArn) -> TopicArn {
    arn.as_str().parse().unwrap()
}

fn sms(topics: &SnsAccount, limit_per_hour: u32) -> SnsHandler {
    let settings = Settings {
        phone_number: "+15550100123".parse().ok(),
        limit_per_hour: Some(limit_per_hour),
        ..Settings::default()
    };
    SnsHandler::new(settings, Arc::new(EmulatorPublisher::new(topics))).unwrap()
}

#[tokio::test]
async fn a_message_that_sns_takes_is_done() {
    let topics = SnsAccount::new(SqsAccount::default());
    let arn = arn(&topics.create_topic("orders", &StringMap::new(), &StringMap::new()).unwrap());
    let handler =
        SnsHandler::new(Settings::to_topic(arn), Arc::new(EmulatorPublisher::new(&topics))).unwrap();
    assert_eq!(handled(&handler, "a body").await, Outcome::Done);
    assert_eq!(topics.published()[0].request.body, "a body");
    assert_eq!(handler.probe().await, Ok(()));
}

#[tokio::test]
async fn a_missing_topic_means_down_until_it_exists() {
    let topics = SnsAccount::new(SqsAccount::default());
    let arn = arn(&topics.arn("orders").unwrap());
    let handler =
        SnsHandler::new(Settings::to_topic(arn), Arc::new(EmulatorPublisher::new(&topics))).unwrap();
    assert!(handler.probe().await.unwrap_err().reason().contains("NotFound"));
    assert!(matches!(handled(&handler, "x").await, Outcome::Down(_)));
    topics.create_topic("orders", &StringMap::new(), &StringMap::new()).unwrap();
    assert_eq!(handler.probe().await, Ok(()));
}

#[tokio::test]
async fn publish_calls_are_counted_by_how_they_end() {
    let topics = SnsAccount::new(SqsAccount::default());
    let arn = arn(&topics.arn("orders").unwrap());
    let handler =
        SnsHandler::new(Settings::to_topic(arn), Arc::new(EmulatorPublisher::new(&topics))).unwrap();
    let metrics = Metrics::new();
    handler.register_metrics(&metrics.queue("q", "q"));
    handled(&handler, "x").await;
    topics.create_topic("orders", &StringMap::new(), &StringMap::new()).unwrap();
    handled(&handler, "x").await;
    let calls = |result| metrics.count("longshore_sns_calls_total", &[("result", result)]);
    assert_eq!((calls("ok"), calls("refused")), (1, 1));
    assert_eq!(metrics.count("longshore_handler_failures_total", &[("cause", "refused")]), 1);
}

#[tokio::test(start_paused = true)]
async fn over_the_limit_nothing_is_published_until_the_hour_is_over() {
    let topics = SnsAccount::new(SqsAccount::default());
    let handler = sms(&topics, 2);
    for _ in 0..2 {
        assert_eq!(handled(&handler, "ahoy").await, Outcome::Done);
    }
    let Outcome::RetryIn(wait, _) = handled(&handler, "ahoy").await else { panic!("not postponed") };
    assert_eq!((wait, topics.published().len()), (HOUR, 2));
    tokio::time::advance(wait).await;
    assert_eq!(handled(&handler, "ahoy").await, Outcome::Done);
}

#[tokio::test]
async fn a_long_sms_counts_its_parts() {
    let topics = SnsAccount::new(SqsAccount::default());
    let handler = sms(&topics, 3);
    assert_eq!(handled(&handler, &"x".repeat(300)).await, Outcome::Done);
    assert!(matches!(handled(&handler, &"x".repeat(300)).await, Outcome::RetryIn(..)));
}

#[tokio::test(start_paused = true)]
async fn no_delay_is_longer_than_sqs_allows() {
    let handler = sms(&SnsAccount::new(SqsAccount::default()), 1);
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        if let Outcome::RetryIn(wait, _) = handled(&handler, "x").await {
            longest = longest.max(wait);
        }
    }
    assert_eq!(longest, Duration::from_hours(12));
}

/// Fails with these retry classes, one a call, the last first.
struct Failing(Mutex<Vec<PublishRetryClass>>);

impl Publisher for Failing {
    fn publish<'a>(&'a self, _: &'a Publication) -> BoxFuture<'a, Result<PublicationId, TopicError>> {
        let class = self.0.lock().unwrap().pop();
        let answer = match class {
            Some(class) => Err(TopicError::new(class, "on purpose")),
            None => Ok(PublicationId("id".to_owned())),
        };
        std::future::ready(answer).boxed()
    }

    fn find<'a>(&'a self, _: &'a TopicArn) -> BoxFuture<'a, Result<(), TopicError>> {
        std::future::ready(Ok(())).boxed()
    }
}

#[tokio::test]
async fn a_publication_counts_unless_it_was_certainly_not_sent() {
    let settings = Settings {
        phone_number: "+15550100123".parse().ok(),
        limit_per_hour: Some(1),
        ..Settings::default()
    };
    let failures = vec![PublishRetryClass::Transient, PublishRetryClass::Refused, PublishRetryClass::NotSent];
    let handler = SnsHandler::new(settings, Arc::new(Failing(Mutex::new(failures)))).unwrap();
    assert!(matches!(handled(&handler, "x").await, Outcome::Down(_)));
    assert!(matches!(handled(&handler, "x").await, Outcome::Down(_)));
    assert!(matches!(handled(&handler, "x").await, Outcome::Retry(_)));
    assert!(matches!(handled(&handler, "x").await, Outcome::RetryIn(..)), "the last one may have been sent");
}

#[test]
fn invalid_settings_make_no_handler() {
    let topics = Arc::new(EmulatorPublisher::new(&SnsAccount::new(SqsAccount::default())));
    let error = SnsHandler::new(Settings::default(), topics).unwrap_err().to_string();
    assert!(error.contains("topic_arn"), "{error}");
}
