//! `longshore trace`: what a running worker knows of a message.

use std::fmt::Write as _;

use clap::Args;
use serde_json::Value;

use super::{
    admin_client::{AdminOptions, MessageAnswer},
    output::{self, Exit, Failure},
};
use crate::telemetry::logs::one_line;

/// Prints what a running worker knows of a message: exit code 0 if it knows it, 1 if not, 69 if no worker answers
#[derive(Args, Debug)]
pub(super) struct TraceCommand {
    /// The message's id
    message_id: String,
    #[command(flatten)]
    admin: AdminOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl TraceCommand {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let MessageAnswer { is_known, report } = self.admin.client()?.message(&self.message_id)?;
        let text = if self.json { format!("{}\n", output::json_line(&report)) } else { text_of(&report) };
        if is_known {
            return output::print(&text);
        }
        if self.json {
            output::print(&text)?;
            return Err(Failure::new(Exit::NotKnown, ""));
        }
        Err(Failure::new(Exit::NotKnown, text.trim_end())
            .hint("ask the other workers of the queue, or search the logs for the id"))
    }
}

/// The answer, for people.
pub(super) fn text_of(answer: &Value) -> String {
    let mut text = String::new();
    let shown = |value: &Value| one_line(value.as_str().unwrap_or_default()).into_owned();
    for receive in answer["receives"].as_array().into_iter().flatten() {
        let text_in = |name: &str| receive[name].as_str().unwrap_or_default();
        let state = text_in("state").replace('_', " ");
        let heading = format!("{}, attempt {}: {state}", text_in("queue"), receive["attempt"]);
        writeln!(text, "{}", one_line(&heading)).unwrap_or_default();
        for step in receive["steps"].as_array().into_iter().flatten() {
            writeln!(text, "  {}  {}", shown(&step["at"]), shown(&step["step"])).unwrap_or_default();
        }
    }
    if let Some(reach) = answer["reach"].as_array() {
        writeln!(text, "{} of {}", shown(&answer["error"]), shown(&answer["messageId"])).unwrap_or_default();
        for queue in reach {
            let (done, failed) = (shown(&queue["doneSince"]), shown(&queue["failedSince"]));
            let known = format!("what it holds, was done since {done} and failed since {failed}");
            writeln!(text, "  {}: {known}", shown(&queue["queue"])).unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_receive_is_printed_with_its_steps_in_plain_lines() {
        let steps = json!([
            { "at": "2026-01-02T03:04:05.678Z", "step": "received, attempt 2" },
            { "at": "2026-01-02T03:04:06.000Z", "step": "ended retry after 322ms: the handler answered 404" },
        ]);
        let receive = json!({ "queue": "orders", "attempt": 2, "state": "given_back", "steps": steps });
        let text = text_of(&json!({ "messageId": "m", "receives": [receive] }));
        let expected = "orders, attempt 2: given back\n  2026-01-02T03:04:05.678Z  received, attempt 2\n  \
                        2026-01-02T03:04:06.000Z  ended retry after 322ms: the handler answered 404\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_unknown_message_has_the_reach_of_each_queue() {
        let reach = json!([{ "queue": "orders", "doneSince": "A", "failedSince": "B" }]);
        let unknown = json!({ "messageId": "m", "error": "this worker knows nothing", "reach": reach });
        let expected =
            "this worker knows nothing of m\n  orders: what it holds, was done since A and failed since B\n";
        assert_eq!(text_of(&unknown), expected);
    }
}
