//! Everything on one machine with no account: an SQS server, the front door, sample traffic.

pub mod demo_handler;
pub mod front_door;
