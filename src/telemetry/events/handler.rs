//! Events of handlers as a whole, and of what they say.

use prometheus::IntGauge;

use super::events;

events! {
    HANDLERS = "Handlers";

    /// The handler cannot be reached, and polling is paused.
    error HandlerDown<'a>: "handler is down, polling is paused" {
        /// The queue's configured name.
        queue: &'a str,
        /// Why it cannot be reached.
        reason: &'a str,
    }
    counts "longshore_polling_paused" |_event, paused: IntGauge| paused.set(1);

    /// The handler can be reached again.
    info HandlerUp<'a>: "handler is up, polling goes on" {
        /// The queue's configured name.
        queue: &'a str,
    }
    counts "longshore_polling_paused" |_event, paused: IntGauge| paused.set(0);

    /// A handler panicked in `close`.
    error HandlerPanickedAtEnd<'a>: "the handler panicked at its end" {
        /// The queue's configured name.
        queue: &'a str,
    }

    /// A function is called.
    debug FunctionInvoked<'a>: "function invoked" {
        /// The queue's configured name.
        queue: &'a str,
        /// The invocation's own id.
        request_id: &'a str,
        /// The message's id, of a batch of one.
        message_id: Option<&'a str>,
        /// The ids of the messages, of a larger batch.
        message_ids: Option<&'a str>,
    }

    /// A function names failed messages, and the settings ignore them; logged once.
    warn FailuresIgnored<'a>: "the function names failed messages, which are deleted all the same, hint: set partial_responses to on" {
        /// The queue's configured name.
        queue: &'a str,
    }

    /// An answer came after its call was given up.
    debug AnswerUnwanted<'a>: "answer for a call that was given up" {
        /// The invocation's own id.
        request_id: &'a str,
    }

    /// An emulator answered when its handler had ended.
    debug EmulatorLate: "an emulator answered after the end of its handler" {}

    /// A runtime asked for what the Runtime API does not have.
    debug RuntimePathUnknown<'a>: "the runtime asked for what the runtime api does not have" {
        /// The path it asked for.
        path: &'a str,
    }

    /// A process that has ended left connections to the Runtime API behind.
    debug ConnectionsLeft: "a process that has ended left connections behind" {}
}
