//! Notifications of a whole worker, over a queue in memory on a paused clock.

use longshore::queue::EmulatorQueue;
use longshore_emulator::{SqsAccount, StringMap};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use longshore::{
    Consumer, Message, Worker, handler,
    message::{OutgoingMessage, Receipt},
    queue::{BatchResult, Queue, QueueAttributes, QueueError, ReceiveRequest, VisibilityChange},
    sns::notifications::{NotificationPlan, Settings},
    sns::{Publication, PublicationId, Publisher, TopicArn, TopicError},
    stop::Stop,
    tasks,
    worker::{Drained, WorkerError},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

/// A topic that takes this long for each notification.
struct Slow {
    takes: Duration,
    published: Mutex<Vec<String>>,
}

impl Publisher for Slow {
    fn publish<'a>(
        &'a self,
        publication: &'a Publication,
    ) -> BoxFuture<'a, Result<PublicationId, TopicError>> {
        async move {
            sleep(self.takes).await;
            self.published.lock().unwrap().push(publication.body.clone());
            Ok(PublicationId(String::new()))
        }
        .boxed()
    }

    fn find<'a>(&'a self, _: &'a TopicArn) -> BoxFuture<'a, Result<(), TopicError>> {
        std::future::ready(Ok(())).boxed()
    }
}

/// A queue whose deletes all fail.
struct Undeletable(EmulatorQueue);

impl Queue for Undeletable {
    fn receive(&self, request: ReceiveRequest) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        self.0.receive(request)
    }

    fn delete<'a>(&'a self, _: &'a [Receipt]) -> BoxFuture<'a, BatchResult<()>> {
        std::future::ready(Err(QueueError::answered("ServiceUnavailable", "on purpose"))).boxed()
    }

    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, BatchResult<()>> {
        self.0.change_visibility(changes)
    }

    fn send<'a>(
        &'a self,
        messages: &'a [OutgoingMessage],
    ) -> BoxFuture<'a, BatchResult<longshore::message::MessageId>> {
        self.0.send(messages)
    }

    fn describe(&self) -> BoxFuture<'_, Result<QueueAttributes, QueueError>> {
        self.0.describe()
    }
}

struct Scene {
    account: SqsAccount,
    topic: Arc<Slow>,
    stop: Stop,
    ended: JoinHandle<Result<Drained, WorkerError>>,
}

impl Scene {
    /// A worker whose handler is always done, with three messages in its queue.
    fn start(takes: Duration, queue: impl FnOnce(EmulatorQueue) -> Arc<dyn Queue>) -> Self {
        let account = SqsAccount::default();
        account.create_queue("orders", &StringMap::new(), &StringMap::new()).unwrap();
        for body in ["1", "2", "3"] {
            account.send("orders", OutgoingMessage::new(body)).unwrap();
        }
        let topic = Arc::new(Slow { takes, published: Mutex::default() });
        let publisher = topic.clone();
        let arn = TopicArn::new("eu-west-1", "123456789012", "audit").unwrap();
        let settings = Settings { on_done: Some(arn), ..Settings::default() };
        let plan = NotificationPlan { settings, publishers: Arc::new(move |_| publisher.clone()) };
        let done = handler::from_fn(async |_: Arc<Message>| ());
        let consumer =
            Consumer::of("orders", queue(EmulatorQueue::new(&account, "orders")), done).notify(plan);
        let stop = Stop::new();
        let ended = tasks::detach("worker", Worker::new().consumer(consumer).run_here(stop.clone()));
        Self { account, topic, stop, ended }
    }

    fn left(&self) -> u64 {
        let described = self.account.snapshot("orders").unwrap();
        described.visible + described.in_flight
    }

    fn published(&self) -> usize {
        self.topic.published.lock().unwrap().len()
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn on_done_is_published_although_the_delete_fails() {
    let scene = Scene::start(Duration::ZERO, |queue| Arc::new(Undeletable(queue)));
    scene.until(|scene| scene.published() == 3).await;
    assert_eq!(scene.left(), 3);
    scene.stop.halt();
    scene.ended.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_hangs_delays_no_message() {
    let scene = Scene::start(Duration::from_hours(1), |queue| Arc::new(queue));
    scene.until(|scene| scene.left() == 0).await;
    assert_eq!(scene.published(), 0);
    let stopped = Instant::now();
    scene.stop.drain();
    assert_eq!(scene.ended.await.unwrap().unwrap(), Drained::All);
    assert!(stopped.elapsed() < Duration::from_secs(8), "{:?}", stopped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn notifications_in_progress_at_the_stop_are_still_published() {
    let scene = Scene::start(Duration::from_secs(4), |queue| Arc::new(queue));
    scene.until(|scene| scene.left() == 0).await;
    assert_eq!(scene.published(), 0);
    scene.stop.drain();
    let topic = scene.topic.clone();
    assert_eq!(scene.ended.await.unwrap().unwrap(), Drained::All);
    assert_eq!(topic.published.lock().unwrap().len(), 3);
}
