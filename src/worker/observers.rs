//! The observers of a consumer's calls: notifications over SNS, and the protection of the ECS task.

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{
    consumer::{CallGuard, CallObserver, MessageEnd},
    ecs::CallsInFlight,
    sns::notifications::{Notice, Notifier},
};

/// Publishes how messages end.
pub(super) struct NotifyEnds(pub(super) Notifier);

impl CallObserver for NotifyEnds {
    fn message_ended(&self, end: &MessageEnd<'_>) {
        let MessageEnd { message, ending, reason, took, trace } = *end;
        self.0.ended(&Notice { message, ending, reason, took, trace });
    }

    fn flushed(&self) -> BoxFuture<'_, ()> {
        self.0.flushed().boxed()
    }

    fn close(&self) {
        self.0.close();
    }
}

/// Counts the calls in flight that may outlast a stop, for which the task is protected.
pub(super) struct CountCalls(pub(super) CallsInFlight);

impl CallObserver for CountCalls {
    fn call_started(&self) -> Option<CallGuard> {
        Some(Box::new(self.0.begin()))
    }
}
