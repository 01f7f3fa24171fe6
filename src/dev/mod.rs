//! Everything on one machine with no account: an SQS server, the front door, sample traffic.

pub mod sqs_server;
