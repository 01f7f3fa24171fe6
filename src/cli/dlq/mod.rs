//! `longshore dlq`: reads dead letters, sends them back, deletes them or gives one to a handler.

mod export;
mod list;
mod moves;
mod options;
mod purge;
mod redrive;
mod replay;
mod show;

use clap::{Args, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    output::{self, Exit, Failure},
    runtime,
};
use crate::{dead_letters::VisitEnd, queue::QueueError, stop::Stop, tasks};

/// Reads the messages of a DLQ, sends them back, deletes them or gives one to a handler
///
/// Each message that is read is received once, which its receive count shows, hidden for as long as the command runs, and
/// visible again after it unless it was sent back or deleted; after a crash within a minute.
#[derive(Args, Debug)]
pub(super) struct DlqCommand {
    #[command(subcommand)]
    command: DlqSubcommand,
}

#[derive(Debug, Subcommand)]
enum DlqSubcommand {
    List(list::DlqList),
    Show(show::DlqShow),
    Redrive(redrive::DlqRedrive),
    Moves(moves::DlqMoves),
    Replay(replay::DlqReplay),
    Purge(purge::DlqPurge),
    Export(export::DlqExport),
}

impl DlqCommand {
    pub(super) fn execute(self) -> Result<(), Failure> {
        runtime::run_small(async {
            let stop = interruptible()?;
            match self.command {
                DlqSubcommand::List(list) => Box::pin(list.execute(stop)).await,
                DlqSubcommand::Show(show) => Box::pin(show.execute(stop)).await,
                DlqSubcommand::Redrive(redrive) => Box::pin(redrive.execute(stop)).await,
                DlqSubcommand::Moves(moves) => Box::pin(moves.execute()).await,
                DlqSubcommand::Replay(replay) => Box::pin(replay.execute(stop)).await,
                DlqSubcommand::Purge(purge) => Box::pin(purge.execute(stop)).await,
                DlqSubcommand::Export(export) => Box::pin(export.execute(stop)).await,
            }
        })?
    }
}

/// A stop that Ctrl-C and SIGTERM request, so that what is held is made visible before the end.
fn interruptible() -> Result<Stop, Failure> {
    let failed = |error| Failure::new(Exit::Internal, format!("signals cannot be listened for: {error}"));
    let stop = Stop::new();
    let requested = stop.clone();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tasks::detach("interrupts", async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        requested.drain();
    });
    Ok(stop)
}

/// The failure of a call to SQS.
fn unavailable(error: &QueueError) -> Failure {
    let hint = error.hint().unwrap_or("check the queue, its region, the credentials and the network");
    Failure::new(Exit::Unavailable, error.to_string()).hint(hint)
}

/// The end of a visit as the result of the command, after a line about it on standard error.
fn ended(verb: &str, end: VisitEnd) -> Result<(), Failure> {
    let VisitEnd { chosen, left_out, unreleased, .. } = &end;
    let late =
        if *unreleased > 0 { format!(", {unreleased} visible again within a minute") } else { String::new() };
    output::print_error(&format!("{chosen} {verb}, {left_out} left out{late}"));
    match end {
        VisitEnd { failure: Some(error), .. } => Err(unavailable(&error)),
        VisitEnd { undeleted, .. } if undeleted > 0 => {
            Err(Failure::new(Exit::Unfinished, format!("{undeleted} messages could not be deleted")))
        }
        VisitEnd { is_interrupted: true, .. } => Err(Failure::new(Exit::Unfinished, "interrupted")),
        _ => Ok(()),
    }
}
