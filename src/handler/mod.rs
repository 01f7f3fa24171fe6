//! What runs for each message: the traits, the outcome, and the kinds of handlers.

mod any;
mod batch;
mod batch_handler;
mod context;
mod counts;
pub mod exec;
mod from_fn;
mod from_json;
pub mod http;
pub mod lambda;
mod moment;
mod outcome;
mod publish;
mod reach;
mod service;
mod settings;
pub mod sns;
mod sqs_event;
mod traced;

use std::{future::Future, sync::Arc};

pub use self::{
    any::{AnyHandler, Takes, batched},
    batch::{Batch, BatchItem, Outcomes},
    batch_handler::{BatchHandler, FromBatchFn, IntoOutcomes, from_batch_fn},
    context::{Context, LeaseTime},
    from_fn::{FromFn, FromFnWith, from_fn, from_fn_with},
    from_json::{BadBody, FromJson, FromJsonWith, from_json, from_json_with},
    outcome::{IntoOutcome, Outcome},
    publish::publish,
    service::{
        BatchCall, Call, FromBatchService, FromService, IntoBatchService, IntoService, Layered,
        LayeredBatches, from_batch_service, from_service, into_batch_service, into_service, layered,
        layered_batches,
    },
    settings::Settings,
    sqs_event::Source,
};
use crate::{
    message::{Message, Wanted},
    telemetry::QueueMetrics,
};

/// The user's work: one call per message.
///
/// # Contract
///
/// - The message stays hidden from everyone else for as long as the call runs, hours if need be.
/// - The future is dropped at the time limit, and a second after the lease is lost or the drain limit is over.
///   [`Context::cancelled`] fires first, for whoever wants to tidy up, or has spawned what must end too.
/// - A panic is caught and counts as a retry.
/// - SQS delivers at least once: the same message may come again even after [`Outcome::Done`], so the work
///   should be safe to repeat.
/// - Calls run at once, `concurrency` of them at most, on the runtime that the worker was started on.
pub trait Handler: Send + Sync + 'static {
    /// Does the work for one message and says how it ended.
    fn handle(&self, message: Arc<Message>, context: Context) -> impl Future<Output = Outcome> + Send;

    /// Hears the ARN of the queue that it works for, as SQS says it, before anything else is asked of it.
    ///
    /// Not called where the worker may not ask SQS for the queue's attributes.
    fn opened(&self, _arn: &str) {}

    /// Hears where the queue counts, once and before the first message, for whoever has something to count there.
    fn metered(&self, _metrics: &Arc<QueueMetrics>) {}

    /// Tells whether the handler could take a message now; `Err` says in a few words why not.
    ///
    /// Asked before the first receive, and again and again while polling is paused by [`Outcome::Down`].
    fn probe(&self) -> impl Future<Output = Result<(), String>> + Send {
        std::future::ready(Ok(()))
    }

    /// Ends what the handler has running beside its calls, such as processes of its own.
    ///
    /// Called once, at the end of a stop, when no call runs and every outcome is told; it has a few seconds.
    fn close(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// How much of each message to ask SQS for.
    fn wanted(&self) -> Wanted {
        Wanted::Everything
    }

    /// Where the calls run.
    fn placement(&self) -> Placement {
        Placement::Caller
    }
}

/// Where a handler's calls run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// On the runtime that started the worker, so that a call that blocks cannot delay a lease.
    #[default]
    Caller,
    /// On the thread that speaks with SQS: saves the hop between threads, for handlers that never block
    /// for more than a few milliseconds.
    Pump,
}
