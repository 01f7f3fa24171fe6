//! Facts of the SQS account.

mod attributes;
mod harness;
mod histories;
mod moves;
mod queues;
mod receives;
mod sends;
mod waiting;
