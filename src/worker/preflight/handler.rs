//! The handler: whether its settings make one, and whether it could take a message now.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;

use super::{Code, Finding};
use crate::{
    config::{QueueSettings, Settings},
    handler::AnyHandler,
    worker::from_settings,
};

/// The time limit of a handler's probe, a Lambda function's start included.
const PROBE_LIMIT: Duration = Duration::from_secs(30);
/// The time limit of ending the processes started for it.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Checks the handler of a queue; the configuration's rules find a queue without one.
pub(super) async fn look(name: &str, queue: &QueueSettings, settings: &Settings) -> Vec<Finding> {
    let Some(of_handler) = &queue.handler else { return Vec::new() };
    let handler = match from_settings::made(name, queue, of_handler, &settings.aws) {
        Ok(handler) => handler,
        Err(error) => return vec![Finding::of(name, Code::HandlerSettings, error.to_string())],
    };
    let answer = probe(&handler).await;
    let closed = AssertUnwindSafe(handler.close()).catch_unwind();
    // Whatever it leaves running ends with this process.
    drop(tokio::time::timeout(CLOSE_LIMIT, closed).await);
    answer.err().map(|reason| Finding::of(name, Code::HandlerUnreachable, reason)).into_iter().collect()
}

async fn probe(handler: &AnyHandler) -> Result<(), String> {
    let probe = AssertUnwindSafe(handler.probe()).catch_unwind();
    match tokio::time::timeout(PROBE_LIMIT, probe).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_panic)) => Err("the probe panicked".to_owned()),
        Err(_) => Err(format!("the probe did not end within {PROBE_LIMIT:?}")),
    }
}
