//! A preparation that a test writes, and the steps of the messages that it prepares.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use longshore::{
    consumer::{Preparation, PreparationClaim, PreparedMessage, Unprepared},
    handler::Outcome,
    message::Message,
};
use tokio::time::{Instant, sleep};

type Work = dyn Fn(Arc<Message>) -> BoxFuture<'static, Result<(), Outcome>> + Send + Sync;

/// A preparation that writes `prepared` before each body and claims each message; clones share their steps.
#[derive(Clone)]
pub(crate) struct FakePreparation {
    work: Arc<Work>,
    claim_end: ClaimEnd,
    steps: Steps,
}

/// The end of each claim, whether it is completed or undone.
#[derive(Clone, Copy, Debug)]
enum ClaimEnd {
    After(Duration),
    Panics,
}

/// A step of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its preparation began.
    Begun,
    /// Its preparation was dropped before its end, or panicked.
    Cut,
    /// Its preparation failed.
    Failed,
    /// Its preparation succeeded.
    Prepared,
    /// Its claim was completed.
    Completed,
    /// Its claim was undone.
    Undone,
}

/// A step with its time.
#[derive(Clone, Debug)]
pub(crate) struct NotedStep {
    /// The body as it was received.
    pub(crate) body: String,
    pub(crate) step: Step,
    pub(crate) at: Instant,
}

#[derive(Clone, Debug, Default)]
struct Steps(Arc<Mutex<Vec<NotedStep>>>);

impl Steps {
    fn note(&self, body: &str, step: Step) {
        self.0.lock().unwrap().push(NotedStep { body: body.to_owned(), step, at: Instant::now() });
    }
}

impl FakePreparation {
    /// Prepares messages by this closure.
    pub(crate) fn new<F, A>(work: F) -> Self
    where
        F: Fn(Arc<Message>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), Outcome>> + Send + 'static,
    {
        let work = Arc::new(move |message| work(message).boxed());
        Self { work, claim_end: ClaimEnd::After(Duration::ZERO), steps: Steps::default() }
    }

    /// Prepares every message at once.
    pub(crate) fn quick() -> Self {
        Self::new(async |_| Ok(()))
    }

    /// Makes the end of every claim take this long.
    pub(crate) fn claims_end_after(self, time: Duration) -> Self {
        Self { claim_end: ClaimEnd::After(time), ..self }
    }

    /// Makes the end of every claim panic.
    pub(crate) fn claims_panic(self) -> Self {
        Self { claim_end: ClaimEnd::Panics, ..self }
    }

    /// All steps so far.
    pub(crate) fn noted(&self) -> Vec<NotedStep> {
        self.steps.0.lock().unwrap().clone()
    }

    /// The steps so far of the message with this body.
    pub(crate) fn steps_of(&self, body: &str) -> Vec<Step> {
        self.noted().into_iter().filter(|noted| noted.body == body).map(|noted| noted.step).collect()
    }

    /// The bodies of the messages that took this step, in order.
    pub(crate) fn bodies_at(&self, step: Step) -> Vec<String> {
        self.noted().into_iter().filter(|noted| noted.step == step).map(|noted| noted.body).collect()
    }

    /// Waits until this many messages took this step; returns the time of the last.
    pub(crate) async fn reached(&self, step: Step, count: usize) -> Instant {
        let began = Instant::now();
        while began.elapsed() < Duration::from_hours(1) {
            let mut times = self.noted().into_iter().filter(|noted| noted.step == step).map(|noted| noted.at);
            if let Some(last) = times.nth(count - 1) {
                return last;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} messages should be {step:?}: {:?}", self.noted());
    }

    /// The most preparations that ran at once.
    pub(crate) fn most_at_once(&self) -> usize {
        let (mut under_way, mut most) = (0, 0);
        for noted in self.noted() {
            match noted.step {
                Step::Begun => under_way += 1,
                Step::Prepared | Step::Failed | Step::Cut => under_way -= 1,
                Step::Completed | Step::Undone => {}
            }
            most = most.max(under_way);
        }
        most
    }
}

impl Preparation for FakePreparation {
    fn prepare(&self, message: Arc<Message>) -> BoxFuture<'_, Result<PreparedMessage, Unprepared>> {
        let (body, steps, claim_end) = (message.body.clone(), self.steps.clone(), self.claim_end);
        async move {
            let mut under_way = UnderWay::begin(body.clone(), steps.clone());
            let result = (self.work)(message.clone()).await;
            under_way.end = if result.is_ok() { Step::Prepared } else { Step::Failed };
            result?;
            let message = Message { body: format!("prepared {body}"), ..Message::clone(&message) };
            let claim: Box<dyn PreparationClaim> = Box::new(FakeClaim { body, steps, claim_end });
            Ok(PreparedMessage { message: message.into(), claim: Some(claim) })
        }
        .boxed()
    }
}

/// A running preparation; its drop notes its end.
struct UnderWay {
    body: String,
    steps: Steps,
    end: Step,
}

impl UnderWay {
    fn begin(body: String, steps: Steps) -> Self {
        steps.note(&body, Step::Begun);
        Self { body, steps, end: Step::Cut }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.steps.note(&self.body, self.end);
    }
}

struct FakeClaim {
    body: String,
    steps: Steps,
    claim_end: ClaimEnd,
}

impl FakeClaim {
    fn end(self, step: Step) -> BoxFuture<'static, ()> {
        let ClaimEnd::After(time) = self.claim_end else { panic!("on purpose") };
        async move {
            sleep(time).await;
            self.steps.note(&self.body, step);
        }
        .boxed()
    }
}

impl PreparationClaim for FakeClaim {
    fn complete(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.end(Step::Completed)
    }

    fn undo(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.end(Step::Undone)
    }
}
