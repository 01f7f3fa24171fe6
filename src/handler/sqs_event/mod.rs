//! The event by which AWS hands a batch of SQS messages to a function, and the answer that names those that failed.
//!
//! What Lambda functions are given, and HTTP handlers of batches too, so that one program can serve as either.

pub(super) mod event;
mod failures;
mod source;

pub(super) use self::failures::{Failure, Fate, Said, Verdict, has_failures, speaks_of_failures, verdict};
pub use self::source::Source;
