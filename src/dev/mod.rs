//! Everything on one machine with no account: SQS and SNS, the front door, sample traffic.

pub mod demo;
pub mod demo_handler;
pub mod front_door;
mod json;
mod queues;
pub mod sqs_server;
mod topics;

pub use self::{
    queues::{QueuePair, create_queues},
    topics::adopt_topic,
};
