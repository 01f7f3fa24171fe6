//! The SDK's errors as the queue port's.

use std::{error::Error, time::Duration};

use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::BatchResultErrorEntry,
};

use crate::queue::{EntryError, QueueError, Verdict};

/// A call's failure, sorted by its code where there is an answer, and worth repeating where there is none.
pub(super) fn refusal<E>(error: SdkError<E, HttpResponse>) -> QueueError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let answered = error.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned);
    let failure = match answered {
        Some(code) => QueueError::answered(code, error.message().unwrap_or("no message")),
        None if is_timeout(&error) => QueueError::hung(causes(&error)),
        None => QueueError::new(Verdict::Wait, format!("no usable answer from sqs: {}", causes(&error))),
    };
    match status {
        Some(429 | 500..) => failure.with_verdict(Verdict::Wait).with_source(error),
        _ => failure.with_source(error),
    }
}

/// Whether a time limit ended the call: the attempt's, or the connection's own, which the SDK words differently.
fn is_timeout<E>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::TimeoutError(_) => true,
        SdkError::DispatchFailure(failure) => failure.is_timeout(),
        _ => false,
    }
}

/// A call that neither answered nor ended within its own limit.
pub(super) fn hung(limit: Duration) -> QueueError {
    QueueError::hung(format!("no answer from sqs within {limit:?}, the call was dropped"))
}

/// The failure of one entry of a batch.
pub(super) fn entry_error(entry: BatchResultErrorEntry) -> EntryError {
    EntryError::new(entry.code, entry.message.unwrap_or_default(), entry.sender_fault)
}

/// The chain of causes on one line, without the repetitions that the SDK's own display brings.
fn causes(error: &dyn Error) -> String {
    let mut words = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if words.last() != Some(&text) {
            words.push(text);
        }
        next = cause.source();
    }
    words.join(": ")
}
