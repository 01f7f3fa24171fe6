//! `longshore dev`: everything on one machine with no account.

mod ground;
mod play;

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;

use self::ground::Ground;
use super::{
    failure::{Exit, Failure},
    options::Options,
    output, working,
};
use crate::{
    config::{self, Purpose, Settings},
    telemetry::events,
};

/// The queue that `dev` works on when it is told of no other.
const QUEUE: &str = "longshore-dev-queue";

/// Runs everything on this machine with no account: SQS and SNS, the front door, the worker, the admin page
#[derive(Args, Debug)]
pub(super) struct Dev {
    /// Send sample traffic through the front door, show what becomes of it, and end by itself
    #[arg(long)]
    demo: bool,
    /// Where the embedded SQS server listens, which is one of SNS too
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9324)))]
    sqs_listen: SocketAddr,
    /// Where the front door listens
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)))]
    api_listen: SocketAddr,
    #[command(flatten)]
    options: Options,
}

impl Dev {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let sources = config::Sources { own_queue: Some(("dev", QUEUE)), ..self.options.sources() };
        let mut settings = config::load(&sources, Purpose::Look)?.settings;
        settings.log.init()?;
        if self.demo {
            play::prepare(&mut settings);
        }
        working::run_large(self.serve(settings))?
    }

    async fn serve(&self, settings: Settings) -> Result<(), Failure> {
        let ground = Box::pin(Ground::open(settings, self.sqs_listen, self.api_listen)).await?;
        let ended = if self.demo { play::demo(&ground).await } else { play::work(&ground).await };
        ground.close().await;
        ended
    }
}

/// Shows a line; where nobody reads any more, the work goes on.
fn show(line: impl std::fmt::Display) {
    if let Err(failure) = output::print_line(&line.to_string()) {
        events::LineUnread { error: &failure.to_string() }.emit();
    }
}

/// A failure of a part that `dev` brings itself.
fn own_fault(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Internal, error.to_string())
}
