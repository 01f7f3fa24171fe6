//! The causes of an error, one by one or in one line.

use std::error::Error;

/// The errors behind this one, from the outermost to the innermost.
pub(crate) fn causes<'e>(error: &'e (dyn Error + 'e)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

/// The messages of the error and of its causes, without repeated ones: some errors display their cause too.
pub(crate) fn message_with_causes(error: &dyn Error) -> String {
    let mut messages = vec![error.to_string()];
    messages.extend(causes(error).map(ToString::to_string));
    messages.dedup();
    messages.join(": ")
}
