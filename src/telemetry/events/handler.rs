//! Events of handlers as a whole, and of what they say.

use prometheus::{IntCounter, IntGauge};

use super::events;
use crate::{
    message::MessageId,
    telemetry::{ByLabel, ProcessExit},
};

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

events! {
    PROCESSES = "Processes of handlers";

    /// A runtime process was started.
    debug ProcessStarted<'a>: "runtime process started" {
        /// The queue's configured name.
        queue: &'a str,
        /// Its process id.
        process: u32,
    }
    counts "longshore_handler_process_starts_total" |_event, starts: IntCounter| starts.inc();

    /// A runtime process has ended.
    debug ProcessEnded<'a>: "runtime process ended" {
        /// The queue's configured name.
        queue: &'a str,
        /// Its process id.
        process: u32,
        /// Its exit code, or the signal that ended it.
        how: &'a str,
        /// Why it ended.
        cause: ProcessExit as %,
    }
    counts "longshore_handler_process_exits_total" |event, exits: ByLabel<ProcessExit, IntCounter>| exits.of(event.cause).inc();

    /// A runtime process never asked for work.
    warn ProcessNotStarted<'a>: "runtime process did not start" {
        /// The queue's configured name.
        queue: &'a str,
        /// Why.
        reason: &'a str,
    }

    /// A runtime process ended, broke the rules or was ended, and another one takes its place.
    warn ProcessReplaced<'a>: "runtime process is replaced" {
        /// The queue's configured name.
        queue: &'a str,
        /// Why.
        reason: &'a str,
    }

    /// A function wrote a line, which is shown with the invocation that it ran.
    info FunctionOutput<'a>: "function output" to "longshore::function" {
        /// The queue's configured name.
        queue: &'a str,
        /// Its process id.
        process: u32,
        /// The invocation's own id.
        request_id: Option<&'a str>,
        /// The message's id, of a batch of one.
        message_id: Option<&'a str>,
        /// The ids of the messages, of a larger batch.
        message_ids: Option<&'a str>,
        /// Standard output or standard error.
        stream: &'a str,
        /// The line.
        line: &'a str,
    }

    /// A program was started for a message.
    debug ProgramStarted<'a>: "program started" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// Its process id.
        process: u32,
    }
    counts "longshore_handler_process_starts_total" |_event, starts: IntCounter| starts.inc();

    /// A program has ended; the event of its message has the outcome.
    debug ProgramEnded<'a>: "program ended" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// Its process id.
        process: u32,
        /// Why it ended.
        cause: ProcessExit as %,
    }
    counts "longshore_handler_process_exits_total" |event, exits: ByLabel<ProcessExit, IntCounter>| exits.of(event.cause).inc();

    /// A program wrote a line.
    info ProgramOutput<'a>: "program output" to "longshore::handler::exec::log" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// Standard output or standard error.
        stream: &'a str,
        /// The line.
        line: &'a str,
    }

    /// A program wrote more than `output_bytes`.
    info ProgramOutputDropped<'a>: "program output dropped" to "longshore::handler::exec::log" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The number of lines.
        lines: u64,
        /// The number of bytes.
        bytes: u64,
    }

    /// A program ended, or closed its input, before it had read all of it; it need not.
    debug InputUnread<'a>: "program did not read its input to the end" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The error of the write.
        error: &'a std::io::Error as %,
    }
}
