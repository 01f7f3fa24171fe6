//! What a function writes goes into the log, each line with the messages it is about.

use std::sync::{Arc, Mutex, PoisonError};

use super::Invocation;
use crate::{
    message::MessageId,
    process::Process,
    tasks,
    telemetry::{context::TraceContext, events},
};

/// The log of one process's output.
#[derive(Clone, Debug)]
pub(super) struct Output {
    queue: Arc<str>,
    process: u32,
    /// What the process is at, or was at last.
    at: Arc<Mutex<Option<Arc<Invocation>>>>,
}

impl Output {
    /// Passes on what the process writes from now on until its end.
    pub(super) fn of(queue: Arc<str>, process: &mut Process) -> Self {
        let output = Self { queue, process: process.id(), at: Arc::default() };
        let streams = [("stdout", process.take_stdout()), ("stderr", process.take_stderr())];
        for (stream, pipe) in streams {
            if let Some(pipe) = pipe {
                let output = output.clone();
                let reading = pipe.for_each_line(move |line| output.write(stream, &line.to_string()));
                drop(tasks::detach("function output", reading));
            }
        }
        output
    }

    /// Names the invocation that the next lines belong to.
    pub(super) fn belongs_to(&self, invocation: Arc<Invocation>) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some(invocation);
    }

    fn write(&self, stream: &'static str, line: &str) {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let _lines = at.as_ref().and_then(|invocation| invocation.place.as_ref()).map(TraceContext::enter);
        let (queue, process) = (&*self.queue, self.process);
        let request_id = at.as_ref().map(|invocation| invocation.id.as_str());
        let message_id = at.as_ref().and_then(|invocation| invocation.message_id.as_ref());
        let message_ids = at.as_ref().and_then(|invocation| invocation.message_ids.as_deref());
        let message_id = message_id.map(MessageId::as_str);
        events::FunctionOutput { queue, process, request_id, message_id, message_ids, stream, line }.emit();
    }
}
