//! One queue of the account as the worker sees it.

/// A queue in memory that a worker can consume.
#[derive(Clone, Debug)]
pub struct MemoryQueue {}
