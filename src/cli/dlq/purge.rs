//! `longshore dlq purge`: deletes messages of a DLQ.

use clap::Args;

use super::{
    ended,
    options::{DlqOptions, FilterOptions},
};
use crate::{
    cli::output::{self, Exit, Failure},
    dead_letters::{Visit, visit},
    stop::Stop,
};

/// Deletes messages for good; prints the id of each
#[derive(Args, Debug)]
pub(super) struct DlqPurge {
    #[command(flatten)]
    dlq: DlqOptions,
    #[command(flatten)]
    filter: FilterOptions,
    /// The most messages to delete
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Delete nothing, and print what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Delete, which cannot be undone
    #[arg(long, required_unless_present = "dry_run", conflicts_with = "dry_run")]
    yes: bool,
    /// Allow to delete every message, without a criterion or a limit
    #[arg(long)]
    all: bool,
}

impl DlqPurge {
    pub(super) async fn execute(self, stop: Stop) -> Result<(), Failure> {
        let filter = self.filter.filter();
        if filter.takes_all() && self.limit.is_none() && !self.all && !self.dry_run {
            let failure = Failure::new(Exit::Usage, "every message would be deleted");
            return Err(failure.hint("give a criterion, --limit or --all"));
        }
        let queue = self.dlq.open().await?.location.dlq;
        let visited = Visit { queue, filter, limit: self.limit, deletes: !self.dry_run, stop };
        let end = visit(&visited, |(message, _)| output::print_line(message.id.as_str()).is_ok()).await;
        ended(if self.dry_run { "to delete" } else { "deleted" }, end)
    }
}
