//! `longshore dev`: everything on one machine with no account.

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;

use super::{
    failure::{Exit, Failure},
    options::Options,
};
use crate::config::{self, Config, Purpose};

/// The queue that `dev` works on when it is told of no other.
const QUEUE: &str = "longshore-dev-queue";

/// Runs everything on this machine with no account: an SQS server, the front door, the worker, the admin page
#[derive(Args, Debug)]
pub(super) struct Dev {
    /// Send sample traffic through the front door, show what becomes of it, and end by itself
    #[arg(long)]
    demo: bool,
    /// Where the embedded SQS server listens
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
        let config = config::load(&sources, Purpose::Look)?;
        config.settings.log.init().map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
        self.serve(&config)
    }

    fn serve(&self, _config: &Config) -> Result<(), Failure> {
        let Self { demo, sqs_listen, api_listen, .. } = self;
        Err(Failure::new(Exit::Internal, format!("not wired: {demo} {sqs_listen} {api_listen}")))
    }
}
