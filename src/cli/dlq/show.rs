//! `longshore dlq show`: shows one message of a DLQ in full.

use std::time::SystemTime;

use clap::Args;

use super::{options::DlqOptions, unavailable};
use crate::{
    cli::output::{self, Exit, Failure},
    dead_letters::{MessageFilter, ShownMessage, Visit, visit},
    stop::Stop,
};

/// Shows one message in full, as JSON
///
/// SQS has no way to ask for one message: those before it are read, too.
#[derive(Args, Debug)]
pub(super) struct DlqShow {
    #[command(flatten)]
    dlq: DlqOptions,
    /// The id of the message
    #[arg(long = "message", value_name = "ID")]
    id: String,
}

impl DlqShow {
    pub(super) async fn execute(self, stop: Stop) -> Result<(), Failure> {
        let queue = self.dlq.open().await?.location.dlq;
        let filter = MessageFilter { ids: [self.id.clone()].into(), ..MessageFilter::default() };
        let mut shown = None;
        let visited = Visit { queue, filter, limit: Some(1), deletes: false, stop };
        let end = visit(&visited, |(message, _)| {
            shown = Some(ShownMessage::of(message, SystemTime::now()));
            true
        });
        if let Some(error) = end.await.failure {
            return Err(unavailable(&error));
        }
        match shown {
            Some(shown) => output::print_indented(&shown),
            None => Err(no_such_message(&self.id)),
        }
    }
}

/// The failure to find a message among those that are visible.
pub(super) fn no_such_message(id: &str) -> Failure {
    Failure::new(Exit::Usage, format!("no such message is visible: {id}"))
        .hint("another consumer, or another of these commands, may hold it")
}
