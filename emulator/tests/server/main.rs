//! The server over a real socket: through the SDK, through boto3 and the AWS CLI, and by hand.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod batches;
mod bounds;
mod crowd;
mod errors;
#[path = "../../../examples/emulator/orders_test.rs"]
mod example;
mod foreign;
mod hang_up;
mod harness;
mod long_poll;
mod messages;
mod moves;
mod python;
mod query;
mod queues;
mod restart;
mod stop;
mod topics;
