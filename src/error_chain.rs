//! Why something failed: the causes of an error, one by one or in one line.

use std::error::Error;

/// The errors behind this one, from the outermost to the innermost.
pub(crate) fn causes<'e>(error: &'e (dyn Error + 'e)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

/// The error's words and those of its causes, without the repetitions that some displays bring.
pub(crate) fn message_with_causes(error: &dyn Error) -> String {
    let mut words = vec![error.to_string()];
    words.extend(causes(error).map(ToString::to_string));
    words.dedup();
    words.join(": ")
}
