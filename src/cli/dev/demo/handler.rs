//! The handler of `longshore dev` for queues without a configured handler.

use std::{fmt, sync::Arc, time::Duration};

use serde::Deserialize;

use crate::{
    handler::{Context, Handler, Outcome},
    message::{Message, MessageId},
};

/// A handler that follows the instructions in a message's body.
///
/// `{"sleep_ms": 1500, "fail": "always"}` sleeps and then fails; `"once"` fails at the first receive only, and `"panic"`
/// panics. Both keys may be absent, others are ignored, and a message with any other body is done at once.
pub(crate) struct DemoHandler<S> {
    show: S,
}

impl<S: Fn(&DemoStep) + Send + Sync + 'static> DemoHandler<S> {
    /// A handler that passes each of its steps to `show`.
    pub(crate) fn new(show: S) -> Self {
        Self { show }
    }

    fn show(&self, message: &Message, action: DemoAction) {
        (self.show)(&DemoStep { message: message.id.clone(), receive_count: message.receive_count, action });
    }
}

/// One step of the handler; `Display` is a line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DemoStep {
    /// The message.
    pub(crate) message: MessageId,
    /// Its receive count.
    pub(crate) receive_count: u32,
    /// The action.
    pub(crate) action: DemoAction,
}

/// An action of the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DemoAction {
    /// It begins to sleep for this time.
    Sleep(Duration),
    /// It was cancelled in its sleep.
    Stop,
    /// It succeeded.
    Done,
    /// It failed, as the message demands.
    Fail,
    /// It will panic, as the message demands.
    Panic,
}

impl fmt::Display for DemoStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, receive_count, action } = self;
        write!(formatter, "{message} (receive {receive_count}): {action}")
    }
}

impl fmt::Display for DemoAction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sleep(time) => write!(formatter, "sleeps for {}", humantime::format_duration(*time)),
            Self::Stop => formatter.write_str("cancelled, gives up"),
            Self::Done => formatter.write_str("done"),
            Self::Fail => formatter.write_str("fails on purpose"),
            Self::Panic => formatter.write_str("panics on purpose"),
        }
    }
}

/// The instructions in a message.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
struct DemoInstructions {
    #[serde(default)]
    sleep_ms: u64,
    fail: Option<DemoFailure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DemoFailure {
    Always,
    Once,
    Panic,
}

impl DemoInstructions {
    fn of(body: &str) -> Self {
        // Guards against arrays, which serde would read as a struct's fields in their order.
        if body.trim_start().starts_with('{') {
            serde_json::from_str(body).unwrap_or_default()
        } else {
            Self::default()
        }
    }

    fn ending(&self, receive_count: u32) -> DemoAction {
        match self.fail {
            Some(DemoFailure::Always) => DemoAction::Fail,
            Some(DemoFailure::Once) if receive_count <= 1 => DemoAction::Fail,
            Some(DemoFailure::Panic) => DemoAction::Panic,
            Some(DemoFailure::Once) | None => DemoAction::Done,
        }
    }
}

impl<S: Fn(&DemoStep) + Send + Sync + 'static> Handler for DemoHandler<S> {
    const BODY_ONLY: bool = true;

    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        let instructions = DemoInstructions::of(&message.body);
        if instructions.sleep_ms > 0 {
            let time = Duration::from_millis(instructions.sleep_ms);
            self.show(&message, DemoAction::Sleep(time));
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = context.cancelled() => {
                    self.show(&message, DemoAction::Stop);
                    return Outcome::Retry("cancelled".to_owned());
                }
            }
        }
        let ending = instructions.ending(message.receive_count);
        self.show(&message, ending);
        match ending {
            DemoAction::Panic => panic!("the message asked for a panic"),
            DemoAction::Fail => Outcome::Retry("the message asked for a failure".to_owned()),
            DemoAction::Done | DemoAction::Sleep(_) | DemoAction::Stop => Outcome::Done,
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

    type ShowStep = Box<dyn Fn(&DemoStep) + Send + Sync>;

    /// A handler and the lines it has shown.
    struct HandlerHarness {
        handler: DemoHandler<ShowStep>,
        lines: Arc<Mutex<Vec<String>>>,
        cancellation: CancellationToken,
    }

    impl HandlerHarness {
        fn new() -> Self {
            let lines = Arc::<Mutex<Vec<String>>>::default();
            let shown = lines.clone();
            let show = move |step: &DemoStep| shown.lock().unwrap().push(step.to_string());
            Self { handler: DemoHandler::new(Box::new(show)), lines, cancellation: CancellationToken::new() }
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
            let harness = HandlerHarness::new();
            assert_eq!(harness.outcome_of(body, 1).await, Outcome::Done, "{body}");
            assert_eq!(harness.lines(), ["m (receive 1): done"]);
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_sleeps_as_long_as_it_asked() {
        let (harness, started) = (HandlerHarness::new(), Instant::now());
        assert_eq!(harness.outcome_of(r#"{"sleep_ms": 35000, "n": 1}"#, 1).await, Outcome::Done);
        assert_eq!(started.elapsed(), Duration::from_secs(35));
        assert_eq!(harness.lines(), ["m (receive 1): sleeps for 35s", "m (receive 1): done"]);
    }

    #[tokio::test]
    async fn a_message_fails_always_or_at_its_first_receive() {
        let harness = HandlerHarness::new();
        for (fail, receive_count, fails) in
            [("always", 1, true), ("always", 9, true), ("once", 1, true), ("once", 2, false)]
        {
            let outcome = harness.outcome_of(&format!(r#"{{"fail": "{fail}"}}"#), receive_count).await;
            assert_eq!(matches!(outcome, Outcome::Retry(_)), fails, "{fail} at receive {receive_count}");
        }
    }

    #[tokio::test]
    async fn a_message_can_ask_for_a_panic() {
        let harness = HandlerHarness::new();
        let call = std::panic::AssertUnwindSafe(harness.outcome_of(r#"{"fail": "panic"}"#, 1));
        assert!(call.catch_unwind().await.is_err());
        assert_eq!(harness.lines(), ["m (receive 1): panics on purpose"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_ends_when_the_call_is_cancelled() {
        let harness = HandlerHarness::new();
        let cancelling = async { harness.cancellation.cancel() };
        let (outcome, ()) = tokio::join!(harness.outcome_of(r#"{"sleep_ms": 60000}"#, 1), cancelling);
        assert_eq!(outcome, Outcome::Retry("cancelled".to_owned()));
        assert_eq!(harness.lines()[1], "m (receive 1): cancelled, gives up");
    }
}
