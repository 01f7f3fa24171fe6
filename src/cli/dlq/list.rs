//! `longshore dlq list`: shows the messages of a DLQ, a line for each.

use std::time::SystemTime;

use clap::Args;

use super::{
    ended,
    options::{DlqOptions, FilterOptions},
};
use crate::{
    cli::output::{self, Failure},
    dead_letters::{ShownMessage, Visit, summary, visit},
    stop::Stop,
};

/// The most messages that are listed by default.
const USUAL_LIMIT: usize = 20;

/// Shows messages, a line for each: id, age, receives, the reason of a reject and the beginning of the body
#[derive(Args, Debug)]
pub(super) struct DlqList {
    #[command(flatten)]
    dlq: DlqOptions,
    #[command(flatten)]
    filter: FilterOptions,
    /// The most messages to show; 0 shows all
    #[arg(long, value_name = "NUMBER", default_value_t = USUAL_LIMIT)]
    limit: usize,
    /// Print JSON, an object a line
    #[arg(long)]
    json: bool,
}

impl DlqList {
    pub(super) async fn execute(self, stop: Stop) -> Result<(), Failure> {
        let location = self.dlq.open().await?.location;
        if !self.json {
            output::print_error(&format!("{}: {} messages", location.name(), location.attributes.visible));
        }
        let limit = (self.limit > 0).then_some(self.limit);
        let visited =
            Visit { queue: location.dlq, filter: self.filter.filter(), limit, deletes: false, stop };
        let end = visit(&visited, |(message, _)| {
            let shown = ShownMessage::of(message, SystemTime::now());
            let printed =
                if self.json { output::print_json(&shown) } else { output::print_line(&summary(&shown)) };
            printed.is_ok()
        });
        ended("shown", end.await)
    }
}
