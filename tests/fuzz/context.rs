//! Fuzz target of trace contexts: what is read from any message is valid, and reads the same when it is written.

#![expect(clippy::unwrap_used, reason = "a fuzz target panics where a fact does not hold")]

use super::TraceContext;
use crate::fuzz::message;

pub(crate) fn contexts(input: &[u8]) {
    let Some(context) = TraceContext::of_message(&message::read(input)) else { return };
    assert!(context.span_context().is_valid());
    let ids = |context: &TraceContext| (context.trace_id(), context.span_id());
    let state = context.tracestate();
    let read = TraceContext::from_traceparent(&context.traceparent(), state.as_deref()).unwrap();
    assert_eq!((ids(&read), read.tracestate()), (ids(&context), state));
    let read = TraceContext::from_xray(&context.xray()).unwrap();
    assert_eq!(ids(&read), ids(&context));
}
