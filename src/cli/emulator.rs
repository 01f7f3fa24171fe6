//! `longshore emulator`: SQS and SNS on this machine, without a worker.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use longshore_emulator::{AccountIdentity, AccountLimits, Emulator, EmulatorBuilder, EmulatorError};

use super::{
    output::{self, Exit, Failure},
    runtime,
};

/// Serves SQS and SNS on this machine with no account and no worker, for tests and development
#[derive(Args, Debug)]
pub(super) struct EmulatorCommand {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9324)))]
    listen: SocketAddr,
    /// A queue to create at the start; a name that ends in .fifo makes a FIFO queue; may be repeated
    #[arg(long = "queue", value_name = "NAME")]
    queues: Vec<String>,
    /// A TOML file that declares queues and topics, which are created at the start (docs/emulator.md)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep queues, messages and topics in this directory, and restore them from it at the start
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// A further host name by which clients reach it, with the names below it; may be repeated
    #[arg(long = "allow-host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Refuse the name of a deleted queue for this time, as SQS does for 60s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    delete_delay: Duration,
    /// The region of queues and declared topics; a topic is for clients of its region only
    #[arg(long, value_name = "NAME", default_value_t = AccountIdentity::default().region)]
    region: String,
    /// Give each of these queues a DLQ, to which a message moves after so many receives
    #[arg(long, value_name = "NUMBER")]
    max_receives: Option<NonZeroU32>,
    /// The most bytes in memory of all queues and topics, 512 for each message counted in; a send beyond them fails
    #[arg(long, value_name = "NUMBER", default_value_t = AccountLimits::default().stored_bytes)]
    stored_bytes: usize,
}

impl EmulatorCommand {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        runtime::run_small(self.serve())?
    }

    async fn serve(&self) -> Result<(), Failure> {
        let shown =
            |message: &longshore_emulator::PublishedMessage| drop(output::print_line(&message.to_string()));
        let builder = Emulator::builder()
            .address(self.listen)
            .region(&self.region)
            .stored_bytes(self.stored_bytes)
            .delete_delay(self.delete_delay);
        let mut builder = self.hosts.iter().fold(builder.on_publish(shown), EmulatorBuilder::allow_host);
        if let Some(file) = &self.config {
            builder = builder.config_file(file);
        }
        if let Some(directory) = &self.data {
            builder = builder.data_dir(directory);
        }
        let emulator = builder.start().await?;
        for name in &self.queues {
            emulator.ensure_queue(name, self.max_receives).map_err(|error| {
                Failure::new(Exit::Usage, format!("cannot create the queue {name}: {}", error.message))
            })?;
        }
        output::print(&format!("longshore emulator\n{}", emulator.instructions()))?;
        emulator
            .run_until_signal()
            .await
            .map_err(|error| Failure::new(Exit::Internal, format!("the emulator failed: {error}")))
    }
}

impl From<EmulatorError> for Failure {
    fn from(error: EmulatorError) -> Self {
        match error {
            EmulatorError::Listen { .. } => {
                Self::new(Exit::Unavailable, error.to_string()).hint("choose another address with --listen")
            }
            EmulatorError::Declaration(mistake) => Self::new(Exit::Usage, mistake.to_string()),
            EmulatorError::Data(failed) => Self::new(Exit::Unavailable, failed.to_string()),
        }
    }
}
