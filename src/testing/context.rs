//! The context of a call in a test.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::handler::Context;

/// The context of a first attempt on the queue `orders`, with a lease of 30 s and no time limit.
///
/// ```
/// use std::sync::Arc;
///
/// use longshore::{
///     Message,
///     handler::{self, Context, Handler as _, Outcome},
///     testing,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let handler = handler::from_fn_with(async |_: Arc<Message>, context: Context| {
///     if context.is_cancelled() { Err("cancelled") } else { Ok(()) }
/// });
/// let context = testing::context().cancelled().build();
/// let outcome = handler.handle(testing::message("{}").into(), context).await;
/// assert_eq!(outcome, Outcome::Retry("cancelled".to_owned()));
/// # }
/// ```
pub fn context() -> TestContext {
    TestContext {
        queue: "orders".into(),
        attempt: 1,
        last_attempt: None,
        lease: Duration::from_secs(30),
        time_limit: None,
        cancellation: CancellationToken::new(),
    }
}

/// A context that is being built.
#[derive(Clone, Debug)]
pub struct TestContext {
    queue: Arc<str>,
    attempt: u32,
    last_attempt: Option<NonZeroU32>,
    lease: Duration,
    time_limit: Option<Duration>,
    cancellation: CancellationToken,
}

impl TestContext {
    /// Sets the queue's name.
    #[must_use]
    pub fn queue(self, queue: impl Into<Arc<str>>) -> Self {
        Self { queue: queue.into(), ..self }
    }

    /// Sets the number of the attempt.
    #[must_use]
    pub fn attempt(self, attempt: u32) -> Self {
        Self { attempt, ..self }
    }

    /// Sets the number of the last attempt before the DLQ; 0 for none.
    #[must_use]
    pub fn last_attempt(self, last_attempt: u32) -> Self {
        Self { last_attempt: NonZeroU32::new(last_attempt), ..self }
    }

    /// Sets the rest of the lease, from the call of `build` on.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Sets the time limit, from the call of `build` on; nothing enforces it.
    #[must_use]
    pub fn time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit: Some(time_limit), ..self }
    }

    /// Cancels the call.
    #[must_use]
    pub fn cancelled(self) -> Self {
        self.cancellation.cancel();
        self
    }

    /// Cancels the call when this token is cancelled.
    #[must_use]
    pub fn cancellation(self, cancellation: CancellationToken) -> Self {
        Self { cancellation, ..self }
    }

    /// The context, from now on.
    pub fn build(self) -> Context {
        let now = Instant::now();
        let deadline = self.time_limit.map(|limit| now + limit);
        Context::new(self.queue, now + self.lease, self.cancellation)
            .with_attempt(self.attempt)
            .with_last_attempt(self.last_attempt)
            .with_deadline(deadline)
    }
}

impl From<TestContext> for Context {
    fn from(context: TestContext) -> Self {
        context.build()
    }
}
