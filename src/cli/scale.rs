//! `longshore scale`: changes the concurrency of a queue of a running worker through its admin server.

use clap::Args;
use serde_json::Value;

use super::{
    admin_client::AdminOptions,
    output::{self, Failure},
};
use crate::telemetry::logs::one_line;

/// Changes the most calls of a queue's handler that run at once, without dropping any
///
/// Further calls start at once. Where more run than may, none starts until enough have ended. The change lasts until the
/// next one or until the worker ends.
#[derive(Args, Debug)]
pub(super) struct Scale {
    /// The queue's configured name
    #[arg(value_name = "QUEUE")]
    queue: String,
    /// The most calls at once
    #[arg(value_name = "NUMBER")]
    concurrency: u64,
    #[command(flatten)]
    admin: AdminOptions,
}

impl Scale {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let client = self.admin.client()?;
        let state = client.scale(&self.queue, self.concurrency)?;
        output::print_line(&format!("{}: {}", one_line(&self.queue), shown(&state)))
    }
}

/// The state after a change of the concurrency.
pub(super) fn shown(state: &Value) -> String {
    format!("concurrency {}, {} calls run", state["concurrency"], state["running"])
}
