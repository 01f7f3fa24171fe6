//! The facts of the account beyond the contract of queues.

mod contract;
