//! The labels of handlers and their processes.

use super::{Ending, Label, label};

label! {
    /// A kind of handler.
    HandlerKind {
        /// Code of the program that the worker is part of.
        Rust = "rust",
        /// A program with an HTTP port.
        Http = "http",
        /// A Lambda function.
        Lambda = "lambda",
        /// A program for each message.
        Exec = "exec",
        /// SNS.
        Sns = "sns",
    }
}

label! {
    /// What went wrong in a call of the handler.
    FailureCause {
        /// The time limit passed; any kind.
        TimedOut = "timeout",
        /// It panicked; `rust` alone, elsewhere a fault of ours.
        Panicked = "panic",
        /// It asked for a retry or rejected the message; `rust`, and `http` by naming it among a batch's failures.
        Error = "error",
        /// It could not be reached, or hung up; `http`, `sns`, `lambda` through the emulator, and `rust` that says so.
        Connection = "connection",
        /// A status from 400 to 499; `http`.
        Status4xx = "status_4xx",
        /// A status from 500 to 599; `http`.
        Status5xx = "status_5xx",
        /// An answer that means nothing; `http`, `lambda`.
        BadAnswer = "bad_answer",
        /// The function answered with an error, or named messages that failed; `lambda`.
        FunctionError = "function_error",
        /// No runtime could be started; `lambda`.
        InitError = "init_error",
        /// The runtime process ended in the middle of the call; `lambda`.
        Crash = "crash",
        /// An exit code that is not that of done; `exec`.
        ExitCode = "exit_code",
        /// Ended by a signal; `exec`.
        Signal = "signal",
        /// The program, or the files that it needs, could not be had; `exec`.
        Spawn = "spawn",
        /// Refused: the topic, the permission, the key or the message; `sns`.
        Refused = "refused",
    }
}

impl FailureCause {
    /// What went wrong in a call that ended so, as far as nobody nearer to it tells: the kinds of the configuration do.
    pub(in crate::telemetry) fn of(ending: Ending, kind: HandlerKind) -> Option<Self> {
        match ending {
            Ending::TimedOut => Some(Self::TimedOut),
            Ending::Panicked => Some(Self::Panicked),
            Ending::Retry | Ending::Reject if kind == HandlerKind::Rust => Some(Self::Error),
            Ending::Down if kind == HandlerKind::Rust => Some(Self::Connection),
            _ => None,
        }
    }
}

label! {
    /// What a process of a handler does.
    ProcessState {
        /// It was started, and has not asked for work yet; `lambda`.
        Starting = "starting",
        /// It waits for work; `lambda`.
        Idle = "idle",
        /// It works on a call.
        Busy = "busy",
        /// It failed, and another one is started after a pause; `lambda`.
        Waiting = "waiting",
    }
}

label! {
    /// Why a process of a handler ended.
    ProcessExit {
        /// It was meant to: its work or the worker's is over.
        Expected = "expected",
        /// It ended by itself when it must not; a program that was started for one message, by a signal.
        Crashed = "crashed",
        /// It was ended: its time was over, or what it said made no sense.
        Killed = "killed",
    }
}
