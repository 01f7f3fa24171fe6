//! `longshore resume`: ends the pause of queues of a running worker through its admin server.

use clap::Args;
use serde_json::Value;

use super::{
    admin_client::AdminOptions,
    output::{self, Failure},
    pause::QueueChoice,
};
use crate::telemetry::logs::one_line;

/// Ends the pause of queues of a running worker
#[derive(Args, Debug)]
pub(super) struct Resume {
    #[command(flatten)]
    queues: QueueChoice,
    #[command(flatten)]
    admin: AdminOptions,
}

impl Resume {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let client = self.admin.client()?;
        for queue in self.queues.names(&client)? {
            let state = client.resume(&queue)?;
            output::print_line(&format!("{}: {}", one_line(&queue), shown(&state)))?;
        }
        Ok(())
    }
}

/// The state after the end of an operator's pause: other reasons to pause may be left.
pub(super) fn shown(state: &Value) -> String {
    let reasons = state["paused"].as_array().into_iter().flatten();
    let reasons: Vec<_> = reasons.filter_map(|paused| paused["details"].as_str()).map(one_line).collect();
    if reasons.is_empty() {
        return "resumed".to_owned();
    }
    format!("resumed, but polling is still paused: {}", reasons.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_reasons_that_are_left_are_named() {
        assert_eq!(shown(&json!({ "paused": [] })), "resumed");
        let down = json!({ "paused": [{ "reason": "handler_down", "details": "connection refused" }] });
        assert_eq!(shown(&down), "resumed, but polling is still paused: connection refused");
        let hostile =
            json!({ "paused": [{ "reason": "handler_down", "details": "\u{1b}]0;title\u{7}\nerror: x" }] });
        assert_eq!(shown(&hostile), r"resumed, but polling is still paused: \u{1b}]0;title\u{7}\nerror: x");
    }
}
