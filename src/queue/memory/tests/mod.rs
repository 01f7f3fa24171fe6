//! The facts of the account beyond the contract of queues.

mod attributes;
mod contract;
mod harness;
mod histories;
mod lines;
mod moves;
mod queues;
mod receives;
mod sends;
