//! Log lines about a message: each has the message's id and the producer's trace, and no secret.

use longshore::queue::EmulatorQueue;
use longshore_emulator::{SqsAccount, StringMap};
use std::{
    collections::BTreeSet,
    fmt::{Debug, Write as _},
    future::{pending, ready},
    sync::{Arc, Mutex},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use longshore::{
    Consumer, Message, Worker,
    duration::Limit,
    handler::{
        self, Outcome,
        exec::{self, ExecHandler},
    },
    message::{AttributeValue, OutgoingMessage},
    queue::{Queue as _, VisibilityChange},
    sns::notifications,
    sns::{Publication, PublicationId, PublishRetryClass, Publisher, TopicArn, TopicError},
    stop::Stop,
    tasks,
};
use opentelemetry::{Context as TraceContext, trace::TraceContextExt as _};
use tokio::time::sleep;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    scene::Scene,
    secs,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A log line about a message, and its trace.
#[derive(Clone, Debug, Default)]
struct Line {
    message: String,
    message_id: String,
    trace: String,
    /// All its fields.
    text: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.text, "{field}={value:?} ").unwrap();
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "message_id" => self.message_id = format!("{value:?}"),
            _ => {}
        }
    }
}

/// Collects what is logged on this thread until it is dropped.
struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    _guard: DefaultGuard,
}

struct Recording(Arc<Mutex<Vec<Line>>>);

impl<S: Subscriber> Layer<S> for Recording {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let trace = TraceContext::map_current(|context| context.span().span_context().trace_id().to_string());
        let mut line = Line { trace, ..Line::default() };
        event.record(&mut line);
        self.0.lock().unwrap().push(line);
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut fields = Line::default();
        span.record(&mut fields);
        self.0.lock().unwrap().push(Line { text: fields.text, ..Line::default() });
    }
}

impl Log {
    fn start() -> Self {
        let lines = Arc::default();
        let subscriber = tracing_subscriber::registry().with(Recording(Arc::clone(&lines)));
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    fn has(&self, message: &str) -> bool {
        self.lines.lock().unwrap().iter().any(|line| line.message == message)
    }

    /// Asserts that these lines were written, and that they and all others about a message have its trace.
    fn assert_traced(&self, expected: &[&str]) {
        let lines = self.lines.lock().unwrap().clone();
        let messages: BTreeSet<_> = lines.iter().map(|line| line.message.clone()).collect();
        for line in expected {
            assert!(messages.contains(*line), "{line:?} is not among {messages:?}");
        }
        let is_about_one = |line: &&Line| !line.message_id.is_empty() || expected.contains(&&*line.message);
        for line in lines.iter().filter(is_about_one) {
            assert_eq!((line.trace.as_str(), line.message_id.is_empty()), (TRACE, false), "{line:?}");
        }
    }
}

fn traced(body: &str) -> OutgoingMessage {
    let mut message = OutgoingMessage::new(body);
    let traceparent = AttributeValue::string(format!("00-{TRACE}-b7ad6b7169203331-01"));
    message.attributes.insert("traceparent".to_owned(), traceparent);
    message
}

/// A message as the deployed API sends it: without a span or a sampling decision.
fn from_the_deployed_api(body: &str) -> OutgoingMessage {
    let header = format!("Root=1-{}-{}", &TRACE[..8], &TRACE[8..]);
    OutgoingMessage { trace_header: Some(header), ..OutgoingMessage::new(body) }
}

#[tokio::test(start_paused = true)]
async fn every_ending_is_logged_with_its_trace() {
    let log = Log::start();
    let scene = Scene::new().max_receives(4);
    scene.send_message(traced("a"));
    scene.send_message(from_the_deployed_api("b"));
    let worker = scene.start(|message, _| async move {
        match message.receive_count {
            1 => Outcome::Retry("not yet".to_owned()),
            2 => panic!("on purpose"),
            _ if message.body == "a" => Outcome::Done,
            _ => Outcome::Reject("never".to_owned()),
        }
    });
    scene.emptied().await;
    worker.drain().await;
    log.assert_traced(&["message not done", "message done", "message rejected"]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_lost_while_its_message_runs_or_waits_is_logged_with_its_trace() {
    let log = Log::start();
    let scene = Scene::new().permits(1, 1).visibility(secs(10));
    scene.send_message(traced("a"));
    scene.send_message(traced("b"));
    let worker = scene.start(|_, context| async move {
        context.cancelled().await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    scene.purge();
    sleep(secs(60)).await;
    worker.drain().await;
    log.assert_traced(&["lease lost", "message not done"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_received_again_is_logged_with_its_trace() {
    let log = Log::start();
    let scene = Scene::new().permits(2, 0).visibility(secs(10));
    scene.queue.once(Action::Delete, Fault::AnswerLost);
    scene.send_message(traced("a"));
    let worker = scene.start(|_, _| async {
        sleep(secs(20)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    let receipt = scene.journal.runs()[0].message.receipt.clone();
    scene.queue.change_visibility(&[VisibilityChange { receipt, visibility: secs(0) }]).await.unwrap();
    scene.emptied().await;
    worker.drain().await;
    log.assert_traced(&["message received again and not run again"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_beyond_the_requested_number_is_logged_with_its_trace() {
    let log = Log::start();
    let scene = Scene::new().permits(1, 0);
    scene.queue.always(Action::Receive, Fault::Excess);
    for number in 0..3 {
        scene.send_message(traced(&number.to_string()));
    }
    let worker = scene.start(|_, _| async { Outcome::Done });
    scene.emptied().await;
    worker.drain().await;
    log.assert_traced(&["message received that was not asked for, and left alone"]);
}

#[tokio::test(start_paused = true)]
async fn failed_settlements_are_logged_with_the_trace() {
    let log = Log::start();
    let scene = Scene::new().permits(1, 1).visibility(secs(10));
    scene.queue.always(Action::Delete, Fault::Entries(vec![0]));
    scene.queue.always(Action::ChangeVisibility, Fault::Entries(vec![0]));
    scene.send_message(traced("a"));
    scene.send_message(from_the_deployed_api("b"));
    let worker = scene.start(|_, _| async {
        sleep(secs(6)).await;
        Outcome::Done
    });
    scene.journal.ended(1).await;
    sleep(secs(30)).await;
    worker.stop.halt();
    worker.ended().await;
    log.assert_traced(&["entry of a batch failed", "message not settled"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_give_back_is_logged_with_the_trace() {
    let log = Log::start();
    let scene = Scene::new().permits(1, 1);
    scene.queue.always(Action::ChangeVisibility, Fault::Entries(vec![0]));
    scene.send_message(traced("a"));
    scene.send_message(traced("b"));
    let worker = scene.start(|_, _| async {
        sleep(secs(5)).await;
        Outcome::Done
    });
    scene.journal.began(1).await;
    worker.drain().await;
    log.assert_traced(&["entry of a batch failed"]);
}

/// A panic, a time-out, a reject that the DLQ refuses and a retry, one attempt after the other.
#[tokio::test(start_paused = true)]
async fn no_line_has_the_content_of_a_message() {
    let log = Log::start();
    let scene = Scene::fifo().max_receives(5).options(|options| options.timeout = Limit::After(secs(5)));
    scene.dlq.always(Action::Send, Fault::Refusals(vec![0]));
    scene.queue.once(Action::Delete, Fault::Entries(vec![0]));
    for body in ["canary-body", "canary-body that is fine"] {
        let mut message = traced(body);
        message.attributes.insert("own".to_owned(), AttributeValue::string("canary-value"));
        message.group_id = Some("canary-group".to_owned());
        message.deduplication_id = Some(format!("canary-deduplication-{}", body.len()));
        scene.send_message(message);
    }
    let worker = scene.start(|message, _| async move {
        match message.receive_count {
            _ if message.body.ends_with("fine") => Outcome::Done,
            1 => panic!("on purpose"),
            2 => pending().await,
            3 => Outcome::Reject("never".to_owned()),
            _ => Outcome::Retry("later".to_owned()),
        }
    });
    scene.journal.ended(6).await;
    scene.emptied().await;
    worker.drain().await;
    log.assert_traced(&["message not done", "message rejected", "message done"]);
    let receipts = scene.journal.runs().into_iter().map(|run| run.message.receipt.as_str().to_owned());
    let canaries: Vec<_> = receipts.chain(["canary-".to_owned()]).collect();
    for Line { text, .. } in &*log.lines.lock().unwrap() {
        assert!(canaries.iter().all(|canary| !text.contains(canary)), "{text}");
    }
}

#[tokio::test]
async fn lines_about_a_program_have_the_trace() {
    let log = Log::start();
    let scene = Scene::new();
    scene.send_message(traced(&"x".repeat(500_000)));
    let script = "exec 0<&-; echo out; sleep 0.2; echo 'and more than it may'";
    let settings = exec::Settings::of_command(["sh", "-c", script]);
    let settings = exec::Settings { output_bytes: 10, ..settings };
    let worker = scene.start_handler(ExecHandler::new(settings, "orders").unwrap());
    scene.emptied().await;
    worker.drain().await;
    let unread = "program did not read its input to the end";
    let output = ["program output", "program output dropped", "program started", "program ended"];
    log.assert_traced(&[&output[..], &[unread, "message done"]].concat());
}

/// A topic that accepts nothing.
struct Closed;

impl Publisher for Closed {
    fn publish<'a>(&'a self, _: &'a Publication) -> BoxFuture<'a, Result<PublicationId, TopicError>> {
        ready(Err(TopicError::new(PublishRetryClass::Transient, "on request"))).boxed()
    }

    fn find<'a>(&'a self, _: &'a TopicArn) -> BoxFuture<'a, Result<(), TopicError>> {
        ready(Ok(())).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_notification_is_logged_with_the_trace() {
    let log = Log::start();
    let account = SqsAccount::default();
    account.create_queue("orders", &StringMap::new(), &StringMap::new()).unwrap();
    account.send("orders", traced("a")).unwrap();
    let arn = TopicArn::new("eu-west-1", "123456789012", "audit").unwrap();
    let settings = notifications::Settings { on_done: Some(arn), ..notifications::Settings::default() };
    let plan = notifications::NotificationPlan { settings, publishers: Arc::new(|_| Arc::new(Closed)) };
    let done = handler::from_fn(async |_: Arc<Message>| ());
    let consumer =
        Consumer::of("orders", Arc::new(EmulatorQueue::new(&account, "orders")), done).notify(plan);
    let stop = Stop::new();
    let ended = tasks::detach("worker", Worker::new().consumer(consumer).run_here(stop.clone()));
    while !log.has("notification given up") {
        sleep(secs(1)).await;
    }
    stop.drain();
    ended.await.unwrap().unwrap();
    log.assert_traced(&["notification is tried again", "notification given up"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_dlq_refuses_is_logged_with_its_trace() {
    let log = Log::start();
    let scene = Scene::new().max_receives(100);
    scene.dlq.script(Action::Send, |number| match number {
        1 => Fault::Entries(vec![0]),
        2 => Fault::Fails(Failure::Refused),
        3 => Fault::Refusals(vec![0]),
        _ => Fault::None,
    });
    scene.send_message(traced("a"));
    let worker = scene.start(|_, _| async { Outcome::Reject("never".to_owned()) });
    scene.emptied().await;
    worker.drain().await;
    let refused = "dlq refuses rejected messages, they are retried and someone must act";
    log.assert_traced(&["entry of a batch failed", refused, "message rejected"]);
}
