//! A queue in memory with the semantics of SQS.
