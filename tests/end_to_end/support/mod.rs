//! The helpers of the tests: processes, queues, handlers, and waits for facts.

pub(crate) mod admin;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../../support/alive.rs"]
pub(crate) mod alive;
pub(crate) mod aws;
pub(crate) mod clock;
pub(crate) mod cloud;
pub(crate) mod dev;
pub(crate) mod ecs;
pub(crate) mod forward_proxy;
pub(crate) mod gate;
pub(crate) mod guarded;
pub(crate) mod handler;
pub(crate) mod http;
#[path = "../../support/python.rs"]
pub(crate) mod interpreter;
pub(crate) mod patience;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod python;
pub(crate) mod secrets;
#[path = "../../support/skips.rs"]
pub(crate) mod skips;
pub(crate) mod sns;
pub(crate) mod sqs;
pub(crate) mod tasks;
pub(crate) mod terminal;
pub(crate) mod tls;
pub(crate) mod worker;

pub(crate) use self::{
    admin::Admin,
    dev::Dev,
    gate::Gate,
    handler::{Call, Handler},
    patience::{PATIENCE, in_time, until},
    process::{Ended, Launch, Process, Signal},
    sns::Sns,
    sqs::{Pair, Sqs},
    worker::Worker,
};
