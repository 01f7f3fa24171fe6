//! Events of handlers, their processes and their output.

use std::{io, path::Path};

use super::events;
use crate::{
    message::MessageId,
    telemetry::{ByLabel, Each, IntCounter, IntGauge, PauseCause, ProcessExit},
};

events! {
    HANDLERS = "Handlers";

    /// The handler cannot be reached, and polling is paused.
    error HandlerDown<'a>: "handler is down, polling is paused" {
        /// The queue's configured name.
        queue: &'a str,
        /// The reason.
        reason: &'a str,
    }
    counts "longshore_polling_paused" |_event, paused: Each<PauseCause, IntGauge>| paused.of(PauseCause::HandlerDown).set(1);

    /// The handler can be reached again.
    info HandlerUp<'a>: "handler is up, polling goes on" {
        /// The queue's configured name.
        queue: &'a str,
    }
    counts "longshore_polling_paused" |_event, paused: Each<PauseCause, IntGauge>| paused.of(PauseCause::HandlerDown).set(0);

    /// Calls of the handler found it unavailable in a row, or fail too often: it counts as down, and one message at a time is
    /// tried.
    error BreakerOpened<'a>: "breaker opened, handler counts as down and polling is paused" {
        /// The queue's configured name.
        queue: &'a str,
        /// The failures that opened it.
        reason: &'a str,
    }
    counts "longshore_polling_paused" |_event, paused: Each<PauseCause, IntGauge>| paused.of(PauseCause::BreakerOpen).set(1);

    /// A tried message was handled, or none came.
    info BreakerClosed<'a>: "breaker closed, polling goes on" {
        /// The queue's configured name.
        queue: &'a str,
    }
    counts "longshore_polling_paused" |_event, paused: Each<PauseCause, IntGauge>| paused.of(PauseCause::BreakerOpen).set(0);

    /// The worker is short of descriptors, processes or memory: polling is paused, and what it holds waits for the
    /// resource.
    error ShortOfResources<'a>: "short of resources, polling is paused" {
        /// The queue's configured name.
        queue: &'a str,
        /// The system's refusal.
        reason: &'a str,
        /// The calls of the handler that run.
        running: usize,
    }
    counts "longshore_polling_paused" |_event, paused: Each<PauseCause, IntGauge>| paused.of(PauseCause::ShortOfResources).set(1);

    /// A call had the resources that it needs.
    info ResourcesBack<'a>: "resources are back, polling goes on" {
        /// The queue's configured name.
        queue: &'a str,
    }
    counts "longshore_polling_paused" |_event, paused: Each<PauseCause, IntGauge>| paused.of(PauseCause::ShortOfResources).set(0);

    /// The worker receives no more, finishes what it holds and leaves, because its platform wants to replace it.
    warn Cordoned<'a>: "the worker is cordoned, polling is paused until it leaves" {
        /// The queue's configured name.
        queue: &'a str,
        /// The platform's reason.
        reason: &'a str,
    }
    counts "longshore_polling_paused" |_event, paused: Each<PauseCause, IntGauge>| paused.of(PauseCause::Cordoned).set(1);

    /// An operator has paused the queue: by a signal, through the admin server, by the program or in the settings.
    warn PausedByOperator<'a>: "polling is paused by the operator" {
        /// The queue's configured name.
        queue: &'a str,
        /// The operator's reason, or the way by which the pause came.
        reason: &'a str,
    }
    counts "longshore_polling_paused" |_event, paused: Each<PauseCause, IntGauge>| paused.of(PauseCause::Operator).set(1);

    /// An operator has ended the pause.
    info ResumedByOperator<'a>: "the operator's pause is over" {
        /// The queue's configured name.
        queue: &'a str,
    }
    counts "longshore_polling_paused" |_event, paused: Each<PauseCause, IntGauge>| paused.of(PauseCause::Operator).set(0);

    /// An operator has changed the most calls of the handler that run at once.
    info ConcurrencyChanged<'a>: "concurrency changed" {
        /// The queue's configured name.
        queue: &'a str,
        /// The one before.
        before: usize,
        /// The one from now on.
        concurrency: usize,
    }

    /// Every message has failed, or was rejected, since the start: the handler may be called in a wrong way, as by a wrong path or credential.
    error NothingDone<'a>: "no message has been done since the start" {
        /// The queue's configured name.
        queue: &'a str,
        /// The number of messages that have failed.
        failed: u32,
        /// The number of messages that were rejected.
        rejected: u32,
        /// The reason of the last one.
        reason: &'a str,
    }

    /// A message was done after `no message has been done since the start`.
    info FirstDone<'a>: "first message done since the start" {
        /// The queue's configured name.
        queue: &'a str,
        /// The number of messages that had failed before.
        failed: u32,
        /// The number of messages that were rejected before.
        rejected: u32,
    }

    /// A handler panicked in `close`.
    error HandlerPanickedAtEnd<'a>: "the handler panicked in close" {
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

    /// A function reported failed messages, which the settings ignore; logged once.
    warn FailuresIgnored<'a>: "the function reports failed messages, which are deleted all the same, hint: set partial_responses to on" {
        /// The queue's configured name.
        queue: &'a str,
    }

    /// An answer came after its call was given up.
    debug AnswerUnwanted<'a>: "answer for a call that was given up" {
        /// The invocation's own id.
        request_id: &'a str,
    }

    /// An emulator answered after its handler had ended.
    debug EmulatorLate: "an emulator answered after the end of its handler" {}

    /// A process outside of a runtime's process group connected to its Runtime API; logged once for each runtime process.
    warn RuntimePeerRefused<'a>: "a connection to the runtime api was refused, hint: only the process group of the runtime may use it" {
        /// The queue's configured name.
        queue: &'a str,
        /// The process id of the runtime.
        process: u32,
    }

    /// A runtime requested a path that the Runtime API does not have.
    debug RuntimePathUnknown<'a>: "the runtime requested a path that the runtime api does not have" {
        /// The path.
        path: &'a str,
    }

    /// A process ended and left connections to the Runtime API open.
    debug ConnectionsLeft: "a process ended and left connections open" {}
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
        /// The cause of its end.
        cause: ProcessExit as %,
    }
    counts "longshore_handler_process_exits_total" |event, exits: ByLabel<ProcessExit, IntCounter>| exits.of(event.cause).inc();

    /// A runtime process did not ask for an invocation, or several alike.
    warn ProcessNotStarted<'a>: "runtime process did not start" {
        /// The queue's configured name.
        queue: &'a str,
        /// The number of processes, where several end alike.
        processes: usize,
        /// The reason.
        reason: &'a str,
    }

    /// A runtime process ended, violated the protocol or was killed, and is replaced, or several alike.
    warn ProcessReplaced<'a>: "runtime process is replaced" {
        /// The queue's configured name.
        queue: &'a str,
        /// The number of processes, where several end alike.
        processes: usize,
        /// The reason.
        reason: &'a str,
    }

    /// An extension did not end in time after the event of its environment's end.
    warn ExtensionKilled<'a>: "extension did not end in time and is killed" {
        /// The queue's configured name.
        queue: &'a str,
        /// Its name.
        extension: &'a str,
    }

    /// A function or an extension wrote a line; a function's is logged with the invocation that it ran.
    info FunctionOutput<'a>: "function output" to "longshore::function" {
        /// The queue's configured name.
        queue: &'a str,
        /// Its process id.
        process: u32,
        /// The name of the extension that wrote it, if one did.
        extension: Option<&'a str>,
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

    /// Files of messages that a killed process had left behind were removed.
    info FilesRemoved<'a>: "files of a process that was killed are removed" {
        /// Their directory.
        directory: &'a Path as ?,
    }

    /// The directory of a handler's files could not be removed at its end.
    debug FilesNotRemoved<'a>: "files of messages are not removed" {
        /// Their directory.
        directory: &'a Path as ?,
        /// The error.
        error: &'a io::Error as %,
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
        /// The cause of its end.
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

    /// A program ended or closed its input before it had read all of it, which is no failure.
    debug InputUnread<'a>: "program did not read its input to the end" {
        /// The queue's configured name.
        queue: &'a str,
        /// The message's id.
        message_id: &'a MessageId as %,
        /// The error of the write.
        error: &'a io::Error as %,
    }
}
