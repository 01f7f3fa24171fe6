//! Events of the stop, and of what brings it about.

use tokio::task::JoinError;

use super::events;

events! {
    STOP = "The stop";

    /// A signal asked for the orderly stop.
    info DrainSignalled<'a>: "draining, a second signal stops at once" {
        /// Its name.
        signal: &'a str,
    }

    /// A second signal came.
    warn HaltSignalled<'a>: "stopping at once, what is held comes back after its visibility" {
        /// Its name.
        signal: &'a str,
    }

    /// A part of the worker ended by itself; what is held is drained.
    error TaskEnded<'a>: "a task ended that must not, draining" {
        /// The name of the task.
        task: &'a str,
    }

    /// A part without which no lease is kept or no answer sent ended by itself.
    error FatalTaskEnded<'a>: "a task ended that must not, stopping at once" {
        /// The name of the task.
        task: &'a str,
    }

    /// The receive loop panicked.
    error ReceiveLoopBroken<'a>: "receive loop ended badly" {
        /// The queue's configured name.
        queue: &'a str,
        /// The panic.
        error: &'a JoinError as %,
    }

    /// The handlers' part of the drain limit is over.
    warn HandlersCancelled: "the drain limit is all but over, running handlers are cancelled" {
        /// The drain limit.
        limit_seconds: f64,
    }

    /// A cancelled handler does not yield.
    error HandlerBlocks: "a handler blocks its thread and cannot be stopped, hint: never block in async code" {}

    /// Answers were left over; what they were about comes back after its visibility.
    error AnswersLeft: "not every outcome could be settled" {
        /// The time limit.
        limit_seconds: f64,
    }

    /// A handler's own processes outlast the stop.
    error HandlerNotClosed: "a handler did not end what it has running" {
        /// The time limit.
        limit_seconds: f64,
    }

    /// The worker has ended.
    info WorkerDrained: "drained" {
        /// The messages still held, or done and not deleted; they come back after their visibility timeout.
        held: usize,
    }

    /// The engine thread outlived the future that awaits it.
    debug EngineThreadUnawaited: "the engine thread ended and nothing waited for it" {}
}
