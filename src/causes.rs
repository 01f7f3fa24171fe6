//! Why something failed, in one line: an error with the chain of its causes.

use std::error::Error;

/// The error's words and those of its causes, without the repetitions that some displays bring.
pub(crate) fn causes(error: &dyn Error) -> String {
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
