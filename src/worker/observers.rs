//! Observers of a consumer's calls, for notifications over SNS and the protection of the ECS task.

#[cfg(feature = "sns")]
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::consumer::CallObserver;
#[cfg(feature = "ecs")]
use crate::{consumer::CallGuard, ecs::CallsInFlight};
#[cfg(feature = "sns")]
use crate::{
    consumer::MessageEnd,
    sns::notifications::{Notification, Notifier},
};

/// Publishes a notification when a message's call has ended.
#[cfg(feature = "sns")]
pub(super) struct NotifyEnds(pub(super) Notifier);

#[cfg(feature = "sns")]
impl CallObserver for NotifyEnds {
    fn message_ended(&self, end: &MessageEnd<'_>) {
        let MessageEnd { message, ending, reason, took, trace } = *end;
        self.0.ended(&Notification { message, ending, reason, took, trace });
    }

    fn flushed(&self) -> BoxFuture<'_, ()> {
        self.0.flushed().boxed()
    }

    fn close(&self) {
        self.0.close();
    }
}

/// Counts the calls in flight that may outlast a stop, for which the task is protected.
#[cfg(feature = "ecs")]
pub(super) struct CountCalls(pub(super) CallsInFlight);

#[cfg(feature = "ecs")]
impl CallObserver for CountCalls {
    fn call_started(&self) -> Option<CallGuard> {
        Some(Box::new(self.0.begin()))
    }
}
