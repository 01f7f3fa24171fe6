//! `longshore pause`: pauses queues of a running worker through its admin server.

use clap::Args;
use serde_json::Value;

use super::{
    admin_client::{AdminClient, AdminOptions},
    output::{self, Failure},
};
use crate::telemetry::logs::one_line;

/// Pauses queues of a running worker: nothing is received, waiting messages are given back, running handlers finish
#[derive(Args, Debug)]
pub(super) struct Pause {
    #[command(flatten)]
    queues: QueueChoice,
    /// The reason, which logs, the status and the readiness page show
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    admin: AdminOptions,
}

/// The queues that a command is about.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct QueueChoice {
    /// The configured names of the queues
    #[arg(value_name = "QUEUE")]
    queues: Vec<String>,
    /// Every queue of the worker
    #[arg(long)]
    all: bool,
}

impl QueueChoice {
    /// The names of the chosen queues, all of them by the worker's status.
    pub(super) fn names(self, client: &AdminClient) -> Result<Vec<String>, Failure> {
        if !self.all {
            return Ok(self.queues);
        }
        let status = client.get(&["status"])?;
        let lists = ["queues", "opening"].map(|list| status[list].as_array().cloned().unwrap_or_default());
        let names = lists.concat();
        Ok(names.iter().filter_map(|queue| Some(queue["queue"].as_str()?.to_owned())).collect())
    }
}

impl Pause {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let client = self.admin.client()?;
        for queue in self.queues.names(&client)? {
            let state = client.pause(&queue, self.reason.as_deref())?;
            output::print_line(&format!("{}: {}", one_line(&queue), shown(&state)))?;
        }
        Ok(())
    }
}

/// The state after a pause.
pub(super) fn shown(state: &Value) -> String {
    format!("paused, {} calls still run", state["running"].as_u64().unwrap_or_default())
}
