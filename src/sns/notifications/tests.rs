//! Notifications over topics that fail on request, on a paused clock.

use std::{
    collections::VecDeque,
    sync::{Mutex, atomic::AtomicUsize, atomic::Ordering},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::{runtime::Handle, time::Instant};

use super::*;
use crate::{
    duration::Span,
    message::Message,
    sns::{Publication, PublicationId, PublishRetryClass, TopicError},
    telemetry::{CallResult, Ending, Label as _, Metrics, Occasion},
};

/// A topic that fails with these errors first, one a call.
#[derive(Default)]
struct Flaky {
    failures: Mutex<VecDeque<PublishRetryClass>>,
    published: Mutex<Vec<Publication>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Publisher for Flaky {
    fn publish<'a>(
        &'a self,
        publication: &'a Publication,
    ) -> BoxFuture<'a, Result<PublicationId, TopicError>> {
        async move {
            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            if let Some(retry) = self.failures.lock().unwrap().pop_front() {
                return Err(TopicError::new(retry, "on purpose"));
            }
            self.published.lock().unwrap().push(publication.clone());
            Ok(PublicationId(String::new()))
        }
        .boxed()
    }

    fn find<'a>(&'a self, _: &'a TopicArn) -> BoxFuture<'a, Result<(), TopicError>> {
        std::future::ready(Ok(())).boxed()
    }
}

struct Scene {
    notifier: Notifier,
    topic: Arc<Flaky>,
    metrics: Metrics,
}

impl Scene {
    fn new(topic: &str, failures: impl IntoIterator<Item = PublishRetryClass>) -> Self {
        let arn = TopicArn::new("eu-west-1", "123456789012", topic).unwrap();
        let settings = Settings {
            on_done: Some(arn.clone()),
            on_reject: Some(arn),
            give_up_after: Span::secs(300),
            ..Settings::default()
        };
        let topic =
            Arc::new(Flaky { failures: Mutex::new(failures.into_iter().collect()), ..Flaky::default() });
        let (publisher, metrics) = (topic.clone(), Metrics::new());
        let plan = NotificationPlan { settings, publishers: Arc::new(move |_| publisher.clone()) };
        let (tasks, _) = Tasks::on(Handle::current());
        let notifier = Notifier::start("orders".into(), &plan, &metrics.queue("orders", "orders"), &tasks);
        Self { notifier, topic, metrics }
    }

    fn end(&self, id: &str, ending: Ending) {
        let message = Message::new(id, "body");
        let notification =
            Notification { message: &message, ending, reason: "", took: Duration::ZERO, trace: None };
        self.notifier.ended(&notification);
    }

    fn count(&self, occasion: Occasion, result: Notified) -> u64 {
        let labels = [("occasion", occasion.as_str()), ("result", result.as_str())];
        self.metrics.count("longshore_notifications_total", &labels)
    }

    fn ids(&self) -> Vec<String> {
        let published = self.topic.published.lock().unwrap();
        let id = |publication: &Publication| {
            let body: serde_json::Value = serde_json::from_str(&publication.body).unwrap();
            body["messageId"].as_str().unwrap().to_owned()
        };
        published.iter().map(id).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_has_used_up_its_receives_is_published_to_the_topic_of_rejects() {
    let scene = Scene::new("t", []);
    let message = Message::new("last", "body");
    let (ending, reason, took) = (Ending::Retry, "no luck", Duration::ZERO);
    let notification = Notification { message: &message, ending, reason, took, trace: None };
    scene.notifier.ended(&notification);
    scene.notifier.exhausted(&notification);
    scene.notifier.flushed().await;
    assert_eq!(scene.topic.published.lock().unwrap().len(), 1, "failures have no topic here");
    assert_eq!(scene.count(Occasion::Exhausted, Notified::Sent), 1);
    let publication = scene.topic.published.lock().unwrap()[0].clone();
    let body: serde_json::Value = serde_json::from_str(&publication.body).unwrap();
    let expected = ["exhausted", "retry", "no luck"].map(serde_json::Value::from);
    assert_eq!(
        [&body["outcome"], &body["ending"], &body["reason"]],
        [&expected[0], &expected[1], &expected[2]]
    );
    assert_eq!(publication.attributes["outcome"].text(), Some("exhausted"));
}

#[tokio::test(start_paused = true)]
async fn only_occasions_with_a_topic_are_published() {
    let scene = Scene::new("t", []);
    for (id, ending) in
        [("1", Ending::Done), ("2", Ending::Retry), ("3", Ending::Reject), ("4", Ending::Down)]
    {
        scene.end(id, ending);
    }
    scene.notifier.flushed().await;
    assert_eq!(scene.ids(), ["1", "3"]);
    assert_eq!(scene.count(Occasion::Done, Notified::Sent), 1);
    assert_eq!(scene.count(Occasion::Reject, Notified::Sent), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_notification_is_retried_with_growing_pauses() {
    let scene = Scene::new(
        "t",
        [PublishRetryClass::Transient, PublishRetryClass::NotSent, PublishRetryClass::Refused],
    );
    scene.end("1", Ending::Done);
    scene.notifier.flushed().await;
    assert_eq!((scene.ids(), scene.count(Occasion::Done, Notified::Failed)), (vec!["1".to_owned()], 0));
    let calls = [CallResult::Ok, CallResult::Retryable, CallResult::Refused, CallResult::Hung];
    assert_eq!(
        calls.map(|result| scene.metrics.count("longshore_sns_calls_total", &[("result", result.as_str())])),
        [1, 2, 1, 0]
    );
}

#[tokio::test(start_paused = true)]
async fn a_notification_is_given_up_after_its_time_limit() {
    let scene = Scene::new("t", std::iter::repeat_n(PublishRetryClass::Transient, 1_000));
    let began = Instant::now();
    scene.end("1", Ending::Done);
    scene.notifier.flushed().await;
    assert!(began.elapsed() <= Duration::from_secs(301) && began.elapsed() > Duration::from_secs(200));
    assert_eq!(scene.count(Occasion::Done, Notified::Failed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_sns_refuses_is_given_up_at_once() {
    let scene = Scene::new("t", [PublishRetryClass::BadMessage]);
    scene.end("1", Ending::Done);
    scene.end("2", Ending::Done);
    scene.notifier.flushed().await;
    assert_eq!(scene.ids().len(), 1);
    assert_eq!(scene.count(Occasion::Done, Notified::Failed), 1);
}

#[tokio::test(start_paused = true)]
async fn at_most_a_thousand_wait_and_the_others_are_dropped_and_counted() {
    let scene = Scene::new("t", []);
    for number in 0..1_007 {
        scene.end(&number.to_string(), Ending::Done);
    }
    assert_eq!(scene.count(Occasion::Done, Notified::Dropped), 7);
    scene.notifier.flushed().await;
    assert_eq!(scene.count(Occasion::Done, Notified::Sent), sender::MAX_PENDING);
    assert_eq!(scene.topic.most_at_once.load(Ordering::SeqCst), 16);
}

#[tokio::test(start_paused = true)]
async fn notifications_to_a_fifo_topic_keep_their_order_when_some_fail() {
    let scene = Scene::new("t.fifo", [PublishRetryClass::Transient, PublishRetryClass::Transient]);
    for number in 0..5 {
        scene.end(&number.to_string(), Ending::Done);
    }
    scene.notifier.flushed().await;
    assert_eq!(scene.ids(), ["0", "1", "2", "3", "4"]);
    assert_eq!(scene.topic.most_at_once.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn notifications_unsent_at_the_close_are_dropped_and_counted_once() {
    let scene = Scene::new("t", std::iter::repeat_n(PublishRetryClass::Transient, 1_000));
    scene.end("1", Ending::Done);
    scene.end("2", Ending::Reject);
    scene.notifier.close();
    assert_eq!(scene.count(Occasion::Done, Notified::Dropped), 1);
    assert_eq!(scene.count(Occasion::Reject, Notified::Dropped), 1);
    scene.end("3", Ending::Done);
    assert_eq!(scene.count(Occasion::Done, Notified::Dropped), 2);
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(scene.count(Occasion::Done, Notified::Failed), 0);
    scene.notifier.flushed().await;
}
