//! The handler that `longshore dev` uses when it is given none.

use std::{fmt, sync::Arc, time::Duration};

use serde::Deserialize;

use crate::{
    handler::{Context, Handler, Outcome},
    message::{Message, MessageId},
};

/// A handler that does what a message's body tells it to.
///
/// The body `{"sleep_ms": 1500, "fail": "always"}` sleeps and then fails; `"once"` fails at the first receive
/// only, and `"panic"` panics. Both keys may be absent, others are ignored, and a message of any other body
/// is done at once.
pub struct DemoHandler<S> {
    say: S,
}

impl<S: Fn(&Step) + Send + Sync + 'static> DemoHandler<S> {
    /// Makes the handler, which hands each of its steps to `say`; a step's `Display` is a line for people.
    pub fn new(say: S) -> Self {
        Self { say }
    }

    fn say(&self, message: &Message, action: Action) {
        (self.say)(&Step { message: message.id.clone(), receive_count: message.receive_count, action });
    }
}

/// One thing that the handler did with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which message.
    pub message: MessageId,
    /// Its receive count.
    pub receive_count: u32,
    /// What was done.
    pub action: Action,
}

/// What the handler did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It began to sleep for this long.
    Sleep(Duration),
    /// It was told to stop in its sleep.
    Stop,
    /// It ended well.
    Done,
    /// It ended with a failure, as the message wanted.
    Fail,
    /// It is about to panic, as the message wanted.
    Panic,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, receive_count, action } = self;
        write!(formatter, "{message} (receive {receive_count}): {action}")
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sleep(time) => write!(formatter, "sleeps for {}", humantime::format_duration(*time)),
            Self::Stop => formatter.write_str("told to stop, gives up"),
            Self::Done => formatter.write_str("done"),
            Self::Fail => formatter.write_str("fails on purpose"),
            Self::Panic => formatter.write_str("panics on purpose"),
        }
    }
}

/// What a message wants of the handler.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
struct Wish {
    #[serde(default)]
    sleep_ms: u64,
    fail: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Failure {
    Always,
    Once,
    Panic,
}

impl Wish {
    fn of(body: &str) -> Self {
        // Guards against arrays, which serde would read as a struct's fields in their order.
        if body.trim_start().starts_with('{') {
            serde_json::from_str(body).unwrap_or_default()
        } else {
            Self::default()
        }
    }

    fn ending(&self, receive_count: u32) -> Action {
        match self.fail {
            Some(Failure::Always) => Action::Fail,
            Some(Failure::Once) if receive_count <= 1 => Action::Fail,
            Some(Failure::Panic) => Action::Panic,
            Some(Failure::Once) | None => Action::Done,
        }
    }
}

impl<S: Fn(&Step) + Send + Sync + 'static> Handler for DemoHandler<S> {
    const BODY_ONLY: bool = true;

    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        let wish = Wish::of(&message.body);
        if wish.sleep_ms > 0 {
            let time = Duration::from_millis(wish.sleep_ms);
            self.say(&message, Action::Sleep(time));
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = context.cancelled() => {
                    self.say(&message, Action::Stop);
                    return Outcome::Retry("told to stop".to_owned());
                }
            }
        }
        let ending = wish.ending(message.receive_count);
        self.say(&message, ending);
        match ending {
            Action::Panic => panic!("the message asked for a panic"),
            Action::Fail => Outcome::Retry("the message asked for a failure".to_owned()),
            Action::Done | Action::Sleep(_) | Action::Stop => Outcome::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt as _;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::*;

    type Say = Box<dyn Fn(&Step) + Send + Sync>;

    /// A handler with the lines it said.
    struct Harness {
        handler: DemoHandler<Say>,
        lines: Arc<Mutex<Vec<String>>>,
        cancellation: CancellationToken,
    }

    impl Harness {
        fn new() -> Self {
            let lines = Arc::<Mutex<Vec<String>>>::default();
            let said = lines.clone();
            let say = move |step: &Step| said.lock().unwrap().push(step.to_string());
            Self { handler: DemoHandler::new(Box::new(say)), lines, cancellation: CancellationToken::new() }
        }

        async fn outcome_of(&self, body: &str, receive_count: u32) -> Outcome {
            let message = Message { receive_count, ..Message::new("m", body) };
            let context = Context::new("q".into(), Instant::now(), self.cancellation.clone());
            self.handler.handle(Arc::new(message), context).await
        }

        fn lines(&self) -> Vec<String> {
            self.lines.lock().unwrap().clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn any_other_body_is_done_at_once() {
        let started = Instant::now();
        for body in ["", "hello", "{}", "[5000]", "null", r#"{"sleep_ms": "long"}"#, r#"{"fail": "maybe"}"#] {
            let harness = Harness::new();
            assert_eq!(harness.outcome_of(body, 1).await, Outcome::Done, "{body}");
            assert_eq!(harness.lines(), ["m (receive 1): done"]);
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_sleeps_as_long_as_it_asked() {
        let (harness, started) = (Harness::new(), Instant::now());
        assert_eq!(harness.outcome_of(r#"{"sleep_ms": 35000, "n": 1}"#, 1).await, Outcome::Done);
        assert_eq!(started.elapsed(), Duration::from_secs(35));
        assert_eq!(harness.lines(), ["m (receive 1): sleeps for 35s", "m (receive 1): done"]);
    }

    #[tokio::test]
    async fn a_message_fails_always_or_at_its_first_receive() {
        let harness = Harness::new();
        for (fail, receive_count, fails) in
            [("always", 1, true), ("always", 9, true), ("once", 1, true), ("once", 2, false)]
        {
            let outcome = harness.outcome_of(&format!(r#"{{"fail": "{fail}"}}"#), receive_count).await;
            assert_eq!(matches!(outcome, Outcome::Retry(_)), fails, "{fail} at receive {receive_count}");
        }
    }

    #[tokio::test]
    async fn a_message_can_ask_for_a_panic() {
        let harness = Harness::new();
        let call = std::panic::AssertUnwindSafe(harness.outcome_of(r#"{"fail": "panic"}"#, 1));
        assert!(call.catch_unwind().await.is_err());
        assert_eq!(harness.lines(), ["m (receive 1): panics on purpose"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_ends_when_the_call_is_told_to_stop() {
        let harness = Harness::new();
        let cancelling = async { harness.cancellation.cancel() };
        let (outcome, ()) = tokio::join!(harness.outcome_of(r#"{"sleep_ms": 60000}"#, 1), cancelling);
        assert_eq!(outcome, Outcome::Retry("told to stop".to_owned()));
        assert_eq!(harness.lines()[1], "m (receive 1): told to stop, gives up");
    }
}
